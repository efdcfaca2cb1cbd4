"""THE table of chips: what each one has, with the place that says so.

Every figure of a TPU is of one TensorCore, as in JAX's own table; a logical device has `cores` of them. Figures of a
GPU are of the whole device, its fast memory excepted, which is what one block may have.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

ChipKind = Literal["tpu", "gpu"]
KIB, MIB = 1024, 1024**2
_JAX = "jax/_src/pallas/mosaic/tpu_info.py"
_SCOPED_16 = f"{_JAX}; scoped limit: github.com/pytorch/xla/issues/9524"
_SCOPED_32 = f"{_JAX}; scoped limit: github.com/vllm-project/tpu-inference/pull/3194"
_SHEET = "NVIDIA {} data sheet, dense rates; shared memory: CUDA C++ Programming Guide, compute capabilities"


@dataclass(frozen=True, slots=True, kw_only=True)
class Chip:
    """One chip. Sizes are bytes, bandwidth is bytes a second, rates are operations a second; 0 says "not stated".

    `vmem` is a TPU's vector memory and `scoped_vmem` what a kernel may have of it unless it asks for more; `smem` is
    its scalar memory, or the shared memory that one block of a GPU may have. `capability` is CUDA's.
    """

    name: str
    kind: ChipKind
    device_kind: str
    cores: int = 1
    generation: int = 0
    capability: str = ""
    vmem: int = 0
    scoped_vmem: int = 0
    smem: int
    hbm: int
    bandwidth: int
    bf16_ops: int
    int8_ops: int = 0
    fp8_ops: int = 0
    source: str


_ROWS = (
    Chip(
        name="v2",
        kind="tpu",
        device_kind="TPU v2",
        generation=2,
        vmem=16 * MIB,
        scoped_vmem=16 * MIB,
        smem=16 * KIB,
        hbm=8_000_000_000,
        bandwidth=358_000_000_000,
        bf16_ops=23_000_000_000_000,
        source=_SCOPED_16,
    ),
    Chip(
        name="v3",
        kind="tpu",
        device_kind="TPU v3",
        generation=3,
        vmem=16 * MIB,
        scoped_vmem=16 * MIB,
        smem=16 * KIB,
        hbm=17_200_000_000,
        bandwidth=412_500_000_000,
        bf16_ops=70_000_000_000_000,
        source=_SCOPED_16,
    ),
    Chip(
        name="v4i",
        kind="tpu",
        device_kind="TPU v4 lite",
        generation=4,
        vmem=16 * MIB,
        scoped_vmem=16 * MIB,
        smem=MIB,
        hbm=8_590_000_000,
        bandwidth=614_000_000_000,
        bf16_ops=137_000_000_000_000,
        source=_SCOPED_16,
    ),
    Chip(
        name="v4",
        kind="tpu",
        device_kind="TPU v4",
        cores=2,
        generation=4,
        vmem=16 * MIB,
        scoped_vmem=16 * MIB,
        smem=MIB,
        hbm=17_200_000_000,
        bandwidth=615_000_000_000,
        bf16_ops=137_500_000_000_000,
        source=_SCOPED_16,
    ),
    Chip(
        name="v5e",
        kind="tpu",
        device_kind="TPU v5 lite",
        generation=5,
        vmem=128 * MIB,
        scoped_vmem=16 * MIB,
        smem=MIB,
        hbm=17_200_000_000,
        bandwidth=820_000_000_000,
        bf16_ops=197_000_000_000_000,
        int8_ops=394_000_000_000_000,
        source=_SCOPED_16,
    ),
    Chip(
        name="v5p",
        kind="tpu",
        device_kind="TPU v5p",
        cores=2,
        generation=5,
        vmem=64 * MIB,
        scoped_vmem=16 * MIB,
        smem=MIB,
        hbm=51_500_000_000,
        bandwidth=1_230_000_000_000,
        bf16_ops=229_500_000_000_000,
        int8_ops=459_000_000_000_000,
        source=_SCOPED_16,
    ),
    Chip(
        name="v6e",
        kind="tpu",
        device_kind="TPU v6 lite",
        generation=6,
        vmem=128 * MIB,
        scoped_vmem=32 * MIB,
        smem=MIB,
        hbm=34_400_000_000,
        bandwidth=1_640_000_000_000,
        bf16_ops=920_000_000_000_000,
        int8_ops=1_840_000_000_000_000,
        fp8_ops=920_000_000_000_000,
        source=_SCOPED_32,
    ),
    Chip(
        name="v7x",
        kind="tpu",
        device_kind="TPU7x",
        generation=7,
        vmem=64 * MIB,
        scoped_vmem=32 * MIB,
        smem=MIB,
        hbm=103_000_000_000,
        bandwidth=3_700_000_000_000,
        bf16_ops=1_155_000_000_000_000,
        fp8_ops=2_300_000_000_000_000,
        source=_SCOPED_32,
    ),
    Chip(
        name="a100",
        kind="gpu",
        device_kind="NVIDIA A100-SXM4-80GB",
        capability="8.0",
        smem=163 * KIB,
        hbm=80_000_000_000,
        bandwidth=2_039_000_000_000,
        bf16_ops=312_000_000_000_000,
        int8_ops=624_000_000_000_000,
        source=_SHEET.format("A100"),
    ),
    Chip(
        name="h100",
        kind="gpu",
        device_kind="NVIDIA H100 80GB HBM3",
        capability="9.0",
        smem=227 * KIB,
        hbm=80_000_000_000,
        bandwidth=3_350_000_000_000,
        bf16_ops=989_400_000_000_000,
        int8_ops=1_978_900_000_000_000,
        fp8_ops=1_978_900_000_000_000,
        source=_SHEET.format("H100"),
    ),
    Chip(
        name="h200",
        kind="gpu",
        device_kind="NVIDIA H200",
        capability="9.0",
        smem=227 * KIB,
        hbm=141_000_000_000,
        bandwidth=4_800_000_000_000,
        bf16_ops=989_400_000_000_000,
        int8_ops=1_978_900_000_000_000,
        fp8_ops=1_978_900_000_000_000,
        source=_SHEET.format("H200"),
    ),
    Chip(
        name="b200",
        kind="gpu",
        device_kind="NVIDIA B200",
        capability="10.0",
        smem=227 * KIB,
        hbm=180_000_000_000,
        bandwidth=8_000_000_000_000,
        bf16_ops=2_250_000_000_000_000,
        int8_ops=4_500_000_000_000_000,
        fp8_ops=4_500_000_000_000_000,
        source=_SHEET.format("B200"),
    ),
)
CHIPS: dict[str, Chip] = {row.name: row for row in _ROWS}
"""Every chip by its name."""
