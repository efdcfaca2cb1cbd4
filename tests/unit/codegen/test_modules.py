"""Compiled modules on disk: kept, found again, never trusted by name, and dispensable."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest
from numba.core import caching

from prism.codegen import modules

pytestmark = [pytest.mark.m6, pytest.mark.clause("PALLAS-7"), pytest.mark.clause("EXEC-7")]

SOURCE = "import numba\n\n\n@numba.njit(cache=True)\ndef kernel(x):\n    return x + {}\n"


def forget() -> None:
    """Let the next load be another process's."""
    modules._loaded.clear()


def machine_code(directory: Path) -> list[Path]:
    """Return Numba's files."""
    return sorted(directory.glob("__pycache__/k*.nb*"))


def test_another_source_under_the_name_is_not_trusted(tmp_path: Path) -> None:
    """The file's whole text is compared: what does not match is written again."""
    source = "def kernel():\n    return 3\n"
    path = modules.path_of(tmp_path, source)
    for foreign in (b"def kernel():\n    return 4\n", b"\xff\xfe"):
        forget()
        path.write_bytes(foreign)
        assert modules.load(tmp_path, source)() == 3
        assert path.read_text(encoding="utf-8") == source
    assert not list(tmp_path.glob(".k*"))


def test_a_module_is_compiled_once_and_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first call leaves machine code; the next process saves nothing."""
    source = SOURCE.format(1)
    assert not modules.is_stored(tmp_path, source)
    assert modules.load(tmp_path, source)(2) == 3
    assert modules.is_stored(tmp_path, source)
    forget()
    monkeypatch.setattr(caching.IndexDataCacheFile, "save", lambda *_: pytest.fail("compiled again"))
    assert modules.load(tmp_path, source)(2) == 3


@pytest.mark.parametrize("suffix", [".nbi", ".nbc"])
def test_truncated_machine_code_is_compiled_again(
    tmp_path: Path, suffix: str, caplog: pytest.LogCaptureFixture
) -> None:
    """A file cut short costs one line of warning; it is gone afterwards, and the next process writes it anew."""
    source = SOURCE.format(len(suffix) + ord(suffix[-1]))
    expected = modules.load(tmp_path, source)(0)
    damaged = [path for path in machine_code(tmp_path) if path.suffix == suffix]
    for path in damaged:
        path.write_bytes(path.read_bytes()[:-40])
    forget()
    with caplog.at_level(logging.WARNING, "prism"):
        kernel = modules.load(tmp_path, source)
        assert (kernel(0), kernel(1)) == (expected, expected + 1)
    assert len(caplog.records) == 1
    assert "\n" not in caplog.messages[0]
    assert damaged
    assert not machine_code(tmp_path)


def test_a_folder_that_cannot_be_made_costs_a_warning(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Without a folder the code is compiled for this process; results are the same."""
    (tmp_path / "file").touch()
    kernel = modules.load(tmp_path / "file" / "below", SOURCE.format(3))
    assert (kernel(1), len(caplog.records)) == (4, 1)
    assert "compiled for this process alone" in caplog.messages[0]


def test_a_full_disk_costs_a_warning(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Machine code that does not fit is not kept; results are the same."""

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(caching.IndexDataCacheFile, "save", full)
    kernel = modules.load(tmp_path, SOURCE.format(4))
    assert (kernel(1), kernel(2), len(caplog.records)) == (5, 6, 1)
    assert "No space left on device" in caplog.messages[0]


def test_a_mistake_in_the_source_is_still_an_error(tmp_path: Path) -> None:
    """What fails without any file fails, and no file is blamed for long."""
    source = "import numba\n\n\n@numba.njit(cache=True)\ndef kernel(x):\n    return x + missing\n"
    with pytest.raises(Exception, match="missing"):
        modules.load(tmp_path, source)(1)
