"""What counts as a witness: tests that pytest would collect, tags in any language, proofs that are declared; links."""

from __future__ import annotations

from pathlib import Path

import pytest

from docflow import graph, trace
from tests.unit.docflow import tree

pytestmark = pytest.mark.m5

MARK = '@pytest.mark.clause("BASE-1")\n'
SETTINGS = tree.SETTINGS + 'tags = ["src/**/*"]\nproofs = "agda"\n'
PROVEN = (
    '[[commitment]]\nid = "p"\nclause = "base.md#base-1"\ntheorem = "Law.Proofs.holds"\nstatement_sha256 = "'
    + "0" * 64
    + '"\n'
)


@pytest.mark.clause("DOCFLOW-26")
@pytest.mark.parametrize(
    ("path", "source", "is_run"),
    [
        ("tests/test_a.py", f"{MARK}def test_x(): check()\n", True),
        ("tests/a_test.py", f"{MARK}async def test_x(): check()\n", True),
        ("tests/test_a.py", f"class TestA:\n    {MARK}    def test_x(self): check()\n", True),
        ("tests/test_a.py", f"{MARK}class TestA:\n    class TestB:\n        def test_x(self): check()\n", True),
        ("tests/test_a.py", 'pytestmark = pytest.mark.clause("BASE-1")\ndef test_x(): check()\n', True),
        ("tests/test_a.py", f"{MARK}def check_x(): ...\n", False),
        ("tests/laws.py", f"{MARK}def test_x(): check()\n", False),
        ("tests/test_a.py", f"def test_y():\n    {MARK}    def test_x(): check()\n", False),
        ("tests/test_a.py", f"class A:\n    {MARK}    def test_x(self): check()\n", False),
        (
            "tests/test_a.py",
            f"class TestA:\n    def __init__(self): ...\n    {MARK}    def test_x(self): check()\n",
            False,
        ),
        ("tests/test_a.py", f"{MARK}class TestA:\n    def check(self): ...\n", False),
        ("tests/test_a.py", 'pytestmark = pytest.mark.clause("BASE-1")\n', False),
        ("tests/test_a.py", f"while False:\n    {MARK}    def test_x(): check()\n", False),
        ("tests/test_a.py", f'{MARK}def test_x():\n    """It holds."""\n', False),
        ("tests/test_a.py", f"{MARK}def test_x():\n    pass\n    assert True\n    assert 1, 'one'\n", False),
        ("tests/test_a.py", f"{MARK}def test_x():\n    seen = 1\n    assert seen\n", True),
        ("tests/test_a.py", f'{MARK}def test_x():\n    """It holds."""\n    return\n    check()\n', False),
        ("tests/test_a.py", f"{MARK}def test_x():\n    pytest.skip('later')\n    check()\n", False),
        ("tests/test_a.py", f"{MARK}def test_x():\n    raise pytest.skip.Exception\n    check()\n", True),
        ("tests/test_a.py", f"{MARK}@pytest.mark.skip\ndef test_x(): check()\n", False),
        ("tests/test_a.py", f"{MARK}@pytest.mark.xfail(reason='x')\ndef test_x(): check()\n", False),
        ("tests/test_a.py", f"{MARK}@pytest.mark.skipif(True, reason='x')\ndef test_x(): check()\n", False),
        ("tests/test_a.py", f"{MARK}@pytest.mark.skipif(OLD, reason='x')\ndef test_x(): check()\n", True),
        ("tests/test_a.py", f"{MARK}@pytest.mark.parametrize('n', [])\ndef test_x(n): check(n)\n", False),
        ("tests/test_a.py", f"{MARK}@pytest.mark.parametrize('n', [1])\ndef test_x(n): check(n)\n", True),
        ("tests/test_a.py", f"pytestmark = [pytest.mark.skip]\n{MARK}def test_x(): check()\n", False),
        ("tests/test_a.py", f"__test__ = False\n{MARK}def test_x(): check()\n", False),
        ("tests/test_a.py", f"class TestA:\n    __test__ = False\n    {MARK}    def test_x(self): check()\n", False),
        ("tests/test_a.py", f"{MARK}def test_x(): check()\ndef test_x(): check()\n", False),
        ("tests/test_a.py", f"{MARK}def test_x(): check()\ntest_x = None\n", False),
        ("tests/test_a.py", f"{MARK}def test_x(): check()\ndel test_x\n", False),
    ],
)
def test_a_mark_counts_where_pytest_collects(path: str, source: str, *, is_run: bool, tmp_path: Path) -> None:
    """What is never collected covers nothing, and is a finding at its mark."""
    tree.spoil(tree.write(tmp_path), [("tests/test_marked.py", None, None), (path, None, f"import pytest\n{source}")])
    found = {one.rule for one in tree.findings(tmp_path)}
    assert found == (set() if is_run else {"uncovered_clause", "witness_never_run"})


@pytest.mark.clause("DOCFLOW-26")
@pytest.mark.parametrize(
    ("path", "text", "name"),
    [
        ("src/a.rs", "// [covers BASE-1]\n#[test]\nfn keeps_order() {}\n", "keeps_order"),
        ("src/a_test.go", "// Order. [covers BASE-1, BASE-1]\nfunc TestOrder(t *testing.T) {\n", "TestOrder"),
        ("src/a.test.ts", '/* [covers BASE-1] */\nit("keeps the order", () => {});\n', "keeps the order"),
        ("src/a.cc", "TEST(Order, Keeps) { // [covers BASE-1]\n\n\n\n\n", "1"),
    ],
)
def test_tags_cover_in_any_language(path: str, text: str, name: str, tmp_path: Path) -> None:
    """A comment with a tag is a witness, called like what follows it; a tag of no clause is a finding."""
    edits: list[tree.Edit] = [
        ("tests/test_marked.py", None, None),
        ("docflow.toml", None, SETTINGS),
        (path, None, text),
    ]
    tree.spoil(tree.write(tmp_path), edits)
    (row,) = trace.coverage(tree.load(tmp_path))
    assert row.tests == (f"{path}::{name}",)
    tree.spoil(tmp_path, [(path, "BASE-1", "BASE-7")])
    assert "unknown_clause" in {one.rule for one in tree.findings(tmp_path)}


@pytest.mark.clause("DOCFLOW-26")
@pytest.mark.parametrize(
    ("test", "message"),
    [
        ("tests/test_marked.py::test_law", ""),
        ("tests/test_marked.py::test_law[one]", ""),
        ("tests/test_marked.py", "does not carry clause BASE-1"),
        ("tests/test_marked.py::test_other", "does not carry clause BASE-1"),
        ("tests/test_marked.py::test_lore", "does not exist, or is never collected"),
        ("tests/test_marked.py::check", "does not exist, or is never collected"),
    ],
)
def test_a_commitment_names_tests_that_carry_its_clause(test: str, message: str, tmp_path: Path) -> None:
    """A test that is not collected, or witnesses another clause, is no witness of the commitment."""
    more = tree.MARKED + "\n\ndef test_other():\n    assert law()\n\n\ndef check():\n    'test_lore'\n"
    manifest = f'[[commitment]]\nid = "one"\nclause = "base.md#base-1"\ntests = ["{test}"]\n'
    tree.spoil(tree.write(tmp_path), [("tests/test_marked.py", None, more), ("commitments.toml", None, manifest)])
    messages = [one.message for one in tree.findings(tmp_path) if one.rule == "dangling_commitment"]
    assert messages == ([f"one: test {test} {message}"] if message else [])


@pytest.mark.clause("DOCFLOW-26")
def test_a_proof_is_declared_in_the_source_that_its_name_says(tmp_path: Path) -> None:
    """A theorem that its module only mentions does not exist."""
    edits: list[tree.Edit] = [("docflow.toml", None, SETTINGS), ("commitments.toml", None, PROVEN)]
    tree.spoil(tree.write(tmp_path), edits)
    message = "p: no source below agda declares Law.Proofs.holds"
    assert [one.message for one in tree.findings(tmp_path)] == [message]
    tree.spoil(tmp_path, [("agda/Law/Proofs.agda", None, "-- about holds\nuse = holds\nholdsnot : Set\n")])
    assert [one.message for one in tree.findings(tmp_path)] == [message]
    tree.spoil(tmp_path, [("agda/Law/Proofs.agda", None, "  holds : Set\n")])
    assert tree.findings(tmp_path) == []


@pytest.mark.clause("DOCFLOW-29")
def test_links_have_targets_and_normative_ones_an_edge(tmp_path: Path) -> None:
    """A missing file and a missing anchor are told apart; a normative link has an edge to it or to the whole."""
    law = tree.LIGHT["base.md"].replace("doc_id: base", "doc_id: law").replace("base", "law").replace("BASE", "LAW")
    text = law.replace("[law]\n---", "[law]\n---\n[a](no.md) [b](base.md#no) [c](base.md#base-1) [d](base.md)\n")
    tree.spoil(tree.write_light(tmp_path), [("law.md", None, text)])
    found = {one.rule: one.message for one in tree.findings(tmp_path) if one.path == "law.md" and "link" in one.rule}
    messages = [one.message for one in tree.findings(tmp_path) if one.rule == "broken_link"]
    assert sorted(messages) == [
        "the link names base.md#no, but base.md has no such anchor or heading",
        "the link names no.md, which does not exist",
    ]
    assert found["link_without_edge"] == "normative text links to base.md#base, which the document does not require"
    for ref in ("base.md#base", "base.md"):
        (tmp_path / "law.md").write_text(text.replace("doc_sections", f"doc_requires: [{ref}]\ndoc_sections"))
        assert "link_without_edge" not in {one.rule for one in tree.findings(tmp_path)}


@pytest.mark.clause("DOCFLOW-24")
def test_a_document_changes_with_any_of_its_sections(tmp_path: Path) -> None:
    """The impact of a document without an anchor is that of all its sections and of the whole, each edge once."""
    corpus = tree.load(tree.write(tmp_path))
    assert [(far, view.key) for far, view in graph.to_review(corpus, "base.md")] == [
        (1, "user.md -> base.md"),
        (1, "user.md::user -> base.md#base"),
    ]
