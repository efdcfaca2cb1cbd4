"""Bench of theories: the user's own rules on Prism and Maude, linear, shared and wide."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

from prism.bench.harness import Case, Contender, Missing, Row, Tick, race
from prism.errors import PrismError, UsageError
from prism.vm.engines.api import Limits
from prism.vm.engines.table import open_engine
from prism.vm.term.graph import TermGraph
from prism.vm.term.tree import graph_of
from prism.vm.term.write import write_terms
from prism.vm.theory.library import load
from prism.vm.theory.model import Theory, theory_of
from prism.vm.theory.rule import Pattern
from prism.vm.theory.signature import Signature

_PARITY: Final = theory_of(
    "parity",
    [("zero", 0), ("s", 1), ("add", 2), ("even", 1), ("true", 0), ("false", 0)],
    [
        ("add-zero", ("add", ("zero",), "y"), "y"),
        ("add-s", ("add", ("s", "x"), "y"), ("s", ("add", "x", "y"))),
        ("even-zero", ("even", ("zero",)), ("true",)),
        ("even-one", ("even", ("s", ("zero",))), ("false",)),
        ("even-more", ("even", ("s", ("s", "x"))), ("even", "x")),
    ],
    words=Signature((), has_symbols=True),
)


@dataclass(frozen=True, slots=True)
class Workload:
    """Terms of a theory whose normal forms are short; those called shared unfold to many times their nodes."""

    theory: Theory
    terms: list[Pattern]


def _word(names: Sequence[str]) -> Pattern:
    word: Pattern = names[0]
    for name in names[1:]:
        word = ("m", word, name)
    return word


def _number(value: int) -> Pattern:
    number: Pattern = ("zero",)
    for _ in range(value):
        number = ("s", number)
    return number


def _cancelled(names: Sequence[str]) -> Pattern:
    word = _word(names)
    return ("m", word, ("i", word))


def _shared_group(depth: int) -> Pattern:
    term: Pattern = ("m", "a", ("i", "b"))
    for _ in range(depth):
        term = ("m", term, ("m", term, ("i", term)))
    return ("m", term, ("i", term))


def _shared_gates(depth: int) -> Pattern:
    term: Pattern = "a"
    for number in range(depth):
        term = ("and", ("not", ("and", term, f"b{number}")), term)
    return term


WORKLOADS: Final[dict[str, Callable[[], Workload]]] = {
    "parity linear": lambda: Workload(_PARITY, [("even", ("add", _number(900), _number(900)))]),
    "parity wide": lambda: Workload(
        _PARITY, [("even", ("add", _number(n % 40), _number(n % 41))) for n in range(2000)]
    ),
    "group linear": lambda: Workload(load("group"), [_cancelled([f"a{n}" for n in range(300)])]),
    "group wide": lambda: Workload(
        load("group"), [_cancelled([f"a{n % 50}", f"b{n % 7}", f"c{n % 11}", "d"]) for n in range(2000)]
    ),
    "group shared": lambda: Workload(load("group"), [_shared_group(9)]),
    "boolean shared": lambda: Workload(load("boolean"), [_shared_gates(16)]),
}
"""Work by name: built when it is asked for."""


def theory_bench(names: Sequence[str], runs: int, *, tick: Tick = lambda _: None) -> Iterator[Row]:
    """Yield the rows of each workload: seconds from a graph, or in a peer from its own term, to normal forms.

    The rate of everyone is the work's rewrites on engine `ledger`, which shares, over the time. Maude's
    time is that of its process, start and parsing included. All must give the same normal forms, which are constants.
    """
    unknown = set(names) - set(WORKLOADS)
    if unknown:
        raise UsageError(
            f"a workload must be one of {', '.join(WORKLOADS)}, got {', '.join(sorted(unknown))}; choose among them"
        )
    for name in names or WORKLOADS:
        work = WORKLOADS[name]()
        numbers: dict[str, int] = {}
        graph = graph_of(work.theory.signature, work.terms, numbers)
        steps = int(open_engine("ledger", Limits(), None, work.theory).normalise(graph).steps.sum())
        contenders = [_prism(work.theory, graph, list(numbers)), _maude(work, list(numbers))]
        yield from race(Case("theory", name, steps, "rewrites/s"), contenders, runs=runs, tick=tick)


def _prism(theory: Theory, graph: TermGraph, symbols: list[str]) -> Contender:
    def prepare() -> Callable[[], Any]:
        engine = open_engine("ledger", Limits(), None, theory)
        return lambda: write_terms(theory.signature, engine.normalise(graph).result, symbols)

    return Contender("prism ledger", prepare)


def _maude(work: Workload, symbols: list[str]) -> Contender | Missing:
    command = shutil.which("maude")
    if command is None:
        return Missing("maude (whole process)", "the command maude is not installed; install it")
    program = maude_program(work, symbols)

    def prepare() -> Callable[[], Any]:
        def run() -> list[str]:
            done = subprocess.run(
                [command, "-no-banner", "-no-wrap", "-batch"],
                input=program,
                capture_output=True,
                text=True,
                check=False,
            )
            found = re.findall(r"^result S: (.*)$", done.stdout, re.MULTILINE)
            if len(found) != len(work.terms):
                raise PrismError(
                    f"maude must reduce {len(work.terms)} terms, but reduced {len(found)}: {done.stderr[:200]!r}; "
                    "run `prism bench theory` without it"
                )
            return found

        return run

    return Contender("maude (whole process)", prepare)


def maude_program(work: Workload, symbols: Sequence[str]) -> str:
    """Return a Maude module of a theory, and a `red` for each term; UsageError for literals and guards."""
    signature = work.theory.signature
    if signature.has_literals:
        raise UsageError(f"a theory must be without literals to be written for Maude, got {work.theory.name!r}")
    lines = ["fmod T is", "sort S ."]
    for op in signature.ops:
        attributes = " [comm]" if op.commutes else ""
        lines.append(f"op {op.name} : {'S ' * op.arity}-> S{attributes} .")
    lines += [f"op {name} : -> S ." for name in symbols]
    lines += [f"eq {_maude_term(rule.lhs, 'V')} = {_maude_term(rule.rhs, 'V')} ." for rule in work.theory.rules]
    lines.append("endfm")
    lines += [f"red {_maude_term(term, '')} ." for term in work.terms]
    return "\n".join([*lines, "quit", ""])


def _maude_term(term: Pattern, mark: str) -> str:
    """Return a term in Maude's syntax; a free name stays, a variable gets a mark and its sort."""
    pieces: list[str] = []
    waiting: list[Any] = [term]
    while waiting:
        item = waiting.pop()
        if isinstance(item, _Text):
            pieces.append(item)
        elif isinstance(item, tuple):
            pieces.append(item[0])
            if len(item) > 1:
                pieces.append("(")
                waiting.append(_Text(")"))
                for index in range(len(item) - 1, 0, -1):
                    waiting.append(item[index])
                    if index > 1:
                        waiting.append(_Text(","))
        else:
            pieces.append(f"{item}{mark}:S" if mark else str(item))
    return "".join(pieces)


class _Text(str):
    """Text between the parts of a term, told from a free name."""

    __slots__ = ()
