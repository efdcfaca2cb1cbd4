"""A script that names a tool, or hides what it names, is listed; nobody needs to read a shell to see that."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest

from policy.scripts import why_to_list
from policy.settings import SettingsError, read
from tests.unit.policy.trees import ROOT, SETTINGS, Check, findings, steps, workflow

pytestmark = [pytest.mark.m5, pytest.mark.clause("POLICY-9"), pytest.mark.clause("CHECKER-3")]

NAMES_A_TOOL = (
    "curl x | sh",
    "wget -qO- x | /bin/sh",
    "make && /usr/bin/curl -o f x",
    "source env.sh",
    ". ./env.sh",
    "make\n. ./env.sh",
    'c""url x | make',
    "cu\\rl x",
    "cu\\\nrl x",
    "CURL.EXE x",
    "python3.11 build.py",
    "python build.py",
    "make;curl x",
    "make&&curl x",
    "make SHELL=/bin/bash",
    "sudo env A=b sh x",
    "sh -c'make'",
    "cat </dev/tcp/host/80 >f",
    "iwr x | iex",
    "(New-Object Net.WebClient).DownloadFile(x, y)",
    "# curl x",
    "pip install thing",
    "npx thing",
    "git clone x",
    "docker run debian",
)
HIDES = (
    "$TOOL x",
    '"$SHELL" x',
    "make $(tools/list)",
    "`tools/name` x",
    "/usr/bin/c?rl x",
    "/usr/bin/[c]url x",
    "{c,}url x",
    "c^url x",
    "%COMSPEC% x",
    "${{ matrix.tool }} x",
    "c\u0443rl x",
    "*/tool",
)
SHOWS_ALL = ("make test", ".venv/bin/pytest tests/device", "make lint && make proofs", "echo 'nothing to do' > out/log")


@pytest.mark.parametrize("text", NAMES_A_TOOL)
def test_a_tool_is_named_however_it_is_spelt(text: str) -> None:
    """Paths, versions, cases, quotes, escapes, comments and arguments hide no tool."""
    assert (why_to_list(text, SETTINGS) or "").startswith("it names ")


@pytest.mark.parametrize("text", HIDES)
def test_a_word_that_only_a_run_can_know_counts_as_a_tool(text: str) -> None:
    """Expansions, globs, braces, other shells' escapes and foreign letters could name anything."""
    assert (why_to_list(text, SETTINGS) or "").endswith("hides what it names")


@pytest.mark.parametrize("text", SHOWS_ALL)
def test_a_script_that_shows_all_that_it_names_needs_no_entry(text: str) -> None:
    """Plain commands of this repository are free."""
    assert why_to_list(text, SETTINGS) is None


def test_a_listed_script_is_its_exact_text() -> None:
    """A listed text may name a tool; a word more, a word less or another order may not."""
    listed = replace(SETTINGS, scripts={"sh a.sh b": "a reason that says why it is right"})
    assert why_to_list("sh a.sh b\n", listed) is None
    assert all(why_to_list(text, listed) for text in ("sh a.sh", "sh a.sh b c", "sh b a.sh", "sh a.sh  b"))


@pytest.mark.parametrize(
    "text",
    [
        steps("{run: 'curl x', name: a}"),
        steps("{run: make, shell: bash}"),
        workflow("runs-on: ubuntu-24.04\n    defaults: {run: {shell: pwsh}}\n    steps: [{run: make}]"),
        "defaults: {run: {shell: 'bash -c x'}}\n" + steps("{run: make}"),
    ],
)
def test_every_text_that_a_shell_is_given_is_read(check: Check, text: str) -> None:
    """A step's script, its shell, the job's default shell and the workflow's are all judged."""
    assert check(ci=text) == ["script-listed"]


AIMED = "no env may set LD_preload, which tells a tool what to run or to load"
OUTSIDE = "the variables of an env must be written out"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("env: {LD_preload: ./x}\n" + steps("{run: make}"), AIMED),
        (workflow("runs-on: ubuntu-24.04\n    env: {A: b, LD_preload: ./x}\n    steps: [{run: make}]"), AIMED),
        (steps("{run: make, env: {LD_preload: ./x}}"), AIMED),
        (steps("{run: make, env: '${{ fromJSON(inputs.env) }}'}"), OUTSIDE),
        (steps("{run: make, env: [PATH]}"), OUTSIDE),
        (steps("{run: make, env: {'${{ inputs.name }}': x}}"), OUTSIDE),
        (steps("{run: make, env: {LEVEL: '${{ inputs.level }}', path_of_x: b}}"), ""),
        (steps("{run: make, name: env}"), ""),
    ],
)
def test_no_variable_aims_a_tool(text: str, message: str, tmp_path: Path) -> None:
    """A variable by which a tool runs or loads something else is refused at any level, as is a name from outside."""
    path = tmp_path / ".github" / "workflows" / "ci.yml"
    path.parent.mkdir(parents=True)
    path.write_text(text, encoding="utf-8")
    assert [one.message for one in findings(tmp_path)] == ([message] if message else [])


def test_a_listed_script_has_a_reason(tmp_path: Path) -> None:
    """An entry without a sentence that says why is refused, and named."""
    text = (ROOT / "policy" / "workflows.toml").read_text(encoding="utf-8")
    path = tmp_path / "workflows.toml"
    path.write_text(re.sub(r'(?m)^reason = ".*"$', 'reason = "ok"', text), encoding="utf-8")
    with pytest.raises(SettingsError, match=r"a listed script must have a reason .* 'bash \.ci/run'"):
        read(path)
