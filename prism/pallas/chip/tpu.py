"""What Mosaic refuses for a TPU: blocks, windows, memories and accesses."""

from __future__ import annotations

from collections.abc import Iterator

from prism.pallas.access import Load, Store
from prism.pallas.chip.findings import Finding, Found, Subject
from prism.pallas.chip.target import LANES, SUBLANES, Window, shares, taken
from prism.pallas.dtypes import bit_width
from prism.pallas.errors import UNKNOWN_SITE, KernelSite
from prism.pallas.kernel import Equation, Kernel, Var


def rank(subject: Subject) -> Found:
    """Find scalars in vector or main memory, which hold arrays of at least one dimension."""
    for block, window in subject.blocks:
        if not block.dims and window.space in ("vmem", "any", "hbm"):
            yield Finding(
                block.site,
                f"{block.name} is a scalar in {window.space}, but a block of vector memory has at least one dimension",
                "give it the shape (1,) or (1, 1), or put it into SMEM by memory_space=pltpu.SMEM",
            )


def main_memory(subject: Subject) -> Found:
    """Find arrays in main memory that are cut into blocks."""
    for block, window in subject.blocks:
        if window.space in ("any", "hbm") and not window.trivial and block.dims:
            yield Finding(
                block.site,
                f"{block.name} stays in main memory ({window.space}) but is cut into blocks of shape {block.sizes}",
                "leave out the block shape and the index map, and copy the parts by pltpu.make_async_copy; or take "
                "the block into VMEM",
            )


def tile(subject: Subject) -> Found:
    """Find blocks whose last two dimensions are neither whole tiles nor the array."""
    for block, window in subject.blocks:
        if len(block.dims) < 2 or _unwindowed(window):
            continue
        for axis, tile in ((-2, SUBLANES), (-1, LANES)):
            size, extent = block.sizes[axis], block.shape[axis]
            if size != extent and size % tile:
                yield Finding(
                    block.site,
                    f"dimension {len(block.dims) + axis} of a block of {block.name} has {size} elements, which is "
                    f"neither a multiple of {tile} nor the whole {extent} of the array",
                    f"the last two dimensions of a block come in tiles of {SUBLANES} x {LANES}: "
                    f"take {_near(size, tile, extent)}, or all {extent}",
                )


def _unwindowed(window: Window) -> bool:
    """Whether a block is no matter of tiles: all of it in scalar memory, or in main memory."""
    return (window.space == "smem" and window.trivial) or window.space.startswith(("semaphore", "any", "hbm"))


def _near(size: int, tile: int, extent: int) -> int:
    return max(tile, min(-(-size // tile) * tile, extent // tile * tile))


def line(subject: Subject) -> Found:
    """Find one-dimensional blocks that do not fill whole lines of lanes."""
    for block, window in subject.blocks:
        if len(block.dims) != 1 or _unwindowed(window):
            continue
        size, extent = block.sizes[0], block.shape[0]
        bits = 32 if block.dtype.kind == "b" else bit_width(block.dtype)
        least, chunk = LANES * (32 // bits), SUBLANES * LANES
        if size != extent and size % chunk and not (size >= least and size & (size - 1) == 0):
            yield Finding(
                block.site,
                f"a block of {block.name} is a line of {size} {block.dtype}, which is neither all {extent} of the "
                f"array, nor a multiple of {chunk}, nor a power of two of at least {least}",
                f"take {max(least, 1 << (size - 1).bit_length())} elements, or make the array two-dimensional",
            )


def no_grid(subject: Subject) -> Found:
    """Find blocks that no grid chooses."""
    if not subject.call.grid:
        for block, window in subject.blocks:
            if not window.trivial and not _unwindowed(window):
                yield Finding(
                    block.site,
                    f"{block.name} is cut into blocks, but the call has no grid to choose among them",
                    "give the call a grid, or leave the block shape out",
                )


def mixed(subject: Subject) -> Found:
    """Find blocks that are counted in elements along one dimension and in blocks along another."""
    for block, window in subject.blocks:
        if window.mixed:
            yield Finding(
                block.site,
                f"{block.name} counts some dimensions of its block by pl.Element and others by blocks",
                "make every dimension pl.Element, squeezed ones excepted, or none",
            )


def buffers(subject: Subject) -> Found:
    """Find blocks with more buffers than two."""
    for block, window in subject.blocks:
        if window.lookahead or not 1 <= window.buffers <= 2:
            asked = "a lookahead" if window.lookahead else f"{window.buffers} buffers"
            yield Finding(
                block.site,
                f"{block.name} asks for {asked}, but a pallas_call has one buffer or two for a block",
                "take pl.Buffered(1) or pl.Buffered(2), or write the loop with pltpu.emit_pipeline",
            )


def semantics(subject: Subject) -> Found:
    """Find semantics that do not name each axis of the grid."""
    call, declared = subject.call, subject.target.semantics
    axes = len(call.visible_axes)
    if declared is not None and not subject.target.mesh and len(declared) != axes:
        yield Finding(
            call.kernel.site,
            f"dimension_semantics names {len(declared)} axes, but the grid has {axes}",
            'give one of "parallel" and "arbitrary" for each axis of the grid',
        )


def vmem(subject: Subject) -> Found:
    """Find kernels that vector memory does not hold, with all that lives at once and double buffers included."""
    limit = min(subject.target.vmem_limit or subject.chip.scoped_vmem, subject.chip.vmem)
    asked = "vmem_limit_bytes" if subject.target.vmem_limit else f"the default of a kernel on {subject.chip.name}"
    yield from _overfull(subject, "vmem", limit, asked, "make the blocks or the scratch smaller, or raise the limit by "
                         "pltpu.CompilerParams(vmem_limit_bytes=...)")  # fmt: skip


def smem(subject: Subject) -> Found:
    """Find kernels that scalar memory does not hold, prefetched operands included."""
    asked = f"what a core of {subject.chip.name} has"
    remedy = "keep only scalars that choose addresses in SMEM, and the rest in VMEM"
    yield from _overfull(subject, "smem", subject.chip.smem, asked, remedy)


def _overfull(subject: Subject, space: str, limit: int, asked: str, remedy: str) -> Found:
    found = [share for share in shares(subject.call, subject.target, subject.chip) if share.space == space]
    used = taken(found, space)
    if used > limit:
        table = "".join(f"\n    {share}" for share in sorted(found, key=lambda share: -share.total))
        yield Finding(
            subject.call.kernel.site,
            f"the kernel takes {used:,} bytes of {space.upper()}, and {limit:,} are {asked}:{table}",
            remedy,
        )


def scalar_memory(subject: Subject) -> Found:
    """Find loads and stores that are not of vectors in VMEM or of scalars in SMEM."""
    spaces = _spaces(subject)
    for equation, site, where in _accesses(subject.call.kernel, spaces, subject.call.kernel.site):
        access, var = equation.access, equation.ins[0]
        assert isinstance(var, Var)
        verb = "loads" if isinstance(access, Load) else "stores"
        shape = equation.outs[0].shape
        if where == "smem" and shape:
            yield Finding(
                site,
                f"the kernel {verb} an array of shape {shape} at once, but SMEM holds scalars",
                "access it element by element, or keep it in VMEM",
            )
        elif where in ("any", "hbm"):
            yield Finding(
                site,
                f"the kernel {verb} main memory ({where}) directly",
                "copy it into VMEM by pltpu.sync_copy or pltpu.make_async_copy first, or leave memory_space out",
            )
        elif where == "vmem" and not shape and isinstance(access, Store) and var.shape:
            yield Finding(
                site,
                "the kernel stores a scalar to VMEM, which takes vectors",
                "store a slice such as ref[0:1, 0:1], or keep scalars in SMEM",
            )


def _spaces(subject: Subject) -> dict[Var, str]:
    call = subject.call
    kinds = [*("smem" for _ in call.prefetched), *(window.space for _, window in subject.blocks)]
    named = dict(zip(call.kernel.ins, kinds, strict=False))
    named.update((var, var.memory) for var in call.kernel.ins[len(kinds) :])
    return named


def _accesses(kernel: Kernel, spaces: dict[Var, str], around: KernelSite) -> Iterator[tuple[Equation, KernelSite, str]]:
    """Yield every load and store with its place and the memory that it is of."""
    for equation in kernel.equations:
        site = around if equation.site is UNKNOWN_SITE else equation.site
        if isinstance(equation.access, Load | Store) and isinstance(equation.ins[0], Var):
            yield equation, site, spaces.get(equation.ins[0], equation.ins[0].memory)
        for inner in equation.inner:
            held = {mine: spaces[outer] for mine, outer in inner.pairs if isinstance(outer, Var) and outer in spaces}
            held.update((var, var.memory) for var in inner.kernel.ins[len(inner.operands) :])
            yield from _accesses(inner.kernel, held, site)


def wide(subject: Subject) -> Found:
    """Find blocks of elements of 64 bits."""
    for block, window in subject.blocks:
        if bit_width(block.dtype) == 64 and not window.space.startswith(("any", "hbm")):
            yield Finding(
                block.site,
                f"{block.name} holds {block.dtype}, but a TPU has no elements of 64 bits",
                "convert the array to 32 bits before the call",
            )
