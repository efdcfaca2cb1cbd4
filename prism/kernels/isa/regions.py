"""Regions: control flow as nested loops, blocks and choices, read off the layout of the steps [ISA-9].

Executors with structured control flow follow this tree; executors that step need only the steps. A backward branch
makes a loop from its target to itself. Forward branches leave blocks. Because branches in one sequence only go forward,
blocks always nest once their starts are moved up (the method of stackifying compilers to WebAssembly); a block in which
lanes choose at the start becomes an If.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from prism.kernels.isa.errors import VerifyError
from prism.kernels.isa.program import Guard
from prism.kernels.isa.steps import Step

MOST_NESTED: Final = 16
MOST_DEEP: Final = 64


@dataclass(frozen=True, slots=True)
class Run:
    """The steps from start to stop, one after the other, without control."""

    start: int
    stop: int


@dataclass(frozen=True, slots=True)
class If:
    """`then` where the guard holds, else `other`."""

    guard: Guard
    then: tuple[Node, ...]
    other: tuple[Node, ...] = ()


@dataclass(frozen=True, slots=True)
class Block:
    """A body which `Leave(label)` leaves."""

    label: int
    body: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Loop:
    """A loop. enter: the step that reads the count, and the body runs again by itself at its end; or -1, and the body
    runs once and again whenever `Again(label)` says so.
    """

    label: int
    enter: int
    body: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Leave:
    """Go to the end of the block `label`."""

    label: int


@dataclass(frozen=True, slots=True)
class Again:
    """Go to the start of the loop `label`; costs one fuel. step: the branch, which faults without."""

    label: int
    step: int


@dataclass(frozen=True, slots=True)
class Stop:
    """The lane stops."""


Node = Run | If | Block | Loop | Leave | Again | Stop


@dataclass(slots=True)
class _Span:
    """A loop while its extent is found: steps start to end (exclusive)."""

    start: int
    end: int
    enter: int


def structure(steps: Sequence[Step]) -> tuple[Node, ...]:
    """Return the tree of a program's steps.

    VerifyError where a branch goes into a loop from outside, or where loops nest too deep. Cost: linear, but for blocks
    that overlap.
    """
    spans = _spans(steps)
    _check_entries(steps, spans)
    nodes, _ = _Tree(steps, spans).body(0, len(steps), None)
    return _Simplifier().sequence(nodes)


def _spans(steps: Sequence[Step]) -> dict[int, list[_Span]]:
    """Return the loops by start, outermost first; a loop of branches grows to hold each loop that it cuts."""
    backward: dict[int, int] = {}
    found: list[_Span] = []
    for at, step in enumerate(steps):
        if step.op == "bra" and step.target <= at:
            backward[step.target] = at + 1
        elif step.op == "loop":
            found.append(_Span(step.target - 1, at + 1, step.target - 1))
    found += [_Span(start, end, -1) for start, end in backward.items()]
    by_start: dict[int, list[_Span]] = {}
    for span in sorted(found, key=lambda one: (-one.start, one.end)):
        at = span.start + 1
        while at < span.end:
            inner = by_start.get(at)
            at = inner[-1].end if inner else at + 1
        if at > span.end and span.enter >= 0:
            raise VerifyError(
                "regions", steps[span.enter].index, "a branch must not go into the body of a loop from outside"
            )
        span.end = max(span.end, at)
        by_start.setdefault(span.start, []).append(span)
    for spans in by_start.values():
        spans.sort(key=lambda one: (-one.end, one.enter))
    return by_start


def _check_entries(steps: Sequence[Step], spans: dict[int, list[_Span]]) -> None:
    innermost: list[_Span | None] = []
    parents: dict[int, _Span | None] = {}
    stack: list[_Span] = []
    for at in range(len(steps)):
        while stack and stack[-1].end <= at:
            stack.pop()
        for span in spans.get(at, ()):
            parents[id(span)] = stack[-1] if stack else None
            stack.append(span)
        if len(stack) > MOST_NESTED:
            raise VerifyError(
                "regions",
                steps[at].index,
                f"loops must nest at most {MOST_NESTED} deep; put some in functions of fewer",
            )
        innermost.append(stack[-1] if stack else None)
    for at, step in enumerate(steps):
        if step.op != "bra" or step.target >= len(steps):
            continue
        span = innermost[step.target]
        while span is not None and span.start == step.target:
            if span.enter >= 0 and span.start < at < span.end:
                break
            span = parents[id(span)]
        if span is not None and not span.start <= at < span.end:
            raise VerifyError("regions", step.index, "a branch must not go into the body of a loop from outside")


@dataclass(slots=True)
class _Item:
    """A node, the items [first, end) of its sequence that it holds, and how deep it nests."""

    first: int
    end: int
    node: Node
    depth: int


class _Tree:
    """Builds the tree, one sequence of items at a time."""

    def __init__(self, steps: Sequence[Step], spans: dict[int, list[_Span]]) -> None:
        self.steps, self.spans = steps, spans
        self.targets = frozenset(step.target for step in steps if step.op == "bra")

    def body(self, start: int, stop: int, within: _Span | None) -> tuple[tuple[Node, ...], int]:
        """Return the nodes of the steps start to stop, which lie directly in the loop `within`, and their depth."""
        items: list[_Item] = []
        places: dict[int, int] = {}
        sources: dict[int, int] = {}
        at = run = start

        def add(node: Node, depth: int) -> None:
            items.append(_Item(len(items), len(items) + 1, node, depth))

        while at < stop:
            if at in self.targets:
                if run < at:
                    add(Run(run, at), 0)
                run = at
                places[at] = len(items)
            inner, step = self._inner(at, within), self.steps[at]
            if inner is None and step.op not in ("bra", "exit"):
                at += 1
                continue
            if run < at:
                add(Run(run, at), 0)
            after = inner.end if inner else at + 1
            for source in range(at, after):
                target = self.steps[source].target
                if self.steps[source].op == "bra" and at < target and after <= target <= stop:
                    sources.setdefault(target, len(items))
            add(*(self._loop(inner) if inner else (self._branch(at), 1)))
            at = run = after
        if run < stop:
            add(Run(run, stop), 0)
        places[stop] = len(items)
        sources.pop(len(self.steps), None)
        return self._blocks(items, sorted((places[target], target, first) for target, first in sources.items()))

    def _inner(self, at: int, within: _Span | None) -> _Span | None:
        """Return the outermost loop that starts here inside `within`."""
        spans = self.spans.get(at, [])
        skip = spans.index(within) + 1 if within is not None and within in spans else 0
        return spans[skip] if skip < len(spans) else None

    def _loop(self, span: _Span) -> tuple[Node, int]:
        counted = span.enter >= 0
        start, stop = (span.start + 1, span.end - 1) if counted else (span.start, span.end)
        body, depth = self.body(start, stop, span)
        return Loop(span.start, span.enter, body), depth + 1

    def _branch(self, at: int) -> Node:
        step = self.steps[at]
        if step.op == "exit" or step.target == len(self.steps):
            gone: Node = Stop()
        elif step.target <= at:
            gone = Again(step.target, at)
        else:
            gone = Leave(step.target)
        guard = step.instruction.operands[0] if step.op == "bra" else None
        return If(guard, (gone,)) if isinstance(guard, Guard) else gone

    def _blocks(self, items: list[_Item], ends: list[tuple[int, int, int]]) -> tuple[tuple[Node, ...], int]:
        """Put items into blocks that end at each target, moving starts up so that blocks nest."""
        done: list[_Item] = []
        taken = 0
        for end, target, first in ends:
            done += items[taken:end]
            taken = max(taken, end)
            keep = len(done)
            while keep and done[keep - 1].end > first:
                keep -= 1
            held = done[keep:]
            depth = 1 + max(one.depth for one in held)
            if depth > MOST_DEEP:
                index = self.steps[target - 1].index
                raise VerifyError(
                    "regions", index, f"branches must nest at most {MOST_DEEP} deep; put parts in functions"
                )
            done[keep:] = [_Item(held[0].first, end, Block(target, tuple(one.node for one in held)), depth)]
        done += items[taken:]
        return tuple(one.node for one in done), max((one.depth for one in done), default=0)


class _Simplifier:
    """Turns blocks that lanes leave at a choice into choices; remembers what is simple already."""

    def __init__(self) -> None:
        self.simple: dict[int, Node] = {}

    def _is_new(self, node: Node) -> bool:
        return id(node) not in self.simple

    def _note(self, node: Node) -> Node:
        self.simple[id(node)] = node
        return node

    def sequence(self, nodes: Sequence[Node], label: int = -1, depth: int = 0) -> tuple[Node, ...]:
        """Return the simple form of nodes; `label` is the block that ends where they end."""
        out: list[Node] = []
        ahead = list(reversed(nodes))
        while ahead:
            node = ahead.pop()
            match node:
                case Block(inner, body) if self._is_new(node):
                    body = _without_tail(self.sequence(body, inner, depth + 1), inner)
                    if _leaves(body, inner):
                        ahead.append(self._note(Block(inner, body)))
                    else:
                        ahead += reversed(body)
                case Loop(inner, enter, body) if self._is_new(node):
                    out.append(self._note(Loop(inner, enter, self.sequence(body, -1, depth + 1))))
                case If(guard, (*then, Leave(to)), ()) if to == label and depth < MOST_DEEP // 2:
                    rest = self.sequence(tuple(reversed(ahead)), label, depth + 1)
                    if then:
                        out.append(If(guard, tuple(then), rest))
                    elif rest:
                        out.append(If(Guard(guard.predicate, not guard.negated), rest))
                    return tuple(out)
                case _:
                    out.append(node)
        return tuple(out)


def _without_tail(nodes: tuple[Node, ...], label: int) -> tuple[Node, ...]:
    """Drop `Leave(label)` where control comes to the label anyway."""
    if not nodes:
        return nodes
    *before, last = nodes
    match last:
        case Leave(to) if to == label:
            return _without_tail(tuple(before), label)
        case If(guard, then, other):
            then, other = _without_tail(then, label), _without_tail(other, label)
            return (*before, If(guard, then, other)) if then or other else tuple(before)
        case Block(inner, body):
            return (*before, Block(inner, _without_tail(body, label)))
    return nodes


def _leaves(nodes: Sequence[Node], label: int) -> bool:
    """Whether something in `nodes` leaves the block."""
    for node in nodes:
        match node:
            case Leave(to) if to == label:
                return True
            case If(_, then, other) if _leaves(then, label) or _leaves(other, label):
                return True
            case Block(_, body) | Loop(_, _, body) if _leaves(body, label):
                return True
    return False
