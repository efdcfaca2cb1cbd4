"""Whole processes side by side: from the start of a program to its last result, beside Maude and SWI-Prolog.

Every process reads the same terms as a text of its own language, and prints the normal form of each. What terms share
by a definition, or by length, is named in every language alike; a peer that does not share work does it again.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from prism.bench.harness import Case, Contender, Missing, Row, Tick, race
from prism.errors import PrismError
from prism.vm.term.graph import TermGraph, numerals
from prism.vm.term.ops import ADD, BY_CODE

LIMIT_S: Final = 10.0
"""Peers that take longer are missing."""
_PART: Final = 50
"""A term is named in parts of about so many applications: parsers of peers are slow on deep text."""
_SMALL: Final = "(add 2 3)\n"


@dataclass(frozen=True, slots=True)
class Language:
    """How a peer writes terms: its command line, given a file; its program; and where its answers stand.

    numeral: the text of a number. applied: that of an op over two texts. program: the whole, from named parts and
    roots. number: finds the number of an answer.
    """

    command: tuple[str, ...]
    suffix: str
    numeral: Callable[[int], str]
    applied: Callable[[str, str, str], str]
    program: Callable[[Mapping[str, str], Sequence[str]], str]
    number: re.Pattern[str]


def _maude(parts: Mapping[str, str], roots: Sequence[str]) -> str:
    named = "".join(f"op {name} : -> N .\neq {name} = {text} .\n" for name, text in parts.items())
    asked = "".join(f"red {text} .\n" for text in roots)
    rules = (
        "fmod PEANO is\nsort N .\nop z : -> N [ctor] .\nop s_ : N -> N [ctor iter] .\nops add mul : N N -> N .\n"
        "vars X Y : N .\neq add(z, Y) = Y .\neq add(s X, Y) = s add(X, Y) .\n"
        "eq mul(z, Y) = z .\neq mul(s X, Y) = add(Y, mul(X, Y)) .\n"
    )
    return f"{rules}{named}endfm\n{asked}quit\n"


def _prolog(parts: Mapping[str, str], roots: Sequence[str]) -> str:
    named = "".join(f"part({name}, {text}).\n" for name, text in parts.items())
    asked = "".join(f"root({text}).\n" for text in roots)
    return (
        ":- set_prolog_flag(stack_limit, 8_000_000_000).\n:- discontiguous part/2, root/1.\n:- dynamic part/2.\n"
        f"{named}{asked}"
        "add(z, Y, Y).\nadd(s(X), Y, s(Z)) :- add(X, Y, Z).\n"
        "mul(z, _, z).\nmul(s(X), Y, Z) :- mul(X, Y, W), add(Y, W, Z).\n"
        "numeral(0, T, T) :- !.\nnumeral(N, T, R) :- M is N - 1, numeral(M, s(T), R).\n"
        "value(n(N), T) :- !, numeral(N, z, T).\n"
        "value(suc(A), s(X)) :- !, value(A, X).\n"
        "value(add(A, B), T) :- !, value(A, X), value(B, Y), add(X, Y, T).\n"
        "value(mul(A, B), T) :- !, value(A, X), value(B, Y), mul(X, Y, T).\n"
        "value(P, T) :- part(P, A), value(A, T).\n"
        "count(z, N, N).\ncount(s(X), M, N) :- K is M + 1, count(X, K, N).\n"
        ":- initialization((forall(root(R), (value(R, T), count(T, 0, N), writeln(N))), halt)).\n"
    )


LANGUAGES: Final[Mapping[str, Language]] = {
    "maude": Language(
        ("maude", "-no-banner", "-no-wrap", "-no-advise", "-batch"),
        ".maude",
        lambda number: f"s_^{number}(z)" if number else "z",
        lambda op, a, b: f"{op}({a}, {b})" if b else f"s {a}",
        _maude,
        re.compile(r"^result N: (?:(z)|s z|s_\^(\d+)\(z\))$", re.MULTILINE),
    ),
    "swi-prolog": Language(
        ("swipl", "-q"),
        ".pl",
        lambda number: f"n({number})",
        lambda op, a, b: f"{op}({a}, {b})" if b else f"suc({a})",
        _prolog,
        re.compile(r"^(?:(?!)(x)|(\d+))$", re.MULTILINE),
    ),
}
"""The peers, by name."""


def start_bench(runs: int, folder: Path, *, tick: Tick = lambda _: None) -> list[Row]:
    """Return the rows of the case `start`: from the start of a process to its only result, beside imports alone."""
    file = folder / "start.prism"
    file.write_text(_SMALL, encoding="utf-8")
    contenders = [
        Contender("import numba (process)", lambda: lambda: _ended((sys.executable, "-c", "import numba"))),
        Contender("import numpy (process)", lambda: lambda: _ended((sys.executable, "-c", "import numpy"))),
        Contender("prism run (process)", lambda: lambda: _ended(_prism(file)).removesuffix("5\n")),
    ]
    return race(Case("normalise", "start", 1, "processes/s"), contenders, runs=runs, tick=tick)


def process_contenders(name: str, text: str, terms: TermGraph, folder: Path) -> list[Contender | Missing]:
    """Return `prism run` and every peer as whole processes over one program; the answer is the largest number."""
    file = folder / f"{name}.prism"
    file.write_text(text, encoding="utf-8")

    def prism() -> int:
        return max(map(int, _ended(_prism(file)).split()))

    return [Contender("prism run (process)", lambda: prism), *(_peer(peer, terms, file) for peer in LANGUAGES)]


def written(language: Language, terms: TermGraph) -> str:
    """Return the program of a graph in a peer's language: what is used twice, or is long, is a part with a name."""
    values = numerals(terms).tolist()
    uses = Counter([*terms.a.tolist(), *terms.b.tolist()])
    texts, sizes, parts = ["", language.numeral(0)], [0, 0], dict[str, str]()
    rows = zip(terms.op.tolist(), terms.a.tolist(), terms.b.tolist(), strict=True)
    for row, (op, a, b) in enumerate(rows):
        if row < 2:
            continue
        if values[row] >= 0:
            texts.append(language.numeral(values[row]))
            sizes.append(0)
            continue
        text = language.applied(BY_CODE[op].name, texts[a], texts[b] if op >= ADD.code else "")
        size = 1 + sizes[a] + sizes[b]
        if uses[row] > 1 or size >= _PART:
            parts[f"p{row}"], text, size = text, f"p{row}", 0
        texts.append(text)
        sizes.append(size)
    return language.program(parts, [texts[root] for root in terms.roots.tolist()])


def numbers(language: Language, printed: str) -> list[int]:
    """Return the numbers that a peer printed, in order."""
    found = language.number.finditer(printed)
    return [0 if one[1] else int(one[2] or 1) for one in found]


def _peer(name: str, terms: TermGraph, file: Path) -> Contender | Missing:
    language, title = LANGUAGES[name], f"{name} (process)"
    if shutil.which(language.command[0]) is None:
        return Missing(title, f"the command {language.command[0]} is not installed; install it")
    program = file.with_suffix(language.suffix)
    program.write_text(written(language, terms), encoding="utf-8")

    def work() -> int:
        found = numbers(language, _ended((*language.command, str(program))))
        if len(found) != len(terms.roots):
            raise PrismError(
                f"{name} must reduce {len(terms.roots)} terms, but reduced {len(found)}; run the bench without it"
            )
        return max(found)

    try:
        work()
    except subprocess.TimeoutExpired:
        return Missing(title, f"it did not end within {LIMIT_S:.0f} s")
    except PrismError as error:
        return Missing(title, str(error))
    return Contender(title, lambda: work, warm=False)


def _prism(file: Path) -> tuple[str, ...]:
    return (sys.executable, "-m", "prism", "run", str(file))


def _ended(command: Sequence[str]) -> str:
    """Run a command and return what it printed; TimeoutExpired after LIMIT_S but for Prism, which ends."""
    is_peer = command[0] != sys.executable
    done = subprocess.run(
        command,
        check=False,
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
        timeout=LIMIT_S if is_peer else None,
    )
    if done.returncode:
        last = done.stderr.strip().rpartition("\n")[2]
        raise PrismError(f"`{' '.join(command)}` must end with 0, but ended with {done.returncode}: {last}")
    return done.stdout
