"""Row loops: loops that only read, whose turns a row of neighbouring lanes can take together [EXEC-2].

All that steers such a loop is alike in the lanes or goes up from lane to lane: the ways that it takes and the elements
that it loads follow from the first lane and the last. What differs in no known way are the values; they are computed
for a row of lanes in one inner loop, which LLVM vectorises. A loop is looked at after every lane has come to it, and
each lane goes on alone from where its row stopped: so a row may stop before any turn, for any reason.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Final

from prism.kernels.exec.cpu_live import Whole, live_before, whole_loops
from prism.kernels.exec.cpu_record import variable
from prism.kernels.exec.cpu_scale import Known, State, divides, following, is_plain, offset_scale, scales
from prism.kernels.exec.cpu_turns import is_serial
from prism.kernels.exec.cpu_uses import constants, read_by, written_by
from prism.kernels.isa.program import BufferOffset, RegisterIndirect, RegisterIndirectComputed
from prism.kernels.isa.regions import Again, If, Leave, Node, Run, Stop
from prism.kernels.isa.steps import Pool, Step
from prism.kernels.isa.table import BY_MNEMONIC, SPECIAL, Effect
from prism.kernels.isa.types import U64
from prism.kernels.isa.verify import Verified

MOST_APART: Final = 8
"""Elements between what neighbouring lanes load, at most: beyond that a lane by itself is as fast."""


@dataclass(frozen=True, slots=True)
class RowLoop:
    """A loop that rows of lanes go through.

    number: the step that it starts with. lines: what steers it and comes from before it, each with its scale. rows: the
    other variables that come from before it or are needed after. written: what it writes. known: what is known
    before each step and choice, by identity.
    """

    number: int
    whole: Whole
    counted: bool
    lines: Mapping[str, int]
    rows: tuple[str, ...]
    written: frozenset[str]
    known: Mapping[int, State]


class _NoRowsError(Exception):
    """A loop is no row loop."""


@lru_cache(maxsize=64)
def row_loops(verified: Verified) -> Mapping[int, RowLoop]:
    """Return the row loops of a program by their first step: of its outermost loops without meetings."""
    # With atomics, lanes run one after the other.
    likely = {} if is_serial(verified) else {at: one for at, one in whole_loops(verified).items() if _reads(one)}
    if not likely:
        return {}
    states = scales(verified)
    found = {}
    for number, whole in likely.items():
        try:
            found[number] = _Finder(verified, number, whole).find(states)
        except _NoRowsError:
            continue
    return found


def _reads(whole: Whole) -> bool:
    return all(isinstance(node, Run | If | Leave | Again | Stop) for node in whole.node.body)


@dataclass(slots=True)
class _Finder:
    """Follows one turn of a loop with what is known of each variable."""

    verified: Verified
    number: int
    whole: Whole
    known: dict[int, State] = field(default_factory=dict)
    read: set[str] = field(default_factory=set)
    written: set[str] = field(default_factory=set)
    mixed: set[str] = field(default_factory=set)
    ends: list[State] = field(default_factory=list)
    apart: bool = False

    def find(self, states: Sequence[State]) -> RowLoop:
        """Return the loop; raises _NoRowsError."""
        counted = self.whole.node.enter >= 0
        first = self.number + 1 if counted else self.number
        live = live_before(self.verified.steps)
        needed = live[first] | live[self.whole.end] if counted else live[first]
        head = states[first]
        end = self._sequence(self.whole.node.body, head, counted)
        if counted and end is not None:
            self.ends.append(end)
        crossing = {name for name in self.read | self.written if name in needed}
        turned = crossing & self.written
        if not (self.apart and self.ends) or crossing & self.mixed:
            raise _NoRowsError
        if any(_scale(one, name) != _scale(head, name) for one in self.ends for name in turned):
            raise _NoRowsError
        crossing -= fixed_of(self.verified)
        lines = {name: head[name][0] for name in sorted(crossing) if name in head}
        rows = tuple(sorted(name for name in crossing if name not in head))
        if any(name.startswith("p") for name in rows):
            raise _NoRowsError
        return RowLoop(self.number, self.whole, counted, lines, rows, frozenset(self.written), self.known)

    def _sequence(self, nodes: Sequence[Node], state: State, counted: bool) -> State | None:
        """Follow nodes; None where every way leaves the loop."""
        at: State | None = state
        for node in nodes:
            if at is None:
                raise _NoRowsError
            match node:
                case Run(start, stop):
                    for step in self.verified.steps[start:stop]:
                        at = self._step(step, at)
                case If(guard, then, other):
                    self._look_up(f"p{guard.predicate}")
                    if at.get(f"p{guard.predicate}", (1, None))[0]:
                        raise _NoRowsError
                    self.known[id(node)] = at
                    at = self._both(self._sequence(then, at, counted), self._sequence(other, at, counted))
                case Again(label, _) if label == self.whole.node.label and not counted:
                    self.ends.append(at)
                    return None
                case Leave() | Stop():
                    return None
                case _:
                    raise _NoRowsError
        return at

    def _both(self, one: State | None, other: State | None) -> State | None:
        if one is None or other is None:
            return other if one is None else one
        found: dict[str, Known] = {}
        for name in {**one, **other}:
            if _scale(one, name) != _scale(other, name):
                self.mixed.add(name)
            else:
                found[name] = one[name] if one[name] == other[name] else (one[name][0], None)
        return found

    def _look_up(self, name: str) -> None:
        if name in self.mixed:
            raise _NoRowsError
        if name not in self.written:
            self.read.add(name)

    def _step(self, step: Step, state: State) -> State:
        if BY_MNEMONIC[step.op].effect is Effect.LOAD and not isinstance(step.memory, Pool):
            self._load(step, state)
        elif divides(step):
            # The divisor is compared with 0 before the turn; so it must be known there.
            if following(step, state).keys().isdisjoint(written_by(step)):
                raise _NoRowsError
        elif not is_plain(step):
            raise _NoRowsError
        for name in read_by(step):
            self._look_up(name)
        after = following(step, state)
        self.known[id(step)] = state
        self.written |= written_by(step)
        self.mixed -= written_by(step)
        return after

    def _load(self, step: Step, state: State) -> None:
        assert step.memory is not None
        if not any(
            isinstance(one, BufferOffset | RegisterIndirect | RegisterIndirectComputed)
            for one in step.instruction.operands
        ):
            raise _NoRowsError
        scale, size = offset_scale(step, state), step.memory.type.size
        if scale is None or scale % size or abs(scale) > MOST_APART * size:
            raise _NoRowsError
        self.apart |= scale != 0


def _scale(state: State, name: str) -> int | None:
    known = state.get(name)
    return None if known is None else known[0]


def fixed_of(verified: Verified) -> set[str]:
    """Return the variables that no step writes and that are alike in all lanes: the launch's, and constants."""
    program = verified.program
    given = {variable(one.register, one.type) for one in program.scalars}
    given |= {variable(one.register, U64) for one in program.sizes}
    given |= {name for name, _ in SPECIAL.values() if "_dim_" in name}
    return given - {name for step in verified.steps for name in written_by(step)} | constants(verified).keys()
