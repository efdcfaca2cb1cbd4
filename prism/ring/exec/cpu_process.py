"""A worker in a process of its own, on a shared ring."""

from __future__ import annotations

import multiprocessing
import signal
from multiprocessing.process import BaseProcess

from prism.ring.exec.cpu_crew import Crew
from prism.ring.memory import read_block
from prism.ring.program import Program
from prism.ring.segment import map_segment


def serve(name: str, worker: int, program: Program) -> None:
    """Drain the shared ring `name` as one of its workers, until it halts."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # The owner is interrupted, and ends its workers.
    Crew(read_block(map_segment(name)), program).serve(worker)


def launch(name: str, worker: int, program: Program) -> BaseProcess:
    """Start a worker's process; the program's handlers must be picklable. Cost: a second, for the imports."""
    process = multiprocessing.get_context("spawn").Process(target=serve, args=(name, worker, program), daemon=True)
    process.start()
    return process
