"""An ingest reads real files into registered buffers, in bounds, and says what did not come."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from prism.ring import ioqueue
from prism.ring import layout as at
from prism.ring.build import interpreted, polling_io, prioritised, self_loading
from prism.ring.errors import LaunchError
from prism.ring.ingest import IngestFinding, IngestPath
from prism.ring.ingest_files import FileIngest
from prism.ring.ioqueue import Request
from prism.ring.layout import IoOp, IoStatus, Opcode, Reason, SlotStatus
from prism.ring.runtime import Runtime
from prism.ring.state import RingSpec
from prism.ring.transfers import IngestFault

pytestmark = [pytest.mark.m9, pytest.mark.clause("RINGRUN-11")]


@pytest.fixture
def file(tmp_path: Path) -> tuple[Path, bytes]:
    """Return a file of 100,000 bytes, and its bytes."""
    data = np.random.default_rng(5).bytes(100_000)
    (tmp_path / "data").write_bytes(data)
    return tmp_path / "data", data


def ended(queue: Any, slots: int) -> list[IoStatus]:
    """Wait for the first slots of a queue to end, and return how they did."""
    until = time.monotonic() + 20
    while np.any(queue[:slots, at.IO_STATUS] < IoStatus.OK):
        assert time.monotonic() < until, queue[:slots, at.IO_STATUS]
        time.sleep(0.001)
    return [IoStatus(int(status)) for status in queue[:slots, at.IO_STATUS]]


def queue_of(slots: int) -> Any:
    """Return an empty queue as rows."""
    return ioqueue.queue_of(ioqueue.encode_queue(slots))


def test_reads_land_in_registered_buffers(file: tuple[Path, bytes]) -> None:
    """Forty rounds of 8 reads at their offsets into 8 buffers: every byte, none bounced, at most 3 in flight."""
    path, data = file
    buffers = {handle: np.zeros(1000, np.uint8) for handle in range(8)}
    queue = queue_of(8)
    with FileIngest(queue, {7: path}, buffers, most=3) as ingest:
        for turn in range(40):
            for slot in range(8):
                offset = 1000 * ((turn * 8 + slot) % 100)
                ioqueue.submit(queue, Request(slot, IoOp.READ, 7, slot, offset, 1000, slot))
            assert ended(queue, 8) == [IoStatus.OK] * 8
            for slot in range(8):
                offset = 1000 * ((turn * 8 + slot) % 100)
                assert buffers[slot].tobytes() == data[offset : offset + 1000]
                ioqueue.recycle(queue, slot)
    accounts = ingest.accounts
    assert (accounts.submitted_reads, accounts.completed_bytes) == (320, 320_000)
    assert accounts.finding(IngestPath.REGISTERED) is IngestFinding.OK
    assert 1 <= ingest.peak <= 3
    assert not ingest.faults


def test_what_does_not_come_is_a_fault(file: tuple[Path, bytes], tmp_path: Path) -> None:
    """A short file, a missing one, a folder, a pipe, a wrong request and an offset out of bounds each end as ERROR."""
    path, data = file
    os.mkfifo(tmp_path / "pipe")
    files = {1: path, 2: tmp_path / "missing", 3: tmp_path, 4: tmp_path / "pipe"}
    buffer, whole = np.zeros(600, np.uint8), np.zeros(100_000, np.uint8)
    asked = [
        (Request(0, IoOp.READ, 1, 0, 99_500, 600, 0), IngestFault.SHORT),
        (Request(1, IoOp.READ, 2, 0, 0, 600, 0), IngestFault.OPEN),
        (Request(2, IoOp.READ, 3, 0, 0, 600, 0), IngestFault.OPEN),
        (Request(3, IoOp.READ, 4, 0, 0, 600, 0), IngestFault.OPEN),
        (Request(4, IoOp.READ, 1, 0, 0, 601, 0), IngestFault.REQUEST),
        (Request(5, IoOp.WRITE, 1, 0, 0, 600, 0), IngestFault.REQUEST),
        (Request(6, IoOp.READ, 9, 0, 0, 600, 0), IngestFault.REQUEST),
        (Request(7, IoOp.READ, 1, 9, 0, 600, 0), IngestFault.REQUEST),
        (Request(8, IoOp.READ, 1, 0, 1 << 63, 600, 0), IngestFault.READ),
        (Request(9, IoOp.READ, 1, 1, 0, 0, 0), None),
    ]
    queue = queue_of(len(asked))
    with FileIngest(queue, files, {0: buffer, 1: whole}, most=1) as ingest:
        for request, _ in asked:
            ioqueue.submit(queue, request)
        statuses = ended(queue, len(asked))
    assert statuses == [IoStatus.ERROR] * 9 + [IoStatus.OK]
    assert [(fault.request, fault.kind) for fault in ingest.faults] == asked[:9]
    assert (ingest.faults[0].came, buffer[:500].tobytes()) == (500, data[99_500:])
    assert whole.tobytes() == data
    accounts = ingest.accounts
    assert (accounts.submitted_reads, accounts.completed_reads, accounts.failed_completions) == (9, 1, 8)
    assert ingest.writes.failed_writes == 1
    assert accounts.completed_bytes == 100_500
    assert accounts.finding(IngestPath.REGISTERED) is IngestFinding.FAILED


def test_bounced_bytes_are_counted(file: tuple[Path, bytes]) -> None:
    """Bytes that lie apart cannot be read into: they come by way of another buffer, and the accounts say so."""
    path, data = file
    apart = np.zeros(2000, np.uint8)
    queue = queue_of(1)
    with FileIngest(queue, {0: path}, {0: apart[::2]}) as ingest:
        ioqueue.submit(queue, Request(0, IoOp.READ, 0, 0, 10, 1000, 0))
        assert ended(queue, 1) == [IoStatus.OK]
    assert apart[::2].tobytes() == data[10:1010]
    assert not apart[1::2].any()
    assert ingest.accounts.cpu_bounce_bytes == 1000
    assert ingest.accounts.finding(IngestPath.REGISTERED) is IngestFinding.BOUNCED


def test_what_was_not_taken_stays_published(file: tuple[Path, bytes]) -> None:
    """An ingest that has ended takes nothing: the request waits for another, which serves it."""
    queue, buffer = queue_of(1), np.zeros(10, np.uint8)
    with FileIngest(queue, {0: file[0]}, {0: buffer}):
        pass
    ioqueue.submit(queue, Request(0, IoOp.READ, 0, 0, 0, 10, 0))
    assert queue[0, at.IO_STATUS] == IoStatus.PUBLISHED
    with FileIngest(queue, {0: file[0]}, {0: buffer}):
        assert ended(queue, 1) == [IoStatus.OK]


@pytest.mark.parametrize("executor", ["cpu", "oracle"])
def test_jobs_wait_for_their_files(executor: str, file: tuple[Path, bytes], tmp_path: Path) -> None:
    """Twelve LOAD_MISS jobs over 4 io slots: done when their file is in its buffer, faults where it is missing."""
    files = {handle: file[0] if handle % 3 else tmp_path / "missing" for handle in range(12)}
    buffers = {handle: np.zeros(5000, np.uint8) for handle in range(12)}
    spec = RingSpec(slots=32, io_slots=4)
    program = prioritised(self_loading(polling_io(interpreted()), patience=1 << 24))
    with Runtime(spec, executor=executor, program=program) as runtime:
        with FileIngest(runtime.state.io_slots, files, buffers, most=2) as ingest:
            jobs = [runtime.submit(Opcode.LOAD_MISS, (handle, 0)) for handle in range(12)]
            outcomes = [job.outcome(30) for job in jobs]
        for handle, outcome in enumerate(outcomes):
            there = handle % 3 != 0
            assert outcome.status is (SlotStatus.DONE if there else SlotStatus.FAULT)
            assert outcome.reason is (Reason.NONE if there else Reason.IO)
            assert buffers[handle].tobytes() == (file[1][:5000] if there else bytes(5000))
        assert ingest.peak <= 2
        assert (ingest.accounts.completed_reads, ingest.accounts.failed_completions) == (8, 4)


@pytest.mark.clause("RING-13")
@pytest.mark.parametrize("executor", ["cpu", "oracle"])
def test_reads_that_nobody_waits_for_free_their_slots(executor: str, file: tuple[Path, bytes], tmp_path: Path) -> None:
    """Prefetches of twelve files over 4 io slots all end, the errors of those that are missing are counted."""
    files = {handle: file[0] if handle % 3 else tmp_path / "missing" for handle in range(12)}
    buffers = {handle: np.zeros(5000, np.uint8) for handle in range(12)}
    program = prioritised(self_loading(polling_io(interpreted())))
    with Runtime(RingSpec(slots=32, io_slots=4), executor=executor, program=program) as runtime:
        with FileIngest(runtime.state.io_slots, files, buffers, most=2):
            for handle in range(12):
                runtime.submit(Opcode.LOAD_MISS, (handle, 1)).result(30)
            until = time.monotonic() + 20
            while runtime.state.io_slots[:, at.IO_STATUS].any() and time.monotonic() < until:
                runtime.executor.pump()
                time.sleep(0.01)
        assert not runtime.state.io_slots[:, at.IO_STATUS].any()
        assert not runtime.state.owners.any()
        assert runtime.state.head[at.BOOKS_HEAD.at("PREFETCH_ERRORS")] == 4
        assert all(buffers[handle].tobytes() == file[1][:5000] for handle in range(12) if handle % 3)


@pytest.mark.clause("RING-13")
@pytest.mark.parametrize("executor", ["cpu", "oracle"])
def test_a_read_that_comes_too_late_frees_its_slot(executor: str, file: tuple[Path, bytes]) -> None:
    """Jobs whose reads are not served in time fault; once they are served, their io slots take others."""
    buffers = {0: np.zeros(100, np.uint8)}
    program = prioritised(self_loading(polling_io(interpreted()), patience=3))
    with Runtime(RingSpec(slots=32, io_slots=2), executor=executor, program=program) as runtime:
        late = [runtime.submit(Opcode.LOAD_MISS, (0, 0)) for _ in range(2)]
        assert [job.outcome(30).reason for job in late] == [Reason.IO_TIMEOUT] * 2
        with FileIngest(runtime.state.io_slots, {0: file[0]}, buffers):
            assert runtime.submit(Opcode.LOAD_MISS, (0, 1)).outcome(30).status is SlotStatus.DONE
            until = time.monotonic() + 20
            while runtime.state.io_slots[:, at.IO_STATUS].any() and time.monotonic() < until:
                runtime.executor.pump()
                time.sleep(0.01)
        assert not runtime.state.io_slots[:, at.IO_STATUS].any()
        assert runtime.state.head[at.BOOKS_HEAD.at("PREFETCH_ERRORS")] == 0


def test_an_ingest_is_refused_what_it_cannot_hold() -> None:
    """Reads in flight are bounded, and a buffer is a row of bytes that can be written."""
    with pytest.raises(LaunchError, match="an ingest must have 1 to 64 reads in flight, got 65"):
        FileIngest(queue_of(1), {}, {}, most=65)
    with pytest.raises(LaunchError, match="of an ingest must be one writable row of uint8, got uint32"):
        FileIngest(queue_of(1), {}, {3: np.zeros(4, np.uint32)})  # pyright: ignore[reportArgumentType]
