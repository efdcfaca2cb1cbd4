"""One block of memory that holds a ring: its five buffers and, beside them, what those who feed and drain it share.

The buffers say what a job is and what became of it; the words beside them say who works on it and where to look next.
Those are locks and hints, never the truth: a queue entry names a slot that may be worth a look, its status decides.

A block of uint32 words, each region at a multiple of 16 words (one cache line):

| region | words |
|---|---|
| header | constants of the block, then the live words, each kind in a cache line of its own |
| control, ring, log, io, books | the buffers of `prism.ring.state` |
| claims | 1 a slot: FREE, QUEUED, PREPARED, else `4 * (worker + 1) + phase` of the worker that has it |
| feeders | 16 a tenant: its slots, where to look for a free one, how far a submission got, which process feeds |
| cursors | 32 a queue: head, where its entries begin, its length - 1; then tail in the next line |
| entries | slots, a queue after the other; a queue is (tenant, level), the last tenant stands for recovered slots |
| workers | 32 a worker: state, beat, kill request, process, jobs, journal, arguments |
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from prism.errors import CorruptError, UsageError
from prism.ring.layout import BOOKS_SLOT, BUFFERS, LEVELS, TENANTS, Words
from prism.ring.state import RingSpec, initialise, of_buffers

LINE: Final = 16
"""Words of a cache line."""
MAGIC: Final = 0x50524E47
VERSION: Final = 1
HEADER_WORDS: Final = 14 * LINE
MAX_WORKERS: Final = 64

# Header words that stay as they are.
(AT_MAGIC, AT_VERSION, AT_SLOTS, AT_TENANTS, AT_OBSERVABLES, AT_LOG_RECORDS, AT_IO_SLOTS, AT_WORKERS) = range(8)
(AT_CONTROL, AT_RING, AT_LOG, AT_IO, AT_BOOKS, AT_WORKSPACE, AT_CLAIMS, AT_FEEDERS) = range(8, 16)
AT_CURSORS, AT_ENTRIES, AT_WORKER_ROWS, AT_SHARE, AT_WORKSPACE_WORDS = range(16, 21)
AT_ORDER, AT_RUN_ALONE, AT_RUN_CONTENDED, AT_PATIENCE = range(21, 25)
AT_OWNER = 26
"""The process that holds a shared ring, and in the next word when it began."""
_BUFFERS: Final = (AT_CONTROL, AT_RING, AT_LOG, AT_IO, AT_BOOKS, AT_WORKSPACE)
DIRECT, PRIORITY, BANDS = range(3)
"""Orders, as `AT_ORDER` has them: by the tenant's line alone, by the priority word, by the band of the slot."""
RUN_ALONE: Final = 128
RUN_CONTENDED: Final = 8
"""Most jobs that a worker takes at once: when one queue has work, and when several have; the block can say less."""
# Live words.
BELL, PARKED, DONE_BELL, WAITERS, PENDING, HALT, SPANS = (LINE * line for line in range(2, 9))
WINDOW_LOCKS: Final = 10 * LINE
"""Locks of windows, of which a handler holds one that must run alone in it: 0, or the process that has it."""
LOCKS: Final = 4 * LINE
"""So many: windows that begin so far apart share one."""
SPAN_BUCKETS: Final = 32
"""Words from `SPANS` on: how many waits ended within 2^k microseconds of their submission, k their index."""

RECOVERED: Final = TENANTS
"""The tenant number of the queues of recovered slots."""
QUEUES: Final = (TENANTS + 1) * LEVELS

FREE, QUEUED, PREPARED = range(3)
"""Claims of slots that no worker has: PREPARED is one that a feeder fills."""
OWNED, STARTED, FINISHED = 0, 1, 2
"""Phases of a claim: nothing done yet; the body may have begun; the body has ended, its mark is not made yet."""

HEAD, ENTRIES, MASK, TAIL = 0, 1, 2, LINE
"""Words of a queue's cursors."""
FEED_LOW, FEED_COUNT, FEED_CURSOR, FEED_STAGE = range(4)
FEED_PROCESS = 6
"""Words of a tenant's feeder row. The stage is LANDING from the moment when every word of a submission is written until
all of it is queued, else 0. The process is 0 while none is attached; the next word says when it began."""
LANDING: Final = 1
(WORKER_STATE, WORKER_BEAT, WORKER_KILL, WORKER_PROCESS, WORKER_JOBS) = range(5)
(TAKE_QUEUE, TAKE_HEAD, TAKE_COUNT, HELD_TENANT, HELD_COUNT) = range(8, 13)
"""A worker's journal: what it is taking off a queue (the queue plus 1), and what it reserved of a tenant's quota."""
INNER_ARGS: Final = LINE
WORKER_WORDS: Final = 2 * LINE
"""A worker's row; the arguments of the operation that it runs inside a packed slot begin at `INNER_ARGS`."""
ABSENT, RUNNING, PARKING, ENDED, LOST = range(5)
"""States of a worker."""


@dataclass(frozen=True, slots=True)
class Shape:
    """What sizes a block: the ring, whose slots are dealt out to its tenants, and the most workers."""

    spec: RingSpec
    workers: int

    def __post_init__(self) -> None:
        if self.spec.slots < self.spec.tenants:
            raise UsageError(
                f"a ring must have a slot for each of its {self.spec.tenants} tenants, got {self.spec.slots}; "
                "give it more slots"
            )
        if not 0 <= self.workers <= MAX_WORKERS:
            raise UsageError(f"a ring must have at most {MAX_WORKERS} workers, got {self.workers}; start fewer")

    @property
    def share(self) -> int:
        """Slots of each tenant but the last, which has the rest as well."""
        return self.spec.slots // self.spec.tenants

    def lengths(self) -> list[int]:
        """Return the length of each tenant's queues and, last, the recovered's: powers of two, for all slots twice."""
        most = self.spec.slots - self.share * (self.spec.tenants - 1)
        return [_power(most)] * self.spec.tenants + [_power(self.spec.slots)]

    def regions(self) -> dict[int, tuple[int, int]]:
        """Return for each header word that names a region: where the region begins, and its words."""
        sizes = {word: self.spec.buffer_words[name] for word, name in zip(_BUFFERS, BUFFERS, strict=True)} | {
            AT_CLAIMS: self.spec.slots,
            AT_FEEDERS: LINE * TENANTS,
            AT_CURSORS: 2 * LINE * QUEUES,
            AT_WORKER_ROWS: WORKER_WORDS * self.workers,
            AT_ENTRIES: LEVELS * sum(self.lengths()),
        }
        found, at = {}, HEADER_WORDS
        for word, size in sizes.items():
            found[word] = (at, size)
            at += -(-size // LINE) * LINE
        return found

    @property
    def words(self) -> int:
        """Words of the whole block."""
        return max(at + -(-size // LINE) * LINE for at, size in self.regions().values())


def _power(least: int) -> int:
    return 2 << max(least - 1, 1).bit_length()


def format_block(words: Words, shape: Shape) -> Block:
    """Make a fresh block of zeroed words, (shape.words,) uint32; its magic is written last."""
    for word, (at, _) in shape.regions().items():
        words[word] = at
    spec = shape.spec
    words[AT_SLOTS : AT_WORKERS + 1] = (
        *(spec.slots, spec.tenants, spec.observables),
        *(spec.log_records, spec.io_slots, shape.workers),
    )
    words[AT_SHARE], words[AT_ORDER] = shape.share, PRIORITY
    words[AT_RUN_ALONE], words[AT_RUN_CONTENDED] = RUN_ALONE, RUN_CONTENDED
    words[AT_WORKSPACE_WORDS] = spec.workspace
    block = Block(words, shape)
    initialise(block.state, spec)
    for tenant in range(spec.tenants):
        low = tenant * shape.share
        count = spec.slots - low if tenant == spec.tenants - 1 else shape.share
        block.feeders[tenant, : FEED_COUNT + 1] = low, count
    at, cursors = int(words[AT_ENTRIES]), int(words[AT_CURSORS])
    for place, length in enumerate(shape.lengths()):
        tenant = place if place < spec.tenants else RECOVERED
        for level in range(LEVELS):
            queue = cursors + 2 * LINE * (tenant * LEVELS + level)
            words[queue + ENTRIES], words[queue + MASK] = at, length - 1
            at += length
    words[AT_VERSION] = VERSION
    words[AT_MAGIC] = MAGIC
    return block


class Block:
    """Views of one block of words."""

    def __init__(self, words: Words, shape: Shape) -> None:
        self.words, self.longs, self.shape = words, words.view(np.uint64), shape
        self.name: str | None = None
        views = {at: words[start : start + size] for at, (start, size) in shape.regions().items()}
        named = zip(BUFFERS, _BUFFERS, strict=True)
        self.state = of_buffers(shape.spec, {name: views[word] for name, word in named})
        self.tickets = self.state.entries.reshape(-1).view(np.uint64)[:: BOOKS_SLOT.words // 2]
        self.claims = views[AT_CLAIMS]
        self.feeders = views[AT_FEEDERS].reshape(-1, LINE)
        self.workers = views[AT_WORKER_ROWS].reshape(-1, WORKER_WORDS)

    def owners(self) -> NDArray[np.int64]:
        """Return whose part of the ring each slot is, (slots,) int64."""
        spec = self.shape.spec
        return np.minimum(np.arange(spec.slots) // self.shape.share, spec.tenants - 1)

    def owned(self, tenant: int) -> slice:
        """Return which slots are a tenant's."""
        low, count = (int(word) for word in self.feeders[tenant, [FEED_LOW, FEED_COUNT]])
        return slice(low, low + count)


def read_block(words: Words) -> Block:
    """Return the block that stands in memory; CorruptError where there is none, or of another version."""
    if len(words) < HEADER_WORDS or int(words[AT_MAGIC]) != MAGIC or int(words[AT_VERSION]) != VERSION:
        raise CorruptError(
            f"shared memory must begin as a ring of version {VERSION} does, got {len(words)} words that begin "
            "otherwise; attach to the name that a runtime gives"
        )
    slots, tenants, observables, records, io_slots, workers = (int(word) for word in words[AT_SLOTS : AT_WORKERS + 1])
    spec = RingSpec(slots, tenants, observables, records, io_slots, workspace=int(words[AT_WORKSPACE_WORDS]))
    shape = Shape(spec, workers)
    if shape.words > len(words):
        raise CorruptError(
            f"a ring of {slots} slots must take {shape.words} words, got {len(words)}; "
            "the segment was cut, make a new one"
        )
    return Block(words, shape)


def fresh_block(shape: Shape) -> Block:
    """Return a block in this process's own memory, on a boundary of cache lines."""
    raw = np.zeros(shape.words + LINE, np.uint32)
    at = -(raw.ctypes.data // 4) % LINE
    return format_block(raw[at : at + shape.words], shape)
