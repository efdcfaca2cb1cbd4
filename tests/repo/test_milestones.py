"""The milestone plugin selects what it says, and the milestones name tests that exist."""

from __future__ import annotations

import ast
import os
import tomllib
from pathlib import Path

import pytest

pytestmark = pytest.mark.m1

ROOT = Path(__file__).parents[2]
MILESTONES = sorted((ROOT / "milestones").glob("*.toml"))

_TESTS = """
import pytest
def test_unmarked(): pass
@pytest.mark.m1
def test_one(): pass
@pytest.mark.m2
def test_two(): pass
@pytest.mark.m1
@pytest.mark.m3
def test_one_and_three(): pass
"""


@pytest.fixture
def project(pytester: pytest.Pytester) -> pytest.Pytester:
    """Make a project with milestones m1 to m3, the default m2, and four tests."""
    for number in (1, 2, 3):
        path = pytester.path / "milestones" / f"m{number}.toml"
        path.parent.mkdir(exist_ok=True)
        path.write_text("")
    (pytester.path / ".pytest-milestone").write_text("m2\n")
    pytester.makepyfile(_TESTS)
    return pytester


def _passed(project: pytest.Pytester, *args: str) -> set[str]:
    result = project.runpytest_inprocess("-p", "tests.milestones", "--strict-markers", "-v", *args)
    assert result.ret == 0, result.outlines
    return {line.split("::")[1].split()[0] for line in result.outlines if line.endswith("%]") and "PASSED" in line}


@pytest.mark.clause("MILESTONES-2")
@pytest.mark.parametrize(
    ("args", "taken"),
    [
        ([], {"unmarked", "one", "two"}),
        (["--milestone", "m1"], {"unmarked", "one"}),
        (["--milestone", "m3"], {"unmarked", "one", "two", "one_and_three"}),
        (["--milestone-band", "m2"], {"two"}),
        (["--milestone-band", "m2..3"], {"two", "one_and_three"}),
        (["--milestone-band", "m1..m2"], {"one", "two"}),
        (["--milestone-band", "m3..m3"], {"one_and_three"}),
    ],
)
def test_what_is_selected(project: pytest.Pytester, args: list[str], taken: set[str]) -> None:
    """A milestone takes what is required at or below it and the unmarked; a band only what it marks."""
    assert _passed(project, *args) == {f"test_{name}" for name in taken}


@pytest.mark.clause("MILESTONES-3")
@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["--milestone", "m0"], "--milestone must be m1, m2, ..., got 'm0'"),
        (["--milestone", "3"], "--milestone must be m1, m2, ..., got '3'"),
        (["--milestone", "m4"], "--milestone: milestone m4 is unknown; known are m1, m2, m3"),
        (["--milestone-band", "m3..1"], "--milestone-band must ascend, got 'm3..1'; write m1..3"),
        (["--milestone-band", "m0..2"], "--milestone-band must be like m2..4 or m3, got 'm0..2'"),
        (["--milestone-band", "m1-3"], "--milestone-band must be like m2..4 or m3, got 'm1-3'"),
        (["--milestone-band", ""], "--milestone-band must be like m2..4 or m3, got ''"),
        (["--milestone-band", "m1..7"], "--milestone-band: milestone m7 is unknown"),
        (["--milestone", "m1", "--milestone-band", "m1"], "--milestone and --milestone-band exclude one another"),
    ],
)
def test_a_wrong_selection_is_a_usage_error(project: pytest.Pytester, args: list[str], message: str) -> None:
    """A malformed, reversed or unknown milestone ends the run with code 4 before anything is collected."""
    result = project.runpytest_inprocess("-p", "tests.milestones", *args)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines([f"*{message.replace('[', '[[]')}*"])
    assert "test_one" not in result.stdout.str()


@pytest.mark.clause("MILESTONES-3")
@pytest.mark.parametrize("break_it", ["missing", "malformed", "no milestones"])
def test_a_wrong_default_is_a_usage_error(project: pytest.Pytester, break_it: str) -> None:
    """A default file that is missing or malformed, or a project without milestones, is an error."""
    default = project.path / ".pytest-milestone"
    message = {
        "missing": "*which is missing; write m3*",
        "malformed": "*got 'latest'*",
        "no milestones": "*add m1.toml*",
    }
    if break_it == "missing":
        default.unlink()
    elif break_it == "malformed":
        default.write_text("latest")
    else:
        for path in (project.path / "milestones").iterdir():
            path.unlink()
    result = project.runpytest_inprocess("-p", "tests.milestones")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines([message[break_it]])


@pytest.mark.clause("MILESTONES-3")
def test_an_empty_selection_is_an_error(project: pytest.Pytester) -> None:
    """A selection that holds no test ends with code 4 and says so."""
    result = project.runpytest_inprocess("-p", "tests.milestones", "--milestone-band", "m2", "-k", "one")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stdout.fnmatch_lines(["*the selection must hold a test, but m2..m2 of these paths holds none*"])


@pytest.mark.clause("MILESTONES-3")
@pytest.mark.parametrize(("band", "code"), [("m2..3", 0), ("m2", 4)])
@pytest.mark.slow
def test_workers_select_alike(project: pytest.Pytester, band: str, code: int, monkeypatch) -> None:
    """Under xdist the selection is the same, and an empty one is still an error."""
    monkeypatch.setenv("PYTHONPATH", str(ROOT), prepend=os.pathsep)
    result = project.runpytest_subprocess("-p", "tests.milestones", "-n", "2", "--milestone-band", band, "-k", "three")
    assert result.ret == code
    assert ("1 passed" in result.stdout.str()) == (code == 0)


def _named_tests() -> list[tuple[str, str]]:
    return [
        (path.name, test)
        for path in MILESTONES
        for commitment in tomllib.loads(path.read_text("utf-8")).get("commitment", [])
        for test in commitment["tests"]
    ]


@pytest.mark.clause("MILESTONES-1")
@pytest.mark.parametrize("path", MILESTONES, ids=lambda path: path.stem)
def test_a_milestone_says_what_it_is(path: Path) -> None:
    """Each milestone has a goal, a gate command, criteria, and commitments with an id, a clause and tests."""
    milestone = tomllib.loads(path.read_text("utf-8"))
    assert {"goal", "gate", "criteria"} <= milestone.keys()
    assert all(milestone[key] for key in ("goal", "gate", "criteria"))
    for commitment in milestone.get("commitment", []):
        assert commitment.keys() == {"id", "clause", "tests"}
        assert commitment["tests"], f"{commitment['id']} must name a test"


@pytest.mark.slow
@pytest.mark.clause("MILESTONES-1")
@pytest.mark.parametrize(("milestone", "test"), _named_tests())
def test_named_tests_exist(milestone: str, test: str) -> None:
    """Every test that a commitment names is a test function of that file, with the milestone's mark or one below."""
    file, _, name = test.partition("::")
    tree = ast.parse((ROOT / file).read_text("utf-8"))
    names = {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}
    assert name in names, f"{milestone} names {test}, which is not there"


def test_default_milestone_runs_everything() -> None:
    """The repository's default is its last milestone, so that a plain run leaves nothing out."""
    assert (ROOT / ".pytest-milestone").read_text("utf-8").strip() == MILESTONES[-1].stem
