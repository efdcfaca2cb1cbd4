"""`trace`: what JUnit reports, reports of mutants and recorded texts say of witnesses; the page of them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import Result

from docflow import evidence, trace, trace_page
from docflow.errors import DocflowError
from docflow.evidence import Evidence
from tests.unit.docflow import command, tree

pytestmark = [pytest.mark.m5, pytest.mark.clause("DOCFLOW-37")]

TEST = "tests/test_marked.py::test_law"
MANIFEST = f'[[commitment]]\nid = "one"\nclause = "base.md#base-1"\ntests = ["{TEST}[x]"]\nmutants = ["swap"]\n'


def case(outcome: str = "", name: str = "test_law", where: str = "tests.test_marked") -> str:
    """Write one case of a JUnit report."""
    return f'<testcase classname="{where}" name="{name}">{outcome}</testcase>'


@pytest.fixture
def root(root: Path) -> Path:
    """Give the clean tree a manifest."""
    tree.spoil(root, [("commitments.toml", None, MANIFEST)])
    return root


def run(*arguments: str) -> Result:
    """Run the verb in this process."""
    return command.run("trace", *arguments)


@pytest.mark.parametrize(
    ("cases", "state"),
    [
        ([case()], "passed"),
        ([case(name="test_law[a]"), case(name="test_law[b]")], "passed"),
        ([case(name="test_law[a]"), case("<failure/>", "test_law[b]")], "failed"),
        ([case("<error/>")], "failed"),
        ([case("<skipped/>")], "skipped"),
        ([case(), case("<skipped/>", "test_law[b]")], "passed"),
        ([case(where="tests.other")], "not run"),
        ([], "not run"),
    ],
)
def test_a_witness_passed_in_the_report(cases: list[str], state: str, root: Path) -> None:
    """Only a test that ran and passed witnesses; skipped, failed and absent ones are complaints and status 1."""
    (root / "report.xml").write_text(f"<testsuites><testsuite>{''.join(cases)}</testsuite></testsuites>")
    done = run("--junit", "report.xml")
    assert done.exit_code == int(state != "passed")
    assert f"  test {TEST}  {state}\n" in done.output
    assert (f"NOT A WITNESS {TEST} of BASE-1: {state}\n" in done.output) is (state != "passed")
    assert json.loads(run("--junit", "report.xml", "--json").output)["states"][TEST] == state


def test_a_class_or_file_is_as_good_as_its_tests(root: Path) -> None:
    """A mark on a whole file needs all of its tests; a tag's test is found by its name."""
    source = (
        'import pytest\npytestmark = pytest.mark.clause("BASE-1")\ndef test_law(): check()\ndef test_b(): check()\n'
    )
    (root / "tests/test_marked.py").write_text(source)
    (root / "report.xml").write_text(f"<testsuite>{case()}</testsuite>")
    assert f"NOT A WITNESS {TEST.partition('::')[0]} of BASE-1: not run" in run("--junit", "report.xml").output
    (root / "report.xml").write_text(f"<testsuite>{case()}{case(name='test_b')}</testsuite>")
    assert run("--junit", "report.xml").exit_code == 0
    tagged = evidence.junit(root / "report.xml", ["src/a.rs::test_b", "src/a.rs::other"])
    assert tagged == {"src/a.rs::test_b": "passed"}


def test_a_report_must_be_one(root: Path) -> None:
    """What is no report stops the command with the reason."""
    (root / "report.xml").write_text("<oops")
    with pytest.raises(DocflowError, match=r"report.xml must be a JUnit report in XML, but: "):
        evidence.junit(root / "report.xml", [])
    with pytest.raises(DocflowError, match="must be a report of mutants, lines `killed MUTANT by TEST`, but: "):
        evidence.mutants(root / "none")
    assert run("--junit", "none.xml").exit_code == 2


@pytest.mark.parametrize(
    ("report", "is_killed"),
    [
        (f"killed   swap by {TEST}[x]\nmutants: 1 killed\n", True),
        (f"killed swap by {TEST}\n", True),
        (f"SURVIVED swap by {TEST}\n", False),
        ("killed swap by tests/test_other.py::test_law\n", False),
        (f"killed other by {TEST}\n", False),
        ("", False),
    ],
)
def test_a_mutant_of_a_commitment_is_killed_by_its_tests(report: str, root: Path, *, is_killed: bool) -> None:
    """A mutant that nobody killed, or only tests of others, makes the commitment's witness none."""
    (root / "mutants.txt").write_text(report)
    done = run("--mutants", "mutants.txt")
    assert done.exit_code == int(not is_killed)
    assert ("NOT KILLED swap by a test of one\n" in done.output) is not is_killed


def test_a_test_changed_since_it_was_recorded_shows(root: Path) -> None:
    """A test whose own text changed is told, for the clauses that it was recorded for; its neighbour is not."""
    more = tree.MARKED + '\n\n@pytest.mark.clause("BASE-1")\ndef test_other():\n    assert more()\n'
    (root / "tests/test_marked.py").write_text(more)
    assert run("--record").output == "wrote docflow.witnesses: 3 texts of tests\n"
    assert "changed" not in run().output
    tree.spoil(root, [("tests/test_marked.py", "assert law()", "assert not law()")])
    done = run()
    assert (done.exit_code, f"  test {TEST}  changed\n" in done.output, done.output.count("changed")) == (0, True, 2)
    recorded = evidence.load(root)
    assert evidence.render(recorded) == (root / "docflow.witnesses").read_bytes()


def test_the_page_is_one_static_file(root: Path) -> None:
    """The page quotes each clause with its witnesses and states, escaped, loads nothing, and is written whole."""
    tree.spoil(root, [("base.md", "A law that holds.", "A <b>law</b> & `more`.")])
    assert run("--html", "-o", "trace.html").output == "wrote trace.html\n"
    page = (root / "trace.html").read_text()
    assert "[BASE-1] A &lt;b&gt;law&lt;/b&gt; &amp; more." in page
    assert '<tr class="named"><th scope="row"><a href="base.md#base-1">BASE-1</a>' in page
    assert all(word not in page for word in ("{{", "src=", "https://", "@import"))
    rows = trace.coverage(tree.load(root))
    failed = Evidence({TEST: "failed"})
    assert '<span class="failed">1 failed</span>' in trace_page.html(rows, failed, {})
