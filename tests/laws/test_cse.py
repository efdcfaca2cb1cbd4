"""The laws of common subexpressions [spec/cse.md]."""

from __future__ import annotations

from collections import Counter
from random import Random

import pytest
import sympy
from hypothesis import given, settings
from hypothesis import strategies as st

from prism import cse

pytestmark = pytest.mark.m7

NAMES = sympy.symbols("a b x0 x3")
MAKE = (
    lambda p, q: sympy.Add(p, q, evaluate=False),
    lambda p, q: sympy.Mul(p, q, evaluate=False),
    lambda p, q: sympy.Add(p, q),
    lambda p, _: sympy.Pow(p, 2, evaluate=False),
    lambda p, _: sympy.sin(p, evaluate=False),
    lambda p, q: sympy.Function("f")(p, q),
)


def graph(seed: int, size: int) -> list[sympy.Basic]:
    """Return expressions that share parts, some as one object and some as equal ones."""
    random, nodes = Random(seed), [*NAMES, sympy.Integer(2)]
    for _ in range(size):
        nodes.append(random.choice(MAKE)(*(random.choice(nodes[-8:]) for _ in range(2))))
    return nodes[-3:]


def inner(expression: sympy.Basic) -> list[sympy.Basic]:
    """Return every occurrence of a part that is worth a name."""
    found, stack = [], [expression]
    while stack:
        node = stack.pop()
        if node.args and isinstance(node, sympy.Expr | sympy.logic.boolalg.Boolean):
            found.append(node)
        stack.extend(node.args)
    return found


@pytest.mark.clause("CSE-2")
@given(seed=st.integers(0, 1 << 32), size=st.integers(1, 8))
@settings(max_examples=40, deadline=None)
def test_each_part_is_written_once(seed: int, size: int) -> None:
    """Names are new and used twice, in an order of evaluation; no part is left twice; put back, they give the input."""
    given_ = graph(seed, size)
    replacements, reduced = cse(given_)
    names = [name for name, _ in replacements]
    known = {name.name for one in given_ for name in one.free_symbols}
    free = [f"x{k}" for k in range(len(names) + 4) if f"x{k}" not in known]
    assert [name.name for name in names] == free[: len(names)]
    texts = [text for _, text in replacements] + list(reduced)
    for at, text in enumerate(texts):
        assert not text.free_symbols & set(names[at:])
    parts = Counter(part for text in texts for part in inner(text))
    assert [part for part, count in parts.items() if count > 1] == []
    uses = Counter(atom for text in texts for atom in sympy.preorder_traversal(text) if atom in set(names))
    assert all(uses[name] > 1 for name in names)
    put_back: dict[sympy.Basic, sympy.Basic] = {}
    for name, text in replacements:
        put_back[name] = text.xreplace(put_back)
    for one, other in zip(given_, reduced, strict=True):
        # Making a tree again evaluates it, the one way or the other.
        assert other.xreplace(put_back).doit() == one.doit()


@pytest.mark.clause("CSE-2")
@given(seed=st.integers(0, 1 << 32))
@settings(max_examples=20, deadline=None)
def test_the_answer_is_the_same_every_time(seed: int) -> None:
    """Expressions made anew, in another order than before, get the same names."""
    assert cse(graph(seed, 8)) == cse(graph(seed, 8))
