"""The loops of engine `ledger` for any theory: build right sides, wait for parts, remember; Numba on flat arrays.

`forward[node]` is 0 while nothing is known, the node itself when it is normal, another node where it leads there; below
0 while the node waits: minus the node that it was rewritten to, or OPEN; and PAID where a step limit interrupted it. So
a node that is met again while it waits has no normal form under this strategy, and its term ends like one out of
steps. The loop returns with its state when it needs room, and goes on from there.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numba import njit

from prism.vm.engines.ledger_loop import NO_FRAME, OUT_OF_STEPS
from prism.vm.engines.theory_match import (
    BUDGET,
    COUNT,
    DEPTH,
    FRAME,
    ID_BITS,
    LOGGED,
    NO_LOG,
    NO_MATCH,
    OVERFLOW,
    REUSED,
    ROOT,
    ROW,
    STEPS,
    computed,
    match,
)
from prism.vm.ledger.table import NO_ROOM, intern_one, pack_one, unpack_one
from prism.vm.theory.automaton import COMPUTE, OVER_NORMAL, RAW
from prism.vm.theory.signature import DIGIT, INT_MINUS_ONE, INT_ZERO

OPEN: Final = np.iinfo(np.int32).min
PAID: Final = OPEN + 1
_NEW, _FOLLOWS, _PAID = -1, -2, -3
"""What a node waits for, besides 2 i, to make instruction i of a right side, and 2 i + 1, the normal form of what that
made. _PAID is _NEW for a node whose rule application a step limit interrupted: it was counted then."""


_loop = njit(cache=True, _nrt=False, forceinline=True)  # pyright: ignore[reportCallIssue]  # the stub lacks the option


@_loop
def _intern(store, state, op, a, b):
    """Return the id of a node, entering it if it is new; NO_ROOM, nothing changed, if there is no row for it."""
    count = state[COUNT]
    node = intern_one(store.keys, store.slots, count, pack_one(op, a, b, state[ID_BITS], store.commutes))
    if node == count:
        state[COUNT] = count + 1
    elif node >= 0:
        state[REUSED] += 1
    return node


@_loop
def _normal_form(forward, node):
    """Return the normal form of a node, 0 while it is unknown."""
    target = np.int64(forward[node])
    return target if target > 0 and forward[target] == target else np.int64(0)


@_loop
def _make_literal(store, state, value):
    """Return the node of a literal, normal; NO_ROOM where it or a part of it does not fit."""
    shift, rest = 0, value
    while rest != 0 and rest != -1:
        rest >>= 4
        shift += 4
    node = _intern(store, state, INT_ZERO if rest == 0 else INT_MINUS_ONE, 0, 0)
    while node >= 0:
        store.forward[node] = node
        if shift == 0:
            break
        shift -= 4
        node = _intern(store, state, DIGIT + (value >> shift & 15), node, 0)
    return node


@_loop
def _finish(store, state, node, normal):
    """Note the normal form of the node on top, and leave it."""
    store.forward[node] = normal
    state[DEPTH] -= 1
    return np.int64(0)


@_loop
def _waits(target):
    """Whether a node that is forwarded so waits for another."""
    return target < 0 and target != PAID


@_loop
def _push(store, state, node):
    """Let a node without a normal form be brought to it first; OUT_OF_STEPS if it waits already."""
    target = store.forward[node]
    if _waits(target):
        return np.int64(OUT_OF_STEPS)
    depth = state[DEPTH]
    store.forward[node] = -target if target > 0 else OPEN
    store.waiting[depth, 0] = node
    store.waiting[depth, 1] = _FOLLOWS if target > 0 else _PAID if target else _NEW
    state[DEPTH] = depth + 1
    return np.int64(0)


@_loop
def _follow(store, state, node, target):
    """Rewrite the node on top to another node."""
    normal = _normal_form(store.forward, target)
    if normal:
        return _finish(store, state, node, normal)
    if _waits(store.forward[target]):
        return np.int64(OUT_OF_STEPS)
    store.forward[node] = -target
    store.waiting[state[DEPTH] - 1, 1] = _FOLLOWS
    return _push(store, state, target)


@_loop
def _value(store, base, slots, ref):
    """Return the node that a ref stands for; the frame at `base` has the values of its instructions from `slots` on."""
    if ref > 0:
        return np.int64(store.frames[base + ref - 1])
    return np.int64(store.frames[slots + ~ref]) if ref else np.int64(0)


@_loop
def _count_step(store, state, node, variant):
    """Count a rule application; 0, or why there cannot be one."""
    if state[STEPS] == state[BUDGET]:
        return np.int64(OUT_OF_STEPS)
    if len(store.log):
        if state[LOGGED] == len(store.log):
            return np.int64(NO_LOG)
        store.log[state[LOGGED], 0], store.log[state[LOGGED], 1] = node, variant
        state[LOGGED] += 1
    state[STEPS] += 1
    return np.int64(0)


@_loop
def _begin(automaton, store, state, node, variant):
    """Begin a right side: keep the registers that it reads in a frame, unless it is one of them."""
    base = state[FRAME]
    if base + automaton.sizes[1] + 1 > len(store.frames):
        return np.int64(NO_FRAME)
    if store.waiting[state[DEPTH] - 1, 1] != _PAID:
        answer = _count_step(store, state, node, variant)
        if answer < 0:
            return answer
    first, last = automaton.variant[variant, 2], automaton.variant[variant, 3]
    if first == last:
        return _follow(store, state, node, store.registers[automaton.variant[variant, 4]])
    for i in range(automaton.variant[variant, 5], automaton.variant[variant, 6]):
        store.frames[base] = store.registers[automaton.kept[i]]
        base += 1
    base += last - first
    store.frames[base] = variant
    state[FRAME] = base + 1
    store.waiting[state[DEPTH] - 1, 1] = 2 * first
    return _build(automaton, store, state, node)


@_loop
def _made(automaton, store, state, base, variant, at):
    """Make the node of one instruction; NO_ROOM or OVERFLOW, nothing lost, where it cannot be."""
    kind, x, y = automaton.instruction[at, 0], automaton.instruction[at, 1], automaton.instruction[at, 2]
    first, last = automaton.variant[variant, 5], automaton.variant[variant, 6]
    if kind != COMPUTE:
        slots = base + last - first
        return _intern(store, state, kind, _value(store, base, slots, x), _value(store, base, slots, y))
    for i in range(first, last):
        store.registers[automaton.kept[i]] = store.frames[base + i - first]
    value, wrong = computed(automaton, store, state, x, store.registers)
    return np.int64(OVERFLOW) if wrong else _make_literal(store, state, value)


@_loop
def _build(automaton, store, state, node):
    """Go on with the right side of the node on top, until it is built or must wait for a part of it."""
    depth, top = state[DEPTH] - 1, state[FRAME] - 1
    variant, phase = np.int64(store.frames[top]), np.int64(store.waiting[depth, 1])
    first, last, result = automaton.variant[variant, 2], automaton.variant[variant, 3], automaton.variant[variant, 4]
    slots = top - (last - first)
    base = slots - (automaton.variant[variant, 6] - automaton.variant[variant, 5])
    start = phase >> 1
    if phase & 1:
        store.frames[slots + start - first] = _normal_form(store.forward, store.frames[slots + start - first])
        start += 1
    for at in range(start, last):
        store.waiting[depth, 1] = 2 * at
        made = _made(automaton, store, state, base, variant, at)
        if made < 0:
            return made
        mode = automaton.instruction[at, 3]
        if mode != RAW:
            normal = _normal_form(store.forward, made)
            if normal == 0 and mode == OVER_NORMAL and automaton.start[automaton.instruction[at, 0]] == 0:
                store.forward[made] = made
                normal = made
            if normal == 0 and result != ~(at - first):
                store.frames[slots + at - first] = made
                store.waiting[depth, 1] = 2 * at + 1
                return _push(store, state, made)
            made = normal if normal else made
        store.frames[slots + at - first] = made
    state[FRAME] = base
    return _follow(store, state, node, _value(store, base, slots, result))


@_loop
def _advance(automaton, store, state, node):
    """Look at the node on top, of which nothing is known: match, wait for its operands, begin its right side."""
    op, a, b = unpack_one(store.keys[node], state[ID_BITS])
    variant = np.int64(NO_MATCH)
    if automaton.start[op]:
        variant = match(automaton, store, state, node)
        if variant == OVERFLOW:
            return variant
    if variant < 0 or not automaton.variant[variant, 1]:
        normal_a = _normal_form(store.forward, a) if a else np.int64(0)
        if a and not normal_a:
            return _push(store, state, a)
        normal_b = _normal_form(store.forward, b) if b else np.int64(0)
        if b and not normal_b:
            return _push(store, state, b)
        if normal_a != a or normal_b != b:
            made = _intern(store, state, op, normal_a, normal_b)
            return made if made < 0 else _follow(store, state, node, made)
        if variant < 0:
            return _finish(store, state, node, node)
    return _begin(automaton, store, state, node, variant)


@_loop
def _evaluate(automaton, store, state):
    """Bring the nodes that wait to normal form, the last first. Returns 0 or why it stopped."""
    while state[DEPTH]:
        depth = state[DEPTH] - 1
        node, phase = np.int64(store.waiting[depth, 0]), store.waiting[depth, 1]
        if depth + 1 >= len(store.waiting):
            return np.int64(NO_FRAME)
        if phase in (_NEW, _PAID):
            answer = _advance(automaton, store, state, node)
        elif phase == _FOLLOWS:
            answer = _follow(store, state, node, -np.int64(store.forward[node]))
        else:
            answer = _build(automaton, store, state, node)
        if answer < 0:
            return answer
    return np.int64(0)


@_loop
def _unwind(store, state):
    """Leave all nodes that wait, keeping what is known of them."""
    for depth in range(state[DEPTH]):
        node, phase = store.waiting[depth, 0], store.waiting[depth, 1]
        if phase == _PAID or phase >= 0:
            store.forward[node] = PAID
        else:
            store.forward[node] = 0 if phase == _NEW else -store.forward[node]
    state[DEPTH] = state[FRAME] = 0


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
        before = state[COUNT]
        answer = _load(store, work, state, work.roots[root])
        if answer == 0:
            node = np.int64(work.loaded[work.roots[root]])
            if state[DEPTH] == 0 and _normal_form(store.forward, node) == 0:
                _push(store, state, node)
            answer = _evaluate(automaton, store, state)
        work.steps[root], work.reused[root] = state[STEPS], state[REUSED]
        work.nodes[root] += state[COUNT] - before
        if answer in (NO_ROOM, NO_FRAME, NO_LOG):
            return answer
        _unwind(store, state)
        if answer == OVERFLOW:
            return answer
        work.out_of_steps[root] = answer == OUT_OF_STEPS
        if answer == 0:
            work.normal[root] = _normal_form(store.forward, work.loaded[work.roots[root]])
        state[STEPS] = state[REUSED] = 0
    return np.int64(0)
