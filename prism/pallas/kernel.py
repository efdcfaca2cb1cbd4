"""A traced kernel, read once from JAX and free of its objects: variables, equations, and the bodies inside of them.

    def kernel(x_ref, o_ref):                 Kernel(ins=(x, o), outs=(), equations=(
        o_ref[...] = jnp.exp(x_ref[...])          Equation("get", ins=(x,), outs=(a,), access=Load(...)),
                                                  Equation("exp", ins=(a,), outs=(b,)),
                                                  Equation("swap", ins=(o, b), outs=(c,), access=Store(...))))

Each record is itself: two variables are one only if they are one object, so that records are keys of sets and tables.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal

from prism.pallas.access import Access
from prism.pallas.control import Control, Inline
from prism.pallas.dtypes import DType, Numeric, Parameters
from prism.pallas.errors import KernelSite

Space = Literal["value", "own", "main"]
"""What a variable is: a value, or a reference to memory of the step that runs or to memory that every core sees."""


@dataclass(frozen=True, slots=True, eq=False)
class Var:
    """A variable: what an equation computes, or a reference.

    A semaphore counts in int32; a barrier is one that takes `arrivals` arrivals a phase. `memory` is the name of the
    memory that a reference asks for, or "".
    """

    shape: tuple[int, ...]
    dtype: DType
    space: Space = "value"
    semaphore: bool = False
    arrivals: int = 0
    memory: str = ""

    @property
    def is_ref(self) -> bool:
        """Whether this is a reference to memory."""
        return self.space != "value"


@dataclass(frozen=True, slots=True, eq=False)
class Constant:
    """A number written in the source, in the element type that the trace gives it."""

    value: Numeric
    shape: tuple[int, ...]
    dtype: DType


Atom = Var | Constant


@dataclass(frozen=True, slots=True, eq=False)
class Equation:
    """One primitive on atoms, and the line that asks for it.

    `access` is what a state primitive asks of memory, `control` what another asks that is no row of the primitive
    table; `params` are a row's own, and hold no jaxpr: what is run stands in `inner`, in the order in which it may
    be. `several`: results come as a sequence. `by_jax`, outside of kernels, lets JAX evaluate the equation on arrays.
    """

    name: str
    ins: tuple[Atom, ...]
    outs: tuple[Var, ...]
    params: Parameters
    site: KernelSite
    inner: tuple[Inner, ...] = ()
    access: Access | None = None
    control: Control | None = None
    several: bool = False
    by_jax: Callable[..., Numeric] | None = None

    @property
    def variables(self) -> list[Var]:
        """The operands that are no constants."""
        return [atom for atom in self.ins if isinstance(atom, Var)]

    @property
    def body(self) -> Kernel:
        """The kernel that a call, a loop or a scope runs."""
        return self.inner[-1].kernel

    @property
    def test(self) -> Kernel | None:
        """The kernel that decides whether a loop goes on, if one does."""
        return self.inner[0].kernel if len(self.inner) > 1 else None

    def chosen(self, number: int) -> Kernel:
        """Return the branch that a number chooses; numbers beyond them choose the first or the last one."""
        return self.inner[min(max(number, 0), len(self.inner) - 1)].kernel


@dataclass(frozen=True, slots=True, eq=False)
class Kernel:
    """A body of equations from `ins` to `outs`; `consts` are the variables that hold arrays from the trace."""

    ins: tuple[Var, ...]
    consts: tuple[tuple[Var, Numeric], ...]
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
    return (equation.name for equation in equations_in(kernel) if not isinstance(equation.control, Inline))
