"""`python -m policy`: check the workflow files or the repository settings, or print the rules."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from policy import posture, rules, settings, tree
from policy.findings import FORMATS, Finding

_DEFAULT_SETTINGS = Path("policy/workflows.toml")

_form = click.option("--format", "form", type=click.Choice(sorted(FORMATS)), default="text", show_default=True)
_settings = click.option(
    "--settings",
    "lists",
    type=click.Path(path_type=Path),
    help="The lists to compare with; default: the checked tree's.",
)


@click.group()
def main() -> None:
    """Check POLICY_SEED.md. Exit 0: nothing found; 1: findings; 2: the check could not be made."""


@main.command("check")
@click.option("--root", type=click.Path(exists=True, file_okay=False, path_type=Path), default=".", show_default=True)
@_settings
@_form
def check_files(root: Path, lists: Path | None, form: str) -> None:
    """Check .github/workflows and every local action under ROOT."""
    loaded = tree.load(root, _read_settings(lists or root / _DEFAULT_SETTINGS))
    if not loaded.workflows and not loaded.unread:
        raise click.UsageError(f"{root} must have a workflow in .github/workflows, got none; give --root")
    counted = f"{len(loaded.workflows)} workflows, {len(loaded.actions)} local actions, {len(rules.RULES)} rules"
    _report(rules.check(loaded), form, counted)


@main.command("posture")
@click.option("--recorded", type=click.Path(path_type=Path), help="A recorded answer; nobody is asked.")
@click.option("--repository", metavar="OWNER/NAME", help="Ask the host about this repository.")
@click.option("--token", envvar="POLICY_GITHUB_TOKEN", help="May read the administration settings; or the variable.")
@click.option("--api", default="https://api.github.com", show_default=True)
@_settings
@_form
def check_posture(
    recorded: Path | None, repository: str | None, token: str | None, api: str, lists: Path | None, form: str
) -> None:
    """Check the repository settings, recorded or asked for."""
    allowed = _read_settings(lists or _DEFAULT_SETTINGS)
    try:
        if recorded is not None:
            answers, source = posture.recorded(recorded), str(recorded)
        elif repository and token:
            answers, source = posture.fetched(repository, token, api), repository
        else:
            raise click.UsageError("posture needs --recorded FILE, or --repository and a token; got neither")
    except posture.PostureError as error:
        raise click.UsageError(str(error)) from error
    _report(posture.check(answers, allowed, source), form, f"{len(posture.POSTURE_RULES)} rules")


@main.command("rules")
def print_rules() -> None:
    """Print every rule: its id, its clause and its law."""
    for rule in rules.RULES:
        click.echo(f"{rule.id} [{rule.clause}] {rule.law}")
    for rule in posture.POSTURE_RULES:
        click.echo(f"{rule.id} [{posture.CLAUSE}] {rule.law}")


def _read_settings(path: Path) -> settings.Settings:
    try:
        return settings.read(path)
    except settings.SettingsError as error:
        raise click.UsageError(str(error)) from error


def _report(findings: list[Finding], form: str, counted: str) -> None:
    click.echo(FORMATS[form](findings), nl=False)
    click.echo(f"policy: {len(findings)} findings ({counted})", err=True)
    sys.exit(1 if findings else 0)


if __name__ == "__main__":
    main(prog_name="python -m policy")
