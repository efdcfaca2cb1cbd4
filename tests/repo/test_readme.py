"""README.md shows what runs."""

from __future__ import annotations

import re
import runpy
import textwrap

import pytest
from click.testing import CliRunner

from prism.cli.main import prism
from prism.pallas.errors import OutOfBoundsError
from tests.repo.source import ROOT

pytestmark = pytest.mark.m1
README = (ROOT / "README.md").read_text(encoding="utf-8")


def test_the_program_of_the_readme_is_a_golden_one() -> None:
    """The program that the README shows is tests/programs/readme.prism, line by line."""
    golden = (ROOT / "tests" / "programs" / "readme.prism").read_text(encoding="utf-8").splitlines()[1:]
    assert "\n".join(f"    {line}" for line in golden) in README


@pytest.mark.parametrize("command", sorted(set(re.findall(r"^    prism ((?:bench |telemetry )?[a-z]+)", README, re.M))))
def test_each_command_of_the_readme_exists(command: str) -> None:
    """Every `prism` command that the README shows has a help page."""
    done = CliRunner().invoke(prism, [*command.split(), "--help"])
    assert done.exit_code == 0, done.output
    assert done.output.startswith("Usage:")


def test_what_the_readme_shows_is_what_is_printed() -> None:
    """Each command after `$` prints the lines below it."""
    shown = re.findall(r"^    \$ echo '(.*)' \| prism (.*)\n((?:    .*\n)+)", README, re.M)
    assert shown
    for program, command, printed in shown:
        assert CliRunner().invoke(prism, command.split(), input=program).output == textwrap.dedent(printed)


def test_the_session_of_the_readme_prints_what_is_shown(capsys: pytest.CaptureFixture[str]) -> None:
    """The session is that of examples/session.py, and the lines below it are what it prints."""
    path = ROOT / "examples" / "session.py"
    source = path.read_text(encoding="utf-8")
    runpy.run_path(str(path))
    body = source[source.index("engine = ") :] + "\n" + capsys.readouterr().out
    assert textwrap.indent(body, "    ") in README


def test_the_kernel_of_the_readme_ends_as_shown() -> None:
    """The kernel is that of examples/shift.py, and its error is the one that the README shows."""
    path = ROOT / "examples" / "shift.py"
    source = path.read_text(encoding="utf-8")
    body = source[source.index("def shift") :].replace("\n\n\n", "\n\n")
    assert textwrap.indent(body, "    ") in README
    with pytest.raises(OutOfBoundsError) as caught:
        runpy.run_path(str(path))
    said = f"prism.pallas.errors.OutOfBoundsError: {caught.value}".replace(f"{ROOT}/", "")
    assert textwrap.indent(said, "    ") in README


def test_the_stages_of_a_kernel_are_those_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each stage of examples/vector_add.py is printed as the README shows it, from its source to its bytes."""
    monkeypatch.chdir(ROOT)
    shown = re.findall(r"^    \$ prism (compile .*)\n((?:    .*\n)+)", README, re.M)
    assert [command.split()[-1] for command, _ in shown] == ["schema", "circuit", "calls", "isa"]
    for command, printed in shown:
        assert CliRunner().invoke(prism, command.split()).output == textwrap.dedent(printed)
    source = (ROOT / "examples" / "vector_add.py").read_text(encoding="utf-8")
    body = source[source.index("from prism") :].replace("\n\n\n", "\n\n")
    assert textwrap.indent(body, "    ") in README
    data = CliRunner().invoke(prism, ["compile", "examples/vector_add.py", "--emit", "artefact"]).stdout_bytes
    rows = "\n".join(f"    {data[at : at + 32].hex(' ')}" for at in (0, 32))
    assert f"writes its {len(data)} bytes, the same for everyone, which begin\n\n{rows}\n" in README
