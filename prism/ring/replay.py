"""Replay files: what was submitted and how it ended, in a ring of records on disk, and running it again [RING-15]."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from prism.ring import layout as at
from prism.ring.errors import ByteLengthError, MisalignedError, MissingWordError
from prism.ring.layout import DOUBLE, WORD, Record, SlotStatus, Words
from prism.ring.model import advance
from prism.ring.program import Program
from prism.ring.publish import Place, publish
from prism.ring.state import RingState

_HEADER: Final = at.REPLAY_HEADER
RECORDS: Final = {1: at.REPLAY_RECORD, 2: at.REPLAY_FULL_RECORD}
"""The record of each version of the file."""
_DIGEST_BYTES: Final = at.REPLAY_FULL_RECORD.field("DIGEST").words * at.WORD_BYTES


@dataclass(frozen=True, slots=True)
class Entry:
    """One job of a replay file.

    Version 1 holds the first four arguments and neither priority, ticket, outcome, reason nor digest.
    """

    timestamp_ns: int
    slot: int
    tenant: int
    opcode: int
    args: tuple[int, ...]
    epoch: int
    priority: int = at.Priority.NORMAL
    ticket: int = 0
    outcome: int = 0
    reason: int = 0
    digest: bytes = bytes(_DIGEST_BYTES)


@dataclass(frozen=True, slots=True)
class Log:
    """A decoded replay file: entries from the oldest to the newest, and where the next is written."""

    version: int
    capacity: int
    cursor: int
    entries: tuple[Entry, ...]


def _require_capacity(capacity: int) -> None:
    if not 1 <= capacity <= at.MAX_ENCODED:
        raise ByteLengthError(
            f"a replay file holds 1 to {at.MAX_ENCODED} records, got {capacity}; choose one in between"
        )


def encode(capacity: int, entries: Iterable[Entry], version: int = 2) -> bytes:
    """Return a replay file after `entries` were written in order; the oldest make room. Raises ByteLengthError."""
    _require_capacity(capacity)
    record = RECORDS[version]
    words = np.zeros(_HEADER.words + capacity * record.words, WORD)
    rows = words[_HEADER.words :].reshape(capacity, record.words)
    cursor = 0
    for entry in entries:
        rows[cursor] = _row(record, entry)
        cursor = (cursor + 1) % capacity
    words[:2] = np.frombuffer(at.REPLAY_MAGIC, WORD)
    words[_HEADER.at("VERSION")] = version
    words[_HEADER.at("CAPACITY") : _HEADER.words].view(DOUBLE)[:] = capacity, cursor
    return words.tobytes()


def _row(record: Record, entry: Entry) -> Words:
    row = np.zeros(record.words, WORD)
    args = (*entry.args, *[0] * (at.ARGS_PER_SLOT - len(entry.args)))
    stamp = entry.timestamp_ns
    row[:6] = at.REPLAY_RECORD_MAGIC, stamp & at.WORD_MASK, stamp >> 32, entry.slot, entry.tenant, entry.opcode
    row[record.at("ARGS") : record.at("ARGS") + 4] = args[:4]
    row[record.at("EPOCH")] = entry.epoch
    if record is at.REPLAY_FULL_RECORD:
        row[record.at("PRIORITY")] = entry.priority
        row[record.at("TICKET") : record.at("TICKET") + 2] = entry.ticket & at.WORD_MASK, entry.ticket >> 32
        row[record.at("REST") : record.at("REST") + 8] = args[4:]
        row[record.at("OUTCOME")], row[record.at("REASON")] = entry.outcome, entry.reason
        row[record.at("DIGEST") :][:4] = np.frombuffer(entry.digest, WORD)
    return row


def decode(data: bytes) -> Log:
    """Read a replay file strictly; raises MisalignedError, MissingWordError or ByteLengthError."""
    if len(data) < _HEADER.words * at.WORD_BYTES:
        raise MissingWordError(f"a replay file has a header of 32 bytes, got {len(data)} bytes; the file was cut")
    head = np.frombuffer(data[: _HEADER.words * at.WORD_BYTES], WORD)
    if head[:2].tobytes() != at.REPLAY_MAGIC:
        raise MissingWordError(
            f"a replay file begins with VRRL0001, got {head[:2].tobytes()!r}; this is another format"
        )
    version, flags = int(head[_HEADER.at("VERSION")]), int(head[_HEADER.at("FLAGS")])
    if version not in RECORDS or flags:
        raise MissingWordError(
            f"a replay file has version 1 or 2 and no flags, got {version} and {flags:#x}; convert it"
        )
    capacity, cursor = (int(number) for number in head[_HEADER.at("CAPACITY") :].view(DOUBLE))
    _require_capacity(capacity)
    record = RECORDS[version]
    size = (_HEADER.words + capacity * record.words) * at.WORD_BYTES
    if len(data) != size:
        raise MisalignedError(
            f"a replay file of {capacity} records has {size} bytes, got {len(data)}; the file was cut or added to"
        )
    if cursor >= capacity:
        raise MissingWordError(
            f"the cursor of a replay file must be below its {capacity} records, got {cursor}; repair it"
        )
    rows = np.frombuffer(data, WORD)[_HEADER.words :].reshape(capacity, record.words)
    ordered = (int(i) % capacity for i in range(cursor, cursor + capacity))
    return Log(version, capacity, cursor, tuple(_entry(record, rows[i], i) for i in ordered if rows[i, 0]))


def _entry(record: Record, row: Words, place: int) -> Entry:
    if row[0] != at.REPLAY_RECORD_MAGIC:
        raise MissingWordError(
            f"record {place} of a replay file must begin with {at.REPLAY_RECORD_MAGIC:#x}, got {int(row[0]):#x}; "
            "it was overwritten in part"
        )
    numbers = [int(word) for word in row]
    args, epoch = record.at("ARGS"), numbers[record.at("EPOCH")]
    slot, tenant, opcode = numbers[3:6]
    entry = Entry(numbers[1] | numbers[2] << 32, slot, tenant, opcode, tuple(numbers[args : args + 4]), epoch)
    if record is not at.REPLAY_FULL_RECORD:
        return entry
    rest, ticket, digest = record.at("REST"), record.at("TICKET"), record.at("DIGEST")
    return Entry(
        entry.timestamp_ns,
        *(entry.slot, entry.tenant, entry.opcode),
        (*entry.args, *numbers[rest : rest + 8]),
        epoch,
        numbers[record.at("PRIORITY")],
        numbers[ticket] | numbers[ticket + 1] << 32,
        numbers[record.at("OUTCOME")],
        numbers[record.at("REASON")],
        row[digest : digest + 4].tobytes(),
    )


def digest(state: RingState) -> bytes:
    """Return BLAKE2b-128 of all that tenants can observe: the control words from SCRATCH on."""
    return hashlib.blake2b(state.control[at.SCRATCH :].tobytes(), digest_size=_DIGEST_BYTES).digest()


@dataclass(frozen=True, slots=True)
class Difference:
    """Where a replay went another way: the place of the entry, what was recorded and what came now."""

    place: int
    recorded: tuple[int, int, bytes]
    came: tuple[int, int, bytes]


def record(state: RingState, program: Program, entries: Sequence[Entry]) -> tuple[Entry, ...]:
    """Run jobs one after the other on a copy of the ring, and return them with outcome, reason and digest.

    Each is published in its slot and run to its end; one that waits for io or yields is recorded as it is left.
    """
    after = state.copy()
    return tuple(_again(after, program, entry) for entry in entries)


def replay(state: RingState, program: Program, entries: Sequence[Entry]) -> list[Difference]:
    """Run recorded jobs again from the state in which they began; return where outcome or observables differ."""
    came = record(state, program, entries)
    pairs = [
        ((old.outcome, old.reason, old.digest), (new.outcome, new.reason, new.digest))
        for old, new in zip(entries, came, strict=True)
    ]
    return [Difference(place, *pair) for place, pair in enumerate(pairs) if pair[0] != pair[1]]


def _again(state: RingState, program: Program, entry: Entry) -> Entry:
    words = state.slots[entry.slot]
    if words[at.STATUS] == SlotStatus.FAULT:
        words[at.STATUS] = SlotStatus.EMPTY
    publish(state.ring, Place(entry.slot, entry.tenant, entry.priority), entry.opcode, entry.args)
    advance(state, program)
    reason = int(state.entries[entry.slot, at.BOOKS_SLOT.at("REASON")])
    return Entry(
        entry.timestamp_ns,
        *(entry.slot, entry.tenant, entry.opcode, entry.args, entry.epoch, entry.priority, entry.ticket),
        int(words[at.STATUS]),
        reason,
        digest(state),
    )
