"""`check --base`: each rule on a change has a change that it finds and one that it accepts."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest
from click.testing import CliRunner

from docflow import base, bump, cli, lock, review, rules
from docflow.errors import DocflowError
from docflow.rules.change import CHANGE_RULES
from tests.unit.docflow import tree
from tests.unit.docflow.tree import Edit

pytestmark = [pytest.mark.m5, pytest.mark.clause("DOCFLOW-30")]

TEXT = "0123456789abcdef" * 4
ROW = '[[commitment]]\nid = "one"\nclause = "base.md#base-1"\ntests = ["tests/test_marked.py::test_law"]\n'
MANIFEST = f'[definitions]\n"A.Base" = "{TEXT}"\n\n{ROW}'
NEW = tree.LIGHT["user.md"].replace("doc_id: user", "doc_id: new")


@dataclass(frozen=True)
class Case:
    """Edits after which `rule` finds something about `subject`, and others after which it finds nothing."""

    rule: str
    subject: str
    bad: tuple[Edit, ...]
    good: tuple[Edit, ...] = ()
    is_bumped: bool = False


CASES = (
    Case(
        "dropped_document", "user.md", (("user.md", None, None),), (("user.md", None, tree.LIGHT["user.md"] + "\n\n"),)
    ),
    Case(
        "demoted_document",
        "base.md",
        (("base.md", "normative", "operational"),),
        (("user.md", "informative", "normative"),),
    ),
    Case(
        "dropped_section",
        "base.md#base",
        (("base.md", "doc_sections: [base]\n", ""),),
        (("base.md", "[base]", "[base, base-1]"),),
    ),
    Case(
        "dropped_clause",
        "BASE-1",
        (("base.md", "base-1", "base-2"), ("base.md", "BASE-1", "BASE-2")),
        (("base.md", "# Base", '<a id="base-2"></a>\n# Base'),),
    ),
    Case(
        "dropped_edge",
        "user.md -> base.md#base",
        (("user.md", "[base.md#base]", "[]"),),
        (("user.md", "doc_requires: [base.md#base]", "doc_section_requires: {user: [base.md#base]}"),),
    ),
    Case("rewritten_text", "base.md#base", (("base.md", "A law", "No law"),), (("base.md", "holds.", "holds.  "),)),
    Case("restamped_review", "user.md -> base.md#base", (("base.md", "A law", "No law"),), is_bumped=True),
    Case(
        "dropped_witness",
        "BASE-1",
        (("tests/test_marked.py", '@pytest.mark.clause("BASE-1")\n', ""),),
        (("tests/test_marked.py", None, f"{tree.MARKED}\n\ndef test_more():\n    assert law()\n"),),
    ),
    Case(
        "dropped_witness",
        "BASE-1",
        (("tests/test_marked.py", "test_law", "test_lore"),),
        (("tests/test_marked.py", None, f"{tree.MARKED}\n\n{tree.MARKED.replace('law', 'lore')}"),),
    ),
    Case(
        "weakened_commitment",
        "one",
        (("commitments.toml", 'tests = ["tests/test_marked.py::test_law"]', 'exemption = "seen by eye"'),),
        (("commitments.toml", None, MANIFEST + ROW.replace('"one"', '"two"')),),
    ),
    Case(
        "weakened_commitment",
        "A.Base",
        (("commitments.toml", f'"A.Base" = "{TEXT}"', f'"A.Base" = "{TEXT[::-1]}"'),),
        (("commitments.toml", "[definitions]\n", f'[definitions]\n"A.Other" = "{TEXT}"\n'),),
    ),
    Case(
        "loosened_settings",
        "docflow.toml [rules] cycle is warning",
        (("docflow.toml", "[trace]", '[rules]\ncycle = "warning"\n[trace]'),),
        (("docflow.toml", "[trace]", '[rules]\nlink_without_edge = "error"\n[trace]'),),
    ),
    Case(
        "loosened_settings",
        "docflow.toml [trace] commitments is another file",
        (("docflow.toml", "commitments.toml", "promises.toml"),),
        (("docflow.toml", "commitments =", 'tags = ["src/*.rs"]\ncommitments ='),),
    ),
    Case("changed_text", "base.md#base", (("base.md", "A law", "No law"),), is_bumped=True),
)
BY_RULE = {case.rule: case for case in CASES}


def git(root: Path, *arguments: str) -> None:
    """Run git as nobody in particular."""
    identity = ["-c", "user.name=x", "-c", "user.email=x@example.org", "-c", "commit.gpgsign=false"]
    subprocess.run(["git", *identity, *arguments], cwd=root, check=True, capture_output=True)


def committed(root: Path) -> Path:
    """Write the light tree with a manifest, as one commit."""
    tree.write_light(root)
    tree.spoil(root, [("commitments.toml", None, MANIFEST)])
    git(root, "init", "-q")
    git(root, "add", ".")
    git(root, "commit", "-qm", "base")
    return root


def done(root: Path, case: Case, edits: tuple[Edit, ...]) -> Path:
    """Make a change; where the case says so, bump it and forge its review, with the words of then."""
    tree.spoil(root, edits)
    if case.is_bumped:
        corpus = tree.load(root)
        bump.apply(corpus, bump.plan(corpus))
        corpus = tree.load(root)
        old = f"dep=1:{corpus.lock.entries['user.md -> base.md#base'].dep.fingerprint}"
        tree.spoil(root, [("docflow.lock", old, f"dep=2:{corpus.texts['base.md#base'].fingerprint}")])
    return root


def found(root: Path) -> list[tuple[str, str]]:
    """Return (rule, subject) of the findings on the change since the commit."""
    return [(one.rule, one.subject) for one in rules.check_change(base.load(tree.load(root), "HEAD", rules.IDS))]


def test_each_rule_on_a_change_has_a_case() -> None:
    """No rule goes without a change that it finds."""
    assert list(BY_RULE) == [rule.id for rule in CHANGE_RULES]
    assert all(rule.check.__doc__ and rule.remedy for rule in CHANGE_RULES)


@pytest.mark.slow
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.rule)
def test_a_rule_finds_its_change_and_accepts_another(case: Case, tmp_path: Path) -> None:
    """The bad change is found by what it is about; a good one, and no change at all, is not."""
    bad, good = committed(tmp_path / "bad"), committed(tmp_path / "good")
    assert found(bad) == []
    assert (case.rule, case.subject) in found(done(bad, case, case.bad))
    tree.spoil(good, case.good)
    assert case.rule not in {rule for rule, _ in found(good)}


def test_a_change_is_accepted_by_a_new_note_for_this_change_alone(tmp_path: Path) -> None:
    """The note takes the finding away, stands in the lock through every later write, and serves no second change."""
    root = committed(tmp_path)
    tree.spoil(root, [("user.md", None, None)])
    accept = ["accept", "--root", str(root), "user.md", "--note"]
    assert CliRunner().invoke(cli.main, [*accept, " "]).exit_code == 2
    assert CliRunner().invoke(cli.main, [*accept, "Nobody  uses it."]).output == "accepted user.md\n"
    assert found(root) == []
    corpus = tree.load(root)
    assert corpus.lock.accepted == {"user.md": "Nobody uses it."}
    bump.apply(corpus, bump.plan(corpus))
    assert tree.load(root).lock.accepted == {"user.md": "Nobody uses it."}
    git(root, "add", "-A")
    git(root, "commit", "-qm", "two")
    tree.spoil(root, [("user.md", None, tree.LIGHT["user.md"])])
    git(root, "add", "-A")
    git(root, "commit", "-qm", "three")
    tree.spoil(root, [("user.md", None, None)])
    assert found(root) == [("dropped_document", "user.md")]
    with pytest.raises(DocflowError, match=r"a note that accepts a change must be new, this one stands in the lock"):
        review.accept(tree.load(root), ["user.md"], "Nobody uses it.")
    with pytest.raises(DocflowError, match=r"to accept a change needs a note that says why it was meant, got an empty"):
        review.accept(tree.load(root), ["user.md"], "")


def test_a_lock_adopted_anew_is_found(tmp_path: Path) -> None:
    """A new lock over a tree that had none holds reviews of nobody, until a note says why it is trusted."""
    root = committed(tmp_path)
    git(root, "rm", "-q", "--cached", lock.FILE_NAME)
    git(root, "commit", "-qm", "none")
    assert found(root) == [("restamped_review", lock.FILE_NAME)]


def test_the_base_is_where_the_change_began(tmp_path: Path) -> None:
    """What the other branch gained meanwhile is not dropped by this one; settings of then judge."""
    root = committed(tmp_path)
    git(root, "checkout", "-qb", "ours")
    git(root, "checkout", "-q", "-")
    tree.spoil(root, [("new.md", None, NEW)])
    git(root, "add", "-A")
    git(root, "commit", "-qm", "theirs")
    git(root, "branch", "theirs")
    git(root, "checkout", "-q", "ours")
    assert base.load(tree.load(root), "theirs", rules.IDS).old.documents.keys() == {"base.md", "user.md"}
    done_ = CliRunner().invoke(cli.main, ["check", "--root", str(root), "--base", "theirs"])
    assert done_.output.endswith("docflow: ok: 0 errors, 0 warnings, 0 notes\n")
    with pytest.raises(DocflowError, match="must be in a git work tree that knows the commit nowhere"):
        base.load(tree.load(root), "nowhere", rules.IDS)
