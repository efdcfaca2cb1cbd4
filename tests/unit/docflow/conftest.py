"""The tree that tests of the command begin with."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.unit.docflow import tree


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Write the clean tree and make it the current folder."""
    monkeypatch.chdir(tree.write(tmp_path))
    return tmp_path
