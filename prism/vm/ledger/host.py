"""Host engine of the ledger: NumPy storage, Numba loops, growth by doubling."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from prism.status import Status
from prism.vm.ledger import batch
from prism.vm.ledger.key import WIDE, KeyLayout
from prism.vm.ledger.nodes import RESERVED, nodes_of, require_capacity, require_ops
from prism.vm.ledger.optable import BUILT_IN, OpTable
from prism.vm.ledger.table import Table
from prism.vm.term.ops import NULL


class HostLedger:
    """The default engine behind `prism.vm.ledger.api.Ledger`.

    An evaluator that interns inside its own Numba loop works on `table` (see `prism.vm.ledger.table`), writes the new
    `table.count`, and calls `make_room` when it finds none.
    Memory: at most 21 bytes a node, and 20 for each item of a batch while it lands.
    """

    def __init__(self, layout: KeyLayout = WIDE, capacity: int = 1 << 26, ops: OpTable = BUILT_IN) -> None:
        require_capacity(capacity)
        require_ops(layout, ops)
        self.ops = ops
        self.layout = layout
        self.capacity = capacity
        self.status = Status.OK
        limit, self._overflow = layout.bound(capacity)
        self.table = Table.of(layout.pack(*RESERVED), limit)

    @property
    def count(self) -> int:
        """The nodes it holds, reserved ones included."""
        return self.table.count

    def keys(self) -> NDArray[np.uint64]:
        """Return the packed key of every node: uint64[count], a copy."""
        return self.table.keys[: self.count].copy()

    def restore(self, keys: NDArray[np.uint64], status: Status) -> None:
        """Hold these nodes and this status instead; see `prism.vm.ledger.api.Ledger.restore`."""
        self.table, self.status = Table.of(keys, self.table.limit), status

    def find(self, keys: NDArray[np.uint64]) -> NDArray[np.int32]:
        """Return the id of every packed key, -1 where the ledger lacks it: int32[n]."""
        return batch.look_up(self.table.keys, self.table.index, np.ascontiguousarray(keys, np.uint64))

    def intern(self, op: ArrayLike, a: ArrayLike, b: ArrayLike) -> NDArray[np.int32]:
        """Give every node of a batch its id, adding the new ones; see `prism.vm.ledger.api.Ledger.intern`."""
        op, a, b = nodes_of(op, a, b)
        if self.status is not Status.OK:
            wanted = batch.pack_batch(op, a, b, self.count, self.layout.id_bits, *self.ops)
            return np.maximum(self.find(wanted), NULL.code)
        if not batch.all_addable(op, a, b, self.count, self.ops.arity):
            self.status = Status.CORRUPT
            return np.zeros(len(op), np.int32)
        return self._land(op, a, b)

    def make_room(self, count: int, wanted: int = 0) -> bool:
        """Double the room of the table, `count` rows being in use, or set the status that says why not [LEDGER-5].

        wanted: the rows that the index shall have slots for, if that is more.
        """
        try:
            if self.table.grow(count, wanted):
                return True
            self.status = self._overflow
        except MemoryError:
            self.status = Status.OOM
        return False

    def _land(self, op: NDArray[np.uint8], a: NDArray[np.int32], b: NDArray[np.int32]) -> NDArray[np.int32]:
        table, base, items = self.table, self.count, len(op)
        ids, mixed, place = np.empty(items, np.int32), np.empty(items, np.uint64), np.empty(items, np.int32)
        bits = batch.part_bits(items)
        ends = batch.part(op, a, b, self.layout.id_bits, self.ops.commutes, bits, mixed, place)
        done, count, full = 0, base, False
        try:
            if bits:
                new = batch.new_in(mixed[: ends[1]], bits, table.keys, table.index)
                full = not self._spread(base, base + new * items // max(int(ends[1]), 1))
            while not full:
                done, count, full = batch.land_parts(
                    mixed, place, ends, done, table.keys, table.index, base, count, ids
                )
                if done == len(ends) - 1:
                    table.count = count
                    return ids
                before, part = int(ends[done]), int(ends[done + 1] - ends[done])
                wanted = count + max(part, (count - base) * (items - before) // max(before, 1))
                full = not (self.make_room(count, wanted) if full else self._spread(count, wanted))
            return np.zeros_like(ids)
        finally:
            if table.count == base:
                batch.withdraw(table.keys, table.index, base, count)

    def _spread(self, count: int, wanted: int) -> bool:
        """Give the index slots for `wanted` rows, `count` being in use, or set the status if memory ran out."""
        try:
            self.table.spread(count, wanted)
        except MemoryError:
            self.status = Status.OOM
        return self.status is Status.OK
