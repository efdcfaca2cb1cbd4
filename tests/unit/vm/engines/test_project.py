"""prism.vm.engines.project: equal terms have equal images, others have not."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given

from prism.errors import CorruptError
from prism.status import Status
from prism.vm.engines.project import commit, project
from prism.vm.ledger.host import HostLedger
from prism.vm.ledger.key import COMPACT, WIDE
from prism.vm.term.graph import TermGraph
from prism.vm.term.parse import read_text
from tests.strategies import term_graphs

pytestmark = pytest.mark.m1


def by_batches(terms: TermGraph) -> tuple[list[int], list[int]]:
    """Return the keys and root ids of a ledger that took the terms under the roots one batch a height."""
    used = set(terms.roots.tolist())
    for row in range(len(terms) - 1, 1, -1):
        if row in used:
            used |= {int(terms.a[row]), int(terms.b[row])}
    height, ids = [0, 0], [0, 1] + [0] * (len(terms) - 2)
    for row in range(2, len(terms)):
        height.append(1 + max(height[terms.a[row]], height[terms.b[row]]))
    ledger = HostLedger()
    for level in range(max(height) + 1):
        rows = [row for row in sorted(used) if row > 1 and height[row] == level]
        a, b = ([ids[operand[row]] for row in rows] for operand in (terms.a, terms.b))
        for row, node in zip(rows, ledger.intern(terms.op[rows], a, b).tolist(), strict=True):
            ids[row] = node
    return ledger.keys().tolist(), [ids[root] for root in terms.roots]


@pytest.mark.clause("REWRITE-6")
@given(terms=term_graphs())
def test_ids_are_those_of_one_batch_a_height(terms) -> None:
    """The image is what a ledger holds that interned each height of the terms as a batch."""
    keys, roots = by_batches(terms)
    image = project(terms)
    assert image.keys.tolist() == keys
    assert image.roots.tolist() == roots


@pytest.mark.parametrize(
    ("one", "other", "equal"),
    [
        ("(add 1 2) 3", "(add 2 1) 3", True),
        ("(add 1 2) 3", "3 (add 1 2)", False),
        ("(add 1 2)", "(add 1 3)", False),
        ("(def x (mul 9 9)) 4", "4", True),
    ],
)
def test_images_are_equal_when_the_terms_are(one, other, equal) -> None:
    """Operand order of commuting ops, unused rows and sharing do not show; anything else does."""
    assert project(read_text(one).graph).agrees(project(read_text(other).graph)) is equal


def test_a_layout_that_is_too_small_is_named() -> None:
    """One node more than the layout has ids is an error that names the layout; just as many are fine."""
    fits = COMPACT.max_id - 1
    assert len(project(read_text(str(fits)).graph, COMPACT).keys) == COMPACT.max_id + 1
    message = (
        "must have at most 65535 nodes to be projected in the key layout 'compact', got more; project in a wider one"
    )
    with pytest.raises(CorruptError, match=message):
        project(read_text(str(fits + 1)).graph, COMPACT)
    assert len(project(read_text(str(fits + 1)).graph, WIDE).keys) == COMPACT.max_id + 2


def test_a_root_without_a_result_stays_null() -> None:
    """A root of 0, which is what a stopped run leaves, is projected to 0."""
    zero = read_text("0").graph
    image = project(TermGraph(zero.op, zero.a, zero.b, np.zeros(2, np.int32)))
    assert image.roots.tolist() == [0, 0]


@pytest.mark.clause("LEDGER-5")
def test_a_height_that_does_not_fit_lands_no_node() -> None:
    """Three sums of one height and room for two: the sums stay out, the numerals below them stay in, byte for byte."""
    numerals = read_text("4").graph
    sums = read_text("(add 4 1) (add 4 2) (add 4 3)").graph
    below = HostLedger(capacity=8)
    commit(below, numerals)
    ledger = HostLedger(capacity=8)
    commit(ledger, numerals)
    assert commit(ledger, sums).roots.tolist() == [0, 0, 0]
    assert ledger.status is Status.OOM
    assert ledger.keys().tolist() == below.keys().tolist()
    assert ledger.table.index.tolist() == below.table.index.tolist()
