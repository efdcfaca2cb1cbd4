"""Calls of kernels: arguments bound to parameters, types and shapes taken from them, arrays written in place."""

from __future__ import annotations

import ast
from collections.abc import Mapping
from math import prod
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from prism.errors import UsageError
from prism.kernels.schema.lane import LaneArray
from prism.kernels.schema.source import Definition
from prism.kernels.schema.types import ELEMENTS, promote
from prism.kernels.schema.values import Value

if TYPE_CHECKING:
    from prism.kernels.api import Kernel, Size
    from prism.kernels.isa.program import Program
    from prism.kernels.schema.records import Kernel as Records

BLOCK: Final = 256
"""The most lanes of a block where a call says none."""


def arguments(definition: Definition, args: tuple[Any, ...], more: Mapping[str, Any]) -> dict[str, Any]:
    """Return arguments by parameter; UsageError unless each parameter has one."""
    names = [one.arg for one in definition.node.args.args]
    given = dict(zip(names, args, strict=False))
    twice, unknown = sorted(set(given) & set(more)), sorted(set(more) - set(names))
    missing = [one for one in names if one not in given and one not in more]
    if len(args) > len(names) or twice or unknown or missing:
        what = f"{len(args)} by position, missing {missing}, unknown {unknown}, twice {twice}"
        raise UsageError(f"{definition.name} must get each of {', '.join(names)} once, got {what}")
    return {name: given[name] if name in given else more[name] for name in names}


def element_of(value: Any) -> str | None:
    """Return the element type of an array or a number that has one."""
    if isinstance(value, Value | LaneArray):
        return value.element
    found = getattr(value, "dtype", None)
    if found is None:
        return None
    name = {"bfloat16": "bf16"}.get(str(found))
    kind = {"i": "i", "u": "u", "f": "f"}.get(np.dtype(found).kind if name is None else "")
    name = name or f"{kind}{8 * np.dtype(found).itemsize}"
    return name if name in ELEMENTS else None


def open_types(definition: Definition, given: Mapping[str, Any]) -> dict[str, str]:
    """Return what the type variables are for some arguments: the element type of the first that says one.

    UsageError if two arguments disagree.
    """
    found: dict[str, str] = {}
    variables = definition.type_variables()
    for one in definition.node.args.args:
        names = {node.id for node in ast.walk(one.annotation or one) if isinstance(node, ast.Name)} & set(variables)
        element = element_of(given[one.arg])
        for name in names:
            if element is not None and found.setdefault(name, element) != element:
                both = promote(found[name], element) if isinstance(given[one.arg], Value) else None
                if both is None:
                    raise UsageError(
                        f"{name} of {definition.name} must be one type, got {found[name]} and {element} for {one.arg}; "
                        f"convert one of the arrays"
                    )
                found[name] = both
    return found


def dim(size: Size) -> tuple[int, int, int]:
    """Return a size as three numbers; UsageError for more than three."""
    sizes = size if isinstance(size, tuple) else (size,)
    if not 1 <= len(sizes) <= 3:
        raise UsageError(f"a grid or block must have one to three sizes, got {size}; pass an int or a tuple")
    return (*(int(one) for one in sizes), 1, 1)[:3]  # type: ignore[return-value]


def launch(kernel: Kernel, executor: str, shape: tuple[Size, Size] | None, args: tuple[Any, ...], more: Any) -> Any:
    """Run a kernel on arguments; `shape` None is one lane for each element of the longest array.

    NumPy arrays are written in place and None is returned; if any array is JAX's, nothing is written and the arrays
    that the kernel writes are returned, alone or as a tuple in the order of the parameters.
    """
    given = arguments(kernel.definition, args, more)
    types = open_types(kernel.definition, given)
    program, records = kernel.program(**types), kernel.schema(**types)
    arrays = {one.name: given[one.name] for one in records.params if one.rank}
    lengths = _extents(records, arrays)
    scalars = {one.name: _number(given[one.name]) for one in records.params if not one.rank}
    scalars |= {one.name: lengths[one.name] for one in program.scalars if one.name in lengths}
    if shape is None:
        lanes = max((prod(one.shape) for one in arrays.values()), default=1)
        shape = _row(lanes)
    run = _Run(program, executor or default_executor(), (dim(shape[0]), dim(shape[1])), scalars)
    if not any(type(one).__module__.partition(".")[0] in ("jax", "jaxlib") for one in arrays.values()):
        run(arrays)
        return None
    from prism.kernels.interchange import functional

    return functional(run, program, arrays)


def default_executor() -> str:
    """Return the executor of calls that name none: compiled code on the CPU."""
    from prism.kernels.exec.table import EXECUTORS

    return "cpu" if "cpu" in EXECUTORS else next(iter(EXECUTORS))


class _Run:
    """A program with all but its arrays; calling it on NumPy arrays by name writes them."""

    def __init__(self, program: Program, executor: str, shape: tuple, scalars: Mapping[str, Any]) -> None:
        self.program, self.executor, self.shape, self.scalars = program, executor, shape, scalars

    def __call__(self, arrays: Mapping[str, Any]) -> None:
        from prism.kernels.exec.launch import Launch, Shape
        from prism.kernels.exec.table import open_executor
        from prism.kernels.isa.verify import verify

        grid, block = self.shape
        verified = verify(self.program)
        if 0 in grid:
            return
        launch = Launch(verified, Shape(grid, block), dict(arrays), dict(self.scalars))
        open_executor(self.executor).bind(launch)()


def _row(lanes: int) -> tuple[int, int]:
    """Return a grid and a block of exactly so many lanes: the largest block that divides them."""
    block = next((one for one in range(min(BLOCK, lanes), 0, -1) if lanes % one == 0), 1)
    return lanes // block, block


def _number(value: Any) -> Any:
    return value.raw if isinstance(value, Value) else value


def _extents(records: Records, arrays: Mapping[str, Any]) -> dict[str, int]:
    """Return the lengths that programs may ask for by their names; UsageError for an array of other dimensions."""
    from prism.kernels.lower.program import extent_name

    found: dict[str, int] = {}
    for one in records.params:
        if not one.rank:
            continue
        shape = getattr(arrays[one.name], "shape", None)
        if shape is None or (one.rank > 1 and len(shape) != one.rank):
            got = type(arrays[one.name]).__name__ if shape is None else f"{len(shape)}"
            raise UsageError(f"{one.name} must be an array of {one.rank} dimensions, got {got}; reshape it")
        found |= {extent_name(one.name, axis): length for axis, length in enumerate(shape) if one.rank > 1}
    return found
