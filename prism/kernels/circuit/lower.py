"""Lower calls to programs of the instruction set: fused element-wise stages, and blocks that meet [CIRCUIT-13]."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Final

from prism.kernels.circuit.calls import Call
from prism.kernels.circuit.emit import BLOCK, Node, emit_block, emit_lanes
from prism.kernels.circuit.generators import Form
from prism.kernels.circuit.reference import require_types
from prism.kernels.isa.program import Program
from prism.kernels.isa.types import BY_NAME, Kind, Type

MOST_VALUES: Final = 200
"""The most values of one element-wise stage: each has a register of its own."""


class Lanes(Enum):
    """How many lanes a stage runs on; the value is the word of documents."""

    EACH = "one lane for each element"
    BLOCK = f"one block of {BLOCK} lanes"


@dataclass(frozen=True, slots=True)
class Stage:
    """One launch of a lowered circuit: a program over the class memory, seen as elements of `type`.

    The program has one buffer, `classes`, and one scalar, `n` (u64), the number of elements; its guard is inside.
    calls: those that it does.
    """

    program: Program
    type: Type
    lanes: Lanes
    calls: tuple[Call, ...]


@dataclass(frozen=True, slots=True)
class Lowered:
    """A circuit for one element type: its stages, to be run one after the other, and the calls that they do."""

    type: Type
    calls: tuple[Call, ...]
    stages: tuple[Stage, ...]


def lower(calls: Sequence[Call], ty: Type, *, is_fused: bool = True) -> Lowered:
    """Return the programs that do the calls on vectors of type `ty`, of as many elements as the launch says.

    Neighbouring element-wise calls are fused into one stage, which loads each class once, computes each distinct value
    once and stores what changed; `is_fused=False` gives each call a stage of its own. Reductions and softmax are
    stages of one block. quote and evaluate do nothing and give no stage. UsageError when a call has no meaning for
    the type.
    """
    require_types(calls, ty)
    return Lowered(ty, tuple(calls), tuple(_stages(calls, ty, is_fused=is_fused)))


def _stages(calls: Sequence[Call], ty: Type, *, is_fused: bool) -> Iterator[Stage]:
    open_stage: _Fusion | None = None
    for one in calls:
        if one.kind.generator in ("quote", "evaluate"):
            continue
        if one.kind.generator in ("reduce", "softmax"):
            if open_stage:
                yield open_stage.stage()
            open_stage = None
            yield Stage(emit_block(one.operation, one.classes, ty), ty, Lanes.BLOCK, (one,))
            continue
        view = _view(one, ty)
        if open_stage and not (is_fused and open_stage.takes(one, view)):
            yield open_stage.stage()
            open_stage = None
        open_stage = open_stage or _Fusion(view or ty, is_fixed=view is not None)
        open_stage.add(one, view)
    if open_stage:
        yield open_stage.stage()


def _view(one: Call, ty: Type) -> Type | None:
    """Return the type that an element-wise call computes in, None for one that only moves elements."""
    if one.kind.generator in ("copy", "swap"):
        return None
    if one.kind.generator == "mark" and ty.kind is Kind.FLOAT:
        return BY_NAME[f"u{ty.bits}"]
    return ty


@dataclass
class _Fusion:
    """An element-wise stage in the making: what each class holds, as a value over what the classes held before it."""

    type: Type
    is_fixed: bool
    nodes: dict[Node, int] = field(default_factory=dict)
    held: dict[int, int] = field(default_factory=dict)
    calls: list[Call] = field(default_factory=list)

    def takes(self, one: Call, view: Type | None) -> bool:
        """Whether a call can join: its type is that of the stage, and there are registers for its values."""
        is_of_type = view is None or not self.is_fixed or view is self.type
        n_values = 2 * (one.classes[-1] - one.classes[0] + 1) if one.kind.form is Form.RANGE else 3
        return is_of_type and len(self.nodes) + n_values <= MOST_VALUES

    def add(self, one: Call, view: Type | None) -> None:
        if view is not None:
            self.type, self.is_fixed = view, True
        self.calls.append(one)
        for classes in one.each():
            self._do(one, classes)

    def _do(self, one: Call, classes: tuple[int, ...]) -> None:
        match one.kind.generator:
            case "mark":
                self.held[classes[0]] = self._value("mark", self._held(classes[0]))
            case "copy":
                self.held[classes[1]] = self._held(classes[0])
            case "swap":
                a, b = self._held(classes[0]), self._held(classes[1])
                self.held[classes[0]], self.held[classes[1]] = b, a
            case _:
                operands = [self._held(number) for number in classes[: one.arity]]
                self.held[classes[2]] = self._value(one.variant, *operands)

    def _held(self, number: int) -> int:
        if number not in self.held:
            self.held[number] = self._value("load", number)
        return self.held[number]

    def _value(self, operation: str, *operands: int) -> int:
        return self.nodes.setdefault((operation, *operands), len(self.nodes))

    def stage(self) -> Stage:
        """Return the stage; classes that hold what they held are not stored."""
        changed = {
            number: value for number, value in sorted(self.held.items()) if self.nodes.get(("load", number)) != value
        }
        program = emit_lanes(tuple(self.nodes), changed, self.type)
        return Stage(program, self.type, Lanes.EACH, tuple(self.calls))
