"""Streams: straight-line programs whose lanes touch elements at fixed distances, as one loop without checks.

Every address of a stream is a line `scale * lane + base` with a constant scale and a base that is the same for all
lanes. Lines are monotone, so a line lies in a range for all lanes if it does for the first and the last; what holds
there is compared once, before the loop. Arithmetic on lines is that of whole numbers as long as every intermediate
value fits its type, which is compared too, in int64: scales stay below 2^20, bases below 2^40, lanes below 2^31.

    mov_imm.u32 r2, 2              r2: 0 * lane + 2
    shl.u64 r0, r255, r2           r0: 4 * lane + 0
    set.ge.u64 p0, r255, r4        lanes from r4 on
    bra.p0 @end                    stop: the loop ends there
    ldg.f32 r10, [r1 + r0]         element 1 * lane + 0 of the buffer that r1 names
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Final

from prism.codegen.texts import indented
from prism.kernels.exec import cpu_record as at
from prism.kernels.exec.cpu_lane import LaneWriter
from prism.kernels.exec.cpu_steps import address_of
from prism.kernels.isa.flow import registers_of
from prism.kernels.isa.program import (
    Address,
    BufferOffset,
    Guard,
    Instruction,
    RegisterIndirect,
    RegisterIndirectComputed,
)
from prism.kernels.isa.steps import Step
from prism.kernels.isa.table import BY_MNEMONIC, SPECIAL, Effect
from prism.kernels.isa.types import U64, Kind, Type
from prism.kernels.isa.verify import Verified

_MOST_SCALE: Final = 1 << 20
_MOST_BASE: Final = 1 << 40
_FLIPPED: Final = {"lt": "gt", "le": "ge", "gt": "lt", "ge": "le"}
_NEGATED: Final = {"lt": "ge", "le": "gt", "gt": "le", "ge": "lt"}


@dataclass(frozen=True, slots=True)
class Line:
    """`scale * lane + base`: base is the text of an int64 that no lane changes."""

    scale: int
    base: str


@dataclass(slots=True)
class Stream:
    """What was found: the steps to run, the index line of each access, and the statements that come before the loop.

    before: assignments of bases, of `fine` (whether all lines fit) and of `stop` (the lane before which the loop ends).
    """

    steps: list[Step] = field(default_factory=list)
    lines: dict[int, Line] = field(default_factory=dict)
    before: list[str] = field(default_factory=list)


class _NoStreamError(Exception):
    """A program is no stream."""


def stream_of(verified: Verified) -> Stream | None:
    """Return a program's stream, or None if it has none."""
    if verified.counters or verified.pools or verified.program.shared:
        return None
    try:
        return _Finder(verified).find()
    except _NoStreamError:
        return None


class _Finder:
    """Follows the steps with a line for each whole-number register that has one."""

    def __init__(self, verified: Verified) -> None:
        self.verified, self.memory, self.stream = verified, at.Memory(verified), Stream()
        self.known: dict[str, Line] = {"global_lane_id": Line(1, "0")}
        self.compared: dict[int, tuple[str, Line, Line]] = {}
        self.names = 0
        whole = [(one.register, one.type) for one in verified.program.scalars if one.type.kind is not Kind.FLOAT]
        for register, ty in (*whole, *((one.register, U64) for one in verified.program.sizes)):
            # A u64 beyond int64 becomes negative: then a line is out of the type's range, or too great.
            name = at.variable(register, ty)
            self.known[name] = Line(0, self._base(f"np.int64({name})"))

    def find(self) -> Stream:
        """Return the stream; raises _NoStreamError."""
        touched = False
        for number, step in enumerate(self.verified.steps):
            if step.op == "exit":
                if number + 1 != len(self.verified.steps):
                    raise _NoStreamError
                continue
            if step.op == "bra":
                if touched or step.target != len(self.verified.steps):
                    raise _NoStreamError
                self._guard(step)
                continue
            effect = BY_MNEMONIC[step.op].effect
            if effect not in (Effect.PURE, Effect.LOAD, Effect.STORE) or self._may_fault(step):
                raise _NoStreamError
            if effect is not Effect.PURE:
                touched = True
                self._access(len(self.stream.steps), step)
            self._follow(step)
            self.stream.steps.append(step)
        if not touched:
            raise _NoStreamError
        return self.stream

    def _may_fault(self, step: Step) -> bool:
        whole = bool(step.instruction.types) and step.instruction.types[0].kind is not Kind.FLOAT
        reads = {register for register, _, _ in registers_of(step.instruction)}
        strange = bool(reads & SPECIAL.keys() - {255})
        return (
            strange
            or (step.op in ("div", "rem") and whole)
            or step.op in ("mirror", "nbr.count", "nbr.get", "bound.map")
        )

    def _base(self, text: str) -> str:
        """Name a base before the loop, where it is compared with the bound that keeps arithmetic exact."""
        name = f"b{self.names}"
        self.names += 1
        self.stream.before += [f"{name} = {text}", f"fine &= (-{_MOST_BASE} < {name}) & ({name} < {_MOST_BASE})"]
        return name

    def _guard(self, step: Step) -> None:
        """Let the loop end where a branch stops all lanes from some on."""
        guard = step.instruction.operands[0]
        found = self.compared.get(guard.predicate) if isinstance(guard, Guard) else None
        if found is None or not isinstance(guard, Guard):
            raise _NoStreamError
        condition, a, b = found
        if a.scale == 0:
            condition, a, b = _FLIPPED[condition], b, a
        goes_on = condition if guard.negated else _NEGATED[condition]
        if (a.scale, b.scale) != (1, 0) or goes_on not in ("lt", "le"):
            raise _NoStreamError
        self.stream.before.append(f"stop = min(stop, {b.base} - {a.base}{' + 1' if goes_on == 'le' else ''})")

    def _access(self, number: int, step: Step) -> None:
        assert step.memory is not None
        address, ty = address_of(step), step.memory.type
        if isinstance(address, RegisterIndirectComputed):
            line = self.known.get(at.variable(address.offset, U64))
        elif isinstance(address, BufferOffset | RegisterIndirect):
            line = Line(0, str(address.offset))
        else:
            line = None
        if line is None or line.scale % ty.size:
            raise _NoStreamError
        index = self._index(line, ty)
        self.stream.lines[number] = index
        self._within(index, "0", f"np.int64({self.memory.length(step.memory)}) - 1")

    def _index(self, line: Line, ty: Type) -> Line:
        """Return which elements a line of byte offsets is."""
        if _is_number(line.base):
            if int(line.base) % ty.size:
                raise _NoStreamError
            return Line(line.scale // ty.size, str(int(line.base) // ty.size))
        self.stream.before.append(f"fine &= {line.base} % {ty.size} == 0")
        return Line(line.scale // ty.size, self._base(f"{line.base} // {ty.size}"))

    def _within(self, line: Line, low: str, high: str) -> None:
        ends = [f"{line.scale} * {lane} + {line.base}" for lane in ("first", "(stop - 1)")]
        least, most = ends if line.scale >= 0 else ends[::-1]
        self.stream.before.append(f"fine &= ({low} <= {least}) & ({most} <= {high})")

    def _follow(self, step: Step) -> None:
        """Note what a step makes of lines."""
        one = step.instruction
        written = [(register, ty) for register, ty, writes in registers_of(one) if writes]
        if one.op == "set":
            condition, predicate, a, b = one.operands
            assert isinstance(predicate, int)
            lines = [self.known.get(at.variable(each, one.types[0])) for each in (a, b) if isinstance(each, int)]
            self.compared.pop(predicate, None)
            name = str(condition).removesuffix("u")
            if lines[0] and lines[1] and name in _FLIPPED:
                self.compared[predicate] = (name, lines[0], lines[1])
        for register, ty in written:
            name = at.variable(register, ty)
            line = self._line(one, ty) if ty.kind is not Kind.FLOAT else None
            self.known.pop(name, None)
            if line is not None:
                self.known[name] = line

    def _line(self, one: Instruction, ty: Type) -> Line | None:
        if one.op == "mov_imm":
            assert isinstance(one.operands[1], int)
            low = one.operands[1] & ((1 << ty.bits) - 1)
            value = low - (1 << ty.bits) if ty.kind is Kind.SIGNED and low >> (ty.bits - 1) else low
            return Line(0, str(value)) if abs(value) < _MOST_BASE else None
        if one.op not in ("mov", "cvt", "add", "sub", "mul", "shl", "mad"):
            return None
        reads = [self.known.get(at.variable(register, of)) for register, of, writes in registers_of(one) if not writes]
        if any(line is None for line in reads):
            return None
        line = self._combined(one.op, [line for line in reads if line is not None])
        if line is None or abs(line.scale) >= _MOST_SCALE:
            return None
        if one.op == "mov":
            return line
        low, high = (
            (-(1 << (ty.bits - 1)), (1 << (ty.bits - 1)) - 1) if ty.kind is Kind.SIGNED else (0, (1 << ty.bits) - 1)
        )
        value = _number(line)
        if value is not None:
            return line if low <= value <= high and abs(value) < _MOST_BASE else None
        if not _is_number(line.base):
            line = replace(line, base=self._base(line.base))
        self._within(line, str(low), str(min(high, (1 << 63) - 1)))
        return line

    def _combined(self, op: str, lines: list[Line]) -> Line | None:
        a, *rest = lines
        match op:
            case "add" | "sub":
                return _plus(a, rest[0] if op == "add" else _times(rest[0], Line(0, "-1")))
            case "mul":
                return _times(a, rest[0])
            case "mad":
                product = _times(a, rest[0])
                return _plus(product, rest[1])
            case "shl":
                by = _number(rest[0])
                return None if by is None or not 0 <= by < 20 else _times(a, Line(0, str(1 << by)))
            case _:
                return a


def _number(line: Line) -> int | None:
    """Return a line's value if it is a constant."""
    return int(line.base) if line.scale == 0 and _is_number(line.base) else None


def _is_number(text: str) -> bool:
    return text.lstrip("-").isdigit()


def _plus(a: Line | None, b: Line | None) -> Line | None:
    if a is None or b is None:
        return None
    if _is_number(a.base) and _is_number(b.base):
        return Line(a.scale + b.scale, str(int(a.base) + int(b.base)))
    return Line(a.scale + b.scale, f"({a.base} + {b.base})")


def _times(a: Line, b: Line) -> Line | None:
    """Return the product with a constant."""
    for line, other in ((a, b), (b, a)):
        factor = _number(other)
        if factor is not None and abs(factor) < _MOST_SCALE:
            base = str(int(line.base) * factor) if _is_number(line.base) else f"({line.base} * {factor})"
            return Line(line.scale * factor, base)
    return None


@dataclass(slots=True)
class _StreamWriter(LaneWriter):
    """Writes steps with the indices that were found."""

    places: Iterator[Line] = field(default_factory=lambda: iter(()))

    def place(self, step: Step, address: Address) -> str:
        """Return the index of an access, which is in range."""
        del step, address
        line = next(self.places)
        return f"({line.scale} * lane + {line.base})" if line.scale != 1 else f"(lane + {line.base})"


def write_stream(stream: Stream, verified: Verified, memory: at.Memory) -> list[str]:
    """Return the statements that run all lanes if every access is in range, and leave none to the loop after them."""
    writer = _StreamWriter(verified, memory, depth=0)
    for line in ("fine = True", "first, stop = np.int64(low), np.int64(high)", *stream.before):
        writer.line(line)
    with indented(writer, "if fine & (first < stop):"):
        restored = _overwritten(stream, verified)
        for name in restored:
            writer.line(f"given_{name} = {name}")
        with indented(writer, "for lane in range(first, stop):"):
            writer.line("global_lane_id = np.uint64(lane)")
            for name in restored:
                writer.line(f"{name} = given_{name}")
            writer.places = iter([stream.lines[number] for number in sorted(stream.lines)])
            for step in stream.steps:
                writer.step(step)
        writer.line("high = low")
    return writer.lines


def _overwritten(stream: Stream, verified: Verified) -> list[str]:
    """Return the variables that the launch sets and a lane writes: each lane must find them as the launch set them."""
    program = verified.program
    given = {at.variable(one.register, one.type) for one in program.scalars}
    given |= {at.variable(one.register, U64) for one in program.sizes}
    written = {
        at.variable(register, ty)
        for step in stream.steps
        for register, ty, writes in registers_of(step.instruction)
        if writes
    }
    return sorted(given & written)
