"""Programs built by combinators, and the standard handlers in a ring."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from prism.kernels.exec.launch import Launch
from prism.kernels.isa.verify import verify
from prism.ring import layout as at
from prism.ring.build import (
    TEMPLATES,
    fused,
    interpreted,
    once,
    polling_io,
    prioritised,
    reporting_control,
    self_loading,
    shared,
    with_workspace,
)
from prism.ring.errors import LaunchError
from prism.ring.handlers import isa_handler, normalise_handler
from prism.ring.layout import SlotStatus
from prism.ring.model import step, sweep
from prism.ring.program import Arg, Handler, Memory, Order, Program, Report, Span, Workspace
from prism.ring.state import RingSpec, Window
from prism.vm.engines.api import STOPS
from prism.vm.engines.report import StopReason
from prism.vm.term.graph import TermGraph
from prism.vm.term.ops import ADD, MUL, SUC
from prism.vm.term.show import show_terms
from tests.rings import by_scalar, ring_with

pytestmark = [pytest.mark.m9, pytest.mark.clause("RING-14")]

SPEC = RingSpec(slots=4, observables=65, windows=(Window(161, 64),))
ADDS = Handler(300, "adds", lambda args, word: word + args[0], (Span(0, 1),), (Span(0, 1),))


def test_combinators_say_one_thing_each() -> None:
    """Each combinator changes the one field it speaks of, and they compose in any order."""
    program = interpreted(ADDS)
    changes: dict[str, tuple[Callable[[Program], Program], object]] = {
        "order": (prioritised, Order.PRIORITY),
        "once": (once, True),
        "report": (reporting_control, Report.CONTROL),
        "self_loading": (self_loading, True),
        "io_polling": (polling_io, True),
        "workspace": (lambda one: with_workspace(one, Workspace("w", 4)), Workspace("w", 4)),
    }
    for name, (change, value) in changes.items():
        after = change(program)
        assert getattr(after, name) == value
        assert {field for field in changes if getattr(after, field) != getattr(program, field)} == {name}
    assert once(prioritised(program)) == prioritised(once(program))
    assert prioritised(program, bands=True).order is Order.BANDS
    assert self_loading(program, patience=9).io_patience == 9
    assert fused(ADDS).handler(12345) is ADDS
    assert program.handler(12345) is None


def test_equal_programs_are_one() -> None:
    """Programs equal in every field are one object after `shared`; the cache keeps the last TEMPLATES."""
    first = shared(once(interpreted(ADDS)))
    assert shared(once(interpreted(ADDS))) is first
    assert shared(interpreted(ADDS)) is not first
    for patience in range(TEMPLATES):
        shared(self_loading(interpreted(), patience=patience))
    assert shared(once(interpreted(ADDS))) is not first


def test_handlers_are_functions_of_arrays() -> None:
    """A handler that declares fixed spans runs under JAX as under NumPy; one bound to the host says so."""
    args, word = np.arange(12, dtype=np.uint32) + 5, np.array([2**32 - 1], np.uint32)
    assert ADDS.traceable
    assert jax.jit(ADDS.apply)(jnp.asarray(args), jnp.asarray(word)).tolist() == ADDS.apply(args, word).tolist() == [4]
    assert not normalise_handler(9).traceable
    assert not Handler(300, "long", ADDS.apply, (Span(0, Arg(1)),)).traceable


def test_the_workspace_is_bounded() -> None:
    """A span beyond the workspace is a fault when its place comes from an argument."""
    reads = Handler(300, "reads", lambda _args, _word: (), (Span(Arg(0), 1, Memory.WORKSPACE),))
    program = with_workspace(interpreted(reads), Workspace("w", 4))
    spec = RingSpec(slots=2, workspace=4)
    state = sweep(ring_with((0, 300, (3,)), (0, 300, (4,)), spec=spec), program)
    assert state.slots[:, at.STATUS].tolist() == [SlotStatus.DONE, SlotStatus.FAULT]


def _bind(launch: Launch) -> Callable[[], None]:
    """Stand in for an executor: y[0] = x[0] * by, as the program says."""

    def run() -> None:
        launch.buffers["y"][0] = launch.buffers["x"][0] * np.uint32(launch.scalars["by"])

    return run


EXECUTOR = SimpleNamespace(name="by hand", bind=_bind)


def test_an_isa_program_is_a_handler() -> None:
    """Its buffers are words of the window, its scalars arguments; only what it may write changes."""
    spans = {"x": Span(0, 1), "y": Span(Arg(1), 2)}
    handler = isa_handler(300, verify(by_scalar("mul")), spans, EXECUTOR, scalars={"by": Arg(2)})
    assert (handler.reads, handler.writes) == ((spans["x"], spans["y"]), (spans["y"],))
    state = ring_with((0, 300, (0, 170, 5)), (0, 300, (0, 224, 5)), spec=SPEC)
    state.control[[161, 170, 171]] = 7, 1, 2
    after = sweep(state, interpreted(handler))
    assert after.control[[161, 170, 171]].tolist() == [7, 35, 2]
    assert after.slots[:2, at.STATUS].tolist() == [SlotStatus.DONE, SlotStatus.FAULT]
    with pytest.raises(LaunchError, match="each scalar of program 'mul_by' must be given its place, got"):
        isa_handler(300, verify(by_scalar("mul")), spans, EXECUTOR)


NODES = [(SUC, 1, 0), (SUC, 2, 0), (MUL, 3, 3), (ADD, 4, 2)]
"""Rows 2 to 5: one, two, two times two, and that plus one."""


def _terms(room: int, *, change: tuple[int, int] | None = None) -> tuple[int, list[int], TermGraph | None]:
    """Normalise the last two rows in a window with so much room; return the status, the stops and the answer."""
    words = [word for op, a, b in NODES for word in (op.code, a, b)]
    if change:
        words[change[0]] = change[1]
    args = (161, len(words), 180, 2, 190, room)
    state = ring_with((0, 300, args), spec=SPEC)
    state.control[161 : 161 + len(words)] = words
    state.control[180:182] = 4, 5
    after = step(state, interpreted(normalise_handler(300)))
    answer = [int(word) for word in after.control[190:]]
    status, rows = int(after.slots[0, at.STATUS]), answer[4]
    if status != SlotStatus.DONE:
        return status, answer, None
    columns = np.array([[0, 0, 0], [1, 0, 0], *np.array(answer[5 : 5 + 3 * (rows - 2)]).reshape(-1, 3)])
    op, a, b = columns.T
    graph = TermGraph(op.astype(np.uint8), a.astype(np.int32), b.astype(np.int32), np.array(answer[2:4], np.int32))
    return status, answer[:2], graph


def test_terms_of_a_window_come_to_normal_form() -> None:
    """2 * 2 and 2 * 2 + 1 in a tenant's window become 4 and 5, in the room that the job names."""
    status, stops, graph = _terms(34)
    assert status == SlotStatus.DONE
    assert [STOPS[stop] for stop in stops] == [StopReason.NORMAL_FORM] * 2
    assert graph is not None
    assert show_terms(graph) == ["(suc (suc (suc (suc zero))))", "(suc (suc (suc (suc (suc zero)))))"]


@pytest.mark.parametrize("change", [(0, 99), (0, 0), (1, 5), (2, 1)], ids=["op", "null", "later operand", "unused"])
def test_what_is_no_graph_of_terms_is_a_fault(change: tuple[int, int]) -> None:
    """An unknown op, an operand that comes later or that the op lacks, and too little room are faults of the slot."""
    assert _terms(34, change=change)[0] == SlotStatus.FAULT
    assert _terms(6)[0] == SlotStatus.FAULT
