"""The command, run in the process of a test."""

from __future__ import annotations

from click.testing import CliRunner, Result

from docflow import cli

STALE = ("user.md", "dep_version: 2", "dep_version: 1")
"""What makes the review of the clean tree stale, for `tree.spoil`."""


def run(*arguments: str) -> Result:
    """Run the command in this process."""
    return CliRunner().invoke(cli.main, list(arguments), catch_exceptions=False)
