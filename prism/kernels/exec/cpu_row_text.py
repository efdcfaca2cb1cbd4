"""Row loops as Numba source: the way through a turn for the first lane and the last, the values for all between.

A turn has two parts. The first follows the loop for the first lane (`j_` names) and, where they differ, the last
(`k_`): it stops the row before the turn if they part, or if an access of one is out of bounds. The second computes:

    for l in range(w):                          one inner loop for each stretch without choices
        v_r7 = _element(m_2, x31 + 1 * l, ...)  what lane l of the row loads
        v_r8 = (j_r6 * v_r7)
        _put(w_r2, l, (v_r2 + v_r8))            rows (`w_`) lie on the stack, where nothing else can point to
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from prism.codegen.texts import indented
from prism.kernels.exec import cpu_ops as ops
from prism.kernels.exec import cpu_record as at
from prism.kernels.exec.cpu_lane import LaneWriter, variables
from prism.kernels.exec.cpu_rows import RowLoop, fixed_of
from prism.kernels.exec.cpu_scale import State, divides, following, offset_scale
from prism.kernels.exec.cpu_state import LEFT, MOST_ROW, SITE, STATUS, Slots, read_word
from prism.kernels.exec.cpu_steps import address_of
from prism.kernels.exec.cpu_uses import constants, read_by, text_of, written_by
from prism.kernels.isa.program import BufferOffset, Instruction, RegisterIndirect, RegisterIndirectComputed
from prism.kernels.isa.regions import Again, If, Leave, Node, Run, Stop
from prism.kernels.isa.steps import Step
from prism.kernels.isa.table import BY_MNEMONIC, SPECIAL, Effect, fixed_type
from prism.kernels.isa.types import U64, Type
from prism.kernels.isa.verify import Verified

_NAME: Final = re.compile(r"\b[A-Za-z_]\w*")


@dataclass(slots=True)
class _Segment:
    """Steps without choices that are computed for a row at once, where all of `path` hold."""

    path: tuple[str, ...]
    lines: list[str] = field(default_factory=list)
    read: dict[str, None] = field(default_factory=dict)
    written: dict[str, None] = field(default_factory=dict)


@dataclass(slots=True)
class RowWriter:
    """Writes the functions of one row loop."""

    verified: Verified
    memory: at.Memory
    slots: Slots
    loop: RowLoop
    lines: list[str] = field(default_factory=list)
    depth: int = 1
    types: dict[str, Type | None] = field(default_factory=dict)
    fixed: frozenset[str] = frozenset()
    constant: Mapping[str, Instruction] = field(default_factory=dict)
    plain: LaneWriter = field(init=False)
    first: dict[str, str] = field(default_factory=dict)
    segments: list[_Segment] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.types = {name: fixed_type(ty) for name, ty in SPECIAL.values()} | variables(self.verified)
        self.fixed = frozenset(fixed_of(self.verified))
        self.constant = constants(self.verified)
        self.plain = LaneWriter(self.verified, self.memory, depth=0)

    def line(self, text: str) -> None:
        """Add a line."""
        self.lines.append("    " * self.depth + text)

    def write(self) -> tuple[list[str], list[str]]:
        """Return the lines of both functions, and the names that they take besides states, places and lengths."""
        body = self._body()
        used = {name for text in body for name in _NAME.findall(text)}
        given = sorted(used & (self.fixed | self._memory_names()) - self.constant.keys())
        number, more = self.loop.number, "".join(f", {name}" for name in given)
        texts = [f"    {name} = {text_of(one)}" for name, one in self.constant.items() if name in used]
        turns = ["@inner", f"def _turns{number}(states, start, w, base{more}):", *texts, *body]
        return [*self._along(), "", "", *turns], given

    def _memory_names(self) -> set[str]:
        found: set[str] = set()
        for one in self.verified.program.buffers:
            found |= {self.memory.pointer(one), self.memory.length(one)}
        return found | {self.memory.pointer(one) for one in self.verified.program.shared}

    # What a row is.

    def _along(self) -> list[str]:
        """Return the function that finds how many lanes from `start` on stand alike at the loop."""
        self.lines, self.depth = [], 0
        self.line("@inner")
        with indented(self, f"def _along{self.loop.number}(states, start, each):"):
            self.line(f"first, w = {self._state('start')}, np.int64(1)")
            with indented(self, f"while (start + w < each) & (w < {MOST_ROW}):"):
                self.line(f"other = {self._state('(start + w)')}")
                alike = [f"(other[{word}] == first[{word}])" for word in (STATUS, SITE, LEFT)]
                for name, scale in self.loop.lines.items():
                    if name not in self.slots.word:
                        continue
                    word, ty = self.slots.word[name], self.types[name]
                    if scale == 0:
                        alike.append(f"(other[{word}] == first[{word}])")
                    else:
                        assert ty is not None
                        step = f"_wadd({read_word(ty, f'first[{word}]')}, {ops.typed(ty, f'w * {scale}')})"
                        alike.append(f"({read_word(ty, f'other[{word}]')} == {step})")
                with indented(self, f"if not ({' & '.join(alike)}):"):
                    self.line("break")
                self.line("w += 1")
            self.line("return w")
        return self.lines

    def _state(self, lane: str) -> str:
        return f"_words(states + np.uint64({lane} * {8 * self.slots.size}))"

    # A turn.

    def _body(self) -> list[str]:
        self.lines, self.depth = [], 1
        with indented(self, "while turns < limit:"):
            for name, scale in self.loop.lines.items():
                self.line(f"{self._named('j', name)} = i_{name}")
                if scale:
                    self.line(f"{self._named('k', name)} = l_{name}")
            self.line("ok = False")
            with indented(self, "while True:"):
                self._sequence(self.loop.whole.node.body, ())
                if self.loop.counted:
                    self.line("ok = True")
                self.line("break")
            with indented(self, "if not ok:"):
                self.line("break")
            crossing = self._rows()
            for name, scale in self.loop.lines.items():
                if name in self.loop.written:
                    self.line(f"i_{name} = j_{name}")
                    if scale:
                        self.line(f"l_{name} = k_{name}")
            self.line("turns += 1")
        turns, self.lines = self.lines, []
        self._before(crossing)
        self.lines += turns
        self._after()
        return self.lines

    def _named(self, prefix: str, name: str) -> str:
        made = f"{prefix}_{name}"
        self.first[made] = _zero(self.types[name])
        return made

    def _sequence(self, nodes: Sequence[Node], path: tuple[str, ...]) -> None:
        for node in nodes:
            match node:
                case Run(start, stop):
                    for step in self.verified.steps[start:stop]:
                        self._step(step, path)
                case If(guard, then, other):
                    predicate = f"p{guard.predicate}"
                    kept = f"t{len(self.first)}"
                    self.first[kept] = "False"
                    self.line(f"{kept} = {'not ' if guard.negated else ''}j_{predicate}")
                    with indented(self, f"if {kept}:"):
                        self._sequence(then, (*path, kept))
                    with indented(self, "else:"):
                        self._sequence(other, (*path, f"not {kept}"))
                case Again():
                    self.line("ok = True")
                    self.line("break")
                case Leave() | Stop():
                    self.line("break")
                case _:
                    raise AssertionError(node)

    def _step(self, step: Step, path: tuple[str, ...]) -> None:
        state = self.loop.known[id(step)]
        written = written_by(step)
        if written <= self.constant.keys():
            return
        if BY_MNEMONIC[step.op].effect is Effect.LOAD:
            self._load(step, state, path)
        elif written <= following(step, state).keys():
            self._steering(step, state)
        else:
            self._value(step, state, path)

    def _steering(self, step: Step, state: State) -> None:
        """Write a step whose result is alike in the lanes or goes up with them, and compare the row's ends."""
        (name,) = written_by(step)
        scale = following(step, state)[name][0]
        if divides(step):
            divisor = step.instruction.operands[2]
            assert isinstance(divisor, int)
            with indented(self, f"if {self._end('j', at.variable(divisor, step.instruction.types[0]), state)} == 0:"):
                self.line("break")
        spread = bool(scale) or any(state[one][0] for one in read_by(step) if one in state)
        for prefix in "kj" if spread else "j":
            self._text(step, lambda one, end=prefix: self._end(end, one, state), prefix)
        first, last, ty = f"j_{name}", f"k_{name}", self.types[name]
        if scale and step.op != "mov":
            assert ty is not None
            sign = "<=" if scale > 0 else ">="
            with indented(self, f"if (_wsub({last}, {first}) != {self._span(ty, scale)}) | ({last} {sign} {first}):"):
                self.line("break")
        elif spread and not scale:
            with indented(self, f"if {first} != {last}:"):
                self.line("break")

    def _end(self, prefix: str, name: str, state: State) -> str:
        """Return what one end of the row has of a variable that is read; the first lane's `j_` where all have that."""
        if name in self.fixed or name not in self.types:
            return name
        return self._named(prefix if state[name][0] else "j", name)

    def _span(self, ty: Type, scale: int) -> str:
        made = f"g{'m' if scale < 0 else ''}{abs(scale)}_{ty.name}"
        self.first[made] = ops.typed(ty, f"(w - 1) * {scale}")
        return made

    def _text(self, step: Step, read: Callable[[str], str], prefix: str) -> None:
        """Write a step with what it reads named by `read` and what it writes by a prefix."""
        for text in self._plain(step):
            target, value = text.split(" = ", 1)
            made = self._named(prefix, target) if target in self.types else target
            self.line(f"{made} = {_renamed(value, read)}")

    def _plain(self, step: Step) -> list[str]:
        self.plain.lines = []
        self.plain.step(step)
        return self.plain.lines[-1:] if divides(step) else self.plain.lines

    def _load(self, step: Step, state: State, path: tuple[str, ...]) -> None:
        assert step.memory is not None
        (name,), scale = written_by(step), offset_scale(step, state)
        address, size, shift = address_of(step), step.memory.type.size, step.memory.type.shift
        length, index = self.memory.length(step.memory), f"x{len(self.first)}"
        self.first[index] = "np.int64(0)"
        assert scale is not None
        if isinstance(address, RegisterIndirectComputed):
            offset = variable_of(address)
            first, highest = (self._end(prefix, offset, state) for prefix in ("j", "k" if scale > 0 else "j"))
            outside = [f"(({first} & np.uint64({size - 1})) != 0)"] if size > 1 else []
            outside += [f"(({highest} >> np.uint64({shift})) >= {length})"]
            where = f"{first} >> np.uint64({shift})"
        else:
            assert isinstance(address, BufferOffset | RegisterIndirect)
            outside = [f"(np.uint64({address.offset // size}) >= {length})"]
            outside += ["True"] if address.offset % size else []
            where = str(address.offset // size)
        with indented(self, f"if {' | '.join(outside)}:"):
            self.line("break")
        self.line(f"{index} = np.int64({where})")
        if scale == 0:
            self.line(f"{self._named('j', name)} = {self.memory.load(step, index)}")
            return
        segment = self._segment(path)
        segment.lines.append(f"v_{name} = {self.memory.load(step, f'({index} + {scale // size} * l)')}")
        segment.written[name] = None

    # The values of a row.

    def _segment(self, path: tuple[str, ...]) -> _Segment:
        if not self.segments or self.segments[-1].path != path:
            self.segments.append(_Segment(path))
        return self.segments[-1]

    def _value(self, step: Step, state: State, path: tuple[str, ...]) -> None:
        segment = self._segment(path)
        (name,) = written_by(step)
        for one in sorted(read_by(step)):
            if one not in state and one not in self.fixed and one not in segment.written:
                segment.read[one] = None
        for text in self._plain(step):
            target, value = text.split(" = ", 1)
            made = f"v_{target}" if target in self.types else target
            segment.lines.append(f"{made} = {_renamed(value, lambda one: self._in_row(one, state))}")
        segment.written[name] = None

    def _in_row(self, name: str, state: State) -> str:
        """Return what lane l of the row has of a variable that is read."""
        if name in self.fixed or name not in self.types:
            return name
        if name not in state:
            return f"v_{name}"
        kept, scale, ty = f"u{len(self.first)}_{name}", state[name][0], self.types[name]
        self.first[kept] = _zero(ty)
        self.line(f"{kept} = j_{name}")
        if not scale:
            return kept
        assert ty is not None
        return f"_wadd({kept}, {ops.typed(ty, f'l * {scale}')})"

    def _rows(self) -> list[str]:
        """Write the segments; return the variables that have a row."""
        crossing = dict.fromkeys([*self.loop.rows, *(name for one in self.segments for name in one.read)])
        for segment in self.segments:
            headers = [f"if {' and '.join(segment.path)}:"] if segment.path else []
            for header in headers:
                self.line(header)
                self.depth += 1
            with indented(self, "for l in range(w):"):
                for name in segment.read:
                    self.line(f"v_{name} = {self._lane(name)}")
                for text in segment.lines:
                    self.line(text)
                for name in segment.written:
                    if name in crossing:
                        value = f"np.uint8(v_{name})" if self.types[name] is None else f"v_{name}"
                        self.line(f"_put(w_{name}, l, {value})")
            self.depth -= len(headers)
        return list(crossing)

    def _lane(self, name: str) -> str:
        ty = self.types[name]
        return f"_element(w_{name}, l, np.uint8(0)) != 0" if ty is None else f"_element(w_{name}, l, {_zero(ty)})"

    # From the lanes' states and back.

    def _before(self, crossing: Sequence[str]) -> None:
        self.line(f"first, last = {self._state('start')}, {self._state('(start + w - 1)')}")
        for name, scale in self.loop.lines.items():
            ty = self.types[name]
            if name in self.slots.word:
                word = self.slots.word[name]
                self.line(f"i_{name} = {read_word(ty, f'first[{word}]')}")
                if scale:
                    self.line(f"l_{name} = {read_word(ty, f'last[{word}]')}")
            elif name == "global_lane_id":
                self.line(f"i_{name}, l_{name} = np.uint64(base + start), np.uint64(base + start + w - 1)")
            else:
                self.line(f"i_{name} = {name}")
            if scale:
                with indented(self, f"if l_{name} {'<=' if scale > 0 else '>='} i_{name}:"):
                    self.line("return np.int64(0)")
        for made, text in self.first.items():
            self.line(f"{made} = {text}")
        for name in crossing:
            self.line(f"w_{name} = _row({'np.uint8(0)' if self.types[name] is None else _zero(self.types[name])})")
        self.line(f"limit, turns = np.int64(first[{LEFT}]) - 1, np.int64(0)")
        if not self.loop.counted:
            self.line(f"limit = np.int64(first[{self.slots.word['fuel']}])")
        if self.loop.rows or not self.loop.counted:
            with indented(self, "for l in range(w):"):
                self.line(f"mine = {self._state('(start + l)')}")
                if not self.loop.counted:
                    self.line(f"limit = min(limit, np.int64(mine[{self.slots.word['fuel']}]))")
                for name in self.loop.rows:
                    self.line(f"_put(w_{name}, l, {read_word(self.types[name], f'mine[{self.slots.word[name]}]')})")

    def _after(self) -> None:
        with indented(self, "if turns > 0:"), indented(self, "for l in range(w):"):
            self.line(f"mine = {self._state('(start + l)')}")
            if self.loop.counted:
                self.line(f"mine[{LEFT}] = np.uint64(limit - turns + 1)")
            else:
                fuel = self.slots.word["fuel"]
                self.line(f"mine[{fuel}] = np.uint64(np.int64(mine[{fuel}]) - turns)")
            for name, scale in self.loop.lines.items():
                if name in self.loop.written:
                    self.line(f"mine[{self.slots.word[name]}] = {self._written(name, scale)}")
            for name in self.loop.rows:
                if name in self.loop.written:
                    ty = self.types[name]
                    assert ty is not None
                    self.line(f"mine[{self.slots.word[name]}] = {ops.word(ty, self._lane(name))}")
        self.line("return turns * w")

    def _written(self, name: str, scale: int) -> str:
        ty = self.types[name]
        if ty is None:
            return f"np.uint64(i_{name})"
        return ops.word(ty, f"_wadd(i_{name}, {ops.typed(ty, f'l * {scale}')})" if scale else f"i_{name}")


def variable_of(address: RegisterIndirectComputed) -> str:
    """Return the variable of the bytes that an address adds."""
    return at.variable(address.offset, U64)


def _renamed(text: str, named: Callable[[str], str]) -> str:
    """Return an expression with each name replaced."""
    return _NAME.sub(lambda found: named(found[0]), text)


def _zero(ty: Type | None) -> str:
    return "False" if ty is None else ops.typed(ty, "0")
