"""Laws of small runs: the plain reader, the plain engine and `prism run` without Numba, against the compiled ones."""

from __future__ import annotations

import subprocess
import sys
from random import Random

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from prism.cli import run as runs
from prism.cli.main import prism
from prism.errors import PrismError
from prism.vm.engines.api import Limits
from prism.vm.engines.table import open_engine
from prism.vm.ledger.key import LAYOUTS
from prism.vm.term.brief import MAX_BYTES, read_brief
from prism.vm.term.graph import BRIEF
from prism.vm.term.parse import read_text
from prism.vm.term.program import TermProgram
from tests.strategies import random_programs

pytestmark = pytest.mark.m1

_WORDS = ("zero", "suc", "add", "mul", "def", "x", "y'", "_z.1", "0", "7", "12", "5000", "(", ")", "(", ")", "\n")
_NOTES = (" ; note\n", "\t# (\r\n", "é", "\0", "-1", "3x", "add1")


@st.composite
def _texts(draw: st.DrawFn) -> str:
    """Draw texts that are programs more often than not: whole expressions, some of them with a word changed."""
    random = Random(draw(st.integers(0, 1 << 32)))

    def expression(depth: int, names: list[str]) -> list[str]:
        if depth == 0 or random.random() < 0.3:
            return [random.choice(["zero", "3", "11", *names])]
        op, arity = random.choice([("suc", 1), ("add", 2), ("mul", 2)])
        return ["(", op, *(word for _ in range(arity) for word in expression(depth - 1, names)), ")"]

    words: list[str] = []
    names: list[str] = []
    for at in range(random.randint(0, 6)):
        if random.random() < 0.4:
            words += ["(", "def", f"n{at}", *expression(3, names), ")"]
            names.append(f"n{at}")
        else:
            words += expression(4, names)
        words.append(random.choice(["\n", " ", " ; note\n"]))
    for _ in range(random.choice((0, 0, 0, 1, 2))):
        words.insert(random.randint(0, len(words)), random.choice([*_WORDS, *_NOTES]))
    return " ".join(words)


def _columns(program: TermProgram) -> list[list[int]]:
    graph = program.graph
    return [column.tolist() for column in (graph.op, graph.a, graph.b, graph.roots, program.lines, program.columns)]


@pytest.mark.clause("TERMS-10")
@settings(max_examples=300)
@given(_texts())
@example("(def x (add x 1)) x")
@example("(def x 2) (def x 3)")
@example("(suc\n2)\n (add (zero) 1)")
@example(f"(add 1 {BRIEF})")
@example(f"{BRIEF + 1}")
@example("1 " * (MAX_BYTES // 2))
def test_the_plain_reader_gives_what_the_scanner_gives(text: str) -> None:
    """A text is read to the same graph and places by both readers; only a fault, or size, is left to the scanner."""
    brief = read_brief(text.encode(), "text")
    try:
        program = read_text(text)
    except PrismError:
        assert brief is None
        return
    if brief is None:
        assert not text.isascii() or len(text) > MAX_BYTES or len(program.graph) > BRIEF or f"{BRIEF + 1}" in text
    else:
        assert _columns(brief) == _columns(program)


@pytest.mark.clause("TERMS-11")
@settings(max_examples=200)
@given(st.integers(0, 1 << 32))
@example(747)  # no room for the first node of a rewrite
@example(261)  # a rewrite that a step limit interrupts, and a later term takes up again
def test_ledger_and_baseline_give_whole_reports(seed: int) -> None:
    """Stops, steps, nodes, reuse, results row by row and the store are the same on both engines, call by call."""
    random = Random(seed)
    limits = Limits(
        random.choice((1 << 26, random.randint(2, 200))),
        random.choice((1 << 32, random.randint(0, 50))),
        LAYOUTS[random.choice(("wide", "compact"))],
    )
    engines = [open_engine(name, limits) for name in ("ledger", "baseline")]
    for call in range(random.randint(1, 3)):
        terms = random_programs(seed + call, random.choice((1, 2, 3, 8)), max_rows=random.choice((12, 24)))
        ledger, baseline = (engine.normalise(terms) for engine in engines)
        assert list(ledger.reports()) == list(baseline.reports())
        for column in ("op", "a", "b", "roots"):
            assert np.array_equal(getattr(ledger.result, column), getattr(baseline.result, column))
        assert engines[0].count == engines[1].count
        assert engines[0].status is engines[1].status


@pytest.mark.clause("TERMS-10")
@settings(max_examples=40)
@given(st.lists(_texts(), min_size=1, max_size=3), st.integers(0, 1 << 32))
@example(["(mul 100 100)"], 1)
@example(["(add 1 2", "3"], 2)
def test_a_small_run_prints_what_any_run_prints(tmp_path_factory: pytest.TempPathFactory, texts, seed: int) -> None:
    """Output, errors and exit code of `prism run` do not depend on whether Numba was needed; times aside."""
    random = Random(seed)
    folder = tmp_path_factory.mktemp("brief")
    files = [folder / f"{at}.txt" for at in range(len(texts))]
    for file, text in zip(files, texts, strict=True):
        file.write_text(text)
    options = ["--format", random.choice(("nat", "term", "json")), "--engine", random.choice(("ledger", "baseline"))]
    options += random.choice(([], ["--max-steps", "3"], ["--capacity", "9"], ["--key-layout", "compact"]))
    arguments = ["run", *options, *map(str, files)]
    small = _ended(arguments, frozenset({"ledger", "baseline"}))
    assert small == _ended(arguments, frozenset())


def _ended(arguments: list[str], briefly: frozenset[str]) -> tuple[str, str, object]:
    """Run a command in this process; what it printed, what it said, and how it ended."""
    from click.testing import CliRunner

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(runs, "BRIEFLY", briefly)
        done = CliRunner().invoke(prism, arguments)
    return done.stdout, done.stderr, done.exit_code if isinstance(done.exception, SystemExit) else repr(done.exception)


@pytest.mark.clause("TERMS-10")
@pytest.mark.parametrize(
    ("text", "answer", "imported"),
    [("(def x 3)\n(mul x (add x 4)) ; 21\n", "21", "[]"), ("(mul 100 100)", "10000", "['numba']")],
)
def test_only_a_larger_run_imports_numba(text: str, answer: str, imported: str) -> None:
    """A small program is read, evaluated and printed without Numba; one of too many rule applications is not."""
    code = (
        "import sys\nfrom prism.cli.main import main\n"
        "try: main(['run', '-'])\n"
        "finally: print([name for name in ('numba', 'jax') if name in sys.modules], file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], input=text, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, f"{answer}\n", f"{imported}\n")
