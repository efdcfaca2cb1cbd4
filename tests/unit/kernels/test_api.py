"""Kernels as objects: their types, their programs, and how arguments meet parameters."""

from __future__ import annotations

from typing import TypeVar

import numpy as np
import pytest

from prism import DeviceArray, f32, f64, get_global_id, kernel, u32
from prism.errors import CapacityError, UsageError
from prism.kernels.calls import arguments, dim, element_of, open_types
from prism.kernels.isa.verify import verify

pytestmark = [pytest.mark.m8, pytest.mark.clause("KERNELS-13")]

T = TypeVar("T", f32, f64)


@kernel
def add(a: DeviceArray[T], b: DeviceArray[T], c: DeviceArray[T], n: u32):
    """Add two arrays."""
    i = get_global_id()
    if i < n:
        c[i] = a[i] + b[i]


@kernel
def corner(m: DeviceArray[f32], out: DeviceArray[f32]):
    """Copy the last element of a matrix."""
    out[0] = m[m.shape[0] - 1, m.shape[1] - 1]


@kernel(inline=True)
def twice(x: T) -> T:
    """Return two times a number."""
    return x + x


def test_a_type_variable_is_what_the_arrays_are() -> None:
    """The program's buffers have the element type of the arguments; arguments that disagree are refused."""
    single, double = np.zeros(2, np.float32), np.zeros(2, np.float64)
    assert open_types(add.definition, arguments(add.definition, (double, double), {"c": double, "n": 2})) == {
        "T": "f64"
    }
    assert [one.type.name for one in add.program(T="f64").buffers] == ["f64"] * 3
    with pytest.raises(UsageError, match="T of add must be one type, got f32 and f64 for b; convert one of the arrays"):
        open_types(add.definition, {"a": single, "b": double, "c": single, "n": 2})
    with pytest.raises(UsageError, match="T of add must be one of f32, f64, got 'i32'; pass arrays of such a type"):
        add.program(T="i32")
    with pytest.raises(UsageError, match="add has no type variable S; it has T"):
        add.program(T="f32", S="f32")


def test_programs_are_compiled_once() -> None:
    """The same types give the same object, and equal kernels equal programs."""
    assert add.program(T="f32") is add.program(T="f32")
    assert add.program(T="f32") != add.program(T="f64")
    assert verify(add.program(T="f32")).program == add.program(T="f32")


def test_an_inline_kernel_has_no_program() -> None:
    """It is part of the kernels that call it."""
    with pytest.raises(UsageError, match="twice is inline and has no program of its own; call it in a kernel"):
        twice.program(T="f32")


def test_each_parameter_gets_one_argument() -> None:
    """Missing, unknown and repeated arguments are named."""
    with pytest.raises(UsageError, match=r"must get each of a, b, c, n once, got 2 by position, missing \['c', 'n'\]"):
        add(np.zeros(2), np.zeros(2))
    with pytest.raises(UsageError, match=r"unknown \['m'\], twice \['a'\]"):
        add(1, 2, 3, 4, m=1, a=2)


def test_a_matrix_needs_two_dimensions() -> None:
    """An array that the kernel subscripts by two indices has two dimensions."""
    with pytest.raises(UsageError, match="m must be an array of 2 dimensions, got 1; reshape it"):
        corner(np.zeros(4, np.float32), np.zeros(1, np.float32))
    with pytest.raises(UsageError, match="m must be an array of 2 dimensions, got int; reshape it"):
        corner(3, np.zeros(1, np.float32))


def test_a_grid_has_at_most_three_sizes() -> None:
    """One to three sizes make a grid or a block."""
    assert dim(3) == (3, 1, 1)
    assert dim((2, 3)) == (2, 3, 1)
    with pytest.raises(UsageError, match=r"a grid or block must have one to three sizes, got \(1, 2, 3, 4\); pass"):
        dim((1, 2, 3, 4))


def test_element_types_of_arguments() -> None:
    """NumPy's and JAX's dtypes have names here; what has none is no element."""
    assert element_of(np.zeros(1, np.uint16)) == "u16"
    assert element_of(f32(1)) == "f32"
    assert element_of(3) is None
    assert element_of(np.zeros(1, bool)) is None


@pytest.mark.clause("KERNELS-10")
@pytest.mark.slow
def test_too_many_values_at_once_are_refused(tmp_path) -> None:
    """A kernel that needs more registers than there are is refused before it has a program."""
    from prism.kernels.lower.program import lower
    from prism.kernels.schema.inference import schema_of
    from prism.kernels.schema.source import definitions_of

    loads = "".join(f"    v{i} = a[{i}]\n" for i in range(300))
    stores = "".join(f"    a[{i}] = v{299 - i}\n" for i in range(300))
    path = tmp_path / "k.py"
    path.write_text(f"from prism import *\n@kernel\ndef k(a: DeviceArray[f32]):\n{loads}{stores}", encoding="utf-8")
    with pytest.raises(CapacityError, match="a kernel must keep few enough values at once for the 243 registers"):
        lower(schema_of(definitions_of(path)["k"], {}))
