"""Device engine of the ledger: an immutable JAX state and a pure `intern`, with the ids of the host engine.

Keys are uint64 because a sort with one uint64 key and one int32 payload is what XLA sends to a radix sort on a GPU;
two uint32 words leave that path and sort six times slower. 64-bit types are switched on here, locally: callers
need no configuration, and their own arrays keep their types.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Final

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import ArrayLike, NDArray

from prism.status import Status
from prism.vm.ledger.key import WIDE, KeyLayout
from prism.vm.ledger.mixing import mix, unmix
from prism.vm.ledger.nodes import RESERVED, nodes_of, require_capacity, require_ops
from prism.vm.ledger.optable import BUILT_IN, OpTable
from prism.vm.ledger.probing import ROUNDS, VACANT, Probing
from prism.vm.ledger.traced import ABSENT, addable, in_64_bits, in_order, leads, packed
from prism.vm.term.ops import NULL

# The least room and the least padded batch: small ledgers and small batches share one trace.
_SMALLEST_ROOM: Final = 1 << 10
_SMALLEST_BATCH: Final = 1 << 8


@partial(jax.tree_util.register_dataclass, data_fields=["keys", "index", "count", "status"], meta_fields=[])
@dataclass(frozen=True, slots=True)
class State:
    """A ledger as a pytree.

    keys: uint64[room], the key of node `i` in row `i < count`, zero after. index: int32[slots], as in
    `prism.vm.ledger.probing.Probing`, `slots` at least twice `room`. count, status (a `Status`): int32 scalars.
    """

    keys: jax.Array
    index: jax.Array
    count: jax.Array
    status: jax.Array


def default_probing() -> Probing:
    """Return the fastest probing for the default back end: Triton kernels on a GPU, else XLA."""
    if jax.default_backend() != "gpu":
        return ROUNDS
    from prism.vm.ledger.pallas_kernels import TRITON

    return TRITON


@in_64_bits
def fresh(room: int, layout: KeyLayout = WIDE, probing: Probing = ROUNDS) -> State:
    """Return the state of an empty ledger with room for `room` nodes, the reserved ones included."""
    require_capacity(room)
    keys = jnp.asarray(layout.pack(*RESERVED))
    count, status = jnp.asarray(len(keys), np.int32), jnp.asarray(int(Status.OK), np.int32)
    return widen(State(keys, jnp.zeros(0, np.int32), count, status), room, probing)


@in_64_bits
def widen(state: State, room: int, probing: Probing = ROUNDS) -> State:
    """Return the same ledger with room for `room` nodes. Cost: one pass over its rows."""
    keys = jnp.pad(state.keys, (0, room - len(state.keys)))
    index = jnp.full(2 << (room - 1).bit_length(), VACANT, np.int32)
    ids = jnp.arange(room, dtype=np.int32)
    return State(keys, probing.enter(index, keys, ids, ids < state.count, 0), state.count, state.status)


@in_64_bits
def intern(
    state: State,
    op: jax.Array,
    a: jax.Array,
    b: jax.Array,
    *,
    ops: OpTable = BUILT_IN,
    layout: KeyLayout = WIDE,
    probing: Probing = ROUNDS,
) -> tuple[State, jax.Array]:
    """Intern a batch as `prism.vm.ledger.api.Ledger.intern` does; the capacity is the room of `state`.

    op: uint8[n]; a, b: int32[n]; ops: the op table, NumPy or JAX arrays. Returns the next state and int32[n] ids. Pure;
    call it under `jit` with `layout` and `probing` static; `ops` may be traced, so that all theories share one trace.
    A caller's own `jit` around it works on the state as it is, in 32-bit mode too.
    """
    limit, overflow = layout.bound(len(state.keys))
    fine = addable(op, a, b, state.count, ops.arity)
    keys = jnp.where(fine, packed(op, a, b, layout, ops.commutes), ABSENT)
    known = probing.find(state.keys, state.index, keys, 0)
    mixed, place = in_order(mix(jnp.where(known < 0, keys, ABSENT)))
    ordered, first = unmix(mixed), leads(mixed)
    count = state.count + first.sum(dtype=np.int32)
    ids = state.count + jnp.cumsum(first, dtype=np.int32) - 1

    verdict = jnp.where(count <= limit, np.int32(Status.OK), np.int32(overflow))
    verdict = jnp.where(fine.all(), verdict, np.int32(Status.CORRUPT))
    frozen = state.status != Status.OK
    lands = ~frozen & (verdict == Status.OK)
    new = first & lands
    # Rows beyond the room are dropped: a refused batch writes nothing, and the arrays can be updated in place.
    row = jnp.where(new, ids, len(state.keys))
    after = State(
        state.keys.at[row].set(ordered, mode="drop"),
        probing.enter(state.index, ordered, ids, new, 0),
        jnp.where(lands, count, state.count),
        jnp.where(frozen, state.status, verdict),
    )
    added = jnp.zeros_like(known).at[place].set(ids, unique_indices=True)
    refused = jnp.where(frozen & (known >= 0), known, NULL.code)
    return after, jnp.where(lands, jnp.where(known < 0, added, known), refused)


_fresh = jax.jit(fresh, static_argnums=(0, 1, 2))
intern_in_place = jax.jit(intern, static_argnames=("layout", "probing"), donate_argnums=0)
"""`intern`, compiled, reusing the memory of the state it is given, which is gone afterwards."""

_widen = jax.jit(widen, static_argnums=(1, 2))


class DeviceLedger:
    """The device engine behind `prism.vm.ledger.api.Ledger`: batches padded to powers of two, room doubled as needed.

    `probing` is the fastest for the default back end unless given. One trace for each pair of room and padded batch
    length. Memory: 16 to 24 bytes a node of room on the device.
    """

    def __init__(
        self,
        layout: KeyLayout = WIDE,
        capacity: int = 1 << 26,
        ops: OpTable = BUILT_IN,
        *,
        probing: Probing | None = None,
    ) -> None:
        require_capacity(capacity)
        require_ops(layout, ops)
        self.ops = ops
        self._ops = jax.tree.map(jnp.asarray, ops)
        self.layout = layout
        self.capacity = capacity
        self._probing = probing or default_probing()
        self._limit, _ = layout.bound(capacity)
        self.state = _fresh(min(_SMALLEST_ROOM, self._limit), layout, self._probing)

    @property
    def count(self) -> int:
        """The nodes it holds, reserved ones included; waits for the device."""
        return int(self.state.count)

    @property
    def status(self) -> Status:
        """OK, or the sticky reason why nothing is added any more; waits for the device."""
        return Status(int(self.state.status))

    def keys(self) -> NDArray[np.uint64]:
        """Return the packed key of every node: uint64[count], a copy."""
        return np.array(self.state.keys)[: self.count]

    @in_64_bits
    def restore(self, keys: NDArray[np.uint64], status: Status) -> None:
        """Hold these nodes and this status instead; see `prism.vm.ledger.api.Ledger.restore`."""
        room = min(max(_SMALLEST_ROOM, 1 << (len(keys) - 1).bit_length()), self._limit)
        rows, index = jnp.asarray(np.pad(keys, (0, room - len(keys)))), jnp.zeros(0, np.int32)
        held = State(rows, index, jnp.asarray(len(keys), np.int32), jnp.asarray(int(status), np.int32))
        self.state = _widen(held, room, self._probing)

    @in_64_bits
    def find(self, keys: NDArray[np.uint64]) -> NDArray[np.int32]:
        """Return the id of every packed key, -1 where the ledger lacks it: int32[n]."""
        wanted = _padded(np.asarray(keys, np.uint64), ABSENT)
        return np.array(_find(self.state, wanted, self._probing))[: len(keys)]

    @in_64_bits
    def intern(self, op: ArrayLike, a: ArrayLike, b: ArrayLike) -> NDArray[np.int32]:
        """Give every node of a batch its id, adding the new ones; see `prism.vm.ledger.api.Ledger.intern`."""
        columns = nodes_of(op, a, b)
        size = len(columns[0])
        self._make_room(size)
        # NULL nodes fill the batch up: they are in every ledger, and change nothing.
        padded = [_padded(column, NULL.code) for column in columns]
        self.state, ids = intern_in_place(self.state, *padded, ops=self._ops, layout=self.layout, probing=self._probing)
        return np.array(ids)[:size]

    def _make_room(self, nodes: int) -> None:
        room, needed = len(self.state.keys), min(self.count + nodes, self._limit)
        while room < needed:
            room = min(2 * room, self._limit)
        if room > len(self.state.keys) and self.status is Status.OK:
            self.state = _widen(self.state, room, self._probing)


@partial(jax.jit, static_argnums=2)
def _find(state: State, wanted: jax.Array, probing: Probing) -> jax.Array:
    return probing.find(state.keys, state.index, wanted, 0)


def _padded(column: NDArray, filler: int | np.uint64) -> NDArray:
    size = max(_SMALLEST_BATCH, 1 << max(len(column) - 1, 0).bit_length())
    return np.pad(column, (0, size - len(column)), constant_values=filler)
