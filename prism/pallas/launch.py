"""One run of a kernel over its grid: memory is laid out, every step gets its windows, and the outcome is judged."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from prism.errors import UsageError
from prism.pallas import compat, debug, structure
from prism.pallas.call import Block, Call, Memory
from prism.pallas.errors import KernelSite, OutOfBoundsError, RaceError, RaceWarning, UninitializedReadError
from prism.pallas.memory import Machine, Ref
from prism.pallas.params import InterpretParams

Array = np.ndarray[Any, np.dtype[Any]]
Step = tuple[int, ...]
Body = Callable[[list[Ref], debug.Environment], object]


@dataclass(slots=True)
class Operand:
    """One blocked operand in memory: the padded array, its shadows, and where its blocks were visited last."""

    block: Block
    data: Array
    written: Array | None
    writer: Array | None
    output: bool
    visits: dict[Step, int]

    def window(self, machine: Machine, starts: Step) -> Ref:
        """Return the reference to the block that starts at element `starts`."""
        picks = tuple(
            start if gone else slice(start, start + size)
            for start, size, gone in zip(starts, self.block.sizes, self.block.squeezed, strict=True)
        )
        view = (*picks, ...)
        return Ref(
            self.block.name,
            self.data[view],
            machine,
            written=None if self.written is None else self.written[view],
            writer=None if self.writer is None else self.writer[view],
        )


@dataclass(slots=True)
class Launch:
    """A call with its memory; `grid` is concrete."""

    call: Call
    grid: Step
    machine: Machine
    prefetched: list[Ref]
    inputs: list[Operand]
    outputs: list[Operand]
    scratch: list[Ref]

    @property
    def operands(self) -> list[Operand]:
        """The blocked operands in the kernel's order."""
        return [*self.inputs, *self.outputs]

    def results(self) -> list[Array]:
        """Return the outputs without their padding."""
        return [_unpadded(operand.data, operand.block) for operand in self.outputs]


def prepare(call: Call, args: Sequence[Any], params: InterpretParams, *, poison_flip: bool = False) -> Launch:
    """Lay out memory for a call; arrays are copied only if the kernel may write them or they need padding."""
    arrays = [np.asarray(a) for a in args]
    bounds, arrays = arrays[: call.dynamic_bounds], arrays[call.dynamic_bounds :]
    extents = iter(int(b) for b in bounds)
    grid = tuple(next(extents) if n is None else n for n in call.grid)
    machine = Machine(call.name, params, grid, (0,) * len(grid), parallel=call.parallel, poison_flip=poison_flip)
    count = len(call.prefetched)
    prefetched = [Ref(m.name, np.array(a), machine) for m, a in zip(call.prefetched, arrays[:count], strict=True)]
    inputs = [_input(block, a, machine) for block, a in zip(call.inputs, arrays[count:], strict=True)]
    sources = {out: position for position, out in call.aliases}
    outputs = [
        _output(call, block, machine, sources.get(k), prefetched, inputs) for k, block in enumerate(call.outputs)
    ]
    scratch = [_scratch(memory, machine) for memory in call.scratch]
    return Launch(call, grid, machine, prefetched, inputs, outputs, scratch)


def _padded(array: Array, block: Block, machine: Machine) -> Array:
    """Return a writable copy with poison around it."""
    if not any(low or high for low, high in block.padding):
        return np.array(array)
    shape = tuple(n + low + high for n, (low, high) in zip(array.shape, block.padding, strict=True))
    out = np.full(shape, machine.poison(array.dtype), array.dtype)
    out[_interior(block)] = array
    return out


def _interior(block: Block) -> tuple[slice, ...]:
    return tuple(slice(low, low + n) for n, (low, _) in zip(block.shape, block.padding, strict=True))


def _unpadded(array: Array, block: Block) -> Array:
    return array[_interior(block)]


def _input(block: Block, array: Array, machine: Machine) -> Operand:
    return Operand(block, _padded(array, block, machine), None, None, False, {})


def _output(
    call: Call, block: Block, machine: Machine, source: int | None, prefetched: list[Ref], inputs: list[Operand]
) -> Operand:
    parallel = any(p and axis not in call.vmapped for axis, p in enumerate(call.parallel))
    if source is not None:
        given = prefetched[source].data if source < len(prefetched) else None
        origin = None if given is not None else inputs[source - len(prefetched)]
        shared = origin is not None and origin.block.whole and block.whole and _in_place(call, origin.block)
        data = given if given is not None else origin.data if origin is not None else np.empty(0)
        data = data if shared else _padded(_unpadded(data, origin.block if origin else block), block, machine)
        written = None
    else:
        empty = np.empty(block.shape, block.dtype)
        data = _padded(empty, block, machine)
        data.fill(machine.poison(block.dtype))
        written = np.ones(data.shape, np.bool_)
        written[_interior(block)] = False
    writer = np.full(data.shape, -1, np.int64) if parallel and machine.params.races != "off" else None
    return Operand(block, data, written, writer, True, {})


def _in_place(call: Call, block: Block) -> bool:
    """Whether an aliased pair is one memory: always on a GPU, on a TPU where the kernel sees main memory itself."""
    return call.shares_aliases or any(name in block.space.lower() for name in ("any", "hbm"))


def _scratch(memory: Memory, machine: Machine) -> Ref:
    if memory.semaphore:
        return Ref(memory.name, np.zeros(memory.shape, memory.dtype), machine)
    data = np.full(memory.shape, machine.poison(memory.dtype), memory.dtype)
    return Ref(memory.name, data, machine, written=np.zeros(memory.shape, np.bool_))


def steps(call: Call, grid: Step, order: str) -> Iterator[Step]:
    """Yield the grid indices of every step; only axes declared parallel may be reordered."""
    axes = [np.arange(n) for n in grid]
    generator = np.random.default_rng(0)
    for axis, parallel in enumerate(call.parallel):
        if parallel and order == "reversed":
            axes[axis] = axes[axis][::-1]
        if parallel and order == "shuffled":
            axes[axis] = generator.permutation(axes[axis])
    yield from itertools.product(*([int(k) for k in axis] for axis in axes))


def run_steps(launch: Launch, body: Body, env: debug.Environment) -> None:
    """Run every grid step on fresh windows."""
    call, machine = launch.call, launch.machine
    env.extents = tuple(launch.grid[axis] for axis in call.visible_axes)
    starts_of = [_index_map(operand.block, env) for operand in launch.operands]
    strides = [math.prod(launch.grid[axis + 1 :]) for axis in range(len(launch.grid))]
    for position, step in enumerate(steps(call, launch.grid, machine.params.grid_order)):
        machine.step = step
        machine.number = sum(k * stride for k, stride in zip(step, strides, strict=True))
        env.indices = tuple(step[axis] for axis in call.visible_axes)
        windows = []
        for operand, starts_at in zip(launch.operands, starts_of, strict=True):
            starts = _checked_starts(operand, starts_at(step, launch.prefetched), machine)
            if operand.output:
                _note_visit(operand, starts, position, launch)
            windows.append(operand.window(machine, starts))
        body([*launch.prefetched, *windows, *launch.scratch], env)


def _index_map(block: Block, env: debug.Environment) -> Callable[[Step, list[Ref]], Step]:
    jaxpr, consts = compat.open_jaxpr(block.index_map)

    def starts_at(step: Step, prefetched: list[Ref]) -> Step:
        watch, env.watch = env.watch, None
        indices = debug.evaluate(jaxpr, consts, [*(np.int32(k) for k in step), *prefetched], env)
        env.watch = watch
        return tuple(
            int(k) * dim.size if dim.kind == "blocked" else int(k) for k, dim in zip(indices, block.dims, strict=True)
        )

    return starts_at


def _checked_starts(operand: Operand, starts: Step, machine: Machine) -> Step:
    limits = tuple(n - size for n, size in zip(operand.data.shape, operand.block.sizes, strict=True))
    if all(0 <= start <= limit for start, limit in zip(starts, limits, strict=True)):
        return starts
    if machine.params.out_of_bounds == "clamp":
        return tuple(min(max(start, 0), limit) for start, limit in zip(starts, limits, strict=True))
    block = operand.block
    machine.site = compat.function_site(block.index_map)
    index = tuple(s // d.size if d.kind == "blocked" else s for s, d in zip(starts, block.dims, strict=True))
    raise machine.problem(
        OutOfBoundsError,
        f"the index map of {block.name} chooses block {index}, which starts at element {starts}, "
        f"outside of the array of shape {block.shape}",
        block.name,
        index,
        block.shape,
        remedy=f"blocks of {block.sizes} fit {_block_counts(block)} times; correct the index map or the grid",
    )


def _block_counts(block: Block) -> Step:
    return tuple(-(-n // size) if size else 0 for n, size in zip(block.shape, block.sizes, strict=True))


def _note_visit(operand: Operand, starts: Step, position: int, launch: Launch) -> None:
    """Report a block that is opened again after other blocks were: its contents are lost on a pipelined device."""
    machine, call = launch.machine, launch.call
    last = operand.visits.get(starts)
    operand.visits[starts] = position
    if last is None or last == position - 1 or machine.params.races == "off" or operand.block.whole:
        return
    earlier = _step_at(launch, last)
    if all(call.parallel) or machine.concurrent(earlier):
        return  # Steps that may run together are judged by the elements that they write.
    machine.site = compat.function_site(operand.block.index_map)
    error = machine.problem(
        RaceError,
        f"grid step {machine.step} returns to the block of {operand.block.name} at element {starts}, which step "
        f"{earlier} left: a pipelined device has written it back and may lose one of the two results",
        operand.block.name,
        starts,
        operand.block.shape,
        remedy="let the grid axes that revisit an output block be the innermost ones",
    )
    error.other_step = earlier
    if machine.params.races == "warn":
        import warnings

        warnings.warn(RaceWarning(str(error)), stacklevel=2)
        return
    raise error


def _step_at(launch: Launch, position: int) -> Step:
    return next(itertools.islice(steps(launch.call, launch.grid, launch.machine.params.grid_order), position, None))


def judge_outputs(launch: Launch) -> UninitializedReadError | None:
    """Return a report if an output has an element that no step wrote."""
    for operand in launch.outputs:
        if operand.written is None or operand.written.all():
            continue
        block, machine = operand.block, launch.machine
        element = tuple(int(k) for k in np.argwhere(~_unpadded(operand.written, block))[0])
        visited, site = _blame(launch, operand, element)
        machine.site = site
        machine.step = ()
        why = "no grid step visits its block" if not visited else "the kernel does not store to it"
        return machine.problem(
            UninitializedReadError,
            f"element {element} of the output {block.name} is never written: {why}",
            block.name,
            element,
            block.shape,
            remedy="cover the whole output by blocks and stores, or alias it to an initialised input",
        )
    return None


def _blame(launch: Launch, operand: Operand, element: Step) -> tuple[bool, KernelSite]:
    """Return whether any step visited the element's block, and the line that should have covered it."""
    block = operand.block
    low = tuple(pad[0] for pad in block.padding)
    visited = any(
        all(s <= e + p < s + n for s, e, p, n in zip(starts, element, low, block.sizes, strict=True))
        for starts in operand.visits
    )
    if not visited:
        return False, compat.function_site(block.index_map)
    position = len(launch.prefetched) + len(launch.inputs) + launch.outputs.index(operand)
    kernel, _ = compat.open_jaxpr(launch.call.jaxpr)
    store = structure.last_store(kernel, kernel.invars[position])
    return True, compat.function_site(kernel) if store is None else compat.site_of(store)


def require_arity(call: Call, args: Sequence[Any]) -> None:
    """Refuse a call with the wrong number of operands."""
    wanted = call.dynamic_bounds + len(call.prefetched) + len(call.inputs)
    if len(args) != wanted:
        raise UsageError(f"kernel {call.name} takes {wanted} operands, got {len(args)}")
