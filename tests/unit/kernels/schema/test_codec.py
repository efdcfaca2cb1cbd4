"""Schema JSON 1.0: what is written is read back as the same program, and what is not schema is refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from prism.errors import ParseError, UsageError
from prism.kernels.lower.program import lower
from prism.kernels.schema import codec
from prism.kernels.schema.codec import RECORDS, dumps, loads
from prism.kernels.schema.inference import schema_of
from prism.kernels.schema.json_schema import document
from prism.kernels.schema.records import Kernel
from prism.kernels.schema.source import definitions_of

pytestmark = [pytest.mark.m8, pytest.mark.clause("KERNELS-11")]

SOURCE = """\
from prism import *
LIMIT = 3

@kernel(inline=True)
def half(x: f32) -> f32:
    if x > LIMIT:
        return x / 2
    return x

@kernel
def k(a: DeviceArray[f32], b: DeviceArray[i32], m: DeviceArray[f32], n: u32, big: f32):
    t = shared(f32, 4, 2)
    i = get_global_id()
    t[0, 1] = half(a[i])
    barrier()
    total = 0.0
    for j in range(8, 0, -2):
        if j == 4 and not n > 3:
            continue
        total += t[0, 1] * m[j, i] ** 2 if a[i] < big else -1e999
    while total > 1.0:
        total //= 2.0
        if total != total:
            break
    atomic_add(b, 0, i32(total) % 7)
    if i < n:
        a[i] = fma(total, 2.0, f32(a.shape[0]) + f32(m.shape[1]))
    else:
        return
"""


@pytest.fixture
def kernel(tmp_path: Path) -> Kernel:
    """Return a kernel that has every kind of record."""
    path = tmp_path / "k.py"
    path.write_text(SOURCE, encoding="utf-8")
    return schema_of(definitions_of(path)["k"], {})


def test_what_is_written_is_read_back(kernel: Kernel) -> None:
    """The records, the text of them again, and the program, to the byte, are the same."""
    text = dumps(kernel)
    again = loads(text)
    assert again == kernel
    assert dumps(again) == text
    assert lower(again) == lower(kernel)
    tags = {tag for tag, _ in RECORDS.values()}
    assert {tag for tag in tags if f'"type": "{tag}"' in text} == tags


def test_the_plans_own_form_is_read() -> None:
    """A file as the original plan shows it, variables as bare names and no types but those of the parameters."""
    array = {"kind": "device_array", "element_type": {"kind": "scalar", "type": "f32"}}

    def element(name: str) -> dict[str, Any]:
        return {"type": "index", "array": name, "index": "idx"}

    value = {"type": "binary_op", "op": "add", "left": element("a"), "right": element("b")}
    body = [
        {"type": "let", "name": "idx", "value": {"type": "call", "function": "get_global_id"}},
        {
            "type": "if",
            "condition": {"type": "binary_op", "op": "lt", "left": "idx", "right": "n"},
            "then_body": [{"type": "assign", "target": element("c"), "value": value}],
            "else_body": None,
        },
    ]
    params = [{"name": one, "type": array} for one in "abc"]
    params.append({"name": "n", "type": {"kind": "scalar", "type": "u32"}})
    found = loads(json.dumps({"version": "1.0", "kernel": {"name": "vector_add", "params": params, "body": body}}))
    assert [one.op for one in lower(found).instructions if one.op in ("ldg", "add", "stg")] == [
        "ldg",
        "ldg",
        "add",
        "stg",
    ]
    assert loads(dumps(found)) == found


def test_the_json_schema_file_is_current() -> None:
    """The file of the JSON Schema is what the table of records gives."""
    file = Path(codec.__file__).with_name("kernel-1.0.schema.json")
    assert json.loads(file.read_text(encoding="utf-8")) == document()


def changed(kernel: Kernel, path: str, value: Any) -> str:
    """Return the text of a kernel with one value replaced, by its JSON pointer."""
    data = json.loads(dumps(kernel))
    at: Any = data
    *outer, last = [int(part) if part.isdigit() else part for part in path.split("/")]
    for part in outer:
        at = at[part]
    at[last] = value
    return json.dumps(data)


@pytest.mark.parametrize(
    ("path", "value", "words"),
    [
        ("version", "2.0", '"version" must be "1.0", got \'2.0\'; write it anew'),
        ("extra", 1, "must be one of the keys kernel, version"),
        ("kernel/name", "no name", '/kernel/name must be a name, got "no name"; see the JSON Schema of kernels'),
        ("kernel/params", {}, "/kernel/params must be an array, got {}"),
        ("kernel/params/3/type/type", "usize", "/kernel/params/3/type must be"),
        ("kernel/params/0/type/rank", 4, "/kernel/params/0/type/rank must be 1, 2 or 3, got 4"),
        ("kernel/body/0/type", "goto", "/kernel/body/0 must be an object whose type is one of"),
        ("kernel/body/1", 3, "/kernel/body/1 must be an object whose type is one of"),
        ("kernel/body/1/colour", 1, "/kernel/body/1/colour must be one of the keys"),
        ("kernel/body/1/value/dtype", "f8", "/kernel/body/1/value/dtype must be one of"),
        ("kernel/body/0/shape", [0], "must be one to three positive sizes, got [0]"),
        ("kernel/body/4/value/value", "x", "must be a number, true or false"),
        ("kernel/body/5/step/value", 0, "must be a literal that is a whole number and not 0"),
        ("kernel/body/5/step", {"type": "var", "name": "n"}, "must be a literal that is a whole number"),
        ("kernel/body/2/target", {"type": "literal", "value": 1}, "/kernel/body/2/target must be a var or an index"),
        ("kernel/body/2/target/array", {"type": "literal", "value": 1}, "must be an array by its name"),
        ("kernel/body/3/call", {"type": "literal", "value": 1}, "/kernel/body/3/call must be a call"),
        ("kernel/body/6/condition/op", "unknown", "must be one of add, sub, mul"),
    ],
)
def test_what_is_not_schema_json_is_refused(kernel: Kernel, path: str, value: Any, words: str) -> None:
    """Each key and value that the format does not have is refused with its JSON pointer."""
    with pytest.raises(UsageError) as caught:
        loads(changed(kernel, path, value))
    assert words in str(caught.value)


@pytest.mark.parametrize(
    ("path", "value", "words"),
    [
        (
            "kernel/body/1/value/function",
            "half.f32",
            "a call of an intrinsic, a type or an inline kernel, found half.f32",
        ),
        ("kernel/inlines/0/params", [], "expected 0 arguments of half, found 1"),
        ("kernel/body/1/value/dtype", "u8", "the type that it has, u32, found u8"),
        ("kernel/body/6/condition/dtype", "f32", "the type that it has, bool, found f32"),
        ("kernel/body/3/call/function", "exp", "1 values for exp, found 0"),
    ],
)
def test_records_that_have_no_types_are_refused(kernel: Kernel, path: str, value: Any, words: str) -> None:
    """What inference refuses is refused with the pointer of the record and its text."""
    with pytest.raises(ParseError) as caught:
        loads(changed(kernel, path, value), "k.json")
    assert words in str(caught.value)
    assert str(caught.value).startswith("k.json#/kernel/")


def test_hints_of_calls(kernel: Kernel) -> None:
    """A call of a kernel that is not there, or with other arguments, says what to do."""
    with pytest.raises(ParseError, match="add it to inlines"):
        loads(changed(kernel, "kernel/body/1/value/function", "ghost"))
    with pytest.raises(ParseError, match="pass each parameter"):
        loads(changed(kernel, "kernel/inlines/0/params", []))


@pytest.mark.parametrize("text", ["", "{", "[1,", '{"version": "1.0", "kernel"'])
def test_what_is_not_json_is_refused_with_the_place(text: str) -> None:
    """A text that ends early or is no JSON gives its line and column."""
    with pytest.raises(ParseError, match=r"k.json:1:\d+: expected JSON, found"):
        loads(text, "k.json")


def test_depth_is_bounded() -> None:
    """A file that nests without end is refused, not followed."""
    deep = '{"type":"unary_op","op":"neg","operand":' * 5000 + '"x"' + "}" * 5000
    text = f'{{"version":"1.0","kernel":{{"name":"k","params":[],"body":[{{"type":"return","value":{deep}}}]}}}}'
    with pytest.raises(UsageError, match="a kernel must nest at most 200 deep; split its expressions"):
        loads(text)
