"""The expression parser: precedence, the forms of access, conjuncts, and located refusals."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from policy.expression import (
    Access,
    Binary,
    Call,
    Expression,
    ExpressionError,
    Literal,
    Not,
    Opaque,
    condition,
    conjuncts,
    is_equality,
    parse,
)

pytestmark = [pytest.mark.m5, pytest.mark.clause("CHECKER-1")]

A, B, C = Access(("a",)), Access(("b",)), Access(("c",))


@pytest.mark.parametrize(
    ("text", "tree"),
    [
        ("a || b && c", Binary("||", A, Binary("&&", B, C))),
        ("a && b || c", Binary("||", Binary("&&", A, B), C)),
        ("(a || b) && c", Binary("&&", Binary("||", A, B), C)),
        ("!a == b", Binary("==", Not(A), B)),
        ("!(a == b)", Not(Binary("==", A, B))),
        ("a == b != c", Binary("!=", Binary("==", A, B), C)),
        ("a < b == c", Binary("==", Binary("<", A, B), C)),
        ("A.B-c_d", Access(("a", "b-c_d"))),
        ("a['b'].*.c", Access(("a", "b", "*", "c"))),
        ("a[*]", Access(("a", "*"))),
        ("a[b]", Opaque((A, B))),
        ("f(a).b", Opaque((Call("f", (A,)), Literal("b", is_string=True)))),
        ("Always()", Call("always", ())),
        ("f(a, 'it''s')", Call("f", (A, Literal("it's", is_string=True)))),
        ("-1.5e3", Literal("-1.5e3", is_string=False)),
        ("0xFF", Literal("0xFF", is_string=False)),
        ("TRUE", Literal("TRUE", is_string=False)),
    ],
)
def test_each_text_has_one_tree(text: str, tree: Expression) -> None:
    """Operators bind and associate as the host's do; names fold case, strings do not."""
    assert parse(text) == tree


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "column 1: expected a value, found the end"),
        ("a &&", "column 5: expected a value, found the end"),
        ("a b", "column 3: expected the end of the expression, found 'b'"),
        ("(a", "column 3: expected ')', found the end"),
        ("f(a", "column 4: expected ')', found the end"),
        ("a[b", "column 4: expected ']', found the end"),
        ("a.'b'", "column 3: expected a property name, found \"'b'\""),
        ("a &  b", "column 3: expected a token, found '&'"),
        ("'open", 'column 1: expected a token, found "\'"'),
        ("a = b", "column 3: expected a token, found '='"),
        ("&& a", "column 1: expected a value, found '&&'"),
    ],
)
def test_a_text_that_is_no_expression_is_refused_with_its_column(text: str, message: str) -> None:
    """The message has the column, what was expected and what was found; such a condition guards nothing."""
    with pytest.raises(ExpressionError) as refused:
        parse(text)
    assert str(refused.value) == message
    assert condition(text) is None


@pytest.mark.parametrize(
    "text", ["${{ a }} b", "b ${{ a }}", "${{ a }}${{ b }}", "${{ a", "a }}", "${{ a }}\n", " ${{ a }}", "${{ a }} "]
)
def test_text_beside_an_expression_is_no_condition(text: str) -> None:
    """The host formats such a text to a non-empty string, which is true; the newline that ends a block is enough."""
    assert condition(text) is None


def test_a_condition_may_be_bare_or_one_whole_expression() -> None:
    """`if: a` and `if: ${{ a }}` mean the same, and so do blanks around what is bare."""
    assert condition("a") == condition("${{ a }}") == condition(" a\n") == A


def _show(tree: Expression) -> str:
    match tree:
        case Binary(operator, left, right):
            return f"({_show(left)} {operator} {_show(right)})"
        case Not(operand):
            return f"!({_show(operand)})"
        case Access(path):
            return ".".join(path)
        case _:
            raise TypeError(tree)


_TREES = st.recursive(
    st.sampled_from("abcd").map(lambda name: Access((name,))),
    lambda inner: st.one_of(
        st.builds(Not, inner), st.builds(Binary, st.sampled_from(["||", "&&", "==", "!="]), inner, inner)
    ),
    max_leaves=12,
)


def _value(tree: Expression, truth: dict[str, bool]) -> bool:
    match tree:
        case Access((name,)):
            return truth[name]
        case Not(operand):
            return not _value(operand, truth)
        case Binary("||", left, right):
            return _value(left, truth) or _value(right, truth)
        case Binary("&&", left, right):
            return _value(left, truth) and _value(right, truth)
        case Binary(operator, left, right):
            return (_value(left, truth) == _value(right, truth)) == (operator == "==")
        case _:
            raise TypeError(tree)


@given(_TREES)
def test_printing_and_parsing_is_the_identity(tree: Expression) -> None:
    """A tree that is printed with all its brackets parses to itself."""
    assert parse(_show(tree)) == tree


@given(_TREES, st.fixed_dictionaries({name: st.booleans() for name in "abcd"}))
def test_a_true_condition_has_only_true_conjuncts(tree: Expression, truth: dict[str, bool]) -> None:
    """If the whole holds each conjunct holds: so a guard among them cannot be bypassed."""
    assert _value(tree, truth) == all(_value(part, truth) for part in conjuncts(tree))


def test_equality_is_found_in_either_order_only() -> None:
    """`a == b` and `b == a` are the equality of a and b; `a == a` and `a != b` are not."""
    assert [is_equality(parse(text), ("a",), ("b",)) for text in ("a == b", "b == a", "a == a", "a != b", "a")] == [
        True,
        True,
        False,
        False,
        False,
    ]
