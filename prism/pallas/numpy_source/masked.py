"""Masked accesses of a kernel as calls of `masked`: triton-style loads and stores, by lanes."""

from __future__ import annotations

from collections.abc import Sequence

from prism.pallas.access import Load, Operand, Part, Scalar, Span, Store
from prism.pallas.errors import SuspectError
from prism.pallas.kernel import Equation
from prism.pallas.masked import masked_load, masked_store, note_masked_read
from prism.pallas.numpy_source.values import (
    NONE,
    Context,
    Given,
    RefVar,
    Value,
    solid,
    value_of,
)


def emit_masked(
    access: Load | Store,
    ref: RefVar,
    items: Sequence[Part],
    equation: Equation,
    operands: Sequence[Given],
    context: Context,
) -> list[Value]:
    """Write a masked access and return its results; only the window itself may differ along batched axes."""
    writer = context.writer
    named = _named_operands(equation, operands, context)
    chosen = [named[i.position] for i in _parts(items) if isinstance(i, Operand)]
    assert access.mask is not None
    mask = named[access.mask.position]
    axes = frozenset().union(mask.axes, *(v.axes for v in chosen))
    if axes or (isinstance(access, Store) and context.every - ref.axes):
        return context.refuse(axes or context.every - ref.axes, equation)
    index = f"({', '.join(_item_text(i, named, context) for i in items)},)"
    lead = context.lead if ref.axes else 0
    if isinstance(access, Load):
        if ref.tracked:
            done = f"{ref.text}_done" if ref.masked else f"np.zeros({ref.shape}, np.bool_)"
            note = f"{writer.bind(note_masked_read, 'note_masked_read')}(m, {done}, {index}, {mask.text})"
            if context.lead:
                note = f"raise {writer.bind(SuspectError, 'Suspect')}"
            writer.line(f"if not {ref.text}_set: {note}")
        other = None if access.other is None else named[access.other.position]
        text = "None" if other is None else other.text
        name = writer.name()
        load = writer.bind(masked_load, "masked_load")
        writer.line(f"{name} = {load}(m, {ref.text}, {index}, {mask.text}, {text}, {lead})")
        return [Value(name, ref.axes | (other.axes if other else NONE), thin=bool(other and other.thin))]
    value = named[access.value.position]
    done = f"{ref.text}_done" if ref.masked else "None"
    store = writer.bind(masked_store, "masked_store")
    writer.line(f"{store}({ref.text}, {done}, {index}, {value.text}, {mask.text}, {lead})")
    return [Value("_") for _ in equation.outs]


def _parts(items: Sequence[Part]) -> list[Scalar]:
    return [part for i in items for part in ((i.start, i.size) if isinstance(i, Span) else (i,))]


def _named_operands(equation: Equation, operands: Sequence[Given], context: Context) -> dict[int, Value]:
    """Return the operands of a masked access that are values, in their full shapes."""
    values = {}
    for k, (atom, operand) in enumerate(zip(equation.ins, operands, strict=True)):
        if not isinstance(operand, RefVar):
            values[k] = solid(value_of(operand, context), atom.shape, context)
    return values


def _item_text(item: Part, named: dict[int, Value], context: Context) -> str:
    def text(part: Scalar) -> str:
        return f"int({named[part.position].text})" if isinstance(part, Operand) else str(part)

    if not isinstance(item, Span):
        return f"np.asarray({named[item.position].text})" if isinstance(item, Operand) else str(item)
    if item.reach is None:
        context.refuse()
    return f"slice({text(item.start)}, {text(item.start)} + {item.reach}, {item.stride})"
