"""Numba's cache unwritable, full or damaged: one warning, the right result, no traceback."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.repo.source import ROOT

pytestmark = [pytest.mark.m1, pytest.mark.slow, pytest.mark.clause("TERMS-9")]

_MODULE = """
from prism.codegen.kept import guard_cache
guard_cache()
from numba import njit
@njit(cache=True)
def f(x):
    return x + 1
print(f(1))
"""
_WARNING = "Numba must keep compiled code in its cache, but: "


def _ran(folder: Path, first: str = "") -> list[str]:
    """Run a line and the module in its folder and return the lines of stderr; the only other place is no folder."""
    done = subprocess.run(
        [sys.executable, "-B", "-c", f"{first}\nimport m"],
        cwd=folder,
        env={"PYTHONPATH": f"{ROOT}:{folder}", "XDG_CACHE_HOME": "/dev/null", "HOME": "/dev/null"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (0, "2\n"), done.stderr
    return done.stderr.splitlines()


def _one_warning(lines: list[str]) -> bool:
    return len(lines) == 1 and lines[0].startswith(_WARNING)


@pytest.mark.parametrize("kind", ["nbi", "nbc"])
@pytest.mark.parametrize("size", [0, 40])
def test_a_truncated_entry_is_compiled_again(kind: str, size: int, tmp_path: Path) -> None:
    """One line warns; the run after it finds a whole entry and says nothing."""
    (tmp_path / "m.py").write_text(_MODULE)
    assert _ran(tmp_path) == []
    (entry,) = (tmp_path / "__pycache__").glob(f"*.{kind}")
    entry.write_bytes(entry.read_bytes()[:size])
    assert _one_warning(_ran(tmp_path))
    assert _ran(tmp_path) == []


def test_a_cache_without_a_place_is_no_cache(tmp_path: Path) -> None:
    """A file where the folder should be: one line warns and the result is right."""
    (tmp_path / "m.py").write_text(_MODULE)
    (tmp_path / "__pycache__").touch()
    assert _one_warning(_ran(tmp_path))


def test_a_full_cache_keeps_nothing(tmp_path: Path) -> None:
    """Where a file may hold 64 bytes, one line warns, the result is right and no part of an entry stays."""
    (tmp_path / "m.py").write_text(_MODULE)
    assert _one_warning(_ran(tmp_path, "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (64, 64))"))
    assert not [path for path in (tmp_path / "__pycache__").iterdir() if path.suffix == ".nbc"]
    assert _ran(tmp_path) == []


def test_the_first_compilation_is_announced_once(tmp_path: Path) -> None:
    """What is called before the first function is compiled is not called again, nor where the cache holds them all."""
    two = _MODULE.replace("guard_cache()", "guard_cache(lambda: print('compiling', file=__import__('sys').stderr))")
    (tmp_path / "m.py").write_text(f"{two}\n@njit(cache=True)\ndef g(x):\n    return x + 2\ng(1)\n")
    assert _ran(tmp_path) == ["compiling"]
    assert _ran(tmp_path) == []


def test_prism_run_survives_a_damaged_cache(tmp_path: Path) -> None:
    """Entries of the folders in which `prism run` keeps its code, cut short: it prints the product and one warning."""
    shutil.copytree(ROOT / "prism", tmp_path / "prism")
    command = [sys.executable, "-m", "prism", "run", "-"]
    results = []
    for _ in range(2):
        results.append(
            subprocess.run(
                command,
                cwd=tmp_path,
                env={"PYTHONPATH": str(tmp_path)},
                input="(mul 100 100)",
                text=True,
                capture_output=True,
                check=False,
            )
        )
        for entry in (tmp_path / "prism" / "vm" / "term" / "__pycache__").glob("rows.number_rows-*.nb*"):
            entry.write_bytes(entry.read_bytes()[:40])
    assert [(done.returncode, done.stdout) for done in results] == [(0, "10000\n")] * 2
    assert results[0].stderr == ""
    assert _one_warning(results[1].stderr.splitlines())
