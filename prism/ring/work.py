"""Work items: one operation on three handles, the fixed shape in which a planner hands over many jobs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from prism.ring import layout as at
from prism.ring.errors import QueueFullError
from prism.ring.layout import WORD, Priority, SlotStatus, Words
from prism.ring.publish import Place, publish_columns, slots_of


class WorkItem(NamedTuple):
    """An operation and its handles: the opcode and the first three arguments of a slot."""

    op: int
    input: int
    output: int
    param: int


def fill(ring: Words, tenant: int, items: Sequence[WorkItem]) -> None:
    """Write items into a ring from slot 0 and empty the rest, whatever it held; raises QueueFullError.

    Of a used slot the first seven words are written, of another the status alone: storage is reused as it is.
    """
    slots = slots_of(ring)
    if len(items) > len(slots):
        raise QueueFullError(f"{len(items)} work items need as many slots, got {len(slots)}; enlarge the ring")
    used = slots[: len(items)]
    used[:, at.OPCODE] = [item.op for item in items]
    used[:, at.TENANT] = tenant
    used[:, at.PRIORITY] = Priority.NORMAL
    if items:
        used[:, at.ARGS : at.ARGS + 3] = [item[1:] for item in items]
    slots[len(items) :, at.STATUS] = SlotStatus.EMPTY
    used[:, at.STATUS] = SlotStatus.PUBLISHED


def publish_items(ring: Words, place: Place, items: Sequence[WorkItem]) -> int:
    """Publish items into consecutive slots; return how many. All or nothing. Raises QueueFullError."""
    columns = np.array(items, WORD).reshape(-1, 4)
    return publish_columns(ring, place, columns[:, 0], columns[:, 1:])


class Equal(NamedTuple):
    """Equal items: the distinct ones in order, and for each later one the pair (place it equals, its own place)."""

    kept: tuple[WorkItem, ...]
    repeated: tuple[tuple[int, int], ...]


def equal_items(items: Sequence[WorkItem]) -> Equal:
    """Find items equal to an earlier one in all four words.

    It reports and nothing more: whoever leaves a repeated ATOMIC_ADD out changes the sum.
    """
    first: dict[WorkItem, int] = {}
    repeated = [(first[item], place) for place, item in enumerate(items) if first.setdefault(item, place) != place]
    return Equal(tuple(first), tuple(repeated))
