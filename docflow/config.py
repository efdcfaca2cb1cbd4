"""docflow.toml as an immutable value; every key is checked, so that a typo cannot switch a rule off."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from docflow.errors import ConfigError
from docflow.mapping import Fields
from docflow.model import SEVERITIES, Severity
from docflow.schema import suggest

FILE_NAME: Final = "docflow.toml"


@dataclass(frozen=True, slots=True)
class Trace:
    """Where the witnesses of clauses are: test folders, files with tags, the manifest (may be absent), proofs."""

    tests: tuple[str, ...] = ("tests",)
    commitments: str = "spec/commitments.toml"
    tags: tuple[str, ...] = ()
    proofs: str = ""


@dataclass(frozen=True, slots=True)
class Config:
    """What docflow.toml says; the defaults are what an absent file means."""

    include: tuple[str, ...] = ("*.md",)
    exclude: tuple[str, ...] = ()
    core: tuple[str, ...] = ()
    require: tuple[str, ...] = ()
    allow: tuple[str, ...] = ()
    severities: Mapping[str, Severity] = field(default_factory=dict)
    same_note_limit: int = 2
    cycles: tuple[frozenset[str], ...] = ()
    trace: Trace | None = None
    fields: Fields = field(default_factory=Fields)
    text: str = ""


def load(root: Path, rule_ids: frozenset[str]) -> Config:
    """Read `root`/docflow.toml; an absent file means the defaults.

    Errors: `ConfigError` for a syntax error, an unknown table, key or rule, or a value of the wrong type.
    """
    path = root / FILE_NAME
    if not path.is_file():
        return Config()
    return parse(path.read_bytes(), rule_ids)


def parse(data: bytes, rule_ids: frozenset[str]) -> Config:
    """Read the bytes of a docflow.toml. Errors: as `load`."""
    import tomllib

    try:
        text = data.decode("utf-8")
        tables = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{FILE_NAME} must be TOML in UTF-8, but: {error}") from None
    settings = {name: dict(keys) for name, keys in _TABLES.items()}
    settings["rules"] = {rule: (f"rules.{rule}", _severity) for rule in rule_ids}
    values: dict[str, Any] = {}
    for table, content in tables.items():
        _require(table in settings, f"[{table}] is not a table of {FILE_NAME}{suggest(table, settings)}")
        _require(isinstance(content, dict), f"{table} must be a table, write [{table}]")
        for key, value in content.items():
            _require(key in settings[table], f"[{table}] has no key {key}{suggest(key, settings[table])}")
            target, read = settings[table][key]
            values[target] = read(f"[{table}] {key}", value)
    severities = {name.removeprefix("rules."): value for name, value in values.items() if name.startswith("rules.")}
    trace_values = {name.removeprefix("trace."): value for name, value in values.items() if name.startswith("trace.")}
    names = {name.removeprefix("fields."): value for name, value in values.items() if name.startswith("fields.")}
    fields = Fields(names, values.pop("normative", ()))
    rest = {name: value for name, value in values.items() if "." not in name}
    trace = Trace(**trace_values) if "trace" in tables else None
    return Config(**rest, severities=severities, trace=trace, fields=fields, text=text)


def _require(condition: bool, message: str) -> None:
    if not condition:
        raise ConfigError(f"{FILE_NAME}: {message}")


def _texts(where: str, value: Any) -> tuple[str, ...]:
    _require(
        isinstance(value, list) and all(isinstance(item, str) and item for item in value),
        f"{where} must be a list of non-empty strings, got {value!r}",
    )
    return tuple(value)


def _text(where: str, value: Any) -> str:
    _require(isinstance(value, str) and bool(value), f"{where} must be a non-empty string, got {value!r}")
    return value


def _severity(where: str, value: Any) -> Severity:
    _require(value in SEVERITIES, f"{where} must be one of {', '.join(SEVERITIES)}, got {value!r}")
    return value


def _limit(where: str, value: Any) -> int:
    _require(type(value) is int and value >= 1, f"{where} must be an integer >= 1, got {value!r}")
    return value


def _cycles(where: str, value: Any) -> tuple[frozenset[str], ...]:
    _require(isinstance(value, list), f"{where} must be a list of lists of documents, got {value!r}")
    return tuple(frozenset(_texts(where, members)) for members in value)


_TABLES: Final[Mapping[str, Mapping[str, tuple[str, Callable[[str, Any], Any]]]]] = {
    "documents": {"include": ("include", _texts), "exclude": ("exclude", _texts), "core": ("core", _texts)},
    "schema": {"require": ("require", _texts), "allow": ("allow", _texts)},
    "fields": {
        "id": ("fields.id", _text),
        "requires": ("fields.requires", _text),
        "status": ("fields.status", _text),
        "normative": ("normative", _texts),
    },
    "rules": {},
    "reviews": {"same_note_limit": ("same_note_limit", _limit)},
    "cycles": {"allow": ("cycles", _cycles)},
    "trace": {
        "tests": ("trace.tests", _texts),
        "commitments": ("trace.commitments", _text),
        "tags": ("trace.tags", _texts),
        "proofs": ("trace.proofs", _text),
    },
}
"""Table -> key -> the attribute of `Config` it sets (dotted: of a part) and the function that checks it."""
