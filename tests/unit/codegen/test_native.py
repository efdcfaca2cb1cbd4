"""Machine code as bytes: compiled by Numba, linked without it."""

from __future__ import annotations

import ctypes
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from prism.codegen.native import Code, LinkError, compile_entry, toolchain

pytestmark = [pytest.mark.m8, pytest.mark.clause("EXEC-6")]

SOURCE = """
@numba.njit(error_model="numpy")
def _scaled(x):
    return np.int64(100 * np.exp(np.float64(x)))


def kernel(record):
    record[0] = np.uint64(_scaled(record[1]))
    return np.int64(7)
"""

_LINK = """
import ctypes, pathlib, sys
from prism.codegen.native import Code

code = Code(pathlib.Path(sys.argv[1]).read_bytes())
record = (ctypes.c_uint64 * 2)(0, 2)
assert code.call(ctypes.c_void_p(ctypes.addressof(record))) == 7
assert record[0] == 738
assert not {"numba", "jax", "numpy"} & sys.modules.keys()
"""


@pytest.fixture(scope="module")
def object_file() -> bytes:
    """Compile once for the module."""
    return compile_entry(SOURCE, "prism_test_native")


def test_an_object_file_runs_here(object_file: bytes) -> None:
    """The entry reads and writes the record, calls the C library, and returns its answer; twice linked, it is twice."""
    record = np.array([0, 2], np.uint64)
    first, second = Code(object_file), Code(object_file)
    assert first.address != second.address
    for code in (first, second):
        record[0] = 0
        assert code.call(ctypes.c_void_p(record.ctypes.data)) == 7
        assert record.tolist() == [int(100 * np.exp(2.0)), 2]


def test_another_process_links_it_without_numba(object_file: bytes, tmp_path: Path) -> None:
    """Linking imports neither Numba nor NumPy."""
    path = tmp_path / "object"
    path.write_bytes(object_file)
    done = subprocess.run([sys.executable, "-c", _LINK, str(path)], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("keep", [0, 100, -1])
def test_other_bytes_are_refused(object_file: bytes, keep: int) -> None:
    """What is cut short, or is no object file, is refused with the linker's reason."""
    with pytest.raises(LinkError, match="machine code must link into this process, but"):
        Code(object_file[:keep] if keep else b"not an object file")


def test_the_toolchain_names_what_code_depends_on() -> None:
    """Compilers and processor are there, each with a value."""
    names = [name for name, _ in toolchain()]
    assert names == ["numba", "llvmlite", "llvm", "triple", "processor", "features"]
    assert all(value for _, value in toolchain())
