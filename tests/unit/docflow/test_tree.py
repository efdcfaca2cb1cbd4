"""Settings, file search, lock, cache and baseline: the files around the documents."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from docflow import baseline, cache, config, files, lock, rules
from docflow.errors import ConfigError
from docflow.lock import Entry, Seen
from tests.unit.docflow import tree

pytestmark = pytest.mark.m5


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("x = ", "docflow.toml must be TOML in UTF-8, but: "),
        ("[document]\n", "docflow.toml: [document] is not a table of docflow.toml; did you mean documents?"),
        ("rules = 1", "docflow.toml: rules must be a table, write [rules]"),
        ("[documents]\ninclud = []", "docflow.toml: [documents] has no key includ; did you mean include?"),
        ("[rules]\nstale_deps = 'off'", "docflow.toml: [rules] has no key stale_deps; did you mean stale_dep?"),
        ("[rules]\nstale_dep = false", "[rules] stale_dep must be one of error, warning, note, off, got False"),
        ("[documents]\ninclude = 'x'", "[documents] include must be a list of non-empty strings, got 'x'"),
        ("[trace]\ncommitments = ''", "[trace] commitments must be a non-empty string, got ''"),
        ("[reviews]\nsame_note_limit = 0", "[reviews] same_note_limit must be an integer >= 1, got 0"),
        ("[cycles]\nallow = 1", "[cycles] allow must be a list of lists of documents, got 1"),
    ],
)
def test_a_wrong_setting_stops_everything(text: str, message: str, tmp_path: Path) -> None:
    """A typo in docflow.toml cannot switch a rule off: it is refused with what would be right."""
    (tmp_path / "docflow.toml").write_text(text)
    with pytest.raises(ConfigError) as caught:
        config.load(tmp_path, rules.IDS)
    assert message in str(caught.value)


def test_settings_are_read_and_have_defaults(tmp_path: Path) -> None:
    """Every table is taken over; without a file all Markdown is read and nothing is traced."""
    assert config.load(tmp_path, rules.IDS) == config.Config()
    (tmp_path / "docflow.toml").write_text(
        '[documents]\ninclude = ["a.md"]\nexclude = ["x/"]\ncore = ["a.md"]\n[schema]\nrequire = ["doc_owner"]\n'
        'allow = ["t"]\n[rules]\ncrlf = "off"\n[reviews]\nsame_note_limit = 5\n[cycles]\nallow = [["a.md"]]\n[trace]\n'
    )
    read = config.load(tmp_path, rules.IDS)
    assert (read.include, read.exclude, read.core, read.require, read.allow) == (
        ("a.md",),
        ("x/",),
        ("a.md",),
        ("doc_owner",),
        ("t",),
    )
    assert (read.severities, read.same_note_limit, read.cycles) == ({"crlf": "off"}, 5, (frozenset({"a.md"}),))
    assert read.trace == config.Trace()


@pytest.mark.clause("DOCFLOW-6")
@pytest.mark.parametrize(
    ("include", "exclude", "expected"),
    [
        (["*.md"], [], ["a.md", "b/a.md", "b/c/d.md", ".github/e.md"]),
        (["*.md"], ["b/"], ["a.md", ".github/e.md"]),
        (["b/*.md"], [], ["b/a.md"]),
        (["b/**/*.md"], [], ["b/a.md", "b/c/d.md"]),
        (["**/d.md", "?.txt"], [], ["b/c/d.md", "n.txt"]),
        (["[ab].md"], ["b/a.md"], ["a.md"]),
        (["./a.md"], [], ["a.md"]),
        ([], [], []),
    ],
)
def test_documents_are_found_by_glob(
    include: list[str], exclude: list[str], expected: list[str], tmp_path: Path
) -> None:
    """Globs choose; version control, caches, virtual environments and node_modules are never entered."""
    ours = ["a.md", "b/a.md", "b/c/d.md", ".github/e.md", "n.txt"]
    foreign = [".git/x.md", "node_modules/x.md", "venv/x.md", "venv/pyvenv.cfg", ".cache/x.md", ".cache/CACHEDIR.TAG"]
    for path in [*ours, *foreign]:
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text("")
    assert sorted(files.find(tmp_path, include, exclude)) == sorted(expected)


SEEN = st.builds(Seen, st.integers(1, 10**9), st.integers(0, 2**256 - 1).map(lambda number: f"{number:064x}"))
NOTES = st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs", "Zl", "Zp"])).map(
    lambda text: " ".join(text.split()) or "x"
)
UNSAID = st.builds(Entry, SEEN, st.none() | SEEN, st.just(0), st.just(""), st.just(""))
SAID = st.builds(Entry, SEEN, SEEN, st.just(0), st.sampled_from(["no_change", "changed"]), NOTES)
KEYS = st.sampled_from(["a.md", "b c.md::s", "d.md::t"]).flatmap(
    lambda source: st.sampled_from(["a.md", "b c.md#s", "dep=1.md"]).map(lambda target: f"{source} -> {target}")
)


@pytest.mark.clause("DOCFLOW-12")
@given(
    st.dictionaries(KEYS, UNSAID | SAID, max_size=5),
    st.dictionaries(st.sampled_from(["a.md", "b c.md#s", "text=1.md"]), SEEN),
)
@pytest.mark.slow
def test_a_lock_is_read_back_as_it_was_written(entries: dict[str, Entry], texts: dict[str, Seen]) -> None:
    """Writing and reading a lock is the identity; it has one line an edge or text, sorted."""
    data = lock.render(entries, texts, {"a.md#b c": "It says why."})
    read = lock.parse(data)
    assert {key: entry._replace(line=0) for key, entry in read.entries.items()} == entries
    assert {name: text.seen for name, text in read.texts.items()} == texts
    assert read.accepted == {"a.md#b c": "It says why."}
    assert read.defects == ()
    lines = [line for line in data.decode().splitlines() if not line.startswith("#")]
    keys = [re.split(" (?:text|self|dep)=[0-9]+:| accepted:", line)[0] for line in lines]
    assert keys == sorted([*entries, *texts, "a.md#b c"])


@pytest.mark.clause("DOCFLOW-12")
def test_a_merge_of_two_locks_by_lines_is_a_lock() -> None:
    """The union of the lines of two locks is the lock of the union; marks of a conflict are defects, line by line."""
    one, two = Entry(Seen(1, "a" * 64), None), Entry(Seen(2, "b" * 64), Seen(1, "c" * 64))
    ours, theirs = lock.render({"a.md -> b.md": one}, {}, {}), lock.render({"c.md::s -> b.md": two}, {}, {})
    merged = lock.parse(b"<<<<<<< ours\n" + ours + b"=======\n" + theirs + b">>>>>>> theirs\n\xff\n")
    assert merged.entries.keys() == {"a.md -> b.md", "c.md::s -> b.md"}
    assert [defect.line for defect in merged.defects] == [1, 5, 9, 10]
    assert lock.parse(ours + ours).defects == ()
    new, old = (lock.render({"a.md -> b.md": Entry(Seen(number, "d" * 64), None)}, {}, {}) for number in (2, 1))
    for twice in (lock.parse(new + old), lock.parse(old + new)):
        assert twice.entries["a.md -> b.md"].dep.version == 2
        assert [one.message for one in twice.defects] == ["a.md -> b.md is locked twice; the higher version counts"]


@pytest.mark.clause("DOCFLOW-25")
def test_the_cache_changes_no_result(tmp_path: Path) -> None:
    """Cold, warm, damaged and forged-by-age caches give the same documents; only changed files are parsed again."""
    tree.write(tmp_path)
    cold = tree.load(tmp_path).documents
    path = tmp_path / cache.FOLDER / "cache.json"
    stored = path.read_bytes()
    assert tree.load(tmp_path).documents == cold
    assert path.read_bytes() == stored
    for damage in (b"", b"{}", b"[1]", stored[: len(stored) // 2], stored.replace(b'"user.md"', b'"user.md",1', 1)):
        path.write_bytes(damage)
        assert tree.load(tmp_path).documents == cold
    tree.spoil(tmp_path, [("base.md", "A law that holds", "A law that held")])
    assert tree.load(tmp_path).documents["base.md"].fingerprint != cold["base.md"].fingerprint
    assert tree.load(tmp_path).documents["user.md"] == cold["user.md"]
    (tmp_path / "user.md").unlink()
    tree.load(tmp_path)
    assert json.loads(path.read_bytes())["entries"].keys() == {"document:base.md", "tests:tests/test_marked.py"}


@pytest.mark.clause("DOCFLOW-25")
def test_other_settings_are_another_cache(tmp_path: Path) -> None:
    """What was read under one docflow.toml is not used under another."""
    tree.load(tree.write(tmp_path))
    (tmp_path / "docflow.toml").write_text('[schema]\nrequire = ["doc_owner"]\n')
    assert "missing_field" in {one.rule for one in tree.findings(tmp_path)}


@pytest.mark.clause("DOCFLOW-25")
def test_a_cache_that_comes_with_a_change_is_not_believed(tmp_path: Path) -> None:
    """In a work tree of git the cache stands in git's folder, one for each root; a cache in the tree is not read."""
    root = tree.write(tmp_path / "r")
    (root / "docs").mkdir()
    outside = cache.path_of(root)
    tree.load(root)
    forged = outside.read_bytes().replace(b"base.md", b"fake.md")
    assert (outside.parent.name, outside.is_file()) == (cache.FOLDER, True)
    (root / ".git").mkdir()
    places = [cache.path_of(root), cache.path_of(root / "docs")]
    assert [place.relative_to(root).as_posix() for place in places] == [
        ".git/docflow_cache/%2E.json",
        ".git/docflow_cache/docs.json",
    ]
    outside.write_bytes(forged)
    assert set(tree.load(root).documents) == {"base.md", "user.md"}
    assert (places[0].is_file(), outside.read_bytes()) == (True, forged)
    (tmp_path / "w").mkdir()
    (tmp_path / "w" / ".git").write_text("gitdir: ../r/.git\n")
    assert cache.path_of(tmp_path / "w").resolve() == (root / ".git/docflow_cache/%2E.json").resolve()


@pytest.mark.clause("DOCFLOW-25")
def test_a_tree_that_cannot_be_written_is_checked(tmp_path: Path) -> None:
    """Without a place for the cache the check is slower, not different."""
    tree.write(tmp_path, is_locked=False)
    (tmp_path / cache.FOLDER).write_text("a file where the folder would be")
    assert {one.rule for one in tree.findings(tmp_path)} == {"missing_lock"}


@pytest.mark.clause("DOCFLOW-23")
def test_a_baseline_only_shrinks(tmp_path: Path) -> None:
    """Old findings are tolerated, new ones count, and writing again drops what is fixed but takes nothing new."""
    path = tmp_path / "known"
    tree.spoil(tree.write(tmp_path), [("base.md", "  base: 2", "  base: 1"), ("base.md", "doc_id: base\n", "")])
    old = tree.findings(tmp_path)
    assert baseline.write(path, old) == (len(old), len(old)) == (4, 4)
    judged = baseline.judge(old, baseline.load(path), "known")
    assert (judged.new, list(judged.known)) == ((), old)
    tree.spoil(tmp_path, [("base.md", "doc_scope", "doc_id: base\ndoc_scope"), ("user.md", "doc_id: user\n", "")])
    judged = baseline.judge(tree.findings(tmp_path), baseline.load(path), "known")
    assert [(one.rule, one.path) for one in judged.new] == [
        ("missing_field", "user.md"),
        ("baseline_outdated", "known"),
    ]
    assert baseline.write(path, tree.findings(tmp_path)) == (4, 3)
    judged = baseline.judge(tree.findings(tmp_path), baseline.load(path), "known")
    assert [(one.rule, one.path) for one in judged.new] == [("missing_field", "user.md")]


@pytest.mark.clause("DOCFLOW-23")
def test_a_baseline_survives_moved_lines(tmp_path: Path) -> None:
    """Entries name what a finding is about, not its line."""
    tree.spoil(tree.write(tmp_path), [("user.md", "dep_version: 2", "dep_version: 1")])
    baseline.write(tmp_path / "known", tree.findings(tmp_path))
    tree.spoil(tmp_path, [("user.md", "doc_scope: [demo]", "doc_scope:\n  - demo")])
    assert baseline.judge(tree.findings(tmp_path), baseline.load(tmp_path / "known"), "known").new == ()


def test_a_baseline_fails_closed(tmp_path: Path) -> None:
    """A missing or mangled baseline is an error, never an empty list."""
    with pytest.raises(ConfigError, match=r"must be a readable file, but: .* write one with --write-baseline"):
        baseline.load(tmp_path / "known")
    (tmp_path / "known").write_text("stale_dep user.md\n")
    with pytest.raises(ConfigError, match=r"known:1: a baseline line must hold rule, path and subject between tabs"):
        baseline.load(tmp_path / "known")
