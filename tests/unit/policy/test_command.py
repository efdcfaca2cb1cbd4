"""The command: exit status, the three formats, and refusals that say what to do."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from policy import findings, posture, rules, settings
from policy.__main__ import main

pytestmark = [pytest.mark.m5, pytest.mark.clause("CHECKER-4")]

ROOT = Path(__file__).parents[3]
FIXTURES = ROOT / "policy" / "fixtures"
LISTS = ["--settings", str(ROOT / "policy" / "workflows.toml")]
BAD = str(FIXTURES / "action-pinned" / "bad")
MESSAGE = "'actions/checkout@v6' must end in @ and a full commit id of 40 hexadecimal digits"


def run(*arguments: str) -> Result:
    """Run the command in this process."""
    return CliRunner().invoke(main, list(arguments))


def test_our_own_tree_has_no_finding() -> None:
    """The lists default to the checked tree's; the summary counts what was read."""
    result = run("check", "--root", str(ROOT))
    assert (result.exit_code, result.stdout) == (0, "")
    assert "policy: 0 findings (" in result.stderr


def test_each_format_has_place_rule_clause_message_and_remedy() -> None:
    """Text has two lines a finding, JSON one object, the annotation one command with its text escaped."""
    rule = next(rule for rule in rules.RULES if rule.id == "action-pinned")
    text, as_json, github = (
        run("check", "--root", BAD, *LISTS, "--format", form) for form in ("text", "json", "github")
    )
    assert [result.exit_code for result in (text, as_json, github)] == [1, 1, 1]
    place = ".github/workflows/ci.yml"
    assert text.stdout == f"{place}:10: action-pinned [POLICY-6]: {MESSAGE}\n  {rule.remedy}\n"
    assert json.loads(as_json.stdout) == {
        "path": place,
        "line": 10,
        "rule": "action-pinned",
        "message": MESSAGE,
        "clause": "POLICY-6",
        "remedy": rule.remedy,
    }
    expected = f"::error file={place},line=10,title=action-pinned::{MESSAGE} [POLICY-6]. {rule.remedy}\n"
    assert github.stdout == expected


def test_an_annotation_cannot_be_broken_out_of() -> None:
    """Line ends, per cent signs, and in properties also commas and colons, are escaped."""
    finding = findings.Finding("a,b:c", 1, "r", "50%\n::error::x", "C", "do")
    assert findings.as_github([finding]) == "::error file=a%2Cb%3Ac,line=1,title=r::50%25%0A::error::x [C]. do\n"


def test_a_tree_without_workflows_is_refused(tmp_path: Path) -> None:
    """Nothing to check is not a pass: the wrong folder was given."""
    result = run("check", "--root", str(tmp_path), *LISTS)
    assert result.exit_code == 2
    assert "must have a workflow in .github/workflows, got none; give --root" in result.stderr


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (None, "must be a readable TOML file, got"),
        ("x = [", "must be a readable TOML file, got"),
        ("actions = []", "must have exactly the keys ['actions', 'hosted_labels', 'images', "),
    ],
)
def test_lists_that_cannot_be_read_are_refused(tmp_path: Path, text: str | None, message: str) -> None:
    """A missing file, a syntax error and a missing or unknown key end with status 2 and the file's name."""
    path = tmp_path / "lists.toml"
    if text is not None:
        path.write_text(text, encoding="utf-8")
    result = run("check", "--root", BAD, "--settings", str(path))
    assert result.exit_code == 2
    assert message in result.stderr.replace("\n", " ")
    with pytest.raises(settings.SettingsError):
        settings.read(path)


def test_posture_reads_a_recording() -> None:
    """A good recording passes, a bad one fails with its finding, none at all is refused."""
    folder = FIXTURES / "posture-selected"
    good = run("posture", "--recorded", str(folder / "good.json"), *LISTS)
    bad = run("posture", "--recorded", str(folder / "bad.json"), *LISTS)
    missing = run("posture", "--recorded", str(folder / "none.json"), *LISTS)
    assert (good.exit_code, bad.exit_code, missing.exit_code) == (0, 1, 2)
    assert "posture-selected [POLICY-10]: allowed_actions must be 'selected', got 'all'" in bad.stdout
    assert "must be a recorded JSON answer" in missing.stderr


def test_posture_without_a_source_is_refused() -> None:
    """Neither a recording nor a repository with a token is a usage error, not a pass."""
    result = run("posture", "--repository", "me/it", *LISTS)
    assert result.exit_code == 2
    assert "posture needs --recorded FILE, or --repository and a token; got neither" in result.stderr


def test_the_token_may_come_from_the_environment() -> None:
    """With a token from the variable the host is asked, and its silence is a failure."""
    arguments = ["posture", "--repository", "me/it", "--api", "http://127.0.0.1:9", *LISTS]
    result = CliRunner().invoke(main, arguments, env={"POLICY_GITHUB_TOKEN": "right"})
    assert result.exit_code == 2
    assert "must answer with a JSON object" in result.stderr


def test_every_rule_is_printed() -> None:
    """`rules` prints one line a rule with its clause."""
    lines = run("rules").stdout.splitlines()
    expected = [(rule.id, rule.clause) for rule in rules.RULES]
    expected += [(rule.id, posture.CLAUSE) for rule in posture.POSTURE_RULES]
    assert [tuple(line.split()[:2]) for line in lines] == [(name, f"[{clause}]") for name, clause in expected]


def test_settings_that_are_no_text_are_refused(tmp_path: Path) -> None:
    """A settings file that is not UTF-8 ends with status 2 and its name."""
    (tmp_path / "lists.toml").write_bytes(b"\xff")
    done = run("check", "--root", str(ROOT), "--settings", str(tmp_path / "lists.toml"))
    assert done.exit_code == 2
    assert "lists.toml must be a readable TOML file, got 'utf-8' codec can't decode" in done.stderr


def test_help_cuts_no_line_short() -> None:
    """On a terminal of 80 columns the list of commands shows every line whole."""
    shown = CliRunner().invoke(main, ["--help"], terminal_width=80)
    assert "..." not in shown.output.partition("Commands:")[2]
