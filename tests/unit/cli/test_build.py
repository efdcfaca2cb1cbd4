"""`prism build` and `prism cache`, as a user runs them."""

from __future__ import annotations

import subprocess
import sys
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
    assert [line.split(",")[0] for line in done.output.splitlines()] == ["add.f32: compiled", "add.f32: up to date"]
    return folder


def test_both_forms_of_a_program_are_one_artefact(built: Path) -> None:
    """Text and bytes of one program have one key; a second build compiles nothing."""
    assert len(list((built / "out").iterdir())) == 1
    again = run("build", built / "text.isa", "--out", built / "out")
    assert again.output.startswith("add.f32: up to date, ")


KERNELS = """
from pathlib import Path
from typing import TypeVar
import prism
from prism import DeviceArray, f32, f64, get_global_id, u32
Path("ran").write_text("this file ran")
T = TypeVar("T", f32, f64)
@prism.kernel(inline=True)
def doubled(x: T) -> T:
    return x + x
@prism.kernel
def twice(a: DeviceArray[T], n: u32):
    i = get_global_id()
    if i < n:
        a[i] = doubled(a[i])
@prism.kernel
def count(a: DeviceArray[u32]):
    a[get_global_id()] = get_global_id()
"""
USER = """
import sys
import numpy as np
import prism.codegen.native
from prism.kernels.exec.ahead import load
from prism.kernels.exec.launch import linear

def refuse(*_):
    raise AssertionError("compiled again")

prism.codegen.native.compile_entry = refuse
library, single, double, place = load(sys.argv[1]), np.ones(3, "f4"), np.ones(3, "f8"), np.zeros(3, "u4")
library["twice.f32"](single, 3, shape=linear(3, 3))
library["twice.f64"](double, 2, shape=linear(3, 3))
library["count"](place, shape=linear(3, 3))
assert (sorted(library), place.tolist()) == (["count", "twice.f32", "twice.f64"], [0, 1, 2])
assert (single.tolist(), double.tolist()) == ([2, 2, 2], [2, 2, 1])
try:
    library["twice"]
except KeyError as error:
    assert "must be one of" in str(error)
else:
    raise AssertionError
assert not {"numba", "jax", "lark"} & sys.modules.keys()
"""


@pytest.mark.slow
@pytest.mark.clause("EXEC-9")
def test_python_kernels_are_built_and_run_elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each kernel for each type asked for; the file is read and does not run; another process compiles nothing."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "kernels").mkdir()
    (tmp_path / "kernels" / "some.py").write_text(KERNELS, encoding="utf-8")
    done = run("build", "kernels", "--out", "out", "--type", "f32", "--type", "T=f64")
    assert done.exit_code == 0, done.exception
    assert [line.split(",")[0] for line in done.output.splitlines()] == [
        "twice.f32: compiled",
        "twice.f64: compiled",
        "count.u32: compiled",
    ]
    assert not (tmp_path / "ran").exists()
    used = subprocess.run([sys.executable, "-c", USER, "out"], capture_output=True, text=True, check=False)
    assert (used.stderr, used.returncode) == ("", 0)


@pytest.mark.clause("EXEC-9")
def test_types_that_nobody_chose_are_refused(tmp_path: Path) -> None:
    """A kernel with a type variable is built for no type by chance; nor is what a file does not hold."""
    (tmp_path / "some.py").write_text(KERNELS, encoding="utf-8")
    asked = run("build", tmp_path, "--out", tmp_path / "out", "--type", "i8")
    assert "T of twice must be one of f32, f64, but no --type says which; add --type T=f64" in str(asked.exception)
    (tmp_path / "some.py").write_text("x = 1", encoding="utf-8")
    assert "but there is none" in str(run("build", tmp_path, "--out", tmp_path / "out").exception)


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
    assert (
        "must hold programs (.isa, .pisa, .py), but there is none; name another, or put @prism.kernel on a def"
        in str(empty.exception)
    )
    (tmp_path / "bad.isa").write_bytes(b"\xff\xfe")
    assert "assembly in UTF-8" in str(run("build", tmp_path, "--out", tmp_path / "out").exception)
    assert not (tmp_path / "out").exists()
