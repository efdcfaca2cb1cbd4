"""Run the Agda of this Python environment (`agda==2.7.0`) on a folder of sources."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from agda.tools.files import AGDA_ROOT, copy_sources

VERSION: Final = "2.7.0"
"""The version whose printed types are hashed; another version may print them otherwise."""

FLAGS: Final = ("--safe", "--without-K", "--no-libraries", "-i", ".")
_CHECKED: Final = re.compile(r"^\s*Checking ((?:Prism|Everything)[\w.]*) ", re.MULTILINE)


class ToolMissingError(Exception):
    """A program that a check needs is not installed; the check did not run."""


@dataclass(frozen=True, slots=True)
class Check:
    """How one run of Agda ended: whether it accepted, the modules it checked from source, what it printed."""

    accepted: bool
    modules: tuple[str, ...]
    output: str


def program(name: str, remedy: str) -> str:
    """Return the path of a program, this Python's own folder first; ToolMissingError if there is none."""
    beside = Path(sys.executable).with_name(name)
    found = str(beside) if beside.exists() else shutil.which(name)
    if found is None:
        raise ToolMissingError(f"{name} must be installed and was not found; {remedy}")
    return found


def run_agda(arguments: list[str], root: Path, text: str = "") -> subprocess.CompletedProcess[str]:
    """Run Agda in the folder `root`, with `text` as its input and no user configuration."""
    agda = program("agda", f"install it with `pip install agda=={VERSION}`")
    # A PYTHONPATH that holds this repository would hide the PyPI package behind our own of the same name.
    environment = {"PATH": "/usr/bin:/bin", "HOME": str(root), "LC_ALL": "C.UTF-8"}
    return subprocess.run(
        [agda, *arguments], cwd=root, env=environment, input=text, capture_output=True, text=True, check=False
    )


def check(root: Path, module: str = "Everything") -> Check:
    """Check one module and all that it imports."""
    done = run_agda([*FLAGS, f"{module.replace('.', '/')}.agda"], root)
    output = done.stdout + done.stderr
    return Check(done.returncode == 0, checked_modules(output), output)


def checked_modules(output: str) -> tuple[str, ...]:
    """Return the modules of ours that Agda says it checked, in its order."""
    return tuple(_CHECKED.findall(output))


def version() -> str:
    """Return what `agda --version` says first."""
    return run_agda(["--version"], AGDA_ROOT).stdout.splitlines()[0]


def check_sources(source: Path = AGDA_ROOT) -> Check:
    """Check a fresh copy of all sources, so that no earlier interface file is believed."""
    with tempfile.TemporaryDirectory() as folder:
        return check(copy_sources(Path(folder) / "agda", source))
