"""The standard handlers as jobs of a runtime: the cpu executor and the oracle drain them to the same words."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from prism.kernels.exec.table import open_executor
from prism.kernels.isa.build import Builder
from prism.kernels.isa.program import Access, Program, RegisterIndirectComputed
from prism.kernels.isa.types import U32, U64
from prism.kernels.isa.verify import verify
from prism.ring import layout as at
from prism.ring.build import interpreted, prioritised
from prism.ring.handlers import isa_handler, normalise_handler
from prism.ring.layout import Reason
from prism.ring.program import Arg, Handler, Span
from prism.ring.runtime import Runtime
from prism.ring.state import RingSpec
from prism.vm.engines.api import STOPS
from prism.vm.engines.report import StopReason
from prism.vm.term.ops import ADD, MUL, SUC

pytestmark = [pytest.mark.m9, pytest.mark.clause("RINGRUN-5")]

WINDOW = 256
SPEC = RingSpec(slots=64, tenants=2, observables=1 + 2 * WINDOW)
OPCODE = 300


def divided() -> Program:
    """Return a program that writes x[0] divided by a scalar to y[0]; division by 0 faults."""
    build = Builder("divided")
    x, y = build.buffer("x", U32, Access.READ), build.buffer("y", U32, Access.READWRITE)
    build.scalar("by", U32, 20)
    for register, handle in ((1, x), (2, y)):
        build.emit("mov_imm", U64, register, handle)
    build.emit("mov_imm", U64, 3, 0)
    build.emit("ldg", U32, 10, RegisterIndirectComputed(1, 3))
    build.emit("div", U32, 11, 10, 20)
    build.emit("stg", U32, RegisterIndirectComputed(2, 3), 11)
    build.emit("exit")
    return build.program()


def left_by(executor: str, handler: Handler, feed: Callable[[Runtime], list[Any]]) -> tuple[Any, ...]:
    """Return the windows, the count of ended jobs and the outcomes that a runtime leaves of what `feed` submits."""
    with Runtime(SPEC, executor=executor, program=prioritised(interpreted(handler))) as runtime:
        outcomes = [job.outcome(60) for job in feed(runtime)]
        assert runtime.drain(10)
        windows = [tenant.window.tolist() for tenant in runtime.tenants]
        return windows, int(runtime.state.control[at.DONE_COUNT]), outcomes


@pytest.mark.parametrize("kernels", ["numpy", "cpu"])
def test_an_isa_program_runs_as_jobs(kernels: str) -> None:
    """Seven jobs for each of two tenants: quotients, a program's own fault, and a span outside the window."""
    spans = {"x": Span(Arg(0), 1), "y": Span(Arg(1), 1)}
    handler = isa_handler(OPCODE, verify(divided()), spans, open_executor(kernels), scalars={"by": Arg(2)})

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
