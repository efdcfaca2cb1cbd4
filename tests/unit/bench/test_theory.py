"""prism.bench.theory: workloads agree, and a peer that is missing, slow or wrong is said to be."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pytest

from prism.bench import theory as bench
from prism.bench import theory_peers
from prism.bench.harness import Contender, Missing
from prism.bench.theory import OTHERS, theory_bench
from prism.bench.theory_peers import egglog, egglog_program, maude_program, named_parts, peers, sympy
from prism.bench.theory_workloads import WORKLOADS, Workload
from prism.errors import PrismError, UsageError
from prism.vm.engines.api import Limits
from prism.vm.engines.session import session
from prism.vm.theory.library import load
from prism.vm.theory.signature import Op

pytestmark = pytest.mark.m7

FAKE = """#!/bin/sh
while read -r line; do case "$line" in red*) {answer};; esac; done
"""


@pytest.fixture(autouse=True)
def _no_egglog(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whether egglog is installed must not matter, nor a Maude of this machine."""
    monkeypatch.setattr(theory_peers, "find_spec", lambda name: None if name == "egglog" else name)
    monkeypatch.setattr(theory_peers.shutil, "which", lambda _name: None)


def fake_maude(monkeypatch: pytest.MonkeyPatch, folder: Path, answer: str) -> None:
    """Put a command in Maude's place that runs `answer` for every reduction."""
    command = folder / "maude"
    command.write_text(FAKE.format(answer=answer))
    command.chmod(0o755)
    monkeypatch.setattr(theory_peers.shutil, "which", lambda _name: str(command))


@pytest.mark.clause("THEORY-7")
def test_a_missing_peer_is_a_row() -> None:
    """Without the peers there are rows that say so; ours has a time and a rate."""
    ours, *others = theory_bench(["arithmetic small"], 1)
    assert ours.impl == "prism ledger"
    assert ours.rate is not None
    assert [row.unit for row in others] == [
        "missing: the command maude is not installed; install it",
        "missing: the command maude is not installed; install it",
        "missing: egglog is not installed; install prism-vm[bench]",
        "missing: SymPy differentiates; it has no engine for rules of the user's",
    ]


def test_a_peer_runs_the_same_rules(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """What the command prints is the answer that must agree; too few answers are an error."""
    fake_maude(monkeypatch, tmp_path, "echo 'Maude> result S: yes'")
    rows = list(theory_bench(["arithmetic small"], 1))
    assert [row.runs for row in rows] == [1, 1, 1, 0, 0]
    fake_maude(monkeypatch, tmp_path, "echo 'Maude> result S: no'")
    with pytest.raises(PrismError, match="contenders must give one answer"):
        list(theory_bench(["arithmetic small"], 1))
    fake_maude(monkeypatch, tmp_path, "echo oops; exit 0")
    with pytest.raises(PrismError, match="maude must reduce 1 terms, but reduced 0") as raised:
        list(theory_bench(["arithmetic small"], 1))
    assert "run `prism bench theory` without it, or see what it says of the rules" in str(raised.value)


def test_a_slow_peer_is_missing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A peer that does not answer in time is stopped, and its row says so."""
    monkeypatch.setattr(theory_peers, "LIMIT_S", 0.3)
    fake_maude(monkeypatch, tmp_path, "exec sleep 60")
    found = theory_peers.maude(WORKLOADS["arithmetic small"](), [], has_memo=False)
    assert found == Missing("maude", "it did not end within 0 s")


def test_a_theory_is_written_for_maude() -> None:
    """Ops with their attributes, free names as constants, rules as equations, a constant for each term."""
    work = Workload(load("boolean"), [("and", "a", ("not", ("true",)))])
    lines = maude_program(work, ["a"], has_memo=False).splitlines()
    assert {"op and : S S -> S [comm] .", "op not : S -> S .", "op true : -> S .", "op a : -> S ."} <= set(lines)
    assert "eq and(xV:S,not(xV:S)) = false ." in lines
    assert lines[-4:] == ["op t0 : -> S .", "eq t0 = and(a,not(true)) .", "endfm", "red ready ."]
    assert "op and : S S -> S [comm memo] ." in maude_program(work, ["a"], has_memo=True)
    with pytest.raises(UsageError, match="a theory must be without literals to be written for a peer"):
        maude_program(Workload(load("calculus"), []), [])


def test_a_theory_is_written_for_egglog() -> None:
    """Ops as constructors, commuting ones with a rewrite of their own, free names as strings."""
    lines = egglog_program(Workload(load("boolean"), [("and", "a", ("true",))]), ["a"]).splitlines()
    assert lines[0] == "(datatype S (Optrue) (Opfalse) (Opnot S) (Opand S S) (Free String))"
    assert "(rewrite (Opand x y) (Opand y x))" in lines
    assert "(rewrite (Opand x (Opnot x)) (Opfalse))" in lines
    assert lines[-3:] == ['(let $t0 (Opand (Free "a") (Optrue)))', "(run-schedule (saturate (run)))", "(extract $t0)"]


def test_egglog_answers_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    """The extracted constant is read as the op that it is; a first try that fails or is slow makes the peer missing."""

    class Graph:
        def parse_program(self, program: str) -> list[str]:
            return [program]

        def run_program(self, *_commands: str) -> list[SimpleNamespace]:
            return [SimpleNamespace(termdag=SimpleNamespace(to_string=lambda _term: "(Opyes )"), term=0)]

    bindings = ModuleType("egglog.bindings")
    bindings.EGraph = Graph  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "egglog", ModuleType("egglog"))
    monkeypatch.setitem(sys.modules, "egglog.bindings", bindings)
    monkeypatch.setattr(theory_peers, "find_spec", lambda name: name)
    monkeypatch.setattr(theory_peers, "_EGGLOG_TRIAL", "import sys; sys.stdin.read()")
    work = WORKLOADS["arithmetic small"]()
    found = egglog(work, [])
    assert isinstance(found, Contender)
    assert found.prepare()() == ["yes"]
    monkeypatch.setattr(theory_peers, "_EGGLOG_TRIAL", "raise SystemExit('no such rule')")
    assert egglog(work, []) == Missing("egglog", "it failed: ['no such rule']")
    monkeypatch.setattr(theory_peers, "LIMIT_S", 0.2)
    monkeypatch.setattr(theory_peers, "_EGGLOG_TRIAL", "import time; time.sleep(9)")
    assert egglog(work, []) == Missing("egglog", "it did not end within 0 s")


def test_sympy_differentiates(monkeypatch: pytest.MonkeyPatch) -> None:
    """SymPy's derivatives at 1, modulo 2, are the constants that the rules come to."""
    monkeypatch.setattr(theory_peers, "LIMIT_S", 300.0)
    for name in ("derivatives small", "derivatives wide"):
        work = WORKLOADS[name]()
        work = Workload(work.theory, work.terms[:10])
        found = sympy(work)
        assert isinstance(found, Contender)
        with session(work.theory) as current:
            assert found.prepare()() == [term[0] for term in current.normal_all(work.terms)]


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_sympy_on_deep_or_large_terms_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where SymPy's recursion ends, or its time, the row says so."""
    deep = sympy(WORKLOADS["derivatives linear"]())
    assert isinstance(deep, Missing)
    assert deep.reason.startswith("maximum recursion depth exceeded")
    monkeypatch.setattr(theory_peers, "LIMIT_S", 0.4)
    assert sympy(WORKLOADS["derivatives wide"]()) == Missing("SymPy diff", "it did not end within 0 s")


def test_named_parts_keep_the_terms() -> None:
    """Putting the parts back for their names gives the terms, and no part is long."""
    for name in ("group small", "boolean shared", "derivatives linear"):
        work = WORKLOADS[name]()
        known: dict[str, object] = {}

        def whole(part, known=known):
            if not isinstance(part, tuple):
                return known.get(part, part)
            return (part[0], *(whole(one) for one in part[1:]))

        for given, part in named_parts(work.terms):
            assert str(part).count("(") <= 101
            known[given] = whole(part)
        with session(work.theory) as current:
            ours = [current.normal(known[f"t{at}"]) for at in range(len(work.terms))]
            assert ours == current.normal_all(work.terms)


@pytest.mark.slow
def test_every_workload_comes_to_constants() -> None:
    """Every term of every workload has a constant as its normal form, by name alone."""
    for name, make in WORKLOADS.items():
        work = make()
        constants = {op.name for op in work.theory.signature.ops if isinstance(op, Op) and not op.arity}
        with session(work.theory, limits=Limits()) as current:
            assert {term[0] for term in current.normal_all(work.terms[:50])} <= constants, name
        assert len(peers(Workload(work.theory, []), [])) == 4


def test_other_benches_are_part_of_the_run(monkeypatch: pytest.MonkeyPatch) -> None:
    """Named or not, circuits and common subexpressions come after the theories."""

    def rows(*arguments, **options) -> Iterator[str]:
        yield f"{len(arguments)} {sorted(options)}"

    monkeypatch.setattr(bench, "WORKLOADS", {})
    monkeypatch.setattr(bench, "aig_bench", rows)
    monkeypatch.setattr(bench, "cse_bench", rows)
    assert list(theory_bench([], 1)) == ["4 ['tick']", "2 ['tick']"]
    assert list(theory_bench(["cse"], 1)) == ["2 ['tick']"]
    assert OTHERS == ("aig", "cse")


def test_an_unknown_workload_is_refused() -> None:
    """The names that there are stand in the message."""
    with pytest.raises(UsageError, match="a workload must be one of arithmetic small"):
        list(theory_bench(["nosuch"], 1))
    assert {name.rpartition(" ")[2] for name in WORKLOADS} == {"small", "linear", "wide", "shared"}
