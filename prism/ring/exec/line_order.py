"""Whose turn it is on a kernel's line: what finds no room there, or may not run yet, waits in queues, by levels.

The queues and the choice are those of the `cpu` workers (`cpu_choice`); a claim is a place on the line. One thread at a
time hands over, as one publishes. A kernel begins what lies on the line in order, so no more may lie there than it runs
at once and a little ahead: what is urgent passes the rest.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

from prism.ring.exec import cpu_atomics as atomics
from prism.ring.exec.cpu_books import tenant_of
from prism.ring.exec.cpu_choice import choose, contended, held_at, may_run, note_claims
from prism.ring.exec.cpu_effects import batch_ended
from prism.ring.exec.cpu_words import BATCH_FENCE, PUBLISHED
from prism.ring.exec.landing import level_of
from prism.ring.exec.line import BELL_AHEAD, BELL_FLYING, apart, catch_up, hand_over, over_in, room_of, settle_one
from prism.ring.layout import ARGS, LEVELS, OPCODE, SLOT_WORDS, STATUS, TENANT_QUOTAS
from prism.ring.memory import (
    AT_CLAIMS,
    AT_CONTROL,
    AT_CURSORS,
    AT_ORDER,
    AT_RING,
    AT_RUN_ALONE,
    AT_RUN_CONTENDED,
    DIRECT,
    ENTRIES,
    FREE,
    HEAD,
    LINE,
    MASK,
    PENDING,
    PRIORITY,
    QUEUED,
    TAIL,
)


@njit(nogil=True, cache=True)
def may_join(words: Any, line: Any, priorities: Any, chosen: Any) -> bool:
    """Return whether jobs may go onto the line past the queues, in which nobody waits, into their free slots.

    They may while no more lie there than shall, and where they are of one level and the first on the line, whatever
    their number: there is nothing that they could go before or behind.
    """
    if fits(words, line, priorities, chosen):
        return True
    catch_up(words, line)
    return fits(words, line, priorities, chosen)


@njit(nogil=True, cache=True)
def fits(words: Any, line: Any, priorities: Any, chosen: Any) -> bool:
    """Return whether the line has room for jobs, as `may_join` says, by what is known of it."""
    entries, _, bell = line
    flying, count = np.int64(bell[BELL_FLYING]) - over_in(words, chosen), len(chosen)
    if flying == 0:
        alike = words[AT_ORDER] == DIRECT or (words[AT_ORDER] == PRIORITY and len(priorities) == 1)
        return bool(count <= len(entries) and (alike or count <= np.int64(bell[BELL_AHEAD])))
    return count <= min(np.int64(bell[BELL_AHEAD]) - flying, len(entries) - apart(line))


@njit(nogil=True, cache=True)
def note_joined(words: Any, tenant: Any, priorities: Any, chosen: Any) -> None:
    """Count the claims of jobs that went onto the line past the queues, level by level."""
    if words[AT_ORDER] == PRIORITY and len(priorities) == 1:
        note_claims(words, tenant, np.int64(priorities[0]), len(chosen))
        return
    counts = np.zeros(LEVELS, np.int64)
    for slot in chosen:
        counts[level_of(words, slot)] += 1
    for level in range(LEVELS):
        if counts[level]:
            note_claims(words, tenant, level, counts[level])


@njit(nogil=True, cache=True)
def is_due(words: Any, longs: Any, line: Any, slot: Any) -> bool:
    """Return whether a job may be handed over as far as its own batch goes: it is no fence, or its batch has ended."""
    base = np.int64(words[AT_RING]) + SLOT_WORDS * slot
    if words[base + OPCODE] != BATCH_FENCE:
        return True
    for back in range(1, min(np.int64(words[base + ARGS]), slot) + 1):
        settle_one(words, line, slot - back)
    return batch_ended(words, longs, slot)


@njit(nogil=True, cache=True)
def pop(words: Any, longs: Any, line: Any, queue: Any, most: Any, into: Any) -> Any:
    """Take at most so many jobs that may run now off a queue; returns how many. Fences that must wait go aside.

    into: chosen and aside, as for `hand_on`.
    """
    chosen, aside = into
    at = np.int64(words[AT_CURSORS]) + 2 * LINE * queue
    head, tail, found = words[at + HEAD], words[at + TAIL], 0
    while head != tail and found < most:
        slot = np.int64(words[words[at + ENTRIES] + (head & words[at + MASK])])
        head = np.uint32(head + np.uint32(1))
        base, claim = np.int64(words[AT_RING]) + SLOT_WORDS * slot, np.int64(words[AT_CLAIMS]) + slot
        if words[claim] != QUEUED:
            continue
        if atomics.load(words, base + STATUS) != PUBLISHED:  # Cancelled meanwhile.
            atomics.store(words, claim, np.uint32(FREE))
        elif not is_due(words, longs, line, slot):
            aside[0] += 1
            aside[aside[0]] = slot
        else:
            chosen[found] = slot
            found += 1
    atomics.store(words, at + HEAD, head)
    if head == tail:
        atomics.clear_bits(words, PENDING + queue % LEVELS, np.uint32(~(1 << (queue // LEVELS)) & 0xFFFF_FFFF))
    return found


@njit(nogil=True, cache=True)
def pass_fences(words: Any, longs: Any, line: Any, chosen: Any, aside: Any) -> bool:
    """Hand over the fences set aside whose batches have ended; returns whether some wait whose tenant may run."""
    kept, waits = 0, False
    for k in range(aside[0]):
        slot = aside[1 + k]
        tenant, claim = tenant_of(words, slot), np.int64(words[AT_CLAIMS]) + slot
        if atomics.load(words, np.int64(words[AT_RING]) + SLOT_WORDS * slot + STATUS) != PUBLISHED:
            atomics.store(words, claim, np.uint32(FREE))
        elif room_of(line) > 0 and may_run(words, tenant) and is_due(words, longs, line, slot):
            chosen[0] = slot
            note_claims(words, tenant, level_of(words, slot), 1)
            hand_over(words, line, chosen[:1])
        else:
            kept += 1
            aside[kept] = slot
            waits = waits or may_run(words, tenant)
    aside[0] = kept
    return waits


@njit(nogil=True, cache=True)
def waits_for_line(words: Any, aside: Any) -> bool:
    """Return whether some job in the queues may run, or a fence is set aside."""
    return aside[0] > 0 or choose(words) >= 0


@njit(nogil=True, cache=True)
def hand_on(words: Any, longs: Any, line: Any, chosen: Any, aside: Any) -> Any:
    """Hand jobs over to a kernel as whose turn it is, while the line has room; returns whether some wait that may run.

    chosen: (n,) int64, n at least a run, for its own use. aside: (1 + slots,) int64: how many fences wait for their
    batches, and which; kept from call to call.
    """
    if not waits_for_line(words, aside):
        return False
    catch_up(words, line)
    waits = pass_fences(words, longs, line, chosen, aside)
    while room_of(line) > 0:
        queue = choose(words)
        if queue < 0:
            break
        tenant, level = queue // LEVELS, queue % LEVELS
        run = np.int64(words[AT_RUN_CONTENDED] if contended(words) else words[AT_RUN_ALONE])
        quota = np.int64(words[np.int64(words[AT_CONTROL]) + TENANT_QUOTAS + tenant])
        left = quota - np.int64(words[held_at(words, tenant)])
        count = pop(words, longs, line, queue, min(room_of(line), run, left), (chosen, aside))
        if count:
            note_claims(words, tenant, level, count)
            hand_over(words, line, chosen[:count])
    return waits or choose(words) >= 0
