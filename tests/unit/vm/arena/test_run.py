"""prism.vm.arena: cycles cost what fires, garbage sleeps, and a cycle that exceeds a bound does not land."""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np
import pytest

from prism.vm.arena import host
from prism.vm.arena.run import DONE, FULL, STOPPED
from prism.vm.arena.swizzle import gather
from prism.vm.term.graph import numerals

from .frontiers import host_run

pytestmark = pytest.mark.m3


def value(run) -> list[int]:
    """Return the numeral at each root, -1 where it is none."""
    graph = run.graph()
    return numerals(graph)[graph.roots].tolist()


@pytest.mark.clause("ARENA-3")
def test_a_cycle_that_exceeds_a_bound_does_not_land() -> None:
    """With a cycle or rule application less than a run takes, the last cycle does not land; nor with one node less."""
    whole = host_run("(mul 4 5)")
    whole.advance(1 << 20)
    assert (whole.answer, value(whole)) == (DONE, [20])
    for run, answer in (
        (host_run("(mul 4 5)", cycles=whole.cycles - 1), STOPPED),
        (host_run("(mul 4 5)", steps=whole.steps - 1), STOPPED),
        (host_run("(mul 4 5)", nodes=whole.count - 1), FULL),
    ):
        run.advance(1 << 20)
        assert (run.answer, run.cycles < whole.cycles, run.steps < whole.steps) == (answer, True, True)
    exact = host_run("(mul 4 5)", cycles=whole.cycles, steps=whole.steps, nodes=whole.count)
    exact.advance(1 << 20)
    assert (exact.cycles, exact.steps, exact.count, value(exact)) == (whole.cycles, whole.steps, whole.count, [20])


def test_a_run_goes_on_where_it_paused() -> None:
    """Advanced one cycle at a time, a run is what it is in one go."""
    whole, slow = host_run("(mul 6 7) (add 3 4)"), host_run("(mul 6 7) (add 3 4)")
    whole.advance(1 << 20)
    cycles = 0
    while slow.answer == 0:
        cycles += 1
        slow.advance(cycles)
        assert slow.cycles <= cycles
    assert (slow.cycles, slow.steps, slow.count, slow.hits) == (whole.cycles, whole.steps, whole.count, whole.hits)
    assert value(slow) == value(whole) == [42, 7]


@pytest.mark.clause("ARENA-1")
def test_garbage_never_fires() -> None:
    """A factor that zero made worthless is rewritten no further, also where it is worked on when that turns out."""
    run = host_run("(mul (mul 50 50) 0)")
    run.advance(1 << 20)
    # Both factors are live when the first cycle begins, so the inner product fires once.
    assert (run.steps, run.cycles, value(run)) == (2, 1, [0])
    late = host_run("(mul (add 0 (add 0 0)) (mul 90 (mul 90 90)))")
    late.advance(1 << 20)
    assert value(late) == [0]
    assert late.cycles <= 4


def test_what_was_dropped_wakes_when_it_is_needed_again() -> None:
    """A term that loses its last use while it is worked on, and is then built anew by a rule, is brought to its end."""
    # In cycle 1 (mul 0 x) drops x; another branch rebuilds an equal (add 3 (add 2 2)) later on.
    program = "(def x (add 3 (add 2 2))) (add (mul 0 x) (mul (add 1 0) (mul 2 x)))"
    run = host_run(program)
    run.advance(1 << 20)
    assert value(run) == [14]


@pytest.mark.clause("ARENA-8")
def test_a_cycle_looks_only_at_sites_that_may_fire() -> None:
    """(add N N) looks at one site a cycle, and a shared tree over many parents wakes each once."""
    run = host_run("(add 3000 3000)")
    looked = 0
    while run.answer == 0:
        looked += len(run.view().sites)
        run.advance(run.cycles + 100)
    assert run.cycles == 3001
    assert looked <= run.cycles / 100 + 2
    tree = host_run("\n".join(["(def x0 zero)", *(f"(def x{i + 1} (add x{i} x{i}))" for i in range(40)), "x40"]))
    tree.advance(1 << 20)
    assert tree.steps == tree.cycles == 40


def test_arenas_grow_on_the_way() -> None:
    """A run that outgrows its rows many times over ends as one that does not."""
    run = host_run("(mul 90 90)")
    room = len(run._rows.keys)
    run.advance(1 << 20)
    assert len(run._rows.keys) > 8 * room
    assert value(run) == [8100]


def test_narrow_and_wide_cycles_number_alike() -> None:
    """A stratum sorted before it is interned has the ids of one that is brought into order after."""
    runs = [host_run("(mul 70 70) (mul 60 80)") for _ in range(2)]
    runs[0].advance(1 << 20)
    state = runs[1]._state
    while runs[1].answer == 0:
        # Every cycle by the wide way, whatever its width.
        rows, front, tables = runs[1]._rows, runs[1]._front, runs[1]._tables
        state[host.MOST_CYCLES] = 1 << 30
        answer = host.look(rows, front, tables, state)
        if answer == host.NO_ROOM:
            runs[1]._grow()
            continue
        if answer == host.DONE:
            break
        host.wide(rows, front, tables, state)
    count = runs[0].count
    assert runs[1].count == count
    assert np.array_equal(runs[0]._rows.keys[:count], runs[1]._rows.keys[:count])


@pytest.mark.parametrize("swizzle", ["pallas", "triton"])
def test_swizzles_agree_to_the_bit(swizzle: str) -> None:
    """A Pallas gather returns what XLA's gather returns, for bytes and for words."""
    rng = np.random.default_rng(2)
    at = jnp.asarray(rng.integers(0, 2048, 2048), jnp.int32)
    for source in (rng.integers(0, 12, 2048).astype(np.uint8), rng.integers(0, 2048, 2048).astype(np.int32)):
        assert gather(jnp.asarray(source), at, swizzle=swizzle).tolist() == source[np.asarray(at)].tolist()


def test_replacements_are_followed_to_their_end() -> None:
    """(add 0 (add 0 (add 0 1))) is replaced through a chain of three in a single cycle."""
    run = host_run("(add 0 (add 0 (add 0 1)))")
    run.advance(1)
    assert (run.steps, value(run)) == (3, [1])
