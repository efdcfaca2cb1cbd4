"""Programs whose lanes meet, as a Numba module: each lane runs until it waits, then all that wait go on [EXEC-2].

A lane is a machine over stretches of steps: its variables lie in its state while others run. `kernel(record)` runs a
range of blocks, one after the other. In a block there are rounds: every lane runs to its next meeting or its end.

    round 1   lane 0 ... bar.sync    lane 1 ... bar.sync    lane 2 ... exit
    round 2   lane 0 ... exit        lane 1 ... exit

The definition moves the lanes at the lowest step, so lanes wait for each other at the end of each turn of a loop. When
a lane comes to a step is then (start of the outermost loop around it, turns of that loop, ..., the step), in lexical
order; turns count since the last meeting. A lane that waits meets the others if none of them came later than that.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from prism.codegen.texts import indented
from prism.kernels.exec import cpu_ops as ops
from prism.kernels.exec import cpu_record as at
from prism.kernels.exec.cpu_lane import LaneWriter
from prism.kernels.exec.cpu_live import Whole, fixed_variables, whole_loops
from prism.kernels.exec.cpu_meet import write_divergence, write_lane, write_meetings
from prism.kernels.exec.cpu_rows import RowLoop, row_loops
from prism.kernels.exec.cpu_source import lane_names, places_of, read_record
from prism.kernels.exec.cpu_state import (
    GATHERED,
    GROUP,
    LEFT,
    NOW,
    PLACE,
    RUNS,
    SITE,
    STATUS,
    STOPPED,
    VALUE,
    WAITS,
    Slots,
    read_word,
    slots_of,
    write_word,
)
from prism.kernels.exec.cpu_together import LEAST, row_functions
from prism.kernels.exec.cpu_turns import clock, is_meeting, leaders_of, meets, spans_of
from prism.kernels.exec.cpu_uses import written_by
from prism.kernels.exec.faults import FaultKind
from prism.kernels.isa.program import Guard
from prism.kernels.isa.steps import ENTER, Step
from prism.kernels.isa.types import U32, U64
from prism.kernels.isa.verify import Verified

MISSES: Final = 4
"""Rounds in which no row went anywhere, after which lanes wait for rows no longer."""


@dataclass(slots=True)
class _Stretches(LaneWriter):
    """Writes a lane as a choice of stretches, by the number of their first step."""

    slots: Slots = field(default_factory=lambda: Slots({}, {}, (), 0, {}, 0))
    whole: Mapping[int, Whole] = field(default_factory=dict)
    rows: Mapping[int, RowLoop] = field(default_factory=dict)

    def step(self, step: Step) -> None:
        """Write a step that is not control; constants have their values from the start."""
        if step.op != "mov_imm" or not written_by(step) <= self.constants().keys():
            LaneWriter.step(self, step)

    def choose(self, leaders: Sequence[int]) -> None:
        """Write a tree of comparisons that leads to the stretch whose number is `place`."""
        if len(leaders) == 1:
            self._stretch(leaders[0])
            return
        middle = len(leaders) // 2
        with indented(self, f"if place < {leaders[middle]}:"):
            self.choose(leaders[:middle])
        with indented(self, "else:"):
            self.choose(leaders[middle:])

    def _stretch(self, start: int) -> None:
        steps, leaders = self.verified.steps, leaders_of(self.verified.steps, self.rows)
        self.line(f"record[{NOW}] = {leaders.index(start)}")
        number = start
        while number < len(steps):
            if number in self.whole:
                # Loops in which no lane waits are Python's own: their variables stay in registers.
                self._whole(number)
                self._go(self.whole[number].end)
                return
            step = steps[number]
            if self._ends(number, step):
                return
            self.step(step)
            number += 1
            if number in leaders:
                self._go(number)
                return
        self._go(number)

    def _whole(self, number: int) -> None:
        """Write a loop; if it is a row loop, lanes wait at it first for those beside them."""
        loop = self.whole[number].node
        if number not in self.rows:
            self.write([loop])
            return
        if loop.enter < 0:
            with indented(self, "if gathers & (left == 0):"):
                self.line("left = np.int64(1)")
                self._gather(number)
            self.line("left = np.int64(0)")
            self.write([loop])
            return
        with indented(self, "if left == 0:"):
            count = self.count(loop.enter)
            self.line(f"left = {count} + 1")
            with indented(self, f"if gathers & ({count} >= {LEAST}):"):
                self._gather(number)
        self.turns(loop.label, "left - 1", loop.body)
        self.line("left = np.int64(0)")

    def _gather(self, number: int) -> None:
        self.line(f"record[{SITE}] = {number}")
        self.line(f"record[{PLACE}] = {number}")
        self.line(f"status = {GATHERED}")
        self.line("break")

    def _ends(self, number: int, step: Step) -> bool:
        """Write a step that ends its stretch; False for one that does not."""
        if step.op == "exit":
            self._go(len(self.verified.steps))
        elif step.op == "bra":
            guard = step.instruction.operands[0]
            if isinstance(guard, Guard):
                with indented(self, f"if {'not ' if guard.negated else ''}p{guard.predicate}:"):
                    self._branch(number, step)
                self._go(number + 1)
            else:
                self._branch(number, step)
        elif step.op == ENTER:
            register = step.instruction.operands[0]
            assert isinstance(register, int)
            self.line(f"c{step.counter} = np.int64({at.variable(register, U32)})")
            self.fault_if(f"fuel < c{step.counter}", FaultKind.FUEL, step)
            self.line(f"fuel -= c{step.counter}")
            self._choose(f"c{step.counter} == 0", step.target, number + 1)
        elif step.op == "loop":
            self.line(f"c{step.counter} -= 1")
            self._turn(number)
            self._choose(f"c{step.counter} > 0", step.target, number + 1)
        elif is_meeting(step):
            self._meet(number, step)
        else:
            return False
        return True

    def _branch(self, number: int, step: Step) -> None:
        if step.target <= number:
            self.fault_if("fuel < 1", FaultKind.FUEL, step)
            self.line("fuel -= 1")
            self._turn(step.target)
        self._go(step.target)

    def _turn(self, key: int) -> None:
        """Count a turn of a loop; the loops inside it start anew."""
        spans = spans_of(self.verified)
        number = next(k for k, one in enumerate(spans) if one.key == key)
        self.line(f"record[{self.slots.turns + number}] += 1")
        for inner, one in enumerate(spans):
            if inner != number and spans[number].start <= one.start and one.end <= spans[number].end and inner > number:
                self.line(f"record[{self.slots.turns + inner}] = 0")

    def _choose(self, condition: str, target: int, other: int) -> None:
        with indented(self, f"if {condition}:"):
            self._go(target)
        self._go(other)

    def _go(self, target: int) -> None:
        if target == len(self.verified.steps):
            self.line(f"record[{STATUS}] = {STOPPED}")
            self.line("return 0")
        else:
            self.line(f"place = {target}")
            self.line("continue")

    def _meet(self, number: int, step: Step) -> None:
        if step.op.startswith("lane."):
            (ty,), src = step.instruction.types, step.instruction.operands[1]
            assert isinstance(src, int)
            self.line(f"record[{VALUE}] = {ops.word(ty, at.variable(src, ty))}")
        self.line(f"record[{SITE}] = {number}")
        self.line(f"record[{PLACE}] = {number + 1}")
        self.line("break")


def write_block_source(verified: Verified) -> str:
    """Return the module source of a program whose lanes meet, share memory, or go through loops in rows."""
    memory, slots = at.Memory(verified), slots_of(verified)
    names = lane_names(verified)
    rows, together = row_functions(verified, memory, slots)
    shared = _shared(verified, memory) if meets(verified) else [f"states = record[{at.SCRATCH}]"]
    kernel = [*read_record(verified), *_shape(), *shared, *_groups(verified, slots, names, together)]
    return "\n".join(
        [
            _COMMIT,
            clock(verified, leaders_of(verified.steps, row_loops(verified)), NOW, slots.turns),
            *rows,
            *_lane(verified, memory, slots, names),
            "",
            "",
            "def kernel(record):",
            *(f"    {line}" for line in kernel),
            f"    return np.int64(record[{at.FAULT}])",
            "",
        ]
    )


_COMMIT = f"""
@inner
def _commit(record, state):
    # A higher lane may fault in an earlier round.
    if (record[{at.FAULT}] == 0) | (state[{at.FAULT_LANE}] < record[{at.FAULT_LANE}]):
        for k in range({at.FAULT}, {at.PARAMETERS}):
            record[k] = state[k]
    state[{at.FAULT}] = 0
"""


def _lane(verified: Verified, memory: at.Memory, slots: Slots, names: Sequence[str]) -> list[str]:
    """Return the function that runs a lane until it waits or stops; `record` is its state."""
    writer = _Stretches(verified, memory, slots=slots, whole=whole_loops(verified), rows=row_loops(verified))
    writer.line(f"go, status, left = 0, {WAITS}, np.int64(record[{LEFT}])")
    for line in fixed_variables(verified, {*slots.word, *names}):
        writer.line(line)
    for name, word in slots.word.items():
        writer.line(f"{name} = {read_word(slots.type[name], f'record[{word}]')}")
    for name, word in slots.pools.items():
        writer.line(f"{name} = _pointer(state + np.uint64({8 * word}))")
    writer.line(f"place = np.int64(record[{PLACE}])")
    with indented(writer, "while True:"):
        inside = [range(one.start + 1, one.end) for one in writer.whole.values()]
        leaders = leaders_of(verified.steps, writer.rows)
        writer.choose([one for one in leaders if not any(one in each for each in inside)])
    writer.line(f"record[{STATUS}] = status")
    writer.line(f"record[{LEFT}] = np.uint64(left)")
    for name, word in slots.word.items():
        if name not in slots.places:
            writer.line(f"record[{word}] = {write_word(slots.type[name], name)}")
    header = ["@inner", f"def _lane({', '.join(_passed(slots, names))}):"]
    return [*header, *writer.lines, "    return 0"]


def _passed(slots: Slots, names: Sequence[str]) -> list[str]:
    """Return the parameters of a lane: its state and the address of that, and what it has no word for."""
    held = slots.word.keys() | slots.pools.keys()
    return ["record", "state", "gathers", *(name for name in names[1:] if name not in held)]


def _shape() -> list[str]:
    lines = [f"block_{axis} = record[{at.BLOCK + k}]" for k, axis in enumerate("xyz")]
    lines += [f"grid_{axis} = record[{at.GRID + k}]" for k, axis in enumerate("xyz")]
    lines += ["each = np.int64(block_x * block_y * block_z)", "padded = np.int64(1)"]
    return [*lines, "while padded < each:", "    padded *= 2"]


def _shared(verified: Verified, memory: at.Memory) -> list[str]:
    """Return where the parts of scratch memory lie: states, a meeting's values, shared memory."""
    size = 8 * slots_of(verified).size
    lines = [f"states = record[{at.SCRATCH}]", f"values = states + np.uint64(each * {size})"]
    start = "values + np.uint64(8 * padded)"
    for shared in verified.program.shared:
        lines.append(f"{memory.pointer(shared)} = _pointer({start})")
        start += f" + np.uint64({-(-shared.length * shared.type.size // 8) * 8})"
    return lines


def _groups(verified: Verified, slots: Slots, names: Sequence[str], together: str) -> list[str]:
    """Return the loop over groups of lanes, which are blocks where lanes meet."""
    writer = _Stretches(verified, at.Memory(verified), slots=slots, depth=0)
    # Literals are types of their own to Numba, which would compile a lane once more for them.
    writer.line("misses = np.int64(0)")
    writer.line(f"gathers = misses < {MISSES}")
    for name, text in places_of(verified, ("block_dim", "grid_dim")):
        writer.line(f"{name} = {text}")
    if meets(verified):
        header = "for block_number in range(np.int64(low), np.int64(high)):"
    else:
        writer.line("size = each")
        header = f"for base in range(np.int64(low), np.int64(high), {GROUP}):"
    with indented(writer, header):
        if meets(verified):
            writer.line("block, base = np.uint64(block_number), block_number * each")
            for name, text in places_of(verified, "block_idx"):
                writer.line(f"{name} = {text}")
        else:
            writer.line(f"each = min({GROUP}, np.int64(high) - base)")
        for shared in verified.program.shared:
            writer.line(f"_clear({writer.memory.pointer(shared)}, {shared.length * shared.type.size})")
        with indented(writer, "for k in range(each):"):
            _begin(writer)
        with indented(writer, "while True:"):
            _round(writer, names, together)
    return writer.lines


def _begin(writer: _Stretches) -> None:
    """Write what a lane's state is before its first step."""
    verified, slots = writer.verified, writer.slots
    write_lane(writer)
    with indented(writer, f"for word in range({slots.size}):"):
        writer.line("mine[word] = 0")
    for name in ("fuel", "phase", *_set_by_launch(verified)):
        if name in slots.word:
            writer.line(f"mine[{slots.word[name]}] = {write_word(slots.type[name], name)}")
    if slots.places:
        if meets(verified):
            writer.line("place = np.uint64(k)")
        else:
            writer.line("block, place = np.uint64((base + k) // size), np.uint64((base + k) % size)")
        for name, text in places_of(verified, ("lane_idx", "block_idx")):
            if name in slots.places:
                writer.line(f"mine[{slots.word[name]}] = {write_word(U32, text)}")


def _set_by_launch(verified: Verified) -> list[str]:
    program = verified.program
    scalars = [at.variable(one.register, one.type) for one in program.scalars]
    return scalars + [at.variable(one.register, U64) for one in program.sizes]


def _round(writer: _Stretches, names: Sequence[str], together: str) -> None:
    """Write one round: every lane to its next meeting or row loop, then the row loops if any, else the meeting."""
    verified = writer.verified
    writer.line("first, together, gathered = _words(states), True, False")
    with indented(writer, "for k in range(each):"):
        write_lane(writer)
        with indented(writer, f"if mine[{STATUS}] == {RUNS}:"):
            writer.line("global_lane_id = np.uint64(base + k)")
            writer.line(f"_lane(mine, state, gathers, {', '.join(_passed(writer.slots, names)[3:])})")
            with indented(writer, f"if mine[{at.FAULT}] != 0:"):
                writer.line(f"mine[{STATUS}] = {STOPPED}")
                writer.line("_commit(record, mine)")
        if together:
            writer.line(f"gathered |= mine[{STATUS}] == {GATHERED}")
        turns = range(writer.slots.turns, writer.slots.turns + len(spans_of(verified)))
        alike = " & ".join(f"(mine[{word}] == first[{word}])" for word in (SITE, NOW, *turns))
        writer.line(f"together &= (mine[{STATUS}] == {WAITS}) & {alike}")
    if together:
        _rows(writer, together)
    if not meets(verified):
        writer.line("break")
        return
    writer.line("apart = False")
    with indented(writer, "if not together:"):
        # The lane that waits and came first, the lowest of several.
        writer.line("lowest = np.int64(-1)")
        with indented(writer, "for k in range(each):"):
            write_lane(writer)
            with indented(writer, f"if (mine[{STATUS}] == {WAITS}) and ((lowest < 0) or _later(first, mine)):"):
                writer.line("lowest, first = k, mine")
        with indented(writer, "if lowest < 0:"):
            writer.line("break")
        with indented(writer, "for k in range(each):"):
            write_lane(writer)
            writer.line("apart |= _later(mine, first)")
    writer.line(f"site = np.int64(first[{SITE}])")
    with indented(writer, "if apart:"):
        write_divergence(writer)
        writer.line("continue")
    write_meetings(writer)
    with indented(writer, "for k in range(each):"):
        write_lane(writer)
        writer.line(f"mine[{NOW}] = 0")
        for number in range(len(spans_of(verified))):
            writer.line(f"mine[{writer.slots.turns + number}] = 0")
        with indented(writer, f"if mine[{STATUS}] == {WAITS}:"):
            writer.line(f"mine[{STATUS}] = {RUNS}")


def _rows(writer: _Stretches, together: str) -> None:
    """Write that rows take their turns; where they never get far, lanes wait for them no longer."""
    with indented(writer, "if gathered:"):
        with indented(writer, f"if {together} == 0:"):
            writer.line("misses += 1")
            writer.line(f"gathers = misses < {MISSES}")
        writer.line("continue")
