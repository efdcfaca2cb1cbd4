"""Codes and places of the ring as plain integers, which compiled loops take as constants."""

from __future__ import annotations

from typing import Final

from prism.ring.layout import (
    BOOKS_HEAD,
    BOOKS_LEVEL,
    BOOKS_SLOT,
    BOOKS_TENANT,
    IO_SLOT,
    IoStatus,
    Opcode,
    Priority,
    Reason,
    SlotStatus,
)

EMPTY, PUBLISHED, CLAIMED, DONE, WAIT_IO, YIELD, REQUEUE, FAULT = (int(status) for status in SlotStatus)
IO_EMPTY, IO_PUBLISHED, IO_CLAIMED, IO_OK, IO_ERROR = (int(status) for status in IoStatus)

HIGH: Final = int(Priority.HIGH)
NOP, STORE_U32, ATOMIC_ADD, LOAD_U32, COMPARE_SWAP, MEMCPY, DFA_STEP, BATCH_FENCE = range(8)
LOAD_MISS: Final = int(Opcode.LOAD_MISS)
PRINTF: Final = int(Opcode.PRINTF)
PACKED_SLOT: Final = int(Opcode.PACKED_SLOT)
SHUTDOWN_JOB: Final = int(Opcode.SHUTDOWN)

(NO_REASON, BAD_OPCODE, BAD_ADDRESS, BAD_PACKED, BAD_TENANT, BAD_ARGUMENT, BAD_HANDLER) = (
    int(reason) for reason in list(Reason)[:7]
)
IO_FAILED, IO_LATE, CANCELLED, WORKER_LOST = (int(reason) for reason in list(Reason)[7:])

CLAIMS: Final = BOOKS_HEAD.at("CLAIMS")
PREFETCH_ERRORS: Final = BOOKS_HEAD.at("PREFETCH_ERRORS")
LOG_DROPS: Final = BOOKS_HEAD.at("LOG_DROPS")
BOOKS_LEVEL_WORDS: Final = BOOKS_LEVEL.words
PASSED: Final = BOOKS_LEVEL.at("PASSED")
TURNS: Final = BOOKS_LEVEL.at("TURNS")
BOOKS_TENANT_WORDS: Final = BOOKS_TENANT.words
WINDOW_START: Final = BOOKS_TENANT.at("WINDOW_START")
WINDOW_WORDS: Final = BOOKS_TENANT.at("WINDOW_WORDS")
CLAIMED_BY: Final = BOOKS_TENANT.at("CLAIMED")
DONE_BY: Final = BOOKS_TENANT.at("DONE")
FAULTED_BY: Final = BOOKS_TENANT.at("FAULTED")
HELD_BY: Final = BOOKS_TENANT.at("HELD")
YIELDED_BY: Final = BOOKS_TENANT.at("YIELDED")
REQUEUED_BY: Final = BOOKS_TENANT.at("REQUEUED")
WAITED_BY: Final = BOOKS_TENANT.at("WAITED")
FENCES_BY: Final = BOOKS_TENANT.at("FENCES")
FENCE_TAG: Final = BOOKS_TENANT.at("FENCE_TAG")
LOG_DROPS_BY: Final = BOOKS_TENANT.at("LOG_DROPS")
BOOKS_SLOT_WORDS: Final = BOOKS_SLOT.words
REASON: Final = BOOKS_SLOT.at("REASON")
DETAIL: Final = BOOKS_SLOT.at("DETAIL")
SINCE: Final = BOOKS_SLOT.at("SINCE")
WAITS_FOR: Final = BOOKS_SLOT.at("WAITS_FOR")
IO_SLOT_STATUS: Final = IO_SLOT.at("STATUS")

ON_HOST, YIELDS, REQUEUES, WAITS = -1, -2, -3, -4
"""What running a job returns instead of a reason: a handler needs Python; the job yields, is requeued, waits for io."""
