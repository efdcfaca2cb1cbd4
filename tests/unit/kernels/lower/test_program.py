"""Programs: what is computed once, what is folded, what stays, and who is declared."""

from __future__ import annotations

from pathlib import Path

import pytest

from prism.kernels.isa.program import Access, Program
from prism.kernels.isa.verify import verify
from prism.kernels.lower.program import lower
from prism.kernels.schema.inference import schema_of
from prism.kernels.schema.source import definitions_of
from prism.kernels.std.table import STANDARD

pytestmark = [pytest.mark.m8, pytest.mark.clause("KERNELS-10")]

HEAD = """\
from prism import *
@kernel
def k(a: DeviceArray[f32], b: DeviceArray[i32], c: DeviceArray[f32], m: DeviceArray[f32], n: u32, x: f32, y: i32):
    i = get_global_id()
"""


@pytest.fixture
def program(tmp_path: Path):
    """Return a function that compiles a body and verifies the program."""

    def compiled(body: str) -> Program:
        path = tmp_path / "k.py"
        path.write_text(HEAD + "".join(f"    {line}\n" for line in body.split("\n")), encoding="utf-8")
        return verify(lower(schema_of(definitions_of(path)["k"], {}))).program

    return compiled


def ops(program: Program) -> list[str]:
    """Return the instructions' mnemonics, constants left out."""
    return [one.op for one in program.instructions if one.op != "mov_imm"]


def test_vector_add_is_as_short_as_it_can_be(program) -> None:
    """The guard, one offset for three accesses, one sum."""
    found = program("if i < n:\n    c[i] = a[i] + x")
    assert ops(found) == ["cvt", "set", "bra", "shl", "ldg", "add", "stg", "exit"]
    assert {one.name: one.access for one in found.buffers} == {
        "a": Access.READ,
        "b": Access.READ,
        "c": Access.WRITE,
        "m": Access.READ,
    }
    assert [one.name for one in found.scalars] == ["n", "x", "y"]


@pytest.mark.parametrize(
    ("body", "count", "op"),
    [
        ("c[i] = (x + 1) * (1 + x)", 1, "add"),
        ("c[i] = a[i] + a[i]", 1, "ldg"),
        ("c[i] = a[i]\nc[i + 1] = a[i]", 1, "ldg"),
        ("a[i] = a[i] + 1\nc[i] = a[i]", 2, "ldg"),
        ("if x > 0:\n    c[i] = x * x\nelse:\n    c[i] = x * x + 1", 2, "mul"),
        ("z = x * x\nif x > 0:\n    c[i] = x * x\nc[i] = x * x + z", 1, "mul"),
        ("z = x\nfor k in range(3):\n    c[i] = z * z\n    z = z + 1", 1, "mul"),
        ("z = x\nw = z * z\nz = z + 1\nc[i] = w + z * z", 2, "mul"),
        ("c[i] = f32(2) * f32(3) + f32(1) / f32(3)", 0, "mul"),
        ("b[i] = (y + 0) * 1 - 0", 0, "add"),
        ("b[i] = y // 8 + y % 8", 0, "div"),
        ("b[i] = y // 8 + y % 8", 1, "shr"),
        ("z = x * x\nb[i] = 1", 0, "mul"),
        ("z = y // (y - y)\nb[i] = 1", 1, "div"),
        ("z = a[i]\nb[i] = 1", 1, "ldg"),
        ("c[i] = x ** 8", 3, "mul"),
        ("c[i] = x if x > 0 else 0.0", 1, "sel"),
        ("c[i] = a[0] if x > 0 else 0.0", 0, "sel"),
        ("c[i] = max(x, 0)", 1, "max"),
        ("c[i] = erf(x)", 1, "erf"),
        ("for k in range(n):\n    c[k] = x", 1, "loop"),
        ("for k in range(i64(y)):\n    c[k] = x", 0, "loop"),
    ],
)
def test_how_often_an_operation_is_there(program, body: str, count: int, op: str) -> None:
    """Equal values are computed once, constants are folded, and what may fault or is needed stays."""
    assert ops(program(body)).count(op) == count


def test_shapes_are_scalars_and_sizes(program) -> None:
    """Lengths of a matrix are scalars, that of a vector is the buffer's size; only those needed are declared."""
    found = program("c[i] = m[i, 1] + f32(a.shape[0])")
    assert [one.name for one in found.scalars] == ["n", "x", "y", "m.shape1"]
    assert [one.buffer for one in found.sizes] == ["a"]


@pytest.mark.slow
@pytest.mark.parametrize("name", STANDARD)
def test_standard_kernels_have_programs(name: str) -> None:
    """For every declared type the program passes verification, and compiling again gives the same."""
    kernel = STANDARD[name].kernel
    variable = next(iter(kernel.definition.type_variables()))
    for element in STANDARD[name].elements:
        found = verify(kernel.program(**{variable: element})).program
        assert lower(schema_of(kernel.definition, {variable: element})) == found


@pytest.mark.parametrize(
    ("name", "op"),
    [("relu", "max"), ("gelu", "erf"), ("sigmoid", "sigmoid"), ("tanh", "tanh"), ("softmax", "exp"), ("abs", "abs")],
)
def test_no_operation_stands_for_another(name: str, op: str) -> None:
    """What a kernel is called it does."""
    kernel = STANDARD[name].kernel
    variable = next(iter(kernel.definition.type_variables()))
    assert op in ops(kernel.program(**{variable: "f32"}))
