"""Where kernels come from: files, live functions, notebook cells, nested functions, constants."""

from __future__ import annotations

import linecache
from pathlib import Path
from typing import TypeVar

import pytest

import prism
from prism import DeviceArray, f32, f64, i32, kernel, u32
from prism.errors import ParseError, UsageError
from prism.kernels.schema.codec import dumps
from prism.kernels.schema.inference import schema_of
from prism.kernels.schema.source import definition_of, definitions_of

pytestmark = [pytest.mark.m8, pytest.mark.clause("KERNELS-2")]

T = TypeVar("T", f32, f64)
COUNT = 3
OFFSET = -1.5


@kernel
def scaled(a: DeviceArray[T], x: T, n: u32):
    """Use a type variable, constants and the module's own name."""
    i = prism.get_global_id()
    if i < n:
        a[i] = a[i] * x + OFFSET * COUNT


@pytest.mark.slow
def test_a_file_and_a_live_function_give_the_same() -> None:
    """A kernel of this file is the same by its text as by its function."""
    by_text = definitions_of(Path(__file__))["scaled"]
    assert set(definitions_of(Path(__file__))) == {"scaled"}
    assert by_text.type_variables() == {"T": ("f32", "f64")}
    for element in ("f32", "f64"):
        assert dumps(schema_of(by_text, {"T": element})) == dumps(scaled.schema(T=element))


def test_a_nested_function_is_read_with_its_closure() -> None:
    """An indented definition works, its constants come from around it, and places are those of the file."""
    factor = 4

    @kernel
    def nested(a: DeviceArray[i32]):
        a[0] = a[0] * factor

    @kernel
    def wrong(a: DeviceArray[i32]):
        a[0] = a[0] * 1.5

    assert '"value": 4' in dumps(nested.schema())
    with pytest.raises(ParseError) as caught:
        wrong.schema()
    assert caught.value.where.text == "        a[0] = a[0] * 1.5"
    assert Path(__file__).read_text().splitlines()[caught.value.where.line - 1] == caught.value.where.text
    assert caught.value.where.column == 23


def test_a_notebook_cell_is_read_from_the_lines_that_it_keeps() -> None:
    """A cell has no file; its lines stand in linecache, as notebooks and REPLs put them there."""
    source = "from prism import *\n@kernel\ndef cell(a: DeviceArray[f32]):\n    a[0] = 2.0\n"
    linecache.cache["<cell 1>"] = (len(source), None, source.splitlines(keepends=True), "<cell 1>")
    names: dict = {}
    exec(compile(source, "<cell 1>", "exec"), names)
    assert names["cell"].schema().name == "cell"
    assert names["cell"].definition.text.file == "<cell 1>"


def test_a_function_without_lines_is_refused() -> None:
    """What was typed where no lines are kept says where to define it instead."""
    names: dict = {}
    exec(
        compile("from prism import *\n@kernel\ndef lost(a: DeviceArray[f32]):\n    a[0] = 2.0\n", "<gone>", "exec"),
        names,
    )
    with pytest.raises(
        UsageError, match="a kernel's source must be readable, but <gone> has no line of lost; define it"
    ):
        names["lost"].schema()


def test_what_is_not_a_function_is_refused() -> None:
    """The decorator is for functions, and a lambda has no def to read."""
    with pytest.raises(UsageError, match=r"a kernel must be a plain function, got .*; put @prism.kernel on a def"):
        kernel(print)
    with pytest.raises(ParseError, match="a function with `def`") as caught:
        definition_of(lambda a: a)  # type: ignore[arg-type]
    assert "write the kernel as a function" in str(caught.value)


@pytest.mark.clause("KERNELS-1")
def test_names_in_a_file_mean_what_its_top_says(tmp_path: Path) -> None:
    """Imports under other names, of prism's modules and of math's constants are followed, without being run."""
    path = tmp_path / "names.py"
    path.write_text(
        "import prism as p\nimport math\nfrom math import pi\nfrom prism import f32 as real, kernel as k\n"
        "from prism.kernels.schema.language import DeviceArray\nALSO = pi\nLESS = -2\n"
        "@k\ndef one(a: DeviceArray[real]):\n    a[0] = p.exp(a[1]) * math.tau + ALSO + LESS\n"
        "@p.kernel(inline=True)\ndef two(x: 'p.f32') -> p.f32:\n    return x\n",
        encoding="utf-8",
    )
    found = definitions_of(path)
    assert {name: one.inline for name, one in found.items()} == {"one": False, "two": True}
    text = dumps(schema_of(found["one"], {}))
    assert "6.283185307179586" in text
    assert "3.141592653589793" in text
    assert dumps(schema_of(found["two"], {})).count('"f32"') == 3
