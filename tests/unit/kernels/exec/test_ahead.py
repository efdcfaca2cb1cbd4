"""Ahead of time: a folder of artefacts is all that another process needs."""

from __future__ import annotations

import logging
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from prism.errors import UsageError
from prism.kernels.cache.artefact import Artefact, Key
from prism.kernels.cache.store import Store
from prism.kernels.exec import ahead
from prism.kernels.exec.launch import linear
from tests.unit.kernels.exec.programs import add

pytestmark = [pytest.mark.m8, pytest.mark.clause("EXEC-6")]

_USER = """
import sys
import numpy as np
from prism.kernels.exec.ahead import load
from prism.kernels.exec.launch import linear

x, out = np.ones(4, np.float32), np.zeros(4, np.float32)
load(sys.argv[1])["add"](x, x, out, 4, shape=linear(4))
assert out.tolist() == [2, 2, 2, 2]
assert not {"numba", "jax", "lark", "scipy"} & sys.modules.keys()
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build once for the module."""
    folder = tmp_path_factory.mktemp("built")
    assert [fresh for _, _, fresh in ahead.build([add(), add()], folder)] == [True, False]
    return folder


@pytest.mark.slow
def test_another_process_runs_without_compiling(folder: Path) -> None:
    """It imports no compiler, no parser and no JAX."""
    done = subprocess.run([sys.executable, "-c", _USER, str(folder)], capture_output=True, text=True, check=False)
    assert (done.stderr, done.returncode) == ("", 0)


def test_a_library_holds_programs_by_name(folder: Path) -> None:
    """Names are those of the programs; one that is not there is a KeyError."""
    library = ahead.load(folder)
    assert (list(library), len(library)) == (["add"], 1)
    assert library["add"] is library["add"]
    with pytest.raises(KeyError, match="absent"):
        library["absent"]


def test_an_artefact_of_another_machine_is_compiled_again(
    folder: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """It says so, and works; what is damaged is passed over, and says so too."""
    (path,) = folder.glob("*.artefact")
    ours = Artefact.from_bytes(path.read_bytes())
    foreign = Key(ours.key.program, ours.key.types, "cpu", (*ours.key.versions, ("processor", "another")))
    Store(tmp_path).write(replace(ours, key=foreign))
    (tmp_path / "damaged.artefact").write_bytes(b"damaged")
    with caplog.at_level(logging.WARNING, "prism"):
        library = ahead.load(tmp_path)
    assert "was built for another machine or version: it is compiled again" in caplog.text
    assert "is passed over: an artefact must begin with a header" in caplog.text
    x, out = np.ones(3, np.float32), np.zeros(3, np.float32)
    library["add"](x, x, out, 3, shape=linear(3))
    assert out.tolist() == [2, 2, 2]
    assert len(Store(tmp_path).entries()) == 3


@pytest.mark.slow
def test_a_folder_without_programs_is_refused(tmp_path: Path) -> None:
    """Nothing to load, and two programs of one name, are mistakes."""
    with pytest.raises(UsageError, match="must hold artefacts of programs, but there is none; run `prism build` first"):
        ahead.load(tmp_path)
    other = replace(add(), sizes=())
    named = replace(other, instructions=(*other.instructions, other.instructions[-1]))
    with pytest.raises(UsageError, match=r"must have one program of a name and types, got two of 'add\.f32'"):
        list(ahead.build([add(), named], tmp_path))
