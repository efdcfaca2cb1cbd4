"""An ingest of files: threads take requests from an io queue and move bytes between files and buffers [RINGRUN-11]."""

from __future__ import annotations

import fcntl
import os
import threading
from collections import deque
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from prism.ring import ioqueue
from prism.ring.errors import LaunchError
from prism.ring.ingest import IngestAccounts, WriteAccounts
from prism.ring.ioqueue import Request
from prism.ring.layout import IO_SLOTS, IO_STATUS, IoOp, IoStatus, IoSync, Words
from prism.ring.transfers import IngestFault, Moved, drain, fill, sync

LOOK_S: Final = 0.0005
"""Between two looks at the queue."""
KEPT_FAULTS: Final = 4096
"""Faults that are remembered; all are counted."""
_REFUSED: Final = Moved(0, IngestFault.REQUEST)


class KeptFault(NamedTuple):
    """A request that failed: what it asked, why, how many bytes had been moved, and the system's words."""

    request: Request
    kind: IngestFault
    came: int
    detail: str


class FileIngest:
    """Moves bytes between files and buffers, `most` requests at a time, from `with FileIngest(...)` to its end.

    queue: (n, 8) uint32, as `ioqueue` or `state.io_slots`; no other ingest may serve it. files: what may be read.
    buffers: writable uint8 arrays, used by each request that names them. outputs: what may be written, paths, which
    are made where missing and never cut, or open descriptors; all are held open until the end. A request of 0 bytes
    moves as many as its buffer holds. Bytes of a buffer that lie apart go by way of another, and count as bounced.
    Cost: a thread that looks each `LOOK_S`, and `most` that move. Raises LaunchError, on entry for an output.
    """

    def __init__(
        self,
        queue: Words,
        files: Mapping[int, str | Path],
        buffers: Mapping[int, NDArray[np.uint8]],
        most: int = 4,
        *,
        outputs: Mapping[int, str | Path | int] | None = None,
    ) -> None:
        if not 1 <= most <= IO_SLOTS:
            raise LaunchError(f"an ingest must have 1 to {IO_SLOTS} reads in flight, got {most}; use several queues")
        for handle, buffer in buffers.items():
            if buffer.dtype != np.uint8 or buffer.ndim != 1 or not buffer.flags.writeable:
                raise LaunchError(
                    f"buffer {handle} of an ingest must be one writable row of uint8, got {buffer.dtype} of "
                    f"{buffer.ndim} dimensions; pass a view of its bytes"
                )
        self._queue, self._files, self._buffers, self._most = queue, dict(files), dict(buffers), most
        self._named, self._outputs, self._open = dict(outputs or {}), dict[int, int](), ExitStack()
        self._accounts, self._writes, self._faults = (
            IngestAccounts(),
            WriteAccounts(),
            deque[KeptFault](maxlen=KEPT_FAULTS),
        )
        self._lock, self._over = threading.Lock(), threading.Event()
        self._flying, self._peak = set[int](), 0
        self._fences, self._before, self._passing = list[Request](), set[int](), False
        self._pool = ThreadPoolExecutor(most, "prism-ring-ingest")
        self._watch = threading.Thread(target=self._watching, name="prism-ring-ingest", daemon=True)

    @property
    def accounts(self) -> IngestAccounts:
        """What was asked for and what came, so far."""
        return self._accounts

    @property
    def writes(self) -> WriteAccounts:
        """What was to be written and what was, so far."""
        return self._writes

    @property
    def faults(self) -> list[KeptFault]:
        """The last `KEPT_FAULTS` requests that failed, oldest first."""
        with self._lock:
            return list(self._faults)

    @property
    def peak(self) -> int:
        """The most reads and writes that were in flight at once."""
        return self._peak

    def _watching(self) -> None:
        while not self._over.wait(LOOK_S):
            self._take()

    def _asked(self) -> list[Request]:
        return ioqueue.requests(self._queue, ioqueue.published(self._queue))

    def _take(self) -> None:
        """Claim reads and writes while there is room, what fences wait for first, and hand them to the threads."""
        asked = self._asked()
        if not self._fences and any(one.op == IoOp.FENCE for one in asked):
            asked = self._meet_fences()
        moves = [one for one in asked if one.op != IoOp.FENCE]
        for request in sorted(moves, key=lambda one: one.slot not in self._before):
            with self._lock:
                if len(self._flying) == self._most:
                    break
                self._flying.add(request.slot)
                self._peak = max(self._peak, len(self._flying))
            self._queue[request.slot, IO_STATUS] = IoStatus.CLAIMED
            self._pool.submit(self._serve, request)
        with self._lock:
            if not self._fences or self._before or self._passing:
                return
            self._passing = True
        self._queue[[one.slot for one in self._fences], IO_STATUS] = IoStatus.CLAIMED
        self._pool.submit(self._pass, self._fences)

    def _meet_fences(self) -> list[Request]:
        """Note what the published fences wait for, and return what is published.

        A look goes over the queue once, so it may find a fence and not the request before it, which was published at a
        place that the look had passed. A second look finds both. Fences that come later stay PUBLISHED until these
        have ended, and so do these until nothing is before them: who serves the queue next finds them again.
        """
        with self._lock:
            asked = self._asked()
            self._fences = [one for one in asked if one.op == IoOp.FENCE]
            self._before = {one.slot for one in asked if one.op != IoOp.FENCE} | self._flying
        return asked

    def _count(self, **more: int) -> None:
        with self._lock:
            now = self._accounts
            self._accounts = replace(now, **{name: getattr(now, name) + by for name, by in more.items()})

    def _count_write(self, **more: int) -> None:
        with self._lock:
            now = self._writes
            self._writes = replace(now, **{name: getattr(now, name) + by for name, by in more.items()})

    def _serve(self, request: Request) -> None:
        """Do one read or write: accounts before the status, so that whoever sees it ended finds it counted."""
        moved = self._write(request) if request.op == IoOp.WRITE else self._read(request)
        with self._lock:
            self._note(request, moved)
            # With the status, lest a fence that is met now waits for, or skips, the next request in this slot.
            ioqueue.complete(self._queue, [(request.slot, moved.kind is None)])
            self._flying.remove(request.slot)
            self._before.discard(request.slot)

    def _note(self, request: Request, moved: Moved) -> None:
        if moved.kind is not None:
            self._faults.append(KeptFault(request, moved.kind, moved.came, moved.detail))

    def _read(self, request: Request) -> Moved:
        target = self._buffers.get(request.target)
        size = request.size or (0 if target is None else len(target))
        self._count(submitted_reads=1, submitted_bytes=size)
        path = self._files.get(request.source)
        if request.op != IoOp.READ or path is None or target is None or size > len(target):
            moved = _REFUSED
        else:
            moved = self._fill(path, target[:size], request.offset)
        whole = moved.kind is None
        self._count(completed_reads=int(whole), failed_completions=int(not whole))
        return moved

    def _fill(self, path: str | Path, target: NDArray[np.uint8], offset: int) -> Moved:
        direct = target.flags.c_contiguous
        place = target if direct else np.empty(len(target), np.uint8)
        self._count(registered_mapped_read_submissions=int(direct))
        moved = fill(path, place.data, offset)
        if not direct:
            target[: moved.came] = place[: moved.came]
            self._count(cpu_bounce_bytes=moved.came)
        self._count(completed_bytes=moved.came)
        return moved

    def _write(self, request: Request) -> Moved:
        source = self._buffers.get(request.source)
        size = request.size or (0 if source is None else len(source))
        self._count_write(submitted_writes=1, submitted_bytes=size)
        file = self._outputs.get(request.target)
        if file is None or source is None or size > len(source):
            moved, bounced = _REFUSED, 0
        else:
            part = source[:size]
            moved = drain(file, np.ascontiguousarray(part).data, request.offset)
            bounced = 0 if part.flags.c_contiguous else size
        whole = moved.kind is None
        self._count_write(completed_writes=int(whole), failed_writes=int(not whole))
        self._count_write(completed_bytes=moved.came, cpu_bounce_bytes=bounced)
        return moved

    def _pass(self, fences: list[Request]) -> None:
        """End fences that nothing is before any more, all at once: none passes another's sync."""
        ends = [self._synced(fence) for fence in fences]
        with self._lock:
            for fence, moved in zip(fences, ends, strict=True):
                self._note(fence, moved)
            ioqueue.complete(self._queue, [(one.slot, end.kind is None) for one, end in zip(fences, ends, strict=True)])
            self._fences, self._passing = [], False

    def _synced(self, fence: Request) -> Moved:
        named = self._outputs.get(fence.target)
        if fence.source not in tuple(IoSync) or (fence.source == IoSync.FILE and named is None):
            moved = [_REFUSED]
        elif fence.source == IoSync.FILE and named is not None:
            moved = [sync(named)]
        else:
            moved = [sync(file) for file in self._outputs.values()] if fence.source == IoSync.ALL else []
        wrong = next((one for one in moved if one.kind is not None), None)
        self._count_write(
            passed_fences=int(wrong is None),
            failed_fences=int(wrong is not None),
            synced_files=sum(one.kind is None for one in moved),
        )
        return wrong or Moved(0)

    def __enter__(self) -> FileIngest:
        for handle, named in self._named.items():
            if wrong := _wrong(named):
                raise _refused(handle, named, wrong)
        with ExitStack() as opened:
            for handle, named in self._named.items():
                try:
                    self._outputs[handle] = _output(named)
                except (OSError, ValueError) as error:
                    raise _refused(handle, named, str(error)) from error
                opened.callback(os.close, self._outputs[handle])
            self._open = opened.pop_all()
        self._watch.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        self._over.set()
        self._watch.join()
        self._pool.shutdown()  # What was taken ends; what is only published stays so.
        self._open.close()


def _wrong(named: str | Path | int) -> str:
    """Return what is wrong with an output before any is opened: a closed descriptor's number may be the next one's."""
    if not isinstance(named, int):
        return ""
    try:
        appends = fcntl.fcntl(named, fcntl.F_GETFL) & os.O_APPEND
    except (OSError, ValueError, OverflowError) as error:
        return str(error)
    return "a descriptor that appends, whatever the offset" if appends else ""


def _output(named: str | Path | int) -> int:
    """Open a file for writing; a descriptor is doubled: its number may be another file's once the host closed it."""
    if isinstance(named, int):
        return os.dup(named)
    return os.open(named, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC | os.O_NONBLOCK, 0o666)


def _refused(handle: int, named: str | Path | int, wrong: str) -> LaunchError:
    return LaunchError(
        f"output {handle} of an ingest must be a path or descriptor that can be written, got {named!r}: {wrong}; "
        "register one that is open for writing at an offset"
    )
