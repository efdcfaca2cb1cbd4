"""Small runs of `prism run`, in plain Python: they are over before Numba would be imported [TERMS-10]."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from prism.vm.engines.api import STOPS, Limits
from prism.vm.engines.baseline import BaselineEngine
from prism.vm.engines.program import Evaluated, evaluate
from prism.vm.engines.report import StopReason
from prism.vm.term.brief import MAX_BYTES, read_brief
from prism.vm.term.program import ByteStream

ENGINES: Final = frozenset({"ledger", "baseline"})
"""The engines whose reports on the built-in theory are those of the baseline, which is plain Python."""
MAX_STEPS: Final = 1 << 13
"""The most rule applications of a small run, in even shares among its expressions."""


@dataclass(frozen=True, slots=True)
class Brief:
    """Sources as far as they were read for a small run; `evaluated` is None where the run is not small."""

    evaluated: list[Evaluated] | None
    engine: BaselineEngine
    begun: bytes = b""


class Resumed:
    """A stream whose first bytes were read already."""

    def __init__(self, begun: bytes, stream: ByteStream) -> None:
        self._begun, self._stream = begun, stream

    def read(self, size: int, /) -> bytes:
        """Read at most `size` bytes."""
        if not self._begun:
            return self._stream.read(size)
        block, self._begun = self._begun[:size], self._begun[size:]
        return block


def run_brief(files: Sequence[str], limits: Limits) -> Brief:
    """Evaluate program files if that is a small run; what was read of standard input is kept where it is not.

    Small are files and standard input that hold MAX_BYTES and 4096 rows at most, without a fault, and take at most
    MAX_STEPS. Cost: 0.3 s at most.
    """
    begun, programs, room = b"", [], MAX_BYTES
    engine = BaselineEngine(limits)
    for file in files:
        if file != "-":
            path = Path(file)
            data = path.read_bytes() if path.is_file() and path.stat().st_size <= room else None
        elif sys.stdin is None or begun:
            data = None
        else:
            data = begun = sys.stdin.buffer.read(room + 1)
        program = read_brief(data, "stdin" if file == "-" else file) if data is not None else None
        if program is None:
            return Brief(None, engine, begun)
        room -= len(data or b"")
        programs.append(program)
    share = MAX_STEPS // max(1, sum(map(len, programs)))
    engine = BaselineEngine(replace(limits, max_steps=min(limits.max_steps, share)))
    evaluated = list(evaluate(engine, [program for program in programs if len(program)]))
    stopped = STOPS.index(StopReason.STEP_LIMIT)
    if share < limits.max_steps and any((done.outcome.stop == stopped).any() for done in evaluated):
        return Brief(None, engine, begun)
    return Brief(evaluated, engine)
