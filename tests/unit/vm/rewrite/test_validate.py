"""prism.vm.rewrite.validate: every fault of a commit is found where it is, and named."""

from __future__ import annotations

import numpy as np
import pytest

from prism.vm.engines.project import commit
from prism.vm.ledger.host import HostLedger
from prism.vm.rewrite.candidates import Candidates, Rows, emit
from prism.vm.rewrite.validate import strata_violations
from prism.vm.term.parse import read_text
from tests.reference.strata import Landed, Stratum, land
from tests.reference.validate import commit_violations, map_violations, row_violations

pytestmark = pytest.mark.m2


def emitted() -> tuple[HostLedger, Candidates]:
    """Return a ledger that holds (add 2 1), (mul 2 3) and (add 0 3), and their candidates, in order of id."""
    ledger = HostLedger()
    roots = commit(ledger, read_text("(add 2 1) (mul 2 3) (add 0 3)").graph).roots
    op, a, b = ledger.layout.unpack(ledger.keys())
    return ledger, emit(Rows(op, a, b), np.sort(roots), xp=np)


def changed(array: np.ndarray, at: int, value: int) -> np.ndarray:
    """Return a copy with one element set."""
    copy = array.copy()
    copy[at] = value
    return copy


def test_what_a_cycle_emits_and_lands_is_sound() -> None:
    """Without a planted fault nothing is reported."""
    ledger, found = emitted()
    before = ledger.keys()
    assert np.count_nonzero(found.enabled) == 4
    assert strata_violations(found, ledger.count) == []
    assert commit_violations(ledger, found, land(ledger, found)) == []
    assert row_violations(before, ledger.keys()) == []
    assert map_violations(np.arange(ledger.count)) == []


@pytest.mark.parametrize(("column", "value", "has"), [("b", 0, 1), ("op", 2, 2), ("op", 1, 2)])
def test_a_candidate_without_the_operands_of_its_op_is_found(column, value, has) -> None:
    """An operand that is missing, or one too many, is named by its slot."""
    ledger, found = emitted()
    slot = 2 * int(found.enabled[::2].argmax())
    planted = found._replace(**{column: changed(getattr(found, column), slot, value)})
    message = f"slot {slot} must have as many operands as its op takes, got operands {has}"
    assert strata_violations(planted, ledger.count) == [message]


@pytest.mark.clause("STRATA-3")
def test_a_commit_that_is_not_total_or_not_equal_is_found() -> None:
    """An enabled slot without a node, a disabled one with a node, and a node that is another are reported."""
    ledger, found = emitted()
    landed = land(ledger, found)
    last = 2 * int(found.enabled[1::2].argmax()) + 1
    off = int(found.enabled.argmin())
    total, equal = "have a node if it is enabled, and only then", "have a node that is equal to it"
    for slot, node, must in ((last, 0, total), (off, 2, total), (last, 1 << 20, total), (last, 2, equal)):
        planted = landed._replace(q=changed(landed.q, slot, node))
        assert commit_violations(ledger, found, planted) == [f"slot {slot} must {must}, got node {node}"]


@pytest.mark.clause("STRATA-2")
def test_a_node_that_refers_to_its_own_stratum_is_found() -> None:
    """Both strata taken for one: the first continuation over a new local rewrite is reported."""
    ledger, found = emitted()
    landed = land(ledger, found)
    local, continuation = landed.strata
    (message,) = commit_violations(ledger, found, Landed(landed.q, (Stratum(local.start, continuation.stop),)))
    assert message.startswith(f"node {continuation.start} must refer to earlier strata, got operand ")


@pytest.mark.clause("STRATA-4")
def test_rows_that_changed_or_are_gone_are_found() -> None:
    """A changed key and a lost one are reported."""
    keys = emitted()[0].keys()
    assert row_violations(keys, changed(keys, 3, 7)) == ["row 3 must stay as it was, got key 7"]
    assert row_violations(keys, keys[:-1]) == [f"{len(keys)} rows must still be there, got {len(keys) - 1}"]


@pytest.mark.clause("STRATA-3")
def test_a_map_that_is_not_idempotent_is_found() -> None:
    """A node that is sent to one that is sent on, or to none, is reported."""
    for forward, node in (([0, 1, 3, 4, 4], 3), ([0, 1, 9], 9), ([0, 1, -1], -1)):
        message = f"node 2 must be sent to a node that stands for itself, got node {node}"
        assert map_violations(np.array(forward)) == [message]
