"""What each instruction is in generated Numba code: expressions over typed variables.

A register is one variable for each type that it is read or written as. f16 and bf16 are held as the float32 of equal
value and rounded after each operation; float32 has more than twice their bits, so sums, products, quotients and square
roots rounded twice are rounded right.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from prism.kernels.isa.types import BF16, F16, F64, U64, Kind, Type

_C_NAMES: Final = {"eq": "==", "ne": "!=", "lt": "<", "le": "<=", "gt": ">", "ge": ">="}
_ROUNDING: Final = {F16: "_half({})", BF16: "_brain({})"}


def held(ty: Type) -> str:
    """Return the NumPy name of the type as which an element is held in a variable."""
    return "float32" if ty in _ROUNDING else str(ty.dtype)


def typed(ty: Type, text: str) -> str:
    """Return a value cast to what holds an element."""
    return f"np.{held(ty)}({text})"


def rounded(ty: Type, text: str) -> str:
    """Return a value computed as it is held, rounded to the type."""
    return _ROUNDING.get(ty, "{}").format(text)


def constant(ty: Type, bits: int) -> str:
    """Return the element whose bits are the low ones of a number."""
    low = bits & ((1 << ty.bits) - 1)
    if ty.kind is Kind.FLOAT:
        return from_bits(ty, f"np.uint{ty.bits}({low})")
    signed = low - (1 << ty.bits) if ty.kind is Kind.SIGNED and low >> (ty.bits - 1) else low
    return typed(ty, str(signed))


def from_bits(ty: Type, text: str) -> str:
    """Return the element that a word of its width holds."""
    if ty in (F16, BF16):
        return f"{'_from_half' if ty is F16 else '_from_brain'}({text})"
    return f"_same_bits({text}, {typed(ty, '0')})" if ty.kind is Kind.FLOAT else typed(ty, text)


def to_bits(ty: Type, text: str) -> str:
    """Return an element's bits as a word of its width."""
    if ty in (F16, BF16):
        return f"{'_to_half' if ty is F16 else '_to_brain'}({text})"
    return f"_same_bits({text}, np.uint{ty.bits}(0))" if ty.kind is Kind.FLOAT else f"np.uint{ty.bits}({text})"


def word(ty: Type, text: str) -> str:
    """Return an element's bits as 64 of them, which `from_bits` of the low ones undoes."""
    return text if ty is U64 else f"np.uint64({text if ty.kind is Kind.UNSIGNED else to_bits(ty, text)})"


def from_word(ty: Type, text: str) -> str:
    """Return the element that the low bits of a 64-bit word are."""
    if ty.kind is Kind.UNSIGNED:
        return text if ty is U64 else typed(ty, text)
    return from_bits(ty, f"np.uint{ty.bits}({text})")


def convert(to: Type, given: Type, text: str) -> str:
    """Return a value as another type: wrapped, rounded or saturated as `cvt` says."""
    if to is given:
        return text
    if to.kind is not Kind.FLOAT:
        if given.kind is not Kind.FLOAT:
            return typed(to, text)
        return f"_saturated({text}, np.{to.dtype}(0))"
    if to in _ROUNDING:
        # Numbers that float32 cannot hold are rounded to odd first: the second rounding is then right.
        wide = given is F64 or (given.kind is not Kind.FLOAT and given.bits > 16)
        exact = f"_sticky({text})" if given.bits == 64 and given is not F64 else text
        narrow = f"_to_odd(np.float64({exact}))" if wide else f"np.float32({text})"
        return rounded(to, narrow)
    return typed(to, text)


def comparison(condition: str, a: str, b: str) -> str:
    """Return `a cond b`; a comparison with NaN is false, but for `ne`."""
    return f"{a} {_C_NAMES[condition.removesuffix('u')]} {b}"


def binary(op: str, ty: Type, a: str, b: str) -> str:
    """Return one of the operations of two elements of a type."""
    if ty.kind is Kind.FLOAT:
        return _float_binary(op, ty, a, b)
    sign = "s" if ty.kind is Kind.SIGNED else "u"
    names = {
        "div": "_divided_s" if sign == "s" else "_quotient_u",
        "rem": "_rest_s" if sign == "s" else "_remainder_u",
        "min": "_lesser",
        "max": "_greater",
    }
    return f"{names.get(op, f'_w{op}')}({a}, {b})"


def _float_binary(op: str, ty: Type, a: str, b: str) -> str:
    signs = {"add": "+", "sub": "-", "mul": "*", "div": "/"}
    if op in signs:
        return rounded(ty, f"({a} {signs[op]} {b})")
    if op == "pow":
        # The C library makes NaN of a signalling one, also where the answer does not depend on it.
        return rounded(ty, f"_chosen(({b} == 0) | ({a} == 1), {typed(ty, '1')}, {a} ** {b})")
    return f"{'_lesser' if op == 'min' else '_greater'}({a}, {b})"


def shift(op: str, ty: Type, a: str, amount: str | int) -> str:
    """Return `a` shifted by an u32 amount, a variable or a number, modulo its width."""
    by = typed(ty, f"{amount} & np.uint32({ty.bits - 1})" if isinstance(amount, str) else str(amount % ty.bits))
    right = "_right_s" if ty.kind is Kind.SIGNED else "_right_u"
    return f"{'_left' if op == 'shl' else right}({a}, {by})"


def ternary(op: str, ty: Type, a: str, b: str, c: str) -> str:
    """Return a * b + c, rounded after each step (`mad`) or once (`fma`)."""
    if op == "mad":
        return binary("add", ty, binary("mul", ty, a, b), c)
    if ty in _ROUNDING:
        # The product is exact in float64; a sum that float64 must round is rounded to odd.
        return rounded(ty, f"_to_odd(_sum_to_odd(np.float64({a}) * np.float64({b}), np.float64({c})))")
    return f"_fma({a}, {b}, {c})"


_FLOAT_UNARY: Final[Mapping[str, tuple[str, str]]] = {
    # op: (float32 form, float64 form)
    "exp": ("_exp({})", "np.exp({})"),
    "log": ("_log({})", "np.log({})"),
    "log2": ("np.float32(np.log2(np.float64({})))", "np.log2({})"),
    "log10": ("np.float32(np.log10(np.float64({})))", "np.log10({})"),
    "sqrt": ("np.sqrt({})", "np.sqrt({})"),
    "rsqrt": ("np.float32(1.0) / np.sqrt({})", "1.0 / np.sqrt({})"),
    "sin": ("np.float32(np.sin(np.float64({})))", "np.sin({})"),
    "cos": ("np.float32(np.cos(np.float64({})))", "np.cos({})"),
    "tan": ("np.float32(np.tan(np.float64({})))", "np.tan({})"),
    "tanh": ("np.copysign(_tanh({0}), {0})", "np.tanh({0})"),
    "sigmoid": ("_logistic({})", "1.0 / (1.0 + np.exp(-{}))"),
    "erf": ("np.float32(math.erf(np.float64({})))", "math.erf({})"),
    "floor": ("np.floor({})", "np.floor({})"),
}


def unary(op: str, ty: Type, a: str) -> str:
    """Return one of the operations of one element of a type."""
    if ty.kind is not Kind.FLOAT:
        zero = typed(ty, "0")
        forms = {
            "not": f"_wxor({a}, {typed(ty, '-1' if ty.kind is Kind.SIGNED else str((1 << ty.bits) - 1))})",
            "neg": f"_wsub({zero}, {a})",
            "abs": f"_chosen({a} < {zero}, _wsub({zero}, {a}), {a})",
        }
        return forms[op]
    if op in ("abs", "neg"):
        return f"abs({a})" if op == "abs" else f"(-{a})"
    return rounded(ty, f"({_FLOAT_UNARY[op][ty is F64].format(a)})")


UNARY: Final = frozenset({"abs", "neg", "not", *_FLOAT_UNARY})
BINARY: Final = frozenset({"add", "sub", "mul", "div", "min", "max", "rem", "pow", "and", "or", "xor"})


def start_of(word_: str, ty: Type) -> str:
    """Return what a reduction starts from: 0, 1, the greatest or the least element."""
    if word_ in ("add", "mul"):
        return typed(ty, "0" if word_ == "add" else "1")
    if ty.kind is Kind.FLOAT:
        return typed(ty, "np.inf" if word_ == "min" else "-np.inf")
    least, greatest = (
        (-(1 << (ty.bits - 1)), (1 << (ty.bits - 1)) - 1) if ty.kind is Kind.SIGNED else (0, (1 << ty.bits) - 1)
    )
    return typed(ty, str(greatest if word_ == "min" else least))
