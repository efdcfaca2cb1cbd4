"""Floating-point operations and accesses of a kernel's equations, by the number of times that each body ran.

def kernel(x_ref, y_ref, o_ref):          body run 4 times:
o_ref[...] += x_ref[...] @ y_ref[...]     dot 8x16 by 16x32: 2 * 8 * 16 * 32 = 8192, add: 8 * 32 = 256
4 * (8192 + 256) = 33792
"""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass, field

import numpy as np

from prism.codegen.elementary import TEXTS
from prism.pallas import dtypes
from prism.pallas.access import Copy, Index, Load, Span, Store
from prism.pallas.debug import Steps
from prism.pallas.dtypes import bit_width
from prism.pallas.kernel import Equation, Kernel, Var

_ONE = frozenset(
    ("add", "add_any", "sub", "mul", "div", "rem", "max", "min", "neg", "abs", "sign", "sqrt", "rsqrt", "square")
) | {"reciprocal", "clamp"}
"""Primitives that do one operation an element of the result."""
_FUNCTIONS = frozenset((*TEXTS, "erf", "erfc", "erf_inv", "lgamma", "digamma", "pow", "cbrt", "atan2"))
"""Elementary functions, counted apart: what one costs is the device's own affair."""
_FOLDS = frozenset(["reduce_sum", "reduce_prod", "reduce_max", "reduce_min", "argmax", "argmin"])
_RUNNING = frozenset(["cumsum", "cumprod", "cummax", "cummin", "cumlogsumexp"])


@dataclass(slots=True)
class Operations:
    """What the equations of a run did.

    `dots` has the operations of dots by element type, `arithmetic` all others on floats but elementary `functions`,
    which are counted one an element. `accessed` has the bytes that loads and stores moved, and `copied` those of
    copies, by memory and by pair of memories.
    """

    dots: Counter[str] = field(default_factory=Counter)
    arithmetic: int = 0
    functions: int = 0
    accessed: Counter[str] = field(default_factory=Counter)
    copied: Counter[tuple[str, str]] = field(default_factory=Counter)

    @property
    def flops(self) -> int:
        """All operations; an elementary function is one."""
        return sum(self.dots.values()) + self.arithmetic + self.functions


class Runs(dict[Kernel, Steps]):
    """What debug mode keeps of kernels, and how often it evaluated each body."""

    def __init__(self) -> None:
        super().__init__()
        self.counts: Counter[Kernel] = Counter()

    def get(self, kernel: Kernel, default: Steps | None = None) -> Steps | None:  # type: ignore[override]
        """Return what is ready of a kernel that is about to be evaluated."""
        self.counts[kernel] += 1
        return super().get(kernel, default)


def operations_of(runs: Runs, kernel: Kernel) -> Operations:
    """Return what a kernel and the bodies inside of it did, each as often as it was evaluated."""
    total = Operations()
    for body in _bodies(kernel):
        for equation in body.equations:
            if not equation.inner and runs.counts[body]:
                _count(equation, runs.counts[body], total)
    return total


def _bodies(kernel: Kernel) -> set[Kernel]:
    inner = (_bodies(one.kernel) for equation in kernel.equations for one in equation.inner)
    return {kernel}.union(*inner)


def _count(equation: Equation, times: int, total: Operations) -> None:
    access, name = equation.access, equation.name
    if isinstance(access, Load | Store):
        var = equation.ins[access.place.ref.position]
        moved = equation.outs[0] if isinstance(access, Load) else equation.ins[access.value.position]
        assert isinstance(var, Var)
        total.accessed[_memory(var)] += times * _bytes(moved.shape, moved.dtype)
        return
    if isinstance(access, Copy):
        _count_copy(equation, access, times, total)
    elif name == "dot_general":
        lhs = equation.ins[0]
        (contracted, _), _ = equation.params["dimension_numbers"]
        depth = math.prod(lhs.shape[axis] for axis in contracted)
        total.dots[str(lhs.dtype)] += times * 2 * depth * math.prod(equation.outs[0].shape)
    elif equation.outs and dtypes.is_float(equation.outs[0].dtype):
        size = math.prod(equation.outs[0].shape)
        if name in _FUNCTIONS:
            total.functions += times * size
        else:
            total.arithmetic += times * _plain(equation, size)
    elif name in ("argmax", "argmin"):
        total.arithmetic += times * _plain(equation, math.prod(equation.outs[0].shape))


def _plain(equation: Equation, size: int) -> int:
    name = equation.name
    if name in _ONE:
        return size
    if name == "integer_pow":
        power = abs(int(equation.params["y"]))
        # By squaring: one product for each bit but the first, and one for each other bit that is set.
        return size * max(power.bit_length() - 1 + power.bit_count() - 1, 0)
    if name in _FOLDS:
        return math.prod(equation.ins[0].shape) - size
    if name in _RUNNING:
        return size - size // max(equation.ins[0].shape[equation.params["axis"]], 1)
    return 0


def _count_copy(equation: Equation, access: Copy, times: int, total: Operations) -> None:
    source, target = equation.ins[access.source.ref.position], equation.ins[access.target.ref.position]
    assert isinstance(source, Var)
    assert isinstance(target, Var)
    size = _selected(equation, access)
    total.copied[_memory(source), _memory(target)] += times * _bytes((size,), target.dtype)


def _selected(equation: Equation, access: Copy) -> int:
    """Return how many elements a copy moves, by whichever of its places says so."""
    sizes = []
    for place in (access.source, access.target):
        index = next((t for t in place.transforms if isinstance(t, Index)), None)
        if index is None:
            sizes.append(math.prod(equation.ins[place.ref.position].shape))
            continue
        spans = [item.size for item in index.items if isinstance(item, Span)]
        if all(isinstance(size, int) for size in spans):
            sizes.append(math.prod(size for size in spans if isinstance(size, int)))
    return min(sizes, default=0)


def _memory(var: Var) -> str:
    return "hbm" if var.memory == "any" else var.memory or "vmem"


def _bytes(shape: tuple[int, ...], dtype: dtypes.DType) -> int:
    return math.prod(shape) * bit_width(np.dtype(dtype)) // 8
