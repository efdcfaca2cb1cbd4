"""How a variable differs from lane to lane: by a fixed step, as far as a program says, or in no known way.

What is found is an expectation: `x // n` is taken for equal in neighbouring lanes, `x % n` for one more in each. Code
that relies on it compares the first lane of a row with its last, which settles it for all between (cpu_rows.py).

    r0 = global_lane_id            1
    r1 = r0 % columns              1
    r2 = r0 // columns             0
    r3 = r2 * inner + k            0      (k counts turns)
    r4 = r3 << 2                   0
    r5 = (k * columns + r1) << 2   4
    r6 = a[r4]                     0      what is loaded from one place is one value
    r7 = b[r5]                     none
"""

from __future__ import annotations

import heapq
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from prism.kernels.exec import cpu_ops as ops
from prism.kernels.exec.cpu_live import successors
from prism.kernels.exec.cpu_record import variable
from prism.kernels.exec.cpu_uses import constants, number_of, read_by, written_by
from prism.kernels.isa.flow import registers_of
from prism.kernels.isa.program import RegisterIndirectComputed
from prism.kernels.isa.steps import Pool, Step
from prism.kernels.isa.table import BY_MNEMONIC, SPECIAL, Effect
from prism.kernels.isa.types import U64, Kind, Type
from prism.kernels.isa.verify import Verified

MOST_SCALE: Final = 1 << 12
Known = tuple[int, int | None]
"""A variable's step from one lane to the next, and its value if it is a constant."""
State = Mapping[str, Known]
"""What is known of each variable; one that is left out differs in no known way."""
_MOVES: Final = frozenset({"mov", "mov_imm", "cvt", "set", "sel", "shl", "shr", "mad", "fma"})


def is_plain(step: Step) -> bool:
    """Whether a step only computes registers from registers and cannot fault."""
    return not divides(step) and (
        step.op in _MOVES or step.op in ops.BINARY or step.op in ops.UNARY or step.op.startswith("reduce.")
    )


def divides(step: Step) -> bool:
    """Whether a step divides whole numbers, and so may fault."""
    return step.op in ("div", "rem") and step.instruction.types[0].kind is not Kind.FLOAT


def scales(verified: Verified) -> list[State]:
    """Return what is known before each step, and at the end. Cost: a few passes over steps times variables."""
    steps = verified.steps
    before: list[State | None] = [None] * (len(steps) + 1)
    before[0] = _at_start(verified)
    waiting = [0]
    while waiting:
        at = heapq.heappop(waiting)
        state = before[at]
        if at == len(steps) or state is None:
            continue
        after = following(steps[at], state)
        for target in successors(at, steps[at], len(steps)):
            old = before[target]
            met = after if old is None else _met(old, after)
            if met != old:
                before[target] = met
                heapq.heappush(waiting, target)
    return [one or {} for one in before]


def _at_start(verified: Verified) -> State:
    program = verified.program
    found: dict[str, Known] = {variable(one.register, one.type): (0, None) for one in program.scalars}
    found |= {variable(one.register, U64): (0, None) for one in program.sizes}
    found |= {name: (0, number_of(one)) for name, one in constants(verified).items()}
    found |= {name: (int(name in ("global_lane_id", "lane_idx_x")), None) for name, _ in SPECIAL.values()}
    return found


def _met(one: State, other: State) -> State:
    """Return what holds on two ways."""
    found: dict[str, Known] = {}
    for name, known in one.items():
        also = other.get(name)
        if also is not None and also[0] == known[0]:
            found[name] = known if also == known else (known[0], None)
    return found


def following(step: Step, state: State) -> State:
    """Return what is known after a step."""
    written = written_by(step)
    if not written:
        return state
    known = _result(step, state)
    if known is None:
        return {name: one for name, one in state.items() if name not in written}
    return {**state, **dict.fromkeys(written, known)}


def _result(step: Step, state: State) -> Known | None:
    """Return what is known of what a step writes."""
    one = step.instruction
    effect = BY_MNEMONIC[step.op].effect
    if step.op.startswith("lane."):
        return 0, None
    if effect is Effect.LOAD and not isinstance(step.memory, Pool):
        return (0, None) if offset_scale(step, state) == 0 else None
    if effect is not Effect.PURE or not (is_plain(step) or divides(step)):
        return None
    if step.op == "mov_imm":
        return 0, number_of(one)
    given = [state.get(name) for name in _read_in_order(step)]
    known = [each for each in given if each is not None]
    if len(known) != len(given):
        return None
    if step.op == "set":
        return _compared(str(one.operands[0]), known)
    if step.op == "mov":
        return known[0]
    if all(scale == 0 for scale, _ in known):
        return 0, None
    scale = _scale(step.op, known)
    return None if scale is None or not _may_differ(one.types, scale) else (scale, None)


def offset_scale(step: Step, state: State) -> int | None:
    """Return how the byte that an access begins at differs from lane to lane; None if in no known way."""
    for operand in step.instruction.operands:
        if isinstance(operand, RegisterIndirectComputed):
            known = state.get(variable(operand.offset, U64))
            return None if known is None else known[0]
    return 0


def _read_in_order(step: Step) -> Iterator[str]:
    if step.op == "sel":
        yield from read_by(step) - {variable(register, ty) for register, ty, _ in registers_of(step.instruction)}
    yield from (variable(register, ty) for register, ty, writes in registers_of(step.instruction) if not writes)


def _compared(condition: str, known: Sequence[Known]) -> Known | None:
    (a, _), (b, _) = known
    return (0, None) if a == b or condition.removesuffix("u") not in ("eq", "ne") else None


def _may_differ(types: Sequence[Type], scale: int) -> bool:
    """Whether whole numbers of some types can differ by a scale and a row of lanes not come round."""
    wide = all(ty.kind is not Kind.FLOAT and ty.bits >= 32 for ty in types)
    return scale == 0 or (wide and abs(scale) <= MOST_SCALE)


def _scale(op: str, known: Sequence[Known]) -> int | None:
    """Return the scale of what one step makes of scales of which not all are 0."""
    (a, _), *rest = known
    match op:
        case "cvt":
            return a
        case "add" | "sub":
            return a + rest[0][0] if op == "add" else a - rest[0][0]
        case "mul":
            return _product(known[0], rest[0])
        case "mad":
            product = _product(known[0], rest[0])
            return None if product is None else product + rest[1][0]
        case "shl":
            amount = rest[0][1]
            return None if amount is None or not 0 <= amount < 16 else a << amount
        case "div" | "rem":
            return None if rest[0][0] else (0 if op == "div" else a)
        case "min" | "max":
            return a or rest[0][0] if 0 in (a, rest[0][0]) else None
        case "sel":
            return rest[0][0] if a == 0 and rest[0][0] == rest[1][0] else None
    return None


def _product(a: Known, b: Known) -> int | None:
    for (scale, _), (other, value) in ((a, b), (b, a)):
        if other == 0 and value is not None:
            return scale * value
    return None
