"""The laws of the arena [spec/arena.md]: whatever its layout, `bsp` gives the results of `baseline` and one report."""

from __future__ import annotations

from functools import cache, partial

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numba import njit

from prism.cli.watch import check
from prism.errors import CorruptError
from prism.vm.arena import host
from prism.vm.arena import run as running
from prism.vm.arena.host import COUNT
from prism.vm.arena.layout import Layout
from prism.vm.arena.run import View
from prism.vm.arena.store import rules_of
from prism.vm.engines import bsp
from prism.vm.engines.api import Limits
from prism.vm.engines.project import Projection, project
from prism.vm.engines.schedule import Schedule
from prism.vm.engines.table import open_engine
from prism.vm.ledger.key import COMPACT, WIDE, KeyLayout
from prism.vm.ledger.table import intern_one
from prism.vm.rewrite.cases import CONTINUATION, LOCAL
from prism.vm.term.denote import denote
from prism.vm.term.graph import TermGraph, numerals
from prism.vm.term.parse import read_text
from prism.vm.theory.library import load
from tests.bsp_reports import LAYOUTS, Shuffled, differing, report
from tests.strategies import random_programs, term_graphs

pytestmark = pytest.mark.m3

KEYS = {keys.name: keys for keys in (COMPACT, WIDE)}
PEANO = load("peano")
PROGRAMS, BATCH = 500, 100

every_layout = pytest.mark.parametrize("layout", LAYOUTS.values(), ids=LAYOUTS)


@cache
def batches() -> list[tuple[TermGraph, Projection]]:
    """Return the random programs, a hundred to a graph, and the images of what `baseline` makes of them."""
    graphs = [random_programs(seed, BATCH) for seed in range(PROGRAMS // BATCH)]
    return [(graph, expected(graph)) for graph in graphs]


def expected(terms: TermGraph) -> Projection:
    """Return the image of the normal forms that `baseline` finds."""
    return project(open_engine("baseline", Limits()).normalise(terms).result)


def breaches(
    terms: TermGraph, image: Projection, schedule: Schedule, keys: KeyLayout = WIDE, *, checked: bool
) -> list[str]:
    """Return how a run breaks the law: what the validators say, or that its results have another image."""
    watches = [partial(check, rules_of(PEANO))] if checked else []
    try:
        outcome = bsp.BspEngine(Limits(layout=keys), schedule, PEANO, watches).normalise(terms)
    except CorruptError as error:
        return [str(error)]
    return [] if project(outcome.result).agrees(image) else ["results differ from those of baseline"]


@pytest.mark.slow
@pytest.mark.clause("ARENA-1")
@pytest.mark.clause("ARENA-6")
@pytest.mark.parametrize("keys", KEYS.values(), ids=KEYS)
@every_layout
def test_results_are_those_of_baseline_in_every_layout(layout: Layout, keys: KeyLayout) -> None:
    """Five hundred programs have one image in each layout and key layout; of a hundred no cycle has a violation."""
    for number, (terms, image) in enumerate(batches()):
        assert breaches(terms, image, Schedule(layout, "host"), keys, checked=number == 0) == []


@pytest.mark.clause("ARENA-1")
@given(terms=term_graphs(max_rows=40, max_roots=6), layout=st.sampled_from(list(LAYOUTS.values())))
@pytest.mark.slow
def test_results_are_those_of_baseline_for_any_program(terms: TermGraph, layout: Layout) -> None:
    """Whatever the program, a layout gives the image that `baseline` gives; a counterexample shrinks."""
    assert breaches(terms, expected(terms), Schedule(layout, "host"), checked=True) == []


@pytest.mark.clause("ARENA-1")
@pytest.mark.parametrize("seed", range(0, 5000, 50))
def test_reports_are_functions_of_program_and_limits(seed: int) -> None:
    """Value, stop, steps, nodes, reuse and cycles are one in every layout, whatever bounds the run."""
    assert differing(seed) == []


@pytest.mark.clause("ARENA-1")
@pytest.mark.parametrize(
    ("program", "limits", "cycles", "shown"),
    [
        ("(mul (mul 9 3) 0)\n(add 9 9)", Limits(max_steps=9), 1 << 20, [0, 18]),
        ("(mul (mul 9 3) 0)\n(add 9 9)", Limits(), 4, [0, -1]),
    ],
)
def test_dead_redexes_cost_nothing_that_a_layout_decides(program, limits, cycles, shown) -> None:
    """The programs of issue 16: garbage is not rewritten, so nothing depends on when it would be dropped."""
    terms = read_text(program).graph
    reports = {report(terms, limits, Schedule(layout, "host", cycles)) for layout in LAYOUTS.values()}
    assert len(reports) == 1
    result = bsp.BspEngine(limits, Schedule(swizzle="host", cycles=cycles), PEANO).normalise(terms).result
    assert numerals(result)[result.roots].tolist() == shown


@pytest.mark.clause("ARENA-7")
@pytest.mark.parametrize(("swizzle", "name"), [("jax", "rank"), ("pallas", "block16-morton")])
@pytest.mark.slow
def test_cycles_on_the_device_are_the_hosts(swizzle: str, name: str) -> None:
    """On JAX's device a run has the host's report, and no cycle of it has a violation, also where limits stop it."""
    for seed, limits, cycles in ((3, Limits(), 1 << 20), (4, Limits(max_steps=2), 1 << 20), (5, Limits(), 3)):
        terms = random_programs(seed, 30)
        reports = [report(terms, limits, Schedule(LAYOUTS[name], where, cycles)) for where in ("host", swizzle)]
        assert reports[0] == reports[1]
    terms = random_programs(6, 30)
    assert breaches(terms, expected(terms), Schedule(LAYOUTS[name], swizzle), checked=True) == []


@pytest.mark.clause("ARENA-1")
@pytest.mark.parametrize("cycles", [0, 1, 3])
def test_a_bound_of_cycles_stops_every_layout_at_the_same_terms(cycles: int) -> None:
    """After so many cycles the terms stand for what they stood for, and are unfinished."""
    terms, image = batches()[1]
    outcome = bsp.BspEngine(Limits(), Schedule(swizzle="host", cycles=cycles), PEANO).normalise(terms)
    assert not project(outcome.result).agrees(image)
    assert denote(outcome.result) == denote(terms)


def _sites_lost(before: View, after: View) -> View:
    del before
    return after._replace(sites=after.sites[1:])


def _site_not_forwarded(before: View, after: View) -> View:
    moved = np.flatnonzero(after.forward[: len(before.op)] != before.forward)
    forward = after.forward.copy()
    forward[moved[0]] = moved[0]
    return after._replace(forward=forward)


def _own_stratum(before: View, after: View) -> View:
    a = after.a.copy()
    a[len(before.op)] = len(before.op)
    return after._replace(a=a)


@pytest.mark.clause("ARENA-6")
@pytest.mark.parametrize("plant", [None, _sites_lost, _site_not_forwarded, _own_stratum])
def test_the_validators_see_a_planted_bug(plant, monkeypatch: pytest.MonkeyPatch) -> None:
    """A site lost from the frontier, one not forwarded, a node that reads its own stratum: a sentence says so."""
    terms = random_programs(7, 20)
    view = running.HostRun.view
    last: list[View] = []

    def planted(run: running.HostRun) -> View:
        seen = view(run)
        seen = plant(last[-1], seen) if plant and last and seen.cycles == 1 else seen
        last.append(seen)
        return seen

    monkeypatch.setattr(running.HostRun, "view", planted)
    found = breaches(terms, expected(terms), Schedule(swizzle="host"), checked=True)
    assert len(found) == bool(plant)
    assert not plant or "must keep its promises, but: " in found[0]


@njit
def _enter_as_it_comes(keys, index, built, ids, state):
    count = state[COUNT]
    for i in range(len(built)):
        ids[i] = 0
        if built[i]:
            ids[i] = intern_one(keys, index, count, built[i])
            count += ids[i] == count
    state[COUNT] = count


def _as_they_come(rows, front, tables, state) -> int:
    """Run cycles as `host.run` does, but leave new rows in the order in which candidates come."""
    while (answer := host.look(rows, front, tables, state)) in (host.GOES_ON, host.MANY):
        before = state[host.COUNT]
        for at, ids in ((LOCAL, front.local), (CONTINUATION, front.rest)):
            host._build(rows, front, tables, state, at)
            _enter_as_it_comes(rows.keys, rows.index, front.built[: state[host.FIRING]], ids, state)
        host._follow(rows, front, tables, state, before)
        host._turn(front, state)
    return answer


@pytest.mark.clause("ARENA-1")
@pytest.mark.parametrize("is_planted", [False, True])
def test_the_law_fails_under_a_planted_bug(is_planted: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """If new nodes were numbered as they come, steps and nodes would tell one order of the frontier from another."""
    if is_planted:
        monkeypatch.setattr(host, "run", _as_they_come)
    monkeypatch.setattr(running, "order_of", Shuffled(0))
    reports = {report(random_programs(seed, 60), Limits(), Schedule(Layout(morton=True), "host")) for seed in [0] * 6}
    assert (len(reports) > 1) == is_planted
