"""The table of standard kernels: types, how each is launched, and what NumPy says that it gives [KERNELS-14]."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from prism.kernels.api import Kernel
from prism.kernels.schema.arithmetic import dtype
from prism.kernels.std import arrays, elementwise, reductions

Arrays = Mapping[str, Any]
"""Arrays and numbers by name."""
BLOCK: Final = 256
MOST_BLOCKS: Final = 64
"""Blocks of the first of a reduction's two launches, at most."""
ROWS: Final = 3
"""Rows of the matrices of row-wise kernels, where the size asked for is that of a row."""


@dataclass(frozen=True, slots=True)
class Standard:
    """A standard kernel.

    make: (random generator, size, dtype) to the inputs. run: (kernel on an executor, inputs) to the results, by
    launches on copies. reference: the same by NumPy. ulp: how far the two may lie apart for floats, in units of the
    last place of the largest magnitude of the result; 0 is equality.
    """

    kernel: Kernel
    make: Callable[[np.random.Generator, int, np.dtype], Arrays]
    run: Callable[[Any, Arrays], tuple[np.ndarray, ...]]
    reference: Callable[[Arrays], tuple[np.ndarray, ...]]
    ulp: float = 0.0

    @property
    def elements(self) -> tuple[str, ...]:
        """The element types that the kernel declares."""
        return next(iter(self.kernel.definition.type_variables().values()))


def numbers(random: np.random.Generator, shape: int | tuple[int, ...], ty: np.dtype) -> np.ndarray:
    """Return random elements: floats around 0, integers that are small, or of any size in types of 8 bits."""
    if ty.kind in "iu":
        return random.integers(0 if ty.kind == "u" else -100, 100, shape).astype(ty)
    return (2.0 * random.standard_normal(shape)).astype(ty)


def _wide(array: np.ndarray) -> np.ndarray:
    """Return floats in float64, where NumPy's functions are computed before rounding; integers as they are."""
    return array if array.dtype.kind in "iu" else array.astype(np.float64)


def _element_wise(
    kernel: Kernel, reference: Callable[..., Any], ulp: float = 0.0, *, positive: bool = False
) -> Standard:
    names = [one.arg for one in kernel.definition.node.args.args][:-2]

    def make(random: np.random.Generator, n: int, ty: np.dtype) -> Arrays:
        drawn = {name: numbers(random, n, ty) for name in names}
        return {name: (np.abs(one) + ty.type(0.01)).astype(ty) if positive else one for name, one in drawn.items()}

    def run(on: Any, given: Arrays) -> tuple[np.ndarray, ...]:
        first = given[names[0]]
        out = np.zeros_like(first)
        on(*given.values(), out, first.size)
        return (out,)

    def expected(given: Arrays) -> tuple[np.ndarray, ...]:
        with np.errstate(all="ignore"):
            found = reference(*(_wide(one) if ulp else one for one in given.values()))
            return (np.asarray(found).astype(given[names[0]].dtype),)

    return Standard(kernel, make, run, expected, ulp)


def _reduction(kernel: Kernel, reference: Callable[..., Any], ulp: float, fold: Kernel | None = None) -> Standard:
    names = [one.arg for one in kernel.definition.node.args.args][:-2]

    def make(random: np.random.Generator, n: int, ty: np.dtype) -> Arrays:
        return {name: numbers(random, n, ty) for name in names}

    def run(on: Any, given: Arrays) -> tuple[np.ndarray, ...]:
        first = given[names[0]]
        blocks = min(MOST_BLOCKS, max(1, -(-first.size // BLOCK)))
        parts, out = np.zeros(blocks, first.dtype), np.zeros(1, first.dtype)
        on[blocks, BLOCK](*given.values(), parts, first.size)
        (fold or kernel).on(on.executor)[1, BLOCK](parts, out, blocks)
        return (out,)

    def expected(given: Arrays) -> tuple[np.ndarray, ...]:
        first = given[names[0]]
        with np.errstate(all="ignore"):
            found = reference(*(_wide(one) for one in given.values())) if first.size else 0
            return (np.full(1, np.asarray(found).astype(first.dtype)),)

    return Standard(kernel, make, run, expected, ulp)


def _rows(kernel: Kernel, reference: Callable[[Arrays], np.ndarray], ulp: float) -> Standard:
    names = [one.arg for one in kernel.definition.node.args.args]

    def make(random: np.random.Generator, n: int, ty: np.dtype) -> Arrays:
        given: dict[str, Any] = {"x": numbers(random, (ROWS, n), ty)}
        given |= {name: numbers(random, n, ty) for name in ("gain", "bias") if name in names}
        return given | ({"epsilon": 1e-5} if "epsilon" in names else {})

    def run(on: Any, given: Arrays) -> tuple[np.ndarray, ...]:
        out = np.zeros_like(given["x"])
        on[ROWS, BLOCK](**given, out=out, n=out.shape[1])
        return (out,)

    def expected(given: Arrays) -> tuple[np.ndarray, ...]:
        wide = {name: _wide(one) if isinstance(one, np.ndarray) else one for name, one in given.items()}
        return (reference(wide).astype(given["x"].dtype),) if given["x"].size else (given["x"],)

    return Standard(kernel, make, run, expected, ulp)


def _softmax(given: Arrays) -> np.ndarray:
    e = np.exp(given["x"] - given["x"].max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True)


def _layernorm(given: Arrays) -> np.ndarray:
    x = given["x"]
    scale = 1 / np.sqrt(x.var(axis=1, keepdims=True) + given["epsilon"])
    return (x - x.mean(axis=1, keepdims=True)) * scale * given["gain"] + given["bias"]


def _rmsnorm(given: Arrays) -> np.ndarray:
    x = given["x"]
    return x / np.sqrt((x**2).mean(axis=1, keepdims=True) + given["epsilon"]) * given["gain"]


def _erf(x: np.ndarray) -> np.ndarray:
    from math import erf

    return np.array([erf(one) for one in x.reshape(-1).tolist()], np.float64).reshape(x.shape)


def _axpy() -> Standard:
    def make(random: np.random.Generator, n: int, ty: np.dtype) -> Arrays:
        return {"x": numbers(random, n, ty), "y": numbers(random, n, ty), "alpha": numbers(random, (), ty)[()]}

    def run(on: Any, given: Arrays) -> tuple[np.ndarray, ...]:
        y = given["y"].copy()
        on(given["x"], y, given["alpha"], y.size)
        return (y,)

    def expected(given: Arrays) -> tuple[np.ndarray, ...]:
        with np.errstate(all="ignore"):
            return (given["alpha"] * given["x"] + given["y"],)

    return Standard(elementwise.axpy, make, run, expected)


def _histogram() -> Standard:
    def make(random: np.random.Generator, n: int, ty: np.dtype) -> Arrays:
        return {"x": random.integers(0, 20, n).astype(ty), "bins": 16}

    def run(on: Any, given: Arrays) -> tuple[np.ndarray, ...]:
        counts = np.zeros(given["bins"], np.uint32)
        if given["x"].size:
            on(given["x"], counts, given["bins"], given["x"].size)
        return (counts,)

    def expected(given: Arrays) -> tuple[np.ndarray, ...]:
        x, bins = given["x"], given["bins"]
        return (np.bincount(x[x < bins], minlength=bins).astype(np.uint32),)

    return Standard(arrays.histogram, make, run, expected)


def _prefix_sum() -> Standard:
    def make(random: np.random.Generator, n: int, ty: np.dtype) -> Arrays:
        return {"a": numbers(random, n, ty)}

    def run(on: Any, given: Arrays) -> tuple[np.ndarray, ...]:
        out = np.zeros_like(given["a"])
        on[1, arrays.LANES](given["a"], out, out.size)
        return (out,)

    def expected(given: Arrays) -> tuple[np.ndarray, ...]:
        return (np.cumsum(_wide(given["a"])).astype(given["a"].dtype),)

    return Standard(arrays.prefix_sum, make, run, expected, 2000)


def _convolve() -> Standard:
    def make(random: np.random.Generator, n: int, ty: np.dtype) -> Arrays:
        return {"x": numbers(random, n + 4, ty), "w": numbers(random, 5, ty)}

    def run(on: Any, given: Arrays) -> tuple[np.ndarray, ...]:
        taps = given["w"].size
        out = np.zeros(given["x"].size - taps + 1, given["x"].dtype)
        if out.size:
            on(given["x"], given["w"], out, taps, out.size)
        return (out,)

    def expected(given: Arrays) -> tuple[np.ndarray, ...]:
        x, w = _wide(given["x"]), _wide(given["w"])
        return ((np.convolve(x, w, "valid") if x.size >= w.size else x[:0]).astype(given["x"].dtype),)

    return Standard(arrays.convolve, make, run, expected, 8)


def _bitonic_sort() -> Standard:
    def make(random: np.random.Generator, n: int, ty: np.dtype) -> Arrays:
        return {"a": numbers(random, n, ty)}

    def run(on: Any, given: Arrays) -> tuple[np.ndarray, ...]:
        a = given["a"].copy()
        for mask in masks(a.size):
            on(a, mask, a.size)
        return (a,)

    def expected(given: Arrays) -> tuple[np.ndarray, ...]:
        return (np.sort(given["a"]),)

    return Standard(arrays.bitonic_step, make, run, expected)


def masks(n: int) -> list[int]:
    """Return the masks of the steps that sort n elements: each merge flips its second half, then halves distances."""
    found, size = [], 2
    while size < 2 * n:
        found.append(size - 1)
        distance = size // 4
        while distance:
            found.append(distance)
            distance //= 2
        size *= 2
    return found


def _matrix(kernel: Kernel, reference: Callable[..., np.ndarray], shapes: Callable[[int], Any], ulp: float) -> Standard:
    """Return a kernel on matrices; `shapes` gives those of its inputs and of its result for a size."""

    def make(random: np.random.Generator, n: int, ty: np.dtype) -> Arrays:
        return {f"in{at}": numbers(random, shape, ty) for at, shape in enumerate(shapes(n)[:-1])}

    def run(on: Any, given: Arrays) -> tuple[np.ndarray, ...]:
        inputs = list(given.values())
        out = np.zeros(reference(*inputs).shape, inputs[0].dtype)
        sizes = [*inputs[0].shape, *inputs[1].shape[1:]] if len(inputs) > 1 else [*inputs[0].shape]
        if out.ndim == 1:
            on[max(1, -(-out.size // BLOCK)), BLOCK](*inputs, out, *sizes)
        else:
            tiled = out if len(inputs) > 1 else inputs[0]
            side_of_block = arrays.SIDE if len(inputs) > 1 else arrays.TILE
            tiles = tuple(max(1, -(-one // side_of_block)) for one in reversed(tiled.shape))
            on[tiles, (arrays.TILE, arrays.TILE)](*inputs, out, *sizes)
        return (out,)

    def expected(given: Arrays) -> tuple[np.ndarray, ...]:
        found = reference(*(_wide(one) for one in given.values()))
        return (np.ascontiguousarray(found).astype(given["in0"].dtype),)

    return Standard(kernel, make, run, expected, ulp)


def side(n: int) -> int:
    """Return the side of a square of about n elements."""
    return int(np.ceil(np.sqrt(n)))


def _table() -> dict[str, Standard]:
    e, r = elementwise, reductions
    found = {
        "add": _element_wise(e.add, np.add),
        "sub": _element_wise(e.sub, np.subtract),
        "mul": _element_wise(e.mul, np.multiply),
        "div": _element_wise(e.div, np.divide),
        "min": _element_wise(e.minimum, np.minimum),
        "max": _element_wise(e.maximum, np.maximum),
        "abs": _element_wise(e.absolute, np.abs),
        "neg": _element_wise(e.neg, np.negative),
        "relu": _element_wise(e.relu, lambda a: np.maximum(a, a.dtype.type(0))),
        "sigmoid": _element_wise(e.sigmoid_of, lambda a: 1 / (1 + np.exp(-a)), 16),
        "tanh": _element_wise(e.tanh_of, np.tanh, 16),
        "gelu": _element_wise(e.gelu, lambda a: a / 2 * (1 + _erf(a / np.sqrt(2))), 16),
        "exp": _element_wise(e.exp_of, np.exp, 16),
        "log": _element_wise(e.log_of, np.log, 16, positive=True),
        "sqrt": _element_wise(e.sqrt_of, np.sqrt, 1, positive=True),
        "sin": _element_wise(e.sin_of, np.sin, 16),
        "cos": _element_wise(e.cos_of, np.cos, 16),
        "fused": _element_wise(e.fused, lambda a, b, c: 1 / (1 + np.exp(-(a * b + c))), 64),
        "axpy": _axpy(),
        "dot": _reduction(r.dot, np.vdot, 4000, fold=r.total),
        "sum": _reduction(r.total, lambda a: np.sum(a, dtype=a.dtype), 4000),
        "least": _reduction(r.least, np.min, 0),
        "largest": _reduction(r.largest, np.max, 0),
        "softmax": _rows(r.softmax, _softmax, 64),
        "layernorm": _rows(r.layernorm, _layernorm, 2000),
        "rmsnorm": _rows(r.rmsnorm, _rmsnorm, 64),
        "histogram": _histogram(),
        "prefix_sum": _prefix_sum(),
        "convolve": _convolve(),
        "bitonic_sort": _bitonic_sort(),
        "transpose": _matrix(arrays.transpose, lambda a: a.T, lambda n: ((side(n), side(n) + 1), ()), 0),
        "gemv": _matrix(arrays.gemv, np.matmul, lambda n: ((side(n) + 1, side(n)), (side(n),), ()), 200),
        "gemm": _matrix(
            arrays.gemm, np.matmul, lambda n: ((side(n), side(n) + 1), (side(n) + 1, side(n) + 2), ()), 200
        ),
    }
    return dict(sorted(found.items()))


STANDARD: Final[Mapping[str, Standard]] = _table()
"""The standard kernels by name."""


def close(found: np.ndarray, expected: np.ndarray, ulp: float) -> bool:
    """Tell whether a result is its reference: equal, or for floats within `ulp` of the largest magnitude there is."""
    if found.shape != expected.shape or found.dtype != expected.dtype:
        return False
    if found.dtype.kind in "iu" or not ulp:
        return bool(np.array_equal(found, expected, equal_nan=found.dtype.kind == "f"))
    a, b = found.astype(np.float64), expected.astype(np.float64)
    digits = {"bfloat16": 2.0**-8, "float16": 2.0**-11}.get(str(found.dtype)) or np.finfo(found.dtype).eps
    bound = ulp * digits * max(float(np.max(np.abs(b), initial=0.0)), 1e-3)
    return bool(np.all(np.abs(a - b) <= bound))


def case(name: str, n: int, element: str, seed: int = 0) -> Arrays:
    """Return random inputs of a standard kernel."""
    return STANDARD[name].make(np.random.default_rng(seed), n, dtype(element))
