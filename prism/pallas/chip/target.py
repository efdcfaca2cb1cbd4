"""What a call says to the compiler of a device, read once: the lowering, its parameters, memory spaces, buffers."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from prism.pallas.call import Block, Call
from prism.pallas.chip.table import Chip
from prism.pallas.control import Scope
from prism.pallas.dtypes import DType, Numeric, Parameters, bit_width
from prism.pallas.kernel import Kernel, Var

Lowering = Literal["tpu", "triton", "mosaic_gpu"]
LANES, SUBLANES = 128, 8


@dataclass(frozen=True, slots=True)
class Window:
    """One blocked operand: where its block lies, whether it is the whole array in every step, and its buffers.

    `lookahead`: the call asks for more than a buffer a step; `mixed`: blocks and elements count its dimensions.
    """

    space: str
    trivial: bool
    buffers: int
    lookahead: bool
    mixed: bool


@dataclass(frozen=True, slots=True)
class Target:
    """What the compiler is told. `semantics` is None if the call declares none; 0 says that a limit is not given."""

    lowering: Lowering
    mesh: bool
    semantics: tuple[str, ...] | None
    windows: tuple[Window, ...]
    vmem_limit: int
    stages: int
    warps: int


def target_of(call: Call, parameters: Parameters, chip: Chip) -> Target:
    """Return what a call, and the parameters of its `pallas_call` equation, say to the compiler of a chip."""
    compiler, mapping = parameters["compiler_params"], parameters["grid_mapping"]
    lowering = _lowering(type(compiler).__module__, chip)
    declared = getattr(compiler, "dimension_semantics", None)
    return Target(
        lowering,
        parameters.get("mesh") is not None,
        None if declared is None else tuple(str(getattr(kind, "value", kind)) for kind in declared),
        tuple(
            _window(block, given.has_trivial_window(), given.pipeline_mode, lowering)
            for block, given in zip((*call.inputs, *call.outputs), mapping.block_mappings, strict=True)
        ),
        int(getattr(compiler, "vmem_limit_bytes", None) or 0),
        int(getattr(compiler, "num_stages", None) or 3),
        int(getattr(compiler, "num_warps", None) or 4),
    )


def _lowering(module: str, chip: Chip) -> Lowering:
    if "triton" in module:
        return "triton"
    if "mosaic" in module:
        return "mosaic_gpu" if "mosaic_gpu" in module else "tpu"
    return "tpu" if chip.kind == "tpu" else "mosaic_gpu"


def _window(block: Block, trivial: bool, mode: Numeric, lowering: Lowering) -> Window:
    space = "" if block.space.lower() in _CHOSEN else block.space.lower()
    space = "vmem" if space == "" and lowering == "tpu" else space
    # Mosaic keeps one buffer of what never changes; all else it double-buffers unless it is told otherwise.
    buffers = 1 if trivial and space == "vmem" else int(getattr(mode, "buffer_count", 2) if mode is not None else 2)
    kinds = {dim.kind for dim in block.dims}
    return Window(space, trivial, buffers, bool(getattr(mode, "use_lookahead", False)), kinds >= {"element", "blocked"})


_CHOSEN = ("", "none", "default", "device")
"""Names of memory spaces that leave the choice to the device."""


@dataclass(frozen=True, slots=True)
class Share:
    """What one array takes of a memory: `size` bytes, padded to tiles where the memory has them, `buffers` times."""

    name: str
    kind: str
    space: str
    shape: tuple[int, ...]
    dtype: DType
    buffers: int
    size: int

    @property
    def total(self) -> int:
        """Bytes of all its buffers."""
        return self.size * self.buffers

    def __str__(self) -> str:
        shape = "x".join(map(str, self.shape)) or "scalar"
        times = f", {self.buffers} buffers" if self.buffers > 1 else ""
        return f"{self.total:>12,}  {self.name}: {self.kind}, {self.dtype}[{shape}]{times}"


def shares(call: Call, target: Target, chip: Chip) -> list[Share]:
    """Return what a call's operands, scratch and scoped allocations take of the chip's memories.

    Of scoped allocations, those that live at once where they take the most. What the compiler itself needs, such as
    spilled registers, is not in it.
    """
    windows = (Window("smem", True, 1, lookahead=False, mixed=False),) * len(call.prefetched) + target.windows
    kinds = ["prefetched"] * len(call.prefetched) + ["input block"] * len(call.inputs)
    kinds += ["output block"] * len(call.outputs)
    operands = (*call.prefetched, *call.inputs, *call.outputs)
    found = [
        _share(operand.name, kind, window.space, var, window.buffers, chip)
        for operand, kind, window, var in zip(operands, kinds, windows, call.kernel.ins, strict=False)
    ]
    held = call.kernel.ins[len(operands) :]
    scratch = [(memory.name, var) for memory, var in zip(call.scratch, held, strict=True) if not var.semaphore]
    found += [_share(name, "scratch", var.memory, var, 1, chip) for name, var in scratch]
    return [*found, *_scoped(call.kernel, chip)]


def _scoped(kernel: Kernel, chip: Chip) -> list[Share]:
    """Return the allocations of `run_scoped` that live at once and take the most VMEM, or else the most of all."""
    most: list[Share] = []
    for equation in kernel.equations:
        mine: list[Share] = []
        for inner in equation.inner:
            found = _scoped(inner.kernel, chip)
            mine = max(mine, found, key=_weight)
        if isinstance(equation.control, Scope):
            inner = equation.inner[0]
            fresh: tuple[Var, ...] = inner.kernel.ins[len(inner.operands) :]
            site = f"{equation.site.function}:{equation.site.line}"
            allocated = [(f"{site} #{k}", var) for k, var in enumerate(fresh) if not var.semaphore]
            mine = [*(_share(name, "scoped", var.memory, var, 1, chip) for name, var in allocated), *mine]
        most = max(most, mine, key=_weight)
    return most


def _weight(found: list[Share]) -> tuple[int, int]:
    return taken(found, "vmem"), sum(share.total for share in found)


def taken(found: list[Share], space: str) -> int:
    """Return the bytes that shares take of a memory."""
    return sum(share.total for share in found if share.space == space)


def _share(name: str, kind: str, space: str, var: Var, buffers: int, chip: Chip) -> Share:
    tiled = space == "vmem" and chip.kind == "tpu"
    bits = math.prod(var.shape) * _bits(var.dtype)
    size = padded_bytes(var.shape, var.dtype, chip.generation) if tiled else -(-bits // 8)
    return Share(name, kind, space, var.shape, var.dtype, buffers, size)


def padded_bytes(shape: tuple[int, ...], dtype: DType, generation: int) -> int:
    """Return the bytes that an array takes of VMEM, whose last two dimensions are padded to tiles.

    By `infer_tiling` of JAX's tpu_info.py: 128 lanes, and the fewest sublanes, doubling up to 8, that hold the rows;
    elements of fewer than 32 bits share a sublane. For example bfloat16[3, 100] takes 4 x 128 elements, 1024 bytes.
    """
    bits = _bits(dtype)
    packing = max(32 // bits, 1)
    if not shape:
        return 4
    least = (2 if generation < 4 else 1) * packing
    if len(shape) == 1:
        return _up(shape[0], least * LANES) * bits // 8
    rows = least
    while rows < min(shape[-2], SUBLANES):
        rows *= 2
    return math.prod(shape[:-2]) * _up(shape[-2], rows) * _up(shape[-1], LANES) * bits // 8


def _up(n: int, step: int) -> int:
    return -(-n // step) * step


def _bits(dtype: DType) -> int:
    # Mosaic holds a bool in 32 bits.
    return 32 if dtype.kind == "b" else bit_width(dtype)
