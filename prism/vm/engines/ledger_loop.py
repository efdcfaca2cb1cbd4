"""The loops of engine `ledger`: load rows, bring roots to normal form, read normal forms back; Numba on flat arrays.

`forward[node]` is what a node was rewritten to: 0 while unknown, the node itself when it is normal, and the local node,
negated, while the continuation of its rewrite waits for that. It is also the memo, for it outlives the term: a rewrite
that a step limit interrupts is not done twice. A loop that runs out of rows returns with its state, and goes on from
there once the host has made room.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from prism.vm.ledger.table import NO_ROOM, intern_one, pack_one, unpack_one
from prism.vm.rewrite.cases import CONTINUATION, LOCAL, REF_CONTINUATION, REF_LOCAL, RESULT
from prism.vm.term.graph import TermGraph

NO_FRAME: Final = -2
OUT_OF_STEPS: Final = -3
"""Beside NO_ROOM, why a loop returns before its work is done; a good answer is never negative."""

COUNT, STEPS, REUSED, DEPTH, ROW, ROOT, BUDGET, ID_BITS = range(8)
"""Places in the int64 vector `state`: nodes in use; rule applications and repeated interns of the root at hand; nodes
that wait; the next row to load; the root at hand; the most rule applications for a root; bits of an id in a key."""
STATE_SIZE: Final = 8

# Nothing decorated so allocates. With its run time on, Numba counts references to every array at every call,
# atomically, and that takes half of the time.
_loop = njit(cache=True, _nrt=False)  # pyright: ignore[reportCallIssue]  # the stub lacks the option


class Store(NamedTuple):
    """What the loops work on, beside their `state`.

    keys, slots: the keys and the index of a `prism.vm.ledger.table.Table`. forward: int32[len(keys)]. commutes: by op
    code. cases, rewrites: see `prism.vm.rewrite.cases.CaseTable`. waiting: int32[room], nodes that wait for
    the one after them.
    """

    keys: NDArray[np.uint64]
    slots: NDArray[np.uint32]
    forward: NDArray[np.int32]
    commutes: NDArray[np.bool_]
    cases: NDArray[np.uint8]
    rewrites: NDArray[np.int32]
    waiting: NDArray[np.int32]


class Work(NamedTuple):
    """A term graph and what is known of it: the node of each row loaded, and for each root what its run cost.

    op, a, b, roots: see `prism.vm.term.graph.TermGraph`. loaded: int32[n]. normal: int32[k], 0 where there is no normal
    form. out_of_steps: bool[k]. steps, nodes, reused: int64[k].
    """

    op: NDArray[np.uint8]
    a: NDArray[np.int32]
    b: NDArray[np.int32]
    roots: NDArray[np.int32]
    loaded: NDArray[np.int32]
    normal: NDArray[np.int32]
    out_of_steps: NDArray[np.bool_]
    steps: NDArray[np.int64]
    nodes: NDArray[np.int64]
    reused: NDArray[np.int64]


def work_of(terms: TermGraph) -> Work:
    """Return the work of bringing the roots of a graph to normal form, none of it done."""
    loaded = np.zeros(len(terms), np.int32)
    loaded[1] = 1
    roots = len(terms.roots)
    counts = (np.zeros(roots, np.int64) for _ in range(3))
    normal, out_of_steps = np.zeros(roots, np.int32), np.zeros(roots, np.bool_)
    return Work(terms.op, terms.a, terms.b, terms.roots, loaded, normal, out_of_steps, *counts)


@_loop
def _intern(store, state, key):
    """Return the id of a key, entering it if it is new; NO_ROOM, nothing changed, if there is no row for it."""
    count = state[COUNT]
    node = intern_one(store.keys, store.slots, count, key)
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
def _forward_to(forward, node, target):
    """Forward a node to what interning answered; pass NO_ROOM on."""
    if target < 0:
        return target
    forward[node] = target
    return np.int64(0)


@_loop
def _built(store, state, case, at, refs):
    """Return the key of the node that a rewrite builds at the place `at`."""
    op, a, b = store.rewrites[case, at], store.rewrites[case, at + 1], store.rewrites[case, at + 2]
    return pack_one(op, refs[a], refs[b], state[ID_BITS], store.commutes)


@_loop
def _rewrite(store, state, node, case, refs):
    """Rewrite a node by a case whose operands are known, as far as its local node; answers as `_advance`."""
    if state[STEPS] == state[BUDGET]:
        return np.int64(OUT_OF_STEPS)
    if store.rewrites[case, LOCAL] == 0:
        state[STEPS] += 1
        return _forward_to(store.forward, node, refs[store.rewrites[case, RESULT]])
    local = _intern(store, state, _built(store, state, case, LOCAL, refs))
    if local < 0:
        return local
    state[STEPS] += 1
    store.forward[node] = -local
    return np.int64(0)


@_loop
def _continue(store, state, node, case, refs):
    """Build the continuation of a rewrite over the normal form of its local node; answers as `_advance`.

    So no node is built over a redex.
    """
    local = -np.int64(store.forward[node])
    refs[REF_LOCAL] = _normal_form(store.forward, local)
    if refs[REF_LOCAL] == 0:
        return local
    if store.rewrites[case, CONTINUATION] == 0:
        return _forward_to(store.forward, node, refs[store.rewrites[case, RESULT]])
    key = _built(store, state, case, CONTINUATION, refs)
    return _forward_to(store.forward, node, _intern(store, state, key))


@_loop
def _advance(store, state, node, refs):
    """Take one step on a node without a normal form: the rule order of `prism.vm.engines.baseline` [REWRITE-3].

    Returns 0 when it took one, the node (positive) that must be normal first, NO_ROOM or OUT_OF_STEPS.
    """
    target, id_bits = np.int64(store.forward[node]), state[ID_BITS]
    if target > 0:
        normal = _normal_form(store.forward, target)
        return _forward_to(store.forward, node, normal) if normal else target
    op, a, b = unpack_one(store.keys[node], id_bits)
    head_a, refs[4], refs[5] = unpack_one(store.keys[a], id_bits)
    head_b, refs[6], refs[7] = unpack_one(store.keys[b], id_bits)
    refs[2], refs[3] = a, b
    case = store.cases[op, head_a, head_b]
    if target < 0:
        return _continue(store, state, node, case, refs)
    if case == 0 or store.rewrites[case, LOCAL]:
        normal_a, normal_b = _normal_form(store.forward, a), _normal_form(store.forward, b)
        if a and not normal_a:
            return a
        if b and not normal_b:
            return b
        if normal_a != a or normal_b != b:
            key = pack_one(op, normal_a, normal_b, id_bits, store.commutes)
            return _forward_to(store.forward, node, _intern(store, state, key))
        if case == 0:
            return _forward_to(store.forward, node, node)
    return _rewrite(store, state, node, case, refs)


@_loop
def _evaluate(store, state, refs):
    """Bring the node that waits longest to normal form. Returns 0, NO_ROOM, NO_FRAME or OUT_OF_STEPS."""
    while state[DEPTH]:
        depth = state[DEPTH]
        node = np.int64(store.waiting[depth - 1])
        if _normal_form(store.forward, node):
            state[DEPTH] = depth - 1
            continue
        if depth == len(store.waiting):
            return np.int64(NO_FRAME)
        answer = _advance(store, state, node, refs)
        if answer < 0:
            return answer
        if answer:
            store.waiting[depth] = answer
            state[DEPTH] = depth + 1
    return np.int64(0)


@_loop
def _load(store, work, state, last):
    """Give rows up to `last` their nodes. Returns 0, or NO_ROOM with the rows before it loaded."""
    loaded = work.loaded
    for row in range(state[ROW], last + 1):
        key = pack_one(work.op[row], loaded[work.a[row]], loaded[work.b[row]], state[ID_BITS], store.commutes)
        node = _intern(store, state, key)
        if node < 0:
            return node
        loaded[row] = node
        state[ROW] = row + 1
    return np.int64(0)


@njit(cache=True)
def run(store, work, state):
    """Load and evaluate the roots from `state[ROOT]` on. Returns 0 when all are done, else NO_ROOM or NO_FRAME."""
    refs = np.zeros(REF_CONTINUATION + 1, np.int64)
    refs[1] = 1
    for root in range(state[ROOT], len(work.roots)):
        state[ROOT] = root
        before = state[COUNT]
        answer = _load(store, work, state, work.roots[root])
        if answer == 0:
            if state[DEPTH] == 0:
                store.waiting[0] = work.loaded[work.roots[root]]
                state[DEPTH] = 1
            answer = _evaluate(store, state, refs)
        work.steps[root], work.reused[root] = state[STEPS], state[REUSED]
        work.nodes[root] += state[COUNT] - before
        if answer in (NO_ROOM, NO_FRAME):
            return answer
        work.out_of_steps[root] = answer == OUT_OF_STEPS
        if answer == 0:
            work.normal[root] = store.forward[work.loaded[work.roots[root]]]
        state[STEPS] = state[REUSED] = state[DEPTH] = 0
    return np.int64(0)


@njit(cache=True)
def reach(keys, count, id_bits, roots):
    """Return the nodes under `roots`, with NULL and ZERO, in no order: int32[m]. Cost: linear in m and in k roots."""
    seen = np.zeros(count, np.bool_)
    found = np.empty(len(roots) + 1024, np.int32)
    size = 0
    for node in (0, 1):
        seen[node], found[size] = True, node
        size += 1
    for node in roots:
        if not seen[node]:
            seen[node], found[size] = True, node
            size += 1
    at = 0
    while at < size:
        if size + 2 > len(found):
            found = np.concatenate((found, np.empty_like(found)))
        _, a, b = unpack_one(keys[found[at]], id_bits)
        for node in (a, b):
            if not seen[node]:
                seen[node], found[size] = True, node
                size += 1
        at += 1
    return found[:size]


@njit(cache=True)
def renumber(keys, count, id_bits, nodes, roots):
    """Return `(op, a, b, roots)` of a term graph whose row `i` is `nodes[i]`; nodes ascend and are closed."""
    row_of = np.empty(count, np.int32)
    for row in range(len(nodes)):
        row_of[nodes[row]] = row
    op = np.empty(len(nodes), np.uint8)
    a, b = np.empty(len(nodes), np.int32), np.empty(len(nodes), np.int32)
    for row in range(len(nodes)):
        op[row], node_a, node_b = unpack_one(keys[nodes[row]], id_bits)
        a[row], b[row] = row_of[node_a], row_of[node_b]
    return op, a, b, row_of[roots]
