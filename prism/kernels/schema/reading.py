"""From a function's syntax to records, or a refusal with file, line, column and a hint [KERNELS-1]."""

from __future__ import annotations

import ast
from collections.abc import Callable, Mapping
from typing import Any

from prism.errors import ParseError
from prism.kernels.schema.expressions import HINTS, RANKS, Expressions
from prism.kernels.schema.language import BUILTINS, DeviceArray, shared
from prism.kernels.schema.operations import BINARY
from prism.kernels.schema.records import (
    Assign,
    BinaryOp,
    Break,
    Call,
    Continue,
    Evaluate,
    For,
    If,
    Index,
    Kernel,
    Let,
    Literal,
    Param,
    Return,
    Shared,
    Stmt,
    Var,
    While,
)
from prism.kernels.schema.source import Definition
from prism.kernels.schema.types import ELEMENTS
from prism.kernels.schema.values import Value


def read(definition: Definition, bound: Mapping[str, str]) -> tuple[Kernel, dict[str, Definition]]:
    """Return a kernel as untyped records, and the inline kernels that it calls by name.

    bound: the element type for each of its type variables. ParseError for what is outside the subset.
    """
    reader = _Reader(definition, bound)
    return reader.kernel(), reader.inlines


class _Reader(Expressions):
    """Reads one function."""

    # The function itself.

    def kernel(self) -> Kernel:
        node = self.definition.node
        given = node.args
        for extra in (*given.posonlyargs, *given.kwonlyargs, given.vararg, given.kwarg):
            if extra is not None:
                self.refuse(extra, "plain parameters", f"{extra.arg}", "drop / and *, and name each parameter")
        for default in given.defaults:
            self.refuse(default, "a parameter without a default", "a default value", "pass it at the call")
        elements = [self.parameter(one) for one in given.args]
        body = [*node.body]
        if ast.get_docstring(node, clean=False) is not None:
            body = body[1:]
        statements = self.block(body)
        params = tuple(
            Param(one.name, one.element, (self.ranks[one.name] or 1) if one.rank else 0, at=one.at) for one in elements
        )
        returns = None
        if node.returns is not None and not (isinstance(node.returns, ast.Constant) and node.returns.value is None):
            returns = self.element(node.returns, "a return type that is one of the element types")
        return Kernel(node.name, params, statements, returns, at=self.at(node))

    def parameter(self, given: ast.arg) -> Param:
        note = given.annotation
        if note is None:
            self.refuse(
                given, "an annotation", f"{given.arg} without one", f"write {given.arg}: DeviceArray[f32], or u32"
            )
        if isinstance(note, ast.Constant) and isinstance(note.value, str):
            try:
                note = ast.copy_location(ast.parse(note.value, mode="eval").body, note)
            except SyntaxError:
                self.refuse(note, "an annotation that is a type", repr(note.value), "write DeviceArray[f32], or u32")
        self.names.add(given.arg)
        if isinstance(note, ast.Subscript) and self.meaning(note.value) is DeviceArray:
            self.ranks.setdefault(given.arg, 0)
            return Param(
                given.arg, self.element(note.slice, "an element type in DeviceArray[...]"), 1, at=self.at(given)
            )
        return Param(given.arg, self.element(note, "DeviceArray[...] or an element type"), at=self.at(given))

    def element(self, node: ast.expr, expected: str) -> str:
        meant = self.meaning(node)
        if isinstance(meant, type) and issubclass(meant, Value):
            return meant.element
        hint = f"the element types are {', '.join(ELEMENTS)}; import one"
        raise ParseError(self.at(node), expected, ast.unparse(node), hint)

    # Statements.

    def block(self, body: list[ast.stmt]) -> tuple[Stmt, ...]:
        found: list[Stmt] = []
        for node in body:
            if isinstance(node, ast.Pass):
                continue  # it means nothing, here as in Python
            read_one: Callable[[Any], Stmt] | None = getattr(self, f"_read_{type(node).__name__.lower()}", None)
            if read_one is None:
                what, hint = HINTS.get(type(node).__name__, (type(node).__name__.lower(), "leave it out"))
                self.refuse(node, "a statement of the kernel language", what, hint)
            found.append(read_one(node))
        return tuple(found)

    def _read_assign(self, node: ast.Assign) -> Stmt:
        if len(node.targets) > 1:
            self.refuse(node, "one target", "several", "write one assignment for each")
        return self.assignment(node, node.targets[0], node.value)

    def _read_annassign(self, node: ast.AnnAssign) -> Stmt:
        if node.value is None or not isinstance(node.target, ast.Name):
            self.refuse(node, "a variable, its type and its value", ast.unparse(node), "write x: f32 = 0.0")
        if node.target.id in self.names:
            self.refuse(node, "a type at the first assignment", "one later", "drop the type here")
        type_ = self.element(node.annotation, "an element type")
        value = self.expression(node.value, effect=True)
        self.names.add(node.target.id)
        return Let(node.target.id, value, type_, at=self.at(node))

    def _read_augassign(self, node: ast.AugAssign) -> Stmt:
        op = BINARY.get(type(node.op))
        if op is None:
            self.refuse(node, "an operator of kernels", "@=", "write loops over the elements")
        target = self.target(node.target)
        if isinstance(target, Var) and target.name not in self.names:
            self.refuse(node, "a variable that has a value", target.name, f"assign {target.name} first")
        return Assign(target, BinaryOp(op, target, self.expression(node.value), at=self.at(node)), at=self.at(node))

    def assignment(self, node: ast.stmt, to: ast.expr, given: ast.expr) -> Stmt:
        if isinstance(given, ast.Call) and self.meaning(given.func) is shared:
            return self.shared_array(node, to, given)
        target = self.target(to)
        value = self.expression(given, effect=True)
        if isinstance(target, Var) and target.name not in self.names:
            self.names.add(target.name)
            return Let(target.name, value, at=self.at(node))
        return Assign(target, value, at=self.at(node))

    def target(self, node: ast.expr) -> Var | Index:
        if isinstance(node, ast.Name):
            if node.id in self.ranks:
                self.refuse(node, "a variable or an element", f"the array {node.id}", f"write {node.id}[i] = ...")
            return Var(node.id, at=self.at(node))
        if isinstance(node, ast.Subscript):
            return self.subscript(node)
        what = HINTS.get(type(node).__name__, (ast.unparse(node), ""))[0]
        raise ParseError(self.at(node), "a variable or an element as target", what, "assign one number at a time")

    def shared_array(self, node: ast.stmt, to: ast.expr, call: ast.Call) -> Stmt:
        sizes = [self.literal_integer(one) for one in call.args[1:]]
        if not isinstance(to, ast.Name) or to.id in self.names or not 1 <= len(sizes) <= RANKS or call.keywords:
            self.refuse(
                node, "name = shared(type, n, ...) for a new name", ast.unparse(node), "give one to three sizes"
            )
        if node not in self.definition.node.body:
            self.refuse(node, "shared() outside ifs and loops", "it inside one", "move it to the top of the kernel")
        if any(size is None or size < 1 for size in sizes):
            self.refuse(call, "sizes that are positive numbers in the source", ast.unparse(call), "use constants")
        self.names.add(to.id)
        self.ranks[to.id] = len(sizes)
        shape = tuple(size for size in sizes if size is not None)
        return Shared(to.id, self.element(call.args[0], "an element type first"), shape, at=self.at(node))

    def _read_if(self, node: ast.If) -> Stmt:
        condition = self.expression(node.test)
        before = set(self.names)
        then = self.block(node.body)
        first = self.names
        self.names = before
        other = self.block(node.orelse)
        self.names = self.names | first
        return If(condition, then, other, at=self.at(node))

    def _read_for(self, node: ast.For) -> Stmt:
        self.no_else(node)
        over = node.iter
        if not isinstance(over, ast.Call) or self.meaning(over.func) is not BUILTINS["range"] or over.keywords:
            self.refuse(over, "range(...)", ast.unparse(over), "loop over range(n) and subscript")
        if not 1 <= len(over.args) <= 3:
            self.refuse(over, "range with one to three bounds", f"{len(over.args)}", "write range(start, stop, step)")
        if not isinstance(node.target, ast.Name) or node.target.id in self.ranks:
            self.refuse(node.target, "one variable that counts", ast.unparse(node.target), "write for i in range(n)")
        bounds = [self.expression(one) for one in over.args[:2]]
        start = bounds[0] if len(bounds) == 2 else Literal(0, at=self.at(over))
        step = self.literal_integer(over.args[2]) if len(over.args) == 3 else 1
        if not step:
            self.refuse(over, "a step that is a number in the source, not 0", ast.unparse(over.args[2]), "use while")
        self.names.add(node.target.id)
        return For(node.target.id, start, bounds[-1], step, self.block(node.body), at=self.at(node))

    def _read_while(self, node: ast.While) -> Stmt:
        self.no_else(node)
        return While(self.expression(node.test), self.block(node.body), at=self.at(node))

    def no_else(self, node: ast.For | ast.While) -> None:
        if node.orelse:
            self.refuse(node.orelse[0], "a loop without else", "else", "set a flag before break and test it")

    def _read_return(self, node: ast.Return) -> Stmt:
        return Return(None if node.value is None else self.expression(node.value), at=self.at(node))

    def _read_break(self, node: ast.Break) -> Stmt:
        return Break(at=self.at(node))

    def _read_continue(self, node: ast.Continue) -> Stmt:
        return Continue(at=self.at(node))

    def _read_expr(self, node: ast.Expr) -> Stmt:
        if not isinstance(node.value, ast.Call):
            self.refuse(node, "a statement with an effect", ast.unparse(node), "assign it, or drop it")
        call = self.expression(node.value, effect=True)
        assert isinstance(call, Call)
        return Evaluate(call, at=self.at(node))
