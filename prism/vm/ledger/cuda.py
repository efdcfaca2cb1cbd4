"""CUDA engine of the ledger: one random access a lookup on an NVIDIA GPU (extra `gpu`), with the host engine's ids.

The kernels are Numba-CUDA's; every array is JAX's own, seen by the kernels where it lies, so batches and ids on the
device are exchanged without a copy, and all memory is JAX's to account for. The table never leaves this class.
"""

from __future__ import annotations

from functools import cache, partial
from typing import Any, Final

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import ArrayLike, NDArray

from prism.errors import UsageError
from prism.gpu import open_cuda
from prism.status import Status
from prism.vm.ledger.cuda_kernels import CELL, LANES, NEW, SCANNERS, TALLY, THREADS, VERDICT, Kernels, kernels
from prism.vm.ledger.key import WIDE, KeyLayout
from prism.vm.ledger.nodes import RESERVED, nodes_of, require_capacity, require_ops
from prism.vm.ledger.optable import BUILT_IN, OpTable
from prism.vm.ledger.traced import MIXED_ABSENT, in_64_bits

_SURPLUS: Final = 1 << 19
"""Keys that blocks under way may enter beyond the capacity, before they see that the batch is refused."""
_MOST: Final = 3 << 29
"""The most nodes: a slot's number is an int32."""


@cache
def _compiled(cuda: Any) -> Kernels:
    return kernels(cuda)


class CudaLedger:
    """The engine behind `prism.vm.ledger.api.Ledger` for one NVIDIA GPU; a batch may have any length.

    Memory on the device: 12.126 bytes a slot, and 4/3 to 8/3 slots for each node that it holds or that a batch might
    have added, so 16.2 to 32.4 bytes a node; half as much again while it grows. A batch takes 4 bytes an item, which
    are its ids. Expected cost: two random accesses an item, to its key and to its id, and four for a new key.
    cuda: numba-cuda's `cuda`. UsageError if there is none, or no GPU, or the capacity is above 3 * 2^29.
    """

    def __init__(
        self, layout: KeyLayout = WIDE, capacity: int = 1 << 26, ops: OpTable = BUILT_IN, *, cuda: Any = None
    ) -> None:
        require_capacity(capacity)
        require_ops(layout, ops)
        self.layout, self.capacity, self.ops = layout, capacity, ops
        self._limit, self._beyond = layout.bound(capacity)
        if self._limit > _MOST:
            raise UsageError(
                f"the cuda engine of the ledger holds at most {_MOST} nodes on a GPU, got a capacity of {self._limit}; "
                "lower it, or spread the ledger over several devices"
            )
        self._cuda = cuda or open_cuda("the cuda engine of the ledger")
        self._kernels = _compiled(self._cuda)
        self._rules = self._seen(_here(np.concatenate([column.astype(np.uint8) for column in ops])))
        self.restore(layout.pack(*RESERVED), Status.OK)

    @in_64_bits
    def restore(self, keys: NDArray[np.uint64], status: Status) -> None:
        """Hold these nodes and this status instead; see `prism.vm.ledger.api.Ledger.restore`."""
        self.count, self.status = len(keys), status
        self._allocate(self._slots_for(0))
        held = self._seen(_here(np.asarray(keys, np.uint64)))
        self._launch(self._kernels.hold, len(keys), held, self._slots, self._ids)
        self._cuda.synchronize()

    @property
    def nbytes(self) -> int:
        """The bytes of its table on the device."""
        return sum(one.nbytes for one in (self._slots, self._ids, self._pending, self._totals))

    @in_64_bits
    def keys(self) -> NDArray[np.uint64]:
        """Return the packed key of every node: uint64[count], a copy; one pass over the table."""
        out = _full(self.count, 0, np.uint64)
        self._launch(self._kernels.collect, len(self._slots), self._slots, self._ids, self._seen(out))
        self._cuda.synchronize()
        return np.array(out)

    @in_64_bits
    def find(self, keys: NDArray[np.uint64]) -> NDArray[np.int32]:
        """Return the id of every packed key, -1 where the ledger lacks it: int32[n]."""
        out, wanted = _full(len(keys), 0, np.int32), _here(np.asarray(keys, np.uint64))
        if len(keys):
            self._launch(self._kernels.find, len(keys), self._seen(wanted), self._slots, self._ids, self._seen(out))
            self._cuda.synchronize()
        return np.array(out)

    @in_64_bits
    def intern(self, op: ArrayLike, a: ArrayLike, b: ArrayLike) -> NDArray[np.int32]:
        """Give every node of a batch its id, adding the new ones; see `prism.vm.ledger.api.Ledger.intern`."""
        return np.array(self.intern_arrays(*(_here(column) for column in nodes_of(op, a, b))))

    @in_64_bits
    def intern_arrays(self, op: jax.Array, a: jax.Array, b: jax.Array) -> jax.Array:
        """Intern a batch that lies on the device, as `intern` does; the ids, int32[n], stay there.

        op: uint8[n]; a, b: int32[n]. Waits for the batch and for the ids; only the verdict comes to the host.
        """
        ids = _zeros(len(op)).block_until_ready()
        if not len(op):
            return ids
        frozen = self.status is not Status.OK
        if not frozen:
            self.make_room(len(op))
        out, tally, following = self._seen(ids), *self._tallies
        self._tallies = following, tally
        batch = [self._seen(column) for column in jax.block_until_ready((op, a, b))]
        bounds = self.count, self.layout.id_bits, self._limit - self.count, int(frozen)
        table = self._slots, self._pending
        self._launch(self._kernels.enter, len(op), *batch, self._rules, bounds, *table, out, tally)
        if not frozen:
            self._number(bounds, tally)
        self._launch(self._kernels.answer, len(op), self._ids, self._pending, tally, following, frozen, out)
        verdict = tally.copy_to_host()
        if not frozen:
            self.status = Status(int(verdict[VERDICT]))
            self.count += int(verdict[NEW]) if self.status is Status.OK else 0
        return ids

    def _number(self, bounds: tuple[int, ...], tally: Any) -> None:
        """Give the slots that a batch took their ids, or free them again, as the verdict is."""
        kernels, words, totals = self._kernels, len(self._pending), self._totals
        self._launch(kernels.add_up, words, self._pending, totals, tally)
        kernels.scan[1, SCANNERS](totals, bounds, self._slots, self._pending, tally, int(self._beyond))
        self._launch(kernels.number, words, totals, self._slots, self._ids, self._pending, tally, np.int32(self.count))

    @in_64_bits
    def make_room(self, items: int) -> None:
        """Grow the table unless it has room for a batch of `items` nodes that are all new, or for more than may be."""
        needed = self._slots_for(items)
        if needed > len(self._slots):
            slots, ids = self._slots, self._ids
            self._allocate(needed)
            self._launch(self._kernels.move, len(slots), slots, ids, self._slots, self._ids)
            self._cuda.synchronize()

    def _slots_for(self, items: int) -> int:
        nodes = min(self.count + items, self._limit + _SURPLUS)
        return max(CELL, 1 << (nodes + nodes // 3).bit_length())

    def _allocate(self, slots: int) -> None:
        self._slots = self._seen(_full(slots, MIXED_ABSENT, np.uint64))
        self._ids = self._seen(_full(slots, 0, np.int32))
        self._pending = self._seen(_full(slots // LANES, 0, np.uint32))
        self._totals = self._seen(_full(slots // CELL, 0, np.int32))
        # A batch counts in one of them, and clears the other for the next.
        self._tallies = self._seen(_full(TALLY, 0, np.int32)), self._seen(_full(TALLY, 0, np.int32))

    def _launch(self, kernel: Any, items: int, *arguments: Any) -> None:
        kernel[(items + THREADS - 1) // THREADS, THREADS](*arguments)

    def _seen(self, array: jax.Array) -> Any:
        """Return an array of JAX's as kernels see it, where it lies; it lives as long as what is returned."""
        return self._cuda.as_cuda_array(array, sync=False)


@partial(jax.jit, static_argnums=0)
def _zeros(items: int) -> jax.Array:
    return jnp.zeros(items, np.int32)


def _full(items: int, value: int | np.uint64, dtype: type[np.integer]) -> jax.Array:
    """Return a new array of JAX's, whose filling has been waited for: a kernel may write to it."""
    array = jnp.full(items, value, dtype).block_until_ready()
    assert array.dtype == dtype, "JAX's 64-bit types are switched on wherever a table is made"
    return array


def _here(column: Any) -> jax.Array:
    return jax.device_put(column).block_until_ready()
