"""A traced kernel, read once from JAX and free of its objects: variables, equations, and the bodies inside of them.

    def kernel(x_ref, o_ref):                 Kernel(ins=(x, o), outs=(), equations=(
        o_ref[...] = jnp.exp(x_ref[...])          Equation("get", ins=(x,), outs=(a,), access=Load(...)),
                                                  Equation("exp", ins=(a,), outs=(b,)),
                                                  Equation("swap", ins=(o, b), outs=(c,), access=Store(...))))

Each record is itself: two variables are one only if they are one object, so that records are keys of sets and tables.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from prism.pallas.access import Access
from prism.pallas.errors import KernelSite

Space = Literal["value", "own", "main"]
"""What a variable is: a value, or a reference to memory of the step that runs or to memory that every core sees."""


@dataclass(frozen=True, slots=True, eq=False)
class Var:
    """A variable: what an equation computes, or a reference.

    A semaphore counts in int32; a barrier is one that takes `arrivals` arrivals a phase.
    """

    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    space: Space = "value"
    semaphore: bool = False
    arrivals: int = 0

    @property
    def is_ref(self) -> bool:
        """Whether this is a reference to memory."""
        return self.space != "value"


@dataclass(frozen=True, slots=True, eq=False)
class Constant:
    """A number written in the source, in the element type that the trace gives it."""

    value: Any
    shape: tuple[int, ...]
    dtype: np.dtype[Any]


Atom = Var | Constant


@dataclass(frozen=True, slots=True, eq=False)
class Equation:
    """One primitive on atoms, and the line that asks for it.

    `params` are the primitive's own and hold no jaxpr: what it runs stands in `inner`, in the order in which it may.
    `access` is what a state primitive asks of memory. `calls`: the equation does nothing but run its one inner kernel.
    `several`: results come as a sequence. `by_jax`, outside of kernels, lets JAX evaluate the equation on arrays.
    """

    name: str
    ins: tuple[Atom, ...]
    outs: tuple[Var, ...]
    params: Mapping[str, Any]
    site: KernelSite
    inner: tuple[Inner, ...] = ()
    access: Access | None = None
    calls: bool = False
    several: bool = False
    by_jax: Callable[..., Any] | None = None

    @property
    def variables(self) -> list[Var]:
        """The operands that are no constants."""
        return [atom for atom in self.ins if isinstance(atom, Var)]


@dataclass(frozen=True, slots=True, eq=False)
class Kernel:
    """A body of equations from `ins` to `outs`; `consts` are the variables that hold arrays from the trace."""

    ins: tuple[Var, ...]
    consts: tuple[tuple[Var, Any], ...]
    equations: tuple[Equation, ...]
    outs: tuple[Atom, ...]
    site: KernelSite


@dataclass(frozen=True, slots=True, eq=False)
class Inner:
    """A kernel that an equation runs; `operands` are the outer atoms of its first inputs.

    `run_scoped` allocates the inputs that are left.
    """

    kernel: Kernel
    operands: tuple[Atom, ...]

    @property
    def pairs(self) -> Iterator[tuple[Var, Atom]]:
        """Each input that has an outer atom, with it."""
        return zip(self.kernel.ins, self.operands, strict=False)

    def inside(self, var: Var) -> Var | None:
        """Return the inner variable that stands for an outer one, or None."""
        return next((mine for mine, outer in self.pairs if outer is var), None)


def equations_in(kernel: Kernel) -> Iterator[Equation]:
    """Yield every equation of a kernel, each before those inside of it."""
    for equation in kernel.equations:
        yield equation
        for inner in equation.inner:
            yield from equations_in(inner.kernel)


def primitives_in(kernel: Kernel) -> Iterator[str]:
    """Yield the name of every primitive that a kernel runs, nested ones included; a call is what it calls."""
    return (equation.name for equation in equations_in(kernel) if not equation.calls)
