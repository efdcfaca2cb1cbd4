"""A state machine over running executors, whose order is not fixed: what each job answers is what some order answers.

Jobs add 1 to words of their own, so a window says how often each ran, and compare-and-swap one register, whose answers
must be those of some order (Wing and Gong). Workers are killed where the executor has any.
"""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from prism.ring import layout as at
from prism.ring.errors import QueueFullError
from prism.ring.jobs import Batch
from prism.ring.layout import Opcode, Reason, SlotStatus
from prism.ring.memory import RUNNING, WORKER_KILL, WORKER_STATE
from prism.ring.program import Order, Program
from prism.ring.runtime import Executor, Runtime
from prism.ring.state import RingSpec

TENANTS, WORDS = 3, 24
REGISTER, ANSWERS = WORDS, WORDS + 1
SPEC = RingSpec(slots=3 * 16, tenants=TENANTS, observables=1 + TENANTS * (WORDS + 1 + 6))
NEAR_WRAP = (1 << 32) - 20
PATIENCE_S = 30.0
SMALL = st.integers(0, 2)


class Live(RuleBasedStateMachine):
    """Acts on a runtime, and what they must come to."""

    program: ClassVar[Program] = Program(order=Order.PRIORITY)
    handled: ClassVar[bool] = False
    """Whether the program has the handlers 64 and 65, which yield and are requeued before they add 7 to word 0."""

    def executor(self) -> Executor:
        """Return the executor."""
        raise NotImplementedError

    @initialize()
    def begin(self) -> None:
        """Open a ring whose counters begin shortly before 2^32."""
        self.runtime = Runtime(SPEC, executor=self.prepared(), program=self.program)
        self.least = np.zeros((TENANTS, WORDS), np.int64)
        self.most = self.least.copy()
        self.open: list[tuple[int, Batch, list[int], set[Reason]]] = []
        self.barred: set[int] = set()
        self.ended = self.cancelled = 0
        self.began = int(self.runtime.state.control[at.DONE_COUNT])
        self.lost = False

    def prepared(self) -> Executor:
        """Return the executor, which puts the counters near their wrap before anything runs."""
        executor = self.executor()
        start = executor.start

        def from_near_wrap(block: Any, program: Any) -> None:
            block.state.control[[at.DONE_COUNT, at.METRICS_BASE + 2]] = NEAR_WRAP
            block.state.head[[at.BOOKS_HEAD.at(name) for name in ("CLAIMS", "NEXT_TICKET_LO")]] = NEAR_WRAP
            start(block, program)

        executor.start = from_near_wrap
        return executor

    def submit(self, tenant: int, opcode: int, rows: Any, words: list[int], ends: set[Reason], **options: Any) -> None:
        """Submit, unless there is no room now."""
        try:
            batch = self.runtime.tenant(tenant).submit_batch(opcode, rows, timeout=0, **options)
        except QueueFullError:
            flying = sum(batch.poll() for other, batch, _, _ in self.open if other == tenant)
            assert flying + len(rows) > min(16, int(self.runtime.state.control[at.TENANT_QUOTAS + tenant])) or self.open
            return
        self.open.append((tenant, batch, words, ends))

    @rule(tenant=st.integers(0, 2), words=st.lists(st.integers(1, WORDS - 1), min_size=1, max_size=16, unique=True),
          level=st.integers(0, 4))  # fmt: skip
    def add(self, tenant: int, words: list[int], level: int) -> None:
        """Add 1 to each of some words."""
        start = self.runtime.tenant(tenant).window_start
        self.submit(tenant, Opcode.ATOMIC_ADD, [[1, start + word] for word in words], words, {Reason.NONE},
                    priority=level)  # fmt: skip

    @rule(tenant=st.integers(0, 2), count=st.integers(1, 4), known=st.booleans())
    def err(self, tenant: int, count: int, known: bool) -> None:
        """Write outside the window, or ask for what nobody answers for."""
        word, ends = at.EPOCH, {Reason.ADDRESS if known else Reason.OPCODE}
        self.submit(tenant, Opcode.ATOMIC_ADD if known else 99, [[1, word]] * count, [], ends)

    @rule(tenant=st.integers(0, 2), count=st.integers(1, 5), tag=st.integers(1, 1 << 31))
    def fence(self, tenant: int, count: int, tag: int) -> None:
        """Add to word 0 side by side, and a fence."""
        handle = self.runtime.tenant(tenant)
        try:
            batch = handle.submit_fenced(Opcode.ATOMIC_ADD, [[1, handle.window_start]] * count, tag=tag, timeout=0)
        except QueueFullError:
            return
        self.open.append((tenant, batch, [0] * count, {Reason.NONE}))

    @precondition(lambda self: self.handled)
    @rule(
        tenant=st.integers(0, 2), turns=st.lists(st.integers(0, 3), min_size=1, max_size=4), opcode=st.integers(64, 65)
    )
    def put_back(self, tenant: int, turns: list[int], opcode: int) -> None:
        """Yield, or be requeued, some times, and then add 7 to word 0."""
        self.submit(tenant, opcode, [[turn] for turn in turns], [0] * 7 * len(turns), {Reason.NONE})

    @precondition(lambda self: self.open)
    @rule(data=st.data())
    def cancel(self, data: st.DataObject) -> None:
        """Cancel what of a batch has not begun."""
        tenant, batch, words, ends = data.draw(st.sampled_from(self.open))
        if words[:1] == [0]:  # A handler's job may be cancelled as well, but its word is counted by sevens.
            return
        batch.cancel()
        self.open[[entry[1] for entry in self.open].index(batch)] = (tenant, batch, words, ends | {Reason.CANCELLED})

    @rule(tenant=st.integers(0, 2))
    def bar(self, tenant: int) -> None:
        """Bar a tenant."""
        self.barred.add(tenant)
        self.runtime.state.control[at.TENANT_MASKS + tenant] = 0

    @rule(tenant=st.integers(0, 2), quota=st.sampled_from([2, 5, 1000]))
    def limit(self, tenant: int, quota: int) -> None:
        """Change a quota."""
        self.runtime.state.control[at.TENANT_QUOTAS + tenant] = quota

    def kill(self, worker: int, point: int) -> None:
        """Let a worker vanish at a point, where there are workers."""
        rows = self.runtime.block.workers
        if len(rows) and int(rows[worker % len(rows), WORKER_STATE]) >= RUNNING:
            self.lost = True
            rows[worker % len(rows), WORKER_KILL] = point

    @rule(worker=st.integers(0, 1), point=st.integers(1, 4))
    def lose(self, worker: int, point: int) -> None:
        """Lose a worker."""
        self.kill(worker, point)

    @rule(
        tenant=st.integers(0, 2),
        pairs=st.lists(st.tuples(SMALL, SMALL), min_size=1, max_size=6),
    )
    def swap(self, tenant: int, pairs: list[tuple[int, int]]) -> None:
        """Compare-and-swap a register from several jobs at once: their answers are those of some order."""
        self.settle()
        handle = self.runtime.tenant(tenant)
        register, first = handle.window_start + REGISTER, handle.window_start + ANSWERS - at.OBSERVABLES
        before = int(handle.window[REGISTER])
        rows = np.array([[register, old, new, first + k] for k, (old, new) in enumerate(pairs)])
        self.runtime.state.control[at.TENANT_QUOTAS + tenant] = 1000
        batch = handle.submit_batch(Opcode.COMPARE_SWAP, rows, timeout=PATIENCE_S)
        outcomes = batch.outcomes(PATIENCE_S)
        self.ended += len(pairs)
        window = handle.window
        if any(ended.reason is Reason.WORKER_LOST for ended in outcomes):
            assert self.lost
            return
        answers = [int(window[ANSWERS + k]) for k in range(len(pairs))]
        jobs = list(zip(pairs, answers, strict=True))
        assert has_order(frozenset(range(len(pairs))), before, int(window[REGISTER]), jobs, set())

    @rule()
    def settle(self) -> None:
        """Let everybody run, wait, and compare: every job ended as it must, and words say how often each ran."""
        for tenant in self.barred:
            self.runtime.state.control[at.TENANT_MASKS + tenant] = at.ALLOWED
        self.barred.clear()
        for tenant, batch, words, ends in self.open:
            outcomes = batch.outcomes(PATIENCE_S)
            self.ended += len(outcomes)
            step = len(words) // len(outcomes[: len(words)]) if words and len(words) > len(outcomes) else 1
            for k, ended in enumerate(outcomes):
                allowed = ends | ({Reason.WORKER_LOST} if self.lost else set())
                assert ended.reason in allowed
                assert (ended.status is SlotStatus.DONE) == (ended.reason is Reason.NONE)
                for word in words[k * step : (k + 1) * step]:
                    self.least[tenant, word] += ended.reason is Reason.NONE
                    self.most[tenant, word] += ended.reason in (Reason.NONE, Reason.WORKER_LOST)
        self.open.clear()
        for tenant in range(TENANTS):
            window = self.runtime.tenant(tenant).window[:WORDS].astype(np.int64)
            assert np.all(self.least[tenant] <= window)
            assert np.all(window <= self.most[tenant])
        if not self.lost:
            self.runtime.executor.pump()
            counted = (int(self.runtime.state.control[at.DONE_COUNT]) - self.began) & at.WORD_MASK
            assert counted == self.ended

    def teardown(self) -> None:
        """Nothing is left when the ring closes."""
        if hasattr(self, "runtime"):
            self.settle()
            assert self.runtime.close() == 0


def has_order(left: frozenset[int], value: int, last: int, jobs: list[Any], seen: set[Any]) -> bool:
    """Whether the jobs left can be put in an order from a word's value to its last one (Wing and Gong's search)."""
    if not left:
        return value == last
    if (left, value) in seen:
        return False
    seen.add((left, value))
    for job in left:
        (old, new), answer = jobs[job]
        if answer == value and has_order(left - {job}, new if value == old else value, last, jobs, seen):
            return True
    return False
