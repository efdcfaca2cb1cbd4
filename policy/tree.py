"""All workflow and action files of one repository, with every local reference between them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from policy import document
from policy.document import Scalar
from policy.findings import Hit
from policy.settings import Settings
from policy.workflow import Action, Job, Shape, Step, Workflow


@dataclass(frozen=True, slots=True)
class Tree:
    """What the rules judge: `unread` holds the files and nodes that could not be read as what they must be."""

    root: Path
    settings: Settings
    workflows: tuple[Workflow, ...]
    actions: tuple[Action, ...]
    unread: tuple[Hit, ...]

    def jobs(self) -> Iterator[tuple[Workflow, Job]]:
        """Yield every job with its workflow."""
        for workflow in self.workflows:
            for job in workflow.jobs:
                yield workflow, job

    def steps(self) -> Iterator[tuple[str, Step]]:
        """Yield every step of every job and action with its file."""
        for workflow, job in self.jobs():
            for step in job.steps:
                yield workflow.path, step
        for action in self.actions:
            for step in action.steps:
                yield action.path, step

    def callers(self, called: Workflow) -> tuple[Workflow, ...]:
        """Return the workflows one job of which calls `called`."""
        return tuple(workflow for workflow, job in self.jobs() if job.uses and local_path(job.uses.text) == called.path)

    def entries(self, workflow: Workflow) -> tuple[Workflow, ...]:
        """Return the workflows whose events start a run that reaches `workflow`, itself included if it has its own."""
        found: list[Workflow] = []
        pending = [workflow]
        seen: set[str] = set()
        while pending:
            current = pending.pop()
            if current.path in seen:
                continue
            seen.add(current.path)
            if any(event.text != "workflow_call" for event, _ in current.events):
                found.append(current)
            pending.extend(self.callers(current))
        return tuple(found)


def local_path(uses: str) -> str | None:
    """Return the path that a local reference `./x` names, relative to the root; None for any other reference."""
    return PurePosixPath(uses).as_posix() if uses.startswith("./") else None


def load(root: Path, settings: Settings) -> Tree:
    """Read the workflows, the actions of `.github` and of the root, and every local action that one of them uses."""
    hits: list[Hit] = []
    workflows: list[Workflow] = []
    for path in _yaml_files(root / ".github" / "workflows", "*"):
        relative = path.relative_to(root).as_posix()
        if (node := _read(path, relative, hits)) is not None:
            shape = Shape(relative)
            workflows.append(shape.workflow(node))
            hits.extend(shape.hits)
    steps = [step for workflow in workflows for job in workflow.jobs for step in job.steps]
    first = [*_yaml_files(root, "action"), *_yaml_files(root / ".github", "**/action")]
    actions = _actions(root, first, steps, hits)
    return Tree(root, settings, tuple(workflows), actions, tuple(hits))


def action_file(root: Path, path: str) -> Path | None:
    """Return the file of the local action at `path`, or None when there is none inside `root`."""
    folder = (root / path).resolve()
    if not folder.is_relative_to(root.resolve()):
        return None
    return next((folder / name for name in ("action.yml", "action.yaml") if (folder / name).is_file()), None)


def _actions(root: Path, first: list[Path], steps: list[Step], hits: list[Hit]) -> tuple[Action, ...]:
    pending = first + _used(root, steps)
    found: dict[str, Action] = {}
    while pending:
        path = pending.pop()
        relative = path.resolve().relative_to(root.resolve()).as_posix()
        if relative in found or (node := _read(path, relative, hits)) is None:
            continue
        shape = Shape(relative)
        found[relative] = shape.action(node)
        hits.extend(shape.hits)
        pending.extend(_used(root, list(found[relative].steps)))
    return tuple(found[path] for path in sorted(found))


def _used(root: Path, steps: list[Step]) -> list[Path]:
    paths = [local_path(step.uses.text) for step in steps if step.uses]
    files = [action_file(root, path) for path in paths if path is not None]
    return [file for file in files if file is not None]


def _read(path: Path, relative: str, hits: list[Hit]) -> document.Node | None:
    try:
        return document.read(path)
    except document.DocumentError as error:
        hits.append(Hit(relative, error.line, str(error)))
        return None


def _yaml_files(folder: Path, stem: str) -> list[Path]:
    return sorted([*folder.glob(f"{stem}.yml"), *folder.glob(f"{stem}.yaml")])


def uses_of_steps(tree: Tree) -> Iterator[tuple[str, Scalar]]:
    """Yield every step's `uses` with its file."""
    for path, step in tree.steps():
        if step.uses is not None:
            yield path, step.uses
