"""The JSON Schema of kernels, from the table of records; `kernel-1.0.schema.json` is its text."""

from __future__ import annotations

from typing import Any, Final

from prism.kernels.schema.codec import EXPRESSIONS, RECORDS, VERSION
from prism.kernels.schema.operations import BINARY, UNARY
from prism.kernels.schema.types import BOOL, ELEMENTS

_NAME: Final = {"type": "string", "pattern": r"^[A-Za-z_]\w*(\.\w+)*$"}


def _ref(name: str) -> dict[str, str]:
    return {"$ref": f"#/$defs/{name}"}


def _list(of: dict[str, Any], **more: int) -> dict[str, Any]:
    return {"type": "array", "items": of, **more}


_EXPRESSION: Final = _ref("expression")
_KINDS: Final[dict[str, dict[str, Any]]] = {
    "name": _NAME,
    "number": {"anyOf": [{"type": ["number", "boolean"]}, {"enum": ["inf", "-inf", "nan"]}]},
    "unary": {"enum": list(UNARY.values())},
    "binary": {"enum": list(BINARY.values())},
    "expression": _EXPRESSION,
    "expressions": _list(_EXPRESSION),
    "array": {"anyOf": [_NAME, _ref("var")]},
    "index": {"anyOf": [_EXPRESSION, _list(_EXPRESSION, minItems=1, maxItems=3)]},
    "integer": {"type": "integer"},
    "target": {"anyOf": [_NAME, _ref("var"), _ref("index")]},
    "element": _ref("scalar"),
    "shape": _list({"type": "integer", "minimum": 1}, minItems=1, maxItems=3),
    "body": _ref("body"),
    "else": {"anyOf": [{"type": "null"}, _ref("body")]},
    "step": _ref("literal"),
    "optional": {"anyOf": [{"type": "null"}, _EXPRESSION]},
    "call": _ref("call"),
}
"""What each kind of value of the table is."""
_MAY_LACK: Final = frozenset({"expressions", "else", "optional"})


def document() -> dict[str, Any]:
    """Return the JSON Schema (draft 2020-12) of schema JSON."""
    expressions = [RECORDS[one][0] for one in EXPRESSIONS]
    defs: dict[str, Any] = {
        "scalar": _object({"kind": {"const": "scalar"}, "type": {"enum": list(ELEMENTS)}}, ["kind", "type"]),
        "device_array": _object(
            {"kind": {"const": "device_array"}, "element_type": _ref("scalar"), "rank": {"enum": [1, 2, 3]}},
            ["kind", "element_type"],
        ),
        "kernel": _object(
            {
                "name": _NAME,
                "params": _list(_object({"name": _NAME, "type": _either("scalar", "device_array")}, ["name", "type"])),
                "body": _ref("body"),
                "returns": _ref("scalar"),
                "inlines": _list(_ref("kernel")),
            },
            ["name", "params", "body"],
        ),
        "expression": {"anyOf": [_NAME, *(_ref(tag) for tag in expressions)]},
        "body": _list({"anyOf": [_ref(tag) for tag, _ in RECORDS.values() if tag not in expressions]}),
    }
    for record, (tag, keys) in RECORDS.items():
        properties: dict[str, Any] = {"type": {"const": tag}}
        properties |= {key: _KINDS[kind] for key, (_, kind) in keys.items()}
        if "type" in record.__dataclass_fields__:
            properties["dtype"] = {"enum": [*ELEMENTS, BOOL]}
        defs[tag] = _object(properties, ["type", *(key for key, (_, kind) in keys.items() if kind not in _MAY_LACK)])
    top = _object({"version": {"const": VERSION}, "kernel": _ref("kernel")}, ["version", "kernel"])
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "Prism kernel", **top, "$defs": defs}


def _either(*names: str) -> dict[str, Any]:
    return {"anyOf": [_ref(name) for name in names]}


def _object(properties: dict[str, Any], required: list[str]) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "required": required, "additionalProperties": False}
