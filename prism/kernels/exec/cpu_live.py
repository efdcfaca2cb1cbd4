"""What a lane that waits must keep, and what it need not: variables that are read later; loops in which none waits."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

from prism.kernels.exec import cpu_ops as ops
from prism.kernels.exec.cpu_lane import variables
from prism.kernels.exec.cpu_record import variable
from prism.kernels.exec.cpu_turns import is_meeting
from prism.kernels.exec.cpu_uses import constants, read_by, text_of, written_by
from prism.kernels.isa.program import Guard
from prism.kernels.isa.regions import Again, Block, If, Leave, Loop, Node, Run, Stop
from prism.kernels.isa.steps import ENTER, Step
from prism.kernels.isa.types import U64
from prism.kernels.isa.verify import Verified


@dataclass(frozen=True, slots=True)
class Whole:
    """A loop without meetings that is left at its end alone: its steps from start to end."""

    node: Loop
    start: int
    end: int


@lru_cache(maxsize=64)
def whole_loops(verified: Verified) -> Mapping[int, Whole]:
    """Return the outermost loops that a lane goes through without waiting, by their first step."""
    found: dict[int, Whole] = {}

    def look(nodes: Sequence[Node]) -> None:
        for node in nodes:
            match node:
                case If(_, then, other):
                    look(then)
                    look(other)
                case Block(_, body):
                    look(body)
                case Loop(label, enter, body):
                    start, end = enter if enter >= 0 else label, _end(verified, node)
                    if _is_closed([node], set()) and not any(map(is_meeting, verified.steps[start:end])):
                        found[start] = Whole(node, start, end)
                    else:
                        look(body)
                case _:
                    pass

    look(verified.regions)
    return found


def _end(verified: Verified, node: Loop) -> int:
    """Return the step after the last of a loop."""
    last = list(_stops(node.body))
    if node.enter >= 0:
        counter = verified.steps[node.enter].counter
        last += [k + 1 for k, one in enumerate(verified.steps) if (one.op, one.counter) == ("loop", counter)]
    return max(last)


def _stops(nodes: Sequence[Node]) -> Iterator[int]:
    for node in nodes:
        match node:
            case Run(_, stop):
                yield stop
            case If(_, then, other):
                yield from _stops(then)
                yield from _stops(other)
            case Block(_, body):
                yield from _stops(body)
            case Loop(_, _, body):
                yield from _stops(body)
            case Again(_, step):
                yield step + 1
            case _:
                pass


def _is_closed(nodes: Sequence[Node], inside: set[tuple[type, int]]) -> bool:
    """Whether no jump leaves nodes for what is not `inside`, and no lane stops."""
    for node in nodes:
        match node:
            case If(_, then, other):
                fine = _is_closed(then, inside) and _is_closed(other, inside)
            case Block(label, body):
                fine = _is_closed(body, inside | {(Block, label)})
            case Loop(label, _, body):
                fine = _is_closed(body, inside | {(Loop, label)})
            case Leave(label):
                fine = (Block, label) in inside
            case Again(label, _):
                fine = (Loop, label) in inside
            case Stop():
                fine = False
            case _:
                fine = True
        if not fine:
            return False
    return True


def kept_at_meetings(verified: Verified, also: set[str]) -> frozenset[str]:
    """Return the variables that some step after a meeting reads before another is written to them, and others.

    What the launch sets is among them only if a step writes it, and then always: a lane finds it in its state.
    """
    live = live_before(verified.steps)
    kept = also | {name for k, step in enumerate(verified.steps) if is_meeting(step) for name in live[k + 1]}
    program = verified.program
    given = {variable(one.register, one.type) for one in program.scalars}
    given |= {variable(one.register, U64) for one in program.sizes}
    written = {name for step in verified.steps for name in written_by(step)}
    return frozenset((kept - constants(verified).keys() - given) | (given & written))


@lru_cache(maxsize=64)
def live_before(steps: tuple[Step, ...]) -> list[set[str]]:
    """Return the variables that may be read from each step on, and from the end: the least solution, backwards."""
    live: list[set[str]] = [set() for _ in range(len(steps) + 1)]
    changed = True
    while changed:
        changed = False
        for number in reversed(range(len(steps))):
            step = steps[number]
            after: set[str] = set()
            for one in successors(number, step, len(steps)):
                after |= live[one]
            found = (after - written_by(step)) | read_by(step)
            if found != live[number]:
                live[number], changed = found, True
    return live


def successors(number: int, step: Step, end: int) -> list[int]:
    """Return the steps that a lane may come to after a step; `end` is the one past the last."""
    if step.op == "exit":
        return [end]
    if step.op == "bra":
        guarded = isinstance(step.instruction.operands[0], Guard)
        return [step.target, number + 1] if guarded else [step.target]
    return [step.target, number + 1] if step.op in (ENTER, "loop") else [number + 1]


def fixed_variables(verified: Verified, given: set[str]) -> list[str]:
    """Return a first value for each variable but the given ones: the constant that it is, or 0, which none reads."""
    known = constants(verified)
    lines = []
    for name, ty in variables(verified).items():
        if name in known:
            lines.append(f"{name} = {text_of(known[name])}")
        elif name not in given:
            lines.append(f"{name} = {'False' if ty is None else ops.typed(ty, '0')}")
    counters = {f"c{step.counter}" for step in verified.steps if step.op == ENTER} - given
    return [*lines, *(f"{name} = np.int64(0)" for name in sorted(counters))]
