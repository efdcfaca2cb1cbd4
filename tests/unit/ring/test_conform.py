"""Conformance with vectors: cases of our own pass, deviate by their rule, or fail when an answer is wrong."""

from __future__ import annotations

from typing import Any

import pytest

from prism.conform import Outcome
from prism.ring import layout as at
from prism.ring.conform import recognises, verdicts
from prism.ring.layout import Opcode

pytestmark = [pytest.mark.m9, pytest.mark.clause("RING-16")]

CONTROL = {"word_count": 168, "nonzero": {str(at.TENANT_BASE): 3, "3": at.ALLOWED, "32": 9, "33": 9}}


def ran(opcode: int, *args: int, tenant: int = 0, **changes: Any) -> dict[str, Any]:
    """Return a case of one slot that the original left DONE."""
    slot = [1, opcode, tenant, 2, *args, *[0] * (12 - len(args))]
    expect = {"control_changes": {"1": 1} | changes.get("control", {}), "ring_changes": {"0": 3}, "statuses": [3]}
    return {
        "id": "one",
        "mode": changes.get("mode", "sharded"),
        "passes": 1,
        "lanes": 1,
        "custom_handler": False,
        "control": changes.get("start", CONTROL),
        "ring_words": slot,
        "debug_cursor": changes.get("cursor", 0),
        "expect": expect | {"debug_changes": changes.get("log", {})},
    }


PASSES = {
    "a store": ran(1, 5, 150, control={"97": 1, "150": 5}),
    "a print": ran(Opcode.PRINTF, 1, 2, 3, log={"0": 4, "1": 1, "2": 2, "3": 3}),
}
DEVIATES = {
    "a word outside the window is a fault": ran(1, 5, 3, control={"97": 1, "3": 5}),
    "a tenant outside the table is refused": ran(0, tenant=29, control={"96": 1}),
    "COMPARE_SWAP answers where argument 3 says": ran(4, 150, 0, 9, 1, control={"100": 1, "150": 9}),
    "DFA_STEP steps": ran(6, 1, 2, control={"102": 1}),
    "an opcode that nothing answers for is a fault": ran(700),
    "a full debug log drops and counts": ran(Opcode.PRINTF, 1, cursor=256, log={"0": 260}),
    "every operation of a packed slot runs": ran(Opcode.PACKED_SLOT, 0x0205, 0, 0x0001_0000, 9, 150, control={"96": 4}),
    "only tenant 0 may shut down": ran(
        Opcode.SHUTDOWN,
        tenant=1,
        control={"0": 1},
        start=CONTROL | {"nonzero": CONTROL["nonzero"] | {"4": at.ALLOWED}},
    ),
}


def judged(case: dict[str, Any], area: str = "kernel_exec") -> tuple[Outcome, str]:
    """Return the verdict on one case."""
    (verdict,) = verdicts({"meta": {}, "constants": {}, area: [case]})
    return verdict.outcome, verdict.detail


@pytest.mark.parametrize("name", PASSES)
def test_a_case_within_the_rules_passes(name: str) -> None:
    """What the original does and the model does too is passed word by word."""
    assert judged(PASSES[name])[0] is Outcome.PASSED


@pytest.mark.parametrize("rule", DEVIATES)
def test_an_intended_difference_is_declared_by_its_rule(rule: str) -> None:
    """A case in which the original does what the chapter forbids deviates by the rule of that name."""
    outcome, detail = judged(DEVIATES[rule])
    assert (outcome, detail.partition(" [")[0]) == (Outcome.DEVIATES, rule)


@pytest.mark.parametrize("case", [*PASSES.values(), *DEVIATES.values()])
@pytest.mark.parametrize("break_it", ["control", "ring"])
def test_a_rule_forgives_nothing_else(case: dict[str, Any], break_it: str) -> None:
    """Another word than the rule speaks of, in a case that passes or deviates, fails it."""
    changes = f"{break_it}_changes"
    word = {"control": "155", "ring": "9"}[break_it]
    expect = case["expect"] | {changes: case["expect"][changes] | {word: 77}}
    outcome, detail = judged(case | {"expect": expect})
    assert outcome is Outcome.FAILED
    assert "must hold other words at" in detail


WRONG: dict[str, tuple[dict[str, Any], str]] = {
    "byte_lengths": ({"fn": "ring_byte_len", "n": 2, "expect": 127}, "result must be 127, got 128"),
    "opcode_classes": (
        {"opcode": 7, "expect": {"is_system": False, "is_builtin": True, "user_ok": True, "publish_ok": True}},
        "result must be",
    ),
    "errors": (
        {"op": "publish", "slot_count": 1, "slot": 0, "tenant": 0, "opcode": 0, "args": []}
        | {"expect_error": {"kind": "QueueFull"}},
        "the call must fail with QueueFull, but it succeeded",
    ),
    "encode_slot": (
        {"slot_count": 1, "slot": 0, "tenant": 0, "opcode": 0, "args": [], "expect": {"ring_words": [0] * 17}},
        "ring must have 17 words, got 16",
    ),
    "replay_log": (
        {"capacity": 1, "records": [], "expect": {"hex": "00", "cursor": 0, "replayed_slots": []}},
        "the replay file must have the bytes of the original",
    ),
    "tenant_registry": (
        {"op": ["register cap=2", "publish"], "expect_error": {"kind": "Backpressure"}},
        "the last operation must fail with Backpressure, got",
    ),
    "quiesce_backoff_us": ({"poll": 65, "expect": 2}, "result must be 2, got 4"),
    "no_such_area": ({}, "no part of Prism answers"),
}


@pytest.mark.parametrize("area", WRONG)
def test_a_wrong_answer_fails(area: str) -> None:
    """A case whose expectation is wrong is failed with the difference, in every area."""
    case, message = WRONG[area]
    outcome, detail = judged({"id": "wrong"} | case, area)
    assert outcome is Outcome.FAILED
    assert message in detail


def test_a_refused_call_that_wrote_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    """An error of the right kind after a write is a failure: nothing may have changed."""
    from prism.ring.conform import wire
    from prism.ring.errors import QueueFullError

    def writes_first(ring: Any, _data: Any) -> None:
        ring[0] = 1
        raise QueueFullError

    monkeypatch.setitem(wire._REFUSED, "publish", writes_first)
    outcome, detail = judged(
        {"id": "w", "op": "publish", "slot_count": 1, "expect_error": {"kind": "QueueFull"}}, "errors"
    )
    assert outcome is Outcome.FAILED
    assert "a refused call must leave its buffers" in detail


@pytest.mark.parametrize(
    ("data", "expected"),
    [({"constants": {"SLOT_WORDS": 16}}, True), ({"constants": {}}, False), ([], False), ({"cases": []}, False)],
)
def test_files_of_the_ring_are_recognised(data: Any, expected: bool) -> None:
    """A file is the ring's when its constants speak of slots."""
    assert recognises(data) is expected


def test_an_operation_nobody_knows_fails() -> None:
    """A case that lists an operation of a tenant that does not exist is a failure, not a pass."""
    outcome, detail = judged({"id": "t", "op": ["fly"], "expect": {}}, "tenant_registry")
    assert outcome is Outcome.FAILED
    assert "no operation of a tenant is called" in detail
