"""The manifest of commitments: each row ties a clause to a theorem by hash, to tests, and to mutants that they kill."""

from __future__ import annotations

import re
from collections.abc import Container, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

from docflow.model import Fault
from docflow.schema import suggest

_KEYS: Final = ("id", "clause", "theorem", "statement_sha256", "tests", "mutants", "exemption")
_SHA256: Final = re.compile(r"[0-9a-f]{64}")


class Commitment(NamedTuple):
    """One row: a theorem with the hash of its statement, tests, mutants that they kill, an exemption if one is absent.

    `line` is where its id stands.
    """

    id: str
    clause: str
    theorem: str
    statement_sha256: str
    tests: tuple[str, ...]
    mutants: tuple[str, ...]
    exemption: str
    line: int = 1

    @property
    def label(self) -> str:
        """Name the clause that the commitment is about, from `spec/ledger.md#ledger-1` or `LEDGER-1`."""
        return self.clause.rpartition("#")[2].upper()


@dataclass(frozen=True, slots=True)
class Manifest:
    """All rows; the hash of each module that gives the statements their meaning; and what is wrong with the file."""

    commitments: tuple[Commitment, ...] = ()
    definitions: Mapping[str, str] = field(default_factory=dict)
    faults: tuple[Fault, ...] = ()

    @property
    def theorems(self) -> dict[str, str]:
        """The statement hash of every theorem."""
        return {one.theorem: one.statement_sha256 for one in self.commitments if one.theorem}

    @property
    def tests(self) -> list[str]:
        """The pytest ids that the commitments name, each once, sorted."""
        return sorted({test for commitment in self.commitments for test in commitment.tests})


def parse(path: str, data: bytes) -> Manifest:
    """Read a manifest's bytes; what cannot be read is a fault."""
    import tomllib

    try:
        text = data.decode("utf-8")
        tables = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        return Manifest(faults=(Fault(path, 1, "manifest", f"must be TOML in UTF-8, but: {error}"),))
    rows, definitions = tables.get("commitment", []), tables.get("definitions", {})
    if not isinstance(rows, list):
        return Manifest(faults=(Fault(path, 1, "manifest", "commitments must be tables [[commitment]]"),))
    lines = {
        found[1]: text.count("\n", 0, found.start()) + 1
        for found in re.finditer(r'^id\s*=\s*"([^"]*)"', text, re.MULTILINE)
    }
    taken: dict[str, Commitment] = {}
    faults = [Fault(path, 1, "manifest", complaint) for complaint in _misplaced(tables, definitions)]
    for number, row in enumerate(rows, 1):
        name = row.get("id") if isinstance(row, dict) else None
        subject = name if isinstance(name, str) and name else f"commitment {number}"
        line = lines.get(subject, 1)
        complaints = [f"{subject}: {complaint}" for complaint in _complaints(row, taken)]
        faults.extend(Fault(path, line, subject, complaint) for complaint in complaints)
        if not complaints:
            taken[subject] = _commitment(row, line)
    return Manifest(tuple(taken.values()), dict(definitions) if isinstance(definitions, dict) else {}, tuple(faults))


def _misplaced(tables: Mapping[str, Any], definitions: Any) -> Iterator[str]:
    for name in sorted(tables.keys() - {"commitment", "definitions"}):
        yield f"unknown table {name}{suggest(name, ('commitment', 'definitions'))}"
    if not isinstance(definitions, dict) or not all(_SHA256.fullmatch(str(text)) for text in definitions.values()):
        yield "[definitions] must give each module the SHA-256 of its text, 64 hexadecimal digits"


def _commitment(row: Mapping[str, Any], line: int) -> Commitment:
    """Take over a row that has no complaints."""
    return Commitment(
        row["id"],
        row.get("clause", ""),
        row.get("theorem", ""),
        row.get("statement_sha256", ""),
        tuple(row.get("tests", ())),
        tuple(row.get("mutants", ())),
        row.get("exemption", ""),
        line,
    )


def _complaints(row: Any, taken: Container[str]) -> Iterator[str]:
    if not isinstance(row, dict):
        yield "must be a table"
        return
    for key in row.keys() - set(_KEYS):
        yield f"unknown key {key}{suggest(key, _KEYS)}"
    if not isinstance(row.get("id"), str) or row["id"] in taken:
        yield "needs an id of its own"
    for key in ("clause", "theorem", "statement_sha256", "exemption"):
        if not isinstance(row.get(key, ""), str):
            yield f"{key} must be text"
    for key in ("tests", "mutants"):
        if not isinstance(row.get(key, []), list) or not all(isinstance(item, str) for item in row.get(key, [])):
            yield f"{key} must be a list of text"
    if row.get("theorem") and not _SHA256.fullmatch(str(row.get("statement_sha256", ""))):
        yield "a theorem needs statement_sha256, 64 hexadecimal digits, so that weakening its statement is seen"
    if not (row.get("theorem") or row.get("tests") or row.get("exemption")):
        yield "names no theorem, no test and no exemption, so it commits to nothing"
