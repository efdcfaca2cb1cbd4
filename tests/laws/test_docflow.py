"""Laws of docflow over generated trees: nothing crashes, fresh means unchanged, edits are exact, baselines shrink."""

from __future__ import annotations

import tempfile
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from docflow import baseline, bump, edit, formats, graph, graph_view, lock, report, review, rules
from docflow.check import Result, summarise
from docflow.config import Config
from docflow.corpus import Corpus, EdgeView
from docflow.errors import DocflowError
from docflow.fmt import format_file, format_head
from docflow.frontmatter import parse_dialect, parse_yaml
from docflow.lock import Seen
from docflow.model import OUTCOMES, Edge, Review
from docflow.read import fingerprint, read, split
from docflow.rules.edges import OK, statuses
from docflow.rules.ledger import is_locked
from tests.unit.docflow import tree
from tests.unit.docflow.test_read import SEED_SHAPE

pytestmark = pytest.mark.m5

HEADS = [text.encode() for text in (SEED_SHAPE, tree.USER, tree.BASE)]
SHARDS = [
    b"\t",
    b"\r\n",
    b"\r",
    b"\xff",
    b"\x00",
    b": ",
    b"- ",
    b"*a",
    b"&a ",
    b"[",
    b"{",
    b"'",
    b'"',
    b"!!x ",
    b"---\n",
    b"|\n",
    b"# ",
]
SHARDS += [
    b"? ",
    b"\n\n",
    b"    ",
    b"%YAML 9\n",
    b"\xef\xbb\xbf",
    b"\xe2\x80\xa8",
    b"\xf0\x9f\x92\xa9",
    b"<<: *a\n",
    b"9" * 5000,
    b"[" * 400,
]
CUTS = st.tuples(
    st.integers(0, 2000), st.integers(0, 40), st.sampled_from(SHARDS) | st.binary(max_size=4) | st.just(b"")
)


def damage(data: bytes, cuts: list[tuple[int, int, bytes]]) -> bytes:
    """Replace, for each cut, some bytes at a place by others."""
    for place, length, shard in cuts:
        at = place % (len(data) + 1)
        data = data[:at] + shard + data[at + length :]
    return data


@pytest.mark.slow
@pytest.mark.clause("DOCFLOW-6")
@settings(max_examples=300)
@given(st.sampled_from(HEADS), st.lists(CUTS, min_size=1, max_size=6))
@example(SEED_SHAPE.encode(), [(0, 4000, b"")])
@example(b"---\n" + b"- " * 5000 + b"\n---\n", [(0, 0, b"")])
def test_corrupted_frontmatter_is_findings_or_clean(head: bytes, cuts: list[tuple[int, int, bytes]]) -> None:
    """Three hundred damaged files: each is read, checked, printed and drawn; findings lie inside the file."""
    data = damage(head, cuts)
    documents = {"d.md": read("d.md", data), "base.md": read("base.md", tree.BASE.encode())}
    corpus = Corpus(Path(), Config(), documents, lock.Lock(), True)
    findings = rules.check(corpus)
    n_lines = data.count(b"\n") + data.count(b"\r") + 1
    assert all(1 <= one.line <= n_lines for one in findings if one.path == "d.md")
    result = Result(findings, (), summarise(corpus))
    assert all(render(result) for render in formats.FORMATS.values())
    assert graph_view.html(corpus)
    assert report.lines(corpus, with_ok=True)
    assert graph.impact(corpus, "base.md#base") is not None


@pytest.mark.clause("DOCFLOW-20")
@settings(max_examples=150)
@given(st.sampled_from(HEADS), st.lists(CUTS, min_size=1, max_size=3))
def test_an_edit_of_a_damaged_file_is_exact_or_refused(head: bytes, cuts: list[tuple[int, int, bytes]]) -> None:
    """Whatever the damage, a pin is set and every other value and every byte of the body stays, or nothing is done."""
    data = damage(head, cuts)
    try:
        done = edit.rewrite(
            "d.md", data, lambda text: edit.assign("d.md", text, [(("doc_reviewed_as_of", "x.md#y"), 7)])
        )
    except DocflowError:
        return
    before, after = read("d.md", data), read("d.md", done)
    assert after.edges == () if before.edges == () else {e.ref for e in after.edges} == {e.ref for e in before.edges}
    assert split(done).body == split(data).body
    pins = {one.ref: one.dep_version for one in after.reviews if not one.section}
    assert pins == {one.ref: one.dep_version for one in before.reviews if not one.section} | {"x.md#y": 7}


VALUES = st.one_of(st.integers(-3, 50), st.booleans(), st.none(), st.text(max_size=4), st.sampled_from(OUTCOMES))
VERSIONS = st.integers(1, 3)


@pytest.mark.clause("DOCFLOW-11")
@given(VALUES, VALUES, VALUES, VALUES, st.none() | VERSIONS, st.none() | VERSIONS)
def test_statuses_are_as_defined(
    dep: Any, own: Any, outcome: Any, note: Any, now: int | None, own_now: int | None
) -> None:
    """Each status of a reviewed section edge holds exactly when its definition does, whatever the others are."""
    seen = Seen(now, "") if now else None
    view = EdgeView(
        "a.md",
        Edge("s", "b.md", 1),
        Review("s", "b.md", dep, own, outcome, note, 2),
        seen,
        Seen(own_now, "") if own_now else None,
        None,
    )
    has_dep, has_own = (type(value) is int and value >= 1 for value in (dep, own))
    expected = {
        "unknown_dependency": now is None,
        "invalid_dep_version": not has_dep,
        "stale_dep": has_dep and now is not None and dep != now,
        "invalid_self_version": not has_own,
        "stale_self": has_own and own_now is not None and own != own_now,
        "invalid_outcome": not (isinstance(outcome, str) and outcome in OUTCOMES),
        "missing_note": not (isinstance(note, str) and note.strip()),
    }
    assert set(statuses(view)) == ({name for name, holds in expected.items() if holds} or {OK})


STEPS = st.lists(
    st.sampled_from(["edit dep", "edit self", "bump dep", "bump self", "review", "reformat"]), min_size=1, max_size=8
)


@pytest.mark.clause("DOCFLOW-13")
@settings(max_examples=30)
@given(STEPS)
@example(["review", "edit dep", "review", "edit dep", "bump dep", "bump dep"])
def test_a_fresh_edge_was_reviewed_with_the_present_texts(steps: list[str]) -> None:
    """After any steps an edge is ok and locked exactly if both texts and both versions are those reviewed."""
    with tempfile.TemporaryDirectory() as name:
        root = tree.write(Path(name))
        files = {"dep": root / "base.md", "self": root / "user.md"}
        version, text = {"dep": 2, "self": 1}, {"dep": "A law that holds", "self": "Rests on"}
        reviewed = (dict(version), dict(text))
        for number, step in enumerate(steps):
            verb, _, side = step.partition(" ")
            if verb == "review":
                try:
                    planned = review.plan(
                        tree.load(root), ["user -> base.md#base"], outcome="no_change", note=f"Step {number}."
                    )
                except DocflowError:  # a text changed under its version
                    continue
                review.apply(root, planned)
                reviewed = (dict(version), dict(text))
            elif verb == "reformat":
                files["dep"].write_text(files["dep"].read_text() + "\n\n")
            else:
                old = (
                    f"{text[side]}" if verb == "edit" else f"  {'base' if side == 'dep' else 'user'}: {version[side]}\n"
                )
                if verb == "edit":
                    text[side] = f"{text[side]} {number}"
                    new = text[side]
                else:
                    version[side] += 1
                    new = old.replace(str(version[side] - 1), str(version[side]))
                files[side].write_text(files[side].read_text().replace(old, new, 1))
            (view,) = (one for one in tree.load(root).edges if one.edge.section)
            assert (statuses(view) == (OK,) and is_locked(view)) is ((version, text) == reviewed)


LIGHT_STEPS = st.lists(
    st.sampled_from(["edit dep", "edit self", "undo dep", "bump", "review", "reformat"]), min_size=1, max_size=8
)


@pytest.mark.clause("DOCFLOW-13")
@settings(max_examples=30)
@given(LIGHT_STEPS)
@example(["edit dep", "review", "bump", "undo dep", "bump", "review"])
def test_a_fresh_edge_of_a_light_document_was_reviewed_with_the_present_texts(steps: list[str]) -> None:
    """Without versions in the text: the check is silent exactly if both texts are those reviewed, none raised."""
    with tempfile.TemporaryDirectory() as name:
        root = tree.write_light(Path(name))
        files = {"dep": root / "base.md", "self": root / "user.md"}
        whole = {side: file.read_text() for side, file in files.items()}
        locked, reviewed = dict(whole), dict(whole)
        for number, step in enumerate(steps):
            verb, _, side = step.partition(" ")
            if verb == "edit":
                files[side].write_text(files[side].read_text().replace("\n# ", f"\n# {number} "))
            elif verb == "undo":
                files[side].write_text(whole[side])
            elif verb == "reformat":
                files["dep"].write_text(files["dep"].read_text() + "\n\n")
            elif verb == "bump":
                corpus = tree.load(root)
                bump.apply(corpus, bump.plan(corpus))
                now = {side: file.read_text().rstrip() for side, file in files.items()}
                reviewed |= {side: "" for side in now if now[side] != locked[side].rstrip()}
                locked = now
            else:
                try:
                    review.apply(root, review.plan(tree.load(root), ["user.md"], outcome="changed", note=f"{number}."))
                except DocflowError:  # a text changed under its version
                    pass
                else:
                    reviewed = {side: file.read_text() for side, file in files.items()}
            is_same = all(reviewed[side].rstrip() == file.read_text().rstrip() for side, file in files.items())
            assert (tree.findings(root) == []) is is_same


NAMES = st.sampled_from(["a", "b.md", "c.md#d", "e f", "yes", "1", "é", "- x", "#y", "g: h"])
SCALARS = st.one_of(
    st.integers(-5, 99), st.text(alphabet="ab :#-'\"[é", max_size=8), st.sampled_from(["yes", "3", "null"])
)
TREES = st.dictionaries(
    NAMES,
    st.one_of(SCALARS, st.lists(SCALARS, max_size=3), st.dictionaries(NAMES, SCALARS, max_size=3)),
    min_size=1,
    max_size=4,
)


@pytest.mark.clause("DOCFLOW-20")
@settings(max_examples=150)
@given(TREES, st.lists(NAMES, min_size=1, max_size=3), st.integers(1, 99), st.booleans())
def test_an_edit_of_yaml_sets_one_value(values: dict[str, Any], path: list[str], value: int, is_flow: bool) -> None:
    """In YAML of any layout the value at the path is set and every other value stays."""
    head = yaml.safe_dump(values, allow_unicode=True, default_flow_style=is_flow or None, sort_keys=False, width=1000)
    assume(parse_yaml(head, 1).values == values)
    wanted = yaml.safe_load(yaml.safe_dump(values))
    inner = wanted
    for step in path[:-1]:
        inner = inner.setdefault(step, {}) if isinstance(inner.get(step, {}), dict) else None
        if inner is None:
            with pytest.raises(DocflowError, match="must be a mapping; correct it first"):
                edit.assign("d.md", head, [(tuple(path), value)])
            return
    inner[path[-1]] = value
    assert parse_yaml(edit.assign("d.md", head, [(tuple(path), value)]), 1).values == wanted


LOOSE = st.text(alphabet="ab:# -'\"[]{}*&|>!%@`3é", min_size=1, max_size=14).map(str.strip).filter(bool)
LINES = st.lists(
    st.one_of(
        LOOSE.map(lambda text: [f"k%d: {text}"]),
        st.lists(LOOSE, min_size=1, max_size=3).map(lambda texts: ["k%d:", *(f"  - {text}" for text in texts)]),
        st.tuples(LOOSE, LOOSE).map(lambda pair: ["k%d:", "  # inside", f"  x.md#y: {pair[0]}", f"  z: {pair[1]}"]),
    ),
    min_size=1,
    max_size=4,
)


@pytest.mark.clause("DOCFLOW-21")
@settings(max_examples=200)
@given(LINES)
def test_fmt_keeps_every_value_of_the_dialect(blocks: list[list[str]]) -> None:
    """Frontmatter that is not YAML becomes YAML with the values it had; formatting again changes nothing."""
    head = "\n".join(
        line.replace("%d", str(number)) if at == 0 else line
        for number, block in enumerate(blocks)
        for at, line in enumerate(block)
    )
    try:
        done = format_head("d.md", head)
    except DocflowError:
        return
    values = parse_yaml(done, 1).values
    assert done == head or values == parse_dialect(head, 1).values
    assert format_head("d.md", done) == done
    data = f"---\n{head}\n---\nbody: \t*a\r\n".encode()
    assert split(format_file("d.md", data)).body == split(data).body


@pytest.mark.clause("DOCFLOW-5")
@given(st.text(alphabet="ab \n\t\u00e9e\u0301", max_size=30), st.text(alphabet=" \t", max_size=3))
def test_blanks_at_line_ends_are_no_change(text: str, blanks: str) -> None:
    """Appending blanks to every line, and blank lines at both ends, keeps the fingerprint; another letter does not."""
    padded = "\n\n" + "".join(f"{line}{blanks}\n" for line in text.split("\n")) + "\n"
    assert fingerprint(padded) == fingerprint(text)
    assert fingerprint(text + "c") != fingerprint(text)


@pytest.mark.clause("DOCFLOW-23")
@settings(max_examples=60)
@given(st.lists(st.integers(0, 4), max_size=6), st.lists(st.lists(st.integers(0, 4), max_size=6), max_size=4))
def test_rewriting_a_baseline_never_grows_it(first: list[int], later: list[list[int]]) -> None:
    """Whatever is found later, each rewrite keeps a part of what the file held, and judging is exact counting."""

    def found(numbers: list[int]) -> list[rules.Finding]:
        return [rules.Finding("a.md", 1, "cycle", "error", f"s{number}", "", "") for number in numbers]

    with tempfile.TemporaryDirectory() as name:
        path = Path(name) / "known"
        baseline.write(path, found(first))
        for numbers in later:
            before = baseline.load(path)
            judged = baseline.judge(found(numbers), before, "known")
            assert len(judged.known) == (Counter(numbers) & Counter(first)).total() or before != Counter(first)
            assert len([one for one in judged.new if one.rule == "cycle"]) == len(numbers) - len(judged.known)
            baseline.write(path, found(numbers))
            assert baseline.load(path) <= before
            outdated = [one for one in judged.new if one.rule == "baseline_outdated"]
            assert len(outdated) == before.total() - len(judged.known)
