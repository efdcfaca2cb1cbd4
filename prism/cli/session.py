"""What a REPL holds between lines: an engine with its store, the definitions, and what the session did."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

from prism.cli.form import explain
from prism.cli.reading import BuiltInReading, TheoryReading, redefined
from prism.cli.show import drawn, write_picture
from prism.errors import UsageError
from prism.vm.engines.api import Engine, Limits
from prism.vm.engines.explain import explained
from prism.vm.engines.report import Report, StopReason
from prism.vm.engines.schedule import Schedule
from prism.vm.engines.table import BUILT_IN, ENGINES, SCHEDULED, open_engine
from prism.vm.engines.theory_engine import TheoryEngine
from prism.vm.term.graph import TermGraph
from prism.vm.theory.library import load
from prism.vm.theory.model import Theory
from prism.vm.theory.rule import written_rule

_SOURCE: Final = "repl"
_MAX_DRAWN: Final = 5000


class Session:
    """Answers lines with lines; a line that fails changes nothing."""

    def __init__(
        self, engine: str, limits: Limits, theory: Theory | None = None, schedule: Schedule | None = None
    ) -> None:
        self._engine_name, self._limits, self._schedule = engine, limits, schedule
        self._theory = theory or load(BUILT_IN)
        self._restart()

    def words(self) -> list[str]:
        """Return what a word may become: commands, what begins an expression, and the names defined so far."""
        signature = self._theory.signature
        heads = [op.name for op in signature.ops if op.arity] + ["def"] + ["symbols"] * signature.has_symbols
        return [*COMMANDS, *(f"({head}" for head in heads), *signature.constants, *self._known.definitions]

    def _opened(self, name: str) -> Engine:
        return open_engine(name, self._limits, self._schedule if name in SCHEDULED else None, self._theory)

    def _restart(self) -> None:
        self._engine = self._opened(self._engine_name)
        is_built_in = self._theory == load(BUILT_IN)
        self._known = BuiltInReading(_SOURCE) if is_built_in else TheoryReading(self._theory)
        self._last: TermGraph | None = None
        self._totals = {"expressions": 0, "rewrites": 0, "nodes": 0, "reused": 0}

    def interrupt(self) -> None:
        """Give up the evaluation at hand: its store may be half changed, so an empty one takes its place."""
        self._engine = self._opened(self._engine_name)

    def is_open(self, text: str) -> bool:
        """Whether more lines must follow before `text` is complete; a text with a fault is complete."""
        if text.lstrip().startswith(":"):
            return False
        return self._known.is_open(_encoded(text) + b"\n")

    def answer(self, text: str) -> Iterator[str]:
        """Yield the lines that answer a command or expressions; PrismError when they are wrong."""
        word, _, rest = text.strip().partition(" ")
        if word in LEAVING and not rest and word not in self._known.definitions:
            raise EOFError
        if not word.startswith(":"):
            yield from self._evaluate(_encoded(text), _SOURCE)
            return
        meant = [word] if word in COMMANDS else [name for name in COMMANDS if name.startswith(word)]
        if len(meant) != 1:
            choice = meant or COMMANDS
            raise UsageError(f"a command must be one of {' '.join(choice)}, got {word}; :help explains them")
        yield from COMMANDS[meant[0]][0](self, rest.strip())

    def _evaluate(self, source: bytes, file: str) -> Iterator[str]:
        again = redefined(source, self._known.definitions)
        n_kept = len(self._known.definitions) - len(again)
        program = self._known.read(source, file)
        for name in self._known.definitions[n_kept:]:
            yield f"{'redefined' if name in again else 'defined'} {name}"
        if not len(program):
            return
        self._last = program.graph
        started = time.perf_counter()
        outcome = self._engine.normalise(program.graph)
        microseconds = (time.perf_counter() - started) * 1e6
        reports = list(outcome.reports())
        for index, report in enumerate(reports):
            if report.stop is StopReason.NORMAL_FORM:
                result = outcome.result
                root = TermGraph(result.op, result.a, result.b, result.roots[index : index + 1])
                yield self._known.texts(root)[0]
            else:
                yield explain(report.stop, self._limits)
        yield self._telemetry(reports, microseconds)

    def _telemetry(self, reports: list[Report], microseconds: float) -> str:
        rewrites, nodes, reused = (sum(getattr(r, key) for r in reports) for key in ("steps", "nodes", "reused"))
        counts = {"expressions": len(reports), "rewrites": rewrites, "nodes": nodes, "reused": reused}
        for key, count in counts.items():
            self._totals[key] += count
        return (
            f"  nodes +{nodes} (now {self._engine.count}), reused {reused}, rewrites {rewrites}, {microseconds:.0f} us"
        )

    def _help(self, _: str) -> Iterator[str]:
        ops = ", ".join(f"{op.name}/{op.arity}" for op in self._theory.signature.ops)
        yield f"expressions of theory {self._theory.name}: {ops}, (def name x); ; and # start comments"
        yield from (f"{name:10}{line}" for name, (_, line) in COMMANDS.items())

    def _stats(self, _: str) -> Iterator[str]:
        yield ", ".join(f"{count} {key}" for key, count in self._totals.items())
        yield f"definitions: {' '.join(self._known.definitions) or 'none'}"

    def _ledger(self, _: str) -> Iterator[str]:
        layout = self._limits.layout
        yield f"{self._engine.count} of {self._limits.capacity} nodes, status {self._engine.status.name.lower()}"
        yield f"key layout {layout.name}: ids to {layout.max_id}; at most {self._limits.max_steps} steps an expression"

    def _switch(self, name: str) -> Iterator[str]:
        if name:
            self._engine = self._opened(name)
            self._engine_name = name
        yield f"engine {self._engine_name}, of {', '.join(ENGINES)}"

    def _load(self, path: str) -> Iterator[str]:
        try:
            source = Path(path).expanduser().read_bytes()
        except OSError as error:
            raise UsageError(f":load needs a file that can be read, got {path!r}: {error.strerror}") from error
        yield from self._evaluate(source, path)

    def _dot(self, path: str) -> Iterator[str]:
        if self._last is None:
            raise UsageError(":dot draws the last expressions, but there are none yet; evaluate one first")
        remedy = "evaluate a smaller one, or use `prism show`"
        signature, symbols = self._theory.signature, self._known.symbols
        text = drawn(signature, self._last, symbols, max_nodes=_MAX_DRAWN, remedy=remedy)
        if path:
            write_picture(Path(path).expanduser(), text)
            yield f"wrote {path}"
        else:
            yield text.rstrip("\n")

    def _rules(self, _: str) -> Iterator[str]:
        yield from map(written_rule, self._theory.rules)

    def _explain(self, text: str) -> Iterator[str]:
        program = self._known.read(_encoded(text), _SOURCE)
        engine = TheoryEngine(self._limits, self._theory, is_logged=True)
        outcome = engine.normalise(program.graph)
        for number, step in enumerate(explained(engine, self._known.symbols), 1):
            yield f"{number}. {step}"
        for index, root in enumerate(outcome.result.roots.tolist()):
            result = outcome.result
            one = TermGraph(result.op, result.a, result.b, result.roots[index : index + 1])
            yield self._known.texts(one)[0] if root else explain(outcome.report(index).stop, self._limits)

    def _reset(self, _: str) -> Iterator[str]:
        self._restart()
        yield "store, definitions and counts are empty"


def _encoded(text: str) -> bytes:
    return text.encode(errors="surrogateescape")


def _quit(_: Session, __: str) -> Iterator[str]:
    raise EOFError


COMMANDS: Final[dict[str, tuple[Callable[[Session, str], Iterator[str]], str]]] = {
    ":help": (Session._help, "this list"),
    ":stats": (Session._stats, "what this session did, and the names it knows"),
    ":ledger": (Session._ledger, "the store: nodes, capacity, status, key layout"),
    ":engine": (Session._switch, "which engine runs; with a name, switch to it with an empty store"),
    ":rules": (Session._rules, "the rules of the theory, in the order in which they apply"),
    ":explain": (Session._explain, "normalise an expression from an empty store, and print each rule application"),
    ":load": (Session._load, "evaluate a file; again, to take its definitions anew"),
    ":dot": (Session._dot, "draw the last expressions as Graphviz text; with a name, into that file"),
    ":reset": (Session._reset, "forget everything"),
    ":quit": (_quit, "leave; exit, quit and the end of input do too"),
}
"""What a line that starts with a colon may name, or alone begin: the action, and its line in :help."""
LEAVING: Final = frozenset({"exit", "quit"})
"""Words that leave, where they are not defined."""
