"""The circuit room's conformance checks: right answers pass, wrong ones fail, deviations are held to their rule."""

from __future__ import annotations

from typing import Any

import pytest

from prism.conform import Case, Outcome, judge
from prism.kernels.circuit.conform import CHECKS, DEVIATIONS

pytestmark = [pytest.mark.m8, pytest.mark.clause("CIRCUIT-5")]


def verdict(area: str, given: Any, expected: Any) -> tuple[Outcome, str]:
    """Return the outcome and the detail of one case."""
    (one,) = judge([Case("x", area, {"input": given, "expected": expected})], CHECKS, DEVIATIONS)
    return one.outcome, one.detail


@pytest.mark.parametrize(
    ("area", "given", "right", "wrong"),
    [
        ("class", {"byte": 42}, {"class": 21, "d": 2}, {"class": 21, "d": 1}),
        ("class", {"class": 13}, {"canonical_byte": 26}, {"canonical_byte": 27}),
        ("class", {"equivalence_class_of": 0}, {"bytes": [0, 1, 48, 49]}, {"bytes": [0, 1]}),
        ("class", {"equivalent": [0, 48]}, True, False),
        (
            "class",
            {"histogram": "bytes per class"},
            {"classes_with_4_bytes": 32, "classes_with_2_bytes": 64, "total": 256},
            {"classes_with_4_bytes": 31, "classes_with_2_bytes": 64, "total": 256},
        ),
        ("transform", {"h2": 3, "d": 0, "l": 0, "transform": {"R": 1}}, {"h2": 0}, {"h2": 1}),
        ("transform", {"class": 21, "D": 2}, {"class": 13}, {"class": 5}),
        ("transform", {"triality_orbit_of": 21}, [5, 13, 21], [5, 13]),
        ("transform", {"h2": 0, "d": 2, "l": 5, "scope": 1}, {"d": 0}, {"d": 3}),
        ("transform", {"count": "triality orbits"}, 32, 31),
        ("transform", {"count": "distinct class permutations"}, 192, 2048),
        ("belt", {"page": 17, "byte": 42}, {"address": 4394}, {"address": 0}),
        ("memory", {"start_class": 0, "f32_elements": 10_000}, {"num_classes": 4, "end_class": 3}, {"end_class": 4}),
        ("memory", {"max_elements_per_class": "u8"}, 12_288, 3_072),
        (
            "memory",
            {"start_class": 10, "element": 3072, "type": "f32"},
            {"class": 11, "byte_offset": 0},
            {"class": 10, "byte_offset": 0},
        ),
        ("literal", {"expr": "~@mark@c13"}, {"bytes": [42], "addresses": None}, {"bytes": [26], "addresses": None}),
        ("literal", {"expr": "mark@c1 . mark@c2@3"}, {"byte_count": 2, "address_count": 1}, {"byte_count": 1}),
        ("words", {"expr": "swap@c72"}, {"words": ["swap"]}, {"words": ["mark"]}),
        ("parse", {"expr": "mark@c00"}, {"ok": True}, {"ok": False}),
        ("parse", {"expr": "mark@c96"}, {"ok": False}, {"ok": True}),
        ("compile", {"circuit": "mark@c0"}, {"calls": [{"op": "Mark", "class": 0}]}, {"calls": []}),
        ("compile", {"circuit": "copy@c[0..5]"}, {"error": "not supported on ranges"}, {"error": "something else"}),
        (
            "canonicalize",
            {"circuit": "mark@c21 . mark@c21"},
            {"canonical": "mark@c00", "original_ops": 2, "canonical_ops": 1, "reduction_pct": 50.0},
            {"canonical": "mark@c42", "original_ops": 2, "canonical_ops": 1, "reduction_pct": 50.0},
        ),
        (
            "canonicalize",
            {"circuit": "merge@c00[c01,c02]"},
            {"canonical": "merge@c00[c01,c02]", "original_ops": 1, "canonical_ops": 1, "reduction_pct": 0.0},
            {"canonical": "merge@c00[c01,c03]", "original_ops": 4, "canonical_ops": 1, "reduction_pct": 75.0},
        ),
        ("gates", {"set": "rules.rs"}, {"X": "mark@c21", "T": None}, {"X": "mark@c42"}),
        ("gates", {"set": "rules.rs"}, {"H": "copy@c05 . mark@c21"}, {"S": None}),
    ],
)
@pytest.mark.slow
def test_right_passes_and_wrong_fails(area: str, given: Any, right: Any, wrong: Any) -> None:
    """A check passes what is so and fails what is not."""
    assert verdict(area, given, right) == (Outcome.PASSED, "")
    assert verdict(area, given, wrong)[0] is Outcome.FAILED


@pytest.mark.parametrize(
    ("area", "given"),
    [
        ("class", {"decode_class": 95}),
        ("belt", {"address": 0}),
        ("belt", {"page": 0, "byte": 0}),
        ("literal", {"expr": "mark@c0"}),
        ("compile", {"circuit": "mark@c0"}),
        ("class", {"planet": 3}),
        ("transform", {"planet": 3}),
        ("memory", {"planet": 3}),
    ],
)
def test_what_is_not_refused_fails_an_error_case(area: str, given: Any) -> None:
    """A case that wants a refusal fails where there is none, and a question nobody knows fails too."""
    outcome, detail = verdict(area, given, {"error": "out of range"})
    assert outcome is Outcome.FAILED
    assert any(words in detail for words in ("must be refused, got", "must ask for something known, got"))


@pytest.mark.parametrize(
    ("area", "given", "expected", "rule"),
    [
        ("parse", {"expr": "()"}, {"ok": False, "message_contains": "RPAREN"}, "refusals are in Prism's own words"),
        ("parse", {"expr": "mark@c1 $"}, {"ok": True}, "what is outside the grammar is refused"),
        ("parse", {"expr": "D+1@ mark@c00"}, {"ok": False}, "D and reductions are part of the language"),
        ("compile", {"circuit": "~@ mark@c[0..9]"}, {"calls": []}, "a transformed range is the image"),
        ("gates", {"set": "another"}, {"X": "swap@c10 . mark@c21"}, "there is one gate set"),
        ("program", {"translate": {"circuit": "mark@c1"}}, {"instructions": ["exit"]}, "mark changes memory"),
        (
            "canonicalize",
            {"circuit": "T+1@ (mark@c20 . mark@c20)"},
            {"canonical": "T+1@ mark@c20 . mark@c20"},
            "transforms go to the classes first",
        ),
        (
            "canonicalize",
            {"circuit": "mark@c07 . mark@c07 . mark@c07"},
            {"canonical": "mark@c42 . mark@c07", "original_ops": 3, "canonical_ops": 2, "reduction_pct": 33.3333},
            "operations are counted one by one",
        ),
    ],
)
def test_deviations_are_declared_by_rule(area: str, given: Any, expected: Any, rule: str) -> None:
    """A case that a rule is about deviates, with the rule and its clause."""
    outcome, detail = verdict(area, given, expected)
    assert outcome is Outcome.DEVIATES
    assert detail.startswith(rule)


@pytest.mark.parametrize(
    ("area", "given", "expected", "words"),
    [
        ("gates", {"set": "another"}, {"X": "mark@c21"}, "a gate set that is ours must pass as such"),
        ("program", {"translate": {"circuit": "quote@c1"}}, {"instructions": []}, "must be lowered to programs that"),
        (
            "canonicalize",
            {"circuit": "mark@c3 . copy@c3->c4 . mark@c3"},
            {"canonical": "copy@c03->c04", "original_ops": 3, "canonical_ops": 1, "reduction_pct": 66.6667},
            "identity must be",
        ),
    ],
)
def test_a_deviation_that_does_not_hold_fails(area: str, given: Any, expected: Any, words: str) -> None:
    """What a rule is about fails where the rule is not kept."""
    outcome, detail = verdict(area, given, expected)
    assert outcome is Outcome.FAILED
    assert words in detail


def test_a_deviation_must_hold() -> None:
    """A rule about a case is held to: a text that is read where it must be refused fails."""
    outcome, detail = verdict("parse", {"expr": "mark@c1"}, {"ok": False, "message_contains": "no"})
    assert outcome is Outcome.FAILED
    assert "'mark@c1' must be refused, got mark@c01" in detail
