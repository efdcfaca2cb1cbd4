"""Clauses and their witnesses: test markers found by syntax tree, and the commitments manifest."""

from __future__ import annotations

import ast
import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from docflow import files
from docflow.cache import Cache
from docflow.config import Trace
from docflow.corpus import Corpus
from docflow.model import Fault
from docflow.schema import suggest

CLAUSE_ANCHOR: Final = re.compile(r"[a-z][a-z0-9]*-[0-9]+")
_KEYS: Final = ("id", "clause", "theorem", "statement_sha256", "tests", "mutants", "exemption")
_SHA256: Final = re.compile(r"[0-9a-f]{64}")
BROKEN: Final = ""
"""The clause of a mark that stands for a test file which is not Python."""


@dataclass(frozen=True, slots=True)
class Clause:
    """A normative statement: `label` as people cite it, and where its anchor is."""

    label: str
    path: str
    line: int


@dataclass(frozen=True, slots=True)
class Commitment:
    """One row of the manifest; `line` is where its id stands."""

    id: str
    clause: str
    theorem: str
    statement_sha256: str
    tests: tuple[str, ...]
    mutants: tuple[str, ...]
    exemption: str
    line: int


@dataclass(frozen=True, slots=True)
class Coverage:
    """A clause with everything that witnesses it."""

    clause: Clause
    tests: tuple[str, ...]
    theorems: tuple[str, ...]
    exemptions: tuple[str, ...]

    @property
    def is_covered(self) -> bool:
        """Say whether anything witnesses the clause."""
        return bool(self.tests or self.theorems or self.exemptions)


def marks(cache: Cache, root: Path, trace: Trace) -> tuple[tuple[str, str, int], ...]:
    """Return (clause, `path::test`, line) for every `pytest.mark.clause(...)` below the test folders."""
    found: list[tuple[str, str, int]] = []
    for path in files.find(root, [f"{folder.rstrip('/')}/**/*.py" for folder in trace.tests], ()):
        data = (root / path).read_bytes()
        if b".clause(" in data:
            rows = cache.get("marks", path, data, lambda p=path, d=data: list(_marks_in(p, d)), _decode_marks)
            found.extend(rows)
    return tuple(found)


def _decode_marks(rows: list[Any]) -> list[tuple[str, str, int]]:
    return [(str(clause), str(test), int(line)) for clause, test, line in rows]


def _marks_in(path: str, data: bytes) -> Iterator[tuple[str, str, int]]:
    try:
        tree = ast.parse(data)
    except (SyntaxError, ValueError) as error:
        yield BROKEN, path, getattr(error, "lineno", None) or 1
        return
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            for decorator in node.decorator_list:
                yield from ((clause, f"{path}::{node.name}", line) for clause, line in _clauses_in(decorator))
        elif isinstance(node, ast.Assign) and any(
            isinstance(t, ast.Name) and t.id == "pytestmark" for t in node.targets
        ):
            yield from ((clause, path, line) for clause, line in _clauses_in(node.value))


def _clauses_in(expression: ast.expr) -> Iterator[tuple[str, int]]:
    for node in ast.walk(expression):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "clause":
            for argument in node.args:
                if isinstance(argument, ast.Constant) and isinstance(argument.value, str):
                    yield argument.value, argument.lineno


def clauses(corpus: Corpus) -> Iterator[Clause]:
    """Yield the clauses: anchors such as `ledger-3` in normative documents, cited as LEDGER-3."""
    for document in corpus.governed:
        if document.fields.get("doc_authority") == "normative":
            for anchor, line in document.anchors:
                if CLAUSE_ANCHOR.fullmatch(anchor):
                    yield Clause(anchor.upper(), document.path, line)


def commitments(root: Path, trace: Trace) -> tuple[tuple[Commitment, ...], tuple[Fault, ...]]:
    """Read the manifest; what cannot be read is a fault. No manifest: nothing is committed."""
    path = root / trace.commitments
    if not path.is_file():
        return (), ()
    try:
        text = path.read_bytes().decode("utf-8")
        rows = tomllib.loads(text).get("commitment", [])
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        return (), (Fault(trace.commitments, 1, "manifest", f"must be TOML in UTF-8, but: {error}"),)
    if not isinstance(rows, list):
        return (), (Fault(trace.commitments, 1, "manifest", "commitments must be tables [[commitment]]"),)
    lines = {
        found[1]: text.count("\n", 0, found.start()) + 1
        for found in re.finditer(r'^id\s*=\s*"([^"]*)"', text, re.MULTILINE)
    }
    read: list[Commitment] = []
    faults: list[Fault] = []
    for number, row in enumerate(rows, 1):
        name = row.get("id") if isinstance(row, dict) else None
        subject = name if isinstance(name, str) and name else f"commitment {number}"
        line = lines.get(subject, 1)
        complaints = [f"{subject}: {complaint}" for complaint in _complaints(row, {one.id for one in read})]
        faults.extend(Fault(trace.commitments, line, subject, complaint) for complaint in complaints)
        if not complaints:
            read.append(_commitment(row, line))
    return tuple(read), tuple(faults)


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


def _complaints(row: Any, taken: set[str]) -> Iterator[str]:
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


def label_of(commitment: Commitment) -> str:
    """Return the clause that a commitment is about, from `spec/ledger.md#ledger-1` or `LEDGER-1`."""
    return commitment.clause.rpartition("#")[2].upper()


def coverage(corpus: Corpus, trace: Trace) -> tuple[Coverage, ...]:
    """Return every clause once, in the order of the documents, with its witnesses."""
    tests: dict[str, list[str]] = {}
    theorems: dict[str, list[str]] = {}
    exemptions: dict[str, list[str]] = {}
    for clause, test, _ in corpus.clause_marks:
        tests.setdefault(clause, []).append(test)
    for commitment in commitments(corpus.root, trace)[0]:
        label = label_of(commitment)
        tests.setdefault(label, []).extend(commitment.tests)
        if commitment.theorem:
            theorems.setdefault(label, []).append(commitment.theorem)
        if commitment.exemption:
            exemptions.setdefault(label, []).append(commitment.exemption)
    unique = {clause.label: clause for clause in reversed(list(clauses(corpus)))}
    return tuple(
        Coverage(clause, _unique(tests, label), _unique(theorems, label), _unique(exemptions, label))
        for label, clause in reversed(unique.items())
    )


def _unique(by_label: Mapping[str, list[str]], label: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(by_label.get(label, ())))


def missing_tests(root: Path, commitment: Commitment) -> Iterator[str]:
    """Yield the tests that a commitment names and the tree does not have."""
    for test in commitment.tests:
        path, _, name = test.partition("::")
        name = name.rpartition("::")[2].partition("[")[0]
        file = root / path
        if not file.is_file() or (
            name and not re.search(rf"\b(?:def|class)\s+{re.escape(name)}\b", file.read_text("utf-8", "replace"))
        ):
            yield test
