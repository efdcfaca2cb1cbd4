"""Trees with frontmatter of their own, read by the `[fields]` table."""

from __future__ import annotations

from pathlib import Path

import pytest

from docflow import graph, names
from tests.unit.docflow import tree

pytestmark = [pytest.mark.m5, pytest.mark.clause("DOCFLOW-36")]

SETTINGS = '[fields]\nid = "eip"\nrequires = "requires"\nstatus = "status"\nnormative = ["Final"]\n'


def proposal(number: int, requires: str, status: str = "Draft") -> str:
    """Write a proposal with fields that only its project knows."""
    return f"---\neip: {number}\ntitle: A title: of it\nstatus: {status}\nrequires: {requires}\n---\n# {number}\n"


def write(root: Path, **files: str) -> Path:
    """Write settings and documents."""
    (root / "docflow.toml").write_text(SETTINGS)
    for name, text in files.items():
        (root / f"{name}.md").write_text(text)
    return root


def rules_of(root: Path) -> dict[str, list[str]]:
    """Return the subjects of the findings by rule, reviews that are missing left out."""
    found: dict[str, list[str]] = {}
    for one in tree.findings(root):
        if one.rule not in {"missing_review", "missing_lock", "dialect"}:
            found.setdefault(one.rule, []).append(one.subject)
    return found


def test_cycles_and_dangling_references_are_found_by_id(tmp_path: Path) -> None:
    """Numbers, lists and texts with commas are references; a cycle and a number of nobody are found."""
    root = write(
        tmp_path,
        a=proposal(1, "2, 3", "Final"),
        b=proposal(2, "[1]"),
        c=proposal(3, "99"),
        d="# No frontmatter\r\n",
        e="---\nlayout: page\n---\n",
    )
    assert rules_of(root) == {"cycle": ["a.md b.md"], "unknown_dependency": ["c.md -> 99"]}
    corpus = tree.load(root)
    assert [(one.path, one.fields["doc_authority"]) for one in corpus.governed] == [
        ("a.md", "normative"),
        ("b.md", "informative"),
        ("c.md", "informative"),
    ]
    assert names.node(corpus, "3") == "c.md"
    assert set(graph.impact(corpus, "c.md")) == {"a.md", "a.md::", "b.md", "b.md::"}


def test_references_are_paths_from_the_root_or_the_folder_too(tmp_path: Path) -> None:
    """Files of YAML alone are documents; without an id field a document is called like its file."""
    (tmp_path / "x").mkdir()
    (tmp_path / "docflow.toml").write_text('[documents]\ninclude = ["*.yml"]\n[fields]\nrequires = "links"\n')
    (tmp_path / "x/REQ1.yml").write_text("text: |\n  One.\nlinks: []\n")
    (tmp_path / "x/REQ2.yml").write_text("text: Two.\nlinks:\n- REQ1: abc\n- ./REQ1.yml\n- /x/REQ1.yml\n")
    corpus = tree.load(tmp_path)
    assert [view.edge.ref for view in corpus.edges] == ["x/REQ1.yml"] * 3
    assert corpus.documents["x/REQ2.yml"].edges[0].line == 3
    for folder, text in (("one", "links: []\n"), ("two", "links: [/one, y]\n")):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "y.yml").write_text(text)
    refs = [view.edge.ref for view in tree.load(tmp_path).edges if view.path == "two/y.yml"]
    assert refs == ["one/y.yml", "y"]
    (tmp_path / "two/y.yml").unlink()
    assert rules_of(tmp_path) == {}


def test_our_own_frontmatter_is_read_as_ever(tmp_path: Path) -> None:
    """A document with doc_ fields is not mapped, so a mapped tree may hold both."""
    root = write(tmp_path, a=proposal(1, "law"), law=tree.LIGHT["base.md"].replace("doc_id: base", "doc_id: law"))
    assert [view.edge.ref for view in tree.load(root).edges] == ["law.md"]
    assert rules_of(root) == {}
