"""Write jobs into the slots of a ring: validate everything, then write, the status word last [RING-4]."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from prism.ring import layout as at
from prism.ring.errors import MissingWordError, QueueFullError
from prism.ring.layout import PUBLISHABLE, WORD, Opcode, Priority, SlotStatus, Words
from prism.ring.opcodes import is_publishable
from prism.ring.packed import Operation, pack

Job: TypeAlias = tuple[int, Sequence[int]]
"""An opcode and its arguments."""

WINDOW_REQUIRED: Final = 0
WINDOW_LOOKAHEAD: Final = 1
_FREE: Final = np.array(sorted(PUBLISHABLE), WORD)


@dataclass(frozen=True, slots=True)
class Place:
    """Where jobs go: the first slot, the tenant that submits, and the level."""

    slot: int
    tenant: int
    priority: int = Priority.NORMAL


def slots_of(ring: Words) -> Words:
    """Return the slots of a ring, (n, 16), as a view; raises QueueFullError unless it is whole slots of words."""
    raw = ring.reshape(-1)
    words = raw.view(WORD) if raw.nbytes % at.WORD_BYTES == 0 else raw
    if raw.nbytes % (at.SLOT_WORDS * at.WORD_BYTES):
        raise QueueFullError(
            f"a ring must be whole slots of {at.SLOT_WORDS * at.WORD_BYTES} bytes, got {raw.nbytes} bytes; "
            "allocate it by a RingSpec or encode_ring"
        )
    return words.reshape(-1, at.SLOT_WORDS)


def _require_args(args: Sequence[int], most: int = at.ARGS_PER_SLOT) -> None:
    if len(args) > most:
        raise QueueFullError(f"a slot has {most} words for these arguments, got {len(args)}; use several slots")


def _require_opcode(opcode: int) -> None:
    if not is_publishable(opcode):
        raise QueueFullError(
            f"opcode {opcode:#x} is kept for the worker; take one below 0x80000000 outside 0xfff0 to 0xffff"
        )


def _require_place(slots: Words, first: int, count: int) -> None:
    """Require that `count` slots from `first` exist and are EMPTY or DONE."""
    if not 0 <= first <= first + count <= len(slots):
        raise QueueFullError(
            f"slots {first} to {first + count - 1} must lie in a ring of {len(slots)}; "
            "enlarge the ring or split the batch"
        )
    taken = np.flatnonzero(~np.isin(slots[first : first + count, at.STATUS], _FREE))
    if taken.size:
        slot = first + int(taken[0])
        raise QueueFullError(
            f"slot {slot} must be EMPTY or DONE to be published into, got status {int(slots[slot, at.STATUS])}; "
            "wait until it ends, and reclaim it if it is a FAULT"
        )


def _write(slots: Words, place: Place, rows: Words) -> None:
    """Write rows of (opcode, 12 arguments), statuses last."""
    target = slots[place.slot : place.slot + len(rows)]
    target[:, at.OPCODE] = rows[:, 0]
    target[:, at.TENANT] = place.tenant
    target[:, at.PRIORITY] = place.priority
    target[:, at.ARGS :] = rows[:, 1:]
    target[:, at.STATUS] = SlotStatus.PUBLISHED


def _rows(jobs: Sequence[Job]) -> Words:
    rows = np.zeros((len(jobs), 1 + at.ARGS_PER_SLOT), WORD)
    for row, (opcode, args) in zip(rows, jobs, strict=True):
        row[0] = opcode
        row[1 : 1 + len(args)] = args
    return rows


def publish_jobs(ring: Words, place: Place, jobs: Sequence[Job]) -> int:
    """Publish jobs into consecutive slots; return how many. All or nothing. Raises QueueFullError."""
    slots = slots_of(ring)
    for opcode, args in jobs:
        _require_args(args)
        _require_opcode(opcode)
    _require_place(slots, place.slot, len(jobs))
    _write(slots, place, _rows(jobs))
    return len(jobs)


def publish(ring: Words, place: Place, opcode: int, args: Sequence[int] = ()) -> None:
    """Publish one job; raises QueueFullError, with nothing written, where it does not fit or the slot is taken."""
    publish_jobs(ring, place, [(opcode, args)])


def publish_batch(ring: Words, place: Place, jobs: Sequence[Job], tag: int) -> int:
    """Publish jobs and, after them, the fence that ends them; return the slots taken. All or nothing.

    Raises QueueFullError.
    """
    return publish_jobs(ring, place, [*jobs, (Opcode.BATCH_FENCE, (len(jobs), tag))])


def publish_packed(ring: Words, place: Place, operations: Sequence[Operation]) -> None:
    """Publish several small operations in one slot; raises QueueFullError."""
    publish_jobs(ring, place, [(Opcode.PACKED_SLOT, [int(word) for word in pack(operations)])])


@dataclass(frozen=True, slots=True)
class Route:
    """A window of slots: its ticket and opcode, the payloads it needs and those it may use."""

    ticket: int
    opcode: int
    required: Sequence[Sequence[int]]
    lookahead: Sequence[Sequence[int]] = ()


def publish_window(ring: Words, place: Place, route: Route) -> int:
    """Publish the slots of a window, required ones first; return how many. All or nothing. Raises QueueFullError."""
    classes = [(WINDOW_REQUIRED, payload) for payload in route.required]
    classes += [(WINDOW_LOOKAHEAD, payload) for payload in route.lookahead]
    for _, payload in classes:
        _require_args(payload, at.ARGS_PER_SLOT - 2)
    return publish_jobs(ring, place, [(route.opcode, (route.ticket, kind, *payload)) for kind, payload in classes])


def publish_columns(ring: Words, place: Place, opcodes: Words, args: Words) -> int:
    """Publish jobs given as columns, opcodes (n,) and args (n, at most 12), uint32; return n. All or nothing.

    Cost: a few array operations, whatever n. Raises QueueFullError.
    """
    slots = slots_of(ring)
    if args.ndim != 2 or len(args) != len(opcodes):
        raise QueueFullError(
            f"args must have one row for each of {len(opcodes)} opcodes, got shape {args.shape}; pass (n, words)"
        )
    _require_args(range(args.shape[1]))
    for opcode in np.unique(opcodes):
        _require_opcode(int(opcode))
    _require_place(slots, place.slot, len(opcodes))
    rows = np.zeros((len(opcodes), 1 + at.ARGS_PER_SLOT), WORD)
    rows[:, 0] = opcodes
    rows[:, 1 : 1 + args.shape[1]] = args
    _write(slots, place, rows)
    return len(opcodes)


def load_miss_slot(resource: int, *, prefetch: bool) -> Words:
    """Return the 16 words of a LOAD_MISS slot of tenant 0 for a registered resource."""
    slot = np.zeros(at.SLOT_WORDS, WORD)
    slot[at.STATUS], slot[at.OPCODE] = SlotStatus.PUBLISHED, Opcode.LOAD_MISS
    slot[at.ARGS : at.ARGS + 2] = resource, prefetch
    return slot


def count_done(ring: Words, items: int) -> int:
    """Return how many of the first `items` slots are DONE; raises MissingWordError where the ring has fewer."""
    if ring.size < items * at.SLOT_WORDS:
        raise MissingWordError(
            f"{items} slots are to be counted, but the ring has {ring.size} words; pass the whole ring"
        )
    slots = ring.reshape(-1)[: items * at.SLOT_WORDS].reshape(-1, at.SLOT_WORDS)
    return int(np.count_nonzero(slots[:, at.STATUS] == SlotStatus.DONE))


def reclaim(ring: Words, slot: int) -> None:
    """Make a slot that ended EMPTY; raises QueueFullError for one that has not ended.

    This is the only way out of FAULT, so that no fault is overwritten unseen [RING-5].
    """
    slots = slots_of(ring)
    status = int(slots[slot, at.STATUS]) if 0 <= slot < len(slots) else -1
    if status not in at.TERMINAL:
        raise QueueFullError(f"slot {slot} must have ended to be reclaimed, got status {status}; wait for it")
    slots[slot, at.STATUS] = SlotStatus.EMPTY


def free_slots(ring: Words) -> NDArray[np.intp]:
    """Return the indices of the slots that may be published into, ascending."""
    return np.flatnonzero(np.isin(slots_of(ring)[:, at.STATUS], _FREE))
