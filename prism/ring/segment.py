"""Shared segments: a block under a name, which other processes of the machine map."""

from __future__ import annotations

import mmap
from multiprocessing.shared_memory import SharedMemory
from pathlib import Path
from typing import Any, Final

import numpy as np

from prism.ring.errors import RingClosedError
from prism.ring.memory import AT_OWNER, Shape, format_block
from prism.ring.processes import this_process

_FOLDER: Final = Path("/dev/shm")


def map_segment(name: str) -> Any:
    """Return the words of a segment; they live as long as something refers to them."""
    if Path(name).name != name or not (_FOLDER / name).is_file():
        raise RingClosedError(
            f"a shared ring must be a segment of this machine, got {name!r}, which is none; take the name of a runtime "
            "that is open"
        )
    with (_FOLDER / name).open("r+b") as file:
        return np.frombuffer(mmap.mmap(file.fileno(), 0), np.uint32)


class Segment:
    """A fresh block in a shared segment, which goes when its owner closes it or ends."""

    def __init__(self, shape: Shape) -> None:
        if not _FOLDER.is_dir():
            raise RingClosedError(f"a shared ring needs {_FOLDER}, which this system lacks; open it with shared=False")
        self._memory = SharedMemory(create=True, size=4 * shape.words)
        self._memory.close()  # The name stays; the words are mapped below, where views may outlive this object.
        self.name: Final = self._memory.name
        self.block: Final = format_block(map_segment(self.name)[: shape.words], shape)
        self.block.name = self.name
        self.block.words[AT_OWNER : AT_OWNER + 2] = this_process()

    def close(self) -> None:
        """Remove the name; who is attached keeps the memory."""
        self._memory.unlink()
