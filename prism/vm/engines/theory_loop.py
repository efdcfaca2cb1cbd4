"""The loops of engine `ledger`: match, build right sides, wait for parts, remember; Numba on flat arrays.

`forward[node]` is 0 while nothing is known, the node itself when it is normal, another node where it leads there; below
0 while the node waits: minus the node that it was rewritten to, or OPEN; and PAID where a step limit interrupted it. So
a node that is met again while it waits has no normal form under this strategy, and its term ends like one out of steps.
It is also the memo, for it outlives the term.

One node is in hand: to be looked at, or a normal form that is handed to the node that waits last. A right side is built
in registers; only where it must wait are those that it still needs put into a frame. The loop stops between two nodes
where it needs room, and goes on from there.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numba import njit

from prism.vm.engines.memo import entered
from prism.vm.engines.theory_match import (
    BUDGET,
    COUNT,
    DEPTH,
    FRAME,
    HAND,
    ID_BITS,
    LOGGED,
    NO_FRAME,
    NO_LOG,
    NORMAL,
    OUT_OF_STEPS,
    OVERFLOW,
    REUSED,
    ROOM,
    ROOT,
    ROW,
    STAGE,
    STEPS,
    TRIED,
    UNSEEN,
    WINDOW,
    computed,
    match,
    word,
)
from prism.vm.ledger.table import NO_ROOM, pack_one, unpack_one
from prism.vm.theory.automaton import (
    COMPUTE,
    EARLY,
    END,
    FIRST,
    INSTRUCTION_WORDS,
    IS_LAZY,
    KIND,
    LIVE,
    LIVE_END,
    MODE,
    NO_MATCH,
    OVER_NORMAL,
    RAW,
    SLOT,
    VALUE,
    X,
    Y,
)
from prism.vm.theory.signature import DIGIT, INT_MINUS_ONE, INT_ZERO

OPEN: Final = np.iinfo(np.int32).min
PAID: Final = OPEN + 1
_NEW, _FOLLOWS, _PAID = -1, -2, -3
"""What a node waits for, besides the place of an instruction whose node must be normal first: an operand, the node that
it was rewritten to. _PAID is _NEW for a node whose rule application a step limit interrupted: it was counted then."""

_loop = njit(cache=True, _nrt=False, forceinline=True)  # pyright: ignore[reportCallIssue]  # the stub lacks the option
_apart = njit(cache=True, _nrt=False)  # pyright: ignore[reportCallIssue]  # the stub lacks the option


@_loop
def _intern(store, state, op, a, b):
    """Return the id of a node, entering it if it is new; NO_ROOM, nothing changed, if there is no row for it."""
    count = state[COUNT]
    node = entered(store.keys, store.slots, count, pack_one(op, a, b, state[ID_BITS], store.commutes))
    if node == count:
        state[COUNT] = count + 1
    elif node >= 0:
        state[REUSED] += 1
    return node


@_loop
def _normal_form(forward, node):
    """Return the normal form of a node, 0 while it is unknown; that of NULL is NULL."""
    target = word(forward, node)
    return target if target > 0 and word(forward, target) == target else np.int64(0)


@_apart
def _make_literal(store, state, value):
    """Return the node of a literal, normal; NO_ROOM where it or a part of it does not fit."""
    shift, rest = 0, value
    while rest != 0 and rest != -1:
        rest >>= 4
        shift += 4
    node = _intern(store, state, INT_ZERO if rest == 0 else INT_MINUS_ONE, 0, 0)
    while node >= 0:
        store.forward[np.uint64(node)] = node
        if shift == 0:
            break
        shift -= 4
        node = _intern(store, state, DIGIT + (value >> shift & 15), node, 0)
    return node


@_loop
def _waits(target):
    """Whether a node that is forwarded so waits for another."""
    return target < 0 and target != PAID


@_loop
def _take(state, node, stage):
    """Take a node in hand."""
    state[HAND], state[STAGE] = node, stage
    return np.int64(0)


@_loop
def _finish(store, state, node, normal):
    """Note the normal form of a node, and hand it on."""
    store.forward[np.uint64(node)] = normal
    return _take(state, normal, NORMAL)


@_loop
def _wait(store, state, node, forward, phase, part):
    """Let a node wait for another, which is taken in hand."""
    at = np.uint64(2 * state[DEPTH])
    store.forward[np.uint64(node)] = forward
    store.waiting[at], store.waiting[at + np.uint64(1)] = node, phase
    state[DEPTH] += 1
    return _take(state, part, UNSEEN)


@_loop
def _follow(store, state, node, target):
    """Rewrite a node to another; OUT_OF_STEPS if that waits for it."""
    beyond = word(store.forward, target)
    if beyond > 0 and word(store.forward, beyond) == beyond:
        return _finish(store, state, node, beyond)
    if target == node or _waits(beyond):
        store.forward[np.uint64(node)] = 0 if target == node else target
        return np.int64(OUT_OF_STEPS)
    return _wait(store, state, node, -target, _FOLLOWS, target)


@_loop
def _count_step(store, state, node, variant):
    """Count a rule application; 0, or OUT_OF_STEPS if there cannot be one."""
    if state[STEPS] == state[BUDGET]:
        return np.int64(OUT_OF_STEPS)
    if len(store.log):
        store.log[state[LOGGED], 0], store.log[state[LOGGED], 1] = node, variant
        state[LOGGED] += 1
    state[STEPS] += 1
    return np.int64(0)


@_loop
def _room(automaton, store, state):
    """Return 0 if there is room for a right side, two nodes that wait and a line of the log; else what there is not."""
    if state[COUNT] >= state[ROOM]:
        return np.int64(NO_ROOM)
    if 2 * state[DEPTH] + 4 > len(store.waiting) or state[FRAME] + 2 * word(automaton.sizes, 0) > len(store.frames):
        return np.int64(NO_FRAME)
    return np.int64(NO_LOG if state[LOGGED] == len(store.log) > 0 else 0)


@_loop
def _made(automaton, store, state, kind, at):
    """Make the node of the instruction at a place; NO_ROOM or OVERFLOW where it cannot be."""
    window, x, y = state[WINDOW], word(automaton.code, at + X), word(automaton.code, at + Y)
    if kind != COMPUTE:
        return _intern(store, state, kind, word(store.registers, window + x), word(store.registers, window + y))
    value, wrong = computed(automaton, store, state, x, window)
    return np.int64(OVERFLOW) if wrong else _make_literal(store, state, value)


@_loop
def _keep(automaton, store, state, at):
    """Put the registers that are live after an instruction into a frame."""
    code, frame, window = automaton.code, state[FRAME], state[WINDOW]
    place, end = word(code, at + LIVE), word(code, at + LIVE_END)
    while place < end:
        store.frames[np.uint64(frame)] = word(store.registers, window + word(automaton.code, place))
        place += 1
        frame += 1
    state[FRAME] = frame


@_loop
def _restore(automaton, store, state, at):
    """Take the registers that are live after an instruction out of their frame."""
    code, frame, window = automaton.code, state[FRAME], state[WINDOW]
    place, first = word(code, at + LIVE_END), word(code, at + LIVE)
    while place > first:
        place -= 1
        frame -= 1
        store.registers[np.uint64(window + word(automaton.code, place))] = word(store.frames, frame)
    state[FRAME] = frame


@_loop
def _begin(automaton, store, state, node, found, is_paid):
    """Begin to rewrite a node, its parts being in the window; return the first instruction, if there is one."""
    _take(state, node, UNSEEN)
    if not is_paid:
        answer = _count_step(store, state, node, ~found)
        if answer < 0:
            return answer
    first = word(automaton.code, ~found + FIRST)
    if first:
        return first
    value = word(store.registers, state[WINDOW] + word(automaton.code, ~found + VALUE))
    return _follow(store, state, node, value)


@_loop
def _wait_for_made(automaton, store, state, at, made):
    """Let the node in hand wait for what an instruction of its right side made, which is taken in hand."""
    node, code = state[HAND], automaton.code
    if at + INSTRUCTION_WORDS == word(code, at + END):
        return _wait(store, state, node, -made, _FOLLOWS, made)
    _keep(automaton, store, state, at)
    return _wait(store, state, node, OPEN, at, made)


@_loop
def _build(automaton, store, state, at):
    """Go on with the right side of the node in hand from an instruction on, until it is built or must wait.

    What is made new over normal operands is matched at once; if a rule applies its first instruction is returned.
    """
    code, window = automaton.code, state[WINDOW]
    end, slot = word(code, at + END), np.int64(0)
    while at < end:
        kind, mode, slot = word(code, at + KIND), word(code, at + MODE), word(code, at + SLOT)
        count = state[COUNT]
        made = _made(automaton, store, state, kind, at)
        if made < 0:
            return made
        if made == count and mode == OVER_NORMAL and kind != COMPUTE and _room(automaton, store, state) == 0:
            other = word(automaton.sizes, 0) - window
            found, wrong = match(automaton, store, state, made, other)
            if wrong:
                return np.int64(OVERFLOW)
            if found != NO_MATCH:
                _wait_for_made(automaton, store, state, at, made)
                state[WINDOW] = other
                return _begin(automaton, store, state, made, found, False)
            store.forward[np.uint64(made)] = made
        elif mode != RAW:
            normal = _normal_form(store.forward, made)
            if normal == 0 and (kind == COMPUTE or mode != OVER_NORMAL or word(automaton.code, kind) != NO_MATCH):
                if at + INSTRUCTION_WORDS < end:
                    return _wait_for_made(automaton, store, state, at, made)
            elif normal == 0:
                store.forward[np.uint64(made)] = made
            made = normal if normal else made
        store.registers[np.uint64(window + slot)] = made
        at += INSTRUCTION_WORDS
    return _follow(store, state, state[HAND], word(store.registers, window + slot))


@_loop
def _look(automaton, store, state):
    """Look at the node in hand: match, wait for its operands, or return the instruction to begin with."""
    node = state[HAND]
    target = word(store.forward, node)
    if target > 0:
        return _follow(store, state, node, target)
    if _waits(target):
        return np.int64(OUT_OF_STEPS)
    op, a, b = unpack_one(store.keys[np.uint64(node)], state[ID_BITS])
    normal_a, normal_b = _normal_form(store.forward, a), _normal_form(store.forward, b)
    is_ready, found, wrong = normal_a == a and normal_b == b, np.int64(NO_MATCH), False
    if is_ready or (state[STAGE] != TRIED and word(automaton.code, EARLY + op)):
        found, wrong = match(automaton, store, state, node, state[WINDOW])
        if wrong:
            return np.int64(OVERFLOW)
    if not is_ready and (found == NO_MATCH or not word(automaton.code, ~found + IS_LAZY)):
        if (normal_a == 0 and a) or (normal_b == 0 and b):
            part = b if normal_a or a == 0 else a
            return _wait(store, state, node, OPEN, _PAID if target else _NEW, part)
        made = _intern(store, state, op, normal_a, normal_b)
        return made if made < 0 else _follow(store, state, node, made)
    if found == NO_MATCH:
        return _finish(store, state, node, node)
    return _begin(automaton, store, state, node, found, target != 0)


@_loop
def _hand_on(automaton, store, state):
    """Give the normal form in hand to what waits for it; return the instruction to go on with, if it is a part."""
    normal, depth = state[HAND], state[DEPTH]
    node, phase = np.int64(0), np.int64(_FOLLOWS)
    while depth and phase == _FOLLOWS:
        depth -= 1
        node, phase = word(store.waiting, 2 * depth), word(store.waiting, 2 * depth + 1)
        if phase == _FOLLOWS:
            store.forward[np.uint64(node)] = normal
    state[DEPTH] = depth
    if phase == _FOLLOWS:
        return np.int64(0)
    if phase < 0:
        store.forward[np.uint64(node)] = 0 if phase == _NEW else PAID
        return _take(state, node, TRIED)
    _restore(automaton, store, state, phase)
    store.registers[np.uint64(state[WINDOW] + word(automaton.code, phase + SLOT))] = normal
    _take(state, node, UNSEEN)
    return phase + INSTRUCTION_WORDS


@_loop
def _evaluate(automaton, store, state):
    """Bring the node in hand to normal form. Returns 0 or why it stopped."""
    while True:
        answer = _room(automaton, store, state)
        if answer == 0 and state[STAGE] == NORMAL:
            if state[DEPTH] == 0:
                return np.int64(0)
            answer = _hand_on(automaton, store, state)
        elif answer == 0:
            answer = _look(automaton, store, state)
        while answer > 0:
            answer = _build(automaton, store, state, answer)
        if answer < 0:
            return answer


@_loop
def _unwind(store, state):
    """Leave the node in hand and all that wait, keeping what is known of them."""
    for depth in range(state[DEPTH]):
        node, phase = store.waiting[2 * depth], store.waiting[2 * depth + 1]
        if phase == _PAID or phase >= 0:
            store.forward[node] = PAID
        else:
            store.forward[node] = 0 if phase == _NEW else -store.forward[node]
    state[DEPTH] = state[FRAME] = state[HAND] = 0


@_loop
def _load(store, work, state, last):
    """Give rows up to `last` their nodes. Returns 0, or NO_ROOM with the rows before it loaded."""
    loaded = work.loaded
    for row in range(state[ROW], last + 1):
        node = _intern(store, state, work.op[row], loaded[work.a[row]], loaded[work.b[row]])
        if node < 0:
            return node
        loaded[row] = node
        state[ROW] = row + 1
    return np.int64(0)


@njit(cache=True)
def run(automaton, store, work, state):
    """Load and evaluate the roots from `state[ROOT]` on.

    Returns 0 when all are done, else NO_ROOM, NO_FRAME or NO_LOG to go on from, or OVERFLOW.
    """
    for root in range(state[ROOT], len(work.roots)):
        state[ROOT] = root
        before, answer = state[COUNT], np.int64(0)
        if state[HAND] == 0:
            answer = _load(store, work, state, work.roots[root])
            _take(state, work.loaded[work.roots[root]] if answer == 0 else 0, UNSEEN)
        if answer == 0:
            answer = _evaluate(automaton, store, state)
        work.steps[root], work.reused[root] = state[STEPS], state[REUSED]
        work.nodes[root] += state[COUNT] - before
        if answer in (NO_ROOM, NO_FRAME, NO_LOG):
            return answer
        if answer == 0:
            work.normal[root] = state[HAND]
        work.out_of_steps[root] = answer == OUT_OF_STEPS
        _unwind(store, state)
        if answer == OVERFLOW:
            return answer
        state[STEPS] = state[REUSED] = 0
    return np.int64(0)
