"""Loops that rows of lanes go through together on `cpu`, against the definition."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from prism import DeviceArray, f32, get_global_id, kernel, u32
from prism.kernels.exec.cpu_rows import row_loops
from prism.kernels.exec.cpu_scale import scales
from prism.kernels.exec.faults import FaultError
from prism.kernels.exec.launch import FUEL, Launch, Shape
from prism.kernels.exec.table import open_executor
from prism.kernels.isa.verify import Verified, verify
from prism.kernels.schema.language import block_sum, get_block_id, get_block_size, get_local_id
from prism.kernels.std import arrays, reductions

pytestmark = [pytest.mark.m8, pytest.mark.clause("EXEC-2")]


@kernel
def product(a: DeviceArray[f32], b: DeviceArray[f32], c: DeviceArray[f32], m: u32, n: u32):
    """Multiply matrices, a lane an element."""
    i = get_global_id()
    if i < m * n:
        part = f32(0)
        for k in range(a.shape[1]):
            part += a[i // n, k] * b[k, i % n]
        c[i // n, i % n] = part


@kernel
def ragged(a: DeviceArray[f32], out: DeviceArray[f32], n: u32):
    """Take turns of another number in each lane, with a choice that comes out alike in most rows."""
    i = get_global_id()
    part = f32(0)
    k = i
    best = u32(0)
    while k < n:
        if k < 100:
            part += a[k] * f32(k)
        else:
            part = max(part, -a[k - 100])
        best = max(best, k - i)
        k += 64
    out[i] = part + f32(best)


@kernel
def gathered(a: DeviceArray[f32], out: DeviceArray[f32], n: u32):
    """Sum by blocks, then scale by what the block found."""
    k = get_block_id() * get_block_size() + get_local_id()
    part = f32(0)
    while k < n:
        part += a[k]
        k += 2 * get_block_size()
    whole = block_sum(part)
    rest = f32(0)
    for t in range(n // 16):
        rest += a[t * 16 + get_local_id()] / whole
    out[get_global_id()] = rest


def program_of(made: Any, **types: str) -> Verified:
    """Return a kernel's verified program."""
    return verify(made.program(**types))


def outcome(verified: Verified, shape: Shape, given: dict[str, Any], fuel: int = FUEL) -> list[tuple[Any, ...]]:
    """Run on `numpy` and `cpu`; return what each leaves and the fault that it raises."""
    found = []
    for name in ("numpy", "cpu"):
        arrays_ = {one.name: given[one.name].copy() for one in verified.program.buffers}
        scalars = {one.name: given[one.name] for one in verified.program.scalars}
        try:
            open_executor(name).bind(Launch(verified, shape, arrays_, scalars, fuel))()
            fault = ""
        except FaultError as error:
            fault = str(error)
        found.append((fault, *(one.tobytes() for one in arrays_.values())))
    return found


def test_row_loops_are_those_whose_lanes_differ_evenly() -> None:
    """A product, a sum and a convolution have them; rows apart by a length, and loops that store, have none."""
    found = {
        made: len(row_loops(program_of(made, **types)))
        for made, types in (
            (product, {}),
            (ragged, {}),
            (gathered, {}),
            (arrays.convolve, {"W": "f32"}),
            (arrays.gemm, {"W": "i32"}),
            (arrays.gemv, {"W": "f32"}),
            (arrays.prefix_sum, {"W": "f32"}),
            (reductions.softmax, {"F": "f32"}),
        )
    }
    assert [*found.values()] == [1, 1, 2, 1, 1, 0, 0, 2]


def test_scales_follow_the_arithmetic() -> None:
    """Of a product's loop: what counts turns is alike in all lanes, the lane's number goes up by one."""
    verified = program_of(product)
    ((number, loop),) = row_loops(verified).items()
    assert sorted(loop.lines.values()) == [0, 0, 0, 1]
    known = scales(verified)[number + 1]
    assert known["global_lane_id"] == (1, None)
    assert all(name not in known for name in loop.rows)


@pytest.mark.slow
@pytest.mark.parametrize(("m", "inner", "n"), [(1, 9, 300), (40, 40, 40), (7, 8, 5), (0, 3, 3), (64, 0, 5)])
def test_products_are_the_definitions(m: int, inner: int, n: int) -> None:
    """To the bit, whether rows of lanes are rows of the matrix or cross them, and with nothing to add up."""
    generator = np.random.default_rng(m)
    a, b = (generator.standard_normal(size).astype(np.float32) for size in ((m, inner), (inner, n)))
    got = []
    for name in ("numpy", "cpu"):
        c = np.zeros((m, n), np.float32)
        product.on(name)[-(-max(m * n, 1) // 64), 64](a, b, c, m, n)
        got.append(c.tobytes())
    assert got[0] == got[1]


@pytest.mark.slow
@pytest.mark.parametrize(("length", "n", "fuel"), [(700, 640, FUEL), (500, 640, FUEL), (700, 640, 6), (90, 80, FUEL)])
def test_lanes_that_part_go_on_alone(length: int, n: int, fuel: int) -> None:
    """Other numbers of turns, choices that differ, elements out of bounds and fuel that ends are the definition's."""
    given = {"a": np.linspace(-3, 3, length, dtype=np.float32), "out": np.zeros(192, np.float32), "n": n}
    one, other = outcome(program_of(ragged), Shape((3, 1, 1), (64, 1, 1)), given, fuel)
    assert one == other
    assert bool(one[0]) == (length == 500 or fuel == 6)


@pytest.mark.slow
@pytest.mark.parametrize("lanes", [16, 33, 200])
def test_rows_end_where_blocks_meet(lanes: int) -> None:
    """Blocks of fewer lanes than a row, of no whole number of rows, and of more."""
    given = {"a": np.linspace(0, 1, 999, dtype=np.float32), "out": np.zeros(2 * lanes, np.float32), "n": 700}
    one, other = outcome(program_of(gathered), Shape((2, 1, 1), (lanes, 1, 1)), given)
    assert one == other
    assert not one[0]
