"""Cycles on the host: every redex of the frontier at once, as Numba loops over flat arrays [ARENA-7].

A cycle looks at the sites of the frontier: those at which a case applies fire, the others wait for their operands.
Local nodes are interned, then continuations; the fired rows are forwarded; claims follow; rows that wait for a fired
one, and rows that became live, are the next frontier. Cost: about 150 ns a site, whatever else the arena holds.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from prism.vm.arena.store import SETTLED, WIDE_BITS, first, head, loop, second, standing
from prism.vm.ledger.radix import sort_pairs
from prism.vm.ledger.table import intern_one, mix, pack_one
from prism.vm.rewrite.cases import CONTINUATION, LOCAL, REF_CONTINUATION, REF_LOCAL, REFS, RESULT

COUNT, SITES, UPCOMING, FIRING, CYCLES, STEPS, HITS, MOST_NODES, MOST_CYCLES, MOST_STEPS = range(10)
"""Places in the int64 vector `state`: rows in use; sites of the frontier, of the next one, and those that fire; cycles,
rule applications and candidates that found their row, so far; what bounds rows, cycles and rule applications."""
STATE_SIZE: Final = 10

GOES_ON, DONE, STOPPED, FULL, NO_ROOM, MANY = range(6)
"""Why a loop came back: nothing is left to fire; a cycle would exceed its bounds; the nodes exceed theirs; the arrays
must grow first; more sites fire than `FEW`."""
FEW: Final = 48

_N_REFS: Final = len(REFS)
_FIRST_INNER: Final = REFS.index("a.a")


class Frontier(NamedTuple):
    """Scratch of the rows' length: sites of this cycle and the next, those that fire, what each builds.

    sites, upcoming, firing, local, rest, target, stack: int32[room]. case: uint8[room]. built: uint64[room], keys of a
    stratum. words, whose: uint64 and int32[FEW], those of a narrow one in order, and what they are of. refs: int64[10].
    """

    sites: NDArray[np.int32]
    upcoming: NDArray[np.int32]
    firing: NDArray[np.int32]
    local: NDArray[np.int32]
    rest: NDArray[np.int32]
    target: NDArray[np.int32]
    stack: NDArray[np.int32]
    case: NDArray[np.uint8]
    built: NDArray[np.uint64]
    words: NDArray[np.uint64]
    whose: NDArray[np.int32]
    refs: NDArray[np.int64]


class Tables(NamedTuple):
    """case, rewrites, heads: see `prism.vm.rewrite.cases.CaseTable`. commutes: by op code."""

    case: NDArray[np.uint8]
    rewrites: NDArray[np.int32]
    heads: NDArray[np.bool_]
    commutes: NDArray[np.bool_]


def frontier_of(room: int) -> Frontier:
    """Return an empty frontier for so many rows; pages that are never touched take no memory."""
    sites, upcoming, firing, local, rest, target, stack = (np.empty(room, np.int32) for _ in range(7))
    case, built = np.empty(room, np.uint8), np.empty(room, np.uint64)
    words, whose, refs = np.empty(FEW, np.uint64), np.empty(FEW, np.int32), np.zeros(_N_REFS, np.int64)
    refs[REFS.index("ZERO")] = 1
    return Frontier(sites, upcoming, firing, local, rest, target, stack, case, built, words, whose, refs)


@loop
def look(rows, front, tables, state):
    """Part the live sites into those that fire and those that wait. Returns what bounds say to the cycle."""
    firing = candidates = 0
    for i in range(state[SITES]):
        site = np.int64(front.sites[i])
        rows.queued[site] = False
        if rows.claims[site] <= 0 or rows.forward[site]:
            continue
        a, b = (
            standing(rows.forward, first(rows.keys, site)),
            standing(rows.forward, second(rows.keys, site)),
        )
        case = tables.case[head(rows.keys, site), head(rows.keys, a), head(rows.keys, b)]
        if case:
            front.firing[firing], front.case[firing] = site, case
            firing += 1
            candidates += (tables.rewrites[case, LOCAL] != 0) + (tables.rewrites[case, CONTINUATION] != 0)
        else:
            # An edge waits for what may be rewritten, and once: what it waits for has not changed if it still does.
            if rows.links[2 * site] == 0 and tables.heads[head(rows.keys, a)]:
                rows.links[2 * site] = rows.waits[a] + 1
                rows.waits[a] = 2 * site
            if rows.links[2 * site + 1] == 0 and tables.heads[head(rows.keys, b)]:
                rows.links[2 * site + 1] = rows.waits[b] + 1
                rows.waits[b] = 2 * site + 1
    state[FIRING] = firing
    if firing == 0:
        return DONE
    if state[CYCLES] >= state[MOST_CYCLES] or state[STEPS] + firing > state[MOST_STEPS]:
        return STOPPED
    if state[COUNT] + candidates > len(rows.keys):
        return NO_ROOM
    return GOES_ON if firing <= FEW else MANY


@loop
def _read(keys, forward, site, refs):
    """Read what the cases of a site may refer to: its operands, and the operands of what stands for them."""
    refs[2], refs[3] = first(keys, site), second(keys, site)
    end = standing(forward, refs[2])
    refs[4], refs[5] = first(keys, end), second(keys, end)
    end = standing(forward, refs[3])
    refs[6], refs[7] = first(keys, end), second(keys, end)


@loop
def _referred(keys, forward, heads, refs, which):
    """Return the row that a case refers to: for one from before the cycle what stands for it, if no rule heads that."""
    row = refs[which]
    if 2 <= which < REF_LOCAL:
        end = standing(forward, row)
        return row if heads[head(keys, end)] else end
    return row


@loop
def _build(rows, front, tables, state, at):
    """Write the key of the node that each firing site builds at a place of its rewrite, 0 for none."""
    refs = front.refs
    for i in range(state[FIRING]):
        rewrite = tables.rewrites[front.case[i]]
        op = rewrite[at]
        key = np.uint64(0)
        if op:
            _read(rows.keys, rows.forward, front.firing[i], refs)
            refs[REF_LOCAL] = front.local[i]
            a = _referred(rows.keys, rows.forward, tables.heads, refs, rewrite[at + 1])
            b = _referred(rows.keys, rows.forward, tables.heads, refs, rewrite[at + 2])
            key = pack_one(op, a, b, WIDE_BITS, tables.commutes)
        front.built[i] = key


@loop
def _intern_few(rows, front, state, ids):
    """Intern a stratum of at most FEW candidates in the order of new ids [LEDGER-3]."""
    built, words, whose = front.built, front.words, front.whose
    size = 0
    for i in range(state[FIRING]):
        if built[i]:
            word, j = mix(built[i]), size
            while j > 0 and words[j - 1] > word:
                words[j], whose[j] = words[j - 1], whose[j - 1]
                j -= 1
            words[j], whose[j] = word, i
            size += 1
    _enter(rows, front, state, whose, size, ids)


@loop
def _mixed(front, state, words, whose):
    """Write the mixed keys of a stratum and the firing sites that they are of; return how many there are."""
    size = 0
    for i in range(state[FIRING]):
        if front.built[i]:
            words[size], whose[size] = mix(front.built[i]), i
            size += 1
    return size


@njit(cache=True)
def _intern_many(rows, front, state, ids):
    """Intern a stratum of any size in the order of new ids [LEDGER-3]."""
    words, spare_words = (np.empty(state[FIRING], np.uint64), np.empty(state[FIRING], np.uint64))
    whose, spare_whose = (np.empty(state[FIRING], np.int32), np.empty(state[FIRING], np.int32))
    size = _mixed(front, state, words, whose)
    sort_pairs(words[:size], whose[:size], spare_words[:size], spare_whose[:size])
    _enter(rows, front, state, whose, size, ids)


@loop
def _enter(rows, front, state, whose, size, ids):
    """Intern the candidates of firing sites `whose`, in that order; `ids` is 0 for the sites that build none."""
    keys, index, built, count = rows.keys, rows.index, front.built, state[COUNT]
    for i in range(state[FIRING]):
        ids[i] = 0
    for j in range(size):
        node = intern_one(keys, index, count, built[whose[j]])
        ids[whose[j]] = node
        count += node == count
    state[HITS] += size - (count - state[COUNT])
    state[COUNT] = count


@loop
def _replace(rows, front, tables, state, before):
    """Forward the fired sites; rows from `before` on are new."""
    keys, claims = rows.keys, rows.claims
    for row in range(before, state[COUNT]):
        is_over = claims[first(keys, row)] == SETTLED and claims[second(keys, row)] == SETTLED
        claims[row] = SETTLED if is_over and not tables.heads[head(keys, row)] else 0
    for i in range(state[FIRING]):
        which = tables.rewrites[front.case[i], RESULT]
        if which < REF_LOCAL:
            _read(keys, rows.forward, front.firing[i], front.refs)
            front.target[i] = _referred(keys, rows.forward, tables.heads, front.refs, which)
        else:
            front.target[i] = front.rest[i] if which == REF_CONTINUATION else front.local[i]
    for i in range(state[FIRING]):
        rows.forward[front.firing[i]] = front.target[i]


@loop
def _claim(rows, front, tables, state):
    """Move the claims of the fired sites to what stands for them now.

    A row that so becomes live claims what stands for its operands, and joins the next frontier if a rule heads it.
    """
    keys, forward, claims, queued, heads = rows.keys, rows.forward, rows.claims, rows.queued, tables.heads
    stack, upcoming, size = front.stack, front.upcoming, state[UPCOMING]
    for i in range(state[FIRING]):
        site = np.int64(front.firing[i])
        more, end = claims[site], standing(forward, site)
        claims[site] = 0
        if claims[end] == SETTLED or more == 0:
            continue
        top = 0
        if claims[end] == 0:
            stack[0], top = end, 1
        claims[end] += more
        while top:
            top -= 1
            live = np.int64(stack[top])
            if heads[head(keys, live)] and not queued[live]:
                queued[live] = True
                upcoming[size] = live
                size += 1
            for operand in (first(keys, live), second(keys, live)):
                end = standing(forward, operand)
                if claims[end] != SETTLED:
                    if claims[end] == 0:
                        stack[top] = end
                        top += 1
                    claims[end] += 1
    state[UPCOMING] = size


@loop
def _release(rows, front, state):
    """Take the claims of the fired sites on their operands back; so do rows that lose their last one."""
    keys, forward, claims, stack = rows.keys, rows.forward, rows.claims, front.stack
    for i in range(state[FIRING]):
        stack[0] = front.firing[i]
        top = 1
        while top:
            top -= 1
            dead = np.int64(stack[top])
            for operand in (first(keys, dead), second(keys, dead)):
                end = standing(forward, operand)
                if claims[end] != SETTLED:
                    claims[end] -= 1
                    if claims[end] == 0:
                        stack[top] = end
                        top += 1


@loop
def _wake(rows, front, state):
    """Bring the live rows that wait for a fired site into the next frontier."""
    waits, links, claims, queued = rows.waits, rows.links, rows.claims, rows.queued
    upcoming, size = front.upcoming, state[UPCOMING]
    for i in range(state[FIRING]):
        site = front.firing[i]
        edge = np.int64(waits[site])
        waits[site] = 0
        while edge:
            after = np.int64(links[edge]) - 1
            links[edge] = 0
            row = edge >> 1
            if claims[row] > 0 and not queued[row]:
                queued[row] = True
                upcoming[size] = row
                size += 1
            edge = after
    state[UPCOMING] = size


@loop
def _follow(rows, front, tables, state, before):
    """Let forwards, claims and the next frontier follow what fired.

    All claims are added before any is taken back, so that none lapses in between.
    """
    _replace(rows, front, tables, state, before)
    _claim(rows, front, tables, state)
    _release(rows, front, state)
    _wake(rows, front, state)


@loop
def _turn(front, state):
    """Count the cycle, and make the next frontier the present one."""
    state[CYCLES] += 1
    state[STEPS] += state[FIRING]
    for i in range(state[UPCOMING]):
        front.sites[i] = front.upcoming[i]
    state[SITES], state[UPCOMING] = state[UPCOMING], 0


@loop
def _narrow(rows, front, tables, state):
    """Run cycles until one is wide, or may not go on; answers as `look`, or FULL."""
    while True:
        answer = look(rows, front, tables, state)
        if answer != GOES_ON:
            return answer
        before = state[COUNT]
        _build(rows, front, tables, state, LOCAL)
        _intern_few(rows, front, state, front.local)
        _build(rows, front, tables, state, CONTINUATION)
        _intern_few(rows, front, state, front.rest)
        if state[COUNT] > state[MOST_NODES]:
            return FULL
        _follow(rows, front, tables, state, before)
        _turn(front, state)


@njit(cache=True)
def wide(rows, front, tables, state):
    """Run the cycle that `look` began, whatever its width: GOES_ON, or FULL."""
    before = state[COUNT]
    _build(rows, front, tables, state, LOCAL)
    _intern_many(rows, front, state, front.local)
    _build(rows, front, tables, state, CONTINUATION)
    _intern_many(rows, front, state, front.rest)
    if state[COUNT] > state[MOST_NODES]:
        return FULL
    _follow(rows, front, tables, state, before)
    _turn(front, state)
    return GOES_ON


@njit(cache=True)
def run(rows, front, tables, state):
    """Run cycles until one may not go on: DONE, STOPPED, FULL or NO_ROOM; a cycle lands whole or not [ARENA-3]."""
    while True:
        answer = _narrow(rows, front, tables, state)
        if answer != MANY:
            return answer
        if wide(rows, front, tables, state) == FULL:
            return FULL


@njit(cache=True)
def sites_of(keys, claims, heads, sites):
    """Write the live rows that a rule may rewrite into `sites`, and return how many they are."""
    size = 0
    for row in range(2, len(claims)):
        if claims[row] > 0 and heads[head(keys, row)]:
            sites[size] = row
            size += 1
    return size


@njit(cache=True)
def ranked(rows, tables, sites, slots):
    """Return the rank of each of `slots` slots that sites stand in, and their operands: uint32[slots], int32[2, slots].

    Ranks are those of `prism.vm.arena.order.Rank`; slots after the sites are free.
    """
    rank = np.full(slots, 2, np.uint32)
    near = np.zeros((2, slots), np.int32)
    for i in range(len(sites)):
        site = sites[i]
        a, b = first(rows.keys, site), second(rows.keys, site)
        near[0, i], near[1, i] = a, b
        a, b = standing(rows.forward, a), standing(rows.forward, b)
        is_hot = tables.case[head(rows.keys, site), head(rows.keys, a), head(rows.keys, b)] != 0
        rank[i] = 0 if is_hot and rows.claims[site] > 0 else 1
    return rank, near
