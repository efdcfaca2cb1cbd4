"""What Pallas's lowering to Triton refuses: grids, memories, sizes that are no powers of two, shared memory."""

from __future__ import annotations

import math
from collections.abc import Iterator

from prism.pallas.access import Index, Load, Store
from prism.pallas.chip.findings import Finding, Found, Subject, located
from prism.pallas.control import Loop
from prism.pallas.dtypes import bit_width
from prism.pallas.kernel import Kernel


def grid(subject: Subject) -> Found:
    """Find grids whose extents are arrays."""
    if subject.call.dynamic_bounds:
        yield Finding(
            subject.call.kernel.site,
            "a bound of the grid is an array, but Triton's grids are fixed when the kernel is lowered",
            "launch the largest grid and leave the steps beyond the bound by pl.when",
        )


def memory(subject: Subject) -> Found:
    """Find scalar prefetch and scratch, of which there is none."""
    site = subject.call.kernel.site
    if subject.call.prefetched:
        names = ", ".join(one.name for one in subject.call.prefetched)
        yield Finding(
            site,
            f"{names} is prefetched, but Triton has no scalar prefetch",
            "pass it as an input and load it in the kernel",
        )
    if subject.call.scratch:
        names = ", ".join(one.name for one in subject.call.scratch)
        yield Finding(
            site,
            f"{names} is scratch memory, but Triton gives a kernel none",
            "carry the value through the loop, or use compiler_params=plgpu.CompilerParams() of Mosaic GPU",
        )


def power_of_two(subject: Subject) -> Found:
    """Find loads and stores of a number of elements that is no power of two."""
    for equation, site in located(subject.call.kernel, subject.call.kernel.site):
        if not isinstance(equation.access, Load | Store):
            continue
        place = equation.access.place
        shape = next((_size_of(t) for t in place.transforms if isinstance(t, Index)), equation.outs[0].shape)
        size = math.prod(shape)
        if size & (size - 1):
            verb = "loads" if isinstance(equation.access, Load) else "stores"
            yield Finding(
                site,
                f"the kernel {verb} {size} elements at once, shape {shape}, and Triton's arrays hold a power of two",
                f"take {1 << (size - 1).bit_length()} and leave those beyond the end off by a mask: plgpu.load and "
                "plgpu.store with mask=",
            )


def _size_of(index: Index) -> tuple[int, ...]:
    sizes = (getattr(item, "size", 1) for item in index.items)
    return tuple(size if isinstance(size, int) else 1 for size in sizes)


def warps(subject: Subject) -> Found:
    """Find numbers of warps that are no power of two."""
    warps = subject.target.warps
    if warps & (warps - 1):
        yield Finding(
            subject.call.kernel.site,
            f"num_warps is {warps}, and Triton lays arrays out over a power of two of warps",
            f"take {1 << (warps - 1).bit_length()} or {1 << (warps.bit_length() - 1)}",
        )


def shared_memory(subject: Subject) -> Found:
    """Find dots whose operands shared memory does not hold, one copy for each stage of the loop that loads them."""
    limit, stages = subject.chip.smem, subject.target.stages
    for kernel, looped in _bodies(subject.call.kernel, looped=False):
        loaded = {var for e in kernel.equations if isinstance(e.access, Load) for var in e.outs}
        for equation in kernel.equations:
            if equation.name != "dot_general":
                continue
            staged = [v for v in equation.variables if v in loaded]
            used = sum(math.prod(v.shape) * bit_width(v.dtype) // 8 for v in staged) * (stages if looped else 1)
            if used > limit:
                names = ", ".join(f"{v.dtype}{list(v.shape)}" for v in staged)
                yield Finding(
                    equation.site,
                    f"the operands of this dot, {names} in {stages if looped else 1} stages, take {used:,} bytes of "
                    f"shared memory, and a block of {subject.chip.name} has {limit:,}",
                    "make the blocks smaller, or num_stages",
                )


def _bodies(kernel: Kernel, *, looped: bool) -> Iterator[tuple[Kernel, bool]]:
    yield kernel, looped
    for equation in kernel.equations:
        for inner in equation.inner:
            yield from _bodies(inner.kernel, looped=looped or isinstance(equation.control, Loop))
