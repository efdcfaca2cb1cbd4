"""The graph: cycles, impact, paths, traces, and its drawings."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import networkx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from docflow import graph, graph_view, lock, trace
from docflow.config import Config
from docflow.corpus import Corpus
from docflow.model import Document, Edge, Section
from tests.unit.docflow import tree

pytestmark = pytest.mark.m5

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
PROBE = Path(__file__).with_name("probe.html").read_text(encoding="utf-8")


def corpus(edges: dict[str, list[str]]) -> Corpus:
    """Build a tree of one document a section, `x.md#x`, from who rests on whom."""
    documents = {
        f"{name}.md": Document(
            f"{name}.md",
            "yaml",
            True,
            revision=1,
            sections=(Section(name, 1, 1, 1, ""),),
            edges=tuple(Edge(name, f"{ref}.md#{ref}", 1) for ref in refs),
        )
        for name, refs in edges.items()
    }
    return Corpus(Path(), Config(), documents, lock.Lock(), False)


GRAPHS = st.integers(1, 6).flatmap(
    lambda n: st.lists(st.tuples(st.integers(0, n - 1), st.integers(0, n - 1)), max_size=12).map(
        lambda pairs: {f"n{i}": sorted({f"n{b}" for a, b in pairs if a == i}) for i in range(n)}
    )
)


@pytest.mark.clause("DOCFLOW-10")
@given(GRAPHS)
def test_cycles_are_the_strong_components(edges: dict[str, list[str]]) -> None:
    """The cycles found are the components networkx finds; each round trip is one; the quick test agrees."""
    built = corpus(edges)
    plain = networkx.DiGraph([(a, b) for a, refs in edges.items() for b in refs])
    expected = {
        frozenset(f"{name}.md" for name in part)
        for part in networkx.strongly_connected_components(plain)
        if len(part) > 1 or any(plain.has_edge(name, name) for name in part)
    }
    found = list(graph.cycles(built))
    assert {documents for documents, _ in found} == expected
    assert graph.is_acyclic(built) is (not expected)
    for _, walk in found:
        assert all(a.target == b.source for a, b in zip(walk, [*walk[1:], walk[0]], strict=True))


@pytest.mark.clause("DOCFLOW-24")
@given(GRAPHS)
def test_impact_is_reachability_against_the_edges(edges: dict[str, list[str]]) -> None:
    """Who must re-review is who can reach the section, at the length of a shortest chain, which `why` shows."""
    built = corpus(edges)
    plain = networkx.DiGraph()
    plain.add_nodes_from(edges)
    plain.add_edges_from((a, b) for a, refs in edges.items() for b in refs)
    target = "n0.md#n0"
    lengths = networkx.single_source_shortest_path_length(plain.reverse(), "n0")
    far = {f"{name}.md#{name}": length for name, length in lengths.items() if name != "n0"}
    reached = graph.impact(built, target)
    assert {node: n for node, n in reached.items() if "#" in node} == far
    for node, length in far.items():
        chain = graph.path_between(built, node, target)
        assert chain is not None
        assert (len(chain), chain[0].source, chain[-1].target) == (length, node, target)
    for name in edges.keys() - {node.partition("#")[2] for node in far} - {"n0"}:
        assert graph.path_between(built, f"{name}.md#{name}", target) is None


@pytest.mark.clause("DOCFLOW-10")
def test_a_document_edge_holds_for_every_section(tmp_path: Path) -> None:
    """A requirement of a whole document is inherited by its sections, one that a section repeats is not."""
    tree.write(tmp_path)
    reached = graph.impact(tree.load(tmp_path), "base.md")
    assert {name: far for name, far in reached.items() if "::" not in name} == {"user.md": 1, "user.md#user": 1}
    assert graph.path_between(tree.load(tmp_path), "base.md", "nobody.md") is None
    tree.spoil(tmp_path, [("base.md", "doc_requires: []", "doc_requires: [base.md#base]")])
    ((documents, walk),) = graph.cycles(tree.load(tmp_path))
    assert documents == {"base.md"}
    assert {arc.source for arc in walk} == {"base.md#base", "base.md::"}


@pytest.mark.clause("DOCFLOW-26")
def test_trace_joins_clauses_with_their_witnesses(tmp_path: Path) -> None:
    """Markers on functions, classes and modules, proofs and exemptions of the manifest are found for each clause."""
    marked = (
        'import pytest\npytestmark = [pytest.mark.m1, pytest.mark.clause("BASE-2")]\n'
        '@pytest.mark.clause("BASE-1", "BASE-2")\n'
        'class TestIt:\n    @pytest.mark.clause("BASE-1")\n    async def test_a(self): check()\n'
    )
    manifest = (
        '[[commitment]]\nid = "p"\nclause = "base.md#base-3"\ntheorem = "Base.law"\nstatement_sha256 = "'
        + "0" * 64
        + '"\n'
        '[[commitment]]\nid = "e"\nclause = "BASE-4"\nexemption = "seen by eye"\n'
    )
    more = "".join(f'<a id="base-{n}"></a>\n**[BASE-{n}]** More.\n' for n in (2, 3, 4, 5))
    edits: list[tree.Edit] = [
        ("tests/test_marked.py", None, marked),
        ("commitments.toml", None, manifest),
        ("base.md", "A law that holds.\n", "A law.\n" + more),
    ]
    tree.spoil(tree.write(tmp_path), edits)
    rows = trace.coverage(tree.load(tmp_path))
    assert [(row.clause.label, row.is_covered) for row in rows] == [(f"BASE-{n}", n < 5) for n in range(1, 6)]
    assert rows[0].tests == ("tests/test_marked.py::TestIt", "tests/test_marked.py::TestIt::test_a")
    assert rows[1].tests == ("tests/test_marked.py", "tests/test_marked.py::TestIt")
    assert (rows[2].theorems, rows[3].exemptions) == (("Base.law",), ("seen by eye",))


@pytest.mark.clause("DOCFLOW-26")
@pytest.mark.parametrize(
    ("manifest", "message"),
    [
        ("x =", "must be TOML in UTF-8, but: "),
        ("commitment = 1", "commitments must be tables [[commitment]]"),
        ("commitment = [1]", "commitment 1: must be a table"),
        ('[[commitment]]\nid = "a"\nclauses = "x"\ntests = ["t"]', "a: unknown key clauses; did you mean clause?"),
        ('[[commitment]]\ntests = ["t"]', "commitment 1: needs an id of its own"),
        ('[[commitment]]\nid = "a"\nclause = 1\ntests = ["t"]', "a: clause must be text"),
        ('[[commitment]]\nid = "a"\ntests = "t"', "a: tests must be a list of text"),
        ('[[commitment]]\nid = "a"\ntheorem = "T"', "a: a theorem needs statement_sha256, 64 hexadecimal digits"),
        ('[[commitment]]\nid = "a"', "a: names no theorem, no test and no exemption, so it commits to nothing"),
        (
            '[[commitment]]\nid = "a"\nclause = "other.md#base-1"\nexemption = "e"',
            "a: clause other.md#base-1 does not exist",
        ),
        ('[[commitment]]\nid = "a"\nclause = "BASE-1"\ntests = ["tests/no.py"]', "a: test tests/no.py does not exist"),
    ],
)
def test_a_commitment_must_be_sound(manifest: str, message: str, tmp_path: Path) -> None:
    """Whatever is wrong with the manifest is a finding at its line, and never a traceback."""
    tree.spoil(tree.write(tmp_path), [("commitments.toml", None, manifest)])
    found = [one for one in tree.findings(tmp_path) if one.rule == "dangling_commitment"]
    assert any(message in one.message for one in found)
    assert {one.path for one in found} == {"commitments.toml"}


def test_a_test_file_that_is_no_python_is_a_finding(tmp_path: Path) -> None:
    """Markers that cannot be read are not silently absent."""
    tree.spoil(tree.write(tmp_path), [("tests/test_marked.py", "def test_law():", "def test_law(:")])
    messages = [one.message for one in tree.findings(tmp_path) if one.rule == "unknown_clause"]
    assert messages == ["tests/test_marked.py is not Python, so its clause markers cannot be read"]


def drawn(root: Path) -> Corpus:
    """Write a tree with an edge that is ok, one that is stale and one to nowhere."""
    tree.spoil(
        tree.write(root),
        [
            (
                "third.md",
                None,
                tree.USER.replace("doc_id: user", "doc_id: third").replace("dep_version: 2", "dep_version: 1"),
            ),
            ("user.md", "  - base.md\n", '  - base.md\n  - gone</script>.md#"x"\n'),
        ],
    )
    return tree.load(root)


@pytest.mark.clause("DOCFLOW-27")
def test_dot_has_every_edge_with_its_status(tmp_path: Path) -> None:
    """Each written edge that no section edge repeats is drawn once, quoted, red with its statuses if not ok."""
    text = graph_view.dot(drawn(tmp_path))
    assert '  "user.md#user" -> "base.md#base";' in text
    assert '  "third.md#user" -> "base.md#base" [color="#c2410c", label="stale_dep"];' in text
    assert (
        r'"user.md" -> "gone</script>.md#\"x\"" [color="#c2410c", label="missing_review, unknown_dependency"];' in text
    )
    assert text.count(" -> ") == 5


@settings(max_examples=50)
@given(GRAPHS)
def test_the_layout_gives_each_node_a_place_of_its_own(edges: dict[str, list[str]]) -> None:
    """No two nodes share a place, and between components arrows point left."""
    nodes = list(edges)
    links = [graph_view.Link(a, b, ("ok",)) for a, refs in edges.items() for b in refs]
    places = graph_view.layout(nodes, links)
    assert len(set(places.values())) == len(nodes)
    plain = networkx.DiGraph([(link.source, link.target) for link in links])
    plain.add_nodes_from(nodes)
    component = {
        name: index for index, part in enumerate(networkx.strongly_connected_components(plain)) for name in part
    }
    for link in links:
        assert component[link.source] == component[link.target] or places[link.target][0] < places[link.source][0]


@pytest.mark.parametrize(
    ("edges", "extent"), [({f"n{i}": [f"n{i - 1}"] for i in range(1, 100)}, (30, 20)), ({}, (3, 80))]
)
def test_large_layouts_are_folded(edges: dict[str, list[str]], extent: tuple[int, int]) -> None:
    """A chain of a hundred becomes bands of thirty columns, a hundred loose nodes three columns; none meets another."""
    links = [graph_view.Link(a, b, ("ok",)) for a, refs in edges.items() for b in refs]
    places = graph_view.layout([f"n{i}" for i in range(100)], links)
    columns, rows = zip(*places.values(), strict=True)
    assert len(set(places.values())) == 100
    assert (max(columns) + 1, max(rows) + 2 - min(rows)) == extent


@pytest.mark.clause("DOCFLOW-27")
def test_the_page_is_self_contained(tmp_path: Path) -> None:
    """The page loads nothing, and no document's name can end its data."""
    page = graph_view.html(drawn(tmp_path))
    assert (
        re.findall(r"""(?:src|href)=|url\((?!#)|@import|fetch\(|XMLHttpRequest|import\(""", page.replace("url(#", ""))
        == []
    )
    assert re.findall(r"https?://[^\"]*", page) == ["http://www.w3.org/2000/svg"]
    data = json.loads(re.search(r'<script type="application/json" id="data">(.*?)</script>', page, re.DOTALL)[1])  # type: ignore[index]
    assert 'gone</script>.md#"x"' in [node[0] for node in data["nodes"]]
    assert len(data["links"]) == 5


@pytest.mark.slow
@pytest.mark.clause("DOCFLOW-27")
@pytest.mark.skipif(
    CHROMIUM is None, reason="no Chromium or Chrome on this machine; .ci/run installs it as root on Debian"
)
def test_the_page_pans_zooms_searches_and_filters_in_chromium(tmp_path: Path) -> None:
    """In a real browser, by real events: the graph fits, boxes do not overlap, and each control does what it says."""
    path = tmp_path / "graph.html"
    path.write_text(graph_view.html(drawn(tmp_path / "tree")).replace("</html>", PROBE), encoding="utf-8")
    assert CHROMIUM is not None
    command = [
        CHROMIUM,
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        f"--user-data-dir={tmp_path / 'profile'}",
        "--window-size=1200,800",
    ]
    done = subprocess.run(
        [*command, "--dump-dom", path.as_uri()], capture_output=True, text=True, timeout=120, check=True
    )
    results = json.loads(re.search(r"PROBE(.*)EBORP", done.stdout)[1])  # type: ignore[index]
    assert results["start"] == "7 of 7 nodes, 5 of 5 edges"
    assert (results["fitted"], results["overlaps"]) == (True, 0)
    assert results["zoom"] == pytest.approx(2.718, rel=0.01)
    assert results["fixpoint"] < 1
    assert results["pan"] == [40, -50]
    assert results["search"] == "7 of 7 nodes, 5 of 5 edges, 2 found"
    assert results["found"] == 2
    assert results["filtered"] == "4 of 7 nodes, 2 of 5 edges"
    assert results["hidden"] == 3
    assert results["dimmed"] == 3
    assert results["detail"].startswith("base.md#baserests on (0)is relied on by (2)")
    assert (results["around"], results["left"]) == (["base.md#base", "user.md#user"], True)
    assert results["documents"] == [["base.md", "gone&lt;/script&gt;.md", "user.md"], "user.md"]
    assert "sections of the document (1)" in results["parts"]
    assert (results["folders"], results["address"]) == (["./ (3)", "gone&lt;/ (1)"], "folders")


@pytest.mark.clause("DOCFLOW-27")
def test_the_page_holds_levels_clauses_and_what_went_stale(tmp_path: Path) -> None:
    """Documents and folders join their parts' links; clauses stand with their section, a stale text has a diff."""
    git = ["git", "-c", "user.name=x", "-c", "user.email=x@example.org"]
    tree.write_light(tmp_path)
    for command in (["init", "-q"], ["add", "."], ["commit", "-qm", "one"]):
        subprocess.run([*git, *command], cwd=tmp_path, check=True, capture_output=True)
    tree.spoil(tmp_path, [("base.md", "A law that holds", "A law that held")])
    data = _data(graph_view.html(tree.load(tmp_path)))
    assert [node[0] for node in data["documents"]["nodes"]] == ["base.md", "user.md"]
    assert data["documents"]["links"] == [[1, 0, ["unbumped"]]]
    assert [node[0] for node in data["folders"]["nodes"]] == ["./ (2)"]
    assert data["links"] == [[1, 0, ["unbumped"]]]
    assert data["clauses"] == {"base.md#base": [["BASE-1", 9, ["tests/test_marked.py::test_law"]]]}
    diff = data["diffs"]["base.md#base"].splitlines()
    assert diff[:2] == ["--- reviewed, version 1", "+++ now"]
    assert [line for line in diff[2:] if line[0] in "+-"] == [
        "-**[BASE-1]** A law that holds.",
        "+**[BASE-1]** A law that held.",
    ]


def test_many_documents_are_clusters_of_bounded_number() -> None:
    """Folders are merged until they are few, and a flat folder is cut into runs that say what they hold."""
    flat = graph_view.clusters([f"e/eip-{n:04}.md" for n in range(900)])
    assert len(set(flat.values())) == 23
    assert flat["e/eip-0000.md"] == "e/ eip-0000 … eip-0039 (40)"
    deep = graph_view.clusters([f"a{n % 50}/b{n % 7}/d{n:04}.md" for n in range(2000)])
    assert len(set(deep.values())) == 50
    assert deep["a1/b1/d0001.md"] == "a1/ (40)"


def _data(page: str) -> dict[str, Any]:
    found = re.search(r'<script type="application/json" id="data">(.*?)</script>', page, re.DOTALL)
    assert found is not None
    return json.loads(found[1])
