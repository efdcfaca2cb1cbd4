"""Read and write the host's buffers strictly: lengths, new buffers, counters, observables, debug log [RING-3]."""

from __future__ import annotations

from typing import Any, Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from prism.ring import layout as at
from prism.ring.errors import ByteLengthError, MisalignedError, MissingWordError
from prism.ring.layout import WORD, Words
from prism.ring.state import band_offsets

Raw: TypeAlias = bytes | bytearray | memoryview | NDArray[Any]
"""What holds a buffer of the wire: bytes, or an array."""

_SOURCE: Final = "decode only buffers that this codec encoded"


def words_of(buffer: Raw) -> Words:
    """Return `buffer` as words, without a copy where it is writable memory or an array of words.

    Raises MisalignedError where its bytes are not whole words.
    """
    if isinstance(buffer, np.ndarray) and buffer.dtype == WORD:
        return buffer.reshape(-1)
    raw = np.frombuffer(buffer, np.uint8)
    if raw.size % at.WORD_BYTES:
        raise MisalignedError(
            f"a buffer must be whole words of {at.WORD_BYTES} bytes, got {raw.size} bytes; "
            "do not decode a transfer that ended early"
        )
    return raw.view(WORD)


def control_bytes(observables: int) -> int | None:
    """Return the bytes of a control buffer with `observables`; None above what an index of 32 bits reaches."""
    return None if observables > at.MAX_OBSERVABLES else (at.CONTROL_WORDS + observables) * at.WORD_BYTES


def ring_bytes(slots: int) -> int | None:
    """Return the bytes of a ring of `slots`; None above what an index of 32 bits reaches."""
    return None if slots > at.MAX_RING_SLOTS else slots * at.SLOT_WORDS * at.WORD_BYTES


def log_bytes(records: int) -> int | None:
    """Return the bytes of a debug log of `records`; None above what an index of 32 bits reaches."""
    words = at.LOG_RECORDS + records * at.LOG_RECORD.words
    return None if records > at.MAX_LOG_RECORDS else words * at.WORD_BYTES


def _allocate(what: str, count: int, words: int) -> Words:
    if count > at.MAX_ENCODED:
        raise ByteLengthError(
            f"an encoder allocates at most {at.MAX_ENCODED} {what}, got {count}; use fewer, or several buffers"
        )
    return np.zeros(words, WORD)


def encode_control(shutdown: bool, tenants: int, observables: int) -> Words:
    """Return a new control buffer; `tenants` above the tables fill the tables.

    Raises ByteLengthError above 1,048,576 observables.
    """
    control = _allocate("observables", observables, at.CONTROL_WORDS + min(observables, at.MAX_ENCODED))
    control[at.SHUTDOWN] = shutdown
    control[at.TENANT_BASE] = at.TENANT_MASKS
    control[at.TENANT_MASKS : at.TENANT_MASKS + min(tenants, at.TENANTS)] = at.ALLOWED
    control[at.TENANT_QUOTAS : at.TENANT_QUOTAS + min(tenants, at.QUOTA_WORDS)] = at.DEFAULT_QUOTA
    return control


def encode_ring(slots: int) -> Words:
    """Return a ring of EMPTY slots; raises ByteLengthError above 1,048,576."""
    return _allocate("slots", slots, min(slots, at.MAX_ENCODED) * at.SLOT_WORDS)


def encode_log(records: int) -> Words:
    """Return an empty debug log; raises ByteLengthError above 1,048,576 records."""
    return _allocate("log records", records, at.LOG_RECORDS + min(records, at.MAX_ENCODED) * at.LOG_RECORD.words)


def write_bands(control: Words, slots: int) -> None:
    """Write the default band of each level into a control buffer; raises MissingWordError for one too short."""
    end = at.PRIORITY_OFFSETS + at.LEVELS + 1
    _word(control, end - 1, "band offset")
    control[at.PRIORITY_OFFSETS : end] = band_offsets(slots)


def _word(words: Words, index: int, what: str) -> int:
    if index >= words.size:
        raise MissingWordError(f"{what} is word {index}, but the buffer has {words.size} words; {_SOURCE}")
    return int(words[index])


def read_done_count(control: Raw) -> int:
    """Return how many slots have ended, modulo 2**32; raises MisalignedError or MissingWordError."""
    return _word(words_of(control), at.DONE_COUNT, "the done count")


def read_epoch(control: Raw) -> int:
    """Return how many fences have passed, modulo 2**32; raises MisalignedError or MissingWordError."""
    return _word(words_of(control), at.EPOCH, "the epoch")


def read_observable(control: Raw, index: int) -> int:
    """Return one observable; raises ByteLengthError, MisalignedError or MissingWordError."""
    if index > at.WORD_MASK - at.OBSERVABLES:
        raise ByteLengthError(
            f"observable {index} lies beyond the last index of 32 bits; the largest is {at.WORD_MASK - at.OBSERVABLES}"
        )
    return _word(words_of(control), at.OBSERVABLES + index, f"observable {index}")


def read_metrics(control: Raw, *, whole: bool = True) -> list[tuple[int, int]]:
    """Return `(opcode, executions)` of the opcodes that ran.

    Raises MisalignedError, and MissingWordError where the buffer ends inside the metrics; with `whole` false it gives
    those that are there.
    """
    words = words_of(control)
    if whole:
        _word(words, at.METRICS_BASE + at.METRICS - 1, "the last metric")
    metrics = words[at.METRICS_BASE : at.METRICS_BASE + at.METRICS]
    return [(int(opcode), int(metrics[opcode])) for opcode in np.flatnonzero(metrics)]


def decode_log(log: Raw) -> Words:
    """Return the records of a debug log, (n, 4), as a view where `log` is memory of words.

    Raises MisalignedError, and MissingWordError where the cursor is absent, outside or inside a record.
    """
    words = words_of(log)
    cursor = _word(words, at.LOG_CURSOR, "the cursor of the debug log")
    size = at.LOG_RECORD.words
    if cursor > words.size - at.LOG_RECORDS:
        raise MissingWordError(
            f"the cursor of the debug log must stay within its {words.size - at.LOG_RECORDS} words, "
            f"got {cursor}; {_SOURCE}"
        )
    if cursor % size:
        raise MissingWordError(
            f"the cursor of the debug log must stand between whole records of {size} words, got {cursor}; {_SOURCE}"
        )
    return words[at.LOG_RECORDS : at.LOG_RECORDS + cursor].reshape(-1, size)
