"""A traced kernel, read once from JAX and free of its objects: variables, equations, and the bodies inside of them.

    def kernel(x_ref, o_ref):                 Kernel(ins=(x, o), outs=(), equations=(
        o_ref[...] = jnp.exp(x_ref[...])          Equation("get", ins=(x,), outs=(a,), access=Load(...)),
                                                  Equation("exp", ins=(a,), outs=(b,)),
                                                  Equation("swap", ins=(o, b), outs=(c,), access=Store(...))))

Each record is itself: two variables are one only if they are one object, so that records are keys of sets and tables.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, TypeVar

from prism.pallas.access import Access
from prism.pallas.dtypes import DType, Numeric, Parameters
from prism.pallas.errors import KernelSite

T = TypeVar("T")
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

    `params` are the primitive's own and hold no jaxpr: what it runs stands in `inner`, in the order in which it may.
    `access` is what a state primitive asks of memory. `calls`: the equation does nothing but run its one inner kernel.
    `several`: results come as a sequence. `by_jax`, outside of kernels, lets JAX evaluate the equation on arrays.
    """

    name: str
    ins: tuple[Atom, ...]
    outs: tuple[Var, ...]
    params: Parameters
    site: KernelSite
    inner: tuple[Inner, ...] = ()
    access: Access | None = None
    calls: bool = False
    several: bool = False
    by_jax: Callable[..., Numeric] | None = None

    @property
    def variables(self) -> list[Var]:
        """The operands that are no constants."""
        return [atom for atom in self.ins if isinstance(atom, Var)]


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
    return (equation.name for equation in equations_in(kernel) if not equation.calls)


def chosen(equation: Equation, number: int) -> Kernel:
    """Return the branch that a number chooses; numbers beyond them choose the first or the last one."""
    return equation.inner[min(max(number, 0), len(equation.inner) - 1)].kernel


def parts_of_while(equation: Equation, operands: Sequence[T]) -> tuple[Sequence[T], Sequence[T], Sequence[T]]:
    """Return what the test of a loop and what its body read from outside, and what is carried."""
    test = equation.params["test_consts"]
    body = test + equation.params["body_consts"]
    return operands[:test], operands[test:body], operands[body:]


def parts_of_scan(equation: Equation, operands: Sequence[T]) -> tuple[Sequence[T], Sequence[T], Sequence[T]]:
    """Return what the body of a scan reads from outside, what is carried, and what it gets row by row."""
    consts = equation.params["consts"]
    carry = consts + equation.params["carry"]
    return operands[:consts], operands[consts:carry], operands[carry:]


def counts_by_one(kernel: Kernel, place: int, result: int) -> bool:
    """Whether a loop's body adds 1 to the carried integer that is its input at `place`; `fori_loop` has one."""
    var, last = kernel.ins[place], kernel.outs[result]
    made = next((e for e in kernel.equations if any(v is last for v in e.outs)), None)
    if made is None or made.name != "add" or made.ins[0] is not var:
        return False
    step = made.ins[1]
    return isinstance(step, Constant) and not step.shape and bool(step.value == 1)
