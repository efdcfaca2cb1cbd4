"""Numbers for registers and predicates: linear scan over intervals that loops stretch (Poletto and Sarkar, 1999)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from heapq import heappop, heappush
from typing import Final

from prism.errors import CapacityError
from prism.kernels.isa.program import Guard, Instruction, Operand, RegisterIndirect, RegisterIndirectComputed
from prism.kernels.isa.table import BY_MNEMONIC, PREDICATES, REGISTERS, SPECIAL, Kind
from prism.kernels.lower.emitter import VIRTUAL

_FREE: Final = tuple(one for one in range(REGISTERS) if one not in SPECIAL)


def accesses(line: Instruction) -> Iterator[tuple[str, int, bool]]:
    """Yield ("r" or "p", number, whether it is written) for each register and predicate, reads before writes."""
    written: list[tuple[str, int, bool]] = []
    for declared, given in zip(BY_MNEMONIC[line.op].operands, line.operands, strict=True):
        if declared.kind is Kind.REGISTER and isinstance(given, int):
            if declared.writes:
                written.append(("r", given, True))
            else:
                yield "r", given, False
        elif declared.kind is Kind.PREDICATE and isinstance(given, int):
            if declared.writes:
                written.append(("p", given, True))
            else:
                yield "p", given, False
        elif isinstance(given, Guard):
            yield "p", given.predicate, False
        elif isinstance(given, RegisterIndirectComputed):
            yield "r", given.handle, False
            yield "r", given.offset, False
        elif isinstance(given, RegisterIndirect):
            yield "r", given.base, False
    yield from written


@dataclass(slots=True)
class _Interval:
    start: int
    end: int


@dataclass(slots=True)
class _Pool:
    """The numbers of one kind, and the intervals that hold some of them now."""

    free: list[int]
    busy: list[tuple[int, int]] = field(default_factory=list)

    def take(self, interval: _Interval, what: str) -> int:
        while self.busy and self.busy[0][0] <= interval.start:
            heappush(self.free, heappop(self.busy)[1])
        if not self.free:
            raise CapacityError(
                f"a kernel must keep few enough values at once for the {what} there are, but needs more at one place; "
                "split it, or compute a value again where it is used"
            )
        number = heappop(self.free)
        heappush(self.busy, (interval.end, number))
        return number


def allocate(
    lines: list[Instruction | str], entry: Mapping[int, str]
) -> tuple[list[Instruction | str], dict[int, int]]:
    """Return lines with numbered registers, and the number of each of `entry`, the registers that are set before.

    entry: register to anything. CapacityError when there are too few registers or predicates.
    """
    intervals = _intervals(lines, entry)
    pools = {"r": _Pool(list(_FREE)), "p": _Pool(list(range(PREDICATES)))}
    names = {"r": f"{len(_FREE)} registers", "p": f"{PREDICATES} predicates"}
    numbers: dict[tuple[str, int], int] = {}
    for key, interval in sorted(intervals.items(), key=lambda one: (one[1].start, one[0])):
        numbers[key] = pools[key[0]].take(interval, names[key[0]])
    renamed = [line if isinstance(line, str) else _renamed(line, numbers) for line in lines]
    return renamed, {one: numbers[("r", one)] for one in entry if ("r", one) in numbers}


def _intervals(lines: list[Instruction | str], entry: Mapping[int, str]) -> dict[tuple[str, int], _Interval]:
    """Return where each virtual register lives: positions 2 i for reads and 2 i + 1 for writes of line i.

    What is set before a loop and used in it lives to the loop's end, where the next turn may need it.
    """
    found: dict[tuple[str, int], _Interval] = {("r", one): _Interval(-1, -1) for one in entry}
    places = {line: at for at, line in enumerate(lines) if isinstance(line, str)}
    loops: list[tuple[int, int]] = []
    for at, line in enumerate(lines):
        if isinstance(line, str):
            continue
        target = next((one for one in line.operands if isinstance(one, str) and one in places), None)
        if target is not None and places[target] < at:
            loops.append((2 * places[target], 2 * at + 1))
        for kind, number, writes in accesses(line):
            if kind == "p" or number >= VIRTUAL:
                here = 2 * at + writes
                one = found.setdefault((kind, number), _Interval(here, here))
                one.end = here
    changed = True
    while changed:
        changed = False
        for start, end in loops:
            for one in found.values():
                if one.start < start <= one.end < end:
                    one.end, changed = end, True
    return {key: _Interval(one.start, max(one.end, one.start + 1)) for key, one in found.items() if one.end >= 0}


def _renamed(line: Instruction, numbers: Mapping[tuple[str, int], int]) -> Instruction:
    operands: list[Operand] = []
    for declared, given in zip(BY_MNEMONIC[line.op].operands, line.operands, strict=True):
        if declared.kind is Kind.REGISTER and isinstance(given, int):
            given = numbers.get(("r", given), given)
        elif declared.kind is Kind.PREDICATE and isinstance(given, int):
            given = numbers[("p", given)]
        elif isinstance(given, Guard):
            given = Guard(numbers[("p", given.predicate)], given.negated)
        elif isinstance(given, RegisterIndirectComputed):
            given = RegisterIndirectComputed(*(numbers.get(("r", one), one) for one in (given.handle, given.offset)))
        operands.append(given)
    return Instruction(line.op, line.types, tuple(operands))
