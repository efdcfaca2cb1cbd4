"""The persistent kernel: launched once, fed through mapped memory, and sure to end.

One thread polls the host's words over the bus and passes them on through two words of device memory, so latency does
not grow with the grid; other blocks sleep between looks. A thread has every T-th position of the line, T the threads
of the grid, a power of two, so positions and doorbell may wrap at 2^32. Counts are added before marks are made.

The kernel ends on the stop word; when the line was idle for so many looks; when the host's beat stood still for so
many; and on the ring's own SHUTDOWN. It never waits for another block.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from prism.ring.exec.cpu_words import BATCH_FENCE, BOOKS_SLOT_WORDS, DETAIL, DONE, FAULT, REASON
from prism.ring.exec.cuda_effects import TALLY_DONE, TALLY_FAULTED, TALLY_FENCES, TALLY_TAG, TALLY_WORDS
from prism.ring.layout import (
    ARGS,
    ARGS_PER_SLOT,
    BOOKS_SLOTS_START,
    DONE_COUNT,
    METRICS,
    METRICS_BASE,
    OPCODE,
    SHUTDOWN,
    SLOT_WORDS,
    TENANT,
)

BELL_HEAD, BELL_STOP, BELL_BEAT, BELL_EXIT, BELL_FINAL, BELL_WHY, BELL_WORDS = 0, 32, 64, 96, 97, 98, 128
"""Words that host and kernel share: the line's head, stop, the host's beat; the launch that ended, where, and why."""
WENT_ON, STOPPED, IDLE, UNWATCHED, SHUT = range(5)
"""Why a launch ended."""
PLACE_RING, PLACE_BOOKS, PLACE_SHARE, PLACE_TENANTS, PLACE_MASK, PLACE_LAUNCH, PLACE_IDLE, PLACE_BEAT = range(8)
"""What `places` holds: where ring and books begin, the slots of a tenant, the tenants, the line's mask, limits."""
SLEEP_NS, POLL_SLEEP_NS, EAGER_LOOKS = 500, 2000, 1 << 14
"""How long other blocks sleep between looks; how long the poller does once it has looked so often in vain."""


def make_kernel(  # noqa: C901 (a kernel is one function, and closes over its parts)
    cuda: Any, apply: Any, threads: int
) -> Any:
    """Return the kernel for blocks of `threads` threads, over device functions from `cuda_effects`."""

    @cuda.jit(device=True)
    def look(bell: Any, passed: Any, control: Any, places: Any, seen: Any, spins: Any) -> Any:
        # Indices that vary with the loop, or the compiler takes these loads out of it. Stop before head: a head that is
        # read after a stop is the last one.
        far = spins >> np.int64(40)
        stop = cuda.ldcv(bell, BELL_STOP + far)
        beat = cuda.ldcv(bell, BELL_BEAT + far)
        head = cuda.ldcv(bell, BELL_HEAD + far)
        why = STOPPED if stop != 0 else WENT_ON
        if head != np.uint32(seen[0]):
            seen[1] = 0
        if beat != np.uint32(seen[2]):
            seen[3] = 0
        seen[0], seen[2] = head, beat
        seen[1] += 1
        seen[3] += 1
        if why == WENT_ON and seen[1] > places[PLACE_IDLE]:
            why = IDLE
        if why == WENT_ON and seen[3] > places[PLACE_BEAT]:
            why = UNWATCHED
        if cuda.ldcv(control, SHUTDOWN + far) != 0:
            why = SHUT
        passed[0] = head
        cuda.threadfence()
        passed[1] = np.uint32(why)
        cuda.threadfence()
        return head, why

    @cuda.jit(device=True)
    def run(words: Any, slot: Any, known: Any, windows: Any, control: Any, log: Any, tally: Any, places: Any) -> Any:
        base = np.int64(places[PLACE_RING]) + SLOT_WORDS * np.int64(slot)
        opcode, tenant = cuda.ldcv(words, base + OPCODE), np.int64(cuda.ldcv(words, base + TENANT))
        args, inner = cuda.local.array(ARGS_PER_SLOT, np.uint32), cuda.local.array(ARGS_PER_SLOT, np.uint32)
        if opcode != 0:
            # Small operations take four words; only handlers and packed slots look at more.
            wide = ARGS_PER_SLOT if opcode > BATCH_FENCE else 4
            for k in range(ARGS_PER_SLOT):
                args[k] = cuda.ldcv(words, base + ARGS + k) if k < wide else np.uint32(0)
        owner = min(np.int64(slot) // places[PLACE_SHARE], places[PLACE_TENANTS] - 1)
        reason, detail = apply(
            np.int64(opcode), args, inner, known, np.int64(slot), owner, tenant, windows, control, log, tally
        )
        if reason != 0:
            entry = np.int64(places[PLACE_BOOKS]) + BOOKS_SLOTS_START + BOOKS_SLOT_WORDS * np.int64(slot)
            words[entry + REASON] = np.uint32(reason)
            words[entry + DETAIL] = np.uint32(detail & 0xFFFFFFFF)
        cuda.atomic.add(tally, (TALLY_FAULTED if reason != 0 else TALLY_DONE) + owner, np.uint32(1))
        return np.uint32(FAULT if reason != 0 else DONE)

    @cuda.jit
    def drain(  # noqa: C901 (a loop with one barrier for all lanes)
        words: Any, line: Any, bell: Any, passed: Any, control: Any, log: Any, totals: Any, windows: Any,
        known: Any, places: Any, begin: Any,
    ) -> None:  # fmt: skip
        told = cuda.shared.array(2, np.uint32)
        tally = cuda.shared.array(TALLY_WORDS, np.uint32)
        seen = cuda.local.array(4, np.int64)
        me, total = cuda.grid(1), cuda.gridsize(1)
        lane = cuda.threadIdx.x
        first = cuda.blockIdx.x == 0
        pos = np.uint32(begin + np.uint32((np.uint32(me) - begin) & np.uint32(total - 1)))
        seen[0], seen[1], seen[2], seen[3] = begin, 0, 0, 0
        for at in range(lane, TALLY_WORDS, threads):
            tally[at] = 0
        spins = np.int64(0)
        while True:
            spins += 1
            if lane == 0:
                if first:
                    head, why = look(bell, passed, control, places, seen, spins)
                else:
                    # Why before head, as the poller writes them the other way round.
                    why = np.int64(cuda.ldcv(passed, 1 + (spins >> np.int64(40))))
                    head = cuda.ldcv(passed, spins >> np.int64(40))
                told[0], told[1] = head, np.uint32(why)
            cuda.syncthreads()
            last, code = told[0], told[1]
            while code != SHUT:
                active = np.int32(last - pos) > 0
                if cuda.syncthreads_or(np.int32(active)) == 0:
                    break
                slot, status = np.uint32(0), np.uint32(0)
                if active:
                    slot = cuda.ldcv(line, np.int64(pos & np.uint32(places[PLACE_MASK])))
                    status = run(words, slot, known, windows, control, log, tally, places)
                cuda.syncthreads()
                for at in range(lane, TALLY_WORDS, threads):
                    count = tally[at]
                    if count != 0 and at < TALLY_TAG:
                        cuda.atomic.add(totals, at, count)
                        if at < METRICS:
                            cuda.atomic.add(control, METRICS_BASE + at, count)
                        elif at < TALLY_FAULTED + 32:
                            cuda.atomic.add(control, DONE_COUNT, count)
                        elif at >= TALLY_FENCES:
                            cuda.atomic.exch(totals, at + 32, tally[at + 32])
                        tally[at] = 0
                cuda.threadfence_system()
                cuda.syncthreads()
                if active:
                    words[np.int64(places[PLACE_RING]) + SLOT_WORDS * np.int64(slot)] = status
                    pos = np.uint32(pos + np.uint32(total))
            cuda.syncthreads()
            if code != WENT_ON:
                break
            if not first:
                cuda.nanosleep(SLEEP_NS)
            elif seen[1] > EAGER_LOOKS:
                cuda.nanosleep(POLL_SLEEP_NS)
        if first and lane == 0:
            bell[BELL_FINAL], bell[BELL_WHY] = told[0], told[1]
            cuda.threadfence_system()
            bell[BELL_EXIT] = np.uint32(places[PLACE_LAUNCH])

    return drain
