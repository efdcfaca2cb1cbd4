"""Expressions to instructions: the operators' clauses spelt out [KERNELS-6]."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from prism.kernels.isa.program import BufferOffset, RegisterIndirectComputed
from prism.kernels.isa.types import U32, U64, Kind, Type
from prism.kernels.lower.emitter import Emitter, type_of
from prism.kernels.schema.operations import COMPARISONS
from prism.kernels.schema.records import (
    BinaryOp,
    Call,
    Conditional,
    Expr,
    Extent,
    Index,
    Literal,
    UnaryOp,
    Var,
)
from prism.kernels.schema.types import ELEMENTS, INTEGERS

_DIRECT: Final[Mapping[str, str]] = {
    **{name: name for name in ("add", "sub", "mul", "div", "pow")},
    "bit_and": "and",
    "bit_or": "or",
    "bit_xor": "xor",
}
_MATH: Final = frozenset(
    ["exp", "log", "log2", "log10", "sqrt", "rsqrt", "sin", "cos", "tan", "tanh", "sigmoid", "erf", "floor"]
)
_LANES: Final[Mapping[str, tuple[int, int, int]]] = {
    "get_local_id": (252, 240, 241),
    "get_block_id": (253, 242, 243),
    "get_block_size": (254, 244, 245),
    "get_grid_size": (246, 247, 248),
}
"""The registers x, y, z of ids and sizes."""
_LINEAR: Final[Mapping[str, str]] = {"get_local_id": "get_block_size", "get_block_id": "get_grid_size"}
GLOBAL_LANE: Final = 255
_TOGETHER: Final = {
    "block_sum": "lane.add",
    "block_min": "lane.min",
    "block_max": "lane.max",
    "block_product": "lane.mul",
}


@dataclass(frozen=True, slots=True)
class Memory:
    """An array: its parameter's handle, element type and rank; `shape` only for a shared one, `name` for messages."""

    name: str
    handle: int
    ty: Type
    rank: int
    shape: tuple[int, ...] = ()


def total(node: Expr) -> bool:
    """Tell whether an expression may be evaluated where its value is not needed: it never faults and calls nothing."""
    if isinstance(node, Index):
        return False
    if isinstance(node, BinaryOp):
        divides = node.op in ("floor_div", "mod") and node.type in INTEGERS
        if divides and not (isinstance(node.right, Literal) and node.right.value):
            return False
        return total(node.left) and total(node.right)
    if isinstance(node, UnaryOp):
        return total(node.operand)
    if isinstance(node, Conditional):
        return total(node.condition) and total(node.then) and total(node.other)
    if isinstance(node, Call):
        known = node.function in ELEMENTS or node.function in _MATH or node.function in _SIMPLE
        return known and all(total(one) for one in node.args)
    return True


_SIMPLE: Final = frozenset({"ceil", "trunc", "abs", "min", "max", "fma", "pow", "get_global_id", *_LANES})


class Expressions:
    """Lowers expressions. variables: register of each. arrays: memory of each name. read, written: accessed memories.

    call: lowers the call of an inline kernel, or of what has an effect.
    """

    def __init__(self, code: Emitter) -> None:
        self.code = code
        self.variables: dict[str, int] = {}
        self.arrays: dict[str, Memory] = {}
        self.read: set[int] = set()
        self.written: set[int] = set()
        self.extents: dict[tuple[str, int], int] = {}
        self.sizes: dict[str, int] = {}

    def call(self, node: Call) -> int | None:
        """Lower a call that is more than an intrinsic's value; the statements know how."""
        raise NotImplementedError

    def value(self, node: Expr, into: int | None = None) -> int:
        """Return the register of an expression's value; `into` that register if one is given."""
        method: Callable[..., int] = getattr(self, f"_lower_{type(node).__name__.lower()}")
        found = method(node, into)
        return found if into in (None, found) else self.code.move(type_of(node.type), into, found)

    def _lower_literal(self, node: Literal, into: int | None) -> int:  # noqa: ARG002
        return self.code.constant(node.value, type_of(node.type))

    def _lower_var(self, node: Var, into: int | None) -> int:  # noqa: ARG002
        return self.variables[node.name]

    def _lower_unaryop(self, node: UnaryOp, into: int | None) -> int:
        if node.op == "not":
            return self.flag(node)
        ty, operand = type_of(node.type), self.value(node.operand)
        if node.op == "invert":
            return self.code.pure("not", (ty,), operand, into=into)
        if ty.kind is Kind.UNSIGNED:
            return self.code.pure("sub", (ty,), self.code.constant(0, ty), operand, into=into)
        return self.code.pure("neg", (ty,), operand, into=into)

    def _lower_binaryop(self, node: BinaryOp, into: int | None) -> int:
        if node.op in COMPARISONS or node.op in ("and", "or"):
            return self.flag(node)
        ty = type_of(node.type)
        if node.op == "pow" and isinstance(node.right, Literal) and node.right.type == "i32":
            return self.power(ty, self.value(node.left), int(node.right.value))
        left, right = self.value(node.left), self.value(node.right)
        if node.op in ("shl", "shr"):
            amount = right if ty is U32 else self.code.pure("cvt", (U32, ty), right)
            return self.code.pure(node.op, (ty,), left, amount, into=into)
        if node.op in ("floor_div", "mod"):
            return self.floored(node.op, ty, left, right)
        return self.code.pure(_DIRECT[node.op], (ty,), left, right, into=into)

    def power(self, ty: Type, base: int, exponent: int) -> int:
        """Multiply out a power, lowest bit first."""
        result, left = None, abs(exponent)
        one = self.code.constant(1, ty)
        while left:
            if left & 1:
                result = base if result is None else self.code.pure("mul", (ty,), result, base)
            left >>= 1
            base = self.code.pure("mul", (ty,), base, base) if left else base
        result = one if result is None else result
        return self.code.pure("div", (ty,), one, result) if exponent < 0 else result

    def floored(self, op: str, ty: Type, a: int, b: int) -> int:
        """Lower // or % of integers, whose quotient is rounded down; the instructions cut towards zero."""
        code, divisor = self.code, self.code.literal(b)
        if divisor is not None and int(divisor) > 0 and int(divisor) & (int(divisor) - 1) == 0:
            if op == "mod":
                return code.pure("and", (ty,), a, code.constant(int(divisor) - 1, ty))
            return code.pure("shr", (ty,), a, code.constant(int(divisor).bit_length() - 1, U32))
        plain = code.pure("div" if op == "floor_div" else "rem", (ty,), a, b)
        if ty.kind is Kind.UNSIGNED:
            return plain
        rest = code.pure("rem", (ty,), a, b)
        zero = code.constant(0, ty)
        apart = code.predicate("lt", ty, code.pure("xor", (ty,), rest, b), zero)
        change = code.select(ty, apart, code.constant(1, ty) if op == "floor_div" else b, zero)
        there = code.predicate("ne", ty, rest, zero)
        change = code.select(ty, there, change, zero)
        return code.pure("sub" if op == "floor_div" else "add", (ty,), plain, change)

    def _lower_extent(self, node: Extent, into: int | None) -> int:  # noqa: ARG002
        return self.extent(self.arrays[node.array], node.axis)

    def extent(self, array: Memory, axis: int) -> int:
        """Return the register (u32) of the length of an array along an axis."""
        if array.shape:
            return self.code.constant(array.shape[axis], U32)
        if array.rank == 1:
            if array.name not in self.sizes:
                self.sizes[array.name] = self.code.register()
            return self.code.pure("cvt", (U32, U64), self.sizes[array.name])
        if (array.name, axis) not in self.extents:
            self.extents[array.name, axis] = self.code.register()
        return self.extents[array.name, axis]

    def _lower_index(self, node: Index, into: int | None) -> int:  # noqa: ARG002
        array = self.arrays[node.array]
        address, parts = self.address(node)
        self.read.add(array.handle)
        return self.code.memory("lds" if array.shape else "ldg", array.ty, address, parts)

    def address(self, node: Index) -> tuple[BufferOffset | RegisterIndirectComputed, tuple]:
        """Return the address of an element, and what identifies its contents now."""
        array, code = self.arrays[node.array], self.code
        linear = self.offset(node.indices[0])
        for axis, one in enumerate(node.indices[1:], 1):
            length = code.pure("cvt", (U64, U32), self.extent(array, axis))
            linear = code.pure("add", (U64,), code.pure("mul", (U64,), linear, length), self.offset(one))
        fixed = code.literal(linear)
        if fixed is not None:
            return BufferOffset(array.handle, int(fixed) * array.ty.size), (("memory", array.handle), linear)
        offset = code.pure("shl", (U64,), linear, code.constant(array.ty.shift, U32))
        handle = code.constant(array.handle, U64)
        return RegisterIndirectComputed(handle, offset), (("memory", array.handle), linear)

    def offset(self, node: Expr) -> int:
        """Return the register (u64) of an index; a lane's global id is there already."""
        found, ty = self.value(node), type_of(node.type)
        if found == self.code.known(self.code._key("cvt", (U32, U64, GLOBAL_LANE))):
            return GLOBAL_LANE
        return found if ty is U64 else self.code.pure("cvt", (U64, ty), found)

    def _lower_conditional(self, node: Conditional, into: int | None) -> int:
        ty = type_of(node.type)
        if total(node.then) and total(node.other):
            then, other = self.value(node.then), self.value(node.other)
            return self.code.select(ty, self.predicate(node.condition), then, other, into)
        target, other, end = self.code.register(), self.code.label("else"), self.code.label("end")
        with self.code.scope():
            self.jump(node.condition, other, when=False)
            self.code.move(ty, target, self.value(node.then))
            self.code.branch(end)
        self.code.place(other)
        with self.code.scope():
            self.code.move(ty, target, self.value(node.other))
        self.code.place(end)
        return target if into is None else self.code.move(ty, into, target)

    # Conditions.

    def predicate(self, node: Expr) -> int:
        """Return a predicate that holds whether a condition does."""
        if isinstance(node, BinaryOp) and node.op in COMPARISONS:
            ty = type_of(node.left.type)
            return self.code.predicate(node.op, ty, self.value(node.left), self.value(node.right))
        return self.code.predicate("ne", U32, self.flag(node), self.code.constant(0, U32))

    def flag(self, node: Expr) -> int:
        """Return the register (u32) that is 1 if a condition holds and 0 if not."""
        code = self.code
        one, zero = code.constant(1, U32), code.constant(0, U32)
        if isinstance(node, UnaryOp):
            return code.pure("xor", (U32,), self.flag(node.operand), one)
        if isinstance(node, BinaryOp) and node.op in COMPARISONS:
            return code.select(U32, self.predicate(node), one, zero)
        if isinstance(node, BinaryOp) and node.op in ("and", "or"):
            if total(node.right):
                return code.pure(node.op, (U32,), self.flag(node.left), self.flag(node.right))
            target, end = code.register(), code.label("end")
            code.move(U32, target, self.flag(node.left))
            with code.scope():
                code.branch(end, code.predicate("ne", U32, target, zero), when=node.op == "or")
                code.move(U32, target, self.flag(node.right))
            code.place(end)
            return target
        return self.value(node)

    def jump(self, node: Expr, label: str, *, when: bool) -> None:
        """Go to a label when a condition is as said, else go on; the right side of `and`, `or` only if need be."""
        if isinstance(node, Literal):
            if bool(node.value) is when:
                self.code.branch(label)
        elif isinstance(node, UnaryOp):
            self.jump(node.operand, label, when=not when)
        elif isinstance(node, BinaryOp) and node.op in ("and", "or"):
            if (node.op == "or") is when:
                self.jump(node.left, label, when=when)
                self.jump(node.right, label, when=when)
            else:
                skip = self.code.label("skip")
                self.jump(node.left, skip, when=not when)
                with self.code.scope():
                    self.jump(node.right, label, when=when)
                self.code.place(skip)
        else:
            self.code.branch(label, self.predicate(node), when)

    # Calls.

    def _lower_call(self, node: Call, into: int | None) -> int:  # noqa: ARG002
        name = node.function
        if name in ELEMENTS:
            [given] = node.args
            source, target = type_of(given.type), type_of(name)
            return self.value(given) if source is target else self.code.pure("cvt", (target, source), self.value(given))
        if name == "get_global_id" or name in _LANES:
            return self.position(name, [int(one.value) for one in node.args if isinstance(one, Literal)])
        if name in _MATH or name in _SIMPLE:
            return self.math(name, type_of(node.type), [self.value(one) for one in node.args])
        found = self.call(node)
        assert found is not None
        return found

    def math(self, name: str, ty: Type, given: list[int]) -> int:
        """Lower a function of numbers."""
        code = self.code
        if name == "abs" and ty.kind is Kind.UNSIGNED:
            return given[0]
        if name not in ("ceil", "trunc"):
            return code.pure(name, (ty,), *given)
        down = code.pure("neg", (ty,), code.pure("floor", (ty,), code.pure("neg", (ty,), given[0])))
        if name == "ceil":
            return down
        below = code.predicate("lt", ty, given[0], code.constant(0, ty))
        return code.select(ty, below, down, code.pure("floor", (ty,), given[0]))

    def position(self, name: str, axis: list[int]) -> int:
        """Return the register (u32) of an id or a size; without an axis that of lanes, or blocks, in a row."""
        code = self.code
        if name == "get_global_id":
            if not axis:
                return code.pure("cvt", (U32, U64), GLOBAL_LANE)
            lane, block, size = (_LANES[one][axis[0]] for one in ("get_local_id", "get_block_id", "get_block_size"))
            return code.pure("add", (U32,), code.pure("mul", (U32,), block, size), lane)
        if axis:
            return _LANES[name][axis[0]]
        x, y, z = _LANES[name]
        if name in _LINEAR:
            width, height, _ = _LANES[_LINEAR[name]]
            rows = code.pure("add", (U32,), code.pure("mul", (U32,), z, height), y)
            return code.pure("add", (U32,), code.pure("mul", (U32,), rows, width), x)
        return code.pure("mul", (U32,), code.pure("mul", (U32,), x, y), z)

    def together(self, node: Call) -> Any:
        """Lower what the lanes of a block do at once."""
        if node.function == "barrier":
            self.code.emit("bar.sync", 0)
            return None
        target = self.code.register()
        self.code.emit(_TOGETHER[node.function], type_of(node.type), target, self.value(node.args[0]))
        return target
