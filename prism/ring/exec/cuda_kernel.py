"""The persistent kernel: launched once, fed through mapped memory, and sure to end.

One warp polls the host's bell over the bus, one 32-byte sector a look, and passes it on through device memory, so
latency does not grow with the grid; other blocks sleep between looks. A thread has every T-th position of the line, T
the threads of the grid, a power of two, so positions may wrap at 2^32. The bell names the last run of slots side by
side, so the line itself is read only for what lies before it. A warp reads its 32 slots together, 8 reads of 256 bytes
all under way at once, and leaves one mark each in one write. Counts stay on the device and are added after the marks.

The kernel ends on the stop word; when the line was idle for so many looks; when the host's beat stood still for so
many; and on the ring's own SHUTDOWN. It never waits for another block.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np

from prism.ring.exec.cpu_words import BATCH_FENCE, BOOKS_SLOT_WORDS, DONE, FAULT, REASON
from prism.ring.exec.cuda_effects import TALLY_DONE, TALLY_FAULTED, TALLY_FENCES, TALLY_TAG, TALLY_WORDS
from prism.ring.exec.line import BELL_BEAT, BELL_EXIT, BELL_FINAL, BELL_HEAD, BELL_RUN, BELL_STOP, BELL_WHY
from prism.ring.layout import ARGS_PER_SLOT, BOOKS_SLOTS_START, DONE_COUNT, METRICS, METRICS_BASE, SHUTDOWN, SLOT_WORDS

WENT_ON, STOPPED, IDLE, UNWATCHED, SHUT = range(5)
"""Why a launch ended."""
PLACE_RING, PLACE_BOOKS, PLACE_SHARE, PLACE_TENANTS, PLACE_MASK, PLACE_LAUNCH, PLACE_IDLE, PLACE_BEAT = range(8)
"""What `places` holds: where ring and books begin, the slots of a tenant, the tenants, the line's mask, limits."""
SLEEP_NS, POLL_SLEEP_NS, EAGER_LOOKS = 500, 2000, 1 << 14
"""How long other blocks sleep between looks; how long the poller does once it has looked so often in vain."""
TOLD: Final = 4
"""64-bit words of a look: the head and the start of its run, the run's base and the head; stop, or why; the beat."""
ROW: Final = SLOT_WORDS // 2 + 1
"""64-bit words between slots in a block's tile: one more than a slot has, so that columns lie in different banks."""
_LOW, _UP = np.uint64(0xFFFF_FFFF), np.uint64(32)


def make_kernel(  # noqa: C901 (a kernel is one function, and closes over its parts)
    cuda: Any, apply: Any, threads: int
) -> Any:
    """Return the kernel for blocks of `threads` threads, over device functions from `cuda_effects`."""
    cells = threads * ROW  # An array's size must be a constant of the kernel's closure.

    @cuda.jit(device=True)
    def judge(told: Any, verdict: Any, seen: Any) -> None:
        # Both words name one head, or the host is writing them: then the old bell holds for one look more.
        head, after = told[BELL_HEAD], told[BELL_RUN]
        if (head & _LOW) == (after >> _UP):
            verdict[0], verdict[2] = np.uint32(head & _LOW), np.uint32(head >> _UP)
            verdict[3] = np.uint32(after & _LOW)
            if np.int64(head & _LOW) != seen[0]:
                seen[0], seen[1] = np.int64(head & _LOW), 0

    @cuda.jit(device=True)
    def look(told: Any, verdict: Any, seen: Any, passed: Any, control: Any, places: Any, spins: Any) -> None:
        before = seen[0]
        judge(told, verdict, seen)
        beat = np.int64(told[BELL_BEAT])
        if beat != seen[2]:
            seen[2], seen[3] = beat, 0
        seen[1] += 1
        seen[3] += 1
        why = WENT_ON
        if told[BELL_STOP] != 0:
            why = STOPPED
        elif seen[1] > places[PLACE_IDLE]:
            why = IDLE
        elif seen[3] > places[PLACE_BEAT]:
            why = UNWATCHED
        if cuda.ldcv(control, SHUTDOWN + (spins >> np.int64(40))) != 0:
            why = SHUT
        verdict[1] = np.uint32(why)
        if seen[0] != before:
            passed[0], passed[1] = told[BELL_HEAD], told[BELL_RUN]
        if why != WENT_ON:
            # The heads before the reason, so whoever sees the reason finds the last head at the next look.
            cuda.threadfence()
            passed[2] = np.uint64(why)

    @cuda.jit(device=True)
    def follow(told: Any, verdict: Any, seen: Any) -> None:
        judge(told, verdict, seen)
        # Words of one look may come in any order, so a reason counts from the look after it on.
        verdict[1] = np.uint32(seen[2])
        seen[2] = np.int64(told[BELL_STOP])

    @cuda.jit(device=True)
    def piece(longs: Any, picked: Any, ring: Any, lane: Any, step: Any) -> Any:
        slot = picked[(lane & ~31) + 4 * step + ((lane & 31) >> 3)]
        if slot < 0:
            return np.uint64(0)
        return cuda.ldcv(longs, ring + (SLOT_WORDS // 2) * slot + (lane & 7))

    @cuda.jit(device=True)
    def gather(longs: Any, picked: Any, tile: Any, lane: Any, ring: Any) -> None:
        # All reads are under way before the first is waited for.
        p0, p1 = piece(longs, picked, ring, lane, 0), piece(longs, picked, ring, lane, 1)
        p2, p3 = piece(longs, picked, ring, lane, 2), piece(longs, picked, ring, lane, 3)
        p4, p5 = piece(longs, picked, ring, lane, 4), piece(longs, picked, ring, lane, 5)
        p6, p7 = piece(longs, picked, ring, lane, 6), piece(longs, picked, ring, lane, 7)
        at = ROW * ((lane & ~31) + ((lane & 31) >> 3)) + (lane & 7)
        tile[at], tile[at + 4 * ROW], tile[at + 8 * ROW], tile[at + 12 * ROW] = p0, p1, p2, p3
        tile[at + 16 * ROW], tile[at + 20 * ROW], tile[at + 24 * ROW], tile[at + 28 * ROW] = p4, p5, p6, p7

    @cuda.jit(device=True)
    def run(
        longs: Any, tile: Any, row: Any, slot: Any, known: Any, windows: Any, control: Any, log: Any, tally: Any,
        places: Any,
    ) -> Any:  # fmt: skip
        opcode, tenant = np.int64(tile[row] >> _UP), np.int64(tile[row + 1] & _LOW)
        args, inner = cuda.local.array(ARGS_PER_SLOT, np.uint32), cuda.local.array(ARGS_PER_SLOT, np.uint32)
        if opcode != 0:
            # Small operations take four words; only handlers and packed slots look at more.
            wide = ARGS_PER_SLOT // 2 if opcode > BATCH_FENCE else 2
            for k in range(ARGS_PER_SLOT // 2):
                pair = tile[row + 2 + k] if k < wide else np.uint64(0)
                args[2 * k], args[2 * k + 1] = np.uint32(pair & _LOW), np.uint32(pair >> _UP)
        owner = min(slot // places[PLACE_SHARE], places[PLACE_TENANTS] - 1)
        reason, detail = apply(opcode, args, inner, known, slot, owner, tenant, windows, control, log, tally)
        if reason != 0:
            entry = np.int64(places[PLACE_BOOKS]) + BOOKS_SLOTS_START + BOOKS_SLOT_WORDS * slot + REASON
            longs[entry >> 1] = np.uint64(reason) | np.uint64(detail & 0xFFFFFFFF) << _UP
        cuda.atomic.add(tally, (TALLY_FAULTED if reason != 0 else TALLY_DONE) + owner, np.uint32(1))
        return np.uint32(FAULT if reason != 0 else DONE)

    @cuda.jit(device=True)
    def flush(tally: Any, totals: Any, control: Any, at: Any) -> None:
        count = tally[at]
        if count == 0 or at >= TALLY_TAG:
            return
        tally[at] = np.uint32(0)
        cuda.atomic.add(totals, at, count)
        if at < METRICS:
            cuda.atomic.add(control, METRICS_BASE + at, count)
        elif at < TALLY_FAULTED + 32:
            cuda.atomic.add(control, DONE_COUNT, count)
        elif at >= TALLY_FENCES:
            cuda.atomic.exch(totals, at + 32, tally[at + 32])

    @cuda.jit
    def drain(  # noqa: C901 (a loop with one barrier for all lanes)
        longs: Any, line: Any, marks: Any, bell: Any, passed: Any, control: Any, log: Any, totals: Any, windows: Any,
        known: Any, places: Any, begin: Any,
    ) -> None:  # fmt: skip
        told, verdict = cuda.shared.array(TOLD, np.uint64), cuda.shared.array(4, np.uint32)
        tally = cuda.shared.array(TALLY_WORDS, np.uint32)
        picked, tile = cuda.shared.array(threads, np.int64), cuda.shared.array(cells, np.uint64)
        seen = cuda.local.array(4, np.int64)
        me, total = cuda.grid(1), cuda.gridsize(1)
        lane, first = cuda.threadIdx.x, cuda.blockIdx.x == 0
        pos = np.uint32(begin + np.uint32((np.uint32(me) - begin) & np.uint32(total - 1)))
        seen[0], seen[1], seen[2], seen[3] = np.int64(begin), 0, 0, 0
        if lane == 0:
            verdict[0], verdict[1], verdict[2], verdict[3] = begin, np.uint32(WENT_ON), begin, np.uint32(0)
        for at in range(lane, TALLY_WORDS, threads):
            tally[at] = np.uint32(0)
        ring, spins = np.int64(places[PLACE_RING]) >> np.int64(1), np.int64(0)
        while True:
            spins += 1
            if lane < TOLD:
                # An index that varies with the loop, or the compiler takes these loads out of it.
                far = lane + (spins >> np.int64(40))
                told[lane] = cuda.ldcv(bell, far) if first else cuda.ldcv(passed, far)
            cuda.syncwarp()
            if lane == 0 and first:
                look(told, verdict, seen, passed, control, places, spins)
            elif lane == 0:
                follow(told, verdict, seen)
            cuda.syncthreads()
            last, code, start, base = verdict[0], np.int64(verdict[1]), verdict[2], verdict[3]
            while code != SHUT:
                active = np.int32(last - pos) > 0
                if cuda.syncthreads_or(np.int32(active)) == 0:
                    break
                slot = np.int64(-1)
                if active and np.int32(pos - start) >= 0:
                    slot = np.int64(np.uint32(base + pos))
                elif active:
                    slot = np.int64(cuda.ldcv(line, np.int64(pos & np.uint32(places[PLACE_MASK]))))
                picked[lane] = slot
                cuda.syncwarp()
                gather(longs, picked, tile, lane, ring)
                cuda.syncwarp()
                if active:
                    status = run(
                        longs, tile, np.int64(lane * ROW), slot, known, windows, control, log, tally, places
                    )  # fmt: skip
                    cuda.threadfence_system()
                    marks[slot] = status
                    pos = np.uint32(pos + np.uint32(total))
            for at in range(lane, TALLY_WORDS, threads):
                flush(tally, totals, control, at)
            if code != WENT_ON:
                break
            if not first:
                cuda.nanosleep(SLEEP_NS)
            elif seen[1] > EAGER_LOOKS:
                cuda.nanosleep(POLL_SLEEP_NS)
        if first and lane == 0:
            bell[BELL_FINAL], bell[BELL_WHY] = np.uint64(verdict[0]), np.uint64(verdict[1])
            cuda.threadfence_system()
            bell[BELL_EXIT] = np.uint64(places[PLACE_LAUNCH])

    return drain
