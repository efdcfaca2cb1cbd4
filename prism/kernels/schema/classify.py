"""What a kernel does to its arrays, from the data flow of its body and never from a name [KERNELS-12].

One pass over the records says of each variable what its value comes from: the lane, elements, a loop's count, sums of
products; the stores then decide the kind.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields, replace
from enum import Enum
from typing import Final

from prism.kernels.schema.operations import FUNCTIONS
from prism.kernels.schema.records import (
    Assign,
    BinaryOp,
    Call,
    Expr,
    For,
    If,
    Index,
    Kernel,
    Let,
    Node,
    Return,
    Shared,
    Stmt,
    Var,
    While,
    walk,
)
from prism.kernels.schema.types import ELEMENTS


class Kind(Enum):
    """What a kernel is; the value is the word of reports."""

    ELEMENT_WISE = "element-wise"
    REDUCTION = "reduction"
    MATRIX = "matrix"
    GENERAL = "general"


@dataclass(frozen=True, slots=True)
class Classification:
    """What a kernel is.

    reads, writes: its arrays, in the order of its parameters. guard: the scalar that a lane's id must be below for the
    lane to do anything, or "". value: what an element-wise kernel stores, if that is one value. op: the operation of a
    reduction: add, min, max or mul.
    """

    kind: Kind
    reads: tuple[str, ...]
    writes: tuple[str, ...]
    guard: str = ""
    value: Expr | None = None
    op: str = ""


_FOLDS: Final = {"block_sum": "add", "block_min": "min", "block_max": "max", "block_product": "mul"}
_FOLDS_OF_ATOMICS: Final = {"atomic_add": "add", "atomic_min": "min", "atomic_max": "max"}
_LANE_IDS: Final = frozenset({"get_global_id", "get_local_id"})


def classify(kernel: Kernel) -> Classification:
    """Return what a typed kernel is. Cost: a few passes over its records."""
    return _Flow(kernel).classification()


class _Flow:
    """The data flow of one kernel.

    ids: variables that are the lane's global id. lanes: those that depend on a lane's id. loaded: those that depend on
    an element. looped: those that a loop assigns.
    """

    def __init__(self, kernel: Kernel) -> None:
        self.kernel = kernel
        self.nodes = list(walk(*kernel.body))
        self.arrays = [one.name for one in kernel.params if one.rank]
        self.ranks = {one.name: one.rank for one in kernel.params}
        self.ranks |= {one.name: len(one.shape) for one in self.nodes if isinstance(one, Shared)}
        self.values: dict[str, list[Expr]] = {}
        for one in self.nodes:
            if isinstance(one, Let):
                self.values.setdefault(one.name, []).append(one.value)
            elif isinstance(one, Assign) and isinstance(one.target, Var):
                self.values.setdefault(one.target.name, []).append(one.value)
            elif isinstance(one, For):
                self.values.setdefault(one.var, []).extend((one.start, one.stop))
        self.counts = {one.var for one in self.nodes if isinstance(one, For)}
        self.ids = {name for name, given in self.values.items() if len(given) == 1 and _is_id(given[0])}
        self.lanes = self._closure(lambda one: isinstance(one, Call) and one.function in _LANE_IDS)
        self.loaded = self._closure(lambda one: isinstance(one, Index))
        self.looped = {name for one in self.nodes if isinstance(one, For | While) for name in _assigned(one.body)}
        self.stores = [one.target for one in self.nodes if isinstance(one, Assign) and isinstance(one.target, Index)]
        self.atomics = [one for one in self.nodes if isinstance(one, Call) and one.function.startswith("atomic_")]

    def _closure(self, starts: Callable[[Node], bool]) -> set[str]:
        """Return the variables whose values come, over any number of assignments, from nodes of a sort."""
        found: set[str] = set()
        while True:
            more = {
                name for name, given in self.values.items() if any(self._comes(one, starts, found) for one in given)
            }
            if more <= found:
                return found
            found |= more

    def _comes(self, node: Expr, starts: Callable[[Node], bool], known: set[str]) -> bool:
        return any(starts(one) or (isinstance(one, Var) and one.name in known) for one in walk(node))

    def _depends(self, node: Expr, known: set[str], *, ids: bool = False) -> bool:
        return any(
            (isinstance(one, Var) and one.name in known)
            or (ids and isinstance(one, Call) and one.function in _LANE_IDS)
            for one in walk(node)
        )

    def classification(self) -> Classification:
        """Return what the kernel is."""
        stored = {one.array for one in self.stores}
        stored |= {place.array for one in self.atomics if isinstance(place := one.args[0], Index)}
        used = {one.array for one in self.nodes if isinstance(one, Index)}
        read = {one.array for one in self._loads()} | {
            place.array for one in self.atomics if isinstance(place := one.args[0], Index)
        }
        reads = tuple(name for name in self.arrays if name in read & used)
        writes = tuple(name for name in self.arrays if name in stored)
        guard = self._guard()
        passes_arrays = any(isinstance(one, Var) and one.name in self.arrays for one in self.nodes)
        if passes_arrays or not writes:
            return Classification(Kind.GENERAL, reads, writes, guard)
        if self._element_wise():
            return Classification(Kind.ELEMENT_WISE, reads, writes, guard, self._value())
        if self._matrix():
            return Classification(Kind.MATRIX, reads, writes, guard)
        op = self._reduction()
        return Classification(Kind.REDUCTION if op else Kind.GENERAL, reads, writes, guard, op=op)

    def _loads(self) -> Iterator[Index]:
        """Yield the elements that are read, those that are only stored to apart."""
        stored = [id(one) for one in self.stores]
        yield from (one for one in self.nodes if isinstance(one, Index) and id(one) not in stored)

    def _element_wise(self) -> bool:
        """Tell whether each lane only reads and writes the elements of its own id."""
        apart = any(isinstance(one, Shared) or (isinstance(one, Call) and _has_effect(one)) for one in self.nodes)
        elements = [one for one in self.nodes if isinstance(one, Index)]
        own = all(len(one.indices) == 1 and self._is_own(one.indices[0]) for one in elements)
        return not apart and own and bool(self.stores)

    def _is_own(self, node: Expr) -> bool:
        return _is_id(node) or (isinstance(node, Var) and node.name in self.ids)

    def _value(self) -> Expr | None:
        """Return the one value that is stored, variables that are assigned once put in; None if there is no such."""
        assigns = [one for one in self.nodes if isinstance(one, Assign) and isinstance(one.target, Index)]
        branches = [one for one in self.nodes if isinstance(one, If | For | While)]
        if len(assigns) != 1 or any(not self._is_guard(one) for one in branches):
            return None
        return self._expanded(assigns[0].value, 0)

    def _expanded(self, node: Expr, depth: int) -> Expr | None:
        if isinstance(node, Var) and node.name in self.values and node.name not in self.ids:
            given = self.values[node.name]
            return self._expanded(given[0], depth + 1) if len(given) == 1 and depth < 20 else None
        changed = {}
        for one in fields(node):
            value = getattr(node, one.name)
            if isinstance(value, Node) and not isinstance(node, Index):
                changed[one.name] = self._expanded(value, depth)  # type: ignore[arg-type]
            elif isinstance(value, tuple) and not isinstance(node, Index):
                changed[one.name] = tuple(self._expanded(item, depth) for item in value)
        if any(one is None or (isinstance(one, tuple) and None in one) for one in changed.values()):
            return None
        return replace(node, **changed) if changed else node

    def _is_guard(self, node: Node) -> bool:
        return isinstance(node, If) and not node.other and bool(self._bound(node.condition))

    def _bound(self, node: Expr) -> str:
        """Return the scalar n of a condition `id < n`, or ""."""
        if isinstance(node, BinaryOp) and node.op in ("lt", "gt"):
            left, right = (node.left, node.right) if node.op == "lt" else (node.right, node.left)
            scalar = isinstance(right, Var) and right.name in self.ranks and right.name not in self.values
            if self._is_own(left) and scalar and isinstance(right, Var):
                return right.name
        return ""

    def _guard(self) -> str:
        """Return the scalar below which a lane's id must be for it to do anything: one `if` holds every effect."""
        effects: tuple[Stmt, ...] = tuple(one for one in self.kernel.body if not isinstance(one, Let | Return))
        plain = all(
            not any(isinstance(one, Index) for one in walk(let)) for let in self.kernel.body if isinstance(let, Let)
        )
        if plain and len(effects) == 1 and isinstance(effects[0], If) and not effects[0].other:
            return self._bound(effects[0].condition)
        return ""

    def _matrix(self) -> bool:
        """Tell whether a store's value adds, turn by turn, products of two elements, one of them a matrix's."""
        sums = {
            name for name in self.looped if any(self._adds_products(name, one) for one in self.values.get(name, []))
        }
        stored = [one for one in self.nodes if isinstance(one, Assign) and isinstance(one.target, Index)]
        return any(
            self._depends(one.value, sums) and isinstance(one.target, Index) and self._depends_on_lane(one.target)
            for one in stored
            if isinstance(one.target, Index) and one.target.array in self.arrays
        )

    def _depends_on_lane(self, place: Index) -> bool:
        return any(self._depends(one, self.lanes, ids=True) for one in place.indices)

    def _adds_products(self, name: str, value: Expr) -> bool:
        if not (isinstance(value, BinaryOp) and value.op == "add") and not isinstance(value, Call):
            return False
        if not any(isinstance(one, Var) and one.name == name for one in walk(value)):
            return False
        products = [one for one in walk(value) if isinstance(one, BinaryOp) and one.op == "mul"]
        products += [one for one in walk(value) if isinstance(one, Call) and one.function == "fma"]
        for one in products:
            pair = (one.left, one.right) if isinstance(one, BinaryOp) else one.args[:2]
            loads = [load for side in pair for load in self._elements(side)]
            if len({load.array for load in loads}) >= 2 and any(self._in_matrix(load) for load in loads):
                return True
        return False

    def _elements(self, node: Expr) -> list[Index]:
        """Return the elements in a value, those included that a variable assigned once keeps."""
        kept = [self.values.get(one.name, []) for one in walk(node) if isinstance(one, Var)]
        values = [node, *(given[0] for given in kept if len(given) == 1)]
        return [one for value in values for one in walk(value) if isinstance(one, Index)]

    def _in_matrix(self, load: Index) -> bool:
        """Tell whether an element is a matrix's: by two indices, or by one that is computed from a row and a length."""
        if self.ranks.get(load.array, 1) >= 2:
            return True
        return any(isinstance(one, BinaryOp) and one.op == "mul" for index in load.indices for one in walk(index))

    def _reduction(self) -> str:
        """Return the operation by which elements become fewer, or "": no store is at a place of the lane's own."""
        if any(isinstance(one, Shared) for one in self.nodes):
            return ""
        places = [*self.stores, *(one.args[0] for one in self.atomics)]
        if any(not isinstance(one, Index) or self._depends_on_place(one) for one in places):
            return ""
        for one in self.nodes:
            if isinstance(one, Call) and one.function in _FOLDS:
                return _FOLDS[one.function]
            if isinstance(one, Call) and one.function in _FOLDS_OF_ATOMICS and self._has_element(one.args[1]):
                return _FOLDS_OF_ATOMICS[one.function]
        for name in sorted(self.looped):
            for value in self.values.get(name, []):
                op = self._folds(name, value)
                if op and any(self._depends(one.value, {name}) for one in self.nodes if isinstance(one, Assign)):
                    return op
        return ""

    def _depends_on_place(self, place: Index) -> bool:
        """Tell whether an index comes from a lane's id or from an element, and so may be any lane's own."""
        return any(
            self._depends(one, self.lanes | self.loaded, ids=True) or any(isinstance(n, Index) for n in walk(one))
            for one in place.indices
        )

    def _has_element(self, node: Expr) -> bool:
        return any(isinstance(one, Index) for one in walk(node)) or self._depends(node, self.loaded)

    def _folds(self, name: str, value: Expr) -> str:
        """Return the operation of `name = name op f(element)`, or ""."""
        if isinstance(value, BinaryOp) and value.op in ("add", "mul"):
            op, sides = value.op, (value.left, value.right)
        elif isinstance(value, Call) and value.function in ("min", "max"):
            op, sides = value.function, (value.args[0], value.args[1])
        else:
            return ""
        for kept, other in (sides, sides[::-1]):
            if isinstance(kept, Var) and kept.name == name and self._has_element(other):
                return op
        return ""


def _is_id(node: Expr) -> bool:
    """Tell whether an expression is the lane's global id, converted or not."""
    if isinstance(node, Call) and node.function in ELEMENTS and len(node.args) == 1:
        return node.function in ("u32", "u64", "i64", "i32") and _is_id(node.args[0])
    return isinstance(node, Call) and node.function == "get_global_id" and not node.args


def _has_effect(node: Call) -> bool:
    return node.function in FUNCTIONS and FUNCTIONS[node.function].effect


def _assigned(body: tuple[Stmt, ...]) -> set[str]:
    return {one.target.name for one in walk(*body) if isinstance(one, Assign) and isinstance(one.target, Var)} | {
        one.name for one in walk(*body) if isinstance(one, Let)
    }
