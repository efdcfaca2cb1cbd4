"""README.md shows what runs."""

from __future__ import annotations

import re

import pytest
from click.testing import CliRunner

from prism.cli.main import prism
from tests.repo.source import ROOT

pytestmark = pytest.mark.m1
README = (ROOT / "README.md").read_text(encoding="utf-8")


def test_the_program_of_the_readme_is_a_golden_one() -> None:
    """The program that the README shows is tests/programs/readme.prism, line by line."""
    golden = (ROOT / "tests" / "programs" / "readme.prism").read_text(encoding="utf-8").splitlines()[1:]
    assert "\n".join(f"    {line}" for line in golden) in README


@pytest.mark.parametrize("command", sorted(set(re.findall(r"^    prism ((?:bench |telemetry )?[a-z]+)", README, re.M))))
def test_each_command_of_the_readme_exists(command: str) -> None:
    """Every `prism` command that the README shows has a help page."""
    done = CliRunner().invoke(prism, [*command.split(), "--help"])
    assert done.exit_code == 0, done.output
    assert done.output.startswith("Usage:")
