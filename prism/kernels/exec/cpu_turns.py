"""When lanes come where: the order in which the definition would have lanes at two places, from their turns of loops.

A lane comes to a stretch of steps at (start of the outermost loop around it, turns of that loop, ..., its first step),
in lexical order. Turns count since lanes last met: there all of them are at one step, and begin anew.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from prism.kernels.isa.regions import Again, Block, If, Loop, Node, Run
from prism.kernels.isa.steps import Step
from prism.kernels.isa.table import BY_MNEMONIC, Effect
from prism.kernels.isa.verify import Verified


@dataclass(frozen=True, slots=True)
class Span:
    """A loop: its steps from start to end, and the step (of `loop`, or the first) that says which it is."""

    start: int
    end: int
    key: int


def restarts(nodes: Sequence[Node], label: int) -> bool:
    """Whether a branch among nodes goes to the start of the loop `label`; for a counted one its count is read anew."""
    for node in nodes:
        match node:
            case If(_, then, other):
                found = restarts(then, label) or restarts(other, label)
            case Block(_, body) | Loop(_, _, body):
                found = restarts(body, label)
            case Again(target, _):
                found = target == label
            case _:
                found = False
        if found:
            return True
    return False


def spans_of(verified: Verified) -> list[Span]:
    """Return the loops of a program, outer before inner."""
    found: list[Span] = []

    def extent(nodes: Sequence[Node]) -> int:
        """Note the loops among nodes; return the step after their last."""
        end = 0
        for node in nodes:
            match node:
                case Run(_, stop):
                    end = max(end, stop)
                case If(_, then, other):
                    end = max(end, extent(then), extent(other))
                case Block(_, body):
                    end = max(end, extent(body))
                case Again(_, step):
                    end = max(end, step + 1)
                case Loop(label, enter, body):
                    inner = extent(body)
                    if enter >= 0:
                        counter = verified.steps[enter].counter
                        inner = 1 + next(
                            k for k, one in enumerate(verified.steps) if (one.op, one.counter) == ("loop", counter)
                        )
                    start = enter + 1 if enter >= 0 else label
                    found.append(Span(start, inner, inner - 1 if enter >= 0 else label))
                    if enter >= 0 and restarts(body, label):
                        found.append(Span(label, inner, label))
                    end = max(end, inner)
        return end

    extent(verified.regions)
    return sorted(found, key=lambda one: (one.start, -one.end))


def is_meeting(step: Step) -> bool:
    """Whether lanes of a block wait for each other at a step."""
    return step.op in BY_MNEMONIC and BY_MNEMONIC[step.op].effect is Effect.SYNC


def is_serial(verified: Verified) -> bool:
    """Whether lanes must run one after the other in one thread: atomics have one order, and so one result."""
    return any(BY_MNEMONIC[step.op].effect is Effect.ATOMIC for step in verified.steps if step.op in BY_MNEMONIC)


def meets(verified: Verified) -> bool:
    """Whether lanes of a block meet, or share memory: then they run side by side, block by block."""
    return bool(verified.program.shared) or any(
        BY_MNEMONIC[step.op].effect is Effect.SYNC for step in verified.steps if step.op in BY_MNEMONIC
    )


def turns(verified: Verified) -> bool:
    """Whether a program has a loop."""
    backward = any(step.op == "bra" and step.target <= at for at, step in enumerate(verified.steps))
    return bool(verified.counters) or backward


def leaders_of(steps: Sequence[Step], more: Iterable[int]) -> list[int]:
    """Return the steps at which stretches start; more: others of them."""
    found = {0, *more}
    for number, step in enumerate(steps):
        if step.target >= 0 or is_meeting(step) or step.op == "exit":
            found |= {number + 1, step.target} if step.target >= 0 else {number + 1}
    return sorted(one for one in found if one < len(steps))


def clock(verified: Verified, leaders: Sequence[int], now: int, turns: int) -> str:
    """Return the function that compares when two lanes came to the stretches that they ran last.

    now: the word of a lane's state that holds the number of that stretch; turns: the first word that counts turns.
    """
    spans, rows = spans_of(verified), []
    for leader in leaders:
        around = [(one.start, turns + k) for k, one in enumerate(spans) if one.start <= leader < one.end]
        rows.append([*around, (leader, 0)])
    deepest = max(len(row) for row in rows)
    table = [[*(part for pair in row for part in pair), *[0] * 2 * (deepest - len(row))] for row in rows]
    return f"""
_WHEN = np.array({table}, np.int64)


@inner
def _later(one, other):
    # Rows: for each loop around the stretch its start and the word of its turns; then the stretch itself, and 0.
    a, b = np.int64(one[{now}]), np.int64(other[{now}])
    for k in range(0, {2 * deepest}, 2):
        if _WHEN[a, k] != _WHEN[b, k]:
            return _WHEN[a, k] > _WHEN[b, k]
        word = _WHEN[a, k + 1]
        if word == 0:
            return False
        if one[word] != other[word]:
            return one[word] > other[word]
    return False
"""
