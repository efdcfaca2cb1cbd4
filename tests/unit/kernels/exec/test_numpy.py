"""prism.kernels.exec.numpy: the definition agrees with exact arithmetic, and faults where it must."""

from __future__ import annotations

import math
from decimal import Decimal, localcontext
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from prism.kernels.exec.faults import FaultKind
from prism.kernels.exec.launch import Shape
from prism.kernels.isa.types import BF16, BY_NAME, F16, F32, F64, FLOATS, INTEGERS, SIGNED, TYPES, Type
from tests.kernels_runs import apply, fault_of, run

pytestmark = pytest.mark.m8

IN_BLOCK = Shape((1, 1, 1), (4, 1, 1))


def nearest(exact: Fraction, ty: Type) -> float:
    """Round an exact number to a float type by comparing its two neighbours: an independent rounding."""
    if exact == 0:
        return 0.0
    digits = {16: 11, 32: 24, 64: 53}[ty.bits] if ty is not BF16 else 8
    lowest = {F16: -24, BF16: -133, F32: -149, F64: -1074}[ty]
    top = {F16: Fraction(65520), BF16: Fraction(2) ** 128 * (1 - Fraction(1, 512))}.get(ty)
    top = top or Fraction(2) ** {F32: 128, F64: 1024}[ty] * (1 - Fraction(1, 2 << digits))
    if abs(exact) >= top:
        return math.inf if exact > 0 else -math.inf
    exponent = max(math.frexp(abs(exact.numerator / exact.denominator))[1] - digits, lowest)
    while abs(exact) >= Fraction(2) ** (exponent + digits):
        exponent += 1
    return float(round(exact / Fraction(2) ** exponent) * Fraction(2) ** exponent)


def elements(ty: Type) -> st.SearchStrategy[Any]:
    """Draw elements of a type, the odd ones often."""
    if ty not in FLOATS:
        info = np.iinfo(ty.dtype)
        ends = st.sampled_from([0, 1, info.max, info.min, info.max - 1])
        return ends | st.integers(int(info.min), int(info.max))
    bits = st.integers(0, (1 << ty.bits) - 1)
    return bits.map(lambda b: float(np.array([b], np.uint64).astype(f"u{ty.size}").view(ty.dtype)[0]))


def wrapped(value: int, ty: Type) -> int:
    """Return a whole number modulo the width of its type."""
    return int(np.array([value % (1 << ty.bits)], np.uint64).astype(f"u{ty.size}").view(ty.dtype)[0])


@pytest.mark.clause("ISA-13")
@pytest.mark.parametrize("ty", INTEGERS, ids=str)
def test_integers_wrap_and_division_cuts_towards_zero(ty: Type) -> None:
    """Every operation of whole numbers is that of unbounded ones modulo the width."""
    info = np.iinfo(ty.dtype)
    row = sorted(
        {int(info.min), int(info.min) + 1, int(info.max), *(x for x in (-7, -1, 0, 1, 2, 100) if x >= info.min)}
    )
    a, b = zip(*[(x, y) for x in row for y in row], strict=True)
    for name, exact in (("add", lambda x, y: x + y), ("sub", lambda x, y: x - y), ("mul", lambda x, y: x * y)):
        want = [wrapped(exact(x, y), ty) for x, y in zip(a, b, strict=True)]
        assert apply(f"{name}.{ty.name}", ty.name, a, b).tolist() == want
    a, b = zip(*[(x, y) for x in row for y in row if y], strict=True)
    cut = [abs(x) // abs(y) * (1 if (x < 0) == (y < 0) else -1) for x, y in zip(a, b, strict=True)]
    rest = [x - q * y for x, y, q in zip(a, b, cut, strict=True)]
    assert apply(f"div.{ty.name}", ty.name, a, b).tolist() == [wrapped(q, ty) for q in cut]
    assert apply(f"rem.{ty.name}", ty.name, a, b).tolist() == [wrapped(r, ty) for r in rest]
    if ty in SIGNED:
        assert apply(f"abs.{ty.name}", ty.name, row).tolist() == [wrapped(abs(x), ty) for x in row]


@pytest.mark.slow
@pytest.mark.clause("ISA-2")
@pytest.mark.clause("ISA-14")
@pytest.mark.parametrize("of", TYPES, ids=str)
@settings(max_examples=20)
@given(data=st.data())
def test_every_type_converts_to_every_other(of: Type, data: st.DataObject) -> None:
    """Whole numbers wrap, floats round once to nearest, and what a whole type cannot hold saturates."""
    values = data.draw(st.lists(elements(of), min_size=4, max_size=4))
    to = data.draw(st.sampled_from(TYPES))
    got = apply(f"cvt.{to.name}.{of.name}", "", values, of=of.name, to=to.name).tolist()
    for value, result in zip(values, got, strict=True):
        if to not in FLOATS:
            info = np.iinfo(to.dtype)
            if of not in FLOATS:
                want: float = wrapped(value, to)
            elif math.isnan(value):
                want = 0
            else:
                want = (
                    int(min(max(value, info.min), info.max))
                    if math.isinf(value)
                    else min(max(int(value), info.min), info.max)
                )
        else:
            want = nearest(Fraction(value), to) if math.isfinite(value) else value
        assert result == want or (math.isnan(want) and math.isnan(result))


@pytest.mark.clause("ISA-15")
@pytest.mark.parametrize("ty", FLOATS, ids=str)
@settings(max_examples=20)
@given(data=st.data())
@pytest.mark.slow
def test_each_float_operation_rounds_once(ty: Type, data: st.DataObject) -> None:
    """Sums, products, quotients, roots and fused sums are the exact results rounded to nearest."""
    finite = elements(ty).filter(math.isfinite)
    a, b, c = data.draw(finite), data.draw(finite), data.draw(finite)
    x, y, z = Fraction(a), Fraction(b), Fraction(c)
    exact = {"add": x + y, "sub": x - y, "mul": x * y} | ({"div": x / y} if y else {})
    for name, value in exact.items():
        assert apply(f"{name}.{ty.name}", ty.name, [a], [b])[0] == nearest(value, ty)
    assert apply(f"fma.{ty.name}", ty.name, [a], [b], [c])[0] == nearest(x * y + z, ty)
    product = nearest(x * y, ty)
    if math.isfinite(product):
        assert apply(f"mad.{ty.name}", ty.name, [a], [b], [c])[0] == nearest(Fraction(product) + z, ty)
    with localcontext(prec=400):
        root = Fraction((Decimal(abs(x.numerator)) / Decimal(x.denominator)).sqrt())
    assert apply(f"sqrt.{ty.name}", ty.name, [abs(a)])[0] == nearest(root, ty)


def test_minimum_ignores_nan_and_keeps_the_first_of_equals() -> None:
    """NaN loses to a number; of -0 and 0 the first operand stays."""
    low = apply("min.f32", "f32", [math.nan, 1.0, 0.0, -0.0, 2.0], [1.0, math.nan, -0.0, 0.0, 1.0])
    assert low.tolist() == [1.0, 1.0, 0.0, 0.0, 1.0]
    assert np.signbit(low).tolist() == [False, False, False, True, False]
    assert apply("max.f16", "f16", [math.nan, 1.0], [-3.0, 2.0]).tolist() == [-3.0, 2.0]


@pytest.mark.parametrize("ty", INTEGERS, ids=str)
def test_shifts_take_the_amount_modulo_the_width(ty: Type) -> None:
    """An amount of the width shifts by nothing; the sign comes in from the left."""
    one = f"mov_imm.{ty.name} r1, 0x80\nmov_imm.u32 r2, {ty.bits + 1}\n.x"
    header = f".buffer out {ty.name} write 1\n"
    body = one.replace(".x", f"shr.{ty.name} r3, r1, r2\nstg.{ty.name} [buf1 + 0], r3\nshl.{ty.name} r3, r1, r2\n")
    got = run(header + body + f"stg.{ty.name} [buf1 + {ty.size}], r3", out=np.zeros(2, ty.dtype))["out"].tolist()
    start = wrapped(0x80, ty)
    assert got == [start >> 1, wrapped(start << 1, ty)]


@pytest.mark.clause("ISA-16")
def test_classes_have_mirrors_neighbours_and_coordinates() -> None:
    """The figures of class 0 and class 1, a neighbour past the last, and the phase that turns over at 768."""
    text = """
    .buffer out u64 write 1
    mov_imm.u8 r1, 1
    mirror r2, r1
    nbr.count r3, r1
    nbr.get r4, r1, 2
    nbr.get r5, r1, 7
    cls.get r6
    unity.test p0, 0.5
    mov_imm.u8 r7, 5
    mov_imm.u8 r8, 200
    bound.map r9, r1, r7, r8
    phase.adv 800
    phase.get r10
    cvt.u64.u8 r11, r2
    stg.u64 [buf1 + 0], r11
    cvt.u64.u8 r11, r3
    stg.u64 [buf1 + 8], r11
    cvt.u64.u8 r11, r4
    stg.u64 [buf1 + 16], r11
    cvt.u64.u8 r11, r5
    stg.u64 [buf1 + 24], r11
    stg.u64 [buf1 + 32], r9
    cvt.u64.u32 r11, r10
    stg.u64 [buf1 + 40], r11
    sel.u64 r11, p0, r9, r11
    stg.u64 [buf1 + 48], r11
    """
    assert run(text, out=np.zeros(7, np.uint64))["out"].tolist() == [4, 6, 7, 0, 12288 + 1280 + 200, 32, 32]


@pytest.mark.clause("ISA-11")
@pytest.mark.parametrize(
    ("text", "kind", "index", "values"),
    [
        ("mov_imm.i32 r1, 7\nmov_imm.i32 r2, 0\ndiv.i32 r3, r1, r2", FaultKind.DIVISION, 2, (7, 0)),
        ("mov_imm.i32 r2, 0\nrem.i32 r3, r2, r2", FaultKind.DIVISION, 1, (0, 0)),
        ("mov_imm.u64 r1, 1\nmov_imm.u64 r2, 13\nldg.f32 r3, [r1 + r2]", FaultKind.BOUNDS, 2, (1, 13)),
        ("mov_imm.u64 r1, 1\nmov_imm.u64 r2, 2\nldg.f32 r3, [r1 + r2]", FaultKind.MISALIGNED, 2, (1, 2)),
        ("mov_imm.u64 r1, 1\nmov_imm.u64 r2, -4\nldg.f32 r3, [r1 + r2]", FaultKind.BOUNDS, 2, (1, (1 << 64) - 4)),
        ("ldg.f32 r3, [buf1 + 16]", FaultKind.BOUNDS, 0, ()),
        ("mov_imm.u8 r1, 96\nmirror r2, r1", FaultKind.CLASS, 1, (96,)),
        ("mov_imm.u8 r1, 48\nbound.map r2, r1, r1, r1", FaultKind.CLASS, 1, (48, 48, 48)),
        ("a: bra @a", FaultKind.FUEL, 0, ()),
        ("mov_imm.u32 r1, 101\na: loop r1, @a", FaultKind.FUEL, 1, (101,)),
        ("pool.alloc r1, 8\npool.free r1\npool.free r1", FaultKind.POOL, 2, (1,)),
        ("mov_imm.u32 r2, 2\na: pool.alloc r1, 8\nloop r2, @a", FaultKind.POOL, 1, ()),
        ("pool.alloc r1, 8\nmov_imm.u64 r2, 8\npool.load.f32 r3, r1, r2", FaultKind.BOUNDS, 2, (1, 8)),
    ],
)
def test_a_fault_names_its_instruction_and_what_it_read(text: str, kind: FaultKind, index: int, values: object) -> None:
    """A run that may not go on ends with the kind, the instruction, the lane and the operands."""
    fault = fault_of(".buffer x f32 read 1\n" + text, x=np.zeros(4, np.float32), fuel=100)
    assert (fault.kind, fault.index, fault.lane, fault.values) == (kind, index, 0, values)
    assert f"lane 0, instruction {index} `" in str(fault)


def test_the_lowest_lane_that_faults_is_reported_and_the_others_run_on() -> None:
    """Lanes 2 and 3 are out of bounds at different instructions; what lanes 0 and 1 stored stays."""
    text = """
    .buffer x f32 write 1
    mov_imm.u64 r1, 1
    mov_imm.u32 r2, 2
    shl.u64 r3, r255, r2
    cvt.f32.u64 r4, r255
    mov_imm.u64 r5, 3
    seteq.u64 p0, r255, r5
    bra.p0 @three
    stg.f32 [r1 + r3], r4
    exit
    three: stg.f32 [r1 + r3], r4
    """
    x = np.full(2, -1, np.float32)
    fault = fault_of(text, IN_BLOCK, x=x)
    assert (fault.lane, fault.index, fault.values) == (2, 7, (1, 8, 2.0))


LOOP = """
.buffer out u32 write 1
.scalar n u32 r1
mov_imm.u32 r2, 0
mov_imm.u32 r3, 1
body:
    add.u32 r2, r2, r3
    mov.u32 r1, r2
    loop r1, @body
stg.u32 [buf1 + 0], r2
"""


@pytest.mark.clause("ISA-9")
@pytest.mark.parametrize("count", [0, 1, 5])
def test_a_loop_runs_its_body_as_often_as_its_count_says(count: int) -> None:
    """Zero included; the count is read once, so the body may change the register."""
    assert run(LOOP, out=np.zeros(1, np.uint32), n=count)["out"].tolist() == [count]


@pytest.mark.clause("ISA-17")
def test_a_barrier_lets_lanes_see_what_others_stored() -> None:
    """Each lane stores to shared memory, meets the others, and loads from its neighbour."""
    text = """
    .buffer out u64 write 1
    .shared s u64 4 2
    mov_imm.u64 r1, 1
    mov_imm.u64 r2, 2
    mov_imm.u32 r3, 3
    mov_imm.u64 r4, 3
    shl.u64 r5, r255, r3
    sts.u64 [r2 + r5], r255
    bar.sync 0
    xor.u64 r6, r255, r4
    and.u64 r6, r6, r4
    shl.u64 r7, r6, r3
    lds.u64 r8, [r2 + r7]
    stg.u64 [r1 + r5], r8
    """
    assert run(text, IN_BLOCK, out=np.zeros(4, np.uint64))["out"].tolist() == [3, 2, 1, 0]
    without = text.replace("bar.sync 0", "memfence.block")
    fault = fault_of(without, IN_BLOCK, out=np.zeros(4, np.uint64))
    assert (fault.kind, fault.index, fault.lane) == (FaultKind.CONFLICT, 10, 0)


def test_lanes_that_do_not_all_meet_diverge() -> None:
    """A barrier that one lane passes by is a fault; one that it has stopped before is none."""
    text = """
    mov_imm.u64 r1, 2
    setlt.u64 p0, r255, r1
    bra.p0 @past
    bar.sync 0
    past: mov_imm.u32 r2, 0
    exit
    """
    fault = fault_of(text, IN_BLOCK)
    assert (fault.kind, fault.index, fault.lane) == (FaultKind.DIVERGENCE, 3, 2)
    assert run(text.replace("past: mov_imm.u32 r2, 0", "past:"), IN_BLOCK) == {}


@pytest.mark.clause("ISA-20")
def test_lanes_fold_in_the_order_of_a_tree() -> None:
    """Four floats whose sum depends on the order: lanes 0 and 2 first, 1 and 3, then both."""
    text = """
    .buffer x f32 readwrite 1
    mov_imm.u64 r1, 1
    mov_imm.u32 r2, 2
    shl.u64 r3, r255, r2
    ldg.f32 r4, [r1 + r3]
    lane.add.f32 r5, r4
    stg.f32 [r1 + r3], r5
    """
    x = np.array([1e8, 3.0, -1e8, 4.0], np.float32)
    assert run(text, IN_BLOCK, x=x)["x"].tolist() == [7.0] * 4
    three = np.array([1e8, 3.0, -1e8], np.float32)
    assert run(text, Shape((1, 1, 1), (3, 1, 1)), x=three)["x"].tolist() == [3.0] * 3


@pytest.mark.clause("ISA-18")
@pytest.mark.parametrize(
    ("op", "start", "want"),
    [
        ("add", 5, 5 + 0 + 1 + 2 + 3),
        ("min", 2, 0),
        ("max", 2, 3),
        ("or", 8, 11),
        ("xor", 1, 1),
        ("and", 7, 0),
        ("exchange", 9, 3),
    ],
)
def test_atomics_are_one_step_each(op: str, start: int, want: int) -> None:
    """Lanes of one block change one element one after the other; each gets what it found."""
    text = f"""
    .buffer x u64 readwrite 1
    .buffer old u64 write 2
    mov_imm.u64 r1, 1
    mov_imm.u64 r2, 2
    mov_imm.u32 r3, 3
    shl.u64 r4, r255, r3
    atom.{op}.u64 r5, [buf1 + 0], r255
    stg.u64 [r2 + r4], r5
    """
    got = run(text, IN_BLOCK, x=np.array([start], np.uint64), old=np.zeros(4, np.uint64))
    assert got["x"].tolist() == [want]
    assert got["old"].tolist()[0] == start


def test_conflicts_are_stores_that_nothing_orders() -> None:
    """Two lanes that store to one element conflict, across blocks too; the later one is told."""
    text = ".buffer x u64 write 1\nstg.u64 [buf1 + 0], r255"
    fault = fault_of(text, IN_BLOCK, x=np.zeros(1, np.uint64))
    assert (fault.kind, fault.lane, fault.values) == (FaultKind.CONFLICT, 1, (1,))
    assert fault_of(text, Shape((3, 1, 1)), x=np.zeros(1, np.uint64)).lane == 1
    ordered = ".shared s u64 1 1\nmov_imm.u64 r1, 0\nseteq.u64 p0, r255, r1\nbar.sync 0\nlds.u64 r2, [buf1 + 0]"
    assert run(ordered, IN_BLOCK) == {}


def test_lanes_of_three_dimensions_know_where_they_are() -> None:
    """Every register that the launch sets, for each lane of a grid of 2x1x2 blocks of 2x3x1 lanes."""
    names = [252, 240, 241, 253, 242, 243, 254, 244, 245, 246, 247, 248]
    lines = [
        ".buffer out u32 write 1",
        "mov_imm.u64 r1, 1",
        "mov_imm.u64 r2, 48",
        "mul.u64 r3, r255, r2",
        "mov_imm.u64 r4, 4",
    ]
    for register in names:
        lines += [f"stg.u32 [r1 + r3], r{register}", "add.u64 r3, r3, r4"]
    got = run("\n".join(lines), Shape((2, 1, 2), (2, 3, 1)), out=np.zeros(24 * 12, np.uint32))["out"].reshape(24, 12)
    want = [
        [x, y, 0, gx, 0, gz, 2, 3, 1, 2, 1, 2] for gz in range(2) for gx in range(2) for y in range(3) for x in range(2)
    ]
    assert got.tolist() == want


def test_a_pool_is_the_lanes_own_and_starts_with_zeros() -> None:
    """Lanes store into their pools and load back, each its own; a new pool forgets."""
    text = """
    .buffer out u64 write 1
    mov_imm.u64 r1, 1
    mov_imm.u32 r2, 4
    mov_imm.u64 r3, 0
    mov_imm.u64 r4, 8
    shl.u64 r5, r255, r2
    pool.alloc r6, 16
    pool.store.u64 r6, r4, r255
    pool.load.u64 r7, r6, r4
    pool.load.u64 r8, r6, r3
    pool.free r6
    stg.u64 [r1 + r5], r7
    add.u64 r5, r5, r4
    stg.u64 [r1 + r5], r8
    """
    assert run(text, IN_BLOCK, out=np.full(8, 9, np.uint64))["out"].tolist() == [0, 0, 1, 0, 2, 0, 3, 0]


def test_residues_are_added_as_one_step() -> None:
    """Every lane adds to the residue of one class; the buffer holds the sum."""
    text = ".buffer residues f64 readwrite 1\nmov_imm.u8 r1, 2\nmov_imm.f64 r2, 0.5\nres.accum r1, r2"
    assert run(text, IN_BLOCK, residues=np.zeros(96))["residues"][2] == 2.0
    assert BY_NAME["f64"] is F64
