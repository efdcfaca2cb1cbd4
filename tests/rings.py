"""Rings for tests: small states with jobs of every kind, near every bound."""

from __future__ import annotations

from hypothesis import strategies as st

from prism.kernels.isa.build import Builder
from prism.kernels.isa.program import Access, Program, RegisterIndirectComputed
from prism.kernels.isa.types import U32, U64
from prism.ring import layout as at
from prism.ring.host import submit
from prism.ring.layout import Opcode, Priority
from prism.ring.publish import Place
from prism.ring.state import RingSpec, RingState, empty

SPEC = RingSpec(slots=8, tenants=4, observables=1 + 4 * 8, log_records=2)
"""Eight slots; the window of tenant t is the 8 control words from 161 + 8 t."""


def window(tenant: int) -> range:
    """Return the words of a tenant of SPEC."""
    found = SPEC.windows[tenant]
    return range(found.start, found.start + found.words)


def ring_with(*jobs: tuple[int, int, tuple[int, ...]], spec: RingSpec = SPEC) -> RingState:
    """Return a ring with jobs (tenant, opcode, args) in slots 0, 1, ...."""
    state = empty(spec)
    for slot, (tenant, opcode, args) in enumerate(jobs):
        state, _ = submit(state, Place(slot, tenant), [(opcode, args)])
    return state


def by_scalar(op: str) -> Program:
    """Return a program that brings x[0] and a scalar together by an instruction, and writes that to y[0]."""
    build = Builder(f"{op}_by")
    x, y = build.buffer("x", U32, Access.READ), build.buffer("y", U32, Access.READWRITE)
    build.scalar("by", U32, 20)
    for register, handle in ((1, x), (2, y)):
        build.emit("mov_imm", U64, register, handle)
    build.emit("mov_imm", U64, 3, 0)
    build.emit("ldg", U32, 10, RegisterIndirectComputed(1, 3))
    build.emit(op, U32, 11, 10, 20)
    build.emit("stg", U32, RegisterIndirectComputed(2, 3), 11)
    build.emit("exit")
    return build.program()


words = st.one_of(
    st.integers(0, 200),
    st.sampled_from([0, 1, 160, 161, 168, 169, 192, 193, at.WORD_MASK]),
    st.integers(0, at.WORD_MASK),
)
"""Arguments: addresses in and around windows, counts, and extremes."""
_ENDS = [word for window in SPEC.windows for word in (window.start - 1, window.start + window.words)]
addresses = st.one_of(st.integers(155, 200), st.sampled_from(_ENDS))
"""Addresses around the windows, their ends more often than others."""
jobs = st.one_of(
    st.tuples(st.sampled_from([Opcode.STORE_U32, Opcode.ATOMIC_ADD]), st.tuples(words, addresses)),
    st.tuples(st.just(Opcode.LOAD_U32), st.tuples(addresses, st.integers(0, 40))),
    st.tuples(st.just(Opcode.COMPARE_SWAP), st.tuples(addresses, words, words, st.integers(0, 40))),
    st.tuples(st.just(Opcode.MEMCPY), st.tuples(addresses, addresses, st.integers(0, 9))),
    st.tuples(st.just(Opcode.DFA_STEP), st.tuples(addresses, addresses, st.integers(0, 3), st.integers(0, 3))),
    st.tuples(st.sampled_from([Opcode.NOP, Opcode.PRINTF, 300]), st.tuples(words, words)),
    st.tuples(st.just(Opcode.PACKED_SLOT), st.lists(words, max_size=12).map(tuple)),
)
"""Jobs of every opcode but the fence and SHUTDOWN."""
tenants = st.integers(0, SPEC.tenants - 1)
priorities = st.sampled_from(Priority)
