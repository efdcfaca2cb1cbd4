"""A kernel as frozen records: what schema JSON 1.0 writes down and what lowering reads.

Before inference `type` is None; after it every expression has one and every conversion is a call of a type's name.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, fields

from prism.errors import Location


@dataclass(frozen=True, slots=True)
class Placed:
    """What has a place in a source; records that differ in it alone are equal."""

    at: Location | None = field(default=None, compare=False, repr=False, kw_only=True)


@dataclass(frozen=True, slots=True)
class Var(Placed):
    """A local variable or a scalar parameter."""

    name: str
    type: str | None = None


@dataclass(frozen=True, slots=True)
class Literal(Placed):
    """A number or truth value of the source; without a type it takes the one that its place needs."""

    value: bool | int | float
    type: str | None = None


@dataclass(frozen=True, slots=True)
class UnaryOp(Placed):
    """`op` is neg, pos, invert or not."""

    op: str
    operand: Expr
    type: str | None = None


@dataclass(frozen=True, slots=True)
class BinaryOp(Placed):
    """`op` is one of operations.BINARY; `and` and `or` evaluate their right side only if need be."""

    op: str
    left: Expr
    right: Expr
    type: str | None = None


@dataclass(frozen=True, slots=True)
class Index(Placed):
    """An element of an array parameter or a shared array, by one to three integers."""

    array: str
    indices: tuple[Expr, ...]
    type: str | None = None


@dataclass(frozen=True, slots=True)
class Extent(Placed):
    """The length of an array along an axis, `a.shape[axis]`."""

    array: str
    axis: int
    type: str | None = None


@dataclass(frozen=True, slots=True)
class Call(Placed):
    """A call of an intrinsic, of a type (a conversion) or of an inline kernel, all by name."""

    function: str
    args: tuple[Expr, ...]
    type: str | None = None


@dataclass(frozen=True, slots=True)
class Conditional(Placed):
    """`then if condition else other`: only the chosen side is evaluated."""

    condition: Expr
    then: Expr
    other: Expr
    type: str | None = None


Expr = Var | Literal | UnaryOp | BinaryOp | Index | Extent | Call | Conditional


@dataclass(frozen=True, slots=True)
class Let(Placed):
    """The first assignment of a variable, in the order of the source; `type` is the variable's."""

    name: str
    value: Expr
    type: str | None = None


@dataclass(frozen=True, slots=True)
class Assign(Placed):
    """A later assignment of a variable, or a store to an element."""

    target: Var | Index
    value: Expr


@dataclass(frozen=True, slots=True)
class Shared(Placed):
    """An array that the lanes of one block share; its contents are unspecified until written."""

    name: str
    element: str
    shape: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class If(Placed):
    """`then` if the condition holds, `other` (perhaps empty) if not."""

    condition: Expr
    then: tuple[Stmt, ...]
    other: tuple[Stmt, ...] = ()


@dataclass(frozen=True, slots=True)
class For(Placed):
    """A counted loop; the bounds are evaluated once, `step` is not zero."""

    var: str
    start: Expr
    stop: Expr
    step: int
    body: tuple[Stmt, ...]
    type: str | None = None


@dataclass(frozen=True, slots=True)
class While(Placed):
    """A loop that tests its condition before each turn."""

    condition: Expr
    body: tuple[Stmt, ...]


@dataclass(frozen=True, slots=True)
class Return(Placed):
    """The end of a lane, or of a call of an inline kernel."""

    value: Expr | None = None


@dataclass(frozen=True, slots=True)
class Break(Placed):
    """The end of the innermost loop."""


@dataclass(frozen=True, slots=True)
class Continue(Placed):
    """The end of this turn of the innermost loop."""


@dataclass(frozen=True, slots=True)
class Evaluate(Placed):
    """A call that stands alone, for its effect."""

    call: Call


Stmt = Let | Assign | Shared | If | For | While | Return | Break | Continue | Evaluate
Node = Expr | Stmt


@dataclass(frozen=True, slots=True)
class Param(Placed):
    """A parameter: a scalar if `rank` is 0, else an array of so many dimensions."""

    name: str
    element: str
    rank: int = 0


@dataclass(frozen=True, slots=True)
class Kernel(Placed):
    """A kernel and the inline kernels that it calls, each under the name by which `Call` knows it.

    returns: None, or the type of the value of an inline kernel.
    """

    name: str
    params: tuple[Param, ...]
    body: tuple[Stmt, ...]
    returns: str | None = None
    inlines: tuple[Kernel, ...] = ()


def children(node: Node) -> Iterator[Node]:
    """Yield the expressions and statements directly inside a node, in the order of evaluation."""
    for one in fields(node):
        value = getattr(node, one.name)
        for item in value if isinstance(value, tuple) else (value,):
            if isinstance(item, Node):
                yield item


def walk(*nodes: Node) -> Iterator[Node]:
    """Yield nodes and everything inside them, outer before inner."""
    pending = list(reversed(nodes))
    while pending:
        node = pending.pop()
        yield node
        pending.extend(reversed(list(children(node))))
