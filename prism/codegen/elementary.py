"""Elementary functions: one text each, for generated loops and, compiled as ufuncs, for NumPy arrays; the same bits.

NumPy's own functions depend on the machine's vector instructions, libm's on the C library; a form that runs one and a
form that runs the other would round differently.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, Final

import numpy as np

from prism.codegen.directory import cache_directory
from prism.codegen.modules import load_ufunc
from prism.codegen.prelude import prelude


@dataclass(frozen=True, slots=True)
class Text:
    """A function of one element: Numba's text for float32 and for float64, with `{0}` and `{1}` for its operands."""

    single: str
    double: str
    arity: int = 1

    def of(self, dtype: np.dtype[Any]) -> str:
        """Return the text for an element type; every type but float32 is computed in float64."""
        return self.single if dtype == np.float32 else self.double


def _same(text: str, arity: int = 1) -> Text:
    return Text(text, text, arity)


TEXTS: Final[Mapping[str, Text]] = {
    "exp": Text("_exp({0})", "np.exp({0})"),
    "exp2": Text("_exp2({0})", "np.exp2({0})"),
    "log": Text("_log({0})", "np.log({0})"),
    "tanh": Text("_tanh({0})", "np.tanh({0})"),
    "logistic": Text("_logistic({0})", "1.0 / (1.0 + np.exp(-{0}))"),
    "sin": Text("_sin({0})", "np.sin({0})"),
    "cos": Text("_cos({0})", "np.cos({0})"),
    **{name: _same(f"np.{name}({{0}})") for name in ("expm1", "log1p", "log2", "tan", "sinh", "cosh")},
    **{f"a{name}": _same(f"np.arc{name}({{0}})") for name in ("sin", "cos", "tan", "sinh", "cosh", "tanh")},
    "atan2": _same("np.arctan2({0}, {1})", 2),
}
"""THE table of elementary functions, by the name of JAX's primitive."""

_HEADER = '"""Generated from the table of elementary functions."""\n\nimport numba\nimport numpy as np\n\n\n'


def source(name: str, dtype: np.dtype[Any]) -> str:
    """Return the module of a function's ufunc over float32 or float64."""
    text = TEXTS[name]
    operands = ("x", "y")[: text.arity]
    kind = f"numba.{dtype.name}"
    body = f"    return {text.of(dtype).format(*operands)}\n"
    signature = f"{kind}({', '.join([kind] * text.arity)})"
    decorator = f'@numba.vectorize(["{signature.replace("numba.", "")}"], cache=True)\n'
    needed = prelude(body)
    return f"{_HEADER}{needed}{needed and chr(10) * 3}{decorator}def kernel({', '.join(operands)}):\n{body}"


@cache
def ufunc(name: str, dtype: np.dtype[Any]) -> np.ufunc:
    """Return a function of the table as a ufunc over float32 or float64; its first use on a machine compiles it."""
    return load_ufunc(cache_directory("functions"), source(name, dtype), TEXTS[name].arity)


def narrow(name: str) -> Callable[..., Any]:
    """Return a function of the table over floats of at most 16 bits: computed in float32, rounded once."""
    compute = ufunc(name, np.dtype(np.float32))
    return lambda *operands: compute(*(np.asarray(x).astype(np.float32) for x in operands)).astype(operands[0].dtype)
