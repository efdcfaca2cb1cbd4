"""Schema JSON 1.0: kernels written to JSON and read back, every key accounted for [KERNELS-11].

Statements let, assign, if, for, while and return and expressions var, literal, binary_op, index and call are those of
the original plan; the others, and the key `dtype` with what inference found, are this project's.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from typing import Any, Final

from prism.errors import Location, ParseError, UsageError
from prism.kernels.schema.inference import infer
from prism.kernels.schema.operations import BINARY, UNARY
from prism.kernels.schema.records import (
    Assign,
    BinaryOp,
    Break,
    Call,
    Conditional,
    Continue,
    Evaluate,
    Extent,
    For,
    If,
    Index,
    Kernel,
    Let,
    Literal,
    Node,
    Param,
    Return,
    Shared,
    UnaryOp,
    Var,
    While,
)
from prism.kernels.schema.types import BOOL, ELEMENTS

VERSION: Final = "1.0"
_LINE: Final = 110
_DEEPEST: Final = 200
"""How deep statements and expressions of a file may nest."""

RECORDS: Final[Mapping[type[Node], tuple[str, Mapping[str, tuple[str, str]]]]] = {
    Var: ("var", {"name": ("name", "name")}),
    Literal: ("literal", {"value": ("value", "number")}),
    UnaryOp: ("unary_op", {"op": ("op", "unary"), "operand": ("operand", "expression")}),
    BinaryOp: ("binary_op", {"op": ("op", "binary"), "left": ("left", "expression"), "right": ("right", "expression")}),
    Index: ("index", {"array": ("array", "array"), "index": ("indices", "index")}),
    Extent: ("extent", {"array": ("array", "array"), "axis": ("axis", "integer")}),
    Call: ("call", {"function": ("function", "name"), "args": ("args", "expressions")}),
    Conditional: ("conditional", {one: (one, "expression") for one in ("condition", "then", "other")}),
    Let: ("let", {"name": ("name", "name"), "value": ("value", "expression")}),
    Assign: ("assign", {"target": ("target", "target"), "value": ("value", "expression")}),
    Shared: ("shared", {"name": ("name", "name"), "element_type": ("element", "element"), "shape": ("shape", "shape")}),
    If: (
        "if",
        {"condition": ("condition", "expression"), "then_body": ("then", "body"), "else_body": ("other", "else")},
    ),
    For: (
        "for",
        {
            "var": ("var", "name"),
            "start": ("start", "expression"),
            "stop": ("stop", "expression"),
            "step": ("step", "step"),
            "body": ("body", "body"),
        },
    ),
    While: ("while", {"condition": ("condition", "expression"), "body": ("body", "body")}),
    Return: ("return", {"value": ("value", "optional")}),
    Break: ("break", {}),
    Continue: ("continue", {}),
    Evaluate: ("evaluate", {"call": ("call", "call")}),
}
"""For each record its `type` in JSON, and for each JSON key the field and what it holds."""
EXPRESSIONS: Final = (Var, Literal, UnaryOp, BinaryOp, Index, Extent, Call, Conditional)
_BY_TAG: Final = {tag: (record, keys) for record, (tag, keys) in RECORDS.items()}
_EXPRESSION_TAGS: Final = frozenset(RECORDS[one][0] for one in EXPRESSIONS)


def dumps(kernel: Kernel) -> str:
    """Return a kernel as schema JSON, the same text for equal kernels."""
    return _layout({"version": VERSION, "kernel": _kernel(kernel)}, 0) + "\n"


def _layout(data: Any, indent: int) -> str:
    """Return JSON in which what fits a line stands on one."""
    text = json.dumps(data)
    if indent + len(text) <= _LINE or not isinstance(data, dict | list):
        return text
    inner = " " * (indent + 2)
    if isinstance(data, list):
        parts, ends = [_layout(one, indent + 2) for one in data], "[]"
    else:
        parts = [f"{json.dumps(key)}: {_layout(one, indent + 2)}" for key, one in data.items()]
        ends = "{}"
    return ends[0] + "\n" + ",\n".join(inner + part for part in parts) + "\n" + " " * indent + ends[1]


def _scalar(element: str) -> dict[str, str]:
    return {"kind": "scalar", "type": element}


def _kernel(kernel: Kernel) -> dict[str, Any]:
    params = []
    for one in kernel.params:
        kind: dict[str, Any] = _scalar(one.element)
        if one.rank:
            kind = {"kind": "device_array", "element_type": kind} | ({"rank": one.rank} if one.rank > 1 else {})
        params.append({"name": one.name, "type": kind})
    written: dict[str, Any] = {"name": kernel.name, "params": params, "body": [_written(one) for one in kernel.body]}
    if kernel.returns:
        written["returns"] = _scalar(kernel.returns)
    if kernel.inlines:
        written["inlines"] = [_kernel(one) for one in kernel.inlines]
    return written


def _written(node: Any) -> Any:
    if not isinstance(node, Node):
        return _number(node)
    tag, keys = RECORDS[type(node)]
    written: dict[str, Any] = {"type": tag}
    for key, (name, kind) in keys.items():
        value = getattr(node, name)
        if kind == "array":
            written[key] = {"type": "var", "name": value}
        elif kind == "index":
            parts = [_written(one) for one in value]
            written[key] = parts[0] if len(parts) == 1 else parts
        elif kind == "step":
            written[key] = {"type": "literal", "value": value}
        elif kind == "else":
            written[key] = [_written(one) for one in value] or None
        elif kind == "element":
            written[key] = _scalar(value)
        else:
            written[key] = [_written(one) for one in value] if isinstance(value, tuple) else _written(value)
    if getattr(node, "type", None):
        written["dtype"] = node.type  # type: ignore[union-attr]
    return written


def _number(value: Any) -> Any:
    """Return a number as JSON has it; what JSON lacks goes as a string."""
    return str(value) if isinstance(value, float) and not math.isfinite(value) else value


def loads(text: str, file: str = "<json>") -> Kernel:
    """Return the typed kernel of a schema JSON text.

    UsageError for what is not schema JSON 1.0, with the JSON pointer; ParseError for a kernel that has no types.
    """
    try:
        data = json.loads(text)
        reader = _Reader(file)
        top = reader.keys(data, "", {"version", "kernel"})
        if top.get("version") != VERSION:
            raise UsageError(f'{file}: "version" must be "{VERSION}", got {top.get("version")!r}; write it anew')
        return _typed(*reader.kernel(top.get("kernel"), "/kernel"), set())
    except json.JSONDecodeError as error:
        place = Location(file, error.lineno, error.colno, text.splitlines()[error.lineno - 1] if text else "")
        raise ParseError(place, "JSON", error.msg) from error
    except RecursionError as error:
        raise UsageError(f"{file}: a kernel must nest at most {_DEEPEST} deep; split its expressions") from error


def _typed(kernel: Kernel, inlines: Mapping[str, Any], around: set[str]) -> Kernel:
    def resolve(name: str, kinds: tuple[tuple[str, int], ...], at: Location) -> Kernel:
        if name not in inlines or name in around:
            raise ParseError(at, "a call of an intrinsic, a type or an inline kernel", name, "add it to inlines")
        callee, inner = inlines[name]
        if len(kinds) != len(callee.params):
            raise ParseError(at, f"{len(callee.params)} arguments of {name}", f"{len(kinds)}", "pass each parameter")
        return _typed(callee, inner, around | {name})

    return infer(kernel, resolve, inline=bool(around))


class _Reader:
    """Reads JSON values into records; `path` is a JSON pointer."""

    def __init__(self, file: str) -> None:
        self.file, self.depth = file, 0

    def fail(self, path: str, wanted: str, got: Any) -> UsageError:
        shown = json.dumps(got)
        shown = shown if len(shown) <= 60 else f"{shown[:57]}..."
        return UsageError(f"{self.file}: {path or '/'} must be {wanted}, got {shown}; see the JSON Schema of kernels")

    def keys(self, data: Any, path: str, allowed: set[str]) -> dict[str, Any]:
        if not isinstance(data, dict):
            raise self.fail(path, "an object", data)
        if unknown := sorted(set(data) - allowed):
            raise self.fail(f"{path}/{unknown[0]}", f"one of the keys {', '.join(sorted(allowed))}", unknown[0])
        return data

    def listed(self, data: Any, path: str) -> list[Any]:
        if not isinstance(data, list):
            raise self.fail(path, "an array", data)
        return data

    def name(self, data: Any, path: str) -> str:
        if not isinstance(data, str) or not data.isascii() or not all(p.isidentifier() for p in data.split(".")):
            raise self.fail(path, "a name", data)
        return data

    def element(self, data: Any, path: str) -> str:
        found = self.keys(data, path, {"kind", "type"})
        if found.get("kind") != "scalar" or found.get("type") not in ELEMENTS:
            raise self.fail(path, f'{{"kind": "scalar", "type": one of {", ".join(ELEMENTS)}}}', data)
        return found["type"]

    def kernel(self, data: Any, path: str) -> tuple[Kernel, dict[str, Any]]:
        """Return an untyped kernel, and its inline kernels likewise by name."""
        found = self.keys(data, path, {"name", "params", "body", "returns", "inlines"})
        params = []
        for at, one in enumerate(self.listed(found.get("params"), f"{path}/params")):
            params.append(self.param(one, f"{path}/params/{at}"))
        inner = [self.kernel(one, f"{path}/inlines/{at}") for at, one in enumerate(found.get("inlines") or [])]
        returns = self.element(found["returns"], f"{path}/returns") if found.get("returns") else None
        body = self.body(found.get("body"), f"{path}/body")
        name = self.name(found.get("name"), f"{path}/name")
        kernel = Kernel(name, tuple(params), body, returns, at=self.place(data.get("name"), path))
        return kernel, {one[0].name: one for one in inner}

    def param(self, data: Any, path: str) -> Param:
        found = self.keys(data, path, {"name", "type"})
        name, kind, at = self.name(found.get("name"), f"{path}/name"), found.get("type"), self.place(data, path)
        if isinstance(kind, dict) and kind.get("kind") == "device_array":
            self.keys(kind, f"{path}/type", {"kind", "element_type", "rank"})
            rank = kind.get("rank", 1)
            if rank not in (1, 2, 3) or isinstance(rank, bool):
                raise self.fail(f"{path}/type/rank", "1, 2 or 3", rank)
            return Param(name, self.element(kind.get("element_type"), f"{path}/type/element_type"), rank, at=at)
        return Param(name, self.element(kind, f"{path}/type"), at=at)

    def place(self, data: Any, path: str) -> Location:
        return Location(f"{self.file}#{path}", 1, 1, json.dumps(data)[:76])

    def body(self, data: Any, path: str) -> tuple[Any, ...]:
        given = enumerate(self.listed(data, path))
        return tuple(self.node(one, f"{path}/{at}", statement=True) for at, one in given)

    def node(self, data: Any, path: str, *, statement: bool = False) -> Any:
        """Read a statement or an expression; a bare string is a variable, as in the plan's example."""
        if isinstance(data, str) and not statement:
            return Var(self.name(data, path), at=self.place(data, path))
        tag = data.get("type") if isinstance(data, dict) else None
        known = isinstance(tag, str) and tag in _BY_TAG
        if not isinstance(data, dict) or not known or (tag in _EXPRESSION_TAGS) is statement:
            kinds = sorted(one for one in _BY_TAG if (one in _EXPRESSION_TAGS) is not statement)
            raise self.fail(path, f"an object whose type is one of {', '.join(kinds)}", data)
        record, keys = _BY_TAG[str(tag)]
        typed = "type" in record.__dataclass_fields__
        self.keys(data, path, {"type", *keys, *(["dtype"] if typed else [])})
        self.depth += 1
        if self.depth > _DEEPEST:
            raise RecursionError
        fields = {name: self.field(kind, data.get(key), f"{path}/{key}") for key, (name, kind) in keys.items()}
        self.depth -= 1
        if typed and data.get("dtype") is not None:
            if data["dtype"] not in (*ELEMENTS, BOOL):
                raise self.fail(f"{path}/dtype", f"one of {', '.join(ELEMENTS)}, {BOOL}", data["dtype"])
            fields["type"] = data["dtype"]
        return record(**fields, at=self.place(data, path))

    def field(self, kind: str, data: Any, path: str) -> Any:
        """Read one value of a record."""
        reader: Callable[[Any, str], Any] = getattr(self, f"field_{kind}", self.node)
        return reader(data, path)

    def field_name(self, data: Any, path: str) -> str:
        return self.name(data, path)

    def field_element(self, data: Any, path: str) -> str:
        return self.element(data, path)

    def field_body(self, data: Any, path: str) -> tuple[Any, ...]:
        return self.body(data, path)

    def field_else(self, data: Any, path: str) -> tuple[Any, ...]:
        return () if data is None else self.body(data, path)

    def field_optional(self, data: Any, path: str) -> Any:
        return None if data is None else self.node(data, path)

    def field_expressions(self, data: Any, path: str) -> tuple[Any, ...]:
        given = [] if data is None else self.listed(data, path)
        return tuple(self.node(one, f"{path}/{at}") for at, one in enumerate(given))

    def field_index(self, data: Any, path: str) -> tuple[Any, ...]:
        return self.field_expressions(data if isinstance(data, list) else [data], path)

    def field_array(self, data: Any, path: str) -> str:
        found = self.node(data, path)
        if not isinstance(found, Var):
            raise self.fail(path, "an array by its name", data)
        return found.name

    def field_target(self, data: Any, path: str) -> Any:
        found = self.node(data, path)
        if not isinstance(found, Var | Index):
            raise self.fail(path, "a var or an index", data)
        return found

    def field_call(self, data: Any, path: str) -> Call:
        found = self.node(data, path)
        if not isinstance(found, Call):
            raise self.fail(path, "a call", data)
        return found

    def field_number(self, data: Any, path: str) -> Any:
        if data in ("inf", "-inf", "nan") and isinstance(data, str):
            return float(data)
        if not isinstance(data, bool | int | float):
            raise self.fail(path, "a number, true or false", data)
        return data

    def field_integer(self, data: Any, path: str) -> int:
        if not isinstance(data, int) or isinstance(data, bool):
            raise self.fail(path, "a whole number", data)
        return data

    def field_step(self, data: Any, path: str) -> int:
        found = self.node(data, path)
        if not isinstance(found, Literal) or type(found.value) is not int or found.value == 0:
            raise self.fail(path, "a literal that is a whole number and not 0", data)
        return found.value

    def field_shape(self, data: Any, path: str) -> tuple[int, ...]:
        found = tuple(self.field_integer(one, f"{path}/{at}") for at, one in enumerate(self.listed(data, path)))
        if not 1 <= len(found) <= 3 or min(found) < 1:
            raise self.fail(path, "one to three positive sizes", data)
        return found

    def field_unary(self, data: Any, path: str) -> str:
        return self.one_of(data, path, UNARY)

    def field_binary(self, data: Any, path: str) -> str:
        return self.one_of(data, path, BINARY)

    def one_of(self, data: Any, path: str, table: Mapping[Any, str]) -> str:
        if data not in table.values():
            raise self.fail(path, f"one of {', '.join(table.values())}", data)
        return data
