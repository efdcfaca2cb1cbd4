"""`review`, `adopt` and `bump`: what they write, what they refuse, and what a kill leaves behind."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from docflow import bump, files, lock, names, review
from docflow.errors import DocflowError
from tests.unit.docflow import tree

pytestmark = pytest.mark.m5

EDGE = "user.md::user -> base.md#base"
CHANGED = ("base.md", "  base: 2", "  base: 3"), ("base.md", "doc_revision: 3", "doc_revision: 4")
REVIEW = """
import os, pathlib, signal, sys
from docflow import files, review, rules, config, corpus
root, step, when = pathlib.Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
real, count = os.replace, 0
def replace(source, target):
    global count
    count += 1
    if count == step and when == "before":
        os.kill(os.getpid(), signal.SIGKILL)
    real(source, target)
    if count == step and when == "after":
        os.kill(os.getpid(), signal.SIGKILL)
tree = corpus.load(root, config.load(root, rules.IDS))
plan = review.plan(tree, ["user.md::user", "third.md::user"], outcome="changed", note="Both follow the new law.")
os.replace = replace
review.apply(root, plan)
"""


def stamp(root: Path, *refs: str, outcome: str = "no_change", note: str = "Compared with the new law.") -> review.Plan:
    """Review as the command does."""
    planned = review.plan(tree.load(root), refs, outcome=outcome, note=note)
    review.apply(root, planned)
    return planned


@pytest.mark.clause("DOCFLOW-16")
def test_a_review_writes_pins_ledger_and_lock(tmp_path: Path) -> None:
    """One review of a section edge sets its ledger entry, the document's pin and note, and both lock lines."""
    tree.spoil(tree.write(tmp_path), CHANGED)
    before = (tmp_path / "user.md").read_text()
    stamp(tmp_path, EDGE, outcome="changed", note="Compared  with:\nthe new law.")
    after = (tmp_path / "user.md").read_text()
    note = '"Compared with: the new law."'
    expected = before.replace("base.md#base: 2", "base.md#base: 3").replace("dep_version: 2", "dep_version: 3")
    expected = expected.replace("no_change", "changed").replace('"The law is used as it is stated."', note)
    assert after == expected.replace('"The section applies the law to its own case."', note)
    assert {rule for rule, _, _ in tree.found(tmp_path)} == {"stale_dep"}
    entries = tree.load(tmp_path).lock.entries
    assert entries[EDGE].dep.version == entries["user.md -> base.md#base"].dep.version == 3


@pytest.mark.clause("DOCFLOW-16")
@pytest.mark.parametrize("ref", ["user.md::user", "user.md#user", "user", "./user.md", EDGE, "user -> base.md#base"])
def test_every_form_of_ref_reaches_the_edge(ref: str, tmp_path: Path) -> None:
    """A file, a section, a bare section name and an edge all mean the stale edge."""
    tree.spoil(tree.write(tmp_path), CHANGED[:1])
    assert EDGE in {view.key for view in stamp(tmp_path, ref).views}
    assert tree.found(tmp_path) == set()


def test_a_first_review_adds_what_is_missing(tmp_path: Path) -> None:
    """A document without any review fields gains them; other bytes stay."""
    start, end = tree.USER.index("doc_reviewed_as_of"), tree.USER.index("doc_sections:")
    bare = (
        tree.USER[:start] + tree.USER[end:].split("doc_section_reviews")[0] + "---\n" + tree.USER.split("---\n", 2)[2]
    )
    tree.spoil(tree.write(tmp_path), [("user.md", None, bare)])
    stamp(tmp_path, EDGE)
    stamp(tmp_path, "user.md -> base.md", note="One law, as this document says.")
    assert tree.found(tmp_path) == set()
    assert (tmp_path / "user.md").read_text().startswith(bare.split("\n---\n")[0])


def test_what_is_ok_is_not_stamped_again(tmp_path: Path) -> None:
    """Naming a file or section reviews only what needs it; naming the edge always does."""
    tree.write(tmp_path)
    assert stamp(tmp_path, "user.md").views == ()
    assert len(stamp(tmp_path, EDGE).views) == 2


@pytest.mark.clause("DOCFLOW-17")
def test_one_note_does_not_serve_many_edges(tmp_path: Path) -> None:
    """A note that would stand on more edges than the limit is refused, whoever wrote it first; nothing is written."""
    tree.spoil(tree.write(tmp_path), [("third.md", None, tree.USER.replace("doc_id: user", "doc_id: third"))])
    before = {path: path.read_bytes() for path in tmp_path.glob("*.md")}
    with pytest.raises(
        DocflowError, match=r"one note may stand on at most 2 edges, this one would stand on 3; review them one by one"
    ):
        stamp(tmp_path, "third.md -> base.md", note="The LAW is used  as it is stated.")
    assert before == {path: path.read_bytes() for path in tmp_path.glob("*.md")}


@pytest.mark.parametrize(
    ("ref", "outcome", "note", "message"),
    [
        (EDGE, "fine", "x", "outcome must be no_change or changed, got 'fine'"),
        (EDGE, "changed", " \n", "a review needs a note that says what was compared and found, got an empty one"),
        ("nobody.md", "changed", "x", "nobody.md is no document or declared section of this tree"),
        (
            "user -> base.md#bass",
            "changed",
            "x",
            "user.md#user does not require 'base.md#bass'; it requires base.md#base",
        ),
        ("user ->", "changed", "x", "does not require ''"),
        ("base.md#bas", "changed", "x", "did you mean base.md#base"),
    ],
)
def test_a_review_refuses_what_it_cannot_record(
    ref: str, outcome: str, note: str, message: str, tmp_path: Path
) -> None:
    """Unknown names, outcomes and empty notes stop a review with what would be right."""
    with pytest.raises(DocflowError) as caught:
        stamp(tree.write(tmp_path), ref, outcome=outcome, note=note)
    assert message in str(caught.value)


def test_a_review_needs_versions_and_a_sound_lock(tmp_path: Path) -> None:
    """Without versions on both sides, or with conflict marks in the lock, there is nothing to record."""
    tree.write(tmp_path / "a")
    tree.spoil(tmp_path / "a", [("base.md", "  base: 2", "  bass: 2")])
    with pytest.raises(
        DocflowError, match=r"base.md#base has no version to review; correct the reference or version its target"
    ):
        stamp(tmp_path / "a", "user.md")
    tree.spoil(tree.write(tmp_path / "b"), [("user.md", "  user: 1", "  user: one")])
    with pytest.raises(DocflowError, match=r"section user has no version; add it to doc_sections"):
        stamp(tmp_path / "b", EDGE)
    tree.spoil(tree.write(tmp_path / "d"), [("base.md", "A law that holds", "A law that held")])
    with pytest.raises(DocflowError, match=r"base.md#base changed under its version; run `docflow bump`, then review"):
        stamp(tmp_path / "d", EDGE)
    tree.spoil(tree.write(tmp_path / "c"), [("docflow.lock", "# after", "=======")])
    with pytest.raises(DocflowError, match=r"docflow.lock:2 must be sound to be written again: .*; resolve it first"):
        stamp(tmp_path / "c", EDGE)


def test_an_ambiguous_section_is_asked_back(tmp_path: Path) -> None:
    """A bare section name that two files have is refused with both."""
    tree.spoil(tree.write(tmp_path), [("copy.md", None, tree.USER.replace("doc_id: user", "doc_id: copy"))])
    with pytest.raises(
        DocflowError, match=r"user must name one section, but it may be copy.md#user, user.md#user; name the file too"
    ):
        names.node(tree.load(tmp_path), "user")


@pytest.mark.clause("DOCFLOW-18")
def test_adopting_locks_only_what_is_fresh(tmp_path: Path) -> None:
    """Adoption locks fresh edges that have no line, never one that is stale, never a line that exists."""
    tree.spoil(
        tree.write(tmp_path),
        [("base.md", "  base: 2", "  base: 3"), ("docflow.lock", "user.md -> base.md self", "x.md -> base.md self")],
    )
    before = tree.load(tmp_path).lock
    tree.spoil(tmp_path, [("docflow.lock", "user.md#user text", "user.md#used text")])
    planned = review.adopt(tree.load(tmp_path))
    assert [view.key for view in planned.views] == ["user.md -> base.md"]
    assert planned.entries[EDGE] == before.entries[EDGE]
    assert planned.texts == {name: text.seen for name, text in before.texts.items()}
    tree.spoil(tmp_path, [("user.md", "dep_version: 2", "dep_version: 3")])
    assert {rule for rule, path, _ in tree.found(tmp_path) if path == "user.md"} >= {"missing_lock"}
    assert review.adopt(tree.load(tmp_path)).entries[EDGE] == before.entries[EDGE]
    assert lock.parse(lock.render(planned.entries, planned.texts, {})).entries.keys() == planned.entries.keys()


def third(root: Path) -> Path:
    """Write a tree in which a review touches two documents and the lock."""
    other = tree.USER.replace("doc_id: user", "doc_id: third").replace("The ", "Here the ")
    tree.spoil(tree.write(root), [("third.md", None, other)])
    tree.adopt(root)
    tree.spoil(root, CHANGED[:1])
    return root


@pytest.mark.clause("DOCFLOW-19")
@pytest.mark.parametrize("step", [1, 2, 3])
@pytest.mark.parametrize("when", ["before", "after"])
def test_a_kill_leaves_old_or_new_files_and_a_blocking_finding(step: int, when: str, tmp_path: Path) -> None:
    """Killed at any rename, each file is wholly old or wholly new; the check fails until the review is completed."""
    whole, cut = third(tmp_path / "whole"), third(tmp_path / "cut")
    old = {path.name: path.read_bytes() for path in cut.iterdir() if path.is_file()}
    stamp(whole, "user.md::user", "third.md::user", outcome="changed", note="Both follow the new law.")
    new = {path.name: path.read_bytes() for path in whole.iterdir() if path.is_file()}
    killed = subprocess.run([sys.executable, "-c", REVIEW, str(cut), str(step), when], check=False)
    assert killed.returncode == -signal.SIGKILL
    for name in new:
        assert (cut / name).read_bytes() in {old[name], new[name]}
    n_new = sum((cut / name).read_bytes() == new[name] != old[name] for name in new)
    assert n_new == step - (when == "before")
    assert bool([one for one in tree.findings(cut) if one.severity == "error"]) is (n_new < 3)
    stamp(cut, "user.md::user", "third.md::user", outcome="changed", note="Both follow the new law.")
    assert {name: (cut / name).read_bytes() for name in new} == new


@pytest.mark.clause("DOCFLOW-19")
@pytest.mark.parametrize("call", ["fdopen", "fsync", "replace"])
def test_a_failing_write_leaves_the_old_file_and_no_other(
    call: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whichever system call fails, the folder is as it was, and the error names the file that was to be."""
    (tmp_path / "a.md").write_bytes(b"old")

    def fail(*_: object) -> None:
        raise OSError(errno.ENOSPC, "disk full")

    with monkeypatch.context() as patched:
        patched.setattr(os, call, fail)
        with pytest.raises(OSError, match=r"disk full: .*/a\.md'"):
            files.replace(tmp_path / "a.md", b"new")
    assert [(path.name, path.read_bytes()) for path in tmp_path.iterdir()] == [("a.md", b"old")]
    (tmp_path / "a.md").chmod(0o600)
    files.replace(tmp_path / "a.md", b"new")
    assert (tmp_path / "a.md").read_bytes() == b"new"
    assert (tmp_path / "a.md").stat().st_mode & 0o777 == 0o600


def git(root: Path, *arguments: str) -> None:
    """Run git as nobody in particular."""
    identity = ["-c", "user.name=x", "-c", "user.email=x@example.org", "-c", "commit.gpgsign=false"]
    subprocess.run(["git", *identity, *arguments], cwd=root, check=True, capture_output=True)


def bumped(root: Path) -> dict[str, dict[str, tuple[int, int]]]:
    """Bump as the command does, and return what was raised."""
    corpus = tree.load(root)
    raised = bump.plan(corpus, "HEAD")
    bump.apply(corpus, raised)
    return raised


@pytest.mark.clause("DOCFLOW-22")
def test_bump_raises_what_changed_since_the_commit(tmp_path: Path) -> None:
    """A changed section and its document get new versions, once; a section raised by hand stays as it is."""
    git(tree.write(tmp_path), "init", "-q")
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "-qm", "one")
    assert bumped(tmp_path) == {}
    tree.spoil(
        tmp_path,
        [("base.md", "A law that holds", "A law that held"), ("user.md", "doc_role: chapter", "doc_role: text")],
    )
    assert bumped(tmp_path) == {"base.md": {"base": (2, 3), "": (3, 4)}}
    assert bumped(tmp_path) == {}
    assert {rule for rule, _, _ in tree.found(tmp_path)} == {"stale_dep"}
    tree.spoil(tmp_path, [("user.md", "Rests on", "Still rests on"), ("user.md", "  user: 1", "  user: 7")])
    assert bumped(tmp_path) == {"user.md": {"": (4, 7)}}
    tree.spoil(tmp_path, [("user.md", "doc_revision: 7", "doc_revision: 4"), ("user.md", "  user: 7", "  user: 1")])
    assert bumped(tmp_path) == {"user.md": {"user": (1, 2), "": (4, 5)}}
    git(tmp_path, "commit", "-qam", "two")
    tree.spoil(tmp_path, [("base.md", '<a id="base"></a>', 'Before every section.\n<a id="base"></a>')])
    assert bumped(tmp_path) == {"base.md": {"": (4, 5)}}


@pytest.mark.clause("DOCFLOW-22")
def test_bump_sees_what_was_committed_without_a_version(tmp_path: Path) -> None:
    """The lock still knows the reviewed text when the commit does not."""
    tree.spoil(tree.write(tmp_path), [("base.md", "A law that holds", "A law that held")])
    git(tmp_path, "init", "-q")
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "-qm", "one")
    assert bumped(tmp_path) == {"base.md": {"base": (2, 3), "": (3, 4)}}
    assert bumped(tmp_path) == {}


@pytest.mark.clause("DOCFLOW-22")
def test_bump_lifts_a_revision_that_is_behind(tmp_path: Path) -> None:
    """A document whose revision is below a section's version is raised to it, though nothing else changed."""
    tree.spoil(tree.write(tmp_path), [("base.md", "doc_revision: 3", "doc_revision: 1")])
    git(tmp_path, "init", "-q")
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "-qm", "one")
    assert bumped(tmp_path) == {"base.md": {"": (1, 2)}}


def test_bump_needs_a_commit(tmp_path: Path) -> None:
    """Outside git, or with an unknown base, bump says what it needs."""
    with pytest.raises(
        DocflowError, match=r"must be in a git work tree that knows the commit HEAD; name another with --base"
    ):
        bump.plan(tree.load(tree.write(tmp_path)), "HEAD")
