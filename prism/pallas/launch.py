"""One run of a kernel over its grid: memory is laid out, every step gets its windows, and the outcome is judged."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from prism.pallas import analysis, debug, grid
from prism.pallas.arrays import Output, arrays_of, grid_and_arrays
from prism.pallas.call import Block, Call
from prism.pallas.dtypes import Array, Numeric
from prism.pallas.errors import UNKNOWN_SITE, KernelSite, SemaphoreError, UninitializedReadError
from prism.pallas.flights import Flights
from prism.pallas.lanes import Lanes
from prism.pallas.machine import Machine, step_at
from prism.pallas.memory import Ref
from prism.pallas.params import InterpretParams
from prism.pallas.races import Watch, watch_of

Step = tuple[int, ...]
_NONE = np.empty((0, 0), np.int64)
Body = Callable[[list[Ref], debug.Environment], object]


@dataclass(slots=True)
class Operand:
    """One blocked operand in memory: the padded array, its shadows, and which blocks were visited."""

    block: Block
    data: Array
    written: Array | None
    watch: Watch | None
    output: bool
    visited: Array

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
            watch=None if self.watch is None else self.watch[view],
            padding=not self.output,
            origin=tuple(
                (start - low, gone)
                for start, gone, (low, _) in zip(starts, self.block.squeezed, self.block.padding, strict=True)
            ),
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
        return [operand.data[operand.block.interior] for operand in self.outputs]


def prepare(call: Call, args: Sequence[Numeric], params: InterpretParams, *, filler: int = 0) -> Launch:
    """Lay out memory for a call; arrays are copied only if the kernel may write them or they need padding."""
    cells, given = grid_and_arrays(call, args)
    machine = Machine(call.name, params, cells, (0,) * len(cells), parallel=call.parallel, filler=filler)
    everything = arrays_of(call, [True] * len(given), [True] * len(call.outputs))
    operands, results = everything.begin(given, machine)
    prefetched = [Ref(m.name, a, machine) for m, a in zip(call.prefetched, operands, strict=False)]
    inputs = [_input(block, a) for block, a in zip(call.inputs, operands[len(prefetched) :], strict=True)]
    outputs = [_output(call, o, a, machine) for o, a in zip(everything.outputs, results, strict=True)]
    for position, k in call.aliases:
        # One memory has one watch, whichever of its two names a kernel uses.
        source = position - len(prefetched)
        if source >= 0 and inputs[source].data.shape == outputs[k].data.shape:
            inputs[source].watch = outputs[k].watch
    scratch = [debug.scratch(memory, memory.name, machine) for memory in call.scratch]
    return Launch(call, cells, machine, prefetched, inputs, outputs, scratch)


def _input(block: Block, data: Array) -> Operand:
    written = None
    if block.has_padding:
        written = np.zeros(data.shape, np.bool_)
        written[block.interior] = True
    return Operand(block, data, written, None, False, _NONE)


def _output(call: Call, output: Output, data: Array, machine: Machine) -> Operand:
    block, written = output.block, None
    if output.source is None:
        written = np.ones(data.shape, np.bool_)
        written[block.interior] = False
    parallel = any(p and axis not in call.vmapped for axis, p in enumerate(call.parallel))
    watched = (parallel or call.synchronises) and machine.params.races != "off"
    if not block.whole:
        machine.maps[block.name] = block.site
    return Operand(block, data, written, watch_of(data.shape) if watched else None, True, _NONE)


def steps(call: Call, cells: Step, order: str) -> Iterator[int]:
    """Yield every step's row-major number; only axes declared parallel may be reordered."""
    axes = [np.arange(n) for n in cells]
    generator = np.random.default_rng(0)
    for axis, parallel in enumerate(call.parallel):
        if parallel and order == "reversed":
            axes[axis] = axes[axis][::-1]
        if parallel and order == "shuffled":
            axes[axis] = generator.permutation(axes[axis])
    numbers = np.arange(int(np.prod(cells, dtype=np.int64))).reshape(cells)
    yield from numbers[np.ix_(*axes)].reshape(-1).tolist() if cells else (0,)


@dataclass(frozen=True, slots=True)
class Schedule:
    """The steps of a run: their numbers in `order` of execution, each step's `position` in it, and its `lane`."""

    order: Array
    position: Array
    lane: Array


def schedule(call: Call, cells: Step, order: str) -> Schedule:
    """Return the steps of a grid in an order of the parameters."""
    numbers = np.fromiter(steps(call, cells, order), np.int64)
    position = np.empty_like(numbers)
    position[numbers] = np.arange(len(numbers))
    return Schedule(numbers, position, grid.lanes(call, cells))


def run_steps(launch: Launch, body: Body, env: debug.Environment) -> None:
    """Run every grid step on fresh windows."""
    call, machine, cells = launch.call, launch.machine, launch.grid
    env.extents = tuple(cells[axis] for axis in call.visible_axes)
    tables = [grid.bounded(t, cells, machine) for t in grid.tabulate(call, cells, launch.prefetched, _unwatched(env))]
    planned = schedule(call, cells, machine.params.grid_order)
    for operand, table in zip(launch.operands, tables, strict=True):
        if operand.output:
            visit = grid.visits(table, planned.lane, planned.position)
            grid.report_return(table, visit, cells, machine)
            operand.visited = visit.blocks

    def run(number: int, scratch: Sequence[Ref], env: debug.Environment) -> None:
        machine.step, machine.number = step_at(cells, number), number
        env.indices = tuple(machine.step[axis] for axis in call.visible_axes)
        windows = [
            operand.window(machine, tuple(table.starts[number].tolist()))
            for operand, table in zip(launch.operands, tables, strict=True)
        ]
        body([*launch.prefetched, *windows, *scratch], env)
        machine.end_step()

    if call.synchronises:
        flights = Flights(machine.params.dma, machine.params.seed)
        machine.lanes = Lanes(machine, planned.lane, flights)
        machine.lanes.run(planned.order.tolist(), lambda numbers: _run_lane(launch, numbers, run, replace(env)))
        _report_left(flights, machine)
        return
    for number in planned.order.tolist():
        run(number, launch.scratch, env)


def _report_left(flights: Flights, machine: Machine) -> None:
    """Report a semaphore that still counts something after the last step, if copies may be late."""
    left = flights.left() if flights.late else None
    if left is not None:
        machine.site, machine.step = left.site, ()
        what = f"{left.count} bytes, of this copy or of later ones" if left.copies else f"{left.count}"
        raise machine.problem(
            SemaphoreError,
            f"{left.name} still counts {what} when its life ends: nobody waited for them",
            left.name,
            (),
            (),
            remedy="wait for every copy that is started, and as often as a semaphore is signalled",
        )


def _run_lane(
    launch: Launch,
    numbers: Sequence[int],
    run: Callable[[int, Sequence[Ref], debug.Environment], None],
    env: debug.Environment,
) -> None:
    """Run the steps of one core or thread, which has scratch memory of its own."""
    kernel = launch.call.kernel
    names = [memory.name for memory in launch.call.scratch]
    variables = kernel.ins[len(kernel.ins) - len(names) :]
    scratch = [debug.own_scratch(v, name, launch.machine) for v, name in zip(variables, names, strict=True)]
    for number in numbers:
        run(number, scratch, env)


def _unwatched(env: debug.Environment) -> debug.Environment:
    return replace(env, watch=None)


def judge_outputs(launch: Launch) -> UninitializedReadError | None:
    """Return a report if an output has an element that no step wrote."""
    for operand in launch.outputs:
        if operand.written is None or operand.written.all():
            continue
        block, machine = operand.block, launch.machine
        element = tuple(int(k) for k in np.argwhere(~operand.written[block.interior])[0])
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
        for starts in operand.visited.tolist()
    )
    if not visited:
        return False, block.site
    position = len(launch.prefetched) + len(launch.inputs) + launch.outputs.index(operand)
    kernel = launch.call.kernel
    store = analysis.last_store(kernel, kernel.ins[position])
    site = UNKNOWN_SITE if store is None else store.site
    return True, kernel.site if site is UNKNOWN_SITE else site
