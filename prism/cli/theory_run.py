"""`prism run --theory`: programs of any theory, and `--explain`: which rule fired where."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import chain

from prism.cli.form import Line, in_place
from prism.cli.options import opened
from prism.errors import UsageError
from prism.vm.engines.api import STOPS, Engine, Limits, Outcome
from prism.vm.engines.explain import explained
from prism.vm.engines.session import terminates
from prism.vm.engines.table import open_engine
from prism.vm.engines.theory_engine import TheoryEngine
from prism.vm.term.program import TermProgram
from prism.vm.term.read import TermReader
from prism.vm.term.show import MAX_CHARACTERS
from prism.vm.term.write import TermWriter
from prism.vm.theory.model import Theory
from prism.vm.theory.signature import Signature


@dataclass(frozen=True, slots=True)
class Answered:
    """What came of the expressions of one file: the lines to print, made as they are taken, and what they cost."""

    lines: Iterator[Line]
    outcome: Outcome


class TheoryRun:
    """One engine over all files; `form` is one of `prism.cli.form.FORMATS`."""

    def __init__(self, theory: Theory, engine: str, limits: Limits, form: str, *, explains: bool) -> None:
        if explains and engine != "ledger":
            raise UsageError(f"--explain must run on the engine ledger, got {engine}; leave --engine out")
        self._theory, self._form, self._explains = theory, form, explains
        self.engine: Engine = (
            TheoryEngine(limits, theory, is_logged=True) if explains else open_engine(engine, limits, None, theory)
        )
        self._n_explained = 0
        self._n_expressions = 0

    def answers(self, files: tuple[str, ...]) -> Iterator[Answered]:
        """Yield what came of each file, in order; definitions and free names hold to the end of their file."""
        for file in files:
            reader = TermReader(self._theory)
            with opened(file) as (stream, name):
                program = reader.read(stream.read(), name)
            outcome = self.engine.normalise(program.graph)
            results = self._results(program, outcome, reader.symbols)
            yield Answered(chain(map(Line, self._steps(reader.symbols)), results), outcome)
            self._n_expressions += len(program)

    def _steps(self, symbols: list[str]) -> Iterator[str]:
        """Yield the rule applications since the last call, a line each."""
        if self._explains and isinstance(self.engine, TheoryEngine):
            steps = list(explained(self.engine, symbols, self._n_explained))
            yield from (f"; {step}" for step in steps)
            self._n_explained += len(steps)

    def _results(self, program: TermProgram, outcome: Outcome, symbols: list[str]) -> Iterator[Line]:
        result = outcome.result
        writer = TermWriter(self._theory.signature, result, symbols)
        numbers = TermWriter(_without_numerals(self._theory), result, symbols) if self._form != "nat" else writer
        for index, root in enumerate(result.roots.tolist()):
            report = outcome.report(index)
            chosen = writer if self._form == "nat" else numbers
            text = chosen.text(root) if root and chosen.width(root) <= MAX_CHARACTERS else None
            if self._form != "json":
                yield in_place(text, STOPS[outcome.stop[index]], has_result=root != 0)
                continue
            value = writer.number(root) if root else None
            row = {
                "index": self._n_expressions + index,
                "source": program.where(index),
                "status": report.stop.value,
                "result": text,
                "nat": value,
                "steps": report.steps,
                "nodes": report.nodes,
                "reused": report.reused,
            }
            yield Line(json.dumps(row), is_too_long=root != 0 and text is None)


def _without_numerals(theory: Theory) -> Signature:
    return replace(theory.signature, numerals=None)


def require_budget(theory: Theory, *, is_given: bool) -> None:
    """Raise UsageError for a theory without shown termination that was given no step budget."""
    if not is_given and not terminates(theory):
        raise UsageError(
            f"theory {theory.name!r} is not shown to terminate, so a run must have a step budget, but has none; "
            "give --max-steps N"
        )
