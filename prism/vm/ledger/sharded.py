"""Sharded engine of the ledger: one ledger over the devices of a mesh, with the ids of the host engine.

The top bits of a key's mixing name its owner. Each device sorts its part of a batch and drops duplicates, whose keys
then lie in the order of their owners; a fixed share goes to each owner in one exchange, owners intern what they got,
an exclusive sum of what each adds gives ids in the order of the mixing [LEDGER-3], and the ids go back the same way.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache, partial
from typing import Any, Final, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.sharding import Mesh, NamedSharding, PartitionSpec
from numpy.typing import ArrayLike, NDArray

from prism.errors import UsageError
from prism.status import Status
from prism.vm.ledger.device import default_probing
from prism.vm.ledger.key import WIDE, KeyLayout
from prism.vm.ledger.mixing import mix, unmix
from prism.vm.ledger.nodes import RESERVED, nodes_of, padded_size, require_capacity, require_ops
from prism.vm.ledger.optable import BUILT_IN, OpTable
from prism.vm.ledger.probing import VACANT, Probing
from prism.vm.ledger.processes import cut, in_step, joined, mine, whole
from prism.vm.ledger.traced import ABSENT, MIXED_ABSENT, addable, in_64_bits, in_order, leads, packed
from prism.vm.term.ops import NULL

_AXIS: Final = "shard"
_SMALLEST_ROOM: Final = 1 << 9
_SPARE: Final = 1 << 12
"""Keys that a share has room for beyond 51 in 50 of an even one: random keys never need more."""


@partial(
    jax.tree_util.register_dataclass, data_fields=["keys", "ids", "index", "held", "count", "status"], meta_fields=[]
)
@dataclass(frozen=True, slots=True)
class Shards:
    """A ledger cut by owner; every array but the last two lies in equal parts on the devices of a mesh.

    keys: uint64[shards * room], the keys of a shard's nodes in ascending order of their ids, zero after; ids: int32, as
    many; index: int32[shards * slots], as in `prism.vm.ledger.probing.Probing`, of rows of the shard; held:
    int32[shards], a shard's nodes. count, status (a `Status`): int32 scalars that every device has.
    """

    keys: jax.Array
    ids: jax.Array
    index: jax.Array
    held: jax.Array
    count: jax.Array
    status: jax.Array


class Outcome(NamedTuple):
    """What every device knows after a batch: `overflowed` if some share was too small, `needed` rows of some shard.

    Unless `done` nothing was changed, and the batch is to be tried again with larger shares or more room.
    """

    done: jax.Array
    overflowed: jax.Array
    needed: jax.Array


_PARTED: Final = PartitionSpec(_AXIS)
_SAME: Final = PartitionSpec()
_SPECS: Final[list[Any]] = [_PARTED] * 4 + [_SAME] * 2
_STATE: Final = Shards(*_SPECS)


def owner_of(mixed: jax.Array, bits: int) -> jax.Array:
    """Return the shard of mixed keys: their top `bits` bits; int32[n]."""
    return (mixed >> np.uint64(64 - bits)).astype(np.int32) if bits else jnp.zeros(len(mixed), np.int32)


def shared(worst: jax.Array) -> jax.Array:
    """Return the largest of a number over all devices, to every device."""
    return lax.pmax(worst, _AXIS)


def offset_of(news: jax.Array, shard: jax.Array) -> jax.Array:
    """Return how many nodes the shards before one add."""
    return jnp.where(jnp.arange(len(news), dtype=np.int32) < shard, news, 0).sum(dtype=np.int32)


def too_large(counts: jax.Array, share: int) -> jax.Array:
    """Return whether the keys for some owner are more than its share."""
    return (counts > share).any()


class _Sent(NamedTuple):
    """The distinct keys of a device's part of a batch, laid out for their owners.

    share: uint64[shards, share], MIXED_ABSENT where there is none; owner, at: int32[m], where each distinct key lies in
    it; place, rank: int32[m], where each sorted item stood, and which distinct key it is; counts: int32[shards].
    """

    share: jax.Array
    owner: jax.Array
    at: jax.Array
    place: jax.Array
    rank: jax.Array
    present: jax.Array
    counts: jax.Array


class _Rules(NamedTuple):
    """What bounds a ledger: its ops, the most nodes (int64), and the status (int32) if one more comes."""

    ops: OpTable
    limit: jax.Array
    beyond: jax.Array


def _lay_out(keys: jax.Array, shards: int, share: int) -> _Sent:
    mixed, place = in_order(mix(keys))
    first, m = leads(mixed), len(keys)
    rank = jnp.cumsum(first, dtype=np.int32) - 1
    distinct = jnp.full(m, MIXED_ABSENT).at[jnp.where(first, rank, m)].set(mixed, mode="drop")
    valid = jnp.arange(m, dtype=np.int32) < first.sum(dtype=np.int32)
    owner = jnp.where(valid, owner_of(distinct, shards.bit_length() - 1), shards)
    bounds = jnp.searchsorted(owner, jnp.arange(shards + 1, dtype=np.int32)).astype(np.int32)
    at = jnp.arange(m, dtype=np.int32) - bounds[jnp.minimum(owner, shards)]
    laid = jnp.full((shards, share), MIXED_ABSENT).at[owner, at].set(distinct, mode="drop")
    return _Sent(laid, owner, at, place, rank, mixed != MIXED_ABSENT, jnp.diff(bounds))


class Form(NamedTuple):
    """What a step is compiled for: the packing, the loops over an index, how many shards, the keys of a share."""

    layout: KeyLayout
    probing: Probing
    shards: int
    share: int


def _step(
    state: Shards, op: jax.Array, a: jax.Array, b: jax.Array, rules: _Rules, *, form: Form
) -> tuple[Shards, jax.Array, Outcome]:
    """Intern a batch, seen from one device: its part of the state and of the batch."""
    room, bits = len(state.keys), form.shards.bit_length() - 1
    fine = addable(op, a, b, state.count, rules.ops.arity)
    sent = _lay_out(jnp.where(fine, packed(op, a, b, form.layout, rules.ops.commutes), ABSENT), form.shards, form.share)
    got = unmix(lax.all_to_all(sent.share, _AXIS, 0, 0, tiled=True).reshape(-1))

    row = form.probing.find(state.keys, state.index, got, bits)
    known = jnp.where(row >= 0, state.ids[jnp.maximum(row, 0)], -1)
    mixed, came_from = in_order(mix(jnp.where(row < 0, got, ABSENT)))
    first = leads(mixed)
    new = first.sum(dtype=np.int32)
    news = lax.all_gather(new, _AXIS)
    rank = jnp.cumsum(first, dtype=np.int32) - 1
    ids = state.count + offset_of(news, lax.axis_index(_AXIS)) + rank

    wrong = shared((~fine).any().astype(np.int32)) > 0
    count = state.count.astype(np.int64) + news.sum(dtype=np.int64)
    verdict = jnp.where(count <= rules.limit, np.int32(Status.OK), rules.beyond)
    verdict = jnp.where(wrong, np.int32(Status.CORRUPT), verdict)
    frozen, fits = state.status != Status.OK, verdict == Status.OK
    overflowed = shared(too_large(sent.counts, form.share).astype(np.int32)) > 0
    needed = shared(state.held[0] + new)
    # A wrong batch is refused whatever its size; any other is judged only when all its keys have arrived.
    done = wrong & ~frozen | ~overflowed & (frozen | ~fits | (needed <= room))
    lands = done & ~frozen & fits

    local = jnp.where(first & lands, state.held[0] + rank, room)
    keys = unmix(mixed)
    after = Shards(
        state.keys.at[local].set(keys, mode="drop"),
        state.ids.at[local].set(ids, mode="drop"),
        form.probing.enter(state.index, keys, local, first & lands, bits),
        state.held + jnp.where(lands, new, 0),
        jnp.where(lands, count.astype(np.int32), state.count),
        jnp.where(done & ~frozen, verdict, state.status),
    )
    added = jnp.zeros_like(known).at[came_from].set(ids, unique_indices=True)
    answer = jnp.where(known >= 0, known, jnp.where(lands, added, NULL.code))
    answer = jnp.where(lands | frozen, answer, NULL.code).reshape(form.shards, form.share)
    back = lax.all_to_all(answer, _AXIS, 0, 0, tiled=True)
    distinct = back.at[sent.owner, sent.at].get(mode="fill", fill_value=NULL.code)
    items = jnp.where(sent.present, distinct[jnp.maximum(sent.rank, 0)], NULL.code)
    out = jnp.zeros(len(op), np.int32).at[sent.place].set(items, unique_indices=True)
    return after, out, Outcome(done, overflowed, needed)


def _find_local(state: Shards, wanted: jax.Array, *, probing: Probing, shards: int) -> jax.Array:
    bits = shards.bit_length() - 1
    row = probing.find(state.keys, state.index, wanted, bits)
    mine = (row >= 0) & (owner_of(mix(wanted), bits) == lax.axis_index(_AXIS))
    return lax.psum(jnp.where(mine, state.ids[jnp.maximum(row, 0)] + 1, 0), _AXIS) - 1


def _keys_local(state: Shards, ids: jax.Array) -> jax.Array:
    held = jnp.arange(len(state.ids), dtype=np.int32) < state.held[0]
    rows = jnp.where(held, state.ids, np.int32(np.iinfo(np.int32).max))
    row = jnp.minimum(jnp.searchsorted(rows, ids), len(rows) - 1)
    return lax.psum(jnp.where(rows[row] == ids, state.keys[row], np.uint64(0)), _AXIS)


def _widen_local(state: Shards, *, room: int, probing: Probing, shards: int) -> Shards:
    # Not by a scatter: one over a whole array ends jaxlib 0.11.2 in a segmentation fault, compiled for several GPUs.
    keys, ids = (jnp.pad(column, (0, room - len(column))) for column in (state.keys, state.ids))
    index = jnp.full(2 << (room - 1).bit_length(), VACANT, np.int32)
    rows = jnp.arange(room, dtype=np.int32)
    index = probing.enter(index, keys, rows, rows < state.held[0], shards.bit_length() - 1)
    return Shards(keys, ids, index, state.held, state.count, state.status)


def _most(rows: jax.Array) -> jax.Array:
    return shared(rows[0])


@cache
def _mapped(
    function: Callable[..., Any], mesh: Mesh, takes: tuple[Any, ...], gives: Any, in_place: bool, **options: Any
) -> Callable[..., Any]:
    """Return a function of one device's parts, compiled for all devices of a mesh; once for equal arguments."""
    mapped = jax.shard_map(partial(function, **options), mesh=mesh, in_specs=takes, out_specs=gives, check_vma=False)
    return jax.jit(mapped, donate_argnums=0 if in_place else ())


class ShardedLedger:
    """The engine behind `prism.vm.ledger.api.Ledger` that spreads one ledger over devices, a power of two of them.

    The devices may belong to several processes, joined by `jax.distributed`: then every process makes the same calls,
    `intern` takes its own part of a batch, of any length, and returns the ids of that, and the other arguments are the
    same in all. A process that ends lets the others raise `prism.vm.ledger.processes.ProcessError`.

    probing: the fastest for the default back end unless given. spare: the keys that a share of an exchange has room for
    beyond 51 in 50 of an even one; a batch that overflows a share is exchanged again with shares for all of it, so that
    the answer is exact. Memory on each device: 20 to 28 bytes a node of its room, about 60 an item of its part of a
    batch.
    """

    def __init__(
        self,
        layout: KeyLayout = WIDE,
        capacity: int = 1 << 26,
        ops: OpTable = BUILT_IN,
        *,
        devices: Sequence[Any],
        probing: Probing | None = None,
        spare: int = _SPARE,
    ) -> None:
        require_capacity(capacity)
        require_ops(layout, ops)
        if not devices or len(devices) & (len(devices) - 1):
            raise UsageError(
                f"the devices of a ledger must be 1, 2, 4 or another power of two, got {len(devices)}; take so many"
            )
        self.layout, self.capacity, self.ops = layout, capacity, ops
        self.shards = len(devices)
        self._mesh = Mesh(np.array(devices), (_AXIS,))
        self._parted = NamedSharding(self._mesh, _PARTED)
        self._probing, self._spare = probing or default_probing(), spare
        self._rules = self._bounds()
        self._local = sum(one.process_index == jax.process_index() for one in devices)
        self.restore(layout.pack(*RESERVED), Status.OK)

    @property
    def count(self) -> int:
        """The nodes it holds, reserved ones included; waits for the devices."""
        return int(self.state.count)

    @property
    def status(self) -> Status:
        """OK, or the sticky reason why nothing is added any more; waits for the devices."""
        return Status(int(self.state.status))

    @in_64_bits
    def keys(self) -> NDArray[np.uint64]:
        """Return the packed key of every node: uint64[count], a copy; gathers all shards on the host."""
        with in_step():
            keys, ids = (whole(part).reshape(self.shards, -1) for part in (self.state.keys, self.state.ids))
            held_by = whole(self.state.held)
        out = np.zeros(self.count, np.uint64)
        for shard, held in enumerate(held_by):
            out[ids[shard, :held]] = keys[shard, :held]
        return out

    @in_64_bits
    def restore(self, keys: NDArray[np.uint64], status: Status) -> None:
        """Hold these nodes and this status instead; see `prism.vm.ledger.api.Ledger.restore`."""
        owners = np.asarray(owner_of(mix(keys), self.shards.bit_length() - 1))
        held = np.bincount(owners, minlength=self.shards).astype(np.int32)
        room = max(_SMALLEST_ROOM, 1 << (int(held.max()) - 1).bit_length())
        rows, ids = np.zeros((self.shards, room), np.uint64), np.zeros((self.shards, room), np.int32)
        for shard in range(self.shards):
            mine = np.flatnonzero(owners == shard)
            rows[shard, : len(mine)], ids[shard, : len(mine)] = keys[mine], mine
        columns = rows.reshape(-1), ids.reshape(-1), np.zeros(self.shards, np.int32), held
        parts: Any = [cut(column, self._parted) for column in columns]
        count, now = self._to_all(np.int32(len(keys))), self._to_all(np.int32(status))
        self.state = self._widened(Shards(parts[0], parts[1], parts[2], parts[3], count, now), room)

    @in_64_bits
    def nodes(self, ids: ArrayLike) -> tuple[NDArray[np.uint8], NDArray[np.int32], NDArray[np.int32]]:
        """Return `(op, a, b)` of nodes by id, read on their shards: uint8, int32, int32, each [n].

        UsageError for an id that is not from 0 to `count - 1`.
        """
        wanted = np.asarray(ids, np.int64)
        if ((wanted < 0) | (wanted >= self.count)).any():
            raise UsageError(
                f"ids must be from 0 to {self.count - 1}, got {wanted.min()} to {wanted.max()}; intern first"
            )
        read = _mapped(_keys_local, self._mesh, (_STATE, _SAME), _SAME, False)
        return self.layout.unpack(np.asarray(read(self.state, self._to_all(wanted.astype(np.int32)))))

    @in_64_bits
    def find(self, keys: NDArray[np.uint64]) -> NDArray[np.int32]:
        """Return the id of every packed key, -1 where the ledger lacks it: int32[n]."""
        wanted = np.full(padded_size(len(keys)), ABSENT)
        wanted[: len(keys)] = keys
        search = _mapped(
            _find_local, self._mesh, (_STATE, _SAME), _SAME, False, probing=self._probing, shards=self.shards
        )
        return np.array(search(self.state, self._to_all(wanted)))[: len(keys)]

    @in_64_bits
    def intern(self, op: ArrayLike, a: ArrayLike, b: ArrayLike) -> NDArray[np.int32]:
        """Give every node of a batch its id, adding the new ones; see `prism.vm.ledger.api.Ledger.intern`."""
        columns = nodes_of(op, a, b)
        with in_step():
            size = self._local * self._rows_a_device(-(-len(columns[0]) // self._local))
            # NULL nodes fill the batch up: they are in every ledger, and change nothing.
            batch = [self.placed(np.pad(column, (0, size - len(column)))) for column in columns]
            return mine(self.intern_arrays(*batch))[: len(columns[0])]

    def _rows_a_device(self, rows: int) -> int:
        """Return how many rows each device takes, where none of this process needs more than `rows`."""
        if self._local < self.shards:
            most = _mapped(_most, self._mesh, (_PARTED,), _SAME, False)
            rows = int(most(joined(np.full(self._local, rows, np.int32), self._parted)))
        return padded_size(rows * self.shards, self.shards) // self.shards

    def placed(self, column: ArrayLike) -> jax.Array:
        """Return a column cut into equal parts on the devices, as `intern_arrays` wants it; a process has its own."""
        if self._local < self.shards and not isinstance(column, jax.Array):
            return joined(np.asarray(column), self._parted)
        return jax.device_put(column, self._parted)

    @in_64_bits
    def intern_arrays(self, op: jax.Array, a: jax.Array, b: jax.Array) -> jax.Array:
        """Intern a batch that lies on the devices, as `intern` does; the ids stay where the nodes came from.

        op: uint8[n]; a, b: int32[n], n a multiple of the number of devices, else UsageError. Only the verdict comes to
        the host.
        """
        if len(op) % self.shards:
            raise UsageError(
                f"a batch must have a multiple of {self.shards} nodes, got {len(op)}; pad it with NULL nodes"
            )
        batch = [self.placed(column) for column in (op, a, b)]
        part = len(op) // self.shards
        share = min(part // self.shards * 51 // 50 + self._spare, part)
        while True:
            self.state, ids, outcome = self._try(batch, share)
            if outcome.done:
                return ids
            if outcome.overflowed:
                share = part
            else:
                self._widen(1 << (int(outcome.needed) - 1).bit_length())

    def _try(self, batch: list[jax.Array], share: int) -> tuple[Shards, jax.Array, Outcome]:
        form = Form(max(self.layout, WIDE, key=lambda layout: layout.id_bits), self._probing, self.shards, share)
        takes = (_STATE, _PARTED, _PARTED, _PARTED, _SAME)
        step = _mapped(_step, self._mesh, takes, (_STATE, _PARTED, _SAME), True, form=form)
        return step(self.state, *batch, self._rules)

    @in_64_bits
    def _bounds(self) -> _Rules:
        limit, beyond = self.layout.bound(self.capacity)
        ops: Any = OpTable(*(self._to_all(column) for column in self.ops))  # pyright: ignore[reportArgumentType]
        return _Rules(ops, self._to_all(np.int64(limit)), self._to_all(np.int32(beyond)))

    def _widen(self, room: int) -> None:
        self.state = self._widened(self.state, room)

    def _widened(self, state: Shards, room: int) -> Shards:
        widen = _mapped(
            _widen_local, self._mesh, (_STATE,), _STATE, True, room=room, probing=self._probing, shards=self.shards
        )
        with warnings.catch_warnings():
            # Smaller arrays are given up rather than used again, which XLA on a GPU says each time it compiles this.
            warnings.filterwarnings("ignore", "Some donated buffers were not usable", UserWarning)
            return widen(state)

    def _to_all(self, column: ArrayLike) -> jax.Array:
        return cut(np.asarray(column), NamedSharding(self._mesh, _SAME))
