"""Circuits as array programs: canonical forms leave the same memory in fewer calls [CIRCUIT-14, CIRCUIT-15]."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from prism.kernels.circuit.arrays import RULES, canonical_arrays
from prism.kernels.circuit.calls import Call, call, calls, on_range
from prism.kernels.circuit.gates import class_of, minimal_rules, shortest
from prism.kernels.circuit.generators import MERGES, REDUCTIONS, SPLITS
from prism.kernels.circuit.memory import empty_memory
from prism.kernels.circuit.parse import parse
from prism.kernels.circuit.phrase import Phrase
from prism.kernels.circuit.reference import MEANINGS, run
from prism.kernels.circuit.values import Session, arrays, commuting, gates
from prism.kernels.isa.types import F32, I16, Kind, Type
from prism.vm.engines.patterns import normal_patterns
from prism.vm.theory.check import Outcome, check
from prism.vm.theory.rule import variables

pytestmark = pytest.mark.m8

N = 64
SPECIAL = np.array([0.0, -0.0, np.inf, -np.inf, np.nan, 1.0, -1.0, 3e38, -3e38, 1e-45])


def filled(ty: Type, seed: int) -> np.ndarray:
    """Return a memory whose vectors hold numbers of all kinds: for floats infinities, zeros of both signs and NaN."""
    random, memory = np.random.default_rng(seed), empty_memory()
    elements = memory.view(ty.dtype)
    if ty.kind is Kind.FLOAT:
        elements[:] = random.standard_normal(len(elements)).astype(ty.dtype)
        places = random.integers(0, len(elements), len(elements) // 2)
        elements[places] = random.choice(SPECIAL, len(places)).astype(ty.dtype)
    else:
        memory[:] = random.integers(0, 256, len(memory), dtype=np.uint8)
        elements[elements == 0] = 1
    return memory


MEMORIES = {ty: filled(ty, 5) for ty in (F32, I16)}


def alike(one: np.ndarray, other: np.ndarray, ty: Type) -> bool:
    """Return whether vectors have equal bits, all NaN being one."""
    if ty.kind is Kind.FLOAT:
        one, other = (
            np.where(np.isnan(v := memory.view(ty.dtype)), ty.dtype.type(np.nan), v) for memory in (one, other)
        )
    return one.tobytes() == other.tobytes()


def left_by(given: tuple[Call, ...], ty: Type) -> np.ndarray:
    """Return the memory that a circuit leaves."""
    memory = MEMORIES[ty].copy()
    run(given, memory, ty, N)
    return memory


# Rules of the theory ---------------------------------------------------------


@pytest.mark.clause("CIRCUIT-9")
def test_the_theory_of_gates_is_the_minimal_set() -> None:
    """The file holds exactly the rules that the unitaries give, as words of unary ops."""

    def term(word: str):
        return "w" if not word else (word[0].lower(), term(word[1:]))

    assert {(rule.lhs, rule.rhs) for rule in gates().rules} == {
        (term(rule.left), term(rule.right)) for rule in minimal_rules()
    }


@pytest.mark.clause("CIRCUIT-9")
@pytest.mark.clause("CIRCUIT-14")
@pytest.mark.parametrize("theory", [gates, arrays], ids=["gates", "arrays"])
@pytest.mark.slow
def test_both_theories_terminate_and_are_confluent(theory) -> None:
    """The theory checker shows both claims, which the files make."""
    verdicts = {verdict.claim: verdict for verdict in check(theory(), normal_patterns)}
    assert {claim for claim, verdict in verdicts.items() if verdict.outcome is Outcome.SHOWN} >= {
        "terminating",
        "confluent",
    }
    assert theory().claims.terminating
    assert theory().claims.confluent


@pytest.mark.clause("CIRCUIT-9")
def test_the_ledger_gives_the_normal_forms() -> None:
    """All words of five gates have, as terms on the ledger, the first of the shortest words of their class."""
    words = ["".join(letters) for letters in product("SXHZ", repeat=5)]
    normal = normal_patterns(gates(), [_word_term(word) for word in words], 1000)
    assert [_word_term(shortest()[class_of(word)]) for word in words] == list(normal)


def _word_term(word: str):
    return ("one",) if not word else (word[0].lower(), _word_term(word[1:]))


def evaluated(term, values: dict[str, np.ndarray], ty: Type) -> np.ndarray:
    """Return a term of the theory as the reference executor computes it."""
    if isinstance(term, str):
        return values[term]
    op, *operands = term
    parts = [evaluated(operand, values, ty) for operand in operands]
    names = {"lesser": "min", "larger": "max", "sum": "reduce.sum", "least": "reduce.min", "greatest": "reduce.max"}
    if op == "mark":
        return (parts[0].view(np.uint8) ^ 0x80).view(ty.dtype)
    if op == "first":
        return np.concatenate([parts[0][:1], parts[1][1:]])
    return MEANINGS[names.get(op, op)].compute(ty, *parts)


@pytest.mark.clause("CIRCUIT-14")
@pytest.mark.parametrize("rule", arrays().rules, ids=lambda rule: rule.name)
@pytest.mark.parametrize("ty", [F32, I16], ids=lambda ty: ty.name)
def test_each_rule_holds_on_memories(rule, ty: Type) -> None:
    """Both sides of each rule have equal bits on random vectors, infinities, zeros of both signs and NaN included."""
    names = {"exp", "sigmoid", "softmax"} & set(str(rule.lhs).replace("'", " ").split())
    if names and ty.kind is not Kind.FLOAT:
        assert all(ty not in MEANINGS[name].types for name in names)
        return
    random = np.random.default_rng(7)
    values = {name: MEMORIES[ty].view(ty.dtype)[random.permutation(4096)] for name in sorted(variables(rule.lhs))}
    with np.errstate(all="ignore"):
        left, right = (evaluated(side, values, ty) for side in (rule.lhs, rule.rhs))
    assert alike(left.view(np.uint8), right.view(np.uint8), ty)


@pytest.mark.clause("CIRCUIT-14")
def test_what_is_no_rule_fails() -> None:
    """Absorption and the exchange of min do not hold: a NaN and the two zeros tell the sides apart."""
    values = {name: MEMORIES[F32].view(np.float32)[k : 4096 + k] for k, name in enumerate("xy")}
    for left, right in (
        (("larger", ("lesser", "x", "y"), "x"), "x"),
        (("lesser", "x", "y"), ("lesser", "y", "x")),
        (("sub", "x", "x"), ("sub", "y", "y")),
    ):
        with np.errstate(all="ignore"):
            one, other = (evaluated(side, values, F32) for side in (left, right))
        assert not alike(one.view(np.uint8), other.view(np.uint8), F32)
    assert commuting() == {"add", "mul"}


# Rules on sequences ----------------------------------------------------------


@pytest.mark.clause("CIRCUIT-15")
@pytest.mark.parametrize(
    ("text", "canonical", "rule"),
    [
        ("merge@c0[c1,c2]", "merge@c00[c01,c02]", None),
        ("mark@c0 . quote@c1", "mark@c00", "notes do nothing"),
        ("quote@c[0..3]", "quote@c00", "notes do nothing"),
        ("mark@c[0..1] . mark@c1", "mark@c00", "ranges are their classes"),
        ("swap@c1<->c2 . merge@c1[c3,c4] . swap@c1<->c2", "merge@c02[c03,c04]", "swaps go last"),
        ("swap@c1<->c2 . swap@c2<->c3 . swap@c1<->c3", "swap@c02<->c03", "swaps go last"),
        ("swap@c5<->c5", "quote@c00", "swaps go last"),
        (
            "copy@c0->c1 . merge.exp@c1[c1,c2]",
            "copy@c00->c01 . merge.exp@c00[c00,c02]",
            "operands by their first class",
        ),
        ("merge@c5[c1,c2]", "merge@c01[c05,c02]", "operands by their first class"),
        ("copy@c5->c5", "quote@c00", "nothing changes"),
        ("copy@c5->c6 . mark@c7 . copy@c5->c6", "mark@c07 . copy@c05->c06", "nothing changes"),
        ("merge.abs@c0[c0,c0] . merge.abs@c0[c0,c0]", "merge.abs@c00[c00,c00]", "abs-abs"),
        ("merge.mul@c0[c1,c2] . merge.mul@c1[c0,c3]", "merge.mul@c00[c01,c02] . copy@c02->c03", "common subexpression"),
        ("merge@c0[c1,c2] . copy@c3->c2", "copy@c03->c02", "overwritten before it is read"),
        ("reduce.sum@c0->c1 . reduce.max@c2->c1", "reduce.max@c02->c01", "overwritten before it is read"),
        ("reduce.sum@c0->c1 . reduce.max@c1->c1", "reduce.sum@c00->c01 . reduce.max@c01->c01", None),
        ("mark@c3 . mark@c3", "quote@c00", "two marks are none"),
        ("mark@c3 . copy@c3->c4 . mark@c3", "mark@c03 . copy@c03->c04 . mark@c03", None),
        ("mark@c2 . mark@c1", "mark@c[1..2]", "neighbours are a range"),
        ("mark@c3 || copy@c0->c1 . mark@c1", "mark@c03 . copy@c00->c01 . mark@c01", None),
        ("copy@c0->c1 . mark@c3", "mark@c03 . copy@c00->c01", "independent calls in order"),
        ("R+1@ (mark@c0 . mark@c0)", "quote@c00", "transforms go to the classes"),
    ],
)
def test_each_rule_on_sequences(text: str, canonical: str, rule: str | None) -> None:
    """Each rule is used where it applies, is named in the steps, and its circuit leaves the same memory."""
    got = canonical_arrays(parse(text))
    assert str(got.phrase) == canonical
    assert rule is None or rule in got.applied_rules
    for ty in MEMORIES:
        if all(ty in MEANINGS[one.operation].types for one in calls(parse(text))):
            assert alike(left_by(calls(parse(text)), ty), left_by(calls(got.phrase), ty), ty)


@pytest.mark.clause("CIRCUIT-12")
def test_operations_are_counted_as_written() -> None:
    """A group counts what it holds, a range one; the reduction is a share of what was written."""
    got = canonical_arrays(parse("(mark@c[0..9] . (copy@c15->c16 || copy@c15->c16)) . quote@c1"))
    assert (got.original_ops, got.canonical_ops, got.reduction_pct) == (4, 2, 50.0)


@pytest.mark.clause("CIRCUIT-12")
def test_a_vector_addition_saves_nothing() -> None:
    """The plan's 75 % for one addition is none: one operation stays one."""
    assert canonical_arrays(parse("merge@c00[c01,c02]")).reduction_pct == 0.0


@pytest.mark.clause("CIRCUIT-15")
def test_rules_are_documented() -> None:
    """Each rule on sequences has a sentence that says what it does."""
    assert all(len(sentence.split()) > 4 for sentence in RULES.values())


# Laws ------------------------------------------------------------------------

numbers = st.sampled_from([0, 1, 2, 3, 4])
FINITE = [("merge", "add"), ("merge", "mul"), ("merge", "min"), ("merge", "max"), ("split", "sub")]
any_calls = st.one_of(
    st.builds(lambda p, a, b, c: call(p[0], a, b, c, variant=p[1]), st.sampled_from(FINITE), numbers, numbers, numbers),
    st.builds(lambda a, c: call("merge", a, a, c, variant="abs"), numbers, numbers),
    st.builds(lambda a: call("mark", a), numbers),
    st.builds(lambda a: on_range("mark", a, a + 2), numbers),
    st.builds(lambda a, b: call("copy", a, b), numbers, numbers),
    st.builds(lambda a, b: call("swap", a, b), numbers, numbers),
    st.builds(lambda v, a, b: call("reduce", a, b, variant=v.name), st.sampled_from(REDUCTIONS), numbers, numbers),
    st.builds(lambda a: call("quote", a), numbers),
)
circuits = st.lists(any_calls, min_size=1, max_size=9)


def phrase_of(given: list[Call]) -> Phrase:
    """Return calls as a phrase."""
    return Phrase((tuple(one.as_operation() for one in given),))


@pytest.mark.clause("CIRCUIT-14")
@settings(max_examples=120)
@given(circuits)
@pytest.mark.slow
def test_canonical_circuits_leave_the_same_memory(given: list[Call]) -> None:
    """The canonical form has no more operations, the same identity, and leaves the same bits on every type."""
    got = canonical_arrays(phrase_of(given))
    assert got.canonical_ops <= max(1, len(given))
    result = calls(got.phrase)
    assert Session().identity(result) == got.identity == Session().identity(given)
    for ty in MEMORIES:
        assert alike(left_by(tuple(given), ty), left_by(result, ty), ty)


@pytest.mark.clause("CIRCUIT-14")
@settings(max_examples=60)
@given(circuits, circuits)
def test_equal_identities_leave_equal_memories(one: list[Call], other: list[Call]) -> None:
    """Circuits with one identity leave the same memory, and a note changes no identity."""
    if Session().identity(one) == Session().identity(other):
        assert all(alike(left_by(tuple(one), ty), left_by(tuple(other), ty), ty) for ty in MEMORIES)
    assert Session().identity([*one, *other, call("quote", 3)]) == Session().identity([*one, *other])


@pytest.mark.clause("CIRCUIT-15")
@settings(max_examples=60)
@given(circuits)
def test_canonical_forms_are_stable(given: list[Call]) -> None:
    """A canonical form is its own canonical form, or becomes shorter; it never grows."""
    once = canonical_arrays(phrase_of(given))
    again = canonical_arrays(once.phrase)
    assert again.canonical_ops <= once.canonical_ops
    assert canonical_arrays(again.phrase).canonical_ops <= again.canonical_ops
    assert again.identity == once.identity


@pytest.mark.clause("CIRCUIT-14")
def test_each_call_is_an_op_of_the_theory() -> None:
    """Every variant and reduction of the language has an op in the theory."""
    ops = set(arrays().signature.by_name)
    renamed = {"min": "lesser", "max": "larger"}
    assert ops >= {renamed.get(v.name, v.name) for v in (*MERGES, *SPLITS)} | {"sum", "least", "greatest", "softmax"}
