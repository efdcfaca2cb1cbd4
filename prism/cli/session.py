"""What a REPL holds between lines: an engine with its store, the definitions, and what the session did."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

from prism.cli.form import explain
from prism.cli.show import drawn, write_picture
from prism.errors import PrismError, UsageError
from prism.vm.engines.api import Limits
from prism.vm.engines.report import Report, StopReason
from prism.vm.engines.table import ENGINES, open_engine
from prism.vm.term.graph import TermGraph
from prism.vm.term.parse import Reader
from prism.vm.term.show import show_terms

_SOURCE: Final = "repl"
_MAX_DRAWN: Final = 5000


class Session:
    """Answers lines with lines; a line that fails changes nothing."""

    def __init__(self, engine: str, limits: Limits) -> None:
        self._engine_name, self._limits = engine, limits
        self._restart()

    def _restart(self) -> None:
        self._engine = open_engine(self._engine_name, self._limits)
        self._known = Reader(_SOURCE)
        self._last: TermGraph | None = None
        self._totals = {"expressions": 0, "rewrites": 0, "nodes": 0, "reused": 0}

    def interrupt(self) -> None:
        """Give up the evaluation at hand: its store may be half changed, so an empty one takes its place."""
        self._engine = open_engine(self._engine_name, self._limits)

    def is_open(self, text: str) -> bool:
        """Whether more lines must follow before `text` is complete; a text with a fault is complete."""
        if text.lstrip().startswith(":"):
            return False
        reader = Reader(_SOURCE, known=self._known)
        try:
            reader.feed(_encoded(text) + b"\n", is_last=False)
        except PrismError:
            return False
        return reader.is_open

    def answer(self, text: str) -> Iterator[str]:
        """Yield the lines that answer a command or expressions; PrismError when they are wrong."""
        word, _, rest = text.strip().partition(" ")
        if not word.startswith(":"):
            yield from self._evaluate(_encoded(text), _SOURCE)
            return
        if word not in COMMANDS:
            raise UsageError(f"a command must be one of {' '.join(COMMANDS)}, got {word}; :help explains them")
        yield from COMMANDS[word][0](self, rest.strip())

    def _evaluate(self, source: bytes, file: str) -> Iterator[str]:
        reader = Reader(file, known=self._known)
        reader.feed(source, is_last=True)
        program, names = reader.take(), reader.definitions[len(self._known.definitions) :]
        self._known = reader
        yield from (f"defined {name}" for name in names)
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
                yield show_terms(root, as_numerals=True)[0]
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
        yield "expressions: zero, 5, (suc x), (add x y), (mul x y), (def name x); ; and # start comments"
        yield from (f"{name:9}{line}" for name, (_, line) in COMMANDS.items())

    def _stats(self, _: str) -> Iterator[str]:
        yield ", ".join(f"{count} {key}" for key, count in self._totals.items())
        yield f"definitions: {' '.join(self._known.definitions) or 'none'}"

    def _ledger(self, _: str) -> Iterator[str]:
        layout = self._limits.layout
        yield f"{self._engine.count} of {self._limits.capacity} nodes, status {self._engine.status.name.lower()}"
        yield f"key layout {layout.name}: ids to {layout.max_id}; at most {self._limits.max_steps} steps an expression"

    def _switch(self, name: str) -> Iterator[str]:
        if name:
            self._engine = open_engine(name, self._limits)
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
        text = drawn(self._last, _MAX_DRAWN, remedy="evaluate a smaller one, or use `prism show`")
        if path:
            write_picture(Path(path).expanduser(), text)
            yield f"wrote {path}"
        else:
            yield text.rstrip("\n")

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
    ":load": (Session._load, "evaluate a file"),
    ":dot": (Session._dot, "draw the last expressions as Graphviz text; with a name, into that file"),
    ":reset": (Session._reset, "forget everything"),
    ":quit": (_quit, "leave; end of input does too"),
}
"""What a line that starts with a colon may name: the action, and its line in :help."""
