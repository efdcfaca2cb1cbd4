"""Cycles on JAX's device: the host's, as a fixed number of gathers, one sort and two batches of interning [ARENA-7].

The arrays of an arena stay on the device and are updated in place. Between two cycles the host reads five numbers,
which tell it how wide the next one is: a cycle is traced once for each room and each power of four of sites. A waiting
site stays in the frontier and costs its share of the gathers; on the host it costs nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Final, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax

from prism.vm.arena import host
from prism.vm.arena.layout import Layout
from prism.vm.arena.order import Rank, nearness, order_of
from prism.vm.arena.run import DONE, FULL, STOPPED, Bounds, View
from prism.vm.arena.store import SETTLED, Loaded, Rules
from prism.vm.arena.swizzle import gather
from prism.vm.arena.unload import read_out
from prism.vm.ledger.device import State, default_probing, fresh, intern, widen
from prism.vm.ledger.key import WIDE
from prism.vm.ledger.optable import OpTable
from prism.vm.ledger.probing import Probing
from prism.vm.rewrite.candidates import Candidates, emit
from prism.vm.rewrite.candidates import Rows as Columns
from prism.vm.rewrite.cases import CaseTable
from prism.vm.rewrite.commit import followed, project
from prism.vm.term.graph import TermGraph

_NARROWEST: Final = 256


class Placed(NamedTuple):
    """An arena on the device; arrays of the ledger's room.

    forward, claims: as in `prism.vm.arena.store.Rows`. sites: the frontier, its sites in front. mark, stack: scratch.
    """

    ledger: State
    forward: Array
    claims: Array
    sites: Array
    mark: Array
    stack: Array


class Landed(NamedTuple):
    """What a cycle says to the host, int32 each.

    Rows in use, sites of the next frontier, sites that fire, candidates that found their row, and whether it landed.
    """

    count: Array  # pyright: ignore[reportIncompatibleMethodOverride]  # no tuple is searched here
    sites: Array
    firing: Array
    hits: Array
    lands: Array


class DeviceRun:
    """A run whose cycles are JAX's; see `prism.vm.arena.run.Run`."""

    def __init__(self, loaded: Loaded, rules: Rules, bounds: Bounds, layout: Layout, swizzle: str) -> None:
        self._bounds, self._roots, self._heads = bounds, loaded.roots, rules.cases.heads
        self._tables = jax.tree.map(
            jnp.asarray, (rules.cases.case, rules.cases.rewrites, rules.cases.heads, *rules.ops)
        )
        self._cycle = partial(_cycle, way=Way(layout, swizzle, default_probing()))
        self.answer = self.cycles = self.steps = self.hits = 0
        self.count = loaded.table_count
        sites = np.zeros(len(loaded.table.keys), np.int32)
        self._width = host.sites_of(loaded.table.keys, loaded.claims, self._heads, sites)
        self._arena = _placed(loaded, sites[: self._width])

    def advance(self, cycles: int) -> None:
        """Run until it is over or has landed so many cycles in all."""
        cycles = min(cycles, self._bounds.cycles)
        while self.answer == 0:
            if self._width == 0:
                self.answer = DONE
                return
            width = max(_NARROWEST, 1 << -(-(self._width - 1).bit_length() // 2) * 2)
            self._make_room(self.count + 2 * width)
            budget = min(self._bounds.steps - self.steps, (1 << 31) - 1) if self.cycles < cycles else -1
            self._arena, said = self._cycle(
                self._arena, np.array([self._width, budget], np.int32), self._tables, width=width
            )
            count, sites, firing, hits, lands = np.asarray(said).tolist()
            if firing == 0:
                self.answer = DONE
            elif not lands and self.cycles == cycles < self._bounds.cycles:
                return
            elif not lands:
                self.answer = STOPPED
            else:
                self.count, self._width, self.hits = count, sites, self.hits + hits
                if count > self._bounds.nodes:
                    self.answer = FULL
                    return
                self.cycles, self.steps = self.cycles + 1, self.steps + firing

    def view(self) -> View:
        """Return the arena as it is now."""
        keys, forward = (np.asarray(column)[: self.count] for column in (self._arena.ledger.keys, self._arena.forward))
        stand = followed(np.where(forward == 0, np.arange(self.count, dtype=np.int32), forward))
        sites = np.array(self._arena.sites[: self._width])
        return View(*WIDE.unpack(keys), stand, self._roots, sites, self.cycles)

    def graph(self) -> TermGraph:
        """Return what the roots have become."""
        keys, forward = np.asarray(self._arena.ledger.keys), np.array(self._arena.forward)
        return TermGraph(*read_out(keys, forward, self.count, self._roots))

    def _make_room(self, rows: int) -> None:
        room = len(self._arena.forward)
        if rows > room:
            more = 1 << (rows - 1).bit_length()
            ledger = widen(self._arena.ledger, more, default_probing())
            columns = [jnp.pad(column, (0, more - room)) for column in self._arena[1:]]
            self._arena = Placed(ledger, *columns)  # pyright: ignore[reportCallIssue]  # as many as there were


def _placed(loaded: Loaded, sites: np.ndarray) -> Placed:
    """Return the arena of loaded rows on the device."""
    count = loaded.table_count
    room = 1 << (count + 2 * _NARROWEST - 1).bit_length()
    with jax.enable_x64(True):
        ledger = fresh(room, WIDE, default_probing())
        keys = jnp.zeros(room, np.uint64).at[:count].set(loaded.table.keys[:count])
        ledger = State(keys, ledger.index, jnp.asarray(count, np.int32), ledger.status)
    ledger = widen(ledger, room, default_probing())
    claims, front = (jnp.asarray(np.pad(column, (0, room - len(column)))) for column in (loaded.claims, sites))
    return Placed(
        ledger, jnp.zeros(room, np.int32), claims, front, jnp.zeros(room, np.int32), jnp.zeros(room, np.int32)
    )


def _stand(forward: Array, ids: Array) -> Array:
    """Return the rows that stand for some rows. Cost: a gather for each step of the longest way."""

    def step(at: Array) -> Array:
        after = forward[at]
        return jnp.where(after == 0, at, after)

    return lax.while_loop(lambda at: jnp.any(forward[at] != 0), step, ids)


class Way(NamedTuple):
    """How cycles are run, which a trace is of: the layout, what moves its slots, and what finds keys."""

    layout: Layout
    swizzle: str
    probing: Probing


@partial(jax.jit, static_argnames=("way", "width"), donate_argnums=0)
def _cycle(arena: Placed, asked: Array, tables: tuple, *, way: Way, width: int) -> tuple[Placed, Array]:
    """Run one cycle over the first sites of `width`, if few enough fire; `asked`: int32[2], how many of each."""
    (m, budget), (layout, swizzle, probing) = asked, way
    case, rewrites, heads, arity, commutes = tables
    cases, ops = CaseTable(case, rewrites, rewrites, heads), OpTable(arity, commutes)
    rows = _columns(arena.ledger)
    sites = jnp.where(jnp.arange(width) < m, arena.sites[:width], 0)
    is_live = arena.claims[sites] > 0
    forward = _shortened(arena.forward, jnp.concatenate((rows.a[sites], rows.b[sites])))

    def stand(ids: Array) -> Array:
        return jnp.where(forward[ids] == 0, ids, forward[ids])

    a, b = stand(rows.a[sites]), stand(rows.b[sites])
    forward = _shortened(forward, jnp.concatenate((rows.a[a], rows.b[a], rows.a[b], rows.b[b])))
    fires = is_live & (case[rows.op[sites], rows.op[a], rows.op[b]] != 0)
    rank = jnp.where(is_live, jnp.where(fires, Rank.HOT, Rank.WARM), Rank.FREE).astype(jnp.uint32)
    if layout.sort:
        perm = order_of(layout, rank, nearness(rows.a[sites], rows.b[sites], len(forward)), xp=jnp)
        sites, fires, is_live = (gather(column, perm, swizzle=swizzle) for column in (sites, fires, is_live))
    firing = jnp.sum(fires, dtype=jnp.int32)
    lands = (firing <= budget) & (firing > 0)
    fires &= lands
    found = emit(rows, jnp.where(fires, sites, 0), stand, xp=jnp, cases=cases)
    ledger, q, claims = _land(arena.ledger, arena.claims, found, ops, heads, probing)
    target = jnp.where(fires, project(found.forward, q, xp=jnp), 0)
    forward = forward.at[jnp.where(fires, sites, len(forward))].set(target, mode="drop")
    after = Placed(ledger, forward, claims, arena.sites, arena.mark, arena.stack)
    kept, size = _kept(sites, is_live & ~fires)
    after = after._replace(sites=lax.dynamic_update_slice(after.sites, kept, (0,)))
    after, size = _follow(after, jnp.where(fires, sites, 0), size, heads)
    hits = jnp.sum(found.enabled & fires.repeat(2), dtype=jnp.int32) - (ledger.count - arena.ledger.count)
    said = Landed(ledger.count, size, firing, hits, lands.astype(jnp.int32))
    return after, jnp.stack([jnp.asarray(number, jnp.int32) for number in said])


def _columns(ledger: State) -> Columns:
    """Return the rows of a ledger as lazy columns: XLA fuses the unpacking into each gather."""

    class _Column:
        def __init__(self, read: Callable[[Array], Array]) -> None:
            self._read = read

        def __getitem__(self, at: Array) -> Array:
            with jax.enable_x64(True):
                return self._read(ledger.keys[at])

    bits, mask = np.uint64(WIDE.id_bits), np.uint64((1 << WIDE.id_bits) - 1)
    return Columns(
        _Column(lambda key: (key >> bits >> bits).astype(np.uint8)),
        _Column(lambda key: (key >> bits & mask).astype(np.int32)),
        _Column(lambda key: (key & mask).astype(np.int32)),
    )


def _shortened(forward: Array, ids: Array) -> Array:
    """Let some rows that are forwarded point at what stands for them."""
    ends = _stand(forward, ids)
    return forward.at[jnp.where(ends != ids, ids, len(forward))].set(ends, mode="drop")


def _land(
    ledger: State, claims: Array, found: Candidates, ops: OpTable, heads: Array, probing: Probing
) -> tuple[State, Array, Array]:
    """Intern the candidates, a stratum at a time; return the ledger, q, and claims with new rows that are settled."""
    q = jnp.zeros(len(found.enabled), jnp.int32)
    for half in range(2):
        enabled, op = found.enabled[half::2], found.op[half::2]
        a, b = (jnp.where(enabled, project(ref[half::2], q, xp=jnp), 0) for ref in (found.a, found.b))
        before = ledger.count
        ledger, ids = intern(
            ledger, jnp.where(enabled, op, 0).astype(jnp.uint8), a, b, ops=ops, layout=WIDE, probing=probing
        )
        is_over = (claims[a] == SETTLED) & (claims[b] == SETTLED) & ~heads[op]
        claims = claims.at[jnp.where(enabled & (ids >= before) & is_over, ids, len(claims))].set(SETTLED, mode="drop")
        q = q.at[half::2].set(ids)
    return ledger, q, claims


def _kept(sites: Array, keeps: Array) -> tuple[Array, Array]:
    """Return the sites that stay, in front, and how many they are."""
    place = jnp.cumsum(keeps, dtype=jnp.int32)
    kept = jnp.zeros_like(sites).at[jnp.where(keeps, place - 1, len(sites))].set(sites, mode="drop")
    return kept, place[-1]


def _follow(arena: Placed, fired: Array, size: Array, heads: Array) -> tuple[Placed, Array]:
    """Move the claims of the fired rows (0 for none) to what stands for them, and add what became live to the frontier.

    Waves of claims, then waves of releases, each of at most four times the frontier's width.
    """
    ends = _stand(arena.forward, fired)
    moved = jnp.where(fired > 0, arena.claims[fired], 0)
    claims = arena.claims.at[jnp.where(fired > 0, fired, len(arena.claims))].set(0, mode="drop")
    arena, born = _changed(arena._replace(claims=claims), ends, moved)
    arena, size = _waves(arena, born, size, heads, 1)
    arena, dead = _changed_operands(arena, fired, -1)
    return _waves(arena, dead, size, heads, -1)


def _changed(arena: Placed, rows: Array, change: Array) -> tuple[Placed, Array]:
    """Add to the claims of rows that are counted; return those that became live or ceased to be, each once, else 0."""
    before = arena.claims[rows]
    counts = before != SETTLED
    claims = arena.claims.at[jnp.where(counts, rows, len(arena.claims))].add(change, mode="drop")
    turned = counts & ((before > 0) != (claims[rows] > 0))
    place = jnp.arange(len(rows), dtype=jnp.int32)
    mark = arena.mark.at[jnp.where(turned, rows, len(claims))].set(place, mode="drop")
    return arena._replace(claims=claims, mark=mark), jnp.where(turned & (mark[rows] == place), rows, 0)


def _changed_operands(arena: Placed, rows: Array, change: int) -> tuple[Placed, Array]:
    columns = _columns(arena.ledger)
    ends = _stand(arena.forward, jnp.concatenate((columns.a[rows], columns.b[rows])))
    return _changed(arena, ends, jnp.full(len(ends), change, jnp.int32))


def _waves(arena: Placed, turned: Array, size: Array, heads: Array, change: int) -> tuple[Placed, Array]:
    """Let the rows that turned change the claims of their operands, and so on; a stack holds the rows still to do."""
    width = 2 * len(turned)

    def push(arena: Placed, top: Array, rows: Array, size: Array) -> tuple[Placed, Array, Array]:
        place = jnp.cumsum(rows > 0, dtype=jnp.int32)
        at = jnp.where(rows > 0, top + place - 1, len(arena.stack))
        arena = arena._replace(stack=arena.stack.at[at].set(rows, mode="drop"))
        if change > 0:
            sites = (rows > 0) & heads[_columns(arena.ledger).op[rows]]
            place_of = jnp.cumsum(sites, dtype=jnp.int32)
            at = jnp.where(sites, size + place_of - 1, len(arena.sites))
            arena, size = arena._replace(sites=arena.sites.at[at].set(rows, mode="drop")), size + place_of[-1]
        return arena, top + place[-1], size

    def wave(state: tuple[Placed, Array, Array]) -> tuple[Placed, Array, Array]:
        arena, top, size = state
        low = jnp.maximum(top - width, 0)
        at = low + jnp.arange(width, dtype=jnp.int32)
        rows = jnp.where(at < top, arena.stack[jnp.minimum(at, len(arena.stack) - 1)], 0)
        arena, turned = _changed_operands(arena, rows, change)
        return push(arena, low, turned, size)

    state = push(arena, jnp.int32(0), turned, size)
    arena, _, size = lax.while_loop(lambda state: state[1] > 0, wave, state)
    return arena, size
