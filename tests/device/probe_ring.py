"""What one job through mapped memory costs on this GPU, part by part; `python -m tests.device.probe_ring` prints it.

First the floor: a kernel of one thread that answers a word with a word, with and without what the ring's kernel does on
its way. Then the ring's own halves, by blocks of the grid. No pass or fail: figures to choose by.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np
from numba import njit

from prism.ring.exec import cpu_atomics as atomics
from prism.ring.exec import cpu_feed, publisher
from prism.ring.exec.cuda import CudaExecutor, open_cuda
from prism.ring.runtime import Runtime

ROUNDS = 4000


def say(text: str) -> None:
    """Print a line at once."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


@njit(nogil=True)
def ask(bell: Any, mark: Any, rounds: Any) -> None:
    """Ring, and wait for the answer, so often. bell, mark: mapped, uint64 and uint32."""
    for turn in range(1, rounds + 1):
        atomics.store(bell, 0, np.uint64(turn))
        while atomics.load(mark, 0) != np.uint32(turn):
            pass


def echo_kernel(cuda: Any, fence: bool, slot: bool) -> Any:
    """Return a kernel of one thread that answers, after a fence and a dependent read of the host's memory if asked."""

    @cuda.jit
    def echo(bell: Any, mark: Any, rounds: Any) -> None:
        spins, seen = np.int64(0), np.uint64(0)
        while seen < np.uint64(rounds) and spins < 1 << 26:
            spins += 1
            told = cuda.ldcv(bell, spins >> np.int64(40))
            if told != seen:
                seen = told
                if slot:
                    told = cuda.ldcv(bell, np.int64(32) + np.int64(told & np.uint64(7)))
                if fence:
                    cuda.threadfence_system()
                mark[0] = np.uint32(seen + (told if slot else np.uint64(0)))

    return echo


def floor(cuda: Any) -> None:
    """Print microseconds of one exchange."""
    for fence in (False, True):
        for slot in (False, True):
            bell, mark = cuda.mapped_array(64, dtype=np.uint64), cuda.mapped_array(1, dtype=np.uint32)
            host_bell, host_mark = np.asarray(bell), np.asarray(mark)
            host_bell[:], host_mark[:] = 0, 0
            ask(np.zeros(1, np.uint64), np.ones(1, np.uint32), 1)
            echo_kernel(cuda, fence, slot)[1, 1](bell, mark, ROUNDS)
            start = time.perf_counter()
            ask(host_bell, host_mark, ROUNDS)
            spent = time.perf_counter() - start
            cuda.synchronize()
            say(f"exchange, fence {fence!s:5}, dependent read {slot!s:5}: {spent / ROUNDS * 1e6:6.2f} us")


def median(work: Callable[[], Any], times: int = 2000) -> float:
    """Return the median microseconds of a call."""
    spent = []
    for _ in range(times):
        start = time.perf_counter()
        work()
        spent.append(time.perf_counter() - start)
    return float(np.median(spent) * 1e6)


def native(runtime: Runtime, size: int) -> tuple[float, float]:
    """Return median microseconds of publication and from doorbell to done, by compiled calls alone."""
    tenant, block = runtime.tenant(0), runtime.block
    line, looks = runtime.executor.line, 1 << 24  # pyright: ignore
    columns = (np.zeros(1, np.uint32), np.full(1, 2, np.uint32), np.zeros((1, 0), np.uint32))
    chosen, spent = np.empty(size, np.int64), []
    for _ in range(1000):
        start = time.perf_counter()
        first = publisher.publish_line(block.words, block.longs, (tenant.number, 0), columns, chosen, line)
        bell = time.perf_counter()
        left = cpu_feed.wait_marks(block.words, block.longs, line[1], chosen, first, looks)
        assert not left
        spent.append((bell - start, time.perf_counter() - bell))
    half = np.median(spent, axis=0) * 1e6
    return float(half[0]), float(half[1])


def ring(blocks: int) -> None:
    """Print the halves of jobs through a grid of so many blocks."""
    with Runtime(1 << 17, executor=CudaExecutor(blocks)) as runtime:
        tenant = runtime.tenant(0)
        tenant.submit(0).result(60)
        job = tenant.submit(0)
        job.wait(10)
        say(f"{blocks} blocks: wait for what is over {median(job.wait):.2f} us; one job and wait "
              f"{median(lambda: tenant.submit(0).wait(10)):.2f} us")  # fmt: skip
        for size in (1, 32, 256, 1024, 4096, 16384):
            publish, done = native(runtime, size)
            columns = np.empty((size, 0))
            whole = median(lambda columns=columns: tenant.submit_batch(0, columns).wait(10), 300)
            native_half = f"publish {publish:7.2f} us, doorbell to done {done:7.2f} us ({size / done:6.1f} M/s)"
            by_python = f"Python's submit and wait {whole:7.2f} us ({size / whole:5.1f} M/s)"
            say(f"{blocks} blocks, {size:5} jobs: {native_half}, {by_python}")


def main() -> None:
    """Print everything."""
    floor(open_cuda())
    for blocks in (1, 4, 8, 16, 32, 64):
        ring(blocks)


if __name__ == "__main__":
    main()
