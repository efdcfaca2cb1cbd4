"""Calls: the fifteen generator calls, and the phrase as a list of them [CIRCUIT-8]."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from prism.errors import ParseError
from prism.kernels.circuit.generators import BY_NAME, Form
from prism.kernels.circuit.phrase import Operation, Phrase, Range, Sigil, leaves
from prism.kernels.circuit.push import pushed


@dataclass(frozen=True, slots=True)
class Kind:
    """One of the fifteen calls: name and fields, the generator and form that say it, the variant where it is fixed."""

    name: str
    fields: tuple[str, ...]
    generator: str
    form: Form
    variant: str = ""


_SRC_DST: Final = ("src_class", "dst_class")
_THREE: Final = ("src_class", "context_class", "dst_class")
_ENDS: Final = ("start_class", "end_class")

KINDS: Final = (
    Kind("Mark", ("class",), "mark", Form.ONE),
    Kind("Quote", ("class",), "quote", Form.ONE),
    Kind("Evaluate", ("class",), "evaluate", Form.ONE),
    Kind("Copy", _SRC_DST, "copy", Form.TO),
    Kind("Swap", ("class_a", "class_b"), "swap", Form.EXCHANGE),
    Kind("Merge", _THREE, "merge", Form.IN_CONTEXT),
    Kind("Split", _THREE, "split", Form.IN_CONTEXT),
    Kind("ReduceSum", _SRC_DST, "reduce", Form.TO, "sum"),
    Kind("ReduceMin", _SRC_DST, "reduce", Form.TO, "min"),
    Kind("ReduceMax", _SRC_DST, "reduce", Form.TO, "max"),
    Kind("Softmax", _SRC_DST, "softmax", Form.TO),
    Kind("MarkRange", _ENDS, "mark", Form.RANGE),
    Kind("QuoteRange", _ENDS, "quote", Form.RANGE),
    Kind("EvaluateRange", _ENDS, "evaluate", Form.RANGE),
    Kind("MergeRange", _ENDS, "merge", Form.RANGE),
)
_BY_SHAPE: Final[Mapping[tuple[str, Form, str], Kind]] = {
    (kind.generator, kind.form, kind.variant): kind for kind in KINDS
}
BY_KIND: Final[Mapping[str, Kind]] = {kind.name: kind for kind in KINDS}


@dataclass(frozen=True, slots=True)
class Call:
    """One call: its kind, the classes of its fields, and, for merges and splits, its variant."""

    kind: Kind
    classes: tuple[int, ...]
    variant: str = ""

    @property
    def operation(self) -> str:
        """What is computed: the variant, the reduction or the generator."""
        return self.variant or (f"reduce.{self.kind.variant}" if self.kind.variant else self.kind.generator)

    @property
    def arity(self) -> int:
        """How many classes a merge or split reads; 1 for any other call."""
        return BY_NAME[self.kind.generator].by_name[self.variant].arity if self.variant else 1

    def each(self) -> list[tuple[int, ...]]:
        """Return the classes of the call; of a range, those of the call of each of its classes."""
        if self.kind.form is not Form.RANGE:
            return [self.classes]
        own = BY_NAME[self.kind.generator].form.n_operands
        return [(number,) * own for number in range(self.classes[0], self.classes[1] + 1)]

    def as_operation(self) -> Operation:
        """Return the operation that says the call."""
        is_range = self.kind.form is Form.RANGE
        operands = Range(self.classes[0], self.classes[1]) if is_range else tuple(map(Sigil, self.classes))
        return Operation(self.kind.generator, self.variant or self.kind.variant, self.kind.form, operands)

    def __str__(self) -> str:
        return str(self.as_operation())

    def as_json(self) -> dict[str, Any]:
        """Return the call as the original names it: {"op", one entry a field, "variant" where there is one}."""
        variant = {"variant": self.variant.capitalize()} if self.variant else {}
        return {"op": self.kind.name, **dict(zip(self.kind.fields, self.classes, strict=True)), **variant}


def call(generator: str, *classes: int, variant: str = "") -> Call:
    """Return the call of a generator in its own form; `variant` as in `BY_NAME`, its default if left out."""
    return _call(generator, variant or BY_NAME[generator].default, BY_NAME[generator].form, classes)


def on_range(generator: str, first: int, last: int, *, variant: str = "") -> Call:
    """Return the call of a generator on the classes `first` to `last`."""
    return _call(generator, variant, Form.RANGE, (first, last))


def calls(phrase: Phrase) -> tuple[Call, ...]:
    """Return a phrase as calls, left to right, branches in source order, transforms applied to the classes.

    The image of a range is said as ranges and single classes in ascending order. ParseError, with its place, for what
    has a literal reading only: a generator without all of its operands, a class with a page, or a range of a
    generator that takes none.
    """
    for operation, _ in leaves(phrase):
        _require_effect(operation)
    return tuple(_said(operation) for operation, _ in leaves(pushed(phrase)))


def _require_effect(operation: Operation) -> None:
    generator, given = BY_NAME[operation.generator], operation.operands
    if isinstance(given, Range):
        if not generator.takes_range:
            raise _refusal(operation, f"one class for each operand: {generator.name} is not supported on ranges")
        return
    if operation.form is not generator.form:
        raise _refusal(operation, f"all operands of {generator.name}, as in {generator.name}@{generator.form.value}")
    paged = next((sigil for sigil in given if sigil.page is not None), None)
    if paged is not None:
        raise _refusal(operation, f"whole classes: page {paged.page} has only a literal reading")


def _said(operation: Operation) -> Call:
    given = operation.operands
    classes = (given.first, given.last) if isinstance(given, Range) else tuple(sigil.number for sigil in given)
    return _call(operation.generator, operation.variant, operation.form, classes)


def _call(generator: str, variant: str, form: Form, classes: Sequence[int]) -> Call:
    kind = _BY_SHAPE.get((generator, form, "")) or _BY_SHAPE[generator, form, variant]
    return Call(kind, tuple(classes), "" if kind.variant else variant)


def _refusal(operation: Operation, expected: str) -> ParseError:
    return ParseError(operation.where, expected, repr(str(operation)), "complete it, or ask for its literal reading")
