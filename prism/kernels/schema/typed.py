"""Types of expressions: promotion, literals that take the type of their place, conversions made plain [KERNELS-4]."""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping
from typing import Any, Final, NoReturn

from prism.errors import Location, ParseError
from prism.kernels.schema.operations import BITWISE, COMPARISONS, FUNCTIONS, LOGICAL, OPERANDS
from prism.kernels.schema.records import (
    BinaryOp,
    Call,
    Conditional,
    Expr,
    Extent,
    Index,
    Kernel,
    Literal,
    UnaryOp,
    Var,
)
from prism.kernels.schema.types import BOOL, ELEMENTS, FLOATS, INTEGERS, fits, promote

NOWHERE: Final = Location("<records>", 1, 1, "")
LARGEST_POWER: Final = 64
"""The largest exponent that is multiplied out; it is also the longest chain that a power can become."""

_FOLDS: Final[Mapping[str, Callable[[Any, Any], Any]]] = {
    "add": operator.add,
    "sub": operator.sub,
    "mul": operator.mul,
    "div": operator.truediv,
    "floor_div": operator.floordiv,
    "mod": operator.mod,
    "bit_and": operator.and_,
    "bit_or": operator.or_,
    "bit_xor": operator.xor,
    "lt": operator.lt,
    "le": operator.le,
    "gt": operator.gt,
    "ge": operator.ge,
    "eq": operator.eq,
    "ne": operator.ne,
}
Resolve = Callable[[str, tuple[tuple[str, int], ...], Location], Kernel]
"""Gives the typed inline kernel of a name for arguments of types and ranks (0 for a scalar), or refuses."""


def refuse(node: Any, expected: str, found: str, hint: str) -> NoReturn:
    """Raise ParseError at a node's place."""
    raise ParseError(node.at or NOWHERE, expected, found, hint)


class Typed:
    """Types the expressions of one function.

    scalars: the type of each variable. arrays: element type and rank of each array. assigned: the variables that have
    a value wherever control may come from. inlines: the typed inline kernels that were called, by name.
    """

    def __init__(self, resolve: Resolve) -> None:
        self.resolve = resolve
        self.scalars: dict[str, str] = {}
        self.arrays: dict[str, tuple[str, int]] = {}
        self.assigned: set[str] = set()
        self.inlines: dict[str, Kernel] = {}

    def expression(self, node: Expr) -> Expr:
        """Return a node with types; a literal that may still take another type has none."""
        method: Callable[[Any], Expr] = getattr(self, f"_type_{type(node).__name__.lower()}")
        found = method(node)
        if node.type not in (None, found.type):
            refuse(node, f"the type that it has, {found.type}", f"{node.type}", "drop the key dtype, or convert")
        return found

    def value(self, node: Expr) -> Expr:
        """Return a node with a type for certain: a free literal is i32, f32 or bool."""
        return settle(self.expression(node))

    def into(self, node: Expr, element: str, what: str) -> Expr:
        """Return a node converted to a type that loses nothing, or refuse it."""
        return fitted(self.expression(node), element, what)

    def condition(self, node: Expr) -> Expr:
        """Return a node that is a condition, or refuse it."""
        found = self.value(node)
        if found.type != BOOL:
            refuse(node, "a condition", found.type or "", "compare it, as in x != 0")
        return found

    def _type_literal(self, node: Literal) -> Expr:
        if node.type is None:
            return Literal(node.value, BOOL, at=node.at) if isinstance(node.value, bool) else node
        return take(Literal(node.value, at=node.at), node.type)

    def _type_var(self, node: Var) -> Expr:
        if node.name in self.arrays:
            refuse(node, "a number", f"the array {node.name}", "subscript it")
        if node.name not in self.assigned:
            refuse(node, "a variable that surely has a value here", node.name, f"assign {node.name} on every way here")
        return Var(node.name, self.scalars[node.name], at=node.at)

    def _type_index(self, node: Index) -> Index:
        element, rank = self.arrays.get(node.array, ("", 0))
        if len(node.indices) != rank:
            refuse(node, f"{rank} indices of {node.array}", f"{len(node.indices)}", "name an array and each index")
        indices = []
        for one in node.indices:
            found = self.value(one)
            if found.type not in INTEGERS:
                refuse(one, "an integer as index", found.type or "", "write u32(...) to convert it")
            if isinstance(found, Literal) and found.value < 0:
                refuse(one, "an index of at least 0", f"{found.value}", "arrays do not wrap; count from the start")
            indices.append(found)
        return Index(node.array, tuple(indices), element, at=node.at)

    def _type_extent(self, node: Extent) -> Expr:
        rank = self.arrays.get(node.array, ("", 0))[1]
        if not 0 <= node.axis < rank:
            refuse(node, f"an axis below {rank}", f"{node.axis}", f"subscript {node.array} by as many indices")
        return Extent(node.array, node.axis, "u32", at=node.at)

    def _type_conditional(self, node: Conditional) -> Expr:
        condition = self.condition(node.condition)
        then, other, element = self.meet(node, self.expression(node.then), self.expression(node.other))
        return Conditional(condition, then, other, element, at=node.at)

    def _type_unaryop(self, node: UnaryOp) -> Expr:
        operand = self.condition(node.operand) if node.op == "not" else self.expression(node.operand)
        if isinstance(operand, Literal) and operand.type is None:
            if node.op == "invert" and isinstance(operand.value, float):
                refuse(node, "an integer for ~", f"{operand.value}", "write an integer")
            value = {"neg": operator.neg, "pos": operator.pos, "invert": operator.invert}[node.op](operand.value)
            return Literal(value, at=node.at)
        assert operand.type is not None
        self.check(node, node.op, operand.type)
        return operand if node.op == "pos" else UnaryOp(node.op, operand, operand.type, at=node.at)

    def check(self, node: Expr, op: str, element: str) -> None:
        """Refuse an operator on operands of a type that it does not take."""
        if element not in OPERANDS[op]:
            taken = "a condition" if OPERANDS[op] == {BOOL} else ", ".join(sorted(OPERANDS[op]))
            hint = "write // for the quotient of integers, or convert" if op == "div" else "convert the operands"
            hint = "multiply, or write an exponent that is a number of the source" if op == "pow" else hint
            refuse(node, f"operands of {op} of type {taken}", element, hint)

    def meet(self, node: Expr, a: Expr, b: Expr) -> tuple[Expr, Expr, str]:
        """Return two typed operands in the one type in which they meet, and that type."""
        free = [isinstance(one, Literal) and one.type is None for one in (a, b)]
        if all(free):
            element = (
                "f32" if any(isinstance(one.value, float) for one in (a, b) if isinstance(one, Literal)) else "i32"
            )
        elif any(free):
            element = (b if free[0] else a).type
        else:
            element = promote(a.type or "", b.type or "")
            if element is None:
                refuse(node, "operands that meet in one type", f"{a.type} and {b.type}", "convert one of them")
        assert element is not None
        a, b = (take(one, element) if is_free(one) else converted(one, element) for one in (a, b))
        return a, b, element

    def _type_binaryop(self, node: BinaryOp) -> Expr:
        if node.op in LOGICAL:
            left, right = self.condition(node.left), self.condition(node.right)
            return BinaryOp(node.op, left, right, BOOL, at=node.at)
        if node.op == "pow":
            return self.power(node)
        left, right = self.expression(node.left), self.expression(node.right)
        if isinstance(left, Literal) and isinstance(right, Literal) and left.type is right.type is None:
            return self.folded(node, left, right)
        left, right, element = self.meet(node, left, right)
        self.check(node, node.op, element)
        if element in FLOATS and node.op in ("floor_div", "mod"):
            return self.floored(node, left, right, element)
        result = BOOL if node.op in COMPARISONS or (element == BOOL and node.op in BITWISE) else element
        return BinaryOp(node.op, left, right, result, at=node.at)

    def floored(self, node: BinaryOp, left: Expr, right: Expr, element: str) -> Expr:
        """Return // or % of floats in terms of floor [KERNELS-6]."""
        quotient = BinaryOp("div", left, right, element, at=node.at)
        whole = Call("floor", (quotient,), element, at=node.at)
        if node.op == "floor_div":
            return whole
        return BinaryOp("sub", left, BinaryOp("mul", whole, right, element, at=node.at), element, at=node.at)

    def folded(self, node: BinaryOp, left: Literal, right: Literal) -> Expr:
        """Return the literal that an operator on two free literals gives, as Python computes it."""
        shifts: dict[str, Callable[[Any, Any], Any]] = {"shl": operator.lshift, "shr": operator.rshift}
        try:
            if node.op in shifts and not 0 <= right.value < 64:
                refuse(node, "a shift of 0 to 63", f"{right.value}", "shift by less")
            value = (shifts.get(node.op) or _FOLDS[node.op])(left.value, right.value)
        except (TypeError, ZeroDivisionError, OverflowError) as error:
            refuse(node, "an operator that its numbers allow", str(error), "change the numbers")
        return Literal(value, BOOL if isinstance(value, bool) else None, at=node.at)

    def power(self, node: BinaryOp) -> Expr:
        """Type `**`: an integer of the source as exponent is multiplied out, else both are floats."""
        base, exponent = self.expression(node.left), self.expression(node.right)
        if isinstance(exponent, Literal) and exponent.type in (None, "i32") and type(exponent.value) is int:
            if is_free(base) and isinstance(base, Literal):
                if not -LARGEST_POWER <= exponent.value <= LARGEST_POWER or base.value == 0 > exponent.value:
                    refuse(
                        node, "a power that its numbers allow", f"{base.value} ** {exponent.value}", "write its value"
                    )
                return Literal(base.value**exponent.value, at=node.at)
            low = 0 if base.type in INTEGERS else -LARGEST_POWER
            if not low <= exponent.value <= LARGEST_POWER or base.type == BOOL:
                refuse(node, f"an exponent of {low} to {LARGEST_POWER}", f"{exponent.value}", "use pow() on floats")
            return BinaryOp("pow", base, Literal(exponent.value, "i32", at=exponent.at), base.type, at=node.at)
        left, right, element = self.meet(node, base, exponent)
        self.check(node, "pow", element)
        return BinaryOp("pow", left, right, element, at=node.at)

    def _type_call(self, node: Call) -> Expr:
        if node.function in ELEMENTS or node.function == BOOL:
            return self._conversion(node)
        if node.function in FUNCTIONS:
            return self._intrinsic(node)
        return self._inline(node)

    def _conversion(self, node: Call) -> Expr:
        if len(node.args) != 1 or node.function == BOOL:
            refuse(node, "one value to convert to an element type", node.function, "write f32(x)")
        found = self.expression(node.args[0])
        if is_free(found) and isinstance(found, Literal):
            if fits(found.value, node.function):
                return take(found, node.function)
            found = settle(found)
        return Call(node.function, (found,), node.function, at=node.at)

    def _intrinsic(self, node: Call) -> Expr:
        function = FUNCTIONS[node.function]
        values = node.args[1:] if function.atomic else node.args
        if function.axis:
            axes = tuple(take(one, "i32") for one in values if isinstance(one, Literal) and one.value in (0, 1, 2))
            if len(axes) != len(values) or len(values) > 1:
                refuse(node, "an axis 0, 1 or 2", f"{len(values)} arguments", "write the axis as a number")
            return Call(node.function, axes, function.result, at=node.at)
        if len(values) != function.values:
            refuse(node, f"{function.values} values for {node.function}", f"{len(values)}", "pass each of them")
        if not values:
            return Call(node.function, (), function.result, at=node.at)
        first: tuple[Expr, ...] = ()
        if function.atomic:
            place = node.args[0]
            if not isinstance(place, Index):
                refuse(node, "an element as the first argument", "a number", "name an array and an index")
            target = self._type_index(place)
            first, element = (target,), target.type or ""
            typed = tuple(self.into(one, element, f"an element of {place.array}") for one in values)
        else:
            typed, element = self.together(node, values, function.operands <= FLOATS)
        if element not in function.operands:
            allowed = ", ".join(sorted(function.operands))
            refuse(node, f"values of {node.function} of type {allowed}", element, "convert them")
        return Call(node.function, (*first, *typed), function.result or element, at=node.at)

    def together(self, node: Call, values: tuple[Expr, ...], floating: bool) -> tuple[tuple[Expr, ...], str]:
        """Return values in the one type in which they meet; free literals of a function of floats are floats."""
        found = [self.expression(one) for one in values]
        fixed = [one.type for one in found if not is_free(one) and one.type]
        element: str | None = "f32" if floating or any(isinstance(free(one), float) for one in found) else "i32"
        for at, one in enumerate(fixed):
            element = one if at == 0 else promote(element or "", one) if element else None
        if element is None:
            refuse(node, "values that meet in one type", ", ".join(fixed), "convert some of them")
        return tuple(take(one, element) if is_free(one) else converted(one, element) for one in found), element

    def _inline(self, node: Call) -> Expr:
        arrays = [self.arrays.get(one.name) if isinstance(one, Var) else None for one in node.args]
        given = [one if known else self.expression(one) for known, one in zip(arrays, node.args, strict=True)]
        kinds = [known or (one.type or "", 0) for known, one in zip(arrays, given, strict=True)]
        callee = self.resolve(node.function, tuple(kinds), node.at or NOWHERE)
        self.inlines[callee.name] = callee
        args: list[Expr] = []
        for one, known, param in zip(given, arrays, callee.params, strict=True):
            if param.rank:
                if not isinstance(one, Var) or known != (param.element, param.rank):
                    wanted = f"an array of {param.element} with {param.rank} indices for {param.name}"
                    refuse(one, wanted, "another argument", "pass such an array by its name")
                args.append(Var(one.name, param.element, at=one.at))
            else:
                args.append(fitted(one, param.element, f"parameter {param.name}"))
        return Call(callee.name, tuple(args), callee.returns, at=node.at)


def is_free(node: Expr) -> bool:
    """Tell whether a node is a literal that still takes the type of its place."""
    return isinstance(node, Literal) and node.type is None


def free(node: Expr) -> bool | int | float | None:
    """Return the value of a free literal."""
    return node.value if isinstance(node, Literal) and node.type is None else None


def take(node: Expr, element: str) -> Literal:
    """Return a literal in a type, or refuse it if it does not fit."""
    assert isinstance(node, Literal)
    if not fits(node.value, element):
        hint = "write a float, as in 1.0" if element in FLOATS else f"write {element}(...) to convert it"
        refuse(node, f"a number that fits {element}", f"{node.value!r}", hint)
    return Literal(float(node.value) if element in FLOATS else node.value, element, at=node.at)


def fitted(node: Expr, element: str, what: str) -> Expr:
    """Return a typed node converted to a type that loses nothing, or refuse it."""
    if is_free(node):
        return take(node, element)
    if node.type is None or promote(node.type, element) != element:
        refuse(node, f"{element} for {what}", node.type or "no value", f"write {element}(...) to convert it")
    return converted(node, element)


def settle(node: Expr) -> Expr:
    """Return a node, a free literal in the type that it has by itself: i32 or f32."""
    if not (isinstance(node, Literal) and node.type is None):
        return node
    return take(node, "f32" if isinstance(node.value, float) else "i32")


def converted(node: Expr, element: str) -> Expr:
    """Return a node in a type, by a conversion if it has another one."""
    return node if node.type == element else Call(element, (node,), element, at=node.at)
