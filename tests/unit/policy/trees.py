"""Small repositories for the tests of the workflow rules."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from policy import rules, settings, tree
from policy.findings import Finding

ROOT = Path(__file__).parents[3]
FIXTURES = ROOT / "policy" / "fixtures"
SETTINGS = settings.read(ROOT / "policy" / "workflows.toml")
OWN = "runs-on: [self-hosted, gpu, local]\n    if: github.actor == github.repository_owner"

Check = Callable[..., list[str]]


def findings(root: Path, *, table: tuple[rules.Rule, ...] = rules.RULES) -> list[Finding]:
    """Check `root` with the lists of this repository."""
    return rules.check(tree.load(root, SETTINGS), table)


def workflow(job: str, *, on: str = "push: {branches: [main]}", name: str = "work") -> str:
    """Return a workflow with one job, whose lines are indented by four spaces."""
    return f"on:\n  {on}\npermissions: {{contents: read}}\njobs:\n  {name}:\n    {job}\n"


def steps(*given: str, on: str = "push: {branches: [main]}") -> str:
    """Return a hosted workflow whose steps are the given flow mappings."""
    return workflow(f"runs-on: ubuntu-24.04\n    steps: [{', '.join(given)}]", on=on)
