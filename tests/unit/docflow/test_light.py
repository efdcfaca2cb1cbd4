"""Light documents: frontmatter that states no version, frontmatter in a comment, and the way to them."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from docflow import bump, cli, light, review
from docflow.errors import DocflowError
from docflow.read import read
from tests.unit.docflow import tree

pytestmark = pytest.mark.m5

COMMENT = "<!-- docflow\ndoc_id: x\ndoc_authority: normative\ndoc_sections: [one]\n-->\n"
BODY = '<a id="one"></a>\n# One\n'


def lighten(root: Path) -> light.Plan:
    """Make all documents light, as the command does."""
    corpus = tree.load(root)
    planned = light.plan(corpus, [document.path for document in corpus.governed])
    light.apply(corpus, planned)
    return planned


@pytest.mark.clause("DOCFLOW-32")
def test_the_light_tree_is_clean_and_its_reviews_stand_in_the_lock(tmp_path: Path) -> None:
    """Versions are those of the lock; a review writes one line there and no document."""
    corpus = tree.load(tree.write_light(tmp_path))
    assert tree.findings(tmp_path) == []
    assert all(document.is_light for document in corpus.governed)
    (entry,) = corpus.lock.entries.values()
    assert (entry.outcome, entry.note) == ("no_change", "The section applies the law.")
    assert set(corpus.lock.texts) == {"base.md", "base.md#base", "user.md"}
    before = (tmp_path / "user.md").read_bytes()
    tree.spoil(tmp_path, [("base.md", "A law that holds", "A law that held")])
    assert tree.found(tmp_path) == {("unbumped", "base.md", 6)}
    corpus = tree.load(tmp_path)
    assert bump.plan(corpus) == {"base.md": {"base": (1, 2), "": (1, 2)}}
    bump.apply(corpus, bump.plan(corpus))
    assert tree.found(tmp_path) == {("stale_dep", "user.md", 9)}
    review.apply(
        tmp_path, review.plan(tree.load(tmp_path), ["user.md::user -> base.md#base"], outcome="changed", note="Held.")
    )
    assert tree.findings(tmp_path) == []
    assert (tmp_path / "user.md").read_bytes() == before


@pytest.mark.clause("DOCFLOW-32")
def test_text_before_the_first_anchor_is_text_of_the_document(tmp_path: Path) -> None:
    """What stands before every section is locked with the whole document, edge or no edge."""
    tree.spoil(tree.write_light(tmp_path), [("base.md", '<a id="base"></a>', 'All must.\n\n<a id="base"></a>')])
    assert {(one.rule, one.subject) for one in tree.findings(tmp_path)} == {("unbumped", "base.md")}


@pytest.mark.clause("DOCFLOW-33")
def test_frontmatter_may_stand_in_a_comment_that_ends_the_file() -> None:
    """The comment is read like frontmatter at the start; its lines are those of the file, and it is no text."""
    document = read("x.md", (BODY + "\n" + COMMENT + "\n\n").encode())
    plain = read("x.md", ("---\n" + COMMENT.split("\n", 1)[1].replace("-->", "---") + BODY).encode())
    assert (document.is_governed, document.field_lines["doc_id"], document.sections[0].start) == (True, 5, 1)
    assert document.fingerprint == plain.fingerprint
    assert document.sections[0].fingerprint == plain.sections[0].fingerprint
    assert document.defects == plain.defects == ()


@pytest.mark.clause("DOCFLOW-33")
@pytest.mark.parametrize("text", [COMMENT + "more\n", COMMENT[:-4], "---\ndoc_id: y\n---\n" + COMMENT])
def test_a_comment_that_does_not_end_the_file_is_a_defect(text: str) -> None:
    """Frontmatter in a comment can not lose its force by text below it or by a second one."""
    defects = read("x.md", (BODY * (not text.startswith("---")) + text).encode()).defects
    assert [d.message for d in defects if d.rule == "unterminated"] == [
        "the comment <!-- docflow must be the only frontmatter, and end the file with a line -->"
    ]
    assert read("x.md", f"```\n{COMMENT}```\n".encode()).defects == ()


@pytest.mark.clause("DOCFLOW-34")
def test_the_form_of_the_seed_becomes_light(tmp_path: Path) -> None:
    """Every value stays but versions and reviews, which the lock takes over; each note stands once; twice is once."""
    planned = lighten(tree.write(tmp_path))
    assert list(planned.documents) == ["base.md", "user.md"]
    assert tree.findings(tmp_path) == []
    head = (tmp_path / "user.md").read_text().split("---\n")[1]
    assert head == (
        "doc_id: user\ndoc_role: chapter\ndoc_scope: [demo]\ndoc_authority: informative\n"
        "doc_requires: [base.md#base, base.md]\ndoc_sections: [user]\n"
    )
    corpus = tree.load(tmp_path)
    assert {key: (entry.note, entry.self and entry.self.version) for key, entry in corpus.lock.entries.items()} == {
        "user.md -> base.md#base": ("The section applies the law to its own case.", 4),
        "user.md -> base.md": ("The document still has one law.", 4),
    }
    assert {name: seen.version for name, seen in corpus.texts.items()} == {
        "base.md": 3,
        "base.md#base": 2,
        "user.md": 4,
        "user.md#user": 1,
    }
    assert lighten(tmp_path).documents == {}


@pytest.mark.clause("DOCFLOW-34")
def test_sections_that_differ_keep_their_own_requirements(tmp_path: Path) -> None:
    """What only one section rests on stays with it; a stale review is not carried over."""
    two = tree.USER.replace("  user: 1", "  user: 1\n  other: 1") + '<a id="other"></a>\n'
    tree.spoil(tree.write(tmp_path), [("user.md", None, two), ("base.md", "doc_revision: 3", "doc_revision: 4")])
    bump.apply(tree.load(tmp_path), {})
    lighten(tmp_path)
    head = (tmp_path / "user.md").read_text().split("---\n")[1]
    assert "doc_requires: [base.md]\ndoc_sections: [user, other]\n" in head
    assert head.endswith("doc_section_requires: {user: [base.md#base]}\n")
    assert tree.found(tmp_path) == {("missing_review", "user.md", 6)}


def test_only_readable_frontmatter_becomes_light(tmp_path: Path) -> None:
    """A document whose frontmatter cannot be read is refused; nothing is written, and a dry run writes nothing."""
    tree.write(tmp_path)
    before = (tmp_path / "base.md").read_bytes()
    done = CliRunner().invoke(cli.main, ["light", "--root", str(tmp_path), "--dry-run", "base.md"])
    assert done.output == "would lighten base.md\n1 of 1 documents; the others are light already\n"
    assert (tmp_path / "base.md").read_bytes() == before
    done = CliRunner().invoke(cli.main, ["light", "--root", str(tmp_path), "base"])
    assert done.output == "lightened base.md\n1 of 1 documents; the others are light already\n"
    tree.spoil(tmp_path, [("user.md", "doc_role: chapter", "doc_role chapter")])
    with pytest.raises(DocflowError, match=r"user.md: the frontmatter must be readable to be made light"):
        lighten(tmp_path)


@pytest.mark.clause("DOCFLOW-12")
def test_bump_settles_what_two_branches_locked(tmp_path: Path) -> None:
    """After a merge that kept the lines of both sides, one bump makes the lock sound; what nobody saw is stale."""
    tree.write_light(tmp_path)
    ours = (tmp_path / "docflow.lock").read_text()
    line = next(line for line in ours.splitlines() if line.startswith("base.md#base text="))
    (tmp_path / "docflow.lock").write_text(ours + line.replace("text=1:", "text=3:")[:-4] + "0000\n")
    assert {one.rule for one in tree.findings(tmp_path)} >= {"lock_syntax", "unbumped"}
    corpus = tree.load(tmp_path)
    bump.apply(corpus, bump.plan(corpus))
    assert tree.found(tmp_path) == {("stale_dep", "user.md", 9)}
