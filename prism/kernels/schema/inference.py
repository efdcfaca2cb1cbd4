"""Types of statements, and what must hold on every way through them [KERNELS-4, KERNELS-7]."""

from __future__ import annotations

import ast
from collections.abc import Mapping

from prism.errors import Location, ParseError
from prism.kernels.schema.operations import FUNCTIONS
from prism.kernels.schema.reading import read
from prism.kernels.schema.records import (
    Assign,
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
    Return,
    Shared,
    Stmt,
    Var,
    While,
    walk,
)
from prism.kernels.schema.source import Definition
from prism.kernels.schema.typed import Resolve, Typed, converted, is_free, refuse, take
from prism.kernels.schema.types import BOOL, promote


def schema_of(definition: Definition, bound: Mapping[str, str]) -> Kernel:
    """Return the typed records of a kernel; `bound` says what each of its type variables is.

    ParseError for what is outside the subset or has no type.
    """
    try:
        return _schema(definition, bound, (definition.name,))
    except RecursionError as error:
        place = definition.text.at(definition.node)
        raise ParseError(place, "expressions of moderate depth", "one nested too deeply", "split it") from error


def _schema(definition: Definition, bound: Mapping[str, str], calling: tuple[str, ...]) -> Kernel:
    kernel, inlines = read(definition, bound)

    def resolve(name: str, kinds: tuple[tuple[str, int], ...], at: Location) -> Kernel:
        if name in calling:
            raise ParseError(at, "calls without recursion", f"{name} inside {calling[-1]}", "write a loop")
        callee = inlines[name]
        chosen = _chosen(callee, kinds, at)
        found = _schema(callee, chosen, (*calling, name))
        suffix = "".join(f".{one}" for one in chosen.values())
        return Kernel(found.name + suffix, found.params, found.body, found.returns, found.inlines, at=found.at)

    return infer(kernel, resolve, inline=definition.inline)


def _chosen(callee: Definition, kinds: tuple[tuple[str, int], ...], at: Location) -> dict[str, str]:
    """Return what the type variables of an inline kernel are for arguments of some types."""
    found: dict[str, str] = {}
    for name, choices in callee.type_variables().items():
        meet: str | None = None
        for given, (element, _) in zip(callee.node.args.args, kinds, strict=True):
            named = {node.id for node in ast.walk(given.annotation or given) if isinstance(node, ast.Name)}
            if name in named and element:
                meet = element if meet is None else promote(meet, element)
        if meet not in choices:
            got = meet or "no one type"
            raise ParseError(
                at, f"{name} of {callee.name} to be one of {', '.join(choices)}", got, "convert an argument"
            )
        found[name] = meet
    return found


def infer(kernel: Kernel, resolve: Resolve, inline: bool = False) -> Kernel:
    """Return a kernel with every type filled in; records that have types are checked again."""
    return _Inference(kernel, resolve, inline).kernel()


class _Inference(Typed):
    """Types the statements of one function.

    breaks: for each loop around, what is assigned at each `break`.
    """

    def __init__(self, kernel: Kernel, resolve: Resolve, inline: bool) -> None:
        super().__init__(resolve)
        self.given, self.inline_kernel = kernel, inline
        self.breaks: list[list[set[str]]] = []

    def kernel(self) -> Kernel:
        given = self.given
        for one in given.params:
            if one.name in self.scalars or one.name in self.arrays:
                refuse(one, "parameters of different names", f"{one.name} twice", "rename one")
            if one.rank:
                self.arrays[one.name] = (one.element, one.rank)
            else:
                self.scalars[one.name] = one.element
                self.assigned.add(one.name)
        if given.returns and not self.inline_kernel:
            refuse(given, "a kernel that returns nothing", given.returns, "write the result to an array")
        body, falls = self.block(given.body)
        if falls and given.returns:
            refuse(given, f"a return of {given.returns} on every way", "a way to the end", "end with return")
        if given.returns and any(_has_effect(one) for one in body):
            hint = "let it return nothing, or write nothing"
            refuse(given, "an inline kernel that either returns or writes", "both", hint)
        inlines = tuple(self.inlines[name] for name in sorted(self.inlines))
        return Kernel(given.name, given.params, body, given.returns, inlines, at=given.at)

    def block(self, body: tuple[Stmt, ...]) -> tuple[tuple[Stmt, ...], bool]:
        """Return typed statements, and whether control reaches their end."""
        found: list[Stmt] = []
        falls = True
        for one in body:
            if not falls:
                refuse(one, "a statement that control reaches", "one after return, break or continue", "drop it")
            typed, falls = getattr(self, f"_type_{type(one).__name__.lower()}")(one)
            found.append(typed)
        return tuple(found), falls

    def _type_let(self, node: Let) -> tuple[Stmt, bool]:
        known = self.scalars.get(node.name)
        if node.name in self.arrays:
            refuse(node, "a new name", f"the array {node.name}", "rename the variable")
        if known is not None and node.type not in (None, known):
            refuse(node, f"{known}, the type of {node.name}", node.type or "", "use another name")
        wanted = known or node.type
        value = self.value(node.value) if wanted is None else self.into(node.value, wanted, node.name)
        if value.type is None:
            refuse(node, "a value", f"{getattr(node.value, 'function', 'a call')}, which has none", "call it alone")
        self.scalars[node.name] = value.type
        self.assigned.add(node.name)
        return Let(node.name, value, value.type, at=node.at), True

    def _type_assign(self, node: Assign) -> tuple[Stmt, bool]:
        if isinstance(node.target, Index):
            target = self._type_index(node.target)
            value = self.into(node.value, target.type or "", f"an element of {target.array}")
            return Assign(target, value, at=node.at), True
        name = node.target.name
        if name not in self.scalars:
            refuse(node, "a variable that has a value", name, f"assign {name} first")
        value = self.into(node.value, self.scalars[name], name)
        self.assigned.add(name)
        return Assign(Var(name, self.scalars[name], at=node.target.at), value, at=node.at), True

    def _type_shared(self, node: Shared) -> tuple[Stmt, bool]:
        if self.inline_kernel:
            refuse(node, "shared() in a kernel that is launched", "it in an inline kernel", "pass the shared array")
        self.arrays[node.name] = (node.element, len(node.shape))
        return node, True

    def _type_if(self, node: If) -> tuple[Stmt, bool]:
        condition = self.condition(node.condition)
        before = set(self.assigned)
        then, then_falls = self.block(node.then)
        after, self.assigned = self.assigned, before
        other, other_falls = self.block(node.other)
        if then_falls and other_falls:
            self.assigned &= after
        elif then_falls:
            self.assigned = after
        return If(condition, then, other, at=node.at), then_falls or other_falls

    def _type_for(self, node: For) -> tuple[Stmt, bool]:
        start, stop = self.expression(node.start), self.expression(node.stop)
        known = self.scalars.get(node.var)
        if is_free(start) and is_free(stop):
            start, stop = take(start, known or node.type or "i32"), take(stop, known or node.type or "i32")
        start, stop = (take(a, b.type or "") if is_free(a) else a for a, b in ((start, stop), (stop, start)))
        element = promote(start.type or "", stop.type or "")
        if element is None or element == BOOL or element.startswith(("f", "b")):
            refuse(node, "bounds that meet in an integer type", f"{start.type} and {stop.type}", "convert one of them")
        if node.step < 0 and element.startswith("u"):
            refuse(node, "a signed range for a negative step", element, "write range(i32(n) - 1, -1, -1)")
        if node.var in self.arrays or (known is not None and promote(known, element) != known):
            refuse(node, f"a variable of type {element}", f"{node.var} of type {known}", "count with another name")
        self.scalars[node.var] = known or element
        take(Literal(abs(node.step), at=node.at), element)
        before = set(self.assigned)
        self.assigned.add(node.var)
        body = self.loop(node.body, before)
        return (
            For(node.var, converted(start, element), converted(stop, element), node.step, body, element, at=node.at),
            True,
        )

    def loop(self, body: tuple[Stmt, ...], else_assigned: set[str] | None) -> tuple[Stmt, ...]:
        """Type a loop's body; afterwards that is assigned which is so wherever the loop may end."""
        self.breaks.append([] if else_assigned is None else [else_assigned])
        typed, _ = self.block(body)
        ends = self.breaks.pop()
        self.assigned = set.intersection(*ends) if ends else self.assigned
        return typed

    def _type_while(self, node: While) -> tuple[Stmt, bool]:
        condition = self.condition(node.condition)
        always = isinstance(condition, Literal) and condition.value is True
        ends = not always or any(_breaks(one) for one in node.body)
        body = self.loop(node.body, None if always else set(self.assigned))
        return While(condition, body, at=node.at), ends

    def _type_return(self, node: Return) -> tuple[Stmt, bool]:
        wanted = self.given.returns
        if wanted is None:
            if node.value is not None:
                hint = "annotate the type: def f(...) -> f32" if self.inline_kernel else "write it to an array"
                refuse(node, "return without a value", "a value", hint)
            return node, False
        if node.value is None:
            refuse(node, f"return of {wanted}", "return without a value", "return one")
        return Return(self.into(node.value, wanted, "the result"), at=node.at), False

    def _type_break(self, node: Break) -> tuple[Stmt, bool]:
        if not self.breaks:
            refuse(node, "break inside a loop", "break outside one", "use return")
        self.breaks[-1].append(set(self.assigned))
        return node, False

    def _type_continue(self, node: Continue) -> tuple[Stmt, bool]:
        if not self.breaks:
            refuse(node, "continue inside a loop", "continue outside one", "use return")
        return node, False

    def _type_evaluate(self, node: Evaluate) -> tuple[Stmt, bool]:
        call = self.expression(node.call)
        function = FUNCTIONS.get(node.call.function)
        if (
            not isinstance(call, Call)
            or (function is None and call.type)
            or (function is not None and not function.effect)
        ):
            refuse(node, "a call with an effect", "one that only gives a value", "assign it, or drop it")
        return Evaluate(call, at=node.at), True


def _breaks(node: Stmt) -> bool:
    """Tell whether a statement breaks the loop that it stands in."""
    if isinstance(node, If):
        return any(_breaks(one) for one in (*node.then, *node.other))
    return isinstance(node, Break)


def _has_effect(node: Stmt) -> bool:
    """Tell whether a statement writes an array or meets other lanes."""
    for one in walk(node):
        if (isinstance(one, Assign) and isinstance(one.target, Index)) or isinstance(one, Evaluate):
            return True
        if isinstance(one, Call) and one.function in FUNCTIONS and FUNCTIONS[one.function].effect:
            return True
    return False
