"""The public interface is the recorded one."""

from __future__ import annotations

import ast

import click
import pytest

from tests.repo import public_api
from tests.repo.source import Module

pytestmark = [pytest.mark.m1, pytest.mark.clause("REPO-4")]


@pytest.mark.slow
def test_the_interface_is_the_recorded_one() -> None:
    """A change of an exported name, a signature, a command or an option changes public_api.txt in the same commit."""
    assert public_api.lines() == public_api.RECORD.read_text(encoding="utf-8").splitlines()


def test_a_definition_is_described_by_what_a_caller_sees() -> None:
    """Signatures, fields and public methods are recorded; bodies, private names and values are not."""
    source = (
        "class A(B):\n x: int = 1\n _y: int\n def f(self, a, *, b=2) -> int: ...\n def _g(self): ...\ndef h(c): ...\n"
    )
    module = Module("prism/x.py", ast.parse(source))
    assert list(public_api._described("p.A", "A", module)) == [
        "p.A(B)",
        "p.A.x: int = 1",
        "p.A.f(self, a, *, b=2) -> int",
    ]
    assert list(public_api._described("p.h", "h", module)) == ["p.h(c)"]


def test_a_command_is_described_with_its_parameters() -> None:
    """Groups are walked; an option shows its spellings and what it takes."""

    @click.command()
    @click.argument("file")
    @click.option("--deep", "-d", is_flag=True)
    @click.option("--form", type=click.Choice(["a", "b"]))
    def inner(**_: object) -> None:
        """Do nothing."""

    group = click.Group(commands={"go": inner})
    assert list(public_api._command("it", group)) == [
        "$ it",
        "$ it go",
        "$ it go file FILE",
        "$ it go --deep/-d",
        "$ it go --form [a|b]",
    ]
