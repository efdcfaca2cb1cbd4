"""The guide's worked bugs print today what the page shows."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.m6

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "spec" / "pallas-guide.md").read_text(encoding="utf-8")
PROGRAMS = dict(re.findall(r"```python\n# (\w+\.py)\n(.*?)```", PAGE, re.DOTALL))
SHOWN = dict(re.findall(r"```console\n\$ python (\w+\.py)\n(.*?)```", PAGE, re.DOTALL))


def test_every_worked_bug_shows_its_output() -> None:
    """The page has three programs, each with what it prints."""
    assert PROGRAMS.keys() == SHOWN.keys() == {"out_of_bounds.py", "race.py", "uninitialised.py"}


@pytest.mark.parametrize("name", sorted(PROGRAMS))
@pytest.mark.slow
def test_a_worked_bug_prints_what_the_page_shows(name: str, tmp_path: Path) -> None:
    """The program, run as the page says, prints the page's block; folders and Prism's own line numbers are left out."""
    (tmp_path / name).write_text(f"# {name}\n{PROGRAMS[name]}", encoding="utf-8")
    done = subprocess.run(
        [sys.executable, name],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 1
    assert shown(done.stdout, tmp_path) == SHOWN[name]


def shown(printed: str, folder: Path) -> str:
    """Return a program's output as the page shows it."""
    printed = printed.replace(f"{folder}/", "").replace(f"{ROOT}/", "")
    return re.sub(r'(File "prism/\S+", line )\d+', r"\1...", printed)
