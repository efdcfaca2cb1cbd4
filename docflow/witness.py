"""What may witness a clause: tests as pytest would collect them, tags in any language, and the commitments manifest."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, NamedTuple

from docflow import files
from docflow.cache import Cache
from docflow.collected import NOT_COLLECTED, SHADOWED, last_bindings, tests_of
from docflow.config import Trace
from docflow.manifest import Manifest
from docflow.manifest import parse as manifest_of

CLAUSE_ANCHOR: Final = re.compile(r"[a-z][a-z0-9]*-[0-9]+")
BROKEN: Final = ""
"""The clause of a mark that stands for a test file which is not Python."""
_TAG: Final = re.compile(r"\[covers ([A-Z][A-Z0-9]*-[0-9]+(?:[, ]+[A-Z][A-Z0-9]*-[0-9]+)*)\]")
_NAMED: Final = re.compile(
    r"""\b(?:fn|func|function|def|void|sub|proc|class|struct|let|const)\s+(?:\([^)]*\)\s*)?([\w$]+)"""
    r"""|\b(?:it|test|describe|TEST\w*)\s*\(\s*["'`]?([^"'`()]+)"""
)
_NAME_WITHIN_LINES: Final = 4
_TEST_FILE: Final = re.compile(r"(?:.*/)?(?:test_[^/]*|[^/]*_test)\.py")


class Mark(NamedTuple):
    """A test that says which clause it witnesses; `why_not`: why it, and all in it, is none, empty if it is one."""

    clause: str
    test: str
    line: int
    why_not: str = ""


@dataclass(frozen=True, slots=True)
class Witnesses:
    """All marks, the ids of all tests that pytest would collect in the test folders, and the manifest."""

    marks: tuple[Mark, ...] = ()
    tests: frozenset[str] = frozenset()
    manifest: Manifest = field(default_factory=Manifest)

    def has_test(self, test: str) -> bool:
        """Say whether a test, or one in the class or file named, is collected."""
        bare = test.split("[")[0]
        return bare in self.tests or any(one.startswith(f"{bare}::") for one in self.tests)

    def clauses_of(self, test: str) -> set[str]:
        """Return the clauses that a test carries: its own marks, and those of its class and file."""
        parts = test.split("[")[0].split("::")
        names = {"::".join(parts[:length]) for length in range(1, len(parts) + 1)}
        return {mark.clause for mark in self.marks if mark.test in names}


def sources(root: Path, trace: Trace) -> list[str]:
    """Return the files in which witnesses are looked for: the Python of the test folders, and what `tags` finds."""
    globs = [f"{folder.rstrip('/')}/**/*.py" for folder in trace.tests]
    return list(files.find(root, [*globs, *trace.tags], ()))


def scan(cache: Cache, root: Path, trace: Trace) -> Witnesses:
    """Read the witnesses of a tree. Cost: one read a file; parsing only of what changed since the last call."""
    data = {path: (root / path).read_bytes() for path in sources(root, trace)}
    manifest = root / trace.commitments
    return gathered(cache, trace, data, manifest.read_bytes() if manifest.is_file() else b"")


def gathered(cache: Cache, trace: Trace, files_: Mapping[str, bytes], manifest: bytes) -> Witnesses:
    """Join the witnesses of files, given as bytes by path, and of the manifest."""
    marks: list[Mark] = []
    tests: set[str] = set()
    for path, data in files_.items():
        found, names = read(cache, path, data, trace)
        marks.extend(found)
        tests.update(names)
    return Witnesses(tuple(marks), frozenset(tests), manifest_of(trace.commitments, manifest))


def read(cache: Cache, path: str, data: bytes, trace: Trace) -> tuple[list[Mark], list[str]]:
    """Return the marks and the test ids of one file."""
    if path.endswith(".py") and any(path.startswith(f"{folder.rstrip('/')}/") for folder in trace.tests):
        if b"test" not in data and b".clause(" not in data:
            return [], []
        return cache.get("tests", path, data, lambda: _in_python(path, data), _decode)
    marks = list(_tags_in(path, data.decode("utf-8", "replace"))) if b"[covers " in data else []
    return marks, [mark.test for mark in marks]


def _decode(row: list[Any]) -> tuple[list[Mark], list[str]]:
    marks, tests = row
    return [Mark(str(clause), str(test), int(line), str(why)) for clause, test, line, why in marks], list(tests)


def _in_python(path: str, data: bytes) -> list[Any]:
    try:
        tree = ast.parse(data)
    except (SyntaxError, ValueError) as error:
        is_ours = b".clause(" in data
        return [[[BROKEN, path, getattr(error, "lineno", None) or 1, NOT_COLLECTED]] if is_ours else [], []]
    tests = dict(tests_of(path, tree.body)) if _TEST_FILE.fullmatch(path) else {}
    marks: list[list[Any]] = []
    _marks_in(path, tree.body, marks, tests)
    return [marks, [test for test, why in tests.items() if not why]]


def _marks_in(name: str, body: list[ast.stmt], marks: list[list[Any]], tests: Mapping[str, str]) -> None:
    """Append the marks of a module or class, and of all that is nested in it, with why they witness nothing."""
    last = last_bindings(body)
    for node in body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            own = f"{name}::{node.name}"
            why_not = _why_not(own, tests) if last[node.name] is node else SHADOWED
            for decorator in node.decorator_list:
                marks.extend([clause, own, line, why_not] for clause, line in _clauses_in(decorator))
            _marks_in(own, node.body, marks, tests)
        elif isinstance(node, ast.Assign):
            if any(isinstance(target, ast.Name) and target.id == "pytestmark" for target in node.targets):
                marks.extend([clause, name, line, _why_not(name, tests)] for clause, line in _clauses_in(node.value))
        else:
            nested = [item for key in ("body", "orelse", "finalbody") for item in getattr(node, key, [])]
            _marks_in(name, nested, marks, tests if isinstance(node, ast.If | ast.Try | ast.With) else {})


def _why_not(own: str, tests: Mapping[str, str]) -> str:
    """Say why a function, class or file witnesses nothing: no test in it does."""
    inside = [why for test, why in tests.items() if test == own or test.startswith(f"{own}::")]
    return "" if "" in inside else inside[0] if inside else NOT_COLLECTED


def _clauses_in(expression: ast.expr) -> Iterator[tuple[str, int]]:
    for node in ast.walk(expression):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "clause":
            for argument in node.args:
                if isinstance(argument, ast.Constant) and isinstance(argument.value, str):
                    yield argument.value, argument.lineno


def _tags_in(path: str, text: str) -> Iterator[Mark]:
    """Yield the marks of `[covers LEDGER-1, LEDGER-2]` in any text; the test is the next thing that has a name."""
    lines = text.split("\n")
    for number, line in enumerate(lines, 1):
        for found in _TAG.finditer(line):
            near = "\n".join([line[found.end() :], *lines[number : number + _NAME_WITHIN_LINES]])
            named = _NAMED.search(near)
            name = (named[1] or named[2]).strip() if named else str(number)
            for clause in re.split(r"[, ]+", found[1]):
                yield Mark(clause, f"{path}::{name}", number)


def has_proof(root: Path, trace: Trace, theorem: str) -> bool:
    """Say whether the module that a theorem's name begins with, below `proofs`, declares its last part.

    `A.B.name` is looked for in `A/B.*` as a line that begins, after blanks, with `name` and goes on after a blank.
    """
    module, _, name = theorem.rpartition(".")
    folder = root / trace.proofs / module.replace(".", "/")
    declared = re.compile(
        rf"^\s*(?:theorem\s+|lemma\s+|Theorem\s+|Lemma\s+)?{re.escape(name)}(?=[\s:({{])", re.MULTILINE
    )
    return any(
        declared.search(path.read_text("utf-8", "replace"))
        for path in sorted(folder.parent.glob(f"{folder.name}.*"))
        if path.is_file()
    )
