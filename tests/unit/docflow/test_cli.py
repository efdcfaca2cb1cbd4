"""The command: verbs, output formats, exit statuses, watching and measuring."""

from __future__ import annotations

import gc
import json
import re
import subprocess
import sys
import tomllib
from collections.abc import Callable
from itertools import islice
from pathlib import Path
from xml.etree import ElementTree

import pytest
import yaml

from docflow import bench, cli, config, formats, rules, watch
from docflow.errors import ConfigError
from tests.unit.docflow import tree
from tests.unit.docflow.command import STALE, run

pytestmark = pytest.mark.m5

ROOT = Path(__file__).parents[3]


@pytest.mark.clause("DOCFLOW-9")
def test_check_says_what_it_read_and_exits_by_severity(root: Path) -> None:
    """A clean tree is ok with status 0; an error is status 1, with place, rule, severity, message and remedy."""
    done = run("check")
    assert (done.exit_code, done.output.splitlines()) == (
        0,
        [
            "2 of 2 documents governed (2 yaml); 2 sections",
            "2 document edges with 2 pins, 1 section edges with 1 reviews",
            "edges: ok 3",
            "docflow: ok: 0 errors, 0 warnings, 0 notes",
        ],
    )
    tree.spoil(root, [STALE])
    done = run("check")
    assert done.exit_code == 1
    assert done.output.startswith(
        "user.md:23: error[stale_dep] user.md::user -> base.md#base was reviewed when the dependency was at version 1; "
        "it is now at 2\n    read both texts, then run: docflow review 'user.md::user -> base.md#base' "
        "--outcome no_change --note '...'\n"
    )
    assert "docflow: FAILED: 1 errors" in done.output
    (root / "docflow.toml").write_text('[rules]\nstale_dep = "warning"\n')
    done = run("check")
    assert (done.exit_code, done.output.splitlines()[-1]) == (0, "docflow: ok: 0 errors, 1 warnings, 0 notes")


@pytest.mark.clause("DOCFLOW-9")
def test_every_format_has_every_finding(root: Path) -> None:
    """JSON, SARIF, JUnit and GitHub annotations carry file, line, rule and remedy of the same findings."""
    tree.spoil(
        root,
        [
            STALE,
            ("user.md", "Rests on", '<a id="x:1,2"></a>Rests on'),
            ("base.md", "doc_role: chapter", "doc_role: a: b%"),
        ],
    )
    places = [
        ("base.md", 4, "dialect"),
        ("user.md", 23, "stale_dep"),
        ("user.md", 29, "unbumped"),
        ("user.md", 32, "undeclared_anchor"),
    ]
    found = json.loads(run("check", "--format", "json").output)
    assert (found["format"], found["blocks"], found["summary"]["statuses"]) == (
        1,
        True,
        {"stale_dep": 1, "unbumped": 3},
    )
    assert [(one["path"], one["line"], one["rule"]) for one in found["findings"]] == places
    assert all(one["remedy"] and one["message"] and one["severity"] for one in found["findings"])
    log = json.loads(run("check", "--format", "sarif").output)
    (only,) = log["runs"]
    assert log["version"] == "2.1.0"
    assert {rule["id"] for rule in only["tool"]["driver"]["rules"]} == {rule.id for rule in rules.RULES}
    assert [(one["ruleId"], one["level"]) for one in only["results"]] == [
        (r, s) for (_, _, r), s in zip(places, ["note", "error", "error", "warning"], strict=True)
    ]
    physical = [one["locations"][0]["physicalLocation"] for one in only["results"]]
    assert [(one["artifactLocation"]["uri"], one["region"]["startLine"]) for one in physical] == [
        place[:2] for place in places
    ]
    suite = ElementTree.fromstring(run("check", "--format", "junit").output)
    assert (suite.get("failures"), suite.get("tests")) == ("2", str(len(rules.RULES)))
    failed, _ = [case for case in suite if case.find("failure") is not None]
    assert (failed.get("file"), failed.get("line"), failed.get("classname")) == ("user.md", "23", "docflow.stale_dep")
    assert "user.md:32: warning[undeclared_anchor]" in suite.findtext("system-out", "")
    lines = run("check", "--format", "github").output.splitlines()
    assert lines[0].startswith("::notice file=base.md,line=4,title=docflow dialect::not YAML")
    assert lines[1].startswith("::error file=user.md,line=23,title=docflow stale_dep::")
    assert lines[-1].startswith("docflow: FAILED")
    (choices,) = [option.type.choices for option in cli.check.params if option.name == "form"]  # type: ignore[attr-defined]
    assert sorted(formats.FORMATS) == sorted(choices)


def test_formats_survive_odd_names(root: Path) -> None:
    """Control characters, percent signs and newlines in a message break neither XML nor annotations."""
    tree.spoil(root, [("user.md", "doc_id: user", 'doc_id: user\n"a\\u0001%\\nb,:": 1')])
    assert ElementTree.fromstring(run("check", "--format", "junit").output).get("failures") == "1"
    annotation = run("check", "--format", "github").output.splitlines()[0]
    assert annotation.startswith(
        "::error file=user.md,line=3,title=docflow unknown_field::unknown field a\x01%25%0Ab,:"
    )


@pytest.mark.clause("DOCFLOW-23")
def test_a_baseline_is_written_on_request_only(root: Path) -> None:
    """Only --write-baseline writes it, once in full and then smaller; findings that it holds do not block."""
    tree.spoil(root, [STALE])
    assert run("check", "--baseline", "known").exit_code == 2
    assert (
        run("check", "--write-baseline").output
        == "docflow: --write-baseline must know the file; give it with --baseline FILE\n"
    )
    assert run("check", "--baseline", "known", "--write-baseline").output == "known: 1 tolerated findings\n"
    done = run("check", "--baseline", "known")
    assert (done.exit_code, done.output.splitlines()[-1]) == (
        0,
        "docflow: ok: 0 errors, 0 warnings, 0 notes, 1 known from the baseline",
    )
    sarif = json.loads(run("check", "--baseline", "known", "--format", "sarif").output)
    assert [one["suppressions"] for one in sarif["runs"][0]["results"]] == [[{"kind": "external"}]]
    run("review", "user", "--outcome", "no_change", "--note", "Compared.")
    assert "error[baseline_outdated]" in run("check", "--baseline", "known").output
    assert (
        run("check", "--baseline", "known", "--write-baseline").output
        == "known: 0 tolerated findings, 1 fewer than before\n"
    )
    assert run("check", "--baseline", "known").exit_code == 0


def test_review_and_adopt_say_what_they_write(root: Path) -> None:
    """A dry run writes nothing; a refusal is one line and status 2; a lock can be started."""
    tree.spoil(root, [STALE])
    before = (root / "user.md").read_bytes()
    review = ("review", "user.md::user", "--outcome", "changed", "--note", "Compared.")
    assert run(*review, "--dry-run").output == "would review user.md::user -> base.md#base dep=2 self=1\n"
    assert (root / "user.md").read_bytes() == before
    assert run(*review).output == "reviewed user.md::user -> base.md#base dep=2 self=1\n"
    assert run(*review).output == "nothing to review: every edge named is ok\n"
    done = run("review", "nobody", "--outcome", "changed", "--note", "Compared.")
    assert (done.exit_code, done.output.count("\n")) == (2, 1)
    (root / "docflow.lock").unlink()
    assert run("adopt", "--dry-run").output == "would adopt 7 lines; 3 reviews and 4 texts are locked\n"
    assert not (root / "docflow.lock").exists()
    assert run("adopt").output == "adopted 7 lines; 3 reviews and 4 texts are locked\n"
    assert run("check").exit_code == 0


@pytest.mark.clause("DOCFLOW-24")
@pytest.mark.usefixtures("root")
def test_impact_and_why_explain_the_graph() -> None:
    """Impact lists the edges to review again with their distance; why shows the chain, or that there is none."""
    assert run("impact", "base").output == (
        "1 user.md -> base.md\n1 user.md::user -> base.md#base\n"
        "2 edges rest on base.md#base: 2 directly, 0 through others\n"
    )
    assert run("why", "user", "base").output == "user.md::user -> base.md#base  user.md:20\n"
    done = run("why", "base", "user")
    assert (done.exit_code, done.output) == (
        1,
        "base.md#base does not rest on user.md#user (but the other way round it does)\n",
    )
    assert run("impact", "nobody").exit_code == 2


@pytest.mark.clause("DOCFLOW-26")
def test_trace_lists_clauses_and_fails_on_a_bare_one(root: Path) -> None:
    """Each clause is listed with its witnesses, as text and as JSON; one without is marked and status 1."""
    assert (
        run("trace").output
        == "BASE-1 base.md:14\n  test tests/test_marked.py::test_law\n1 clauses, 0 without a witness\n"
    )
    tree.spoil(root, [("tests/test_marked.py", "BASE-1", "BASE-9")])
    done = run("trace")
    assert (done.exit_code, done.output) == (1, "BASE-1 base.md:14  NOT COVERED\n1 clauses, 1 without a witness\n")
    assert json.loads(run("trace", "--json").output)["is_covered"] is False


@pytest.mark.clause("DOCFLOW-28")
def test_the_report_has_the_agreed_lines(root: Path) -> None:
    """After the summary each edge that is not ok has its line; with --all, every edge."""
    tree.spoil(
        root,
        [
            ("user.md", "dep_version: 2", "dep_version: 38"),
            ("user.md", "_at_review: 1", "_at_review: 2"),
            ("user.md", "  base.md: 3\n", ""),
        ],
    )
    assert run("report").output == "wrote out/docflow_section_reviews.md\n"
    assert (root / "out/docflow_section_reviews.md").read_text() == (
        "Docflow section reviews\n\nSummary:\n- missing_review: 1\n- ok: 1\n- stale_dep: 1\n- stale_self: 1\n\nEdges:\n"
        "- user.md::user -> base.md#base status=stale_dep,stale_self dep=38/2 self=2\n"
        "- user.md -> base.md status=missing_review dep=None/3\n"
    )
    run("report", "--all")
    assert "- user.md -> base.md#base status=ok dep=2/2\n" in (root / "out/docflow_section_reviews.md").read_text()


def test_fmt_rewrites_and_checks(root: Path) -> None:
    """With --check, only says what would change; fmt changes it; then nothing is left to do."""
    tree.spoil(root, [("base.md", "doc_role: chapter", "doc_role: chapter: one")])
    done = run("fmt", "--check")
    assert (done.exit_code, done.output) == (1, "would rewrite base.md\n1 of 2 files would change\n")
    assert run("fmt", "base.md").output == "rewrote base.md\n1 of 1 files changed\n"
    assert 'doc_role: "chapter: one"\n' in (root / "base.md").read_text()
    assert run("fmt", "--check").exit_code == 0


def test_fmt_passes_over_what_it_cannot_read(root: Path) -> None:
    """A file that cannot be read is told and makes the status 2; the others are formatted all the same."""
    tree.spoil(
        root, [("base.md", "doc_role: chapter", "doc_role chapter"), ("user.md", "doc_role: chapter", "doc_role: a: b")]
    )
    done = run("fmt")
    assert done.exit_code == 2
    assert "base.md:4: the frontmatter must be readable to be formatted: expected `key: value`" in done.output
    assert "rewrote user.md\n1 of 2 files changed\n" in done.output


def test_show_reads_any_file(root: Path) -> None:
    """Show prints what is read from one file of any name: dialect, sections, edges, reviews, defects."""
    (root / "notes.txt").write_text(tree.USER.replace("doc_role: chapter", "doc_role: a: b"))
    lines = run("show", "notes.txt").output.splitlines()
    assert lines[0] == "notes.txt: dialect colon-tolerant, revision 4, doc_id=user, doc_authority=informative"
    assert [line for line in lines if not line.startswith(" ")][1:] == [
        "section user version 1, anchor at line 29",
        "2 document edges",
        "1 section edges",
        "2 pins",
        "1 reviews",
        "1 defects",
    ]
    assert "  line 20: notes.txt::user -> base.md#base" in lines


def test_graph_fields_and_rules_are_printed(root: Path) -> None:
    """The drawings go to a file or to standard output; the tables of fields and rules list every row."""
    assert run("graph", "--dot").output.startswith("digraph docflow {")
    assert run("graph", "-o", "g.html").output == "wrote g.html\n"
    assert (root / "g.html").read_text().startswith("<!doctype html>")
    assert run("graph").output.startswith("<!doctype html>")
    assert run("fields").output.count("\n") == 19
    listed = run("rules").output
    assert all(f"{rule.id} " in listed for rule in rules.RULES)
    assert "Require that nothing rests on itself" in listed


def test_bump_prints_each_new_version(root: Path) -> None:
    """Bump needs git, says what it raises, and writes only without --dry-run."""
    assert run("bump").output == "nothing to bump: every changed text has a new version\n"
    assert run("bump", "--base", "HEAD").exit_code == 2
    for arguments in (
        ["init", "-q"],
        ["add", "."],
        ["-c", "user.name=x", "-c", "user.email=x@y.z", "commit", "-qm", "one"],
    ):
        subprocess.run(["git", *arguments], check=True, capture_output=True)
    assert run("bump").output == "nothing to bump: every changed text has a new version\n"
    tree.spoil(root, [("base.md", "A law that holds", "A law that held")])
    assert run("bump", "--dry-run").output == run("bump").output == "base.md#base 2 -> 3\nbase.md 3 -> 4\n"
    assert "  base: 3\n" in (root / "base.md").read_text()


def test_watching_yields_what_changed(root: Path) -> None:
    """The first round names everything, later ones what changed, appeared or went; bad settings do not end it."""
    steps: list[Callable[[], object]] = [
        lambda: None,
        lambda: tree.spoil(root, [STALE]),
        lambda: (root / "docflow.toml").write_text("["),
        lambda: (root / "base.md").unlink(),
    ]
    rounds = watch.changes(root, lambda: config.load(root, rules.IDS), sleep=lambda _: steps.pop(0)() and None)
    assert list(islice(rounds, 4)) == [
        ["base.md", "docflow.lock", "docflow.toml", "tests/test_marked.py", "user.md"],
        ["user.md"],
        ["docflow.toml"],
        ["base.md"],
    ]


def test_check_watch_prints_until_interrupted(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each change prints a new result, unusable settings their error, and an interrupt ends with status 0."""

    def sleep(_: float) -> None:
        if not (root / "docflow.toml").read_text().startswith("["):
            raise KeyboardInterrupt
        (root / "docflow.toml").write_text("oops")

    monkeypatch.setattr(watch.changes, "__defaults__", (sleep,))
    done = run("check", "--watch")
    assert done.exit_code == 0
    assert "docflow: ok" in done.output
    assert "changed: docflow.toml\n" in done.output
    assert "docflow: docflow.toml must be TOML in UTF-8, but: " in done.output


def test_a_failing_command_is_one_line(root: Path) -> None:
    """What cannot be carried out is told on standard error, with status 2 and no traceback."""
    (root / "docflow.toml").write_text("[rule]\n")
    with pytest.raises(ConfigError):
        config.load(root, rules.IDS)
    done = subprocess.run(
        [sys.executable, "-m", "docflow", "check"],
        capture_output=True,
        text=True,
        check=False,
        env={"PYTHONPATH": str(ROOT)},
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "docflow: docflow.toml: [rule] is not a table of docflow.toml; did you mean rules?\n"


@pytest.mark.clause("DOCFLOW-25")
def test_the_bench_tree_is_clean_and_warm_checks_load_nothing_dear(tmp_path: Path) -> None:
    """The measured tree has the asked size and no finding; a warm check imports no package it can spare."""
    bench.write_tree(tmp_path / "t", 60)
    done = run("check", "--root", str(tmp_path / "t"), "--format", "json")
    summary = json.loads(done.output)["summary"]
    assert (done.exit_code, summary["sections"], summary["statuses"].keys()) == (0, 60, {"ok"})
    assert summary["section_edges"] == 2 * 60 - 4
    dear = ["yaml", "networkx", "docflow.frontmatter", "xml.etree.ElementTree", "difflib", "tomllib", "subprocess"]
    script = (
        f"import sys; dear = {dear}; sys.argv = ['docflow', 'check', '--root', {str(tmp_path / 't')!r}]\n"
        "from docflow.cli import main\n"
        "try: main()\nexcept SystemExit as e: print(e.code, sorted(set(dear) & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        capture_output=True,
        text=True,
        check=True,
        env={"PYTHONPATH": str(ROOT)},
    )
    assert done.stdout.splitlines()[-1] == "0 []"


@pytest.mark.usefixtures("root")
def test_a_check_leaves_the_collector_as_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    """Garbage is not looked for during a check, and is again afterwards."""
    seen: list[bool] = []

    def look(_tree: object) -> list[object]:
        seen.append(gc.isenabled())
        return []

    monkeypatch.setattr(rules, "check", look)
    assert run("check").exit_code == 0
    assert (seen, gc.isenabled()) == ([False], True)


def test_bench_prints_rows(tmp_path: Path) -> None:
    """A row has the fields every bench of the project prints; a peer that cannot run is a row with the reason."""
    rows = [
        json.loads(line)
        for line in run("bench", "--sections", "40", "--runs", "1", "--no-doorstop", "--json").output.splitlines()
    ]
    assert [(row["impl"], row["case"]) for row in rows] == [("docflow", "check cold"), ("docflow", "check warm")]
    assert {"bench", "case", "impl", "median_s", "min_s", "max_s", "runs", "rate", "unit"} == rows[0].keys()
    missing = bench.Row("check", "doorstop", (), 40, "doorstop is not installed").as_dict()
    assert (missing["median_s"], missing["remark"]) == (None, "doorstop is not installed")
    assert "1.00 x check cold" in run("bench", "--sections", "20", "--runs", "1", "--no-doorstop").output
    bench.write_doorstop_tree(tmp_path / "d", 10)
    items = [yaml.safe_load(path.read_text()) for path in sorted((tmp_path / "d/tst").glob("TST*.yml"))]
    assert [len(item["links"]) for item in items] == [1, 2, 2, 2, 2]


def test_the_hook_runs_the_check() -> None:
    """Other repositories get `docflow check` as a pre-commit hook that installs docflow alone, three packages."""
    (hook,) = yaml.safe_load((ROOT / ".pre-commit-hooks.yaml").read_text())
    entry = ROOT / hook["entry"]
    assert (hook["id"], hook["language"], hook["pass_filenames"]) == ("docflow-check", "script", False)
    assert entry.stat().st_mode & 0o111
    text = entry.read_text()
    assert '"$here/docflow"' in text
    assert text.rstrip().endswith('-m docflow check "$@"')
    project = tomllib.loads((ROOT / "docflow" / "pyproject.toml").read_text())["project"]
    assert [re.split(r"\W", name)[0] for name in project["dependencies"]] == ["click", "networkx", "pyyaml"]
