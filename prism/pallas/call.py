"""One kernel call, free of JAX's own data structures: the grid, the blocks, the memory, and what runs in parallel."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass
from typing import Literal

from prism.pallas.dtypes import DType
from prism.pallas.errors import UNKNOWN_SITE, KernelSite
from prism.pallas.kernel import Kernel

DimKind = Literal["blocked", "element", "squeezed"]


@dataclass(frozen=True, slots=True)
class BlockDim:
    """One dimension of a block: how its index counts, its extent, and the padding that the call asks for."""

    kind: DimKind
    size: int
    padding: tuple[int, int] = (0, 0)


@dataclass(frozen=True, slots=True)
class Block:
    """How one operand is cut into blocks.

    `index_map` is a kernel from the grid indices and the prefetched references to one block index a dimension, and
    `site` its place; `space` is the name of the memory space.
    """

    name: str
    shape: tuple[int, ...]
    dtype: DType
    dims: tuple[BlockDim, ...]
    index_map: Kernel
    space: str
    site: KernelSite = UNKNOWN_SITE

    @property
    def sizes(self) -> tuple[int, ...]:
        """Extents of the block in the array, squeezed dimensions included."""
        return tuple(dim.size for dim in self.dims)

    @property
    def squeezed(self) -> tuple[bool, ...]:
        """Which dimensions the kernel does not see."""
        return tuple(dim.kind == "squeezed" for dim in self.dims)

    @property
    def ref_shape(self) -> tuple[int, ...]:
        """The shape that the kernel sees."""
        return tuple(dim.size for dim in self.dims if dim.kind != "squeezed")

    @property
    def padding(self) -> tuple[tuple[int, int], ...]:
        """Elements added before and after the array, so that every block is whole."""
        result = []
        for extent, dim in zip(self.shape, self.dims, strict=True):
            low, high = dim.padding
            extent = extent + low + high
            result.append((low, high + (-extent % dim.size if dim.size else 0)))
        return tuple(result)

    @property
    def has_padding(self) -> bool:
        """Whether the array is larger in memory than for its owner."""
        return any(low or high for low, high in self.padding)

    @property
    def padded_shape(self) -> tuple[int, ...]:
        """Extents of the array in memory."""
        return tuple(n + low + high for n, (low, high) in zip(self.shape, self.padding, strict=True))

    @property
    def interior(self) -> tuple[slice, ...]:
        """Where the array lies in its padded form."""
        return tuple(slice(low, low + n) for n, (low, _) in zip(self.shape, self.padding, strict=True))

    @property
    def whole(self) -> bool:
        """Whether one block is the whole array."""
        return self.ref_shape == self.shape


@dataclass(frozen=True, slots=True)
class Memory:
    """A scratch operand: its name, shape, and element type; semaphores count in int32."""

    name: str
    shape: tuple[int, ...]
    dtype: DType
    semaphore: bool


@dataclass(frozen=True, slots=True)
class Call:
    """A `pallas_call` as the interpreter sees it.

    Operands come as `dynamic grid bounds, prefetched, inputs`; the kernel's references as
    `prefetched, inputs, outputs, scratch`. A grid extent of None is dynamic. `aliases` are pairs of a position among
    prefetched and inputs, and of an output. `parallel` says of each grid axis whether its steps may run in any order;
    `vmapped` axes are not seen by `program_id`. `axis_names` names grid axes. `synchronises` says that waits decide
    what is a race: steps which may run in any order run at the same time and may wait for one another, as cores and GPU
    threads do, or a copy may be used before it has been waited for.
    """

    name: str
    kernel: Kernel
    grid: tuple[int | None, ...]
    prefetched: tuple[Memory, ...]
    inputs: tuple[Block, ...]
    outputs: tuple[Block, ...]
    scratch: tuple[Memory, ...]
    aliases: tuple[tuple[int, int], ...]
    parallel: tuple[bool, ...]
    vmapped: tuple[int, ...]
    axis_names: tuple[Hashable, ...]
    shares_aliases: bool
    synchronises: bool = False

    @property
    def visible_axes(self) -> tuple[int, ...]:
        """Grid axes in the numbering of `program_id`."""
        return tuple(axis for axis in range(len(self.grid)) if axis not in self.vmapped)

    @property
    def dynamic_bounds(self) -> int:
        """How many grid extents are operands."""
        return sum(extent is None for extent in self.grid)
