"""The standard handlers as jobs of a runtime: the cpu executor and the oracle drain them to the same words."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from prism.kernels.exec.table import open_executor
from prism.kernels.isa.build import Builder
from prism.kernels.isa.program import Access, Program, RegisterIndirectComputed
from prism.kernels.isa.types import U8, U32, U64
from prism.kernels.isa.verify import verify
from prism.ring import layout as at
from prism.ring.build import interpreted, prioritised
from prism.ring.exec import cpu_crew
from prism.ring.exec.cpu import CpuExecutor
from prism.ring.handlers import isa_handler, normalise_handler
from prism.ring.layout import Reason
from prism.ring.program import Arg, Handler, Span
from prism.ring.runtime import Runtime
from prism.ring.state import RingSpec
from prism.vm.engines.api import STOPS
from prism.vm.engines.report import StopReason
from prism.vm.term.ops import ADD, MUL, SUC
from tests.rings import by_scalar

pytestmark = [pytest.mark.m9, pytest.mark.clause("RINGRUN-5")]

WINDOW = 256
SPEC = RingSpec(slots=64, tenants=2, observables=1 + 2 * WINDOW)
OPCODE = 300
DETAIL = at.BOOKS_SLOT.at("DETAIL")


def left_by(executor: str, handler: Handler, feed: Callable[[Runtime], list[Any]]) -> tuple[Any, ...]:
    """Return the windows, the count of ended jobs and the outcomes that a runtime leaves of what `feed` submits."""
    with Runtime(SPEC, executor=executor, program=prioritised(interpreted(handler))) as runtime:
        outcomes = [job.outcome(60) for job in feed(runtime)]
        assert runtime.drain(10)
        windows = [tenant.window.tolist() for tenant in runtime.tenants]
        return windows, int(runtime.state.control[at.DONE_COUNT]), outcomes


@pytest.mark.slow
@pytest.mark.parametrize("kernels", ["numpy", "cpu"])
def test_an_isa_program_runs_as_jobs(kernels: str) -> None:
    """Seven jobs for each of two tenants: quotients, a program's own fault, and a span outside the window."""
    spans = {"x": Span(Arg(0), 1), "y": Span(Arg(1), 1)}
    handler = isa_handler(OPCODE, verify(by_scalar("div")), spans, open_executor(kernels), scalars={"by": Arg(2)})

    def feed(runtime: Runtime) -> list[Any]:
        jobs = []
        for tenant in runtime.tenants:
            start = tenant.window_start
            tenant.write(0, [60 + tenant.number])
            jobs += [tenant.submit(OPCODE, (start, start + 8 + by, by)) for by in range(6)]
            jobs.append(tenant.submit(OPCODE, (start, start + WINDOW, 3)))
        return jobs

    windows, ended, outcomes = left_by("cpu", handler, feed)
    assert (windows, ended, outcomes) == left_by("oracle", handler, feed)
    for number, window in enumerate(windows):
        assert window[8:14] == [0, *((60 + number) // by for by in range(1, 6))]
    assert [one.reason for one in outcomes] == [Reason.HANDLER, *[Reason.NONE] * 5, Reason.ADDRESS] * 2
    assert ended == 14


def added() -> Program:
    """Return a program that adds 1 to x[0]."""
    build = Builder("added")
    x = build.buffer("x", U32, Access.READWRITE)
    for ty, register, value in ((U64, 1, x), (U64, 2, 0), (U32, 3, 1)):
        build.emit("mov_imm", ty, register, value)
    build.emit("ldg", U32, 4, RegisterIndirectComputed(1, 2))
    build.emit("add", U32, 5, 4, 3)
    build.emit("stg", U32, RegisterIndirectComputed(1, 2), 5)
    build.emit("exit")
    return build.program()


def mixed() -> Program:
    """Return a program that writes to z[0] the sum of y[0], a byte of x and a scalar byte, and to y[0] that of z[0]."""
    build = Builder("mixed")
    x, y = build.buffer("x", U8, Access.READ), build.buffer("y", U64, Access.READWRITE)
    z = build.buffer("z", U64, Access.WRITE)
    build.scalar("by", U8, 20)
    build.scalar("index", U64, 21)
    for register, handle in ((1, x), (2, y), (4, z), (3, 0)):
        build.emit("mov_imm", U64, register, handle)
    build.emit("ldg", U8, 10, RegisterIndirectComputed(1, 21))
    build.emit("add", U8, 10, 10, 20)
    build.emit("cvt", U64, U8, 11, 10)
    build.emit("ldg", U64, 12, RegisterIndirectComputed(2, 3))
    build.emit("add", U64, 13, 12, 11)
    build.emit("stg", U64, RegisterIndirectComputed(4, 3), 13)
    build.emit("stg", U64, RegisterIndirectComputed(2, 3), 11)
    build.emit("exit")
    return build.program()


def test_a_twin_leaves_what_the_model_leaves() -> None:
    """Jobs at random places, lengths and scalars: every word, reason and detail is the model's."""
    spans = {"x": Span(Arg(0), Arg(1)), "y": Span(Arg(2), Arg(3)), "z": Span(8, Arg(4))}
    args = {"by": Arg(5), "index": Arg(6)}
    handler = isa_handler(OPCODE, verify(mixed()), spans, open_executor("cpu"), scalars=args)
    assert handler.twin is not None
    random = np.random.default_rng(3)
    low, size = 161, 64
    rows = np.stack(
        [
            random.integers(low - 1, low + size, 400),
            random.integers(0, 9, 400),
            random.integers(low, low + size, 400),
            random.integers(1, 4, 400),
            random.integers(0, 5, 400),
            random.choice([0, 7, 255, 256, 2**32 - 1], 400, p=[0.3, 0.3, 0.3, 0.05, 0.05]),
            random.integers(0, 20, 400),
        ],
        axis=1,
    )
    rows[random.random(400) < 0.03, 0] = 2**32 - 2
    spec = RingSpec(slots=512, tenants=1, observables=1 + size)

    def left(executor: Any) -> tuple[Any, ...]:
        program = prioritised(interpreted(handler))
        with Runtime(spec, executor=executor, program=program) as runtime:
            (tenant,) = runtime.tenants
            assert tenant.window_start == low
            tenant.write(0, [(k * 2654435761) % 2**32 for k in range(size)])
            outcomes = [tenant.submit(OPCODE, tuple(int(word) for word in row)).outcome(60) for row in rows]
            return outcomes, runtime.state.entries[:, DETAIL].tolist(), tenant.window.tolist()

    crew = CpuExecutor()
    crew_left = left(crew)
    assert crew_left == left("oracle")
    reasons = [one.reason for one in crew_left[0]]
    assert min(reasons.count(one) for one in (Reason.NONE, Reason.HANDLER, Reason.ADDRESS)) > 20


def test_twins_need_no_python(monkeypatch: pytest.MonkeyPatch) -> None:
    """A job of a twin never comes to Python; a program on `numpy` does."""
    calls = list[int]()
    real = cpu_crew.apply
    monkeypatch.setattr(cpu_crew, "apply", lambda *given: (calls.append(1), real(*given))[1])
    spans = {"x": Span(0, 1), "y": Span(1, 1)}
    for kernels, wanted in (("cpu", 0), ("numpy", 50)):
        calls.clear()
        handler = isa_handler(100, verify(by_scalar("div")), spans, open_executor(kernels), scalars={"by": Arg(0)})
        with Runtime(SPEC, executor="cpu", program=prioritised(interpreted(handler))) as runtime:
            tenant = runtime.tenants[1]
            tenant.write(0, [91])
            jobs = [tenant.submit(100, (7,)) for _ in range(50)]
            assert {job.outcome(60).reason for job in jobs} == {Reason.NONE}
            assert tenant.window[1] == 13
        assert len(calls) == wanted


def test_jobs_of_one_tenant_come_one_after_the_other() -> None:
    """Two workers add 1 to one word by two ISA programs, one of them in Python: no addition is lost."""
    program = verify(added())
    spans = {"x": Span(3, 1)}
    handlers = [isa_handler(100, program, spans, open_executor("cpu"))]
    handlers.append(isa_handler(101, program, spans, open_executor("numpy")))
    spec = RingSpec(slots=8192, tenants=1, observables=65)
    executor = CpuExecutor(2)
    with Runtime(spec, executor=executor, program=prioritised(interpreted(*handlers))) as runtime:
        (tenant,) = runtime.tenants
        for _ in range(5):
            batches = [tenant.submit_batch(100, np.empty((1900, 0))), tenant.submit_batch(101, np.empty((20, 0)))]
            batches.append(tenant.submit_batch(100, np.empty((1900, 0))))
            assert all(batch.wait(60) for batch in batches)
        assert tenant.window[3] == 5 * 3820


def test_batches_of_terms_are_normalised_as_jobs() -> None:
    """Each tenant normalises n * n + 1 for its n; the answer is that number, and too little room is a fault."""

    def feed(runtime: Runtime) -> list[Any]:
        jobs = []
        for tenant, n in zip(runtime.tenants, (3, 4), strict=True):
            nodes = [word for row in range(n) for word in (SUC.code, 1 + row, 0)]
            nodes += [MUL.code, n + 1, n + 1, ADD.code, n + 2, 2]
            root, start = n + 3, tenant.window_start
            tenant.write(0, [*nodes, root])
            args = (start, len(nodes), start + len(nodes), 1, start + 100)
            jobs += [tenant.submit(OPCODE, (*args, 100)), tenant.submit(OPCODE, (*args, 4))]
        return jobs

    found = [left_by(executor, normalise_handler(OPCODE), feed) for executor in ("cpu", "oracle")]
    assert found[0] == found[1]
    windows, _, outcomes = found[0]
    assert [one.reason for one in outcomes] == [Reason.NONE, Reason.HANDLER] * 2
    for n, window in zip((3, 4), windows, strict=True):
        stop, root, rows = window[100:103]
        assert STOPS[stop] is StopReason.NORMAL_FORM
        nodes = np.array(window[103 : 103 + 3 * (rows - 2)]).reshape(-1, 3)
        depth = 0
        while root > 1:
            op, root, _ = nodes[root - 2]
            assert op == SUC.code
            depth += 1
        assert depth == n * n + 1
