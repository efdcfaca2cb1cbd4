"""`prism theory`: check what theories claim, list the rules of one."""

from __future__ import annotations

import sys

import click

from prism.vm.engines.patterns import normal_patterns
from prism.vm.theory.check import Outcome, check
from prism.vm.theory.library import load, shipped
from prism.vm.theory.rule import written_rule

_COLOUR = {Outcome.SHOWN: "green", Outcome.REFUTED: "red", Outcome.NOT_SHOWN: "yellow"}


@click.group()
def theory() -> None:
    """Work with theories: files of ops, rules and claims. FILE is a path, or the name of a theory that ships."""


@theory.command("check")
@click.argument("file")
def check_file(file: str) -> None:
    """Check termination, confluence, and the ops that FILE says are complete.

    Each claim is shown with a witness, refuted with a counterexample, or not shown. Exit code 1 if a claim that the
    theory makes is not shown.
    """
    verdicts = check(load(file), normal_patterns)
    for verdict in verdicts:
        claimed = "" if verdict.is_declared else " (not claimed)"
        click.secho(verdict.outcome.value, fg=_COLOUR[verdict.outcome], nl=False)
        click.echo(f": {verdict.claim}{claimed}: {verdict.reason}")
    sys.exit(CLAIM_FAILS if any(verdict.fails for verdict in verdicts) else 0)


CLAIM_FAILS = 1
"""The exit code where a declared claim is not shown."""


@theory.command("list")
def list_shipped() -> None:
    """List the theories that ship with Prism."""
    for name in shipped():
        found = load(name)
        click.echo(f"{name:16}{len(found.signature.ops)} ops, {len(found.rules)} rules")


@theory.command("rules")
@click.argument("file")
def list_rules(file: str) -> None:
    """Print the rules of FILE, one a line, in the order in which they apply."""
    for rule in load(file).rules:
        click.echo(written_rule(rule))
