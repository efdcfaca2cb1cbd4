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

from prism.codegen.texts import indented
from prism.kernels.exec import cpu_ops as ops
from prism.kernels.exec import cpu_record as at
from prism.kernels.exec.cpu_lane import LaneWriter, variables
from prism.kernels.exec.cpu_live import Whole, constants, fixed_variables, kept_at_meetings, whole_loops, written_by
from prism.kernels.exec.cpu_source import lane_names, place_in_grid, read_record
from prism.kernels.exec.cpu_turns import clock, is_meeting, leaders_of, spans_of
from prism.kernels.exec.faults import FaultKind
from prism.kernels.isa.program import Guard
from prism.kernels.isa.steps import ENTER, Step
from prism.kernels.isa.types import I64, U32, U64, Type
from prism.kernels.isa.verify import Verified

STATUS, PLACE, SITE, NOW, VALUE = 0, 1, 2, 3, 4
"""Words of a lane's state: RUNS, WAITS or STOPPED; the stretch to go on with; the step at which it waits; the row of
the stretch that it ran last; what it brings to a meeting. Its fault is where a record has one, its variables come
after, then the turns of each loop."""
RUNS, WAITS, STOPPED = 0, 1, 2


@dataclass(frozen=True, slots=True)
class Slots:
    """Where a lane's variables lie in its state: word by name, each with its type (None: a predicate).

    turns: the first of the words that count turns of loops. pools: the first word of each.
    """

    word: dict[str, int]
    type: dict[str, Type | None]
    turns: int
    pools: dict[str, int]
    size: int


def slots_of(verified: Verified) -> Slots:
    """Return the layout of a lane's state, in words."""
    kept = kept_at_meetings(verified)
    kinds: dict[str, Type | None] = {name: ty for name, ty in variables(verified).items() if name in kept}
    inside = [range(one.start, one.end) for one in whole_loops(verified).values()]
    for number, step in enumerate(verified.steps):
        if step.op == ENTER and not any(number in one for one in inside):
            kinds[f"c{step.counter}"] = I64
    kinds |= {f"live{pool.number}": None for pool in verified.pools}
    kinds |= {"fuel": I64, "phase": U32}
    word = {name: at.PARAMETERS + k for k, name in enumerate(kinds)}
    turns = at.PARAMETERS + len(kinds)
    start, pools = turns + len(spans_of(verified)), {}
    for pool in verified.pools:
        pools[at.Memory(verified).pointer(pool)] = start
        start += -(-pool.size // 8)
    return Slots(word, kinds, turns, pools, start)


def scratch_words(verified: Verified, lanes: int) -> int:
    """Return the words of scratch memory of a block of so many lanes: states, a meeting's values, shared memory."""
    shared = sum(-(-one.length * one.type.size // 8) for one in verified.program.shared)
    return lanes * slots_of(verified).size + (1 << (lanes - 1).bit_length()) + shared


@dataclass(slots=True)
class _Stretches(LaneWriter):
    """Writes a lane as a choice of stretches, by the number of their first step."""

    slots: Slots = field(default_factory=lambda: Slots({}, {}, 0, {}, 0))
    whole: Mapping[int, Whole] = field(default_factory=dict)

    def step(self, step: Step) -> None:
        """Write a step that is not control; constants have their values from the start."""
        if step.op != "mov_imm" or not written_by(step) & constants(self.verified).keys():
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
        steps, leaders = self.verified.steps, leaders_of(self.verified.steps)
        self.line(f"record[{NOW}] = {leaders.index(start)}")
        number = start
        while number < len(steps):
            if number in self.whole:
                # Loops in which no lane waits are Python's own: their variables stay in registers.
                self.write([self.whole[number].node])
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
    """Return the module source of a program whose lanes meet or share memory."""
    memory, slots = at.Memory(verified), slots_of(verified)
    names = lane_names(verified)
    kernel = [*read_record(verified), *_shape(), *_shared(verified, memory), *_blocks(verified, slots, names)]
    return "\n".join(
        [
            _COMMIT,
            clock(verified, NOW, slots.turns),
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
    writer = _Stretches(verified, memory, slots=slots, whole=whole_loops(verified))
    writer.line("go = 0")
    for line in fixed_variables(verified, {*slots.word, *names}):
        writer.line(line)
    for name, word in slots.word.items():
        writer.line(f"{name} = {_read(slots.type[name], f'record[{word}]')}")
    for name, word in slots.pools.items():
        writer.line(f"{name} = _pointer(state + np.uint64({8 * word}))")
    writer.line(f"place = np.int64(record[{PLACE}])")
    with indented(writer, "while True:"):
        inside = [range(one.start + 1, one.end) for one in writer.whole.values()]
        writer.choose([one for one in leaders_of(verified.steps) if not any(one in each for each in inside)])
    writer.line(f"record[{STATUS}] = {WAITS}")
    for name, word in slots.word.items():
        writer.line(f"record[{word}] = {_write(slots.type[name], name)}")
    header = ["@inner", f"def _lane({', '.join(_passed(slots, names))}):"]
    return [*header, *writer.lines, "    return 0"]


def _passed(slots: Slots, names: Sequence[str]) -> list[str]:
    """Return the parameters of a lane: its state and the address of that, and what it has no word for."""
    return ["record", "state", *(name for name in names[1:] if name not in slots.word and name not in slots.pools)]


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


def _blocks(verified: Verified, slots: Slots, names: Sequence[str]) -> list[str]:
    """Return the loop over blocks."""
    writer = _Stretches(verified, at.Memory(verified), slots=slots, depth=0)
    with indented(writer, "for block_number in range(np.int64(low), np.int64(high)):"):
        writer.line("block = np.uint64(block_number)")
        for shared in verified.program.shared:
            writer.line(f"_clear({writer.memory.pointer(shared)}, {shared.length * shared.type.size})")
        with indented(writer, "for k in range(each):"):
            _each(writer)
            with indented(writer, f"for word in range({slots.size}):"):
                writer.line("mine[word] = 0")
            for name in ("fuel", "phase", *_set_by_launch(verified)):
                if name not in slots.word:
                    continue
                writer.line(f"mine[{slots.word[name]}] = {_write(slots.type[name], name)}")
        with indented(writer, "while True:"):
            _round(writer, names)
    return writer.lines


def _each(writer: _Stretches) -> None:
    writer.line(f"state = states + np.uint64(k * {8 * writer.slots.size})")
    writer.line("mine = _words(state)")


def _set_by_launch(verified: Verified) -> list[str]:
    program = verified.program
    scalars = [at.variable(one.register, one.type) for one in program.scalars]
    return scalars + [at.variable(one.register, U64) for one in program.sizes]


def _round(writer: _Stretches, names: Sequence[str]) -> None:
    """Write one round: every lane to its next meeting, then the meeting."""
    verified = writer.verified
    writer.line("first, together = _words(states), True")
    with indented(writer, "for k in range(each):"):
        _each(writer)
        with indented(writer, f"if mine[{STATUS}] == {RUNS}:"):
            writer.line("global_lane_id = np.uint64(block_number * each + k)")
            writer.line("place = np.uint64(k)")
            for line in place_in_grid(verified):
                writer.line(line)
            writer.line(f"_lane(mine, state, {', '.join(_passed(writer.slots, names)[2:])})")
            with indented(writer, f"if mine[{at.FAULT}] != 0:"):
                writer.line(f"mine[{STATUS}] = {STOPPED}")
                writer.line("_commit(record, mine)")
        turns = range(writer.slots.turns, writer.slots.turns + len(spans_of(verified)))
        alike = " & ".join(f"(mine[{word}] == first[{word}])" for word in (SITE, NOW, *turns))
        writer.line(f"together &= (mine[{STATUS}] == {WAITS}) & {alike}")
    writer.line("apart = False")
    with indented(writer, "if not together:"):
        # The lane that waits and came first, the lowest of several.
        writer.line("lowest = np.int64(-1)")
        with indented(writer, "for k in range(each):"):
            _each(writer)
            with indented(writer, f"if (mine[{STATUS}] == {WAITS}) and ((lowest < 0) or _later(first, mine)):"):
                writer.line("lowest, first = k, mine")
        with indented(writer, "if lowest < 0:"):
            writer.line("break")
        with indented(writer, "for k in range(each):"):
            _each(writer)
            writer.line("apart |= _later(mine, first)")
    writer.line(f"site = np.int64(first[{SITE}])")
    with indented(writer, "if apart:"):
        _divergence(writer)
        writer.line("continue")
    _meetings(writer)
    with indented(writer, "for k in range(each):"):
        _each(writer)
        writer.line(f"mine[{NOW}] = 0")
        for number in range(len(spans_of(verified))):
            writer.line(f"mine[{writer.slots.turns + number}] = 0")
        with indented(writer, f"if mine[{STATUS}] == {WAITS}:"):
            writer.line(f"mine[{STATUS}] = {RUNS}")


def _divergence(writer: _Stretches) -> None:
    """Write the faults of the lanes that wait where not all do."""
    kind = int(FaultKind.DIVERGENCE)
    with indented(writer, "for k in range(each):"):
        _each(writer)
        with indented(writer, f"if (mine[{STATUS}] == {WAITS}) and not _later(mine, first):"):
            writer.line("lane, none = np.uint64(block_number * each + k), np.uint64(0)")
            for number, step in _sites(writer.verified):
                with indented(writer, f"if site == {number}:"):
                    writer.line(f"_fault(mine, {kind}, {step.index}, lane, mine[{VALUE}], none, none, none)")
            writer.line(f"mine[{STATUS}] = {STOPPED}")
            writer.line("_commit(record, mine)")


def _sites(verified: Verified) -> list[tuple[int, Step]]:
    return [(number, step) for number, step in enumerate(verified.steps) if is_meeting(step)]


def _meetings(writer: _Stretches) -> None:
    """Write what lanes give each other where they meet: a fold over them as a tree [ISA-20]."""
    for number, step in _sites(writer.verified):
        if not step.op.startswith("lane."):
            continue
        (ty,), dst = step.instruction.types, step.instruction.operands[0]
        assert isinstance(dst, int)
        change = step.op.removeprefix("lane.")
        fold = ops.binary(change, ty, ops.from_word(ty, "folded[k]"), ops.from_word(ty, "folded[k + half]"))
        with indented(writer, f"if site == {number}:"):
            writer.line("folded, half = _words(values), padded // 2")
            with indented(writer, "for k in range(padded):"):
                writer.line(f"folded[k] = {ops.word(ty, ops.start_of(change, ty))}")
            with indented(writer, "for k in range(each):"):
                _each(writer)
                with indented(writer, f"if mine[{STATUS}] == {WAITS}:"):
                    writer.line(f"folded[k] = mine[{VALUE}]")
            with indented(writer, "while half > 0:"):
                with indented(writer, "for k in range(half):"):
                    writer.line(f"folded[k] = {ops.word(ty, fold)}")
                writer.line("half //= 2")
            if at.variable(dst, ty) in writer.slots.word:
                with indented(writer, "for k in range(each):"):
                    _each(writer)
                    writer.line(f"mine[{writer.slots.word[at.variable(dst, ty)]}] = folded[0]")


def _read(ty: Type | None, text: str) -> str:
    return f"{text} != 0" if ty is None else ops.from_word(ty, text)


def _write(ty: Type | None, name: str) -> str:
    return f"np.uint64({name})" if ty is None else ops.word(ty, name)
