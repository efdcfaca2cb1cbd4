"""`prism run --theory`, `--explain`, `prism theory complete` and the REPL of any theory, as a user sees them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from prism.cli.main import main
from prism.cli.session import Session
from prism.cli.theory import theory
from prism.vm.engines.api import Limits
from prism.vm.theory.library import load

pytestmark = [pytest.mark.m7, pytest.mark.clause("THEORY-7")]


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    """Run `prism` and return its exit code, output and errors."""
    with pytest.raises(SystemExit) as ended:
        main(list(arguments))
    said = capsys.readouterr()
    return int(ended.value.code or 0), said.out, said.err


@pytest.fixture
def program(tmp_path: Path) -> Path:
    """Return a program of calculus."""
    path = tmp_path / "p.prism"
    path.write_text("(symbols a)\n(d (mul (sin t) (pow t 3)))\n(add 2 3) (d (par a))\n")
    return path


def test_programs_of_a_theory_run(capsys, program: Path) -> None:
    """Each expression is one line; the stats are those of the engine."""
    code, out, err = run(capsys, "run", "--theory", "calculus", "--stats", str(program))
    assert code == 0
    assert out.splitlines() == ["(add (mul (pow t 3) (cos t)) (mul (sin t) (mul 3 (pow t 2))))", "5", "0"]
    assert err.startswith("ledger: 3 expressions, 8 steps, ")
    code, out, _ = run(capsys, "run", "--theory", "calculus", "--engine", "baseline", "--format", "json", str(program))
    rows = [json.loads(line) for line in out.splitlines()]
    assert [row["nat"] for row in rows] == [None, 5, 0]
    assert [row["index"] for row in rows] == [0, 1, 2]
    assert rows[0]["source"] == f"{program}:2:1"


def test_a_theory_not_shown_to_terminate_needs_a_budget(capsys, tmp_path: Path) -> None:
    """Without --max-steps the run is refused; with it, what loops ends, and the exit code says so."""
    path = tmp_path / "c.prism"
    path.write_text("(symbols p q) (ap (ap K p) q) (def w (ap (ap S I) I)) (ap w w)")
    code, _, err = run(capsys, "run", "--theory", "combinators", str(path))
    assert code == 2
    assert "is not shown to terminate, so a run must have a step budget" in err
    code, out, err = run(capsys, "run", "--theory", "combinators", "--max-steps", "100", str(path))
    assert (code, out.splitlines()) == (5, ["p", "timeout"])
    assert "an expression may take 100 steps" in err


def test_explain_prints_each_rule_application(capsys, tmp_path: Path) -> None:
    """Comments before the results: the rule, the redex, what it became; of the built-in theory too."""
    path = tmp_path / "p.prism"
    path.write_text("(add 1 2)")
    code, out, _ = run(capsys, "run", "--explain", str(path))
    assert code == 0
    assert out.splitlines() == ["; add-suc: (add 1 2) -> (suc (add 0 2))", "; add-zero: (add 0 2) -> 2", "3"]
    code, _, err = run(capsys, "run", "--explain", "--engine", "baseline", str(path))
    assert code == 2
    assert "--explain must run on the engine ledger" in err
    code, _, err = run(capsys, "run", "--theory", "group", "--engine", "bsp", str(path))
    assert code == 2
    assert "must run the built-in theory, and explains nothing" in err


def test_a_literal_that_overflows_ends_the_run(capsys, tmp_path: Path) -> None:
    """The exit code is that of corrupt, with a message that names the cause."""
    path = tmp_path / "p.prism"
    path.write_text("(mul 9223372036854775807 2)")
    code, out, err = run(capsys, "run", "--theory", "calculus", str(path))
    assert (code, out) == (4, "corrupt\n")
    assert "a literal must stay within 64 bits, but one did not" in err


def test_equations_are_completed_to_a_file(tmp_path: Path) -> None:
    """The result is a theory file whose claims hold; a bound makes the exit code 1."""
    source, target = tmp_path / "g.theory", tmp_path / "done.theory"
    source.write_text("(theory g) (op f 1) (op g 1) (var x) (equation one (f (f x)) (g x))")
    done = CliRunner().invoke(theory, ["complete", str(source), "-o", str(target)])
    assert done.exit_code == 0, done.output
    assert "complete: all critical pairs of 2 rules join" in done.output
    assert load(target).claims.confluent
    done = CliRunner().invoke(theory, ["complete", str(source), "--max-equations", "1"])
    assert done.exit_code == 1
    assert "stopped: a bound was reached" in done.output
    assert "(equation pair-1" in done.output


def test_the_repl_knows_the_theory() -> None:
    """Completion, rules, explanations, free names and open lines are those of the theory."""
    session = Session("ledger", Limits(), load("group"))
    assert {"(m", "(i", "e", "(def", "(symbols"} <= set(session.words())
    assert next(iter(session.answer(":rules"))) == "(rule unit-left (m e x) x)"
    assert session.is_open("(m e")
    assert not session.is_open("(m e e)")
    assert list(session.answer("(symbols a b)")) == []
    assert list(session.answer("(def q (m a b))")) == ["defined q"]
    assert next(iter(session.answer("(m (i a) q)"))) == "b"
    assert list(session.answer(":explain (m (i a) q)")) == ["1. cancel-left: (m (i a) (m a b)) -> b", "b"]
    assert next(iter(session.answer(":help"))).startswith("expressions of theory group: e/0, i/1, m/2")
    list(session.answer("(m a (i b))"))
    assert any('label="b"' in line for line in session.answer(":dot"))


def test_the_repl_explains_the_built_in_theory() -> None:
    """`:explain` leaves the session as it was."""
    session = Session("ledger", Limits())
    assert list(session.answer(":explain (add 1 1)"))[-1] == "2"
    assert "(add" in session.words()
    assert list(session.answer(":rules"))[1] == "(rule add-suc (add (suc x) y) (suc (add x y)))"
