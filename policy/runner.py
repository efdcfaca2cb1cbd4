"""On which machines may a job run? Every alternative of `runs-on` is listed, or the answer is that nobody can know."""

from __future__ import annotations

from dataclasses import dataclass

from policy.document import Mapping, Node, Scalar, Sequence
from policy.expression import Access, condition
from policy.settings import Settings
from policy.workflow import Job

Labels = frozenset[str]


@dataclass(frozen=True, slots=True)
class UnknownRunner:
    """`runs-on` depends on something that the file does not list."""

    line: int
    text: str


def alternatives(job: Job) -> tuple[Labels, ...] | UnknownRunner:
    """Return the label sets, in lower case, on which `job` may run; a runner group counts as one more label.

    A `matrix.name` stands for each value that the file lists for it. A job that calls a workflow runs nowhere itself.
    """
    if job.uses is not None:
        return ()
    node = job.node.get("runs-on")
    if node is None:
        return UnknownRunner(job.line, "nothing")
    return _alternatives(node, job)


def is_hosted(labels: Labels, settings: Settings) -> bool:
    """Tell whether only the host's own machines match: exactly one label, and one that the settings list."""
    return len(labels) == 1 and labels <= settings.hosted_labels


def own_machines(job: Job, settings: Settings) -> tuple[Labels, ...]:
    """Return the known alternatives of `job` that are not hosted."""
    known = alternatives(job)
    return () if isinstance(known, UnknownRunner) else tuple(x for x in known if not is_hosted(x, settings))


def _alternatives(node: Node, job: Job) -> tuple[Labels, ...] | UnknownRunner:
    if isinstance(node, Scalar):
        if "${{" not in node.text:
            return (frozenset({node.text.strip().casefold()}),)
        return _expanded(node, job)
    if isinstance(node, Sequence):
        return _product([_alternatives(item, job) for item in node.items])
    group, labels = node.get("group"), node.get("labels")
    parts: list[tuple[Labels, ...] | UnknownRunner] = []
    if isinstance(group, Scalar) and "${{" not in group.text:
        parts.append((frozenset({f"group {group.text.casefold()}"}),))
    elif group is not None:
        return UnknownRunner(group.line, "a group that is not a word")
    if labels is not None:
        parts.append(_alternatives(labels, job))
    return _product(parts) if parts else UnknownRunner(node.line, "a mapping without group or labels")


def _expanded(node: Scalar, job: Job) -> tuple[Labels, ...] | UnknownRunner:
    unknown = UnknownRunner(node.line, node.text)
    tree = condition(node.text)
    if not (isinstance(tree, Access) and tree.path[0] == "matrix" and len(tree.path) > 1):
        return unknown
    values = _matrix_values(job, tree.path[1:])
    found = [_alternatives(value, job) for value in values if "${{" not in getattr(value, "text", "")]
    if not values or len(found) < len(values) or any(isinstance(one, UnknownRunner) for one in found):
        return unknown
    return tuple(labels for one in found if not isinstance(one, UnknownRunner) for labels in one)


def _product(parts: list[tuple[Labels, ...] | UnknownRunner]) -> tuple[Labels, ...] | UnknownRunner:
    result: tuple[Labels, ...] = (frozenset(),)
    for part in parts:
        if isinstance(part, UnknownRunner):
            return part
        result = tuple(left | right for left in result for right in part)
    return result


def _matrix_values(job: Job, path: tuple[str, ...]) -> list[Node]:
    """Return every value that the file lists for `path` of the matrix; nothing when one of them may come from a run."""
    strategy = job.node.get("strategy")
    matrix = strategy.get("matrix") if isinstance(strategy, Mapping) else None
    if not isinstance(matrix, Mapping):
        return []
    axis = _get(matrix, path[0])
    if axis is not None and not isinstance(axis, Sequence):
        return []
    rows: list[Node | None] = list(axis.items) if axis else []
    include = matrix.get("include")
    if include is not None:
        if not isinstance(include, Sequence) or not all(isinstance(row, Mapping) for row in include.items):
            return []
        named = [_get(row, path[0]) for row in include.items if isinstance(row, Mapping)]
        rows += [value for value in named if value is not None or axis is None]
    for name in path[1:]:
        rows = [_get(row, name) if isinstance(row, Mapping) else None for row in rows]
    values = [row for row in rows if row is not None]
    return values if len(values) == len(rows) else []


def _get(node: Mapping, name: str) -> Node | None:
    return next((value for key, value in node.entries if key.text.casefold() == name), None)
