"""The table of chips says what JAX's own table says, and names its sources."""

from __future__ import annotations

import pytest
from jax.experimental.pallas import tpu as pltpu

import prism.pallas
from prism.pallas.chip.table import CHIPS

pytestmark = [pytest.mark.m6, pytest.mark.clause("CHIP-1")]


@pytest.mark.parametrize("name", [name for name, chip in CHIPS.items() if chip.kind == "tpu"])
def test_a_tpu_is_jaxs(name) -> None:
    """Every figure that JAX states of a TPU is ours, and what it does not have is 0 in both."""
    chip = CHIPS[name]
    with prism.pallas.interpret(chip=name):
        info = pltpu.get_tpu_info()
    assert (info.num_cores, info.generation) == (chip.cores, chip.generation)
    assert (info.vmem_capacity_bytes, info.smem_capacity_bytes) == (chip.vmem, chip.smem)
    assert (info.hbm_capacity_bytes, info.mem_bw_bytes_per_second) == (chip.hbm, chip.bandwidth)
    rates = info.bf16_ops_per_second, info.int8_ops_per_second, info.fp8_ops_per_second
    assert rates == (chip.bf16_ops, chip.int8_ops, chip.fp8_ops)


def test_every_row_has_its_name_and_a_source() -> None:
    """A row is found by its name, and says where its figures stand."""
    assert all(name == chip.name and chip.source for name, chip in CHIPS.items())
    assert {"v4", "v5e", "v5p", "v6e", "v7x", "h100"} <= set(CHIPS)
