"""Vectors of a worker: one pass or a few over a ring, and the rules by which the model answers differently."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from prism.conform import Case, Check, Deviation, require_equal
from prism.ring import layout as at
from prism.ring.conform.buffers import dense, require_words
from prism.ring.conform.rules import RULES, Run
from prism.ring.host import adopt
from prism.ring.layout import IO_SLOT_WORDS, WORD, Words
from prism.ring.model import step, step_slot
from prism.ring.program import Arg, Handler, Order, Program, Span
from prism.ring.state import RingSpec, RingState, Window, empty

_CUSTOM: Final = (0x4000_0007, 200)
_PAYLOAD_WORD: Final = 150
"""Where the payload of the fused vectors adds its first argument."""


def _triple(args: Words, word: Words) -> Words:
    return word + args[0] * np.uint32(3)


def _add(args: Words, word: Words) -> Words:
    return word + args[0]


def _handlers() -> tuple[Handler, ...]:
    place = (Span(Arg(1), 1),)
    return tuple(Handler(opcode, "add thrice", _triple, place, place) for opcode in _CUSTOM)


def _fused() -> Program:
    place = (Span(_PAYLOAD_WORD - at.SCRATCH, 1),)
    return Program(payload=Handler(_CUSTOM[0], "add to one word", _add, place, place))


def begin(data: Mapping[str, Any]) -> RingState:
    """Return the ring of a case. A file knows no windows: every tenant gets all words that no worker keeps."""
    control, ring = dense(data["control"]), np.array(data["ring_words"], WORD)
    words = control.size - at.SCRATCH
    spec = RingSpec(
        slots=ring.size // at.SLOT_WORDS,
        tenants=at.TENANTS,
        observables=control.size - at.CONTROL_WORDS,
        windows=(Window(at.SCRATCH, words),) * at.TENANTS,
    )
    state = empty(spec)
    state.control[:], state.ring[:] = control, ring
    state.log[at.LOG_CURSOR] = data.get("debug_cursor", 0)
    for index, value in data.get("io_queue_nonzero", {}).items():
        state.io[int(index)] = value
    return adopt(state)


def _after(data: Mapping[str, Any], state: RingState) -> RingState:
    if data["mode"] == "jit":
        program = _fused()
    else:
        order = Order.BANDS if data["mode"] == "priority" else Order.DIRECT
        program = Program(order=order, handlers=_handlers() if data["custom_handler"] else ())
    slots = len(state.slots)
    for _ in range(data.get("passes", 1)):
        for lane in range(data.get("lanes", slots)):
            if program.order is Order.BANDS:
                state = step(state, program)
            elif lane < slots:
                state = step_slot(state, program, lane)
    return state


def _changed(words: Words, changes: Mapping[str, int]) -> Words:
    after = words.copy()
    for index, value in changes.items():
        after[int(index)] = value
    return after


@dataclass(frozen=True, slots=True)
class _Expected:
    control: Words
    ring: Words
    log: Words


def _expected(data: Mapping[str, Any], state: RingState) -> _Expected:
    """Return what a file says that the buffers hold in the end."""
    expect = data["expect"]
    return _Expected(
        _changed(state.control, expect["control_changes"]),
        _changed(state.ring, expect["ring_changes"]),
        _changed(state.log, expect["debug_changes"]),
    )


def _run_of(case: Case) -> Run:
    state = begin(case.data)
    expected = _expected(case.data, state)
    custom = frozenset(_CUSTOM) if case.data["custom_handler"] else frozenset()
    bands = case.data["mode"] == "priority"
    return Run(state, expected.control, expected.ring, expected.log, custom, bands)


def _require(expected: Run | _Expected, got: RingState) -> None:
    require_words(expected.control, got.control, "control buffer")
    require_words(expected.ring, got.ring, "ring")
    require_words(expected.log, got.log, "debug log")


def _exec(case: Case) -> None:
    state = begin(case.data)
    after = _after(case.data, state)
    require_equal(case.data["expect"]["statuses"], [int(status) for status in after.slots[:, at.STATUS]], "statuses")
    _require(_expected(case.data, state), after)


def _amended(case: Case) -> None:
    """Require what the file says, changed by every rule that is about the case, and nothing else."""
    run = _run_of(case)
    for rule in RULES:
        if rule.applies(run):
            rule.amend(run)
    _require(run, _after(case.data, begin(case.data)))


def _about(applies: Callable[[Run], bool]) -> Callable[[Case], bool]:
    def check(case: Case) -> bool:
        return case.area == "kernel_exec" and applies(_run_of(case))

    return check


def _is_fused(case: Case) -> bool:
    return case.area == "kernel_jit_and_io" and case.data["mode"] == "jit"


def _fused_honours(case: Case) -> None:
    """Require that a fused worker counts its opcodes, stops at SHUTDOWN and leaves io requests to the ingest."""
    state = begin(case.data)
    got = _after(case.data, state)
    control, ring = state.control.copy(), state.ring.copy()
    for slot in range(len(state.slots)):
        words = state.slots[slot]
        opcode = int(words[at.OPCODE])
        if control[at.SHUTDOWN]:
            break
        control[at.SHUTDOWN] = opcode == at.Opcode.SHUTDOWN
        if opcode < at.METRICS:
            control[at.METRICS_BASE + opcode] += 1
        if opcode != at.Opcode.SHUTDOWN:
            control[_PAYLOAD_WORD] += words[at.ARGS]
        control[at.DONE_COUNT] += 1
        ring[slot * at.SLOT_WORDS] = at.SlotStatus.DONE
    require_words(control, got.control, "control buffer")
    require_words(ring, got.ring, "ring")
    require_words(state.io, got.io, "io queue")


def _is_sidecar(case: Case) -> bool:
    return case.area == "kernel_jit_and_io" and case.data["mode"] == "io_polling"


def _leaves_requests(case: Case) -> None:
    """Require that a worker which polls io takes no request of the host: an ingest does, and ends it OK or ERROR."""
    state = empty(RingSpec(slots=1))
    for index, value in case.data["io_queue_nonzero"].items():
        state.io[int(index)] = value
    after = step(state, Program(io_polling=True))
    require_words(state.io, after.io, "io queue")
    statuses = after.io.reshape(-1, IO_SLOT_WORDS)[:, at.IO_STATUS]
    require_equal(True, at.IoStatus.PUBLISHED in statuses, "a request that waits for the ingest")


CHECKS: Final[dict[str, Check]] = {"kernel_exec": _exec}
DEVIATIONS: Final = (
    *(Deviation(rule.name, rule.clause, _about(rule.applies), _amended) for rule in RULES),
    Deviation("a fused worker honours SHUTDOWN and counts", "RING-14", _is_fused, _fused_honours),
    Deviation("a request for io has one direction", "RING-13", _is_sidecar, _leaves_requests),
)
