"""Running the model: what is said when it cannot be compiled or run."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

from agda.tools import model as model_module
from agda.tools.host import ToolMissingError
from agda.tools.model import Model, Program, mismatches, node, python_trace, random_programs
from prism.vm.ledger.host import HostLedger

pytestmark = [pytest.mark.m5, pytest.mark.clause("TRUSTED-4")]


class Forgetful(HostLedger):
    """A ledger that is wrong: every id it gives is NULL."""

    def intern(self, op, a, b):
        """Give every node the id 0."""
        return super().intern(op, a, b) * 0


def test_node_comes_with_the_test_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a Node on PATH the one that the extra brings is used, and without that the error names the extra."""
    monkeypatch.setenv("PATH", "")
    assert Path(node()).name == "node"
    monkeypatch.setattr(importlib.util, "find_spec", lambda _name: None)
    with pytest.raises(
        ToolMissingError, match="the model runs under Node, which was not found; install the extra `test`"
    ):
        node()


def test_a_model_that_does_not_compile_says_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Agda's complaint is in the error."""
    monkeypatch.setattr(model_module, "copy_sources", lambda folder: folder.mkdir() or folder)
    with pytest.raises(RuntimeError, match=r"the model must compile, and Agda says:(.|\n)*Prism/Model/Base.agda"):
        Model(tmp_path)


@pytest.mark.slow
def test_a_wrong_ledger_differs(tmp_path: Path) -> None:
    """A ledger that gives wrong ids is reported with the program, and an unknown function with Node's complaint."""
    model = Model(tmp_path)
    program = Program(28, 100, (((2, 1, 0),),))
    found = mismatches(model, [program], Forgetful)
    assert len(found) == 1
    assert found[0].startswith("Program(bits=28, capacity=100")
    assert python_trace(program, HostLedger) == model.run([program])[0]
    with pytest.raises(RuntimeError, match="the model must run under Node, which says"):
        model.call([("no-such-function", 1)])


def test_random_programs_are_repeatable() -> None:
    """A seed names its programs, and they cover failures and successes."""
    programs = random_programs(1, 200)
    assert programs == random_programs(1, 200)
    statuses = {row[0] for program in programs for row in python_trace(program, HostLedger).rows}
    assert statuses == {0, 1, 2}
