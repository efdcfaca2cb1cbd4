"""One lane of a kernel as plain Python: its own function, on values of the element types [KERNELS-9].

The function is compiled again from its syntax with one change: what an assignment or a conditional expression gives
is converted to the type that inference found, so that a variable never holds Python's unbounded numbers.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Mapping
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import dataclass, field
from types import FunctionType
from typing import Any, Final

import numpy as np

from prism.errors import Location, UsageError
from prism.kernels.schema.arithmetic import dtype
from prism.kernels.schema.language import BUILTINS, LANE
from prism.kernels.schema.records import Conditional, For, Kernel, Let, walk
from prism.kernels.schema.source import Definition
from prism.kernels.schema.types import BOOL
from prism.kernels.schema.values import TYPES, Value, of

Dim = tuple[int, int, int]


class LaneArray:
    """An array as a lane sees it: elements are values, indices are checked, strides are those of its shape."""

    def __init__(self, array: np.ndarray, element: str) -> None:
        self.array, self.element = array, element
        self.shape = tuple(TYPES["u32"](size) for size in array.shape)

    def _index(self, index: Any) -> tuple[int, ...]:
        found = tuple(int(one) for one in (index if isinstance(index, tuple) else (index,)))
        if not all(0 <= one < size for one, size in zip(found, self.array.shape, strict=True)):
            raise IndexError(f"an index must lie inside its array, got {found} for shape {self.array.shape}")
        return found

    def __getitem__(self, index: Any) -> Value:
        return of(self.element, self.array[self._index(index)])

    def __setitem__(self, index: Any, value: Any) -> None:
        converted = value if isinstance(value, Value) and value.element == self.element else TYPES[self.element](value)
        self.array[self._index(index)] = converted.raw


@dataclass(frozen=True, slots=True)
class OneLane:
    """The place of one lane in a launch."""

    lane: int
    grid: Dim
    block: Dim
    _shared: list[LaneArray] = field(default_factory=list)

    def position(self, name: str, axis: int | None) -> int:
        """Return an id or a size; without an axis that of lanes in a row, x fastest."""
        per_block = int(np.prod(self.block))
        block, local = divmod(self.lane, per_block)
        locals_, blocks = _along(local, self.block), _along(block, self.grid)
        if name == "get_global_id":
            return self.lane if axis is None else blocks[axis] * self.block[axis] + locals_[axis]
        sizes = {"get_local_id": (local, locals_), "get_block_id": (block, blocks)}
        sizes |= {"get_block_size": (per_block, self.block), "get_grid_size": (int(np.prod(self.grid)), self.grid)}
        whole, each = sizes[name]
        return whole if axis is None else each[axis]

    def shared(self, element: str, shape: tuple[int, ...]) -> LaneArray:
        """Return a fresh shared array of zeros."""
        self._shared.append(LaneArray(np.zeros(shape, dtype(element)), element))
        return self._shared[-1]

    def together(self, name: str, value: Any) -> Any:
        """Return what a block of one lane gives; UsageError for a larger block."""
        if np.prod(self.block) != 1:
            raise UsageError(f"{name}() meets the other lanes of its block; run one lane with a block of one lane")
        return value


def _along(index: int, sizes: Dim) -> Dim:
    return index % sizes[0], index // sizes[0] % sizes[1], index // (sizes[0] * sizes[1])


@contextmanager
def running(lane: OneLane) -> Any:
    """Let intrinsics speak of a lane."""
    token = LANE.set(lane)
    try:
        yield
    finally:
        LANE.reset(token)


def _cast(element: str, value: Any) -> Any:
    if isinstance(value, Value) and value.element == element:
        return value
    return bool(value) if element == BOOL else TYPES[element](value)


_CAST: Final = "__prism_cast__"


class _Converting(ast.NodeTransformer):
    """Wraps what is assigned to a name, and conditional expressions, in conversions to their types."""

    def __init__(self, definition: Definition, kernel: Kernel) -> None:
        self.definition = definition
        nodes = list(walk(*kernel.body))
        self.types = {one.name: one.type for one in nodes if isinstance(one, Let)}
        self.types |= {one.var: self.types.get(one.var) or one.type for one in nodes if isinstance(one, For)}
        self.types |= {one.name: one.element for one in kernel.params if not one.rank}
        self.conditionals = {_key(one.at): one.type for one in nodes if isinstance(one, Conditional) and one.at}

    def _wrapped(self, element: str | None, value: ast.expr) -> ast.expr:
        if element is None:
            return value
        return ast.Call(ast.Name(_CAST, ast.Load()), [ast.Constant(element), value], [])

    def visit_Assign(self, node: ast.Assign) -> ast.AST:
        self.generic_visit(node)
        if isinstance(node.targets[0], ast.Name):
            node.value = self._wrapped(self.types.get(node.targets[0].id), node.value)
        return node

    def visit_AnnAssign(self, node: ast.AnnAssign) -> ast.AST:
        self.generic_visit(node)
        assert isinstance(node.target, ast.Name)
        assert node.value is not None
        return ast.Assign([node.target], self._wrapped(self.types.get(node.target.id), node.value))

    def visit_AugAssign(self, node: ast.AugAssign) -> ast.AST:
        self.generic_visit(node)
        if not isinstance(node.target, ast.Name):
            return node
        value = ast.BinOp(ast.Name(node.target.id, ast.Load()), node.op, node.value)
        return ast.Assign([node.target], self._wrapped(self.types.get(node.target.id), value))

    def visit_For(self, node: ast.For) -> ast.AST:
        self.generic_visit(node)
        assert isinstance(node.target, ast.Name)
        name = node.target.id
        value = self._wrapped(self.types.get(name), ast.Name(name, ast.Load()))
        node.body.insert(0, ast.Assign([ast.Name(name, ast.Store())], value))
        return node

    def visit_IfExp(self, node: ast.IfExp) -> ast.AST:
        element = self.conditionals.get(_key(self.definition.text.at(node)))
        self.generic_visit(node)
        return self._wrapped(element, node)


def _key(at: Location) -> tuple[int, int]:
    return at.line, at.column


def converting(definition: Definition, kernel: Kernel, names: Mapping[str, Any]) -> Callable[..., Any]:
    """Return a kernel's function with its variables kept in their types; `names` are those of its module."""
    function = _Converting(definition, kernel).visit(_copy(definition.node))
    module = ast.fix_missing_locations(ast.Module([function], []))
    scope: dict[str, Any] = {**names, **BUILTINS, _CAST: _cast}
    exec(compile(module, definition.text.file, "exec"), scope)  # the author's own function, called on purpose
    return scope[definition.name]


def _copy(node: ast.FunctionDef) -> ast.FunctionDef:
    copied = deepcopy(node)
    copied.decorator_list, copied.returns = [], None
    for one in copied.args.args:
        one.annotation = None
    return copied


def names_of(function: FunctionType) -> dict[str, Any]:
    """Return the names that a live function sees outside itself."""
    cells = function.__closure__ or ()
    closed = {name: cell.cell_contents for name, cell in zip(function.__code__.co_freevars, cells, strict=True)}
    return {**function.__globals__, **closed}


def run_lane(call: Callable[..., Any], kernel: Kernel, lane: OneLane, given: Mapping[str, Any]) -> None:
    """Run one lane on NumPy arrays and numbers by parameter name; arrays are written in place."""
    arguments = [
        LaneArray(given[one.name], one.element) if one.rank else TYPES[one.element](given[one.name])
        for one in kernel.params
    ]
    with running(lane), np.errstate(all="ignore"):
        call(*arguments)


def call_inline(call: Callable[..., Any], kernel: Kernel, given: Mapping[str, Any]) -> Any:
    """Run an inline kernel within a lane that runs already; its result has the type that it says."""
    arguments = [given[one.name] if one.rank else _cast(one.element, given[one.name]) for one in kernel.params]
    found = call(*arguments)
    return found if kernel.returns is None else _cast(kernel.returns, found)
