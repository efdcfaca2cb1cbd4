"""prism.vm.engines.theory_engine: the engine `ledger` beyond the laws that all engines obey."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

from prism.status import Status
from prism.vm.engines.api import Limits
from prism.vm.engines.memo import Memo
from prism.vm.engines.report import StopReason
from prism.vm.engines.theory_engine import TheoryEngine
from prism.vm.ledger.verify import verify
from prism.vm.term.graph import numerals
from prism.vm.term.parse import read_text
from prism.vm.theory.library import load

pytestmark = pytest.mark.m1


def test_the_ledger_of_a_session_stays_sound() -> None:
    """After growth in the midst of a deep evaluation the ledger verifies, and ids ascend from operand to node."""
    engine = TheoryEngine(Limits(), load("peano"))
    outcome = engine.normalise(read_text("(add 3000 3000) (mul 40 50)").graph)
    assert numerals(outcome.result)[outcome.result.roots].tolist() == [6000, 2000]
    assert verify(engine.ledger) == []
    assert outcome.nodes.sum() == engine.count - 2


def test_memory_that_the_machine_refuses_is_oom(monkeypatch) -> None:
    """When the host cannot allocate, the session is over with oom, whatever limit was next."""

    def refuse(*_):
        raise MemoryError

    engine = TheoryEngine(Limits(), load("peano"))
    monkeypatch.setattr(Memo, "grow", refuse)
    outcome = engine.normalise(read_text("1 (mul 100 100)").graph)
    assert [report.stop for report in outcome.reports()] == [StopReason.NORMAL_FORM, StopReason.OOM]
    assert engine.status is Status.OOM


def test_rows_may_repeat_one_another() -> None:
    """Equal rows become one node, and each time after the first counts as reused."""
    terms = read_text("(add 2 2)").graph
    engine = TheoryEngine(Limits(), load("peano"))
    first = engine.normalise(terms)
    second = engine.normalise(terms)
    assert second.reused[0] == len(terms) - 2
    assert second.nodes[0] == 0
    assert first.reused[0] < second.reused[0] + first.steps[0]
    assert np.array_equal(first.result.op, second.result.op)


def test_opening_the_engine_does_not_import_jax() -> None:
    """A command that only normalises on the CPU does not pay for JAX."""
    program = "import sys, prism.vm.engines.theory_engine; sys.exit('jax' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
