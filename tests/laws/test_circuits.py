"""Laws of circuits [spec/circuits.md]."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prism.errors import ParseError
from prism.kernels.circuit.classes import Transform
from prism.kernels.circuit.evaluate import literal, words
from prism.kernels.circuit.generators import GENERATORS, Form, Generator
from prism.kernels.circuit.parse import parse
from prism.kernels.circuit.phrase import Operation, Phrase, Range, Sigil, leaves
from prism.kernels.isa.program import CLASSES

pytestmark = pytest.mark.m8

numbers = st.integers(0, CLASSES - 1)
transforms = st.builds(Transform, st.integers(-9, 9), st.integers(-9, 9), st.integers(-9, 9), st.booleans())
sigils = st.builds(Sigil, numbers, transforms, st.none() | st.integers(0, 47))
ranges = st.builds(lambda ends, t: Range(min(ends), max(ends), t), st.sets(numbers, min_size=2, max_size=2), transforms)


@st.composite
def operations(draw: st.DrawFn) -> Operation:
    """Draw an operation in any form that is read, unary merges with their source as context."""
    generator: Generator = draw(st.sampled_from(GENERATORS))
    forms = [generator.form, *([Form.ONE, Form.RANGE] if generator.is_sigil else [])]
    form, variant = draw(st.sampled_from(forms)), draw(st.sampled_from([*generator.by_name] or [""]))
    if form is Form.RANGE:
        return Operation(generator.name, variant, form, draw(ranges))
    operands = draw(st.lists(sigils, min_size=form.n_operands, max_size=form.n_operands))
    if form is Form.IN_CONTEXT and generator.by_name[variant].arity == 1:
        operands[1] = operands[0]
    return Operation(generator.name, variant, form, tuple(operands))


def phrases(terms: st.SearchStrategy) -> st.SearchStrategy[Phrase]:
    """Return phrases whose branches are sequences of `terms`."""
    branches = st.lists(st.lists(terms, min_size=1, max_size=3).map(tuple), min_size=1, max_size=3)
    return st.builds(lambda these, transform: Phrase(tuple(these), transform), branches, transforms)


circuits = phrases(st.recursive(operations(), lambda inner: operations() | phrases(inner), max_leaves=6))


@pytest.mark.slow
@pytest.mark.clause("CIRCUIT-6")
@given(circuits)
def test_printing_round_trips(phrase: Phrase) -> None:
    """What is printed is read as the same tree, and printed the same again."""
    assert parse(str(phrase)) == phrase
    assert str(parse(str(phrase))) == str(phrase)


@pytest.mark.clause("CIRCUIT-2")
@given(transforms, transforms, transforms, numbers)
def test_transforms_are_a_group_of_permutations(one: Transform, two: Transform, three: Transform, number: int) -> None:
    """`then` composes the maps, so it is associative; R, T and ~ commute, D and ~ do not."""
    assert one.then(two).of(number) == two.of(one.of(number))
    assert one.then(two).then(three) == one.then(two.then(three))
    assert Transform(one.rotation, 0, one.twist, one.mirror).then(Transform(two.rotation, 0, two.twist)) == Transform(
        two.rotation, 0, two.twist
    ).then(Transform(one.rotation, 0, one.twist, one.mirror))
    assert len({one.of(each) for each in range(CLASSES)}) == CLASSES


@pytest.mark.clause("CIRCUIT-7")
@given(circuits)
def test_readings_cover_every_leaf(phrase: Phrase) -> None:
    """The literal reading has a byte for each class named; the words close what they open."""
    named = sum(
        len(operation.operands) if isinstance(operation.operands, tuple) else len(operation.operands.images())
        for operation, _ in leaves(phrase)
    )
    assert len(literal(phrase).bytes) == named
    said = words(phrase)
    assert sum(word.startswith("enter") for word in said) == sum(word.startswith("exit") for word in said)
    assert said.count("begin") == said.count("end")


def refusal(text: str) -> ParseError | None:
    """Return the error with which a text is refused, None if it is read."""
    try:
        parse(text)
    except ParseError as error:
        return error
    return None


@pytest.mark.clause("CIRCUIT-5")
@given(
    st.text(alphabet="markcopyswaplitredunxeg._@[]()<>-|~^+RDT0123456789, /\n$c", max_size=40) | st.text(max_size=20)
)
def test_any_text_is_read_or_refused(text: str) -> None:
    """No text breaks the reader: it gives a phrase, or an error whose place lies in the text."""
    fault = refusal(text)
    if fault is None:
        assert parse(str(parse(text))) == parse(text)
    else:
        lines = text.split("\n")
        assert 1 <= fault.where.line <= len(lines)
        assert 1 <= fault.where.column <= len(lines[fault.where.line - 1]) + 1
        assert fault.expected
