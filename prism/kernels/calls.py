"""Calls of kernels: arguments bound to parameters, types and shapes taken from them, arrays written in place."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from math import prod
from typing import TYPE_CHECKING, Any, Final, Protocol

import numpy as np

from prism.errors import UsageError
from prism.kernels.runs import Dim, Run, is_jax, is_placed, is_traced
from prism.kernels.schema.lane import LaneArray
from prism.kernels.schema.source import Definition
from prism.kernels.schema.types import ELEMENTS, promote
from prism.kernels.schema.values import Value

if TYPE_CHECKING:
    from prism.kernels.exec.call import Calls
    from prism.kernels.interchange import Placed
    from prism.kernels.isa.program import Program
    from prism.kernels.schema.records import Kernel as Records

Size = int | tuple[int, ...]
"""A grid or a block: one to three sizes."""
BLOCK: Final = 256
"""The most lanes of a block where a call says none."""
PLACED: Final = 64
"""Forms of calls on JAX's arrays that a kernel remembers."""


def arguments(definition: Definition, args: tuple[Any, ...], more: Mapping[str, Any]) -> dict[str, Any]:
    """Return arguments by parameter; UsageError unless each parameter has one."""
    names = definition.parameters()
    if len(args) == len(names) and not more:
        return dict(zip(names, args, strict=True))
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
    for parameter, name in definition.open_parameters():
        element = element_of(given[parameter])
        if element is not None and found.setdefault(name, element) != element:
            both = promote(found[name], element) if isinstance(given[parameter], Value) else None
            if both is None:
                raise UsageError(
                    f"{name} of {definition.name} must be one type, got {found[name]} and {element} for {parameter}; "
                    f"convert one of the arrays"
                )
            found[name] = both
    return found


def dim(size: Size) -> tuple[int, int, int]:
    """Return a size as three numbers; UsageError for more than three."""
    sizes = size if isinstance(size, tuple) else (size,)
    if not 1 <= len(sizes) <= 3:
        raise UsageError(f"a grid or block must have one to three sizes, got {size}; pass an int or a tuple")
    x, y, z = (*(int(one) for one in sizes), 1, 1)[:3]
    return x, y, z


class Planned(Protocol):
    """What a call needs of a kernel: its definition, a plan for some types, and the calls it remembers."""

    calls: Calls
    placed: dict[Hashable, Placed]

    @property
    def definition(self) -> Definition:
        """The kernel's syntax and names."""
        ...

    def plan(self, types: Mapping[str, str]) -> Plan:
        """Return what calls for some types share."""
        ...


class Plan:
    """What calls of a kernel for some types share: all that does not depend on the arguments' values."""

    def __init__(self, program: Program, records: Records) -> None:
        from prism.kernels.isa.verify import verify
        from prism.kernels.schema.classify import classify

        self.program, self.verified, self.guard = program, verify(program), classify(records).guard
        self.arrays = {one.name: one.rank for one in records.params if one.rank}
        self.scalars = [one.name for one in records.params if not one.rank]
        self.lengths = {one.name for one in program.scalars} - set(self.scalars)

    def shape(self, given: Mapping[str, Any]) -> tuple[Dim, Dim]:
        """Return a grid and a block of one lane for each element of the longest array.

        Where the kernel's guard keeps further lanes from doing anything the last block may have such.
        """
        lanes = max((prod(given[one].shape) for one in self.arrays), default=1)
        block = min(BLOCK, max(1, lanes))
        if not (self.guard and not is_traced(given[self.guard]) and int(given[self.guard]) <= lanes):
            block = next((one for one in range(block, 0, -1) if lanes % one == 0), 1)
        return (-(-lanes // block), 1, 1), (block, 1, 1)


def launch(kernel: Planned, executor: str, shape: tuple[Size, Size] | None, args: tuple[Any, ...], more: Any) -> Any:
    """Run a kernel on arguments; `shape` None is one lane for each element of the longest array.

    NumPy arrays are written in place and None is returned; if any array is JAX's, nothing is written and the arrays
    that the kernel writes are returned, alone or as a tuple in the order of the parameters. A call that was made
    before with the same NumPy arrays and numbers is not checked again [EXEC-3].
    """
    from prism.kernels.exec.bound import CpuBound, recording
    from prism.kernels.exec.call import remember

    key = _key(executor, shape, args, more)
    if key in kernel.placed:
        return kernel.placed[key]((*args, *more.values()))
    known = None if key is None or recording else kernel.calls.get(key)
    if known is not None:
        known.run()
        return None
    given = arguments(kernel.definition, args, more)
    plan = kernel.plan(open_types(kernel.definition, given))
    lengths = _extents(plan.arrays, given)
    scalars = {one: value.raw if isinstance(value := given[one], Value) else value for one in plan.scalars}
    scalars |= {one: lengths[one] for one in plan.lengths}
    grid, block = plan.shape(given) if shape is None else (dim(shape[0]), dim(shape[1]))
    arrays = {one: given[one] for one in plan.arrays}
    if any(is_jax(one) for one in arrays.values()):
        from prism.kernels.interchange import functional, placed

        run = Run(plan.verified, executor or "xla", (grid, block), scalars)
        lie = all(map(is_placed, arrays.values())) and not any(map(is_placed, scalars.values()))
        if key is None or run.executor != "xla" or 0 in grid or not lie:
            return functional(run, arrays)
        while len(kernel.placed) >= PLACED:
            kernel.placed.pop(next(iter(kernel.placed)), None)
        kernel.placed[key] = placed(run, [*kernel.definition.parameters()[: len(args)], *more], arrays)
        return kernel.placed[key]((*args, *more.values()))
    bound = Run(plan.verified, executor or default_executor(), (grid, block), scalars).bind(arrays)
    bound()
    if key is not None and isinstance(bound, CpuBound) and not recording:
        remember(kernel.calls, key, bound, arrays.values())
    return None


def _key(executor: str, shape: Any, args: tuple[Any, ...], more: Mapping[str, Any]) -> Hashable | None:
    """Return what two calls on the same arrays and numbers have in common; None if that cannot be told cheaply."""
    found: list[Any] = [executor, shape, *more]
    for one in (*args, *more.values()):
        kind = type(one)
        if kind is np.ndarray:
            found.append((id(one), one.shape, one.dtype.num, one.flags.writeable))
        elif is_placed(one):
            found.append((one.shape, one.dtype))
        elif kind is int:
            found.append(one)
        elif kind in (float, bool) or isinstance(one, np.generic):
            found.append((kind, repr(one)))
        else:
            return None
    return tuple(found)


def default_executor() -> str:
    """Return the executor of calls that name none: compiled code on the CPU."""
    from prism.kernels.exec.table import EXECUTORS

    return "cpu" if "cpu" in EXECUTORS else next(iter(EXECUTORS))


def _extents(ranks: Mapping[str, int], given: Mapping[str, Any]) -> dict[str, int]:
    """Return the lengths that programs may ask for by their names; UsageError for an array of other dimensions."""
    from prism.kernels.lower.program import extent_name

    found: dict[str, int] = {}
    for name, rank in ranks.items():
        shape = getattr(given[name], "shape", None)
        if shape is None or (rank > 1 and len(shape) != rank):
            got = type(given[name]).__name__ if shape is None else f"{len(shape)}"
            raise UsageError(f"{name} must be an array of {rank} dimensions, got {got}; reshape it")
        found |= {extent_name(name, axis): length for axis, length in enumerate(shape) if rank > 1}
    return found
