"""The first minutes of a newcomer: init, a check of some files, hints."""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest

from tests.unit.docflow import tree
from tests.unit.docflow.command import STALE, run

pytestmark = pytest.mark.m5


@pytest.mark.clause("DOCFLOW-9")
def test_check_of_files_counts_what_is_found_in_them(root: Path) -> None:
    """With files, findings elsewhere do not count; paths are from the working directory or from the root."""
    tree.spoil(root, [STALE])
    assert run("check", "base.md").exit_code == 0
    assert run("check", "base.md", "user.md").exit_code == 1
    assert run("check", "--root", str(root), str(root / "user.md")).exit_code == 1
    done = run("check", "/elsewhere.md")
    assert (done.exit_code, "must be a file below" in done.output) == (2, True)


@pytest.mark.clause("DOCFLOW-35")
def test_init_begins_a_tree_and_its_words_are_true(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What init writes is clean; each command that it names does what it says; it never overwrites."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "README.md").write_text("# Ours\n")
    done = run("check")
    assert (done.exit_code, "warning[nothing_governed] none of 1 documents has frontmatter" in done.output) == (0, True)
    assert "`docflow init` writes two documents" in done.output
    told = run("init", "doc").output
    assert [line for line in told.splitlines() if line.startswith("wrote ")] == [
        f"wrote {path}" for path in ("doc/law.md", "doc/use.md", "docflow.toml", ".gitattributes", "docflow.lock")
    ]
    assert run("check").output.endswith("docflow: ok: 0 errors, 0 warnings, 0 notes\n")
    tree.spoil(tmp_path, [("doc/law.md", "never lost", "rarely lost")])
    assert "error[unbumped]" in run("check").output
    assert run("bump").exit_code == 0
    assert "error[stale_dep]" in run("check").output
    review = next(line for line in told.splitlines() if "docflow review" in line)
    assert run(*shlex.split(review)[1:]).exit_code == 0
    assert run("check").exit_code == 0
    done = run("init", "doc")
    assert (done.exit_code, "doc/law.md must not exist yet to be written" in done.output) == (2, True)


def test_a_reference_from_the_folder_gets_a_hint(root: Path) -> None:
    """A ../ reference is told as one from the root; a misspelt one comes with the nearest."""
    (root / "doc").mkdir()
    (root / "doc/x.md").write_text(tree.LIGHT["user.md"].replace("[base.md#base]", "[../base.md#base, base.md#bass]"))
    found = [one.message for one in tree.findings(root) if one.rule == "unknown_dependency"]
    assert found[0].endswith("of this tree; references are from the root: write base.md#base")
    assert found[1].endswith("of this tree; did you mean base.md#base?")
