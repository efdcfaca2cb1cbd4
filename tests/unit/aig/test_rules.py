from __future__ import annotations

from itertools import combinations_with_replacement, product

import numpy as np
import pytest

from prism.aig.circuit import Circuit, Interface
from prism.aig.rules import LEVELS, settle
from prism.aig.strash import keys_of, simplify
from prism.errors import UsageError

pytestmark = [pytest.mark.m7, pytest.mark.clause("AIG-5")]

FIRST = 5
LEAVES = [2, 4, 6, 8]
PAIRS = [(a, b) for a, b in product(range(2, 10), repeat=2) if a < b and a ^ b != 1]
KEYS = keys_of(np.array(PAIRS, np.uint32))
P, Q, R, S = LEAVES


def table(lit: int) -> int:
    """Return the truth table of a literal over four leaves, or over the ANDs of two of their literals."""
    variable = lit >> 1
    if variable == 0:
        word = 0
    elif variable < FIRST:
        word = (0xAAAA, 0xCCCC, 0xF0F0, 0xFF00)[variable - 1]
    else:
        a, b = PAIRS[variable - FIRST]
        word = table(a) & table(b)
    return word ^ (0xFFFF if lit & 1 else 0)


@pytest.mark.slow
@pytest.mark.parametrize("level", LEVELS)
def test_every_rule_is_an_identity(level: int) -> None:
    """The answer has the truth table of the AND, for all literals of four leaves and of ANDs of two of them."""
    lits = [0, 1, *range(2, 10), *range(2 * FIRST, 2 * (FIRST + len(PAIRS)))]
    tables = {lit: table(lit) for lit in lits}
    for a, b in combinations_with_replacement(lits, 2):
        x, y = settle(KEYS, np.uint32(FIRST), level, np.uint32(a), np.uint32(b))
        assert tables[x] & tables[y] == tables[a] & tables[b], (a, b, x, y)
        assert x == 1 or x < y
        assert (x, y) == settle(KEYS, np.uint32(FIRST), level, np.uint32(b), np.uint32(a))


def conjunction(a: int, b: int) -> int:
    """Return the literal of an AND of two literals of leaves."""
    return 2 * (FIRST + PAIRS.index((min(a, b), max(a, b))))


def negated(lit: int) -> int:
    """Return the complement of a literal."""
    return lit ^ 1


AND = conjunction
# Table 1 of the source: the first level at which each rule fires, and what it gives; TRUE AND x is x.
TABLE = {
    "neutrality": (1, 1, P, (1, P)),
    "boundedness": (1, 0, P, (1, 0)),
    "idempotence": (1, P, P, (1, P)),
    "contradiction": (1, P, negated(P), (1, 0)),
    "contradiction, asymmetric": (2, AND(P, Q), negated(Q), (1, 0)),
    "contradiction, symmetric": (2, AND(P, Q), AND(negated(Q), R), (1, 0)),
    "subsumption, asymmetric": (2, negated(AND(P, Q)), negated(P), (1, negated(P))),
    "subsumption, symmetric": (2, negated(AND(P, Q)), AND(negated(P), R), (1, AND(negated(P), R))),
    "idempotence, asymmetric": (2, AND(P, Q), Q, (1, AND(P, Q))),
    "resolution": (2, negated(AND(P, Q)), negated(AND(P, negated(Q))), (1, negated(P))),
    "substitution, asymmetric": (3, negated(AND(P, Q)), Q, tuple(sorted((negated(P), Q)))),
    "substitution, symmetric": (3, negated(AND(P, Q)), AND(Q, R), (negated(P), AND(Q, R))),
    "idempotence, symmetric": (4, AND(P, Q), AND(Q, R), (R, AND(P, Q))),
}


@pytest.mark.parametrize("name", TABLE)
def test_the_table_of_the_source(name: str) -> None:
    """Each rule fires from its level on, to its result, and not below."""
    from_level, a, b, expected = TABLE[name]
    for level in LEVELS:
        got = settle(KEYS, np.uint32(FIRST), level, np.uint32(a), np.uint32(b))
        assert (got == expected) == (level >= from_level), level


def test_an_unknown_level_is_refused() -> None:
    """Level 5 is refused."""
    empty = Circuit(Interface(), np.zeros((0, 2), np.uint32), np.zeros(0, np.uint32), np.zeros(0, np.uint8))
    with pytest.raises(UsageError, match=r"a level of simplification must be one of .1, 2, 3, 4., got 5; choose among"):
        simplify(empty, 5)
