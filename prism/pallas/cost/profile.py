"""The profile of a function's kernels: what they did and moved, as a table, and the least time that a chip allows."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from prism.pallas import debug, grid
from prism.pallas.cache import Prepared
from prism.pallas.chip.table import Chip
from prism.pallas.chip.target import Share, shares, taken, target_of
from prism.pallas.cost import plot
from prism.pallas.cost.operations import Operations, Runs, operations_of
from prism.pallas.cost.traffic import Traffic, traffic_of
from prism.pallas.dtypes import Array, Numeric, bit_width
from prism.pallas.errors import KernelSite
from prism.pallas.launch import Launch, prepare, run_steps, schedule
from prism.pallas.params import InterpretParams


@dataclass(frozen=True, slots=True)
class KernelProfile:
    """What one call cost. Sizes are bytes, times are seconds; `cores` is how many of the chip's cores it may use.

    `hbm_bytes` is all that went in or out of main memory: by the grid's pipeline, by prefetching, and by copies.
    """

    name: str
    site: KernelSite
    grid: tuple[int, ...]
    operations: Operations
    traffic: tuple[Traffic, ...]
    prefetched: int
    shares: tuple[Share, ...]
    vmem_limit: int
    chip: Chip
    cores: int

    @property
    def steps(self) -> int:
        """Grid steps."""
        return math.prod(self.grid)

    @property
    def flops(self) -> int:
        """Operations on floats, and of dots of integers."""
        return self.operations.flops

    @property
    def hbm_bytes(self) -> int:
        """Bytes in and out of main memory."""
        copied = sum(size for pair, size in self.operations.copied.items() if "hbm" in pair)
        return sum(one.bytes for one in self.traffic) + self.prefetched + copied

    @property
    def intensity(self) -> float:
        """Operations for each byte of main memory; infinite if none is moved."""
        return self.flops / self.hbm_bytes if self.hbm_bytes else math.inf

    @property
    def compute_s(self) -> float:
        """The time of all operations at the chip's peak rates; those outside of dots are taken at bfloat16's."""
        others = self.operations.arithmetic + self.operations.functions
        times = [count / _rate(self.chip, dtype) for dtype, count in self.operations.dots.items()]
        return (sum(times) + others / self.chip.bf16_ops) / self.cores

    @property
    def memory_s(self) -> float:
        """The time of main memory's bytes at the chip's bandwidth."""
        return self.hbm_bytes / self.chip.bandwidth / self.cores

    @property
    def roofline_s(self) -> float:
        """The least time that the chip allows: arithmetic and moving overlap at best."""
        return max(self.compute_s, self.memory_s)

    @property
    def vmem_high_water(self) -> int:
        """Bytes of vector memory that are held at once, as legality counts them."""
        return taken(list(self.shares), "vmem")

    def __str__(self) -> str:
        return "\n".join(_lines(self))


def _rate(chip: Chip, dtype: str) -> int:
    """Return the peak rate of dots of a type; wider floats run in passes of bfloat16, of which one is counted."""
    narrow = chip.fp8_ops if dtype.startswith("float8") else chip.int8_ops if "int" in dtype else 0
    return narrow or chip.bf16_ops


def _lines(one: KernelProfile) -> Iterator[str]:
    work, chip = one.operations, one.chip
    dots = "".join(f", dots of {dtype} {count:,}" for dtype, count in sorted(work.dots.items()))
    bound = "arithmetic" if one.compute_s > one.memory_s else "main memory"
    yield f"kernel {one.name} of {one.site}, grid {one.grid}, {one.steps:,} steps, on {chip.name}"
    yield f"  operations   {one.flops:,}{dots}, arithmetic {work.arithmetic:,}, functions {work.functions:,}"
    yield f"  main memory  {one.hbm_bytes:,} bytes, {one.intensity:.3g} operations a byte"
    yield f"  roofline     {one.roofline_s * 1e6:.3g} us, bound by {bound} (arithmetic {one.compute_s * 1e6:.3g} us)"
    if chip.kind == "tpu":
        yield f"  VMEM         {one.vmem_high_water:,} of {one.vmem_limit:,} bytes at once"
    for memory, size in sorted(work.accessed.items()):
        yield f"  accessed     {size:,} bytes of {memory}"
    for (source, target), size in sorted(work.copied.items()):
        yield f"  copied       {size:,} bytes from {source} to {target}"
    width = max((len(t.name) for t in one.traffic), default=0)
    yield f"  {'operand':<{max(width, 7)}}  {'block':<16} {'moved':>9} {'again':>9} {'bytes':>16}"
    for t in one.traffic:
        way = "out" if t.output else "in"
        shape = f"{'x'.join(map(str, t.block)) or 'scalar'} {way}"
        yield f"  {t.name:<{max(width, 7)}}  {shape:<16} {t.fetches:>9,} {t.refetches:>9,} {t.bytes:>16,}"


@dataclass(frozen=True, slots=True)
class Profile:
    """The profiles of all kernels that a function called, in order; `str` is the table."""

    kernels: tuple[KernelProfile, ...]

    def __str__(self) -> str:
        return "\n\n".join(map(str, self.kernels))

    @property
    def roofline_s(self) -> float:
        """The least time of all kernels, one after the other."""
        return sum(one.roofline_s for one in self.kernels)

    def plot(self, path: str | Path) -> Path:
        """Draw the kernels under the chip's roofline, and what each moves, into a file; the extra `bench` draws."""
        points = [
            plot.Point(one.name, one.intensity, one.flops / one.roofline_s if one.roofline_s else 0.0,
                       {t.name: t.bytes for t in one.traffic if t.bytes})
            for one in self.kernels
        ]  # fmt: skip
        chip = self.kernels[0].chip
        cores = max(one.cores for one in self.kernels)
        return plot.draw(points, plot.Roof(chip.name, chip.bandwidth * cores, chip.bf16_ops * cores), Path(path))


def measure(
    prepared: Prepared, args: Sequence[Numeric], params: InterpretParams, chip: Chip
) -> tuple[KernelProfile, list[Array]]:
    """Run a call once in debug mode and count; returns its profile and its outputs.

    Cost: debug mode's, some 10 us an equation and step.
    """
    call, runs = prepared.call, Runs()
    with np.errstate(all="ignore"):
        launch = prepare(call, args, params)
        env = debug.Environment(launch.machine, axes={name: k for k, name in enumerate(call.axis_names)}, ready=runs)
        traffic = _traffic(launch, prepared, chip)
        run_steps(launch, lambda refs, env: debug.evaluate(call.kernel, refs, env), env)
    target = target_of(call, prepared.parameters, chip)
    held = shares(call, target, chip)
    limit = min(target.vmem_limit or chip.scoped_vmem, chip.vmem)
    sizes = (math.prod(memory.shape) * bit_width(memory.dtype) // 8 for memory in call.prefetched)
    cores = chip.cores if any(call.parallel) else 1
    counted = operations_of(runs, call.kernel)
    done = KernelProfile(
        call.name, call.kernel.site, launch.grid, counted, traffic, sum(sizes), tuple(held), limit, chip, cores
    )
    return done, launch.results()


def _traffic(launch: Launch, prepared: Prepared, chip: Chip) -> tuple[Traffic, ...]:
    call, cells = launch.call, launch.grid
    extents = tuple(cells[axis] for axis in call.visible_axes)
    env = debug.Environment(launch.machine, extents)
    tables = [grid.bounded(t, cells, launch.machine) for t in grid.tabulate(call, cells, launch.prefetched, env)]
    order = schedule(call, cells, "sequential").order.tolist()
    windows = target_of(call, prepared.parameters, chip).windows
    return tuple(
        traffic_of(table, order, window.space, output=number >= len(call.inputs))
        for number, (table, window) in enumerate(zip(tables, windows, strict=True))
    )
