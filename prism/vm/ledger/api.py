"""Ledger: the interface that every ledger engine offers."""

from __future__ import annotations

from typing import Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from prism.status import Status
from prism.vm.ledger.key import KeyLayout
from prism.vm.ledger.optable import OpTable


class Ledger(Protocol):
    """An append-only map from keys to ids; id 0 is NULL and id 1 is ZERO from the start."""

    @property
    def layout(self) -> KeyLayout:
        """How nodes are packed."""
        ...

    @property
    def ops(self) -> OpTable:
        """The ops that it knows: what a node of each code takes, and whether its operands are ordered."""
        ...

    @property
    def capacity(self) -> int:
        """The most nodes it may hold, reserved ones included."""
        ...

    @property
    def count(self) -> int:
        """The nodes it holds, reserved ones included; ids run from 0 to `count - 1`."""
        ...

    @property
    def status(self) -> Status:
        """OK, or the sticky reason why nothing is added any more."""
        ...

    def intern(self, op: ArrayLike, a: ArrayLike, b: ArrayLike) -> NDArray[np.int32]:
        """Give every node of a batch its id, adding the new ones; int32[n].

        op, a, b: integer vectors of one length; UsageError otherwise. Equal nodes get equal ids, in the batch and
        against the ledger; new nodes get ids in the order of the mixing of their keys [LEDGER-3], so ids do not depend
        on the order within a batch. A batch lands whole or not at all [LEDGER-5]: if an op is unknown, an operand that
        its op takes is not an id from 1 to `count - 1`, one that it does not take is not NULL, or a new id does not
        fit the layout, the status becomes CORRUPT; if `capacity` is exceeded, OOM; and every id returned is NULL. Ever
        after nothing is added, known nodes still get their id, and all others NULL [LEDGER-6].
        """
        ...

    def find(self, keys: NDArray[np.uint64]) -> NDArray[np.int32]:
        """Return the id of every packed key, -1 where the ledger lacks it; int32[n], nothing is added."""
        ...

    def keys(self) -> NDArray[np.uint64]:
        """Return the packed key of every node: uint64[count], a copy."""
        ...

    def restore(self, keys: NDArray[np.uint64], status: Status) -> None:
        """Hold these nodes instead of its own, with ids in their order, and this status.

        keys: uint64[n], those of a ledger of the same layout and ops, no more than this one may hold. Nothing is
        checked: `prism.vm.ledger.verify.verify` says whether they were.
        """
        ...
