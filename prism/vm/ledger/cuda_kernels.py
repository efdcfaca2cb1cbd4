"""Kernels of the ledger on NVIDIA GPUs, in Numba-CUDA: enter a batch, number its new keys, answer.

A slot holds the mixed key itself, so a lookup costs one random access. The home slot is the top bits of the mixing:
slots lie nearly in the order of new ids, and nothing is sorted. The id of a new key is the number of new keys in the
slots before it, put right by those of its own run of occupied slots that lie on the wrong side of it.

Worked example, 8 slots, new keys a < b < c of home 2: entered as c, a, b in the slots 2, 3, 4. By slots alone c would
be first. c sees a and b after it in its run and moves up by two; a and b see c between their home and themselves,
and each moves down by one.
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple

import numpy as np

from prism.status import Status
from prism.vm.ledger.mixing import mix, unmix
from prism.vm.ledger.table import home, pack_one
from prism.vm.ledger.traced import MIXED_ABSENT

THREADS: Final = 256
"""Threads of a block, and the words of the bitmap of new slots that a block numbers."""
LANES: Final = 32
CELL: Final = THREADS * LANES
"""Slots that a block numbers: every table is a multiple of it."""
SCANNERS: Final = 1024
"""Threads of the one block that adds up the others' new keys."""
OPS: Final = 256
"""Where `rules` (uint8) has which ops commute, after how many operands each takes."""
NEW, WRONG, VERDICT, WRAPPED, RUN_END, TALLY = range(6)
"""What `tally` (int32[TALLY]) counts: new keys; nodes that may not be added; the status of the batch; new keys that lie
before their home, behind the end of the table; the slot that ends their run."""
NOWHERE: Final = -1
"""The slot of a node that the ledger lacks and does not take."""
_VACANT: Final = np.uint64(MIXED_ABSENT)
_OK: Final = int(Status.OK)
_CORRUPT: Final = int(Status.CORRUPT)
_ONE, _NONE, _WORD, _IN_WORD = np.uint64(1), np.uint64(0), np.uint64(5), np.uint64(31)


class Kernels(NamedTuple):
    """The kernels; `cuda.jit` objects, launched by kernel[blocks, THREADS](...)."""

    enter: Any
    add_up: Any
    scan: Any
    number: Any
    answer: Any
    move: Any
    hold: Any
    find: Any
    collect: Any


def kernels(cuda: Any) -> Kernels:
    """Return the kernels over a module `numba.cuda`; compiled at the first launch."""
    walk = _walks(cuda)
    return Kernels(
        _enter(cuda, walk),
        _add_up(cuda),
        _scan(cuda, walk),
        _number(cuda, walk),
        _answer(cuda),
        _move(cuda, walk),
        _hold(cuda, walk),
        _find(cuda, walk),
        _collect(cuda, walk),
    )


class _Walks(NamedTuple):
    """Device functions that the kernels share."""

    mix: Any
    unmix: Any
    pack: Any
    home: Any
    after: Any
    is_new: Any
    settle: Any


def _walks(cuda: Any) -> _Walks:
    first = cuda.jit(device=True)(home.py_func)

    @cuda.jit(device=True)
    def after(slot: Any, slots: Any) -> Any:
        """Return the next slot."""
        following = slot + _ONE
        return following if following < np.uint64(len(slots)) else _NONE

    @cuda.jit(device=True)
    def is_new(pending: Any, slot: Any) -> Any:
        """Return whether a slot was taken by this batch."""
        return np.uint64(pending[slot >> _WORD]) >> (slot & _IN_WORD) & _ONE == _ONE

    @cuda.jit(device=True)
    def settle(slots: Any, mixed: Any) -> Any:
        """Put a key that the table lacks into the first free slot from its home on, and return which that is."""
        slot = first(mixed, np.uint64(len(slots)))
        while slots[slot] != _VACANT or cuda.atomic.cas(slots, slot, _VACANT, mixed) != _VACANT:
            slot = after(slot, slots)
        return slot

    mixing, unmixing = cuda.jit(device=True)(mix), cuda.jit(device=True)(unmix)
    return _Walks(mixing, unmixing, cuda.jit(device=True)(pack_one.py_func), first, after, is_new, settle)


def _enter(cuda: Any, walk: _Walks) -> Any:  # noqa: C901 (a kernel closes over its parts)
    mixing, pack, first, after = walk.mix, walk.pack, walk.home, walk.after

    @cuda.jit(device=True)
    def take(slots: Any, pending: Any, mixed: Any, frozen: Any) -> Any:
        """Return (slot, 1 if it was taken now, else 0) of a key; slot NOWHERE if it is absent and may not be added."""
        slot = first(mixed, np.uint64(len(slots)))
        while True:
            held = slots[slot]
            if held == _VACANT:
                if frozen:
                    return np.int64(NOWHERE), 0
                # What was read may be old: only the exchange decides.
                held = cuda.atomic.cas(slots, slot, _VACANT, mixed)
                if held == _VACANT:
                    cuda.atomic.or_(pending, slot >> _WORD, np.uint32(1) << np.uint32(slot & _IN_WORD))
                    return np.int64(slot), 1
            if held == mixed:
                return np.int64(slot), 0
            slot = after(slot, slots)

    @cuda.jit(device=True)
    def addable(takes: Any, x: Any, y: Any, count: Any) -> Any:
        """Return whether a node may be added to a ledger of `count` nodes [LEDGER-4]."""
        first_fits = 0 < x < count if takes >= 1 else x == 0
        return takes <= 2 and first_fits and (0 < y < count if takes >= 2 else y == 0)

    @cuda.jit
    def enter(op: Any, a: Any, b: Any, rules: Any, bounds: Any, slots: Any, pending: Any, out: Any, tally: Any):
        """Write the slot of every node to `out`. bounds: int64[4], the count, bits of an id, most new keys, frozen.

        Once more keys are new than may be, later blocks enter none: the batch is refused whatever they are.
        """
        count, id_bits, most, frozen = bounds[0], bounds[1], bounds[2], bounds[3] != 0
        i, taken, stopped = cuda.grid(1), 0, False
        if most < len(op):
            # Read where the counts are: a plain load may be an old one.
            seen = cuda.atomic.add(tally, NEW, 0) if cuda.threadIdx.x == 0 else 0
            stopped = cuda.syncthreads_or(np.int32(seen > most)) != 0
        if i < len(op):
            code, x, y, slot = op[i], a[i], b[i], np.int64(NOWHERE)
            takes = rules[code]
            fine = (
                takes <= 2 and (0 < x < count if takes >= 1 else x == 0) and (0 < y < count if takes >= 2 else y == 0)
            )
            if not fine:
                tally[WRONG] = 1
            elif not stopped:
                slot, taken = take(slots, pending, mixing(pack(code, x, y, id_bits, rules[OPS:])), frozen)
            out[i] = slot
        new = cuda.syncthreads_count(np.int32(taken))
        if cuda.threadIdx.x == 0 and new > 0:
            cuda.atomic.add(tally, NEW, new)

    return enter


def _add_up(cuda: Any) -> Any:
    @cuda.jit
    def add_up(pending: Any, totals: Any, tally: Any):
        """Write the number of new slots of each cell to `totals`."""
        total = cuda.shared.array(1, np.int32)
        lane = cuda.threadIdx.x
        if tally[NEW] == 0:
            return
        if lane == 0:
            total[0] = 0
        cuda.syncthreads()
        bits = cuda.popc(pending[cuda.grid(1)])
        if bits > 0:
            cuda.atomic.add(total, 0, np.int32(bits))
        cuda.syncthreads()
        if lane == 0:
            totals[cuda.blockIdx.x] = total[0]

    return add_up


def _scan(cuda: Any, walk: _Walks) -> Any:
    first, after, is_new = walk.home, walk.after, walk.is_new

    @cuda.jit(device=True)
    def judge(bounds: Any, slots: Any, pending: Any, tally: Any, beyond: Any):
        """Set the verdict, and count the new keys that went on from the end of the table to its beginning."""
        if tally[WRONG] != 0:
            tally[VERDICT] = _CORRUPT
        else:
            tally[VERDICT] = beyond if tally[NEW] > bounds[2] else _OK
        slot, wrapped = _NONE, 0
        while slots[slot] != _VACANT:
            if is_new(pending, slot) and first(slots[slot], np.uint64(len(slots))) > slot:
                wrapped += 1
            slot = after(slot, slots)
        tally[WRAPPED], tally[RUN_END] = wrapped, slot

    @cuda.jit
    def scan(totals: Any, bounds: Any, slots: Any, pending: Any, tally: Any, beyond: Any):
        """Replace the totals by how many new slots lie before each cell, in one block of SCANNERS; judge the batch."""
        sums = cuda.shared.array(SCANNERS, np.int32)
        lane, n = cuda.threadIdx.x, len(totals)
        if lane == 0:
            judge(bounds, slots, pending, tally, beyond)
        if tally[NEW] == 0:
            return
        share = (n + SCANNERS - 1) // SCANNERS
        low = min(lane * share, n)
        high = min(low + share, n)
        mine = 0
        for at in range(low, high):
            mine += totals[at]
        sums[lane] = mine
        cuda.syncthreads()
        step = 1
        while step < SCANNERS:
            before = sums[lane - step] if lane >= step else 0
            cuda.syncthreads()
            sums[lane] += before
            cuda.syncthreads()
            step *= 2
        before = sums[lane] - mine
        for at in range(low, high):
            inside = totals[at]
            totals[at] = before
            before += inside

    return scan


def _number(cuda: Any, walk: _Walks) -> Any:  # noqa: C901 (a kernel closes over its parts)
    first, after, is_new = walk.home, walk.after, walk.is_new

    @cuda.jit(device=True)
    def from_start(slots: Any, pending: Any, slot: Any, tally: Any, behind: Any) -> Any:
        """Return how many new keys lie before a slot in the table's order, less those that lie before it in memory.

        In the table's order the keys that went on at the beginning, `behind` their home, come after all others.
        """
        if slot > np.uint64(tally[RUN_END]):
            return -tally[WRAPPED]
        other, shift = _NONE, 0
        while other != slot:
            if is_new(pending, other) and (first(slots[other], np.uint64(len(slots))) > other) != behind:
                shift -= 1
            other = other + _ONE
        return shift + tally[NEW] - tally[WRAPPED] if behind else shift

    @cuda.jit(device=True)
    def moved(slots: Any, pending: Any, slot: Any, tally: Any) -> Any:
        """Return by how much the number of a new key differs from the number of new slots before its own."""
        size = np.uint64(len(slots))
        mixed = slots[slot]
        at = first(mixed, size)
        behind = at > slot
        shift = from_start(slots, pending, slot, tally, behind)
        while at != slot:
            if slots[at] > mixed and is_new(pending, at) and (behind or first(slots[at], size) <= at):
                shift -= 1
            at = after(at, slots)
        at = after(slot, slots)
        while slots[at] != _VACANT:
            if slots[at] < mixed and is_new(pending, at):
                # Seen from a key at the end of the table, only keys behind their home come after it here.
                in_front = not behind and at > slot
                if in_front or first(slots[at], size) > at:
                    shift += 1
            at = after(at, slots)
        return shift

    @cuda.jit
    def number(totals: Any, slots: Any, ids: Any, pending: Any, tally: Any, count: Any):
        """Write the ids of new slots, or free them if the batch is refused; a warp has the 32 slots of a word."""
        words = cuda.shared.array(THREADS, np.uint32)
        sums = cuda.shared.array(THREADS, np.int32)
        lane, cell = cuda.threadIdx.x, cuda.blockIdx.x
        if tally[NEW] == 0:
            return
        words[lane] = pending[cuda.grid(1)]
        mine = np.int32(cuda.popc(words[lane]))
        sums[lane] = mine
        if cuda.syncthreads_count(mine) == 0:
            return
        step = 1
        while step < THREADS:
            before = sums[lane - step] if lane >= step else np.int32(0)
            cuda.syncthreads()
            sums[lane] += before
            cuda.syncthreads()
            step *= 2
        place = lane % LANES
        for at in range(lane // LANES, THREADS, THREADS // LANES):
            word = words[at]
            if (word >> np.uint32(place)) & np.uint32(1):
                slot = np.uint64((cell * THREADS + at) * LANES + place)
                below = cuda.popc(word & np.uint32((np.uint64(1) << np.uint64(place)) - _ONE))
                before = sums[at] - np.int32(cuda.popc(word)) + below + totals[cell]
                if tally[VERDICT] == _OK:
                    ids[slot] = count + before + moved(slots, pending, slot, tally)
                else:
                    slots[slot] = _VACANT

    return number


def _answer(cuda: Any) -> Any:
    @cuda.jit
    def answer(ids: Any, pending: Any, tally: Any, following: Any, frozen: Any, out: Any):
        """Replace slots by ids; by NULL where there is none, or the batch is refused. Clear what the next counts."""
        i = cuda.grid(1)
        if i < len(out):
            slot = out[i]
            out[i] = ids[slot] if slot >= 0 and (frozen or tally[VERDICT] == _OK) else 0
        if i < TALLY:
            following[i] = 0
        if tally[NEW] != 0:
            word = i
            while word < len(pending):
                pending[word] = 0
                word += cuda.gridsize(1)

    return answer


def _move(cuda: Any, walk: _Walks) -> Any:
    settle = walk.settle

    @cuda.jit
    def move(slots: Any, ids: Any, wider: Any, wider_ids: Any):
        """Enter all keys of a table into a larger one, with their ids; in the order of slots, so nearly in a row."""
        i = cuda.grid(1)
        if i < len(slots) and slots[i] != _VACANT:
            wider_ids[settle(wider, slots[i])] = ids[i]

    return move


def _hold(cuda: Any, walk: _Walks) -> Any:
    settle, mixing = walk.settle, walk.mix

    @cuda.jit
    def hold(keys: Any, slots: Any, ids: Any):
        """Enter keys with the ids of their places."""
        i = cuda.grid(1)
        if i < len(keys):
            ids[settle(slots, mixing(keys[i]))] = i

    return hold


def _find(cuda: Any, walk: _Walks) -> Any:
    first, after, mixing = walk.home, walk.after, walk.mix

    @cuda.jit
    def find(keys: Any, slots: Any, ids: Any, out: Any):
        """Write the id of every key, -1 where the table lacks it."""
        i = cuda.grid(1)
        if i < len(keys):
            mixed = mixing(keys[i])
            slot, found = first(mixed, np.uint64(len(slots))), np.int32(-1)
            while mixed != _VACANT and slots[slot] != _VACANT:
                if slots[slot] == mixed:
                    found = ids[slot]
                    break
                slot = after(slot, slots)
            out[i] = found

    return find


def _collect(cuda: Any, walk: _Walks) -> Any:
    unmixing = walk.unmix

    @cuda.jit
    def collect(slots: Any, ids: Any, out: Any):
        """Write every key to the place of its id."""
        i = cuda.grid(1)
        if i < len(slots) and slots[i] != _VACANT:
            out[ids[i]] = unmixing(slots[i])

    return collect
