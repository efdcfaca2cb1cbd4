"""An ingest of files: threads take reads from an io queue and fill registered buffers [RINGRUN-11]."""

from __future__ import annotations

import os
import stat
import threading
from collections import deque
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from enum import Enum
from pathlib import Path
from types import TracebackType
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from prism.ring import ioqueue
from prism.ring.errors import LaunchError
from prism.ring.ingest import IngestAccounts
from prism.ring.ioqueue import Request
from prism.ring.layout import IO_SLOTS, IO_STATUS, IoOp, IoStatus, Words

LOOK_S: Final = 0.0005
"""Between two looks at the queue."""
KEPT_FAULTS: Final = 4096
"""Faults that are remembered; all are counted."""


class IngestFault(Enum):
    """Why a read ended as ERROR."""

    REQUEST = "not a read of a registered file into a registered buffer that holds it"
    OPEN = "the file cannot be opened, or is no regular file"
    READ = "the system refused to read"
    SHORT = "the file ended before the read did"


class Fault(NamedTuple):
    """A read that failed: what it asked, why, how many bytes had come, and the system's words."""

    request: Request
    kind: IngestFault
    came: int
    detail: str


class FileIngest:
    """Reads files into buffers, at most `most` reads at a time, from `with FileIngest(...)` to the end of the block.

    queue: (n, 8) uint32, as `ioqueue` or `state.io_slots`; no other ingest may serve it. files, buffers: what requests
    name as source and target; a buffer is a writable uint8 array, and is used by each read that names it. A request of
    0 bytes reads as many as its buffer holds. A buffer of which bytes lie apart is filled by way of another, and these
    bytes count as bounced. Cost: a thread that looks each `LOOK_S`, and `most` that read. Raises LaunchError.
    """

    def __init__(
        self, queue: Words, files: Mapping[int, str | Path], buffers: Mapping[int, NDArray[np.uint8]], most: int = 4
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
        self._accounts, self._faults = IngestAccounts(), deque[Fault](maxlen=KEPT_FAULTS)
        self._lock, self._over = threading.Lock(), threading.Event()
        self._flying = self._peak = 0
        self._pool = ThreadPoolExecutor(most, "prism-ring-ingest")
        self._watch = threading.Thread(target=self._watching, name="prism-ring-ingest", daemon=True)

    @property
    def accounts(self) -> IngestAccounts:
        """What was asked for and what came, so far."""
        return self._accounts

    @property
    def faults(self) -> list[Fault]:
        """The last `KEPT_FAULTS` reads that failed, oldest first."""
        with self._lock:
            return list(self._faults)

    @property
    def peak(self) -> int:
        """The most reads that were in flight at once."""
        return self._peak

    def _watching(self) -> None:
        while not self._over.wait(LOOK_S):
            self._take()

    def _take(self) -> None:
        """Claim reads while there is room, and hand them to the threads."""
        for slot in ioqueue.published(self._queue):
            with self._lock:
                if self._flying == self._most:
                    return
                self._flying += 1
                self._peak = max(self._peak, self._flying)
            self._queue[slot, IO_STATUS] = IoStatus.CLAIMED
            self._pool.submit(self._serve, ioqueue.requests(self._queue, [slot])[0])

    def _count(self, **more: int) -> None:
        with self._lock:
            now = self._accounts
            self._accounts = replace(now, **{name: getattr(now, name) + by for name, by in more.items()})

    def _serve(self, request: Request) -> None:
        """Do one read: accounts before the status, so that whoever sees it ended finds it counted."""
        target = self._buffers.get(request.target)
        size = request.size or (0 if target is None else len(target))
        self._count(submitted_reads=1, submitted_bytes=size)
        path = self._files.get(request.source)
        if request.op != IoOp.READ or path is None or target is None or size > len(target):
            came, kind, detail = 0, IngestFault.REQUEST, ""
        else:
            came, kind, detail = self._read(path, target[:size], request.offset)
        if kind is None:
            self._count(completed_reads=1)
        else:
            self._count(failed_completions=1)
        with self._lock:
            if kind is not None:
                self._faults.append(Fault(request, kind, came, detail))
            self._flying -= 1
        ioqueue.complete(self._queue, [(request.slot, kind is None)])

    def _read(self, path: str | Path, target: NDArray[np.uint8], offset: int) -> tuple[int, IngestFault | None, str]:
        direct = target.flags.c_contiguous
        place = target if direct else np.empty(len(target), np.uint8)
        self._count(registered_mapped_read_submissions=int(direct))
        came, kind, detail = _fill(path, place.data, offset)
        if not direct:
            target[:came] = place[:came]
            self._count(cpu_bounce_bytes=came)
        self._count(completed_bytes=came)
        return came, kind, detail

    def __enter__(self) -> FileIngest:
        self._watch.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        self._over.set()
        self._watch.join()
        self._pool.shutdown()  # Reads that were taken end; what is only published stays so.


def _fill(path: str | Path, place: memoryview[Any], offset: int) -> tuple[int, IngestFault | None, str]:
    """Read into `place`; return how many bytes came, and what went wrong."""
    try:
        file = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)  # A pipe must not hold a thread.
    except (OSError, ValueError) as error:
        return 0, IngestFault.OPEN, str(error)
    came = 0
    try:
        if not stat.S_ISREG(os.fstat(file).st_mode):
            return 0, IngestFault.OPEN, "no regular file"
        while came < len(place):
            got = os.preadv(file, [place[came:]], offset + came)
            if not got:
                return came, IngestFault.SHORT, ""
            came += got
    except (OSError, OverflowError) as error:
        return came, IngestFault.READ, str(error)
    finally:
        os.close(file)
    return came, None, ""
