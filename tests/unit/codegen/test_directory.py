"""Where compiled code is kept."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from prism.codegen.directory import cache_directory

pytestmark = [pytest.mark.m8, pytest.mark.clause("EXEC-7")]


def test_the_cache_directory_is_the_users(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """XDG_CACHE_HOME decides, if it is an absolute path; otherwise it is ~/.cache."""
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert cache_directory("pallas") == tmp_path / "xdg" / "prism" / "pallas"
    for unset in ("", "relative/path"):
        monkeypatch.setenv("XDG_CACHE_HOME", unset)
        assert cache_directory("pallas") == tmp_path / "home" / ".cache" / "prism" / "pallas"


def test_a_process_without_a_home_keeps_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where there is no home directory, the folder is one that cannot be made, not an error."""

    def homeless() -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setattr(Path, "home", homeless)
    with pytest.raises(OSError, match="Not a directory"):
        cache_directory("x").mkdir(parents=True)
    assert cache_directory("x").is_relative_to(os.devnull)
