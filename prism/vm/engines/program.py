"""Run programs on an engine: expressions in, evaluated expressions out, in order."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from prism.vm.engines.api import Engine, Outcome
from prism.vm.term.program import TermProgram


@dataclass(frozen=True, slots=True)
class Evaluated:
    """The expressions of one graph and what came of them; `first` counts the expressions of the run before them."""

    program: TermProgram
    outcome: Outcome
    first: int


def evaluate(engine: Engine, programs: Iterable[TermProgram]) -> Iterator[Evaluated]:
    """Bring every expression to normal form, one graph at a time; the engine's store lives across them."""
    first = 0
    for program in programs:
        yield Evaluated(program, engine.normalise(program.graph), first)
        first += len(program)
