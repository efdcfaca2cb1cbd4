"""An ingest writes buffers to files that the host registered, whole, and its fences wait for what is before them."""

from __future__ import annotations

import os
import resource
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from prism.ring import ioqueue, transfers
from prism.ring import layout as at
from prism.ring.errors import LaunchError
from prism.ring.ingest import WriteAccounts
from prism.ring.ingest_files import FileIngest
from prism.ring.ioqueue import Request
from prism.ring.layout import IoOp, IoStatus, IoSync
from prism.ring.transfers import IngestFault

pytestmark = [pytest.mark.m9, pytest.mark.clause("RINGRUN-12")]


def queue_of(slots: int) -> Any:
    """Return an empty queue as rows."""
    return ioqueue.queue_of(ioqueue.encode_queue(slots))


def ended(queue: Any, slots: list[int]) -> list[IoStatus]:
    """Wait for some slots of a queue to end, and return how they did."""
    until = time.monotonic() + 20
    while np.any(queue[slots, at.IO_STATUS] < IoStatus.OK):
        assert time.monotonic() < until, queue[slots, at.IO_STATUS]
        time.sleep(0.0002)
    return [IoStatus(int(status)) for status in queue[slots, at.IO_STATUS]]


@pytest.fixture
def slow(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the system write at most 700 bytes at once, and each time after a while."""
    real = os.pwritev

    def some(file: int, places: list[Any], offset: int) -> int:
        time.sleep(0.0005)
        return real(file, [places[0][:700]], offset)

    monkeypatch.setattr(transfers.os, "pwritev", some)


@pytest.fixture
def bounded() -> Iterator[int]:
    """Return the size beyond which no file of this process may grow."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 30, hard))
    yield 1 << 30
    resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.mark.usefixtures("slow")
def test_files_hold_the_bytes_of_the_buffers(tmp_path: Path) -> None:
    """Writes at random places, in short steps, to a new file, an old one and a descriptor: each byte, and no other."""
    random = np.random.default_rng(7)
    paths = [tmp_path / name for name in ("new", "old", "open")]
    paths[1].write_bytes(b"x" * 30_000)
    descriptor = os.open(paths[2], os.O_RDWR | os.O_CREAT)
    buffers = {handle: random.integers(0, 256, 3000, np.uint8) for handle in range(8)}
    buffers[8] = random.integers(0, 256, 6000, np.uint8)[::2]
    wanted = [bytearray(), bytearray(b"x" * 30_000), bytearray()]
    asked = [(file, place) for file in range(3) for place in range(9)]
    queue = queue_of(9)
    with FileIngest(queue, {}, buffers, most=3, outputs={0: paths[0], 1: str(paths[1]), 2: descriptor}) as ingest:
        os.close(descriptor)  # The ingest holds its own, so no file that takes this number is written.
        for file, place in asked:
            handle, size, offset = place, int(random.integers(0, 3000)), 3000 * ((5 * place) % 9)
            ioqueue.submit(queue, Request(place, IoOp.WRITE, handle, file, offset, size, place))
            data = buffers[handle][: size or 3000].tobytes()
            wanted[file].extend(bytes(max(0, offset + len(data) - len(wanted[file]))))
            wanted[file][offset : offset + len(data)] = data
            if place == 8:
                assert ended(queue, list(range(9))) == [IoStatus.OK] * 9
                for slot in range(9):
                    ioqueue.recycle(queue, slot)
    assert [path.read_bytes() for path in paths] == [bytes(one) for one in wanted]
    writes = ingest.writes
    assert (writes.submitted_writes, writes.completed_writes, writes.failed_writes, writes.inflight) == (27, 27, 0, 0)
    assert writes.submitted_bytes == writes.completed_bytes
    assert 0 < writes.cpu_bounce_bytes <= 9000
    assert ingest.accounts.submitted_reads == 0
    assert 1 <= ingest.peak <= 3
    assert not ingest.faults


def test_what_is_not_written_is_a_fault(tmp_path: Path, bounded: int) -> None:
    """A full device, a file at its limit, one that is open for reading, a pipe, and what was not registered."""
    source, sink = os.pipe()
    (tmp_path / "read").write_bytes(b"kept")
    readable = os.open(tmp_path / "read", os.O_RDONLY)
    outputs = {0: tmp_path / "good", 1: "/dev/full", 2: readable, 3: sink}
    buffer = np.arange(600).astype(np.uint8)
    write, fence = IoOp.WRITE, IoOp.FENCE
    asked = [
        (Request(0, write, 0, 1, 0, 600, 0), IngestFault.WRITE, 0, "No space left on device"),
        (Request(1, write, 0, 0, bounded - 500, 600, 0), IngestFault.WRITE, 500, "File too large"),
        (Request(2, write, 0, 2, 0, 600, 0), IngestFault.WRITE, 0, "Bad file descriptor"),
        (Request(3, write, 0, 3, 0, 600, 0), IngestFault.WRITE, 0, "Illegal seek"),
        (Request(4, write, 0, 9, 0, 600, 0), IngestFault.REQUEST, 0, ""),
        (Request(5, write, 9, 0, 0, 600, 0), IngestFault.REQUEST, 0, ""),
        (Request(6, write, 0, 0, 0, 601, 0), IngestFault.REQUEST, 0, ""),
        (Request(7, write, 0, 0, 1 << 63, 600, 0), IngestFault.WRITE, 0, "int too large"),
        (Request(8, 9, 0, 0, 0, 600, 0), IngestFault.REQUEST, 0, ""),
        (Request(9, fence, IoSync.FILE, 3, 0, 0, 0), IngestFault.SYNC, 0, "Invalid argument"),
        (Request(10, fence, IoSync.ALL, 0, 0, 0, 0), IngestFault.SYNC, 0, "Invalid argument"),
        (Request(11, fence, IoSync.FILE, 9, 0, 0, 0), IngestFault.REQUEST, 0, ""),
        (Request(12, fence, 3, 0, 0, 0, 0), IngestFault.REQUEST, 0, ""),
    ]
    queue = queue_of(len(asked) + 1)
    with FileIngest(queue, {}, {0: buffer}, most=1, outputs=outputs) as ingest:
        for request, *_ in asked:
            ioqueue.submit(queue, request)
        assert ended(queue, list(range(len(asked)))) == [IoStatus.ERROR] * len(asked)
        ioqueue.submit(queue, Request(13, fence, IoSync.NONE, 0, 0, 0, 0))
        assert ended(queue, [13]) == [IoStatus.OK]
    for descriptor in (source, sink, readable):
        os.close(descriptor)
    found = sorted(ingest.faults)
    assert [(one.request, one.kind, one.came) for one in found] == [one[:3] for one in asked]
    assert all(words in fault.detail for fault, (*_, words) in zip(found, asked, strict=True))
    with (tmp_path / "good").open("rb") as file:
        file.seek(bounded - 500)
        assert file.read() == buffer[:500].tobytes()
    assert (tmp_path / "read").read_bytes() == b"kept"
    # Of the fence that syncs all, the file on a disk was; the device and the pipe refuse.
    assert ingest.writes == WriteAccounts(4801, 500, 8, 0, 8, 0, 1, 4, ingest.writes.synced_files)
    assert 1 <= ingest.writes.synced_files <= 2


def test_a_file_that_takes_nothing_is_a_fault(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A system that writes no byte, and says no more, ends the write as SHORT instead of for ever."""
    monkeypatch.setattr(transfers.os, "pwritev", lambda *_: 0)
    queue = queue_of(1)
    with FileIngest(queue, {}, {0: np.zeros(4, np.uint8)}, outputs={0: tmp_path / "file"}) as ingest:
        ioqueue.submit(queue, Request(0, IoOp.WRITE, 0, 0, 0, 4, 0))
        assert ended(queue, [0]) == [IoStatus.ERROR]
    assert [(fault.kind, fault.came) for fault in ingest.faults] == [(IngestFault.SHORT, 0)]


@pytest.mark.usefixtures("slow")
def test_a_fence_passes_no_unfinished_write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever the slots: when a fence has ended, so have the writes before it, and the file holds and synced them."""
    random = np.random.default_rng(11)
    synced, real = list[bytes](), os.fsync
    path = tmp_path / "file"
    path.touch()

    def noting(file: int) -> None:
        synced.append(path.read_bytes())
        real(file)

    monkeypatch.setattr(transfers.os, "fsync", noting)
    buffers = {handle: np.full(2000, handle, np.uint8) for handle in range(256)}
    wanted, queue, rounds = b"", queue_of(8), 40
    with FileIngest(queue, {}, buffers, most=3, outputs={5: path}) as ingest:
        for turn in range(rounds):
            *writes, fence = (int(slot) for slot in random.permutation(8)[: random.integers(2, 9)])
            for slot in writes:
                handle = (turn + slot) % 256
                ioqueue.submit(queue, Request(slot, IoOp.WRITE, handle, 5, len(wanted), 0, 0))
                wanted += buffers[handle].tobytes()
            ioqueue.submit(queue, Request(fence, IoOp.FENCE, IoSync.ALL if turn % 2 else IoSync.FILE, 5, 0, 0, 0))
            assert ended(queue, [fence]) == [IoStatus.OK]
            assert [int(status) for status in queue[writes, at.IO_STATUS]] == [IoStatus.OK] * len(writes)
            assert synced[-1] == wanted
            for slot in (*writes, fence):
                ioqueue.recycle(queue, slot)
    assert (ingest.writes.passed_fences, ingest.writes.synced_files, len(synced)) == (rounds, rounds, rounds)
    assert path.read_bytes() == wanted


@pytest.mark.usefixtures("slow")
def test_a_look_that_meets_the_fence_alone_does_not_pass_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A look may find a fence and miss the write before it, published where the look had been: the fence waits."""
    real, looks = ioqueue.published, list[list[int]]()
    queue = queue_of(2)

    def published(rows: Any) -> list[int]:
        found = real(rows)
        if len(found) == 2 and not any(looks):
            found = [1]
        looks.append(found)
        return found

    ioqueue.submit(queue, Request(0, IoOp.WRITE, 0, 0, 0, 0, 0))
    ioqueue.submit(queue, Request(1, IoOp.FENCE, 0, 0, 0, 0, 0))
    monkeypatch.setattr(ioqueue, "published", published)
    with FileIngest(queue, {}, {0: np.ones(9000, np.uint8)}, outputs={0: tmp_path / "file"}):
        assert ended(queue, [1]) == [IoStatus.OK]
        assert queue[0, at.IO_STATUS] == IoStatus.OK
    assert looks[:2] == [[1], [0, 1]]
    assert (tmp_path / "file").read_bytes() == b"\1" * 9000


@pytest.mark.usefixtures("slow")
def test_a_fence_holds_up_nothing_and_is_not_lost(tmp_path: Path) -> None:
    """A fence waits for a long write while a later read ends; an ingest that ends first leaves it to the next one."""
    (tmp_path / "in").write_bytes(b"read")
    queue, small, large = queue_of(4), np.zeros(4, np.uint8), np.ones(200_000, np.uint8)
    given = (queue, {0: tmp_path / "in"}, {0: small, 1: large})
    with FileIngest(*given, outputs={0: tmp_path / "out"}) as ingest:
        ioqueue.submit(queue, Request(0, IoOp.WRITE, 1, 0, 0, 0, 0))
        ioqueue.submit(queue, Request(1, IoOp.FENCE, IoSync.ALL, 0, 0, 0, 0))
        ioqueue.submit(queue, Request(2, IoOp.READ, 0, 0, 0, 4, 0))
        assert ended(queue, [2]) == [IoStatus.OK]
        assert queue[1, at.IO_STATUS] == IoStatus.PUBLISHED
        assert ingest.writes.inflight == 1
    assert queue[0, at.IO_STATUS] == IoStatus.OK
    assert queue[1, at.IO_STATUS] == IoStatus.PUBLISHED
    with FileIngest(*given, outputs={0: tmp_path / "out"}):
        assert ended(queue, [1]) == [IoStatus.OK]
    assert (tmp_path / "out").read_bytes() == large.tobytes()


def test_what_cannot_be_written_is_refused_on_entry(tmp_path: Path) -> None:
    """A closed descriptor, one that appends whatever the offset, a folder: refused, and what was opened is closed."""
    appending = os.open(tmp_path / "file", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    closed = os.dup(appending)
    os.close(closed)
    before = len(list(Path("/proc/self/fd").iterdir()))
    for output, words in ((closed, "Bad file descriptor"), (appending, "that appends, whatever"), (tmp_path, "Is a")):
        ingest = FileIngest(queue_of(1), {}, {}, outputs={0: tmp_path / "file", 3: output})
        with pytest.raises(LaunchError, match=rf"output 3 of an ingest must be a path or descriptor.*{words}"):
            ingest.__enter__()
    assert len(list(Path("/proc/self/fd").iterdir())) == before
    os.close(appending)
