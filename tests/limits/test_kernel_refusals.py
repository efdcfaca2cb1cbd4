"""What is outside the kernel language is refused at its place, and nothing of a kernel's file runs."""

from __future__ import annotations

from pathlib import Path

import pytest

from prism.errors import ParseError, UsageError
from prism.kernels.schema.source import definitions_of
from tests.refused_kernels import cases, compiled, misjudged, writes

pytestmark = [pytest.mark.m8, pytest.mark.clause("KERNELS-1")]


@pytest.mark.clause("KERNELS-4")
@pytest.mark.clause("KERNELS-5")
@pytest.mark.clause("KERNELS-7")
def test_each_kernel_outside_the_language_is_refused_at_its_line(tmp_path: Path) -> None:
    """Of 150 kernels and more none is accepted; each names its line, what was expected and what was found."""
    assert misjudged(tmp_path / "k.py") == []
    assert len(cases()) >= 150


def test_the_place_is_a_column_with_a_caret_and_a_hint(tmp_path: Path) -> None:
    """The refusal of an operand points at the operand, and its last line says what to do."""
    source = "from prism import *\n@kernel\ndef k(a: DeviceArray[f32], i: i32):\n    a[i] = 2.0 * (a[i] + i)\n"
    with pytest.raises(ParseError) as caught:
        compiled(tmp_path / "k.py", source)
    place, line, caret, hint = str(caught.value).split("\n")
    assert place.endswith("k.py:4:19: expected operands that meet in one type, found f32 and i32")
    assert line[caret.index("^") :] == "a[i] + i)"
    assert hint == "  convert one of them"


@pytest.mark.clause("KERNELS-2")
def test_nothing_of_a_file_runs_when_a_kernel_of_it_is_compiled(tmp_path: Path) -> None:
    """A file that would write to the disk as it is imported compiles, and writes nothing."""
    assert not writes(tmp_path)


@pytest.mark.parametrize(
    ("source", "words"),
    [
        (b"def k(:\n", "expected Python, found invalid syntax"),
        (b"x = 1\n\x00", "expected Python"),
        (b"(" * 500, "expected Python"),
        (b"x = 'abc\n", "expected Python, found unterminated string literal"),
        (b"x = " + b"-" * 200000 + b"1\n", "an expression nested too deeply"),
    ],
)
def test_a_file_that_is_not_python_is_refused_with_the_place(tmp_path: Path, source: bytes, words: str) -> None:
    """A syntax error is reported as a refusal, not as a traceback."""
    path = tmp_path / "k.py"
    path.write_bytes(source)
    with pytest.raises(ParseError) as caught:
        definitions_of(path)
    assert words in str(caught.value)


def test_a_file_that_is_not_utf8_is_refused(tmp_path: Path) -> None:
    """The byte that is not UTF-8 is named."""
    path = tmp_path / "k.py"
    path.write_bytes(b"# \xff\n")
    with pytest.raises(UsageError, match="must be UTF-8 text, but byte 2 is not; save it as UTF-8"):
        definitions_of(path)


def test_an_expression_that_nests_too_deep_is_refused(tmp_path: Path) -> None:
    """Depth ends in a refusal, not in a crash."""
    deep = "+".join(["x"] * 2000)
    source = f"from prism import *\n@kernel\ndef k(a: DeviceArray[f32], x: f32):\n    a[0] = {deep}\n"
    with pytest.raises(ParseError, match="expressions of moderate depth") as caught:
        compiled(tmp_path / "k.py", source)
    assert "found one nested too deeply" in str(caught.value)
    assert str(caught.value).endswith("split it")


@pytest.mark.parametrize(
    ("body", "expected", "hint"),
    [
        ("a[0] = q", "a variable, a parameter or a constant", "pass it as a parameter"),
        (
            "a[0] = q(x)",
            "a call of an intrinsic, a type or an inline kernel",
            "import it from prism, or write an inline kernel",
        ),
        ("i = i.bit_length", "a name that kernels know", "import what it is from prism"),
        ("x.y = x", "a variable or an element as target", "assign one number at a time"),
        ("y: g32 = x", "an element type", "the element types are i8, i16, i32, i64"),
        ("again(x)", "calls without recursion", "write a loop"),
        ("a[0] = two(i)", "T of two to be one of f32, f64, found i32", "convert an argument"),
        ("a[0] = two(1.0)", "T of two to be one of f32, f64, found no one type", "convert an argument"),
        ("other(a)", "a call of an inline kernel, found other, which is not one", "mark it @kernel(inline=True)"),
        ("a[0] = a[0, 0]", "as many indices of a everywhere, found 2 and elsewhere 1", "use one form"),
        ("i = i ** i", "operands of pow of type", "multiply, or write an exponent that is a number of the source"),
    ],
)
def test_a_refusal_says_what_to_do(tmp_path: Path, body: str, expected: str, hint: str) -> None:
    """Each refusal states what was expected and what to do instead."""
    with pytest.raises(ParseError) as caught:
        compiled(tmp_path / "k.py", f"{_WITH_INLINE}    {body}\n")
    assert expected in str(caught.value)
    assert hint in str(caught.value).split("\n")[-1]


_WITH_INLINE = """\
from typing import TypeVar
from prism import *
T = TypeVar("T", f32, f64)

@kernel
def other(a: DeviceArray[f32]):
    a[0] = 1.0

@kernel(inline=True)
def again(x: f32):
    again(x)

@kernel(inline=True)
def two(x: T) -> T:
    return x + x

@kernel
def k(a: DeviceArray[f32], x: f32, i: i32):
"""


def test_a_type_variable_needs_its_types(tmp_path: Path) -> None:
    """A type variable that may be anything is refused with the way to write it."""
    source = 'from typing import TypeVar\nfrom prism import *\nT = TypeVar("T")\n'
    source += "@kernel\ndef k(a: DeviceArray[T]):\n    pass\n"
    with pytest.raises(ParseError, match="a type variable with the element types that it may stand for") as caught:
        compiled(tmp_path / "k.py", source)
    assert "found T without any" in str(caught.value)
    assert str(caught.value).endswith('write T = TypeVar("T", f32, f64)')


@pytest.mark.parametrize("kind", [RecursionError, MemoryError])
def test_nesting_that_pythons_parser_refuses_is_said_in_our_words(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: type[Exception]
) -> None:
    """Versions of Python differ in the error and in its text; the refusal does not."""

    def refuse(_: str) -> None:
        raise kind("Parser stack overflowed - Python source too complex to parse")

    path = tmp_path / "k.py"
    path.write_text("x = 1", encoding="utf-8")
    monkeypatch.setattr("prism.kernels.schema.source.ast.parse", refuse)
    with pytest.raises(ParseError, match="expected Python, found an expression nested too deeply"):
        definitions_of(path)
