"""A worker in a process of its own, on a shared ring."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
import time
from multiprocessing.process import BaseProcess
from typing import Final

from prism.ring.exec.cpu_crew import Crew
from prism.ring.memory import read_block
from prism.ring.program import Program
from prism.ring.segment import map_segment

_LOOK_S: Final = 0.5


def _follow(owner: int) -> None:
    """End this process once the one that began it is gone: nobody else will."""
    while os.getppid() == owner:
        time.sleep(_LOOK_S)
    os._exit(1)


def serve(name: str, worker: int, program: Program) -> None:
    """Drain the shared ring `name` as one of its workers, until it halts or its owner is gone."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # The owner is interrupted, and ends its workers.
    threading.Thread(target=_follow, args=(os.getppid(),), daemon=True).start()
    Crew(read_block(map_segment(name)), program).serve(worker)


def launch(name: str, worker: int, program: Program) -> BaseProcess:
    """Start a worker's process; the program's handlers must be picklable. Cost: a second, for the imports."""
    process = multiprocessing.get_context("spawn").Process(target=serve, args=(name, worker, program), daemon=True)
    process.start()
    return process
