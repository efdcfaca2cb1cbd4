"""`prism bench ring`: tiny jobs through the ring's executors, beside what one would use without it."""

from __future__ import annotations

import asyncio
import multiprocessing
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any, Final, Protocol

import numpy as np

from prism.bench.harness import Row, Tick
from prism.errors import PrismError
from prism.kernels.exec.table import open_executor
from prism.kernels.isa.build import Builder
from prism.kernels.isa.program import Access, RegisterIndirectComputed
from prism.kernels.isa.types import U32, U64
from prism.kernels.isa.verify import verify
from prism.ring.exec.cpu import CpuExecutor
from prism.ring.handlers import isa_handler
from prism.ring.layout import DONE_COUNT, WORD_MASK
from prism.ring.program import Handler, Order, Program, Span
from prism.ring.runtime import Executor, Runtime

SLOTS: Final = 1 << 17
_AT_LEAST_S: Final = 0.15
_SINGLE, _HALVES = 2000, 400
_RUN_S: Final = 20.0


class Way(Protocol):
    """A way to have trivial jobs done; `most` is how many of them it does in a reasonable time."""

    most: int

    def run(self, jobs: int) -> None:
        """Have so many jobs done, and return when they are."""
        ...

    def close(self) -> None:
        """Let go of what it holds."""
        ...


class ThroughRing:
    """NOPs through a ring, dealt out to its tenants; the counter of ended jobs is checked."""

    def __init__(self, executor: Executor, tenants: int, program: Program, most: int = SLOTS // 2) -> None:
        self.runtime = Runtime(SLOTS, tenants, executor, program)
        self.most = most

    def run(self, jobs: int) -> None:
        """Submit one job, or a batch for each tenant, and wait for all."""
        tenants = self.runtime.tenants
        if jobs == 1:
            tenants[0].submit(0).wait(_RUN_S)
            return
        share, rest = divmod(jobs, len(tenants))
        parts = [share + (number < rest) for number in range(len(tenants))]
        batches = [
            tenant.submit_batch(0, np.empty((count, 0))) for tenant, count in zip(tenants, parts, strict=True) if count
        ]
        if not all(batch.wait(_RUN_S) for batch in batches):
            raise PrismError(f"{jobs} trivial jobs must end within {_RUN_S} s, but some did not; the executor is stuck")

    def ended(self) -> int:
        """Return how many jobs have ended so far, modulo 2**32."""
        self.runtime.executor.pump()
        return int(self.runtime.state.control[DONE_COUNT])

    def close(self) -> None:
        """Close the ring."""
        self.runtime.close()


def _nothing() -> int:
    return 0


class Threads:
    """ThreadPoolExecutor, a future a job."""

    most = 8192

    def __init__(self) -> None:
        self._pool = ThreadPoolExecutor(1)

    def run(self, jobs: int) -> None:
        """Submit so many calls and wait for all."""
        for future in [self._pool.submit(_nothing) for _ in range(jobs)]:
            future.result()

    def close(self) -> None:
        """End the threads."""
        self._pool.shutdown()


class Loop:
    """asyncio, a task a job."""

    most = 8192

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()

    def run(self, jobs: int) -> None:
        """Run so many coroutines as tasks."""

        async def nothing() -> int:
            return 0

        async def all_of_them() -> None:
            await asyncio.gather(*(nothing() for _ in range(jobs)))

        self._loop.run_until_complete(all_of_them())

    def close(self) -> None:
        """Close the loop."""
        self._loop.close()


def _echo(jobs: Any, answers: Any) -> None:
    for job in iter(jobs.get, None):
        answers.put(job)


class Queue:
    """A process fed by a multiprocessing queue, an answer a job."""

    most = 4096

    def __init__(self) -> None:
        context = multiprocessing.get_context("spawn")
        self._jobs, self._answers = context.Queue(), context.Queue()
        self._process = context.Process(target=_echo, args=(self._jobs, self._answers), daemon=True)
        self._process.start()
        self.run(1)

    def run(self, jobs: int) -> None:
        """Put so many jobs and take as many answers."""
        for job in range(jobs):
            self._jobs.put(job)
        for _ in range(jobs):
            self._answers.get()

    def close(self) -> None:
        """End the process."""
        self._jobs.put(None)
        self._process.join(5)


class JitCalls:
    """One jax.jit call a job, each waited for."""

    most = 1024

    def __init__(self) -> None:
        import jax

        self._call = jax.jit(lambda x: x + 1)
        self._one = jax.numpy.zeros((), "uint32")
        self._call(self._one).block_until_ready()

    def run(self, jobs: int) -> None:
        """Call, and wait, so often."""
        for _ in range(jobs):
            self._call(self._one).block_until_ready()

    def close(self) -> None:
        """Hold nothing."""


class Kernels:
    """One launch of an empty Numba-CUDA kernel a job, each waited for."""

    most = 1024

    def __init__(self) -> None:
        from prism.ring.exec.cuda import open_cuda

        self._cuda = open_cuda()
        self._kernel = self._cuda.jit(_empty)
        self.run(1)

    def run(self, jobs: int) -> None:
        """Launch, and wait, so often."""
        for _ in range(jobs):
            self._kernel[1, 1]()
            self._cuda.synchronize()

    def close(self) -> None:
        """Hold nothing."""


def _empty() -> None:
    return


def _fused(args: Any, control: Any, start: Any, words: Any) -> int:  # noqa: ARG001 (a handler's signature)
    return 0


def _counting() -> Program:
    """Return a fused program of which each job adds 1 to its tenant's first word by an ISA program's machine code."""
    build = Builder("counting")
    for given in ((U64, 1, build.buffer("x", U32, Access.READWRITE)), (U64, 2, 0), (U32, 3, 1)):
        build.emit("mov_imm", *given)
    build.emit("ldg", U32, 4, RegisterIndirectComputed(1, 2))
    build.emit("add", U32, 5, 4, 3)
    build.emit("stg", U32, RegisterIndirectComputed(1, 2), 5)
    build.emit("exit")
    return replace(FUSED, payload=isa_handler(64, verify(build.program()), {"x": Span(0, 1)}, open_executor("cpu")))


def _device() -> Executor:
    from prism.ring.exec.device import DeviceExecutor

    return DeviceExecutor()


def _cuda(**options: Any) -> Executor:
    from prism.ring.exec.cuda import CudaExecutor

    return CudaExecutor(**options)


PRIORITY: Final = Program(order=Order.PRIORITY)
DIRECT: Final = Program(order=Order.DIRECT)
FUSED: Final = Program(order=Order.PRIORITY, payload=Handler(64, "nothing", apply=lambda *_: (), native=_fused))

RINGS: Final[dict[str, Callable[[int], Way]]] = {
    "ring cpu": lambda tenants: ThroughRing(CpuExecutor(), tenants, PRIORITY),
    "ring cpu, 2 workers": lambda tenants: ThroughRing(CpuExecutor(2), tenants, PRIORITY),
    "ring cpu, direct": lambda tenants: ThroughRing(CpuExecutor(), tenants, DIRECT),
    "ring cpu, fused": lambda tenants: ThroughRing(CpuExecutor(), tenants, FUSED),
    "ring cpu, ISA program": lambda tenants: ThroughRing(CpuExecutor(), tenants, _counting()),
    "ring device, direct": lambda tenants: ThroughRing(_device(), tenants, DIRECT),
    "ring cuda": lambda tenants: ThroughRing(_cuda(), tenants, PRIORITY),
    "ring cuda, 8 blocks": lambda tenants: ThroughRing(_cuda(blocks=8), tenants, PRIORITY),
}
PEERS: Final[dict[str, Callable[[], Way]]] = {
    "ThreadPoolExecutor": Threads,
    "asyncio": Loop,
    "multiprocessing queue": Queue,
    "jax.jit call a job": JitCalls,
    "kernel launch a job": Kernels,
}


def ring_bench(
    sizes: Sequence[int], tenants: Sequence[int], runs: int, only: Sequence[str] = (), *, tick: Tick = lambda _: None
) -> Iterator[Row]:
    """Yield rows: for each number of tenants and size jobs a second, then latency of one job, then cost of reading.

    Contenders run in turn; one that cannot take part is a row that says why. A peer that is too slow for a size does
    fewer jobs in it, and its time is that of the size at its rate.
    """
    for count in tenants:
        opened = {name: _opened(make, count) for name, make in RINGS.items() if not only or name in only}
        if count == tenants[0]:
            opened |= {
                name: _opened(lambda _, make=make: make(), 0)
                for name, make in PEERS.items()
                if not only or name in only
            }
        try:
            for size in sizes:
                tick(f"ring: {size} jobs, {count} tenants")
                yield from _throughput(opened, size, count, runs)
                if count == tenants[0]:
                    yield from _halves(opened, size)
            if count == tenants[0]:
                yield from _latency(opened, tick)
        finally:
            for way in opened.values():
                if not isinstance(way, str):
                    way.close()
    yield from _reading(runs)


def _opened(make: Callable[[int], Way], tenants: int) -> Way | str:
    try:
        way = make(tenants)
        way.run(1)
        way.run(min(way.most, 4096))
    except (PrismError, ImportError, RuntimeError) as error:
        return f"missing: {error}"
    return way


def _throughput(opened: dict[str, Way | str], size: int, tenants: int, runs: int) -> Iterator[Row]:
    case = f"{size} jobs, {tenants} tenants"
    seconds: dict[str, list[float]] = {name: [] for name, way in opened.items() if not isinstance(way, str)}
    for _ in range(runs):
        for name, found in seconds.items():
            way = opened[name]
            assert not isinstance(way, str)
            found.append(_timed(way, size))
    for name, way in opened.items():
        if isinstance(way, str):
            yield Row("ring", case, name, None, None, None, 0, None, way)
        else:
            found = seconds[name]
            median = statistics.median(found)
            yield Row("ring", case, name, median, min(found), max(found), runs, size / median, "jobs/s")


def _timed(way: Way, size: int) -> float:
    """Return the seconds of `size` jobs; the ring's own counter says that they were done."""
    jobs, calls = min(size, way.most), 0
    before = way.ended() if isinstance(way, ThroughRing) else 0
    start = time.perf_counter()
    while True:
        way.run(jobs)
        calls += 1
        elapsed = time.perf_counter() - start
        if elapsed >= _AT_LEAST_S:
            break
    if isinstance(way, ThroughRing):
        done = (way.ended() - before) & WORD_MASK
        if done != jobs * calls & WORD_MASK:
            raise PrismError(f"{jobs * calls} jobs were submitted and must be done, but the ring counts {done}")
    return elapsed / calls * size / jobs


def _halves(opened: dict[str, Way | str], size: int) -> Iterator[Row]:
    """Time the two halves of a batch: its publication, and from the doorbell until the host knows that all are done.

    The second clock starts when the call that rings the bell as its last act has returned.
    """
    for name, way in opened.items():
        if not isinstance(way, ThroughRing) or size > way.most:
            continue
        tenant, columns = way.runtime.tenants[0], np.empty((size, 0))
        spent = np.empty((_HALVES, 2))
        for one in spent:
            start = time.perf_counter()
            batch = tenant.submit(0) if size == 1 else tenant.submit_batch(0, columns)
            bell = time.perf_counter()
            batch.wait(_RUN_S)
            one[:] = bell - start, time.perf_counter() - bell
        for what, column in zip(("submit to doorbell", "doorbell to done"), spent[10:].T, strict=True):
            median = float(np.median(column))
            least, most = float(column.min()), float(column.max())
            yield Row("ring", f"{size} jobs, {what}", name, median, least, most, _HALVES, size / median, "jobs/s")


def _latency(opened: dict[str, Way | str], tick: Tick) -> Iterator[Row]:
    for name, way in opened.items():
        if isinstance(way, str):
            continue
        tick(f"ring: one job at a time, {name}")
        count = min(_SINGLE, way.most)
        spent = []
        for _ in range(count):
            start = time.perf_counter()
            way.run(1)
            spent.append(time.perf_counter() - start)
        half, most = (float(np.percentile(spent, share)) for share in (50, 99))
        yield Row("ring", "one job, submit to done, p50", name, half, min(spent), max(spent), count, 1 / half, "jobs/s")
        yield Row("ring", "one job, submit to done, p99", name, most, min(spent), max(spent), count, 1 / most, "jobs/s")


def _reading(runs: int) -> Iterator[Row]:
    """Time what it costs to encode a ring and to read a snapshot of it."""
    from prism.ring.codec import encode_ring
    from prism.ring.publish import Place, publish_columns
    from prism.ring.reading import TelemetryDecodeScratch
    from prism.ring.state import RingSpec, empty

    state, slots = empty(RingSpec(4096, 8)), 4096
    scratch = TelemetryDecodeScratch(slots)
    opcodes, args = np.zeros(slots, np.uint32), np.zeros((slots, 4), np.uint32)
    works: dict[str, Callable[[], Any]] = {
        "read a snapshot": lambda: scratch.decode(state.control, state.ring),
        "encode and publish": lambda: publish_columns(encode_ring(slots), Place(0, 0), opcodes, args),
    }
    for name, work in works.items():
        work()
        found = []
        for _ in range(max(runs, 5)):
            start = time.perf_counter()
            work()
            found.append(time.perf_counter() - start)
        median = statistics.median(found)
        yield Row(
            "ring",
            f"{slots} slots: {name}",
            "prism",
            median,
            min(found),
            max(found),
            len(found),
            slots / median,
            "slots/s",
        )
