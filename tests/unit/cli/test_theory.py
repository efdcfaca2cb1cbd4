"""`prism theory`: what claims come to, as a user sees it."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from prism.cli.theory import theory

pytestmark = [pytest.mark.m7, pytest.mark.clause("THEORY-6")]


def run(*arguments: str):
    """Run `prism theory`."""
    return CliRunner().invoke(theory, list(arguments))


def test_claims_that_hold_are_shown() -> None:
    """The exit code is 0, and each line says what was found."""
    done = run("check", "group")
    assert done.exit_code == 0
    assert done.output.splitlines() == [
        "shown: terminating: every rule decreases in the recursive path order: i > e, m",
        "shown: confluent: the theory terminates, and all 44 critical pairs join",
    ]


def test_a_claim_that_fails_makes_the_exit_code_1(tmp_path: Path) -> None:
    """A declared claim must be shown; what is not declared is reported all the same."""
    file = tmp_path / "bad.theory"
    file.write_text("(theory bad) (op f 1) (op g 1) (var x) (rule r (f (f x)) (g x)) (claim confluent)")
    done = run("check", str(file))
    assert done.exit_code == 1
    first, second = done.output.splitlines()
    assert first.startswith("shown: terminating (not claimed): ")
    assert second.startswith("refuted: confluent: r and r at 1: (f (f (f x))) has the normal forms")


def test_theories_and_rules_are_listed() -> None:
    """What ships, and the rules of one, in order."""
    assert "peano" in run("list").output
    assert run("rules", "peano").output.splitlines()[0] == "(rule add-zero (add zero x) x)"
