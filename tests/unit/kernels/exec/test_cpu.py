"""The `cpu` executor against the definition: every instruction, faults, shapes, streams, meetings, threads."""

from __future__ import annotations

import logging
from pathlib import Path

import numpy as np
import pytest

from prism.kernels.cache.store import Store
from prism.kernels.exec import bound, cpu
from prism.kernels.exec.bound import CpuBound, CpuShared
from prism.kernels.exec.cpu import CpuExecutor
from prism.kernels.exec.cpu_lane import CpuLimitError
from prism.kernels.exec.faults import FaultError, FaultKind
from prism.kernels.exec.launch import Launch, Shape, linear
from prism.kernels.exec.table import open_executor
from prism.kernels.isa.assemble import assemble
from prism.kernels.isa.program import Program
from prism.kernels.isa.types import TYPES
from prism.kernels.isa.verify import verify
from tests.unit.kernels.exec.programs import CPU, NUMPY, Array, add, both, outcome

pytestmark = [pytest.mark.m8, pytest.mark.clause("EXEC-2")]


PLACES = """
.program places
.buffer out u32 write 1
mov_imm.u64 r1, 1
mov_imm.u32 r9, 2
shl.u64 r0, r255, r9
mov_imm.u32 r10, 7
mul.u32 r20, r252, r10
add.u32 r20, r20, r240
mul.u32 r20, r20, r10
add.u32 r20, r20, r241
mul.u32 r20, r20, r10
add.u32 r20, r20, r253
mul.u32 r20, r20, r10
add.u32 r20, r20, r242
mul.u32 r20, r20, r10
add.u32 r20, r20, r243
mul.u32 r20, r20, r254
add.u32 r20, r20, r244
mul.u32 r20, r20, r245
add.u32 r20, r20, r246
mul.u32 r20, r20, r247
add.u32 r20, r20, r248
stg.u32 [r1 + r0], r20
exit
"""


def test_lanes_know_their_place() -> None:
    """All special registers are those of the definition, in three dimensions."""
    shape = Shape(grid=(2, 3, 4), block=(3, 2, 2))
    assert both(PLACES, shape, {"out": np.zeros(shape.lanes, np.uint32)}) is None


HEAD = ".program faulty\n.buffer x f32 read 1\nmov_imm.u64 r1, 1\nmov_imm.u32 r9, 2\nshl.u64 r0, r255, r9\n"
FAULTS = {
    FaultKind.BOUNDS: "ldg.f32 r20, [r1 + r0]",
    FaultKind.MISALIGNED: "mov_imm.u64 r5, 2\nadd.u64 r0, r0, r5\nldg.f32 r20, [r1 + r0]",
    FaultKind.DIVISION: "cvt.u32.u64 r6, r255\nmov_imm.u32 r7, 9\nsub.u32 r6, r7, r6\ndiv.u32 r8, r7, r6",
    FaultKind.CLASS: "cvt.u8.u64 r6, r255\nmov_imm.u8 r7, 93\nadd.u8 r6, r6, r7\nmirror r8, r6",
    FaultKind.FUEL: "cvt.u32.u64 r6, r255\nbody:\nmov.u32 r7, r6\nloop r6, @body",
    FaultKind.POOL: "mov_imm.u64 r7, 0\npool.alloc r6, 8\npool.free r6\npool.load.f32 r8, r6, r7",
}
ENDLESS = "top:\nmov_imm.u64 r7, 7\nsetlt.u64 p0, r255, r7\nbra.p0 @done\nbra @top\ndone:"
BODIES = [*((text, kind) for kind, text in FAULTS.items()), (ENDLESS, FaultKind.FUEL)]


@pytest.mark.clause("ISA-11")
@pytest.mark.parametrize(("body", "kind"), BODIES)
def test_faults_are_those_of_the_definition(body: str, kind: FaultKind) -> None:
    """The lowest lane that faults is reported, with its instruction and what it read, in words that are the same."""
    fault = both(f"{HEAD}{body}\nexit\n", linear(24, 8), {"x": np.arange(6, dtype=np.float32)}, fuel=5)
    assert fault is not None
    assert fault[0] is kind


@pytest.mark.clause("EXEC-1")
def test_a_fault_is_over_when_it_was_raised() -> None:
    """The same bound launch can run again, and faults again or not as its buffers say."""
    body = "ldg.f32 r20, [r1 + r0]\ncvt.u32.f32 r21, r20\ndiv.u32 r22, r21, r21\n"
    x = np.array([1, 0], np.float32)
    run = CPU.bind(Launch(verify(assemble(f"{HEAD}{body}exit\n")), linear(2, 2), {"x": x}))
    for _ in range(2):
        with pytest.raises(FaultError, match="an integer divisor must not be zero: lane 1"):
            run()
    x[1] = 2
    run()
    assert isinstance(run, CpuBound)


RESTART = """
.program restart
.buffer out u32 write 1
mov_imm.u64 r1, 1
mov_imm.u32 r9, 2
shl.u64 r0, r255, r9
cvt.u32.u64 r5, r255
mov_imm.u32 r6, 1
mov_imm.u32 r7, 0
mov_imm.u32 r8, 40
top:
add.u32 r7, r7, r5
add.u32 r5, r5, r6
setlt.u32 p0, r7, r8
bra.p0 @top
loop r6, @top
stg.u32 [r1 + r0], r7
exit
"""


@pytest.mark.parametrize("fuel", [3, 100])
def test_a_branch_to_the_start_of_a_counted_loop_reads_the_count_again(fuel: int) -> None:
    """It is no next turn: the loop begins anew, and pays anew."""
    assert (both(RESTART, linear(8, 8), {"out": np.zeros(8, np.uint32)}, fuel=fuel) is None) == (fuel == 100)


MIXED = """
.program mixed
.buffer x u32 read 1
.buffer out u32 write 2
.buffer sum u32 readwrite 3
.buffer residues f64 readwrite 4
mov_imm.u64 r1, 1
mov_imm.u64 r2, 2
mov_imm.u32 r9, 2
shl.u64 r0, r255, r9
ldg.u32 r10, [r1 + r0]
mov_imm.u32 r11, 0
mov_imm.u32 r12, 1
mov_imm.u32 r13, 7
outer:
setgt.u32 p1, r10, r13
bra.p1 @far
inner:
add.u32 r11, r11, r10
and.u32 r14, r11, r12
seteq.u32 p2, r14, r12
bra.p2 @next
sub.u32 r10, r10, r12
seteq.u32 p3, r10, r11
bra.p3 @done
bra.!p3 @inner
next:
mul.u32 r11, r11, r13
mov_imm.u32 r20, 3
body:
xor.u32 r11, r11, r20
loop r20, @body
add.u32 r10, r10, r13
bra @outer
far:
call @twice
done:
mov_imm.u64 r30, 8
pool.alloc r31, 16
pool.store.u32 r31, r30, r11
pool.load.u32 r32, r31, r30
pool.free r31
atom.add.u32 r33, [buf3 + 0], r32
cvt.u8.u32 r40, r13
cvt.f64.u32 r41, r11
res.accum r40, r41
phase.adv 700
phase.get r42
add.u32 r32, r32, r42
nbr.count r43, r40
nbr.get r44, r40, 2
bound.map r45, r40, r43, r44
cvt.u32.u64 r46, r45
xor.u32 r32, r32, r46
stg.u32 [r2 + r0], r32
exit
twice:
add.u32 r11, r11, r11
ret
"""


@pytest.mark.slow
def test_control_flow_pools_and_atomics_are_those_of_the_definition() -> None:
    """Loops in loops with ways out of both, calls, branches back, pools, classes and atomics in the order of lanes."""
    given: dict[str, Array] = {
        "x": np.arange(40, dtype=np.uint32) % 11,
        "out": np.zeros(40, np.uint32),
        "sum": np.zeros(1, np.uint32),
        "residues": np.zeros(96),
    }
    assert both(MIXED, linear(40, 8), given, fuel=200) is None


def test_threads_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """A launch that is shared out gives the same results and the same fault."""
    monkeypatch.setattr(bound, "_PAYS", 1)
    monkeypatch.setattr(bound, "workers", lambda: 3)
    x = np.arange(5000, dtype=np.float32)
    out = np.zeros_like(x)
    launch = Launch(verify(add()), linear(5000), {"x": x, "y": x, "out": out}, {"n": 5000})
    run = CPU.bind(launch)
    assert isinstance(run, CpuShared)
    run()
    np.testing.assert_array_equal(out, x + x)
    short = Launch(verify(add()), linear(5000), {"x": x, "y": x[:2100].copy(), "out": out}, {"n": 5000})
    with pytest.raises(FaultError, match="lane 2100, instruction"):
        CPU.bind(short)()


@pytest.mark.slow
def test_a_second_executor_compiles_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Machine code is found on disk by full key; what does not link is compiled again, and logged."""
    store, verified = Store(tmp_path), verify(add())
    first = CpuExecutor(store)
    assert first.compiled(verified) is first.compiled(verified)
    monkeypatch.setattr(cpu, "compile_program", lambda _: pytest.fail("compiled again"))
    assert CpuExecutor(store).compiled(verified).verified is verified


def test_code_that_does_not_link_is_a_miss(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """An artefact that is whole but holds no object file costs a line and a compilation."""
    store, verified = Store(tmp_path), verify(add())
    store.put(cpu.key_of(verified.program), b"no object file")
    with caplog.at_level(logging.WARNING, "prism"):
        CpuExecutor(store).compiled(verified)
    assert "is a miss: machine code must link into this process" in caplog.text
    assert len(caplog.records) == 1


def nested(depth: int) -> Program:
    """Return loops in loops, each left from the innermost."""
    lines = [".program nested", "mov_imm.u32 r1, 1", "seteq.u32 p0, r1, r1"]
    for k in range(depth):
        lines += [f"setlt.u32 p0, r1, r1\nbra.p0 @out{k}", f"in{k}:"]
    lines += ["bra.p0 @out0"]
    for k in reversed(range(depth)):
        lines += [f"bra.p0 @in{k}", f"out{k}:"]
    return assemble("\n".join([*lines, "mov.u32 r2, r1", "exit", ""]))


def test_deeper_nests_than_python_has_are_refused_by_name(tmp_path: Path) -> None:
    """A program that verifies but nests too deep is refused before it runs, and says where it can run."""
    with pytest.raises(CpuLimitError, match="executor cpu must find loops and branches nested at most 18 deep"):
        CpuExecutor(Store(tmp_path)).compiled(verify(nested(14)))
    assert outcome(NUMPY, nested(14), Shape(), {})[1] is None


@pytest.mark.slow
def test_longer_programs_than_pay_are_refused_by_name(tmp_path: Path) -> None:
    """A program that would take minutes to compile is refused before it runs."""
    text = ".program long\n" + "mov_imm.u32 r1, 1\n" * 5000 + "exit\n"
    with pytest.raises(CpuLimitError, match="must get a program of at most 4096 steps, calls put in place, got"):
        CpuExecutor(Store(tmp_path)).compiled(verify(assemble(text)))


def test_the_executor_is_in_the_table() -> None:
    """`cpu` is chosen by name; every type has a dtype that its registers hold."""
    assert open_executor("cpu").name == "cpu"
    assert len(TYPES) == 12
