"""The laws of the arena [spec/arena.md]: whatever its layout, the engine `bsp` gives the results of `baseline`."""

from __future__ import annotations

from functools import cache, partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from prism.cli.watch import check
from prism.errors import CorruptError
from prism.vm.arena import cycle as cycling
from prism.vm.arena import host
from prism.vm.arena import run as running
from prism.vm.arena.layout import Layout
from prism.vm.arena.run import Bounds, start, step, until_stop
from prism.vm.arena.store import load
from prism.vm.engines import bsp
from prism.vm.engines.api import Limits
from prism.vm.engines.project import Projection, project
from prism.vm.engines.schedule import Schedule
from prism.vm.engines.table import open_engine
from prism.vm.ledger.key import COMPACT, WIDE, KeyLayout
from prism.vm.rewrite.candidates import Candidates
from prism.vm.term.denote import denote
from prism.vm.term.graph import TermGraph
from prism.vm.term.parse import read_text
from tests.strategies import random_programs, term_graphs

pytestmark = pytest.mark.m3

LAYOUTS = {
    "no-sort": Layout(sort=False),
    "rank": Layout(),
    "morton": Layout(morton=True),
    "block2": Layout(block=2),
    "block16": Layout(block=16),
    "block256": Layout(block=256),
    "block16-morton": Layout(block=16, morton=True),
    "l2": Layout(l2=8),
    "l2-l1": Layout(l2=8, l1=32),
    "l2-l1-morton": Layout(l2=8, l1=32, morton=True),
    "l2-l1-local": Layout(l2=8, l1=32, whole=False),
    "l1-local-morton": Layout(l1=64, whole=False, morton=True),
}
KEYS = {keys.name: keys for keys in (COMPACT, WIDE)}
PROGRAMS, BATCH = 500, 100

every_layout = pytest.mark.parametrize("layout", LAYOUTS.values(), ids=LAYOUTS)
both_keys = pytest.mark.parametrize("keys", KEYS.values(), ids=KEYS)


@cache
def batches() -> list[tuple[TermGraph, Projection]]:
    """Return the random programs, a hundred to a graph, and the images of what `baseline` makes of them."""
    graphs = [random_programs(seed, BATCH) for seed in range(PROGRAMS // BATCH)]
    return [(graph, expected(graph)) for graph in graphs]


def expected(terms: TermGraph) -> Projection:
    """Return the image of the normal forms that `baseline` finds."""
    return project(open_engine("baseline", Limits()).normalise(terms).result)


def breaches(terms: TermGraph, image: Projection, schedule: Schedule, keys: KeyLayout, *, checked: bool) -> list[str]:
    """Return how a run breaks the law: what the validators say, or that its results have another image."""
    engine = bsp.BspEngine(Limits(layout=keys), schedule, [partial(check, schedule.layout)] if checked else [])
    try:
        outcome = engine.normalise(terms)
    except CorruptError as error:
        return [str(error)]
    return [] if project(outcome.result).agrees(image) else ["results differ from those of baseline"]


@pytest.mark.clause("ARENA-1")
@pytest.mark.clause("ARENA-6")
@both_keys
@every_layout
def test_results_are_those_of_baseline_in_every_layout(layout: Layout, keys: KeyLayout) -> None:
    """Five hundred programs have the same image in each layout and key layout, and no cycle has a violation."""
    for terms, image in batches():
        assert breaches(terms, image, Schedule(layout), keys, checked=True) == []


@pytest.mark.clause("ARENA-1")
@given(terms=term_graphs(max_rows=40, max_roots=6), layout=st.sampled_from(list(LAYOUTS.values())))
@pytest.mark.slow
def test_results_are_those_of_baseline_for_any_program(terms: TermGraph, layout: Layout) -> None:
    """Whatever the program, a layout gives the image that `baseline` gives; a counterexample shrinks."""
    assert breaches(terms, expected(terms), Schedule(layout), WIDE, checked=True) == []


@pytest.mark.clause("ARENA-1")
@both_keys
@pytest.mark.parametrize(
    ("swizzle", "name"),
    [("jax", "rank"), ("jax", "l2-l1-morton"), ("pallas", "morton"), ("triton", "block16")],
)
@pytest.mark.slow
def test_results_are_those_of_baseline_on_the_device(swizzle: str, name: str, keys: KeyLayout) -> None:
    """A device loop over each swizzle gives the image of `baseline` for a hundred programs at once."""
    terms, image = batches()[0]
    assert breaches(terms, image, Schedule(LAYOUTS[name], swizzle), keys, checked=False) == []


@pytest.mark.clause("ARENA-7")
@every_layout
@pytest.mark.slow
def test_host_cycles_leave_the_slots_of_the_device(layout: Layout) -> None:
    """After each cycle every slot, pointer, root and count is the same, also where a cycle did not land."""
    bounds = Bounds(*(np.int32(bound) for bound in (240, 1 << 20, 90)))
    on_device = jax.jit(partial(step, layout=layout, swizzle="jax"))
    stopped = 0
    for seed in range(6):
        device = ours = start(load(random_programs(seed, 6), 256)._replace(roots=np.arange(8, dtype=np.int32)))
        for _ in range(12):
            device, ours = on_device(device, bounds), host.step(ours, bounds, layout)
            pairs = zip(jax.tree.leaves(device), jax.tree.leaves(ours), strict=True)
            assert all(np.array_equal(theirs, mine) and theirs.dtype == mine.dtype for theirs, mine in pairs)
            if not ours.landed:
                stopped += 1
                break
    assert stopped, "some run must meet a bound"


@pytest.mark.clause("ARENA-1")
@pytest.mark.parametrize("cycles", [0, 1, 3])
def test_a_bound_of_cycles_stops_every_layout_at_the_same_terms(cycles: int) -> None:
    """After so many cycles the terms are the same in each layout, stand for what they stood for, and are unfinished."""
    terms, image = batches()[1]
    images = []
    for layout in LAYOUTS.values():
        outcome = bsp.BspEngine(Limits(), Schedule(layout, cycles=cycles)).normalise(terms)
        images.append(project(outcome.result))
    assert all(each.agrees(images[0]) for each in images)
    assert not images[0].agrees(image)
    assert denote(outcome.result) == denote(terms)


@pytest.mark.clause("ARENA-5")
@pytest.mark.slow
def test_programs_of_one_shape_are_traced_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Sessions with other programs, limits and cycle bounds reuse the trace of their shape; another size is another."""
    traces = []

    def traced(*args) -> running.Run:
        traces.append(args[0].arena.op.shape)
        return until_stop(*args)

    def normalise(text: str, limits: Limits, cycles: int) -> None:
        bsp.BspEngine(limits, Schedule(Layout(), "jax", cycles)).normalise(read_text(text).graph)

    monkeypatch.setattr(bsp, "_until_stop", jax.jit(traced, static_argnums=(2, 3)))
    for text in ("(add 2 3)", "(mul 2 1) 2", "(add 3 (add 1 1)) 1 3"):
        normalise(text, Limits(), 3)
        normalise(text, Limits(1000, max_steps=10, layout=COMPACT), 1)
    assert traces == [(16,)]
    normalise("(add 7 8)", Limits(), 1)
    assert traces == [(16,), (32,)]


def _root_left_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    apply = running.apply
    monkeypatch.setattr(running, "apply", lambda arena, *a, **k: apply(arena, *a, **k)._replace(roots=arena.roots))


def _null_moved(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(running, "order_of", lambda _, n: lambda __: jnp.roll(jnp.arange(n, dtype=jnp.int32), 1))


def _own_stratum(monkeypatch: pytest.MonkeyPatch) -> None:
    emit = cycling.emit

    def wrong(*args, **options) -> Candidates:
        found = emit(*args, **options)
        slot = jnp.arange(len(found.a), dtype=jnp.int32)
        return found._replace(a=jnp.where(found.enabled & (slot % 2 == 0), ~slot, found.a))

    monkeypatch.setattr(cycling, "emit", wrong)


@pytest.mark.clause("ARENA-1")
@pytest.mark.parametrize("plant", [None, _root_left_behind, _null_moved, _own_stratum])
@pytest.mark.slow
def test_the_law_fails_under_a_planted_bug(plant, monkeypatch: pytest.MonkeyPatch) -> None:
    """A root left behind, a NULL that moves, a candidate that reads its own stratum: each breaks the law.

    Without validators the results differ, with them a sentence says what broke; without a bug neither happens.
    """
    terms = random_programs(7, 20)
    image = expected(terms)
    if plant:
        plant(monkeypatch)
    one = jax.jit(lambda run, bounds, layout, swizzle: step(run, bounds, layout, swizzle), static_argnums=(2, 3))
    monkeypatch.setattr(bsp, "_until_stop", partial(_one_by_one, one))
    monkeypatch.setattr(bsp, "_step", lambda run, bounds, layout, swizzle: one(run, bounds, layout, swizzle))
    found = [
        breaches(terms, image, Schedule(Layout(), "jax", cycles=40), WIDE, checked=checked) for checked in (False, True)
    ]
    assert [len(each) for each in found] == [bool(plant)] * 2
    assert not plant or "must keep its promises, but: " in found[1][0]


def _one_by_one(one, run: running.Run, bounds: Bounds, *static) -> running.Run:
    while running.goes_on(run, bounds):
        run = one(run, bounds, *static)
    return run
