"""Every workflow rule passes its good fixture, finds its bad one, and is the only thing that finds it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from policy import rules, tree
from policy.findings import Hit
from policy.posture import POSTURE_RULES
from policy.tree import Tree
from tests.unit.policy.trees import FIXTURES, OWN, ROOT, SETTINGS, Check, findings, steps, workflow

pytestmark = pytest.mark.m5

COMMIT = "de0fac2e4500dabe0009e67214ff5f5447ce83dd"
DIGEST = "sha256:" + "0123456789abcdef" * 4

each_rule = pytest.mark.parametrize("rule", rules.RULES, ids=lambda rule: rule.id)


def blind(_: Tree) -> Iterator[Hit]:
    """Find nothing: the mutant of every rule."""
    return iter(())


@pytest.mark.clause("POLICY-1")
@pytest.mark.clause("POLICY-2")
@pytest.mark.clause("POLICY-3")
@pytest.mark.clause("POLICY-4")
@pytest.mark.clause("POLICY-5")
@pytest.mark.clause("POLICY-6")
@pytest.mark.clause("POLICY-7")
@pytest.mark.clause("POLICY-8")
@pytest.mark.clause("POLICY-9")
@each_rule
def test_the_good_fixture_passes_and_the_bad_one_is_found_once(rule: rules.Rule) -> None:
    """The good tree of a rule has no finding at all, the bad one exactly one, with place, clause and remedy."""
    assert findings(FIXTURES / rule.id / "good") == []
    [found] = findings(FIXTURES / rule.id / "bad")
    assert (found.rule, found.clause, found.remedy) == (rule.id, rule.clause, rule.remedy)
    text = (FIXTURES / rule.id / "bad" / found.path).read_text(encoding="utf-8")
    assert 1 <= found.line <= len(text.splitlines())


@each_rule
def test_the_mutant_of_each_rule_is_killed_by_its_bad_fixture(rule: rules.Rule) -> None:
    """With this rule blinded the bad fixture passes: no other rule stands in for it."""
    mutant = tuple(replace(one, check=blind) if one is rule else one for one in rules.RULES)
    assert findings(FIXTURES / rule.id / "bad", table=mutant) == []


@pytest.mark.clause("CHECKER-5")
@each_rule
def test_each_rule_names_a_clause_of_the_seed(rule: rules.Rule) -> None:
    """The clause of a rule has its anchor and its label in POLICY_SEED.md."""
    seed = (ROOT / "POLICY_SEED.md").read_text(encoding="utf-8")
    assert f'<a id="{rule.clause.lower()}"></a>' in seed
    assert f"**[{rule.clause}]**" in seed


def test_every_fixture_belongs_to_a_rule() -> None:
    """No fixture folder is left over from a rule that is gone."""
    expected = {rule.id for rule in rules.RULES} | {rule.id for rule in POSTURE_RULES}
    assert {folder.name for folder in FIXTURES.iterdir()} == expected


def test_our_own_workflows_pass() -> None:
    """The workflows of this repository break none of its rules, and there are some."""
    loaded = tree.load(ROOT, SETTINGS)
    assert {workflow.path for workflow in loaded.workflows} >= {".github/workflows/ci.yml", ".github/workflows/gpu.yml"}
    assert rules.check(loaded) == []


@pytest.mark.clause("POLICY-8")
def test_the_callers_trigger_of_a_reusable_workflow_counts(check: Check) -> None:
    """A job on our machines is found through any chain of calls that a pull request can start."""
    called = workflow(f"{OWN}\n    steps: [{{run: make}}]", on="workflow_call:")
    between = workflow("uses: ./.github/workflows/called.yml", on="workflow_call:")
    trusted = workflow("uses: ./.github/workflows/between.yml")
    assert check(called=called, between=between, trusted=trusted) == []
    outside = workflow("uses: ./.github/workflows/between.yml", on="pull_request:")
    assert check(called=called, between=between, trusted=trusted, outside=outside) == ["self-hosted-trigger"]


@pytest.mark.clause("POLICY-8")
def test_workflows_that_call_each_other_are_followed_once(check: Check) -> None:
    """A cycle of calls ends, and its outside trigger is still found."""
    first = workflow("uses: ./.github/workflows/second.yml", on="workflow_call:")
    second = workflow(
        f"{OWN}\n    steps: [{{run: make}}]\n  again:\n    uses: ./.github/workflows/first.yml",
        on="workflow_call:\n  workflow_dispatch:",
    )
    assert check(first=first, second=second) == ["self-hosted-trigger"]


@pytest.mark.clause("POLICY-8")
@pytest.mark.parametrize(
    "uses",
    ["./.github/workflows/none.yml", "./.github/workflows/plain.yml", f"other/flows/.github/workflows/x.yml@{COMMIT}"],
)
def test_a_call_that_cannot_be_followed_is_found(check: Check, uses: str) -> None:
    """A missing file, a workflow that is not callable and another repository's workflow are refused."""
    assert check(ci=workflow(f"uses: {uses}"), plain=steps("{run: make}")) == ["reference-followed"]


@pytest.mark.clause("POLICY-6")
@pytest.mark.parametrize("ref", ["@v6", "@main", f"@{COMMIT[:12]}", f"@{COMMIT.upper()}", f"@{COMMIT}0", ""])
def test_anything_but_a_full_commit_is_found(check: Check, ref: str) -> None:
    """Tags, branches, short and over-long ids are not pins."""
    assert check(ci=steps(f"{{uses: actions/checkout{ref}}}")) == ["action-pinned"]


@pytest.mark.clause("POLICY-5")
@pytest.mark.parametrize("name", ["actions/cache", "evil/checkout", "actions/checkout-evil", "actions"])
def test_an_action_that_is_not_listed_is_found(check: Check, name: str) -> None:
    """The whole name is compared, in any case; a folder below a listed action is another action."""
    assert check(ci=steps(f"{{uses: {name}@{COMMIT}}}")) == ["action-allowed"]
    assert check(ci=steps(f"{{uses: Actions/Checkout@{COMMIT}}}")) == []
    assert check(ci=steps(f"{{uses: actions/checkout/sub@{COMMIT}}}")) == ["action-allowed"]


@pytest.mark.clause("POLICY-7")
@pytest.mark.parametrize(
    "job",
    [
        "container: debian:12",
        "container: {image: 'debian@sha256:123'}",
        "container: '${{ matrix.image }}'",
        f"services: {{a: {{image: 'x@{DIGEST}'}}, b: {{image: x}}}}",
        "steps: [{uses: 'docker://debian:12'}]",
    ],
)
def test_an_image_without_a_digest_is_found(check: Check, job: str) -> None:
    """Containers, services and container steps are pinned by 64 hexadecimal digits."""
    assert check(ci=workflow(f"runs-on: ubuntu-24.04\n    {job}")) == ["image-pinned"]


@pytest.mark.clause("POLICY-7")
def test_a_recorded_image_needs_its_record(check: Check) -> None:
    """An image with a recipe is found when the recipe is missing or broken, wherever the workflow names the image."""
    named = workflow(
        f"runs-on: ubuntu-24.04\n    env: {{IMAGE: 'localhost/prism-agda@{DIGEST}'}}\n    steps: [{{run: make}}]"
    )
    assert check(ci=named) == ["image-recorded"]
    assert check(ci=named.replace(f"@{DIGEST}", ":latest")) == ["image-recorded"]
    assert check(ci=named, agda__image__recipe_toml="digest = [") == ["image-recorded"]
    assert check(ci=named, agda__image__recipe_toml=f'digest = "{DIGEST.removeprefix("sha256:")}"\n') == []


LOCAL_ACTION = "runs: {{using: composite, steps: [{}]}}\n"


@pytest.mark.clause("POLICY-8")
@pytest.mark.parametrize(
    ("step", "rule"),
    [
        ("{uses: other/thing@v1}", {"action-allowed", "action-pinned"}),
        ("{run: 'curl x | sh', shell: bash}", {"script-listed"}),
        ("{uses: 'docker://debian'}", {"image-pinned"}),
        ("{uses: ./missing}", {"reference-followed"}),
    ],
)
def test_local_actions_are_read_through_any_depth(check: Check, step: str, rule: set[str]) -> None:
    """An action that another action uses, outside .github, is judged like a workflow, under both suffixes."""
    outer, inner = LOCAL_ACTION.format("{uses: ./tools/inner}"), LOCAL_ACTION.format(step)
    found = check(ci=steps("{uses: ./tools/outer}"), tools__outer__action_yaml=outer, tools__inner__action_yml=inner)
    assert set(found) == rule


@pytest.mark.clause("POLICY-7")
def test_a_container_action_needs_a_pinned_image(check: Check) -> None:
    """A build file is no pin: what it builds from is not in the action's file."""
    action = "runs: {using: docker, image: Dockerfile}\n"
    assert check(ci=steps("{uses: ./tool}"), tool__action_yml=action) == ["image-pinned"]


@pytest.mark.clause("POLICY-8")
def test_a_local_action_outside_the_repository_is_found(tmp_path: Path) -> None:
    """A path that leaves the root names nothing that the checker may read, though a good action lies there."""
    root, outside = tmp_path / "repository", tmp_path / "outside"
    (root / ".github" / "workflows").mkdir(parents=True)
    outside.mkdir()
    (outside / "action.yml").write_text(LOCAL_ACTION.format("{run: make}"), encoding="utf-8")
    (root / ".github/workflows/ci.yml").write_text(steps("{uses: ./../outside}"), encoding="utf-8")
    assert [finding.rule for finding in findings(root)] == ["reference-followed"]


@pytest.mark.clause("POLICY-6")
def test_a_listed_workflow_of_another_repository_is_pinned_too(tmp_path: Path) -> None:
    """Listing a workflow lets it be called, but only by a full commit id."""
    name = "other/flows/.github/workflows/x.yml"
    path = tmp_path / ".github" / "workflows" / "ci.yml"
    path.parent.mkdir(parents=True)
    found = []
    for ref in ("v1", COMMIT):
        path.write_text(workflow(f"uses: {name}@{ref}"), encoding="utf-8")
        listed = replace(SETTINGS, reusable_workflows=frozenset({name}))
        found.append([finding.rule for finding in rules.check(tree.load(tmp_path, listed))])
    assert found == [["action-pinned"], []]


@pytest.mark.clause("POLICY-2")
@pytest.mark.parametrize(
    "permissions",
    ["read-all", "write-all", "", "{contents: write}", "{contents: read, id-token: write}"],
)
def test_permissions_are_exactly_read(check: Check, permissions: str) -> None:
    """The words, nothing at all and every write are found; what only reads, or has nothing, is fine."""
    text = f"on: push\npermissions: {permissions}\njobs:\n  a:\n    runs-on: ubuntu-24.04\n    steps: [{{run: make}}]\n"
    assert set(check(ci=text)) == {"permissions"}
    for fine in ("{contents: read, packages: none}", "{contents: none}", "{}"):
        assert check(ci=text.replace(f"permissions: {permissions}\n", f"permissions: {fine}\n")) == []


@pytest.mark.clause("POLICY-2")
def test_missing_permissions_and_a_job_that_widens_them_are_found(check: Check) -> None:
    """No permissions means the host's default; a job may not widen what the workflow grants."""
    body = "jobs:\n  a:\n    runs-on: ubuntu-24.04\n    permissions: write-all\n    steps: [{run: make}]\n"
    assert check(ci=f"on: push\n{body}") == ["permissions", "permissions"]


@pytest.mark.clause("POLICY-1")
@pytest.mark.parametrize(
    "text",
    [
        "",
        "jobs: [",
        "- a list\n",
        "on: push\non: pull_request\n",
        "base: &a {x: 1}\njobs: {<<: *a}\n",
        "on: push\n---\non: push\n",
        "a: &a [*a]\n",
        "on: push\n? [a]\n: b\n",
        "on: push\npermissions: {contents: read}\njobs: []\n",
        "on: push\npermissions: {contents: read}\njobs: {a: {runs-on: ubuntu-24.04, steps: {run: x}}}\n",
        "on: push\npermissions: {contents: read}\njobs: {a: {runs-on: ubuntu-24.04, steps: [{run: [x]}]}}\n",
        "on: push\npermissions: {contents: read}\njobs: {a: {runs-on: ubuntu-24.04, steps: [run]}}\n",
        "on: push\npermissions: {contents: read}\njobs: {a: {runs-on: ubuntu-24.04, container: [x]}}\n",
        "permissions: {contents: read}\njobs: {a: {runs-on: ubuntu-24.04}}\n",
        "on: {push: all}\npermissions: {contents: read}\njobs: {a: {runs-on: ubuntu-24.04}}\n",
        "on: [[push]]\npermissions: {contents: read}\njobs: {a: {runs-on: ubuntu-24.04}}\n",
    ],
)
def test_a_file_that_is_no_workflow_is_found(check: Check, text: str) -> None:
    """Whatever is ambiguous or has the wrong shape is a finding, never a traceback and never skipped."""
    assert "readable" in check(ci=text)


@pytest.mark.clause("POLICY-1")
def test_bytes_that_are_not_text_are_found(tmp_path: Path) -> None:
    """A file that is not UTF-8 is a finding with its first wrong byte; *.yaml files are read as well."""
    path = tmp_path / ".github/workflows/x.yaml"
    path.parent.mkdir(parents=True)
    path.write_bytes(b"on: push\xff\n")
    assert [(f.rule, f.message) for f in findings(tmp_path)] == [("readable", "the file must be UTF-8, got byte 0xff")]


@pytest.mark.clause("POLICY-1")
def test_the_word_on_stays_a_word(check: Check) -> None:
    """YAML 1.1 reads `on` and `off` as booleans; the checker does not."""
    assert check(ci=steps("{run: make}", on="push: {branches: [main]}").replace("make", "off")) == []
