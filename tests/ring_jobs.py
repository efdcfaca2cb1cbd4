"""Jobs for rings in tests: mixed batches for hypothesis, and the words of a ring that an order cannot change."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import strategies as st

from prism.ring import layout as at
from prism.ring.layout import Opcode
from prism.ring.memory import AT_RUN_ALONE, AT_RUN_CONTENDED, Block, Shape, fresh_block
from prism.ring.packed import pack
from prism.ring.state import RingSpec, RingState

SPEC = RingSpec(slots=24, tenants=3, observables=1 + 16 * 3, log_records=3)


def fresh(spec: RingSpec = SPEC, *, singly: bool = True) -> Block:
    """Return a block for one worker, which takes jobs one by one if `singly`, so that its order is the model's."""
    block = fresh_block(Shape(spec, 1))
    if singly:
        block.words[AT_RUN_ALONE] = block.words[AT_RUN_CONTENDED] = 1
    return block


def words(tenant: int) -> st.SearchStrategy[int]:
    """Control words: mostly of the tenant's own window, some beside it, some far out."""
    start = at.OBSERVABLES + 1 + 16 * tenant
    return st.one_of(st.integers(start, start + 15), st.integers(start, start + 15), st.integers(0, 220), FAR)


FAR = st.sampled_from([0xFFFF_FFFF, 0x8000_0000, 1 << 20])


@st.composite
def jobs(draw: st.DrawFn, tenant: int) -> tuple[int, list[int]]:
    """One job of a tenant: an opcode and arguments that mostly make sense."""
    word = words(tenant)
    relative = word.map(lambda value: (value - at.OBSERVABLES) & 0xFFFF_FFFF)
    small = st.integers(0, 5)
    args = {
        Opcode.NOP: st.tuples(),
        Opcode.STORE_U32: st.tuples(st.integers(0, 9), word),
        Opcode.ATOMIC_ADD: st.tuples(st.integers(0, 0xFFFF_FFFF), word),
        Opcode.LOAD_U32: st.tuples(word, relative),
        Opcode.COMPARE_SWAP: st.tuples(word, small, small, relative),
        Opcode.MEMCPY: st.tuples(word, word, st.one_of(small, FAR)),
        Opcode.DFA_STEP: st.tuples(word, word, small, small),
        Opcode.PRINTF: st.tuples(small, small, small),
        Opcode.PACKED_SLOT: packed(tenant),
        77: st.tuples(small),
    }
    opcode = draw(st.sampled_from(sorted(args)))
    return int(opcode), list(draw(args[opcode]))


def packed(tenant: int) -> st.SearchStrategy[Any]:
    """Arguments of packed slots: sound ones, and any words at all."""
    word = words(tenant)
    inner = st.lists(st.sampled_from([(0, ()), (2, (1, 0)), (1, (7, 0)), (9, ())]), max_size=4)
    sound = st.tuples(inner, word).map(
        lambda pair: [(op, args[:1] + (pair[1],) * (len(args) > 1)) for op, args in pair[0]]
    )
    return st.one_of(sound.map(_fitting), st.lists(st.integers(0, 0x2FF), min_size=12, max_size=12))


def _fitting(operations: list[tuple[int, Any]]) -> list[int]:
    return [int(value) for value in pack(operations[:3])]


@st.composite
def submissions(draw: st.DrawFn) -> list[tuple[int, int, list[tuple[int, list[int]]]]]:
    """Batches (tenant, level, jobs) that fit the ring of `SPEC`, at most one a tenant and level."""
    batches = []
    for tenant in range(SPEC.tenants):
        room = 8
        for level in draw(st.permutations(range(at.LEVELS)))[:2]:
            batch = draw(st.lists(jobs(tenant), max_size=min(room, 4)))
            room -= len(batch)
            if batch:
                batches.append((tenant, level, batch))
    return draw(st.permutations(batches))


def rows(batch: list[tuple[int, list[int]]]) -> tuple[Any, Any]:
    """Return jobs as columns: opcodes (n,), arguments (n, 12)."""
    table = np.zeros((len(batch), at.ARGS_PER_SLOT), np.uint32)
    for row, (_, args) in zip(table, batch, strict=True):
        row[: len(args)] = args
    return np.array([opcode for opcode, _ in batch], np.uint32), table


_REASON = at.BOOKS_SLOT.at("REASON")
ACCOUNTS = [
    at.BOOKS_TENANT.at(name) for name in ("CLAIMED", "DONE", "FAULTED", "HELD", "FENCES", "FENCE_TAG", "LOG_DROPS")
]


def seen(state: RingState) -> dict[str, Any]:
    """Return what a ring shows of its jobs: control, slots, log, reasons, accounts of tenants."""
    return {
        "control": state.control.tolist(),
        "slots": state.slots.tolist(),
        "log": state.log.tolist(),
        "reasons": state.entries[:, _REASON : _REASON + 2].tolist(),
        "accounts": state.tenants[:, ACCOUNTS].tolist(),
    }
