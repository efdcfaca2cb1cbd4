"""THE table of what the compilers of devices refuse in a kernel, with the place in JAX, or of the device, that says so.

A rule yields what it finds in words; `lowered` rules stand in JAX's own lowering and are tested against it, the others
in the compiler of the device, which is not here. What the lowering refuses and no row names, `lowering.refused` tells.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from prism.pallas.chip import lowering, tpu, triton
from prism.pallas.chip.findings import Finding, Found, Subject
from prism.pallas.chip.target import Lowering


@dataclass(frozen=True, slots=True)
class Rule:
    """One row: its name, the lowerings that it is of, what says so, and what looks for it."""

    name: str
    lowerings: tuple[Lowering, ...]
    cite: str
    find: Callable[[Subject], Found]
    lowered: bool = True


def _dialect(subject: Subject) -> Found:
    """Find compiler parameters of another kind of device."""
    device, asked = subject.chip.kind, subject.target.lowering
    if (asked == "tpu") != (device == "tpu"):
        yield Finding(
            subject.call.kernel.site,
            f"the call has compiler parameters of {asked}, and {subject.chip.name} is a {device.upper()}",
            "choose the compiler parameters by the device, or leave them out",
        )


_BLOCKS_CITE = "jax/_src/pallas/mosaic/lowering.py, _check_block_mappings"
_WINDOWS_CITE = "jax/_src/pallas/mosaic/lowering.py, lower_jaxpr_into_pipelined_module"
_TRITON_CITE = "jax/_src/pallas/triton/lowering.py, lower_jaxpr_to_triton_module"

RULES: tuple[Rule, ...] = (
    Rule("dialect", ("tpu", "triton", "mosaic_gpu"), "jax/_src/pallas/pallas_call.py, _pallas_call_lowering", _dialect),
    Rule("block-rank", ("tpu",), _BLOCKS_CITE, tpu.rank),
    Rule("main-memory-block", ("tpu",), _BLOCKS_CITE, tpu.main_memory),
    Rule("block-tile", ("tpu",), _BLOCKS_CITE, tpu.tile),
    Rule("block-line", ("tpu",), _BLOCKS_CITE, tpu.line),
    Rule("no-grid", ("tpu",), _WINDOWS_CITE, tpu.no_grid),
    Rule("element-mix", ("tpu",), _WINDOWS_CITE, tpu.mixed),
    Rule("buffers", ("tpu",), _WINDOWS_CITE, tpu.buffers),
    Rule("semantics", ("tpu",), "jax/_src/pallas/mosaic/lowering.py, MosaicGridMapping", tpu.semantics),
    Rule("primitive", ("tpu", "triton"), "jax/_src/pallas/*/lowering.py, the tables of rules", lowering.primitives),
    Rule("access", ("tpu",), "jax/_src/pallas/mosaic/lowering.py, load and store rules", tpu.scalar_memory),
    Rule("wide", ("tpu",), "jax/_src/pallas/mosaic/lowering.py, convert_element_type", tpu.wide, lowered=False),
    Rule(
        "vmem",
        ("tpu",),
        "libtpu: 'exceeded scoped vmem limit'; CompilerParams.vmem_limit_bytes",
        tpu.vmem,
        lowered=False,
    ),
    Rule("smem", ("tpu",), "jax/_src/pallas/mosaic/tpu_info.py, smem_capacity_bytes", tpu.smem, lowered=False),
    Rule("triton-grid", ("triton",), _TRITON_CITE, triton.grid),
    Rule("triton-memory", ("triton",), _TRITON_CITE, triton.memory),
    Rule("power-of-two", ("triton",), "jax/_src/pallas/triton/lowering.py, _check_tensor_size", triton.power_of_two),
    Rule("warps", ("triton",), "Triton: num_warps must be a power of two", triton.warps, lowered=False),
    Rule("shared-memory", ("triton",), "CUDA: shared memory a block, opt-in", triton.shared_memory, lowered=False),
)
"""Every rule, in the order in which findings are told."""
