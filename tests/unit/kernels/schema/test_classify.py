"""Kernels are classified by what their bodies do."""

from __future__ import annotations

from pathlib import Path

import pytest

from prism.kernels.schema.classify import Classification, Kind, classify
from prism.kernels.schema.inference import schema_of
from prism.kernels.schema.records import Kernel, walk
from prism.kernels.schema.source import definitions_of
from prism.kernels.std.table import STANDARD

pytestmark = [pytest.mark.m8, pytest.mark.clause("KERNELS-12")]

KINDS = {
    Kind.REDUCTION: {"dot", "sum", "least", "largest"},
    Kind.MATRIX: {"gemm", "gemv"},
    Kind.GENERAL: {
        *("softmax", "layernorm", "rmsnorm", "histogram", "prefix_sum", "convolve", "bitonic_sort", "transpose"),
    },
}


def of(kernel: str) -> Kernel:
    """Return the records of a standard kernel, its type variables being the first of their types."""
    definition = STANDARD[kernel].kernel.definition
    return schema_of(definition, {name: types[0] for name, types in definition.type_variables().items()})


@pytest.mark.parametrize("name", STANDARD)
def test_the_standard_kernels(name: str) -> None:
    """What is in no other list is element-wise, guarded, and its one value is known."""
    found = classify(of(name))
    expected = next((kind for kind, names in KINDS.items() if name in names), Kind.ELEMENT_WISE)
    assert found.kind is expected
    assert (found.value is not None) is (expected is Kind.ELEMENT_WISE)
    assert (found.guard == "n") is (expected is Kind.ELEMENT_WISE or name == "convolve")


@pytest.mark.parametrize("name", STANDARD)
def test_names_say_nothing(name: str) -> None:
    """A kernel under another name is what it was."""
    from dataclasses import replace

    assert classify(replace(of(name), name="matmul_sum_add")) == classify(of(name))


HEAD = """\
from prism import *
@kernel
def k(a: DeviceArray[f32], b: DeviceArray[f32], c: DeviceArray[f32], m: DeviceArray[f32], n: u32):
    i = get_global_id()
"""


def classified(path: Path, body: str) -> Classification:
    """Return what a kernel with a body is."""
    path.write_text(HEAD + "".join(f"    {line}\n" for line in body.split("\n")), encoding="utf-8")
    return classify(schema_of(definitions_of(path)["k"], {}))


@pytest.mark.parametrize(
    ("body", "kind", "op"),
    [
        ("c[i] = a[i]", Kind.ELEMENT_WISE, ""),
        ("x = a[i]\nif x > 0:\n    c[i] = x\nelse:\n    c[i] = b[i]", Kind.ELEMENT_WISE, ""),
        ("x = a[i]\nfor t in range(5):\n    x = x * x\nc[i] = x", Kind.ELEMENT_WISE, ""),
        ("c[i] = a[i + 1]", Kind.GENERAL, ""),
        ("c[0] = a[i]", Kind.GENERAL, ""),
        ("c[i] = a[u32(b[i])]", Kind.GENERAL, ""),
        ("atomic_add(c, 0, a[i])", Kind.REDUCTION, "add"),
        ("atomic_max(c, 0, a[i] * b[i])", Kind.REDUCTION, "max"),
        ("atomic_add(c, u32(a[i]), 1.0)", Kind.GENERAL, ""),
        ("atomic_add(c, 0, 1.0)", Kind.GENERAL, ""),
        ("x = 0.0\nif i == 0:\n    for k in range(n):\n        x += a[k]\n    c[0] = x", Kind.REDUCTION, "add"),
        ("x = 1.0\nfor k in range(n):\n    x = a[k] * x\nc[0] = x", Kind.REDUCTION, "mul"),
        ("x = a[0]\nfor k in range(n):\n    x = min(x, a[k])\nc[0] = x", Kind.REDUCTION, "min"),
        ("x = 0.0\nfor k in range(n):\n    x += 1.0\nc[0] = x", Kind.GENERAL, ""),
        ("x = 0.0\nfor k in range(n):\n    x += m[i, k] * a[k]\nc[i] = x", Kind.MATRIX, ""),
        ("x = 0.0\nfor k in range(n):\n    x = fma(m[i, k], a[k], x)\nc[i] = x", Kind.MATRIX, ""),
        ("x = 0.0\nfor k in range(n):\n    x += a[i * n + k] * b[k]\nc[i] = x", Kind.MATRIX, ""),
        ("x = 0.0\nfor k in range(n):\n    x += a[i + k] * b[k]\nc[i] = x", Kind.GENERAL, ""),
        ("x = a[i]\nbarrier()\nc[i] = x", Kind.GENERAL, ""),
        ("pass", Kind.GENERAL, ""),
    ],
)
def test_what_bodies_are(tmp_path: Path, body: str, kind: Kind, op: str) -> None:
    """Places of stores, turns that add up, and products of a matrix decide."""
    found = classified(tmp_path / "k.py", body)
    assert (found.kind, found.op) == (kind, op)


def test_the_guard_and_the_arrays_are_found(tmp_path: Path) -> None:
    """The guard must hold every effect; arrays are named in the order of the parameters."""
    guarded = classified(tmp_path / "k.py", "if n > i:\n    x = b[i]\n    c[i] = x + a[i]")
    assert (guarded.guard, guarded.reads, guarded.writes) == ("n", ("a", "b"), ("c",))
    assert guarded.value is not None
    assert {one.array for one in walk(guarded.value) if hasattr(one, "array")} == {"a", "b"}
    assert classified(tmp_path / "k.py", "x = b[i]\nif i < n:\n    c[i] = x").guard == ""
    assert classified(tmp_path / "k.py", "if i < n:\n    c[i] = 1.0\nelse:\n    c[i] = 2.0").guard == ""
    assert classified(tmp_path / "k.py", "if i < n:\n    c[i] = 1.0\na[i] = 2.0").guard == ""
    assert classified(tmp_path / "k.py", "if i <= n:\n    c[i] = 1.0").guard == ""
