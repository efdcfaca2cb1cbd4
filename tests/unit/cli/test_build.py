"""`prism build` and `prism cache`, as a user runs them."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from prism.cli.main import prism
from prism.kernels.isa.codec import save
from prism.kernels.isa.show import show_program
from tests.unit.kernels.exec.programs import add

pytestmark = [pytest.mark.m8, pytest.mark.clause("EXEC-6")]


def run(*arguments: object) -> Result:
    """Run the command line; PrismError comes out as it is raised."""
    return CliRunner().invoke(prism, [str(one) for one in arguments])


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder of programs in both forms, built into the folder `out` in it."""
    folder = tmp_path_factory.mktemp("kernels")
    (folder / "text.isa").write_text(show_program(add()), encoding="utf-8")
    (folder / "deep").mkdir()
    save(folder / "deep" / "same.pisa", add())
    (folder / "notes.txt").write_text("not a program", encoding="utf-8")
    done = run("build", folder, "--out", folder / "out")
    assert done.exit_code == 0, done.output
    assert [line.split(",")[0] for line in done.output.splitlines()] == ["add: up to date", "add: compiled"][::-1]
    return folder


def test_both_forms_of_a_program_are_one_artefact(built: Path) -> None:
    """Text and bytes of one program have one key; a second build compiles nothing."""
    assert len(list((built / "out").iterdir())) == 1
    again = run("build", built / "text.isa", "--out", built / "out")
    assert again.output.startswith("add: up to date, ")


def test_artefacts_are_listed_and_checked(built: Path) -> None:
    """Each has its program's name and back end; all are whole."""
    listed = run("cache", "ls", "--dir", built / "out").output
    assert "add for cpu" in listed
    assert "1 artefacts, " in listed
    checked = run("cache", "verify", "--dir", built / "out")
    assert (checked.output, checked.exit_code) == ("1 artefacts are whole, 0 are damaged\n", 0)


def test_damage_is_found_and_removed(built: Path, tmp_path: Path) -> None:
    """`verify` names a damaged file and fails, `ls` shows it, `prune` removes it first and the rest if asked to."""
    (whole,) = (built / "out").iterdir()
    (tmp_path / whole.name).write_bytes(whole.read_bytes())
    (tmp_path / "bad.artefact").write_bytes(whole.read_bytes()[:-1])
    checked = run("cache", "verify", "--dir", tmp_path)
    assert checked.exit_code == 1
    assert "bad.artefact: an artefact must hold" in checked.output
    assert "bad" in run("cache", "ls", "--dir", tmp_path).output
    assert run("cache", "prune", "--dir", tmp_path).output.startswith("removed 1 artefacts, ")
    assert [path.name for path in tmp_path.iterdir()] == [whole.name]
    assert run("cache", "prune", "--dir", tmp_path, "--max-bytes", "0").output.startswith("removed 1 artefacts, ")
    assert list(tmp_path.iterdir()) == []


def test_the_users_cache_is_the_default(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without --dir it is the folder below XDG_CACHE_HOME; one that is not there is empty."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert run("cache", "ls").output == f"0 artefacts, 0 bytes in {tmp_path}/prism/kernels\n"


@pytest.mark.parametrize("size", ["", "many", "1.5M", "-1", "5T"])
def test_a_size_is_a_number_of_bytes(tmp_path: Path, size: str) -> None:
    """Other texts are refused, and nothing is removed."""
    done = run("cache", "prune", "--dir", tmp_path, "--max-bytes", size)
    assert done.exit_code == 2
    assert "expected a number of bytes such as 50000, 100k or 2G" in " ".join(done.output.replace("│", " ").split())


def test_a_folder_without_programs_is_refused(tmp_path: Path) -> None:
    """Nothing to build is a mistake, and so is a file that holds no program."""
    empty = run("build", tmp_path, "--out", tmp_path / "out")
    assert "must hold programs (.isa, .pisa), but there is none; name another" in str(empty.exception)
    (tmp_path / "bad.isa").write_bytes(b"\xff\xfe")
    assert "assembly in UTF-8" in str(run("build", tmp_path, "--out", tmp_path / "out").exception)
    assert not (tmp_path / "out").exists()
