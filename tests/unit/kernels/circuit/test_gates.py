"""The gates' classes, rules and circuits [CIRCUIT-9, CIRCUIT-10]."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest

from prism.errors import ParseError
from prism.kernels.circuit.gate_words import Session, canonical_gates, words
from prism.kernels.circuit.gates import GATES, LONGEST, before, class_of, minimal_rules, shortest
from prism.kernels.circuit.parse import parse

pytestmark = pytest.mark.m8

LETTERS = "".join(gate.letter for gate in GATES)
MATRICES = {
    "H": np.array([[1, 1], [1, -1]]) / np.sqrt(2),
    "X": np.array([[0, 1], [1, 0]]),
    "Z": np.diag([1, -1]),
    "S": np.diag([1, 1j]),
}
DEPTH = 7


def without_phase(matrix: np.ndarray) -> tuple[complex, ...]:
    """Return the entries of a unitary divided by the phase of its first entry that is not zero."""
    entries = matrix.ravel()
    first = entries[np.abs(entries) > 1e-6][0]
    return tuple(np.round(entries / (first / abs(first)), 6) + 0.0)


def unitaries(depth: int) -> dict[str, np.ndarray]:
    """Return the product of each word up to a length."""
    found = {"": np.eye(2, dtype=complex)}
    level = dict(found)
    for _ in range(depth):
        level = {word + letter: matrix @ MATRICES[letter] for word, matrix in level.items() for letter in LETTERS}
        found |= level
    return found


@pytest.mark.clause("CIRCUIT-9")
def test_classes_are_unitaries_up_to_phase() -> None:
    """Over all words up to length 7, two words have one class exactly if their 2x2 unitaries differ by a phase."""
    by_class: dict[object, set] = {}
    by_matrix: dict[object, set] = {}
    for word, matrix in unitaries(DEPTH).items():
        by_class.setdefault(class_of(word), set()).add(without_phase(matrix))
        by_matrix.setdefault(without_phase(matrix), set()).add(class_of(word))
    assert len(by_class) == len(by_matrix) == 24
    assert all(len(one) == 1 for one in (*by_class.values(), *by_matrix.values()))


@pytest.mark.clause("CIRCUIT-9")
def test_every_word_is_rewritten_to_the_shortest_of_its_class() -> None:
    """All words up to length 7 end in the first of the shortest words with the same unitary, whatever they are."""
    first: dict[object, str] = {}
    every = unitaries(DEPTH)
    for matrix, found in zip(every.values(), Session().normal(list(every))[0], strict=True):
        assert found == first.setdefault(without_phase(matrix), found)
    for word, matrix in every.items():
        assert not before(word, first[without_phase(matrix)])
    assert sorted(first.values()) == sorted(shortest().values())
    assert max(map(len, first.values())) == LONGEST


@pytest.mark.clause("CIRCUIT-9")
def test_rules_are_oriented_and_reduced() -> None:
    """Each rule goes to a word that comes before, keeps the class, and no other rule applies to either side."""
    rules = minimal_rules()
    for rule in rules:
        others = [one for one in rules if one is not rule]
        assert before(rule.right, rule.left)
        assert class_of(rule.left) == class_of(rule.right)
        assert not any(one.left in rule.left for one in others)
        assert not any(one.left in rule.right for one in rules)
    assert len(rules) == 27


@pytest.mark.clause("CIRCUIT-9")
def test_the_plans_six_rules_are_instances() -> None:
    """HXH = Z and the squares are rules themselves; I is the empty word."""
    names = {rule.name for rule in minimal_rules()}
    assert names >= {"HXH = Z", "HH = I", "XX = I", "ZZ = I", "SS = Z"}
    assert Session().normal(["HZH"])[0] == ["X"]


@pytest.mark.clause("CIRCUIT-9")
def test_words_may_be_read_in_either_direction() -> None:
    """The matrices are symmetric, so two words are equal exactly if they are equal backwards."""
    every = ["".join(letters) for letters in product(LETTERS, repeat=4)]
    for word, found in zip(every, Session().normal([word[::-1] for word in every])[0], strict=True):
        assert class_of(found[::-1]) == class_of(word)


H = "copy@c05->c06 . mark@c21"


@pytest.mark.clause("CIRCUIT-10")
@pytest.mark.parametrize(
    ("text", "canonical", "ops", "rules"),
    [
        (f"{H} . {H}", "mark@c00", (4, 1), ["HH = I"]),
        (f"{H} . mark@c21 . {H}", "mark@c42", (5, 1), ["HXH = Z"]),
        ("mark@c07 . mark@c07 . mark@c07", "mark@c07 . mark@c42", (3, 2), ["SS = Z"]),
        ("mark@c42 . mark@c07", "mark@c07 . mark@c42", (2, 2), ["ZS = SZ"]),
        ("T+1@ (mark@c20 . mark@c20)", "mark@c00", (2, 1), ["transforms go to the classes", "XX = I"]),
        ("((mark@c21 . mark@c21)) || mark@c42", "mark@c00 || mark@c42", (3, 2), ["XX = I"]),
        ("mark@c21 . mark@c00 . mark@c21", "mark@c00", (3, 1), ["I is nothing", "XX = I"]),
        ("mark@c00", "mark@c00", (1, 1), []),
        ("copy@c05 . mark@c21", H, (2, 2), []),
        ("(mark@c21 || mark@c07) || mark@c42", "mark@c21 || mark@c07 || mark@c42", (3, 3), []),
    ],
)
def test_circuits_of_gates_have_one_form(text: str, canonical: str, ops: tuple[int, int], rules: list[str]) -> None:
    """Transforms are pushed to the classes, groups are entered, I vanishes, and each rule used is named."""
    got = canonical_gates(parse(text))
    assert str(got.phrase) == canonical
    assert (got.original_ops, got.canonical_ops) == ops
    assert got.reduction_pct == pytest.approx(100 * (1 - ops[1] / ops[0]))
    assert list(got.applied_rules) == rules
    assert canonical_gates(got.phrase).identity == got.identity


@pytest.mark.clause("CIRCUIT-10")
def test_steps_say_before_and_after() -> None:
    """Each step is printed with its rule and both sides."""
    (step,) = canonical_gates(parse("mark@c21 . mark@c21")).steps
    assert str(step) == "XX = I: XX -> nothing"


@pytest.mark.clause("CIRCUIT-10")
@pytest.mark.parametrize(
    ("text", "column", "expected"),
    [
        ("mark@c21 . mark@c01", 12, "expected a gate: S = mark@c07, X = mark@c21"),
        ("copy@c05->c06 . mark@c42", 1, "expected a gate"),
        ("mark@c[20..21]", 1, "expected a gate"),
        ("mark@c21@3", 1, "expected a gate"),
        ("(mark@c21 || mark@c42) . mark@c07", 2, "expected one branch, since gates before and after it act on one"),
    ],
)
def test_what_is_no_gate_is_refused(text: str, column: int, expected: str) -> None:
    """An array operation among gates is refused at its place: the two readings are never mixed."""
    with pytest.raises(ParseError, match=expected) as caught:
        words(parse(text))
    assert caught.value.where.column == column
    assert caught.value.remedy == "or canonicalise it as an array program"
