"""Workflow and action files as typed values; whatever has no place in them is reported, never skipped."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from policy.document import Mapping, Node, Scalar, Sequence
from policy.findings import Hit


@dataclass(frozen=True, slots=True)
class Step:
    """One step of a job or of a composite action."""

    uses: Scalar | None
    run: Scalar | None
    shell: Scalar | None


@dataclass(frozen=True, slots=True)
class Job:
    """One job; `images` are those of its container and services, `line` is that of its name, `shell` its default."""

    name: str
    line: int
    node: Mapping
    condition: Scalar | None
    uses: Scalar | None
    images: tuple[Scalar, ...]
    steps: tuple[Step, ...]
    shell: Scalar | None


@dataclass(frozen=True, slots=True)
class Workflow:
    """One file of `.github/workflows`; an event without filters maps to None, `shell` is the default of its jobs."""

    path: str
    node: Mapping
    events: tuple[tuple[Scalar, Mapping | None], ...]
    jobs: tuple[Job, ...]
    shell: Scalar | None


@dataclass(frozen=True, slots=True)
class Action:
    """One `action.yml`; `images` are those of a container action."""

    path: str
    node: Mapping
    images: tuple[Scalar, ...]
    steps: tuple[Step, ...]


class Shape:
    """Reads one file's nodes as what they must be; each one that is something else becomes a hit."""

    def __init__(self, path: str) -> None:
        self._path = path
        self.hits: list[Hit] = []

    def workflow(self, node: Node) -> Workflow:
        """Read the root of a workflow file."""
        root = self._mapping(node, "a workflow")
        jobs = self._mapping(root.get("jobs"), "jobs", root.line)
        return Workflow(
            self._path,
            root,
            tuple(self._events(root.get("on"), root.line)),
            tuple(self._job(name, value) for name, value in jobs.entries),
            self._default_shell(root),
        )

    def action(self, node: Node) -> Action:
        """Read the root of an action file."""
        root = self._mapping(node, "an action")
        runs = self._mapping(root.get("runs"), "runs", root.line)
        image = self._optional_scalar(runs, "image")
        return Action(self._path, root, (image,) if image else (), self._steps(runs))

    def _events(self, node: Node | None, line: int) -> Iterator[tuple[Scalar, Mapping | None]]:
        if isinstance(node, Scalar):
            yield node, None
        elif isinstance(node, Sequence):
            for item in node.items:
                if (event := self._scalar(item, "an event")) is not None:
                    yield event, None
        else:
            for event, filters in self._mapping(node, "on", line).entries:
                is_bare = isinstance(filters, Scalar) and filters.text in ("", "null", "~")
                is_schedule = event.text == "schedule" and isinstance(filters, Sequence)
                yield event, None if is_bare or is_schedule else self._mapping(filters, f"on.{event.text}")

    def _job(self, name: Scalar, value: Node) -> Job:
        node = self._mapping(value, f"jobs.{name.text}")
        return Job(
            name.text,
            name.line,
            node,
            self._optional_scalar(node, "if"),
            self._optional_scalar(node, "uses"),
            tuple(self._images(node)),
            self._steps(node),
            self._default_shell(node),
        )

    def _default_shell(self, node: Mapping) -> Scalar | None:
        for key in ("defaults", "run"):
            value = node.get(key)
            if value is None:
                return None
            node = self._mapping(value, key)
        return self._optional_scalar(node, "shell")

    def _images(self, job: Mapping) -> Iterator[Scalar]:
        if (container := job.get("container")) is not None:
            yield from self._image(container, "container")
        if (services := job.get("services")) is not None:
            for name, service in self._mapping(services, "services").entries:
                yield from self._image(service, f"services.{name.text}")

    def _image(self, node: Node, what: str) -> Iterator[Scalar]:
        if isinstance(node, Mapping):
            image = self._scalar(node.get("image"), f"{what}.image", node.line)
        else:
            image = self._scalar(node, what)
        if image is not None:
            yield image

    def _steps(self, node: Mapping) -> tuple[Step, ...]:
        steps = node.get("steps")
        if steps is None:
            return ()
        if not isinstance(steps, Sequence):
            self._hit(steps.line, "steps", "a sequence", steps)
            return ()
        read = [self._mapping(step, "a step") for step in steps.items]
        return tuple(Step(*(self._optional_scalar(step, key) for key in ("uses", "run", "shell"))) for step in read)

    def _mapping(self, node: Node | None, what: str, line: int = 1) -> Mapping:
        if isinstance(node, Mapping):
            return node
        at = node.line if node else line
        self._hit(at, what, "a mapping", node)
        return Mapping((), at)

    def _optional_scalar(self, node: Mapping, key: str) -> Scalar | None:
        value = node.get(key)
        return None if value is None else self._scalar(value, key)

    def _scalar(self, node: Node | None, what: str, line: int = 1) -> Scalar | None:
        if isinstance(node, Scalar):
            return node
        self._hit(node.line if node else line, what, "a scalar", node)
        return None

    def _hit(self, line: int, what: str, expected: str, got: Node | None) -> None:
        found = "nothing" if got is None else f"a {type(got).__name__.lower()}"
        self.hits.append(Hit(self._path, line, f"{what} must be {expected}, got {found}"))
