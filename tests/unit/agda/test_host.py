"""Agda on the host: which program runs, and how its answers are read."""

from __future__ import annotations

from pathlib import Path

import pytest

from agda.tools import host
from agda.tools.statements import StatementError, definition_digest, statements

pytestmark = [pytest.mark.m5, pytest.mark.clause("TRUSTED-5")]


def test_the_version_is_the_one_whose_statements_are_hashed() -> None:
    """The installed Agda is the pinned version, so that hashes are comparable."""
    assert host.version().startswith(f"Agda version {host.VERSION}")


def test_a_missing_program_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    """A program that is not there is an error with the remedy, not a pass."""
    monkeypatch.setenv("PATH", "")
    with pytest.raises(host.ToolMissingError, match="no-such-tool must be installed and was not found; build it"):
        host.program("no-such-tool", "build it")


def test_checked_modules_are_ours() -> None:
    """Of the modules that Agda says it checks, those of the compiler's own library do not count."""
    output = "Checking Everything (e.agda).\n Checking Prism.A.Base (a).\n  Checking Agda.Builtin.Nat (n).\n"
    assert host.checked_modules(output) == ("Everything", "Prism.A.Base")


def test_a_module_that_does_not_load_has_no_statements(tmp_path: Path) -> None:
    """Where Agda cannot answer, the error says how many answers are missing."""
    (tmp_path / "Everything.agda").write_text("module Everything where\nimport Nowhere\n", encoding="utf-8")
    with pytest.raises(StatementError, match="must answer for 1 modules and answered for 0; check that they load"):
        statements(tmp_path, ["Nowhere"])


def test_comments_do_not_change_what_definitions_mean(tmp_path: Path) -> None:
    """The digest of a module ignores comments and blank lines, and nothing else."""
    module = tmp_path / "M.agda"
    digests = []
    for text in (
        "module M where\nx = 1\n",
        "-- said\nmodule M where\n\n  -- why\nx = 1  \n",
        "module M where\nx = 2\n",
    ):
        module.write_text(text, encoding="utf-8")
        digests.append(definition_digest("M", tmp_path))
    assert digests[0] == digests[1] != digests[2]
