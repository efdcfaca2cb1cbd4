from __future__ import annotations

import importlib

import pytest

from prism.cli import main as cli
from prism.cli.main import COMMANDS, exit_code, main
from prism.errors import CapacityError, CorruptError, PrismError, UsageError

pytestmark = pytest.mark.m1


@pytest.mark.parametrize(
    ("error", "code"), [(UsageError("x"), 2), (PrismError("x"), 2), (CapacityError("x"), 3), (CorruptError("x"), 4)]
)
@pytest.mark.clause("TERMS-9")
def test_errors_have_the_code_of_their_kind(error: PrismError, code: int) -> None:
    """An error that reaches the command line ends it with the code of what it means."""
    assert exit_code(error) == code


def test_help_names_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    """`prism --help` lists the table, without importing what it lists."""
    with pytest.raises(SystemExit) as end:
        main(["--help"])
    assert end.value.code == 0
    out = capsys.readouterr().out
    assert all(f"  {name} " in out for name in COMMANDS)


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_exists(name: str) -> None:
    """What the table names is there, and is a command with a help text."""
    module, _, attribute = COMMANDS[name][0].partition(":")
    assert getattr(importlib.import_module(module), attribute).help


def test_memory_that_runs_out_is_oom(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """When the machine has no more memory the command ends with code 3 and a remedy, not with a traceback."""

    def exhausted(**_: object) -> None:
        raise MemoryError

    monkeypatch.setattr(cli.prism, "main", exhausted)
    with pytest.raises(SystemExit) as end:
        main([])
    assert end.value.code == 3
    assert capsys.readouterr().err == "error: a program must fit memory, but the machine has no more; split it\n"
