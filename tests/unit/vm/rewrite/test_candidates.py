"""prism.vm.rewrite: candidates, their places and their strata, on NumPy and on JAX alike."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from prism.vm.rewrite.candidates import Candidates, Rows, emit
from prism.vm.rewrite.commit import place, project
from prism.vm.rewrite.validate import strata_violations
from prism.vm.term.ops import ADD, MUL, NULL, SUC, ZERO

pytestmark = pytest.mark.m2

# Row: 0 NULL, 1 zero, 2 one, 3 two, 4 (add zero two), 5 (add one two), 6 (mul two two), 7 (mul 4 zero), 8 (add 4 5).
OP = np.array([NULL.code, ZERO.code, SUC.code, SUC.code, ADD.code, ADD.code, MUL.code, MUL.code, ADD.code], np.uint8)
A = np.array([0, 0, 1, 2, 1, 2, 3, 4, 4], np.int32)
B = np.array([0, 0, 0, 0, 3, 3, 3, 1, 5], np.int32)
SITES = np.arange(len(OP), dtype=np.int32)


def emitted() -> Candidates:
    """Return the candidates of every row."""
    return emit(Rows(OP, A, B), SITES, xp=np)


@pytest.mark.clause("STRATA-1")
def test_every_site_emits_two_slots_and_only_rewrites_are_enabled() -> None:
    """A site that builds one node enables its second slot only, one that builds two enables both, others none."""
    found = emitted()
    assert len(found.enabled) == 2 * len(SITES)
    pairs = found.enabled.reshape(-1, 2).tolist()
    assert {site: pair for site, pair in enumerate(pairs) if any(pair)} == {5: [True, True], 6: [True, True]}
    assert found.forward.tolist() == [0, 1, 2, 3, 3, ~11, ~13, 1, 8]


def test_candidates_are_the_right_sides_of_the_rules() -> None:
    """(add one two) becomes (suc (add zero two)), (mul two two) becomes (add two (mul one two))."""
    found = emitted()
    built = {
        slot: (int(found.op[slot]), int(found.a[slot]), int(found.b[slot])) for slot in np.flatnonzero(found.enabled)
    }
    assert built[10] == (ADD.code, 1, 3)
    assert built[11] == (SUC.code, ~10, 0)
    assert built[12] == (MUL.code, 2, 3)
    assert set(built[13][1:]) == {3, ~12}
    assert built[13][0] == ADD.code


def test_numpy_and_jax_emit_the_same() -> None:
    """The array namespace is an argument that changes nothing."""
    traced = jax.jit(lambda rows, sites: emit(rows, sites, xp=jnp))(Rows(*map(jnp.asarray, (OP, A, B))), SITES)
    for ours, theirs in zip(emitted(), traced, strict=True):
        assert ours.tolist() == np.asarray(theirs).tolist()


@pytest.mark.clause("STRATA-3")
def test_places_are_total_compact_and_local_first() -> None:
    """Enabled slots get consecutive rows, local rewrites before continuations; disabled slots map to NULL."""
    found = emitted()
    q, n_new = place(found.enabled, 20, xp=np)
    assert int(n_new) == 4
    assert {slot: int(q[slot]) for slot in (10, 12, 11, 13)} == {10: 20, 12: 21, 11: 22, 13: 23}
    assert not q[~found.enabled].any()
    once = project(found.forward, q, xp=np)
    assert once.tolist() == [0, 1, 2, 3, 3, 22, 23, 1, 8]
    assert project(once, q, xp=np).tolist() == once.tolist(), "q is idempotent"


@pytest.mark.clause("STRATA-2")
def test_emitted_candidates_keep_the_strata() -> None:
    """Whatever the rows, what `emit` returns has no violation."""
    assert strata_violations(emitted(), len(OP)) == []


@pytest.mark.clause("STRATA-2")
def test_a_candidate_reading_its_own_stratum_is_caught() -> None:
    """Planted bug: a local rewrite that refers to a local rewrite, and a continuation to a continuation."""
    found = emitted()
    for slot, ref in ((10, ~12), (13, ~11), (11, ~11), (10, len(OP))):
        a = found.a.copy()
        a[slot] = ref
        message = f"slot {slot} must refer to an earlier stratum as operand a, got ref {ref}"
        assert strata_violations(found._replace(a=a), len(OP)) == [message]


def test_a_replacement_by_a_disabled_slot_is_caught() -> None:
    """A site replaced by a slot that was never built would dangle."""
    found = emitted()
    forward = found.forward.copy()
    forward[8] = ~0
    assert strata_violations(found._replace(forward=forward), len(OP)) == [
        "site 8 must be replaced by a row or an enabled slot, got ref -1"
    ]


def test_a_missing_slot_is_caught() -> None:
    """Two slots a site, no more and no less."""
    found = emitted()
    assert strata_violations(found._replace(enabled=found.enabled[:-1]), len(OP)) == [
        "9 sites must emit 18 slots, got 17"
    ]
