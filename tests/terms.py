"""Hypothesis strategies for terms, shared by the laws."""

from __future__ import annotations

from hypothesis import strategies as st

Tree = tuple  # (op name, operand...), an int for a numeral
"""A term as nested tuples, for tests alone: real terms are graphs."""


def trees(max_leaves: int = 12, max_numeral: int = 6) -> st.SearchStrategy:
    """Return random terms with `zero`, numerals and every op."""
    leaves = st.one_of(st.just(("zero",)), st.integers(0, max_numeral))
    return st.recursive(
        leaves,
        lambda inner: st.one_of(
            st.tuples(st.just("suc"), inner),
            st.tuples(st.sampled_from(["add", "mul"]), inner, inner),
        ),
        max_leaves=max_leaves,
    )


def text_of(tree) -> str:
    """Return the program text of a tree."""
    if isinstance(tree, int):
        return str(tree)
    name, *operands = tree
    return f"({name} {' '.join(map(text_of, operands))})" if operands else name


def value_of(tree) -> int:
    """Return what a tree means, computed apart from `prism.vm.term.denote`."""
    if isinstance(tree, int):
        return tree
    match tree:
        case ("zero",):
            return 0
        case ("suc", x):
            return value_of(x) + 1
        case ("add", x, y):
            return value_of(x) + value_of(y)
        case ("mul", x, y):
            return value_of(x) * value_of(y)
    raise AssertionError(tree)
