"""Mutated theory files and programs: each is refused with its place, or accepted rightly; none hangs or breaks."""

from __future__ import annotations

import random
import time

import pytest

from prism.errors import ParseError, UsageError
from prism.vm.engines.api import Limits
from prism.vm.engines.table import open_engine
from prism.vm.term.read import TermReader
from prism.vm.theory.automaton import compile_theory
from prism.vm.theory.library import load, shipped
from prism.vm.theory.read import read_theory
from prism.vm.theory.show import written_theory

pytestmark = pytest.mark.m7

N_FILES = 2000
_PIECES = ["(", ")", " ", "\n", '"', ";", "commutes", "(op q 2)", "(var q)", "(literals)", "(symbols)", "x", "0", "-1",
           "99999999999999999999", "(when (< n 0))", "(rule q (not x) x)", "\xe9", "\x00", "(extends peano)",
           "(claim complete q)", "(code 5)", "(code 1)", "(int q)", "(numerals true not)"]  # fmt: skip


def mutated(text: str, choose: random.Random) -> bytes:
    """Return a text with a few pieces cut, doubled, moved or put in."""
    for _ in range(choose.choice((1, 1, 1, 2, 4))):
        one, two = sorted((choose.randrange(len(text) + 1), choose.randrange(len(text) + 1)))
        kind = choose.randrange(5)
        if kind == 0:
            text = text[:one] + choose.choice(_PIECES) + text[one:]
        elif kind == 1:
            text = text[:one] + text[min(two, one + 30) :]
        elif kind == 2:
            text = text[:two] + text[one : min(two, one + 60)] + text[two:]
        elif kind == 3:
            words = text.split(" ")
            at, other = choose.randrange(len(words)), choose.randrange(len(words))
            words[at], words[other] = words[other], words[at]
            text = " ".join(words)
        else:
            text = text[:one] + chr(choose.randrange(256)) + text[one + 1 :]
    return text.encode("latin-1", errors="replace") if choose.random() < 0.3 else text.encode()


@pytest.mark.slow
@pytest.mark.clause("THEORY-1")
def test_mutated_theory_files_are_refused_or_accepted_rightly() -> None:
    """A mutated file is one located error, or a theory that compiles, prints and reads as itself."""
    choose = random.Random(7)
    texts = [written_theory(load(name)) for name in shipped()]
    started, accepted, refused, unlocated = time.monotonic(), 0, 0, 0
    for number in range(N_FILES):
        data = mutated(texts[number % len(texts)], choose)
        try:
            theory = read_theory(data, "m.theory", load)
        except ParseError as error:
            refused += 1
            unlocated += not (str(error).startswith("m.theory:") and ": expected " in str(error))
            continue
        assert read_theory(written_theory(theory).encode(), "again").rules == theory.rules
        if accepted < 150:
            compile_theory(theory)
        accepted += 1
    assert unlocated == 0
    assert min(accepted, refused) > N_FILES // 40
    assert time.monotonic() - started < 120


@pytest.mark.clause("THEORY-3")
def test_mutated_programs_are_refused_or_run() -> None:
    """A mutated program is one located error, or its expressions come to an end."""
    choose = random.Random(8)
    text = "(symbols a b)\n(def q (and a (not b)))\n(and q (not q)) ; zero\n(not (and (not true) (and q b)))\n"
    theory = load("boolean")
    engine = open_engine("ledger", Limits(max_steps=1000), None, theory)
    accepted = unlocated = 0
    for _ in range(N_FILES):
        try:
            program = TermReader(theory).read(mutated(text, choose), "p")
        except ParseError as error:
            unlocated += not str(error).startswith("p:")
            continue
        accepted += 1
        assert engine.normalise(program.graph).stop.tolist() == [0] * len(program)
    assert unlocated == 0
    assert accepted > 30


@pytest.mark.clause("THEORY-1")
def test_a_theory_at_its_limits_is_quick() -> None:
    """220 ops and a thousand rules compile and run; one op more is refused."""
    ops = "".join(f"(op f{i} 1)" for i in range(220))
    rules = "".join(f"(rule r{i} (f{i % 200} (f{i % 220} (f{i // 200} x))) (f0 x))" for i in range(1000))
    theory = read_theory(f"(theory t) {ops} (op z 0) (var x) {rules}".encode(), "t")
    engine = open_engine("ledger", Limits(), None, theory)
    program = TermReader(theory).read(b"(f1 (f1 (f0 z)))", "p")
    assert engine.normalise(program.graph).steps.tolist() == [1]
    with pytest.raises((ParseError, UsageError), match="the code of an op must be from 1 to 223"):
        read_theory(f"(theory t) {ops} (op z 0) (op y 0) (op w 0)".encode(), "t")


@pytest.mark.clause("THEORY-1")
@pytest.mark.slow
def test_depth_and_width_cost_no_stack() -> None:
    """Parentheses a million deep, and a line of a megabyte, are read or refused in time."""
    with pytest.raises(ParseError):
        read_theory(b"(theory t) " + b"(" * 1_000_000 + b")" * 1_000_000, "t")
    with pytest.raises(ParseError, match="a file of at most 16777216 bytes"):
        read_theory(b" " * ((1 << 24) + 1), "t")
    deep = b"(not " * 200_000 + b"true" + b")" * 200_000
    program = TermReader(load("boolean")).read(deep, "p")
    assert open_engine("ledger", Limits(), None, load("boolean")).normalise(program.graph).stop.tolist() == [0]
