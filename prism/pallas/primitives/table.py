"""THE table of primitives that compute a value: one row each, with its NumPy form and its form in loops, if it has one.

Debug mode evaluates the NumPy form, equation by equation; fast mode writes it into a program; compiled mode writes the
other. What runs kernels or asks for the grid is a function of each mode, in `debug`, `numpy_source.statements` and
`numba_source.equations`; what accesses memory is an `access.Access`.
"""

from __future__ import annotations

from dataclasses import dataclass

from prism.codegen.elementary import TEXTS
from prism.pallas.numba_source import elementwise as loops
from prism.pallas.numba_source import reductions as folds
from prism.pallas.numba_source import shapes as moves
from prism.pallas.numba_source.writer import LoopRule
from prism.pallas.primitives import elementwise, index, keys, reduce, shape, tpu
from prism.pallas.primitives.site import Emit, calling, template


@dataclass(frozen=True, slots=True)
class Primitive:
    """One row; the operands of an `elementwise` primitive broadcast and may be Python literals."""

    numpy: Emit
    loop: LoopRule | None = None
    elementwise: bool = False


def _each(form: Emit | str, loop: LoopRule | None = None) -> Primitive:
    return Primitive(template(form) if isinstance(form, str) else form, loop, elementwise=True)


def _alike(text: str) -> Primitive:
    """Return the row of an expression that NumPy and Numba understand in the same way."""
    return _each(text, loops.elementwise(text))


def _compared(operator: str) -> Primitive:
    return _each(f"{{0}} {operator} {{1}}", loops.comparison(operator))


def _elementary(name: str) -> Primitive:
    plain = calling(elementwise.logistic) if name == "logistic" else template(TEXTS[name].double)
    return _each(elementwise.elementary(name, plain), loops.elementary(name))


TABLE: dict[str, Primitive] = {
    # Arithmetic
    "add": _each("{0} + {1}", loops.arithmetic("{0} + {1}", 0)),
    "add_any": _each("{0} + {1}", loops.arithmetic("{0} + {1}", 0)),
    "sub": _each("{0} - {1}", loops.arithmetic("{0} - {1}", 0)),
    "mul": _each("{0} * {1}", loops.arithmetic("{0} * {1}", 1)),
    "div": _each(elementwise.emit_div, loops.typed_choice("_div({0}, {1})", "{0} / {1}")),
    "rem": _each(elementwise.emit_rem, loops.typed_choice("_rem({0}, {1})", "np.fmod({0}, {1})")),
    "neg": _alike("-{0}"),
    "abs": _alike("np.abs({0})"),
    # Numba keeps the sign of zero, NumPy does not.
    "sign": _each("np.sign({0})", loops.typed_choice("np.sign({0})", "np.sign({0}) + 0.0")),
    "square": _alike("{0} * {0}"),
    "integer_pow": _each(elementwise.emit_integer_pow, loops.integer_pow),
    "pow": _each(calling(elementwise.power)),
    "sqrt": _alike("np.sqrt({0})"),
    "rsqrt": _each(elementwise.emit_rsqrt, loops.rsqrt),
    "cbrt": _each("np.cbrt({0})"),
    "floor": _alike("np.floor({0})"),
    "ceil": _alike("np.ceil({0})"),
    "round": _each(elementwise.emit_round),
    "nextafter": _each("np.nextafter({0}, {1})"),
    "reduce_precision": _each(elementwise.emit_reduce_precision),
    "real": _each("{0}.real"),
    "imag": _each("{0}.imag"),
    "conj": _each("np.conj({0})"),
    "complex": Primitive(elementwise.emit_complex),
    # Functions
    **{name: _elementary(name) for name in TEXTS},
    "erf": _each(calling(elementwise.erf)),
    "erfc": _each(calling(elementwise.erfc)),
    "erf_inv": _each(calling(elementwise.erf_inv)),
    "lgamma": _each(calling(elementwise.lgamma)),
    "digamma": _each(calling(elementwise.digamma)),
    # Order and choice
    "max": _each("np.maximum({0}, {1})", loops.elementwise("_max({0}, {1})")),
    "min": _each("np.minimum({0}, {1})", loops.elementwise("_min({0}, {1})")),
    "clamp": _each(elementwise.emit_clamp, loops.elementwise("_min(_max({1}, {0}), {2})", 2)),
    "select_n": _each(elementwise.emit_select, loops.select),
    "is_finite": _alike("np.isfinite({0})"),
    "eq": _compared("=="),
    "ne": _compared("!="),
    "lt": _compared("<"),
    "le": _compared("<="),
    "gt": _compared(">"),
    "ge": _compared(">="),
    "eq_to": _each(elementwise.total_order("==")),
    "le_to": _each(elementwise.total_order("<=")),
    "lt_to": _each(elementwise.total_order("<")),
    # Bits and types
    "and": _each("{0} & {1}", loops.logical("{0} & {1}")),
    "or": _each("{0} | {1}", loops.logical("{0} | {1}")),
    "xor": _each("{0} ^ {1}", loops.logical("{0} ^ {1}")),
    "not": _each("~{0}", loops.not_of),
    "shift_left": _each(calling(elementwise.shift_left), loops.shift("_shl", kind="uint")),
    "shift_right_logical": _each(calling(elementwise.shift_right_logical), loops.shift("_shrl", kind="uint")),
    "shift_right_arithmetic": _each(calling(elementwise.shift_right_arithmetic), loops.shift("_shr", kind="int")),
    "clz": _each(calling(elementwise.count_leading_zeros)),
    "population_count": _each(calling(elementwise.population_count)),
    "convert_element_type": _each(elementwise.emit_convert, loops.convert),
    "bitcast_convert_type": Primitive(elementwise.emit_bitcast),
    # Identities
    "copy": _each("{0}", loops.same),
    "copy_p": _each("{0}", loops.same),
    "stop_gradient": _each("{0}", loops.same),
    "optimization_barrier": Primitive(shape.emit_identities, loops.same),
    "multiple_of": _each("{0}"),
    "max_contiguous": _each("{0}"),
    "pvary": _each("{0}"),
    "with_memory_space_constraint": _each("{0}"),
    # Shapes
    "reshape": Primitive(shape.emit_reshape, moves.reshape),
    "squeeze": Primitive(shape.emit_squeeze, moves.reshape),
    "expand_dims": Primitive(shape.emit_expand_dims, moves.reshape),
    "broadcast_in_dim": Primitive(shape.emit_broadcast, moves.broadcast),
    "broadcast_to": Primitive(shape.emit_broadcast_to, moves.broadcast_to),
    "transpose": Primitive(shape.emit_transpose, moves.transpose),
    "concatenate": Primitive(shape.emit_concatenate, moves.concatenate),
    "stack": Primitive(shape.emit_stack, moves.stack),
    "unstack": Primitive(shape.emit_unstack, moves.unstack),
    "split": Primitive(shape.emit_split, moves.split),
    "pad": Primitive(shape.emit_pad, moves.pad),
    "slice": Primitive(shape.emit_slice, moves.sliced),
    "rev": Primitive(shape.emit_rev, moves.rev),
    "tile": Primitive(shape.emit_tile, moves.tile),
    "roll": Primitive(shape.emit_roll),
    "iota": Primitive(elementwise.emit_iota, moves.iota),
    # Places that operands choose
    "dynamic_slice": Primitive(index.emit_dynamic_slice, moves.dynamic_slice),
    "dynamic_update_slice": Primitive(index.emit_dynamic_update_slice, moves.dynamic_update_slice),
    "gather": Primitive(index.emit_gather),
    "scatter": Primitive(index.scatters("None")),
    "scatter-add": Primitive(index.scatters("np.add")),
    "scatter_add": Primitive(index.scatters("np.add")),
    "scatter_mul": Primitive(index.scatters("np.multiply")),
    "scatter_min": Primitive(index.scatters("np.minimum")),
    "scatter_max": Primitive(index.scatters("np.maximum")),
    # Reductions
    "reduce_sum": Primitive(reduce.reduction("add"), folds.reduction(folds.SUM)),
    "reduce_prod": Primitive(reduce.reduction("multiply"), folds.reduction(folds.PRODUCT)),
    "reduce_max": Primitive(reduce.reduction("maximum"), folds.reduction(folds.MAX, folds.ANY)),
    "reduce_min": Primitive(reduce.reduction("minimum"), folds.reduction(folds.MIN, folds.ALL)),
    "reduce_and": Primitive(reduce.reduction("bitwise_and"), folds.reduction(folds.AND, folds.ALL)),
    "reduce_or": Primitive(reduce.reduction("bitwise_or"), folds.reduction(folds.OR, folds.ANY)),
    "reduce_xor": Primitive(reduce.reduction("bitwise_xor")),
    "argmax": Primitive(reduce.arg_reduction("argmax"), folds.arg_reduction(">")),
    "argmin": Primitive(reduce.arg_reduction("argmin"), folds.arg_reduction("<")),
    "cumsum": Primitive(reduce.cumulation("add"), folds.cumulation(folds.SUM)),
    "cumprod": Primitive(reduce.cumulation("multiply"), folds.cumulation(folds.PRODUCT)),
    "cummax": Primitive(reduce.cumulation("maximum"), folds.cumulation(folds.MAX)),
    "cummin": Primitive(reduce.cumulation("minimum"), folds.cumulation(folds.MIN)),
    "cumlogsumexp": Primitive(reduce.emit_logsumexp),
    "sort": Primitive(reduce.emit_sort),
    "top_k": Primitive(reduce.emit_top_k),
    "dot_general": Primitive(reduce.emit_dot, folds.dot),
    # Dialects of devices
    "bitcast": Primitive(tpu.emit_bitcast),
    "reciprocal": _each(tpu.emit_reciprocal),
    # Random keys
    "random_wrap": Primitive(keys.emit_wrap),
    "random_unwrap": Primitive(keys.emit_unwrap),
    "random_seed": Primitive(keys.emit_seed),
    "random_split": Primitive(keys.emit_split),
    "random_fold_in": Primitive(keys.emit_fold),
    "random_bits": Primitive(keys.emit_bits),
    "threefry2x32": Primitive(keys.emit_threefry),
}
