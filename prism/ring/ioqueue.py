"""The io queue: requests for reads and writes, and what became of them [RING-13].

A slot goes one way round: the host or a worker makes it PUBLISHED, an ingest thread takes it as CLAIMED and ends it OK
or ERROR, and who asked makes it EMPTY.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

import numpy as np

from prism.ring import layout as at
from prism.ring.errors import MisalignedError, QueueFullError
from prism.ring.layout import WORD, IoStatus, Words

_COLUMN: Final = {field.name: field.start for field in at.IO_SLOT.fields}


class Request(NamedTuple):
    """What one io slot asks for; `op` is an IoOp, `offset` and `size` are bytes."""

    slot: int
    op: int
    source: int
    target: int
    offset: int
    size: int
    tag: int


class Completion(NamedTuple):
    """An io slot that is not EMPTY, as the ingest that filled it sees it."""

    slot: int
    target: int
    size: int
    tag: int


def encode_queue(slots: int) -> Words:
    """Return an empty queue; raises QueueFullError unless it has 1 to 64 slots."""
    if not 1 <= slots <= at.IO_SLOTS:
        raise QueueFullError(f"an io queue has 1 to {at.IO_SLOTS} slots, got {slots}; use several queues")
    return np.zeros(slots * at.IO_SLOT_WORDS, WORD)


def queue_of(buffer: bytes | bytearray | memoryview | Words) -> Words:
    """Return the slots of a queue, (n, 8), as a view where it is memory of words.

    Raises MisalignedError where its bytes are not whole slots, QueueFullError where it has more than 64.
    """
    raw = buffer.reshape(-1).view(np.uint8) if isinstance(buffer, np.ndarray) else np.frombuffer(buffer, np.uint8)
    size = at.IO_SLOT_WORDS * at.WORD_BYTES
    if raw.size % size:
        raise MisalignedError(f"an io queue must be whole slots of {size} bytes, got {raw.size} bytes; pass all of it")
    if raw.size > size * at.IO_SLOTS:
        raise QueueFullError(f"an io queue has at most {at.IO_SLOTS} slots, got {raw.size // size}; use several queues")
    return raw.view(WORD).reshape(-1, at.IO_SLOT_WORDS)


def _status(queue: Words, slot: int) -> int:
    if not 0 <= slot < len(queue):
        raise QueueFullError(f"io slot {slot} must be 0 to {len(queue) - 1}; take one that the queue has")
    return int(queue[slot, at.IO_STATUS])


def submit(queue: Words, request: Request) -> None:
    """Ask for a transfer; raises QueueFullError unless the slot is EMPTY."""
    status = _status(queue, request.slot)
    if status != IoStatus.EMPTY:
        raise QueueFullError(f"io slot {request.slot} must be EMPTY to ask with, got status {status}; recycle it first")
    row = queue[request.slot]
    low, high = request.offset & at.WORD_MASK, request.offset >> 32
    row[: at.IO_STATUS] = request.op, request.source, request.target, low, high, request.size
    row[_COLUMN["TAG"]] = request.tag
    row[at.IO_STATUS] = IoStatus.PUBLISHED


def requests(queue: Words, slots: Iterable[int]) -> list[Request]:
    """Return what the given slots ask for, whatever their status."""
    found = []
    for slot in slots:
        op, source, target, low, high, count, _, tag = (int(word) for word in queue[slot])
        found.append(Request(slot, op, source, target, high << 32 | low, count, tag))
    return found


def published(queue: Words) -> list[int]:
    """Return the slots that nobody has taken yet, ascending."""
    return [int(slot) for slot in np.flatnonzero(queue[:, at.IO_STATUS] == IoStatus.PUBLISHED)]


def claim(queue: Words) -> list[Request]:
    """Take every request that nobody has taken yet."""
    taken = requests(queue, published(queue))
    queue[[request.slot for request in taken], at.IO_STATUS] = IoStatus.CLAIMED
    return taken


def complete(queue: Words, ends: Sequence[tuple[int, bool]]) -> None:
    """End taken requests, `(slot, whether it went well)`; raises QueueFullError unless each slot is CLAIMED."""
    for slot, _ in ends:
        status = _status(queue, slot)
        if status != IoStatus.CLAIMED:
            raise QueueFullError(f"io slot {slot} must be CLAIMED to be completed, got status {status}; claim it first")
    for slot, ok in ends:
        queue[slot, at.IO_STATUS] = IoStatus.OK if ok else IoStatus.ERROR


def completion(queue: Words, slot: int) -> Completion | None:
    """Return what an io slot holds; None where it is EMPTY."""
    if _status(queue, slot) == IoStatus.EMPTY:
        return None
    request = requests(queue, [slot])[0]
    return Completion(slot, request.target, request.size, request.tag)


def recycle(queue: Words, slot: int) -> None:
    """Make a slot whose request ended EMPTY; raises QueueFullError for any other."""
    status = _status(queue, slot)
    if status not in (IoStatus.OK, IoStatus.ERROR):
        raise QueueFullError(f"io slot {slot} must have ended to be recycled, got status {status}; complete it first")
    queue[slot, at.IO_STATUS] = IoStatus.EMPTY


def is_recycled(queue: Words, slot: int) -> bool:
    """Whether an io slot may be asked with again."""
    return _status(queue, slot) == IoStatus.EMPTY
