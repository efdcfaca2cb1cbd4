"""Expressions: the distinct nodes of SymPy expressions, and names for those that occur more than once."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any, Final

from prism.errors import PrismError, UsageError

try:
    import sympy
except ImportError as error:
    raise PrismError(
        "cse of expressions must find SymPy, but it is not installed; install prism-vm[bench], or pass a jaxpr"
    ) from error

from sympy.concrete.expr_with_limits import ExprWithLimits
from sympy.core.function import AppliedUndef, Derivative, Function, Subs
from sympy.core.relational import Relational
from sympy.matrices.expressions.matexpr import MatrixElement

Pairs = list[tuple[sympy.Symbol, sympy.Basic]]

# What binds a name, or is an operand by more than its value, stays whole: a part of it means nothing outside.
_WHOLE: Final = (
    *(Derivative, Subs, sympy.Lambda, sympy.Limit, sympy.Order, sympy.Poly, MatrixElement, sympy.MatrixSymbol),
    *(ExprWithLimits, sympy.Set, sympy.Indexed, sympy.RootOf, sympy.RootSum),
)
# A name for these would be no shorter.
_NAMES: Final = (sympy.MatrixSymbol, MatrixElement)
# Nodes that are their class and their operands.
_PLAIN: Final = (sympy.Basic._hashable_content, sympy.Expr._hashable_content)
_Make = Callable[[Any, list[Any]], Any]


def named(exprs: Any, prefix: str) -> tuple[Pairs, list[Any]]:
    """Return the replacements and the reduced expressions of `prism.sharing.cse.cse` [CSE-2]."""
    given = list(_listed(exprs))
    with _uncollected():
        return _reduced(given, prefix)


@contextmanager
def _uncollected() -> Iterator[None]:
    """Pause the collection of garbage: there is none here, and it would walk all nodes of the caller over and over."""
    is_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if is_on:
            gc.enable()


def _reduced(given: list[Any], prefix: str) -> tuple[Pairs, list[Any]]:
    roots = [entry for one in given for entry in (one.flat() if _is_matrix(one) else [one])]
    graph = _Graph()
    numbers = [graph.add(root) for root in roots]
    for number in numbers:
        graph.uses[number] += 1
    replacements, became = graph.reduced(prefix)
    reduced, at = [], 0
    for one in given:
        size = one.rows * one.cols if _is_matrix(one) else 1
        entries = [became[number] for number in numbers[at : at + size]]
        reduced.append(type(one)(one.rows, one.cols, entries) if _is_matrix(one) else entries[0])
        at += size
    return replacements, reduced


def _listed(exprs: Any) -> Iterator[Any]:
    """Yield the expressions and matrices that were given."""
    several = isinstance(exprs, Iterable) and not isinstance(exprs, sympy.Basic | sympy.MatrixBase | str | bytes)
    for one in exprs if several else [exprs]:
        if isinstance(one, int | float | complex):
            yield sympy.sympify(one)
        elif isinstance(one, sympy.Basic) or _is_matrix(one):
            yield one
        else:
            raise UsageError(
                f"cse takes SymPy expressions, matrices of them or a jaxpr, got {type(one).__name__}; convert it first"
            )


def _is_matrix(one: Any) -> bool:
    return isinstance(one, sympy.MatrixBase)


class _Graph:
    """Distinct nodes by number, operands before those that use them.

    nodes: one node of each kind; operands: the numbers of its operands; uses: how often it is one.
    """

    def __init__(self) -> None:
        self.nodes: list[sympy.Basic] = []
        self.operands: list[tuple[int, ...]] = []
        self.uses: list[int] = []
        self._by_key: dict[Any, int] = {}
        # By identity: asking SymPy whether two nodes are equal walks through both.
        self._by_identity: dict[int, int] = {}
        self._alive: list[sympy.Basic] = []
        self._is_whole: dict[type, bool] = {}

    def add(self, root: Any) -> int:
        """Intern an expression and all below it, at any depth; returns its number."""
        seen, stack, whole = self._by_identity, [root], self._is_whole
        while stack:
            node = stack[-1]
            if id(node) in seen:
                stack.pop()
                continue
            kind = type(node)
            is_whole = whole[kind] if kind in whole else self._whole(kind)
            args = () if is_whole else node.args
            waiting = len(stack)
            operands: list[int] = []
            for arg in args:
                number = seen.get(id(arg))
                if number is None:
                    stack.append(arg)
                else:
                    operands.append(number)
            if len(stack) > waiting:
                stack[waiting:] = stack[: waiting - 1 : -1]
                continue
            stack.pop()
            seen[id(node)] = self._intern(node, kind, tuple(operands))
            # An identity stands for a node only as long as the node lives.
            self._alive.append(node)
        return seen[id(root)]

    def _intern(self, node: Any, kind: type, operands: tuple[int, ...]) -> int:
        # A node without operands is a key by itself: an atom, or what stays whole.
        key = (kind, *operands) if operands else (kind, None, node)
        number = self._by_key.setdefault(key, len(self.nodes))
        if number == len(self.nodes):
            self.nodes.append(node)
            self.operands.append(operands)
            self.uses.append(0)
            for operand in operands:
                self.uses[operand] += 1
        return number

    def _whole(self, kind: type) -> bool:
        self._is_whole[kind] = issubclass(kind, _WHOLE) or kind._hashable_content not in _PLAIN
        return self._is_whole[kind]

    def reduced(self, prefix: str) -> tuple[Pairs, list[sympy.Basic]]:
        """Return the replacements, and by number what each node became."""
        names = self._names(prefix)
        replacements: Pairs = []
        became = list(self.nodes)
        changed = bytearray(len(became))
        kinds: dict[type, tuple[bool, _Make]] = {}
        for number, (node, operands, uses) in enumerate(zip(self.nodes, self.operands, self.uses, strict=True)):
            if not operands and not (uses > 1 and node.args):
                continue
            kind = type(node)
            if kind not in kinds:
                is_named = issubclass(kind, sympy.Expr | sympy.logic.boolalg.Boolean) and not issubclass(kind, _NAMES)
                kinds[kind] = is_named, _maker(kind)
            is_named, make = kinds[kind]
            for operand in operands:
                if changed[operand]:
                    became[number] = make(node, [became[operand] for operand in operands])
                    changed[number] = 1
                    break
            if uses > 1 and is_named:
                name = _name(next(names), node)
                replacements.append((name, became[number]))
                became[number], changed[number] = name, 1
        return replacements, became

    def _names(self, prefix: str) -> Iterator[str]:
        """Yield `prefix` + 0, 1 and on, without the names that the expressions use."""
        taken: set[str] = set()
        for node, operands in zip(self.nodes, self.operands, strict=True):
            if not operands:
                taken.update(
                    str(one) for one in (node.atoms(sympy.Symbol, sympy.MatrixSymbol) if node.args else {node})
                )
        number = 0
        while True:
            if f"{prefix}{number}" not in taken:
                yield f"{prefix}{number}"
            number += 1


def _name(name: str, node: sympy.Basic) -> sympy.Symbol:
    """Return the symbol that stands for a node: one of its shape, and one that commutes if it does."""
    if getattr(node, "is_Matrix", False):
        return sympy.MatrixSymbol(name, *node.shape)  # pyright: ignore[reportReturnType, reportAttributeAccessIssue]
    return sympy.Symbol(name) if node.is_commutative is not False else sympy.Symbol(name, commutative=False)


def _maker(kind: type) -> _Make:
    """Return how a node of a class is made again over other operands, as far as can be without evaluating it."""
    if kind in (sympy.Add, sympy.Mul, sympy.Pow):
        return _plain
    if issubclass(kind, Function) and not issubclass(kind, AppliedUndef):
        return _applied if kind.__new__ is Function.__new__ else lambda _, args: kind(*args, evaluate=False)
    if issubclass(kind, Relational):
        return lambda _, args: kind(*args, evaluate=False)
    return lambda node, args: node.func(*args)


def _plain(node: Any, args: list[Any]) -> Any:
    made = sympy.Expr.__new__(type(node), *args)
    made.is_commutative = node.is_commutative
    return made


def _applied(node: Any, args: list[Any]) -> Any:
    made = sympy.Expr.__new__(type(node), *args)
    made.nargs = node.nargs
    return made
