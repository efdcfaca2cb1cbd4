"""THE table of workflow rules: each is one law, one clause of POLICY_SEED.md and one function from a tree to hits."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from policy.document import Mapping, Node, Scalar, Sequence, scalars
from policy.expression import condition, conjuncts, is_equality
from policy.findings import Finding, Hit
from policy.runner import UnknownRunner, alternatives, own_machines
from policy.scripts import why_to_list
from policy.tree import Tree, action_file, local_path, uses_of_steps
from policy.workflow import Workflow

_COMMIT = re.compile(r"[0-9a-f]{40}")
_DIGEST = re.compile(r"[^@\s]+@sha256:[0-9a-f]{64}")
_ACTOR = (("github", "actor"), ("github", "repository_owner"))


@dataclass(frozen=True, slots=True)
class Rule:
    """A law over a tree; `id` names its fixtures, `clause` the text that it enforces."""

    id: str
    clause: str
    law: str
    remedy: str
    check: Callable[[Tree], Iterator[Hit]]


def check(tree: Tree, rules: tuple[Rule, ...] | None = None) -> list[Finding]:
    """Return the findings of `rules` (default: all) in the order of files and lines."""
    return sorted(
        Finding(hit.path, hit.line, rule.id, hit.message, rule.clause, rule.remedy)
        for rule in (RULES if rules is None else rules)
        for hit in set(rule.check(tree))
    )


def _readable(tree: Tree) -> Iterator[Hit]:
    yield from tree.unread


def _permissions(tree: Tree) -> Iterator[Hit]:
    for workflow in tree.workflows:
        given = workflow.node.get("permissions")
        if given is None:
            yield Hit(workflow.path, workflow.node.line, "the workflow must set permissions, at most contents: read")
        yield from _too_wide(workflow.path, given)
    for workflow, job in tree.jobs():
        yield from _too_wide(workflow.path, job.node.get("permissions"))


def _too_wide(path: str, given: Node | None) -> Iterator[Hit]:
    if given is not None and not isinstance(given, Mapping):
        yield Hit(path, given.line, f"permissions must be a mapping, got {_text(given)!r}")
    for scope, level in given.entries if isinstance(given, Mapping) else ():
        if _text(level) not in ("read", "none"):
            yield Hit(path, scope.line, f"permission {scope.text} must be read or none, got {_text(level)!r}")


def _runner_known(tree: Tree) -> Iterator[Hit]:
    for workflow, job in tree.jobs():
        known = alternatives(job)
        if isinstance(known, UnknownRunner):
            yield Hit(
                workflow.path, known.line, f"job {job.name} must name its machines in the file, got {known.text!r}"
            )


def _self_hosted_trigger(tree: Tree) -> Iterator[Hit]:
    for workflow, job in tree.jobs():
        if not own_machines(job, tree.settings):
            continue
        for entry in tree.entries(workflow):
            for event, filters in entry.events:
                if event.text == "workflow_call":
                    continue
                if event.text != "push" or not _trusted(filters, tree.settings.trusted_branches):
                    message = f"{event.text} must not start job {job.name} of {workflow.path}, which uses our machines"
                    yield Hit(entry.path, event.line, message)


def _trusted(filters: Mapping | None, trusted: frozenset[str]) -> bool:
    """Tell whether a push is limited to trusted branches: any other filter could let more through."""
    if filters is None or not {key.text for key, _ in filters.entries} <= {"branches", "paths", "paths-ignore"}:
        return False
    branches = filters.get("branches")
    given = [_text(item) for item in branches.items] if isinstance(branches, Sequence) else [_text(branches)]
    return bool(given) and set(given) <= trusted


def _self_hosted_labels(tree: Tree) -> Iterator[Hit]:
    needed = tree.settings.self_hosted_labels
    for workflow, job in tree.jobs():
        for labels in own_machines(job, tree.settings):
            if not labels >= needed:
                line = job.node.line_of("runs-on")
                yield Hit(
                    workflow.path, line, f"job {job.name} must bear the labels {sorted(needed)}, got {sorted(labels)}"
                )


def _self_hosted_guard(tree: Tree) -> Iterator[Hit]:
    for workflow, job in tree.jobs():
        if not own_machines(job, tree.settings):
            continue
        tree_of_if = condition(job.condition.text) if job.condition else None
        if tree_of_if is None or not any(is_equality(part, *_ACTOR) for part in conjuncts(tree_of_if)):
            got = repr(job.condition.text) if job.condition else "no if"
            line = job.condition.line if job.condition else job.line
            yield Hit(
                workflow.path,
                line,
                f"job {job.name} must run only if github.actor == github.repository_owner && ..., got {got}",
            )


def _action_allowed(tree: Tree) -> Iterator[Hit]:
    for path, uses in uses_of_steps(tree):
        name = uses.text.partition("@")[0]  # a folder below an action is another action
        if _is_remote(uses) and name.casefold() not in tree.settings.actions:
            yield Hit(path, uses.line, f"action {name!r} must be one of {sorted(tree.settings.actions)}")


def _action_pinned(tree: Tree) -> Iterator[Hit]:
    for path, uses in [*uses_of_steps(tree), *_calls(tree)]:
        if _is_remote(uses) and not _COMMIT.fullmatch(uses.text.partition("@")[2]):
            yield Hit(path, uses.line, f"{uses.text!r} must end in @ and a full commit id of 40 hexadecimal digits")


def _is_remote(uses: Scalar) -> bool:
    return local_path(uses.text) is None and not uses.text.startswith("docker://")


def _calls(tree: Tree) -> Iterator[tuple[str, Scalar]]:
    for workflow, job in tree.jobs():
        if job.uses is not None:
            yield workflow.path, job.uses


def _image_pinned(tree: Tree) -> Iterator[Hit]:
    for path, image in _images(tree):
        if not _DIGEST.fullmatch(image.text.removeprefix("docker://")):
            yield Hit(
                path, image.line, f"image {image.text!r} must be pinned as name@sha256: and 64 hexadecimal digits"
            )


def _images(tree: Tree) -> Iterator[tuple[str, Scalar]]:
    for workflow, job in tree.jobs():
        for image in job.images:
            yield workflow.path, image
    for action in tree.actions:
        for image in action.images:
            yield action.path, image
    for path, uses in uses_of_steps(tree):
        if uses.text.startswith("docker://"):
            yield path, uses


def _image_recorded(tree: Tree) -> Iterator[Hit]:
    for image in tree.settings.images:
        recorded = _recorded_digest(tree.root / image.recipe)
        named = re.compile(rf"(?<![\w-]){re.escape(image.name)}([:@][^\s'\"]*)")
        for workflow in tree.workflows:
            for scalar in scalars(workflow.node):
                for got in sorted(set(named.findall(scalar.text)) - {f"@{recorded}"}):
                    message = f"image {image.name} must have the digest {recorded} of {image.recipe}, got {got[1:]}"
                    yield Hit(workflow.path, scalar.line, message)


def _recorded_digest(recipe: Path) -> str:
    try:
        digest = tomllib.loads(recipe.read_text(encoding="utf-8")).get("digest", "none")
    except (OSError, ValueError):
        digest = "none"
    return f"sha256:{digest}"


def _reference_followed(tree: Tree) -> Iterator[Hit]:
    known = {workflow.path: workflow for workflow in tree.workflows}
    for path, uses in _calls(tree):
        called = local_path(uses.text)
        if called is None:
            name = uses.text.partition("@")[0]
            if name.casefold() not in tree.settings.reusable_workflows:
                yield Hit(path, uses.line, f"workflow {name!r} of another repository cannot be followed")
        elif called not in known or not _is_callable(known[called]):
            yield Hit(
                path, uses.line, f"{uses.text!r} must be a file of .github/workflows with the event workflow_call"
            )
    for path, uses in uses_of_steps(tree):
        local = local_path(uses.text)
        if local is not None and action_file(tree.root, local) is None:
            yield Hit(path, uses.line, f"{uses.text!r} must be a folder of this repository with an action.yml")


def _is_callable(workflow: Workflow) -> bool:
    return any(event.text == "workflow_call" for event, _ in workflow.events)


def _secrets_named(tree: Tree) -> Iterator[Hit]:
    for workflow, job in tree.jobs():
        secrets = job.node.get("secrets")
        if secrets is not None and not isinstance(secrets, Mapping):
            yield Hit(
                workflow.path, secrets.line, f"job {job.name} must name the secrets it passes on, got all of them"
            )


def _script_listed(tree: Tree) -> Iterator[Hit]:
    for path, script in _scripts(tree):
        if reason := why_to_list(script.text, tree.settings):
            yield Hit(path, script.line, f"a script must be listed with its exact text, since {reason}")
    for file in (*tree.workflows, *tree.actions):
        for name in _variables(file.node):
            if not isinstance(name, Scalar) or "${{" in name.text:
                yield Hit(file.path, name.line, "the variables of an env must be written out")
            elif name.text.casefold() in tree.settings.variables:
                yield Hit(
                    file.path, name.line, f"no env may set {name.text}, which tells a tool what to run or to load"
                )


def _variables(node: Node) -> Iterator[Node]:
    """Yield the name of each variable that some `env` sets, or what stands there instead of names."""
    if isinstance(node, Sequence):
        for item in node.items:
            yield from _variables(item)
    elif isinstance(node, Mapping):
        for key, value in node.entries:
            if key.text == "env" and isinstance(value, Mapping):
                yield from (name for name, _ in value.entries)
            elif key.text == "env" and not (isinstance(value, Scalar) and "${{" not in value.text):
                yield value
            yield from _variables(value)


def _scripts(tree: Tree) -> Iterator[tuple[str, Scalar]]:
    """Yield all that a shell is given and each shell that is chosen for it."""
    for path, step in tree.steps():
        yield from ((path, given) for given in (step.run, step.shell) if given is not None)
    for workflow in tree.workflows:
        chosen = (workflow.shell, *(job.shell for job in workflow.jobs))
        yield from ((workflow.path, shell) for shell in chosen if shell is not None)


def _text(node: Node | None) -> str | None:
    return node.text if isinstance(node, Scalar) else None


RULES = (
    Rule(
        "readable",
        "POLICY-1",
        "Every workflow and action file is one unambiguous YAML document of the expected shape.",
        "Write it as one mapping without duplicate or merge keys.",
        _readable,
    ),
    Rule(
        "permissions",
        "POLICY-2",
        "The workflow sets permissions, and each is read or none.",
        "Set `permissions: {contents: read}` at the top and give a job nothing more.",
        _permissions,
    ),
    Rule(
        "runner-known",
        "POLICY-3",
        "The file lists every machine on which a job may run.",
        "Write the labels out, or use a matrix whose values stand in the file.",
        _runner_known,
    ),
    Rule(
        "self-hosted-trigger",
        "POLICY-4",
        "Only a push to a trusted branch starts a job on our own machines.",
        "Trigger by `push: {branches: [main]}` alone, or move the job to a hosted machine.",
        _self_hosted_trigger,
    ),
    Rule(
        "self-hosted-labels",
        "POLICY-4",
        "A job on our own machines bears the full label set.",
        "Write `runs-on: [self-hosted, gpu, local]`, or one hosted label that policy/workflows.toml lists.",
        _self_hosted_labels,
    ),
    Rule(
        "self-hosted-guard",
        "POLICY-4",
        "A job on our own machines runs only if the actor owns the repository.",
        "Make `github.actor == github.repository_owner` a top-level && operand of the job's `if`.",
        _self_hosted_guard,
    ),
    Rule(
        "action-allowed",
        "POLICY-5",
        "A step uses listed actions only.",
        "Use plain commands, or propose the action in policy/workflows.toml.",
        _action_allowed,
    ),
    Rule(
        "action-pinned",
        "POLICY-6",
        "An action or workflow of another repository is pinned to a commit.",
        "Replace the tag or branch by the commit that it names, and keep the tag as a comment.",
        _action_pinned,
    ),
    Rule(
        "image-pinned",
        "POLICY-7",
        "An image is pinned by its digest.",
        "Write name@sha256:DIGEST; build files and expressions are not accepted.",
        _image_pinned,
    ),
    Rule(
        "image-recorded",
        "POLICY-7",
        "An image whose digest a recipe records has that digest.",
        "Copy the digest from the recipe, or rebuild the image and review the new digest.",
        _image_recorded,
    ),
    Rule(
        "reference-followed",
        "POLICY-8",
        "The checker can follow every reference to a workflow or a local action.",
        "Refer to a file of this repository, or propose the workflow in policy/workflows.toml.",
        _reference_followed,
    ),
    Rule(
        "secrets-named",
        "POLICY-8",
        "A called workflow gets the secrets it is given by name.",
        "Replace `secrets: inherit` by a mapping of the secrets that it needs.",
        _secrets_named,
    ),
    Rule(
        "script-listed",
        "POLICY-9",
        "A script or shell that names what fetches or interprets, or hides its names, is listed; env aims no tool.",
        "Let `make` run a reviewed file, or list the text with a reason in policy/workflows.toml; drop the variable.",
        _script_listed,
    ),
)
