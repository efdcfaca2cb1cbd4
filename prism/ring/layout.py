"""The wire of the ring as data: where every word lies, and every code that a word may hold [RING-1].

All buffers are arrays of little-endian uint32 words. `control`, slots, debug log and io queue are the wire of the
original runtime, bit for bit; `books` is Prism's own fifth buffer, for what the wire has no word for: tickets,
windows, reasons, and whose turn it is; the workspace is memory that handlers share.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import Final

import numpy as np
from numpy.typing import NDArray

Words = NDArray[np.uint32]
"""An array of words of the wire; its dtype is `WORD`."""

WORD: Final = np.dtype("<u4")
DOUBLE: Final = np.dtype("<u8")
WORD_BYTES: Final = 4
WORD_MASK: Final = 0xFFFF_FFFF
"""Every counter of the wire counts modulo 2**32."""


@dataclass(frozen=True, slots=True)
class Field:
    """A run of words in a record: its name, first word, number of words, and what they hold."""

    name: str
    start: int
    words: int
    holds: str


@dataclass(frozen=True, slots=True)
class Record:
    """A record of the wire: its fields in order, without overlap, and its length in words."""

    name: str
    words: int
    fields: tuple[Field, ...]

    def at(self, name: str) -> int:
        """Return the first word of the field `name`."""
        return self.field(name).start

    def field(self, name: str) -> Field:
        """Return the field `name`; raises KeyError for a name that the record lacks."""
        for field in self.fields:
            if field.name == name:
                return field
        raise KeyError(name)


def _record(name: str, words: int, *rows: tuple[str, int, int, str]) -> Record:
    return Record(name, words, tuple(Field(*row) for row in rows))


def columns(name: str, words: int, *rows: tuple[str, str]) -> Record:
    """Return a record of one word a field, from word 0; the words after the last field are unused."""
    return Record(name, words, tuple(Field(field, at, 1, holds) for at, (field, holds) in enumerate(rows)))


# Codes ------------------------------------------------------------------------


class SlotStatus(IntEnum):
    """What word 0 of a slot says; any other value is unknown and belongs to nobody."""

    EMPTY = 0
    PUBLISHED = 1
    CLAIMED = 2
    DONE = 3
    WAIT_IO = 4
    YIELD = 5
    REQUEUE = 6
    FAULT = 7


class Priority(IntEnum):
    """The five levels, the most urgent first."""

    CRITICAL = 0
    HIGH = 1
    NORMAL = 2
    LOW = 3
    IDLE = 4


class Opcode(IntEnum):
    """The opcodes that the worker itself knows."""

    NOP = 0
    STORE_U32 = 1
    ATOMIC_ADD = 2
    LOAD_U32 = 3
    COMPARE_SWAP = 4
    MEMCPY = 5
    DFA_STEP = 6
    BATCH_FENCE = 7
    LOAD_MISS = 0x0000_FFFD
    PRINTF = 0x0000_FFFE
    PACKED_SLOT = 0x8000_0001
    SHUTDOWN = 0xFFFF_FFFF


class Reason(IntEnum):
    """Why a slot is FAULT, as the books say it."""

    NONE = 0
    OPCODE = 1
    """No handler answers for the opcode."""
    ADDRESS = 2
    """A word lies outside the tenant's window."""
    PACKED = 3
    """The bytes of a packed slot contradict each other."""
    TENANT = 4
    """The tenant id is outside the table, or the tenant may not do this."""
    ARGUMENT = 5
    """An argument is outside what the opcode documents."""
    HANDLER = 6
    """A handler failed, or answered something other than it declared."""
    IO = 7
    """A read that the slot waited for ended in an error or came short."""
    IO_TIMEOUT = 8
    """A read that the slot waited for did not end in time."""
    CANCELLED = 9
    """The host cancelled the slot before it was claimed."""
    WORKER_LOST = 10
    """The worker that had claimed the slot is gone; whether it ran is unknown."""


class IoOp(IntEnum):
    """What an io slot asks for: file to buffer, buffer to file, or an IoSync (SRC_HANDLE) once all before it ended."""

    READ = 1
    WRITE = 2
    FENCE = 3


class IoSync(IntEnum):
    """What a fence has put on its device before it ends: nothing, the file DST_HANDLE, or all that may be written."""

    NONE = 0
    FILE = 1
    ALL = 2


class IoStatus(IntEnum):
    """The states of an io slot; each has one direction: EMPTY, PUBLISHED, CLAIMED, OK or ERROR, EMPTY."""

    EMPTY = 0
    PUBLISHED = 1
    CLAIMED = 2
    OK = 0x10
    ERROR = 0x11


TERMINAL: Final = frozenset({SlotStatus.DONE, SlotStatus.FAULT})
"""A slot in one of these has ended; its fence may pass."""
ACTIVE: Final = frozenset(
    {SlotStatus.PUBLISHED, SlotStatus.CLAIMED, SlotStatus.WAIT_IO, SlotStatus.YIELD, SlotStatus.REQUEUE}
)
"""A slot in one of these has been submitted and has not ended."""
BEGUN: Final = ACTIVE - {SlotStatus.PUBLISHED}
"""A slot in one of these counts as held by its tenant."""
RUNNABLE: Final = frozenset({SlotStatus.PUBLISHED, SlotStatus.YIELD, SlotStatus.REQUEUE})
"""A worker may claim a slot in one of these."""
PUBLISHABLE: Final = frozenset({SlotStatus.EMPTY, SlotStatus.DONE})
"""The host may publish into a slot in one of these; a FAULT is reclaimed first, so that nobody overwrites it unseen."""

TRANSITIONS: Final[dict[SlotStatus, frozenset[SlotStatus]]] = {
    SlotStatus.EMPTY: frozenset({SlotStatus.PUBLISHED}),
    SlotStatus.PUBLISHED: frozenset({SlotStatus.CLAIMED, SlotStatus.FAULT}),
    SlotStatus.CLAIMED: frozenset(
        {SlotStatus.DONE, SlotStatus.FAULT, SlotStatus.WAIT_IO, SlotStatus.YIELD, SlotStatus.REQUEUE}
    ),
    SlotStatus.WAIT_IO: frozenset({SlotStatus.DONE, SlotStatus.FAULT}),
    SlotStatus.YIELD: frozenset({SlotStatus.CLAIMED, SlotStatus.FAULT}),
    SlotStatus.REQUEUE: frozenset({SlotStatus.CLAIMED, SlotStatus.FAULT}),
    SlotStatus.DONE: frozenset({SlotStatus.EMPTY, SlotStatus.PUBLISHED}),
    SlotStatus.FAULT: frozenset({SlotStatus.EMPTY}),
}
"""THE status machine: from each status, the ones that may follow [RING-5]."""

# Slots ------------------------------------------------------------------------

SLOT_WORDS: Final = 16
ARGS_PER_SLOT: Final = 12
SLOT: Final = _record(
    "slot",
    SLOT_WORDS,
    ("STATUS", 0, 1, "a SlotStatus; written last"),
    ("OPCODE", 1, 1, "an Opcode, or one of a handler"),
    ("TENANT", 2, 1, "who submitted"),
    ("PRIORITY", 3, 1, "a Priority"),
    ("ARGS", 4, ARGS_PER_SLOT, "arguments"),
)
STATUS: Final = SLOT.at("STATUS")
OPCODE: Final = SLOT.at("OPCODE")
TENANT: Final = SLOT.at("TENANT")
PRIORITY: Final = SLOT.at("PRIORITY")
ARGS: Final = SLOT.at("ARGS")

MAX_RING_SLOTS: Final = WORD_MASK // SLOT_WORDS
MAX_ENCODED: Final = 1 << 20
"""The most slots, observables or log records that an encoder allocates."""

# Control ----------------------------------------------------------------------

TENANTS: Final = 29
"""Entries of the mask table; tenant ids are 0 to 28, and tenant 0 is the host's own."""
LEVELS: Final = len(Priority)
METRICS: Final = 32
"""Opcodes below this are counted one by one."""
CONTROL_WORDS: Final = 160
CONTROL: Final = _record(
    "control",
    CONTROL_WORDS,
    ("SHUTDOWN", 0, 1, "not 0: no slot is claimed any more"),
    ("DONE_COUNT", 1, 1, "slots that ended, DONE or FAULT"),
    ("TENANT_BASE", 2, 1, "word where the masks begin"),
    ("TENANT_MASKS", 3, TENANTS, "not 0: the tenant may run"),
    ("TENANT_QUOTAS", 32, 32, "the most slots a tenant may have in flight"),
    ("TENANT_FAIRNESS", 64, 32, "claims by tenant, in orders with levels"),
    ("METRICS", 96, METRICS, "executions by opcode"),
    ("EPOCH", 128, 1, "fences that passed"),
    ("PRIORITY_OFFSETS", 129, LEVELS + 1, "where the band of each level begins, and the end"),
    ("STARVATION", 135, 1, "claims above NORMAL since the last at or below it"),
    ("PRIORITY_FAIRNESS", 136, LEVELS, "claims by level, in orders with levels"),
    ("SCRATCH", 141, 19, "words of the host"),
)
SHUTDOWN: Final = CONTROL.at("SHUTDOWN")
DONE_COUNT: Final = CONTROL.at("DONE_COUNT")
TENANT_BASE: Final = CONTROL.at("TENANT_BASE")
TENANT_MASKS: Final = CONTROL.at("TENANT_MASKS")
TENANT_QUOTAS: Final = CONTROL.at("TENANT_QUOTAS")
TENANT_FAIRNESS: Final = CONTROL.at("TENANT_FAIRNESS")
METRICS_BASE: Final = CONTROL.at("METRICS")
EPOCH: Final = CONTROL.at("EPOCH")
PRIORITY_OFFSETS: Final = CONTROL.at("PRIORITY_OFFSETS")
STARVATION: Final = CONTROL.at("STARVATION")
PRIORITY_FAIRNESS: Final = CONTROL.at("PRIORITY_FAIRNESS")
SCRATCH: Final = CONTROL.at("SCRATCH")
OBSERVABLES: Final = CONTROL_WORDS
"""The first observable; the tag of the last fence stands there, so windows of tenants begin one word later."""
QUOTA_WORDS: Final = CONTROL.field("TENANT_QUOTAS").words
ALLOWED: Final = WORD_MASK
"""The mask of a tenant that may run."""
DEFAULT_QUOTA: Final = 1_000_000
MAX_OBSERVABLES: Final = WORD_MASK - CONTROL_WORDS

# Debug log --------------------------------------------------------------------

LOG_CURSOR: Final = 0
LOG_RECORDS: Final = 1
LOG_RECORD: Final = columns(
    "log record", 4, ("FORMAT", "format id"), ("ARG1", "value"), ("ARG2", "value"), ("PLACE", "16 times the slot")
)
LOG_CAPACITY: Final = 64
MAX_LOG_RECORDS: Final = (WORD_MASK - 1) // LOG_RECORD.words

# Packed slots -----------------------------------------------------------------

PACKED_BYTES: Final = ARGS_PER_SLOT * WORD_BYTES
PACKED_COUNT: Final = 0
"""Byte of the arguments that holds the number of inner operations."""
PACKED_TOTAL: Final = 1
"""Byte that holds how many argument words they have together."""
PACKED_PAIRS: Final = 2
"""Byte where the pairs (opcode, offset of the first argument) begin; the arguments follow at the next whole word."""


def packed_metadata_words(count: int) -> int:
    """Return the words that the counts and pairs of `count` inner operations take."""
    return -(-(PACKED_PAIRS + 2 * count) // WORD_BYTES)


# Io queue ---------------------------------------------------------------------

IO_SLOT_WORDS: Final = 8
IO_SLOTS: Final = 64
IO_SLOT: Final = columns(
    "io slot",
    IO_SLOT_WORDS,
    ("OP_TYPE", "an IoOp"),
    ("SRC_HANDLE", "registered source"),
    ("DST_HANDLE", "registered destination"),
    ("OFFSET_LO", "byte offset, low word"),
    ("OFFSET_HI", "byte offset, high word"),
    ("BYTE_COUNT", "bytes to move"),
    ("STATUS", "an IoStatus; written last"),
    ("TAG", "the caller's"),
)
IO_STATUS: Final = IO_SLOT.at("STATUS")

# Replay -----------------------------------------------------------------------

REPLAY_MAGIC: Final = b"VRRL0001"
REPLAY_RECORD_MAGIC: Final = 0xDEAD_BEEF
REPLAY_VERSION: Final = 1
REPLAY_HEADER: Final = _record(
    "replay header",
    8,
    ("MAGIC", 0, 2, "VRRL0001"),
    ("VERSION", 2, 1, "1: the original's records; 2: full records"),
    ("FLAGS", 3, 1, "0"),
    ("CAPACITY", 4, 2, "records in the file"),
    ("CURSOR", 6, 2, "the record that is written next"),
)
REPLAY_RECORD: Final = _record(
    "replay record, version 1",
    16,
    ("MAGIC", 0, 1, "0xDEADBEEF, or 0: never written"),
    ("TIMESTAMP", 1, 2, "nanoseconds"),
    ("SLOT", 3, 1, "slot index"),
    ("TENANT", 4, 1, "tenant"),
    ("OPCODE", 5, 1, "opcode"),
    ("ARGS", 6, 4, "the first four arguments"),
    ("EPOCH", 10, 1, "epoch at publication"),
)
REPLAY_FULL_RECORD: Final = _record(
    "replay record, version 2",
    32,
    *((field.name, field.start, field.words, field.holds) for field in REPLAY_RECORD.fields),
    ("PRIORITY", 11, 1, "priority"),
    ("TICKET", 12, 2, "ticket"),
    ("REST", 14, 8, "arguments 4 to 11"),
    ("OUTCOME", 22, 1, "the status in which the slot ended; 0 if it had not"),
    ("REASON", 23, 1, "a Reason"),
    ("DIGEST", 24, 4, "BLAKE2b-128 of the observables after the slot ended"),
)

# Books ------------------------------------------------------------------------

BOOKS_HEAD: Final = columns(
    "books head",
    16,
    ("NEXT_TICKET_LO", "the ticket that is given next; tickets begin at 1"),
    ("NEXT_TICKET_HI", "its high word"),
    ("CLAIMS", "claims so far"),
    ("LOG_DROPS", "records that the full debug log dropped"),
    ("CURSOR", "in direct order, the slot after the last that was claimed"),
    ("STEPS", "steps so far, the clock of io waits"),
    ("PREFETCH_ERRORS", "reads that failed and that no slot waited for"),
)
BOOKS_TENANT: Final = columns(
    "books tenant",
    16,
    ("WINDOW_START", "first control word that the tenant may read and write"),
    ("WINDOW_WORDS", "how many"),
    ("CLAIMED", "claims"),
    ("DONE", "slots that ended DONE"),
    ("FAULTED", "slots that ended FAULT"),
    ("HELD", "slots begun and not ended: CLAIMED, WAIT_IO, YIELD, REQUEUE"),
    ("YIELDED", "yields"),
    ("REQUEUED", "requeues"),
    ("WAITED", "waits for io"),
    ("FENCES", "fences that passed"),
    ("FENCE_TAG", "the tag of the last"),
    ("LOG_DROPS", "records that the full debug log dropped"),
)
BOOKS_TENANT_ROWS: Final = 32
BOOKS_LEVEL: Final = _record(
    "books level",
    40,
    ("PASSED", 0, 1, "claims elsewhere while the level had runnable work"),
    ("TURNS", 8, BOOKS_TENANT_ROWS, "for each tenant, the claim count when the level last served it"),
)
BOOKS_SLOT: Final = columns(
    "books slot",
    8,
    ("TICKET_LO", "who is in the slot; 0: nobody"),
    ("TICKET_HI", "its high word"),
    ("LINE_LO", "its place in its tenant's line"),
    ("LINE_HI", "its high word"),
    ("REASON", "a Reason, when the status is FAULT"),
    ("DETAIL", "the word or opcode at fault"),
    ("WAITS_FOR", "the io slot it waits for, plus 1; 0: none"),
    ("SINCE", "the step when the wait began"),
)
IO_OWNER_HOST: Final = 0
"""An io slot's owner word: 0 is the host, s + 1 is ring slot s, and IO_OWNER_NOBODY is a prefetch."""
IO_OWNER_NOBODY: Final = WORD_MASK
BOOKS_LEVELS_START: Final = BOOKS_HEAD.words
BOOKS_TENANTS_START: Final = BOOKS_LEVELS_START + LEVELS * BOOKS_LEVEL.words
BOOKS_OWNERS_START: Final = BOOKS_TENANTS_START + BOOKS_TENANT_ROWS * BOOKS_TENANT.words
BOOKS_SLOTS_START: Final = BOOKS_OWNERS_START + IO_SLOTS

BUFFERS: Final = ("control", "ring_buffer", "debug_log", "io_queue", "books", "workspace")
"""The buffers in the order in which a worker takes them."""

# Scheduling -------------------------------------------------------------------

STARVATION_THRESHOLD: Final = 16
"""A level that was passed over this often while it had runnable work is served next."""
LEVEL_WAIT: Final = STARVATION_THRESHOLD + LEVELS - 1
"""So a level with runnable work is passed over at most this often in a row."""
