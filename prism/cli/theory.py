"""`prism theory`: check what theories claim, complete equations, list the rules of one."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from prism.cli.options import OutputFile
from prism.files import write_text
from prism.vm.engines.patterns import normal_patterns
from prism.vm.theory.check import Outcome, check
from prism.vm.theory.complete import MAX_EQUATIONS, MAX_RULES, complete
from prism.vm.theory.library import load, shipped
from prism.vm.theory.rule import written_rule
from prism.vm.theory.show import written_theory

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


@theory.command("complete")
@click.argument("file")
@click.option("-o", "--output", type=OutputFile(), help="Write here instead of stdout.")
@click.option("--max-rules", type=click.IntRange(1), default=MAX_RULES, show_default=True, help="Most rules at a time.")
@click.option(
    "--max-equations",
    type=click.IntRange(1),
    default=MAX_EQUATIONS,
    show_default=True,
    help="Most equations to look at.",
)
def complete_file(file: str, output: Path | None, max_rules: int, max_equations: int) -> None:
    """Complete the equations of FILE into rules that terminate and are confluent (Knuth and Bendix 1970).

    The result is the same for the same file. When a bound is met, or an equation cannot be oriented, the rules so far
    and the equations that are left are written, to be completed further, and the exit code is 1.
    """
    is_shown = sys.stderr.isatty()

    def report(rules: int, left: int, seen: int) -> None:
        if is_shown:
            click.echo(f"\r{rules} rules, {left} equations left, {seen} looked at ", nl=False, err=True)

    done = complete(load(file), normal_patterns, max_rules=max_rules, max_equations=max_equations, report=report)
    if is_shown:
        click.echo(err=True)
    text = f"; {done.order}\n{written_theory(done.theory)}"
    if output is None:
        click.echo(text, nl=False)
    else:
        write_text(output, text)
    click.echo(f"{'complete' if done.is_done else 'stopped'}: {done.reason}", err=True)
    sys.exit(0 if done.is_done else CLAIM_FAILS)


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
