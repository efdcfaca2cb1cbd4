"""Golden programs of the shipped theories: each says in its comments what every expression comes to, on each engine."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import prism
from prism.vm.engines.api import Limits
from prism.vm.engines.table import open_engine
from prism.vm.term.read import TermReader
from prism.vm.term.write import write_terms
from prism.vm.theory.library import load, shipped

pytestmark = [pytest.mark.m7, pytest.mark.clause("THEORY-7")]

EXAMPLES = Path(__file__).parents[2] / "examples" / "theories"


def test_every_shipped_theory_has_an_example() -> None:
    """A theory that ships has a program, and a row on the page."""
    assert sorted(path.stem for path in EXAMPLES.glob("*.prism")) == shipped()
    page = (EXAMPLES / "README.md").read_text("utf-8")
    assert [name for name in shipped() if f"| `{name}` |" not in page] == []


@pytest.mark.parametrize("engine", ["ledger", "baseline"])
@pytest.mark.parametrize("name", shipped())
def test_programs_of_shipped_theories(name: str, engine: str) -> None:
    """Every expression comes to what its comment expects."""
    text = (EXAMPLES / f"{name}.prism").read_text("utf-8")
    theory = load(name)
    reader = TermReader(theory)
    program = reader.read(text.encode(), name)
    outcome = open_engine(engine, Limits(max_steps=1000), None, theory).normalise(program.graph)
    texts = write_terms(theory.signature, outcome.result, reader.symbols)
    found = [text or report.stop.value for text, report in zip(texts, outcome.reports(), strict=True)]
    assert found == re.findall(r"; expect: (.*)$", text, re.MULTILINE)


def test_the_page_says_what_happens(capsys: pytest.CaptureFixture[str]) -> None:
    """The theory of the page keeps its claims' promises, and its Python prints what its comments say."""
    page = (EXAMPLES / "README.md").read_text("utf-8")
    code = re.search(r"```python\n(.*?)```", page, re.DOTALL)
    assert code is not None
    exec(compile(code[1], "README.md", "exec"), {})
    assert capsys.readouterr().out.splitlines() == ["e", "1. cancel-left: (m (i a) (m a b)) -> b", "b"]
    assert prism.theory.load("group").claims.confluent
