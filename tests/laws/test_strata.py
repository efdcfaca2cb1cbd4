"""The laws of strata [spec/rewriting.md]: cycles over a ledger, validated one by one."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings

from prism.status import Status
from prism.vm.engines.api import Limits
from prism.vm.engines.project import commit, project
from prism.vm.engines.table import open_engine
from prism.vm.ledger.device import DeviceLedger
from prism.vm.ledger.host import HostLedger
from prism.vm.ledger.key import COMPACT, WIDE
from prism.vm.ledger.verify import verify
from prism.vm.rewrite.candidates import emit
from prism.vm.term.denote import denote
from prism.vm.term.graph import TermGraph, numerals
from prism.vm.term.parse import read_text
from tests.reference import cycle as cycling
from tests.reference.cycle import State, cycle, sites_among
from tests.reference.normalise import normalise, read, violations_of
from tests.strategies import term_graphs

pytestmark = pytest.mark.m2

both_layouts = pytest.mark.parametrize("layout", [COMPACT, WIDE], ids=lambda layout: layout.name)


def loaded(terms: TermGraph, **options) -> tuple[HostLedger, np.ndarray, State]:
    """Return a ledger that holds some terms, the ids of their roots, and the state before the first cycle."""
    ledger = HostLedger(**options)
    roots = commit(ledger, terms).roots
    forward = np.arange(ledger.count, dtype=np.int32)
    return ledger, roots, State(forward, sites_among(ledger, forward, forward))


@pytest.mark.clause("STRATA-2")
@pytest.mark.clause("STRATA-3")
@pytest.mark.clause("STRATA-4")
@both_layouts
@given(terms=term_graphs(max_value=120))
def test_cycles_reach_the_normal_form_without_a_violation(layout, terms) -> None:
    """Every cycle keeps the laws, the ledger stays sound, and the result is the living definition's."""
    ledger, roots, _ = loaded(terms, layout=layout)
    done = normalise(ledger, roots, check=True)
    assert done.violations == ()
    assert verify(ledger) == []
    result = read(ledger, done.state, roots)
    assert numerals(result)[result.roots].tolist() == denote(terms)
    assert project(result).agrees(project(open_engine("baseline", Limits()).normalise(terms).result))


@pytest.mark.clause("STRATA-1")
@given(terms=term_graphs())
def test_every_site_has_two_slots_and_only_enabled_ones_are_interned(terms) -> None:
    """Slots number twice the sites; the nodes added are at most the enabled slots, all of them images of slots."""
    ledger, _, state = loaded(terms)
    before = ledger.count
    done = cycle(ledger, state)
    assert len(done.found.enabled) == len(done.landed.q) == 2 * len(state.sites)
    assert ledger.count - before <= np.count_nonzero(done.found.enabled)
    assert set(range(before, ledger.count)) <= set(done.landed.q[done.found.enabled].tolist())
    assert not done.landed.q[~done.found.enabled].any()


@pytest.mark.clause("STRATA-5")
@given(terms=term_graphs(max_rows=60))
def test_the_order_of_sites_does_not_change_a_cycle(terms) -> None:
    """Sites in reverse give the same keys and the same map, ids included."""
    outcomes = []
    for step in (1, -1):
        ledger, _, state = loaded(terms)
        done = cycle(ledger, state._replace(sites=state.sites[::step]))
        outcomes.append((ledger.keys().tolist(), done.state.forward.tolist(), done.state.sites.tolist(), done.rewrites))
    assert outcomes[0] == outcomes[1]


@pytest.mark.clause("STRATA-6")
@both_layouts
def test_a_stratum_that_does_not_fit_lands_nothing_and_forwards_nothing(layout) -> None:
    """With room for all local rewrites and one node too few for the continuations, only the local ones land."""
    terms = read_text("(add 3 2) (mul 4 3) (add 1 4) (mul 2 2)").graph
    roomy, _, state = loaded(terms, layout=layout)
    local, continuation = cycle(roomy, state).landed.strata
    assert local.start < local.stop == continuation.start < continuation.stop
    for capacity, count, fits in (
        (continuation.stop, continuation.stop, True),
        (continuation.stop - 1, local.stop, False),
        (local.stop - 1, local.start, False),
    ):
        ledger, _, state = loaded(terms, layout=layout, capacity=capacity)
        before = ledger.keys()
        done = cycle(ledger, state)
        assert ledger.status is (Status.OK if fits else Status.OOM)
        assert ledger.count == count
        assert done.rewrites == (4 if fits else 0)
        assert violations_of(ledger, before, done) == []
        if not fits:
            assert done.state.forward.tolist() == list(range(count))
            again = cycle(ledger, done.state)
            assert (ledger.count, again.rewrites) == (count, 0)


def test_a_device_ledger_takes_the_same_cycles() -> None:
    """Both ledger engines end with the same keys and the same map, ids included."""
    terms = read_text("(add (mul 3 2) (add 1 1))").graph
    host, roots, _ = loaded(terms)
    device = DeviceLedger(capacity=1 << 10)
    op, a, b = WIDE.unpack(host.keys())
    for row in range(2, host.count):
        device.intern(op[row : row + 1], a[row : row + 1], b[row : row + 1])
    ours, theirs = (normalise(ledger, roots, check=True) for ledger in (host, device))
    assert host.keys().tolist() == device.keys().tolist()
    assert ours.state.forward.tolist() == theirs.state.forward.tolist()
    assert (ours.cycles, ours.rewrites) == (theirs.cycles, theirs.rewrites)


def test_parents_follow_the_map_instead_of_being_built_again() -> None:
    """A product of 12 by 12 takes two nodes a rewrite at most, where wrapping parents again took 12,483."""
    ledger, roots, _ = loaded(read_text("(mul 12 12)").graph)
    before = ledger.count
    done = normalise(ledger, roots)
    assert done.rewrites <= 12 * 12 + 2 * 12
    assert ledger.count - before <= 2 * done.rewrites
    assert done.cycles <= 30


def test_cycles_can_be_bounded() -> None:
    """Runs of one cycle, each from the ledger and roots that the last one left, reach the same value."""
    terms = read_text("(mul 3 (add 2 2))").graph
    for cycles in (0, 1, 2, 5):
        ledger, roots, _ = loaded(terms)
        done = normalise(ledger, roots, max_cycles=cycles)
        assert done.cycles == min(cycles, done.cycles)
        partial = read(ledger, done.state, roots)
        assert denote(partial) == [12]
        assert (numerals(partial)[partial.roots] < 0).all()


@pytest.mark.clause("STRATA-2")
@settings(max_examples=20)
@given(terms=term_graphs(max_value=60))
def test_a_candidate_that_reads_its_own_stratum_is_caught(terms) -> None:
    """Planted bug: a local rewrite that refers to a local rewrite is a violation, and no ledger takes it."""

    def emit_with_bug(rows, sites, stand, *, xp):
        found = emit(rows, sites, stand, xp=xp)
        local = np.flatnonzero(found.enabled[0::2]) * 2
        operand = found.a.copy()
        operand[local] = ~local
        planted.extend(local.tolist())
        return found._replace(a=operand)

    planted: list[int] = []
    ledger, _, state = loaded(terms)
    before = ledger.keys()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cycling, "emit", emit_with_bug)
        done = cycle(ledger, state)
    caught = violations_of(ledger, before, done)
    expected = (
        [f"slot {planted[0]} must refer to an earlier stratum as operand a, got ref {~planted[0]}"] if planted else []
    )
    assert caught[:1] == expected
    # The ledger refuses it too: what the slot refers to has no id yet.
    assert ledger.status is (Status.CORRUPT if planted else Status.OK)
    assert ledger.keys()[: len(before)].tolist() == before.tolist()
