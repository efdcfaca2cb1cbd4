"""From a function's expressions to records [KERNELS-1]."""

from __future__ import annotations

import ast
from collections.abc import Callable, Mapping
from typing import Any, Final, NoReturn, TypeVar

from prism.errors import Location, ParseError
from prism.kernels.schema.language import BUILTINS, INTRINSICS, shared
from prism.kernels.schema.operations import BINARY, FUNCTIONS, UNARY
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
from prism.kernels.schema.source import Definition, Unknown, resolve
from prism.kernels.schema.values import TYPES, Value

RANKS: Final = 3
"""The most dimensions that a subscript may have."""
HINTS: Final[Mapping[str, tuple[str, str]]] = {
    "Try": ("try", "a kernel raises nothing; test the values instead"),
    "Raise": ("raise", "a kernel raises nothing; write a flag to an array"),
    "Assert": ("assert", "test the kernel with its `python` method instead"),
    "With": ("with", "leave it out"),
    "Import": ("import", "import at the top of the file"),
    "ImportFrom": ("import", "import at the top of the file"),
    "FunctionDef": ("a function inside a kernel", "write an inline kernel beside it"),
    "AsyncFunctionDef": ("an async function", "write an inline kernel beside it"),
    "ClassDef": ("a class", "keep numbers in variables and arrays"),
    "Delete": ("del", "leave it out"),
    "Global": ("global", "pass it as a parameter"),
    "Nonlocal": ("nonlocal", "pass it as a parameter"),
    "Match": ("match", "write if and elif"),
    "AsyncFor": ("async for", "write for over range"),
    "AsyncWith": ("async with", "leave it out"),
    "Lambda": ("lambda", "write an inline kernel"),
    "ListComp": ("a comprehension", "write a for loop"),
    "SetComp": ("a comprehension", "write a for loop"),
    "DictComp": ("a comprehension", "write a for loop"),
    "GeneratorExp": ("a comprehension", "write a for loop"),
    "List": ("a list", "use an array, or shared()"),
    "Tuple": ("a tuple", "use one variable for each number"),
    "Dict": ("a dict", "use an array"),
    "Set": ("a set", "use an array"),
    "JoinedStr": ("a string", "kernels have numbers only"),
    "NamedExpr": (":=", "assign in a statement of its own"),
    "Await": ("await", "leave it out"),
    "Yield": ("yield", "write to an array"),
    "YieldFrom": ("yield", "write to an array"),
    "Starred": ("*", "name each argument"),
    "Slice": ("a slice", "write a loop over the elements"),
    "TryStar": ("try", "a kernel raises nothing; test the values instead"),
    "TypeAlias": ("a type alias", "define it outside the kernel"),
    "TemplateStr": ("a string", "kernels have numbers only"),
}
"""Syntax that kernels do not have, by node: what to call it, and what to do instead."""
_BUILTIN_NAMES: Final = {BUILTINS[name]: name for name in ("min", "max", "abs")}


class Expressions:
    """Reads the expressions of one function.

    names: the variables that have been assigned so far. ranks: the dimensions of each array, 0 while unknown.
    inlines: the inline kernels that were called, by name.
    """

    def __init__(self, definition: Definition, bound: Mapping[str, str]) -> None:
        self.definition, self.bound, self.text = definition, bound, definition.text
        self.inlines: dict[str, Definition] = {}
        self.names: set[str] = set()
        self.ranks: dict[str, int] = {}
        self.locals = {
            node.id
            for node in ast.walk(definition.node)
            if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)
        } | {one.arg for one in definition.node.args.args}

    def at(self, node: ast.AST) -> Location:
        """Return a node's place."""
        return self.text.at(node)

    def refuse(self, node: ast.AST, expected: str, found: str, hint: str) -> NoReturn:
        """Raise ParseError at a node's place."""
        raise ParseError(self.at(node), expected, found, hint)

    def meaning(self, node: ast.expr) -> Any:
        """Return what a name outside the function's own variables stands for."""
        if isinstance(node, ast.Name) and node.id in self.locals:
            return Unknown("a variable")
        found = resolve(node, self.definition.lookup)
        if isinstance(found, TypeVar) and isinstance(node, ast.Name) and node.id in self.bound:
            return TYPES[self.bound[node.id]]
        return found

    def expression(self, node: ast.expr, effect: bool = False) -> Expr:
        """Read an expression; `effect`: a call with an effect may stand here."""
        if isinstance(node, ast.Call):
            return self.call(node, effect)
        read_one: Callable[[Any], Expr] | None = getattr(self, f"_expr_{type(node).__name__.lower()}", None)
        if read_one is None:
            what, hint = HINTS.get(type(node).__name__, (ast.unparse(node), "leave it out"))
            self.refuse(node, "an expression of the kernel language", what, hint)
        return read_one(node)

    def _expr_constant(self, node: ast.Constant) -> Expr:
        if not isinstance(node.value, bool | int | float):
            self.refuse(node, "a number, True or False", ast.unparse(node), "kernels have numbers only")
        return Literal(node.value, at=self.at(node))

    def _expr_name(self, node: ast.Name) -> Expr:
        if node.id in self.ranks:
            self.refuse(node, "a number", f"the array {node.id}", f"write {node.id}[i], or {node.id}.shape[0]")
        if node.id in self.locals:
            return Var(node.id, at=self.at(node))
        meant = self.meaning(node)
        if isinstance(meant, bool | int | float):
            return Literal(meant, at=self.at(node))
        what = meant.what if isinstance(meant, Unknown) else "not a number"
        found = f"{node.id}: {what}"
        raise ParseError(self.at(node), "a variable, a parameter or a constant", found, "pass it as a parameter")

    def _expr_binop(self, node: ast.BinOp) -> Expr:
        op = BINARY.get(type(node.op))
        if op is None:
            self.refuse(node, "an operator of kernels", "@", "write loops over the elements")
        return BinaryOp(op, self.expression(node.left), self.expression(node.right), at=self.at(node))

    def _expr_unaryop(self, node: ast.UnaryOp) -> Expr:
        return UnaryOp(UNARY[type(node.op)], self.expression(node.operand), at=self.at(node))

    def _expr_boolop(self, node: ast.BoolOp) -> Expr:
        found, *rest = [self.expression(one) for one in node.values]
        for one in rest:
            found = BinaryOp(BINARY[type(node.op)], found, one, at=self.at(node))
        return found

    def _expr_compare(self, node: ast.Compare) -> Expr:
        operands = [self.expression(one) for one in (node.left, *node.comparators)]
        found: Expr | None = None
        for op, left, right in zip(node.ops, operands, operands[1:], strict=False):
            if type(op) not in BINARY:
                word = {ast.In: "in", ast.NotIn: "not in", ast.Is: "is", ast.IsNot: "is not"}[type(op)]
                self.refuse(node, "a comparison of numbers", word, "write <, <=, >, >=, == or !=")
            one = BinaryOp(BINARY[type(op)], left, right, at=self.at(node))
            found = one if found is None else BinaryOp("and", found, one, at=self.at(node))
        assert found is not None
        return found

    def _expr_ifexp(self, node: ast.IfExp) -> Expr:
        condition, then, other = (self.expression(one) for one in (node.test, node.body, node.orelse))
        return Conditional(condition, then, other, at=self.at(node))

    def _expr_subscript(self, node: ast.Subscript) -> Expr:
        value = node.value
        if isinstance(value, ast.Attribute) and value.attr == "shape" and isinstance(value.value, ast.Name):
            axis = self.literal_integer(node.slice)
            if value.value.id not in self.ranks or axis is None or not 0 <= axis < RANKS:
                self.refuse(node, "shape[0], shape[1] or shape[2] of an array", ast.unparse(node), "name an array")
            return Extent(value.value.id, axis, at=self.at(node))
        return self.subscript(node)

    def _expr_attribute(self, node: ast.Attribute) -> Expr:
        meant = self.meaning(node)
        if isinstance(meant, bool | int | float):
            return Literal(meant, at=self.at(node))
        raise ParseError(self.at(node), "a name that kernels know", ast.unparse(node), "import what it is from prism")

    def subscript(self, node: ast.Subscript) -> Index:
        """Read an element of an array; all of one array's subscripts have as many indices."""
        if not isinstance(node.value, ast.Name) or node.value.id not in self.ranks:
            self.refuse(node, "an element of an array", ast.unparse(node), "subscript a parameter or a shared array")
        name = node.value.id
        given = [*node.slice.elts] if isinstance(node.slice, ast.Tuple) else [node.slice]
        if not 1 <= len(given) <= RANKS:
            self.refuse(node, "one to three indices", f"{len(given)}", "compute one index from several")
        if self.ranks[name] not in (0, len(given)):
            found = f"{len(given)} and elsewhere {self.ranks[name]}"
            self.refuse(node, f"as many indices of {name} everywhere", found, "use one form")
        self.ranks[name] = len(given)
        return Index(name, tuple(self.expression(one) for one in given), at=self.at(node))

    def literal_integer(self, node: ast.expr) -> int | None:
        """Return the integer that a literal or a constant's name gives, or None."""
        sign = 1
        if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
            node, sign = node.operand, -1
        value = node.value if isinstance(node, ast.Constant) else self.meaning(node)
        return sign * value if isinstance(value, int) and not isinstance(value, bool) else None

    # Calls.

    def call(self, node: ast.Call, effect: bool) -> Call:
        """Read a call; `effect`: one with an effect may stand here."""
        meant = self.meaning(node.func)
        if node.keywords:
            self.refuse(node.keywords[0].value, "arguments by position", f"{node.keywords[0].arg}=", "drop the name")
        name = _BUILTIN_NAMES.get(meant) if callable(meant) else None
        if isinstance(meant, type) and issubclass(meant, Value):
            name = meant.element
        elif callable(meant) and INTRINSICS.get(getattr(meant, "__name__", "")) is meant:
            name = meant.__name__
        if name is not None:
            return self.known(node, name, effect)
        definition = getattr(meant, "definition", meant)
        if isinstance(definition, Definition):
            return self.inline(node, definition)
        if meant is shared:
            self.refuse(node, "name = shared(type, n, ...)", ast.unparse(node), "give it a statement of its own")
        what = meant.what if isinstance(meant, Unknown) else "nothing that kernels know"
        hint = "import it from prism, or write an inline kernel"
        found = f"{ast.unparse(node.func)}: {what}"
        raise ParseError(self.at(node), "a call of an intrinsic, a type or an inline kernel", found, hint)

    def known(self, node: ast.Call, name: str, effect: bool) -> Call:
        """Read the call of an intrinsic or of a type."""
        function = FUNCTIONS.get(name)
        if function is not None and function.effect and not effect:
            self.refuse(node, f"{name} alone, or alone on the right of =", "it inside an expression", "assign it first")
        if function is not None and function.axis:
            axis = self.literal_integer(node.args[0]) if node.args else None
            if len(node.args) > 1 or (node.args and axis not in (0, 1, 2)):
                self.refuse(node, f"{name}() or an axis 0, 1 or 2", ast.unparse(node), "write the axis as a number")
            return Call(name, () if axis is None else (Literal(axis, at=self.at(node)),), at=self.at(node))
        if function is not None and function.atomic:
            return self.atomic(node, name, function.values)
        wanted = 1 if function is None else function.values
        args = [self.expression(one) for one in node.args]
        if name in ("min", "max") and len(args) > 2:
            first, *rest = args
            for one in rest[:-1]:
                first = Call(name, (first, one), at=self.at(node))
            args = [first, rest[-1]]
        if len(args) != wanted:
            self.refuse(node, f"{wanted} arguments of {name}", f"{len(args)}", "see the list of intrinsics")
        return Call(name, tuple(args), at=self.at(node))

    def atomic(self, node: ast.Call, name: str, values: int) -> Call:
        """Read an atomic: its array and index become one element."""
        if len(node.args) != 2 + values or not isinstance(node.args[0], ast.Name):
            self.refuse(node, f"{name}(array, index, value)", ast.unparse(node), "name the array and the index")
        element = ast.Subscript(node.args[0], node.args[1], ast.Load())
        place = self.subscript(ast.copy_location(element, node))
        return Call(name, (place, *(self.expression(one) for one in node.args[2:])), at=self.at(node))

    def inline(self, node: ast.Call, definition: Definition) -> Call:
        """Read the call of another kernel; array arguments are passed by their names."""
        if not definition.inline:
            hint = "mark it @kernel(inline=True)"
            self.refuse(node, "a call of an inline kernel", f"{definition.name}, which is not one", hint)
        known = self.inlines.setdefault(definition.name, definition)
        if known is not definition:
            self.refuse(node, "inline kernels of different names", f"two called {definition.name}", "rename one")
        wanted = len(definition.node.args.args)
        if len(node.args) != wanted:
            self.refuse(node, f"{wanted} arguments of {definition.name}", f"{len(node.args)}", "pass each parameter")
        args = tuple(
            Var(one.id, at=self.at(one)) if isinstance(one, ast.Name) and one.id in self.ranks else self.expression(one)
            for one in node.args
        )
        return Call(definition.name, args, at=self.at(node))
