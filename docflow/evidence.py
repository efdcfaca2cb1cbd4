"""What runs say of witnesses: which tests passed, which mutants were killed, whose text changed since recorded."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final
from xml.etree import ElementTree

from docflow.body import fingerprint
from docflow.errors import DocflowError
from docflow.manifest import Commitment
from docflow.trace import Coverage

FILE_NAME: Final = "docflow.witnesses"
_HEADER: Final = (
    "# docflow.witnesses: clause, test, SHA-256 of its text when reviewed; from `docflow trace --record`.\n"
)
_KILLED: Final = re.compile(r"^killed\s+(\S+) by (\S+)\s*$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Evidence:
    """States of tests by id, tests by the mutant that they kill (None: not asked for), recorded and present texts."""

    states: Mapping[str, str] | None = None
    killers: Mapping[str, frozenset[str]] | None = None
    recorded: Mapping[tuple[str, str], str] = field(default_factory=dict)
    present: Mapping[tuple[str, str], str] = field(default_factory=dict)

    def state(self, clause: str, test: str) -> str:
        """Say what is known of a test: `passed`, `failed`, `skipped` or `not run` if a report was given, else `named`.

        `changed` if its text is another than the one recorded for the clause, unless it did not pass.
        """
        state = "named" if self.states is None else self.states.get(test.split("[")[0], "not run")
        key = (clause, test)
        was = self.recorded.get(key)
        is_changed = was is not None and was != self.present.get(key)
        return "changed" if is_changed and state in {"named", "passed"} else state


def junit(path: Path, tests: Iterable[str]) -> dict[str, str]:
    """Return the state of each test according to a JUnit report, parameters taken together: all must pass.

    A test of a Python file is known by its dotted name, another by its name alone. What is not in it is left out.
    Errors: `DocflowError` if the file is no such report.
    """
    try:
        cases = list(ElementTree.parse(path).getroot().iter("testcase"))
    except (OSError, ElementTree.ParseError) as error:
        raise DocflowError(f"{path} must be a JUnit report in XML, but: {error}") from None
    seen: dict[str, set[str]] = {}
    for case in cases:
        tags = {child.tag for child in case}
        state = "failed" if tags & {"failure", "error"} else "skipped" if "skipped" in tags else "passed"
        name = (case.get("name") or "").split("[")[0]
        for key in (f"{case.get('classname') or ''}.{name}", name):
            seen.setdefault(key, set()).add(state)
    states: dict[str, str] = {}
    for test in tests:
        found = seen.get(_dotted(test)) or (seen.get(test.rpartition("::")[2]) if ".py" not in test else None)
        if found:
            states[test.split("[")[0]] = next(one for one in ("failed", "passed", "skipped") if one in found)
    return states


def _dotted(test: str) -> str:
    path, _, name = test.split("[")[0].partition("::")
    return path.removesuffix(".py").replace("/", ".") + "." + name.replace("::", ".")


def containers(states: dict[str, str], named: Iterable[str], tests: Iterable[str]) -> dict[str, str]:
    """Give a class or file that bears a mark the worst state of the tests in it."""
    done = dict(states)
    for name in named:
        inside = [states.get(test, "not run") for test in tests if test.startswith(f"{name}::")]
        if name not in done and inside:
            done[name] = next(one for one in ("failed", "not run", "passed", "skipped") if one in inside)
    return done


def mutants(path: Path) -> dict[str, frozenset[str]]:
    """Read a report of mutants: lines `killed MUTANT by TEST`; all others count for nothing.

    Errors: `DocflowError` if the file cannot be read.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise DocflowError(f"{path} must be a report of mutants, lines `killed MUTANT by TEST`, but: {error}") from None
    killers: dict[str, set[str]] = {}
    for mutant, test in _KILLED.findall(text):
        killers.setdefault(mutant, set()).add(test.split("[")[0])
    return {mutant: frozenset(tests) for mutant, tests in killers.items()}


def survivors(commitments: Iterable[Commitment], killers: Mapping[str, frozenset[str]]) -> Iterator[tuple[str, str]]:
    """Yield (commitment, mutant) for each mutant that a commitment names and none of its tests killed."""
    for one in commitments:
        tests = {test.split("[")[0] for test in one.tests}
        yield from ((one.id, mutant) for mutant in one.mutants if not tests & killers.get(mutant, frozenset()))


def texts(root: Path, rows: Iterable[Coverage]) -> dict[tuple[str, str], str]:
    """Return the fingerprint of each test's present text, by clause and test: of a function, a class, or a file."""
    found: dict[tuple[str, str], str] = {}
    files: dict[str, tuple[str, dict[str, str]]] = {}
    for row in rows:
        for test in row.tests:
            path, _, name = test.split("[")[0].partition("::")
            if path not in files:
                files[path] = _texts_of(root / path)
            whole, parts = files[path]
            found[row.clause.label, test] = parts.get(name, whole)
    return found


def _texts_of(path: Path) -> tuple[str, dict[str, str]]:
    text = path.read_text("utf-8", "replace") if path.is_file() else ""
    parts: dict[str, str] = {}
    if path.suffix == ".py":
        try:
            _parts("", ast.parse(text).body, text.split("\n"), parts)
        except (SyntaxError, ValueError):
            parts = {}
    return fingerprint(text), parts


def _parts(prefix: str, body: list[ast.stmt], lines: list[str], parts: dict[str, str]) -> None:
    for node in body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            name = f"{prefix}{node.name}"
            first = min([node.lineno, *(one.lineno for one in node.decorator_list)])
            parts[name] = fingerprint("\n".join(lines[first - 1 : node.end_lineno]))
            _parts(f"{name}::", node.body, lines, parts)


def load(root: Path) -> dict[tuple[str, str], str]:
    """Read what was recorded; nothing if there is no such file."""
    path = root / FILE_NAME
    lines = path.read_text(encoding="utf-8").splitlines() if path.is_file() else []
    rows = (line.rsplit(" ", 1) for line in lines if line.strip() and not line.startswith("#"))
    keyed = ((key.partition(" "), text) for key, text in rows)
    return {(clause, test): text for (clause, _, test), text in keyed}


def render(recorded: Mapping[tuple[str, str], str]) -> bytes:
    """Write what is recorded, one line a clause and test, sorted."""
    lines = (f"{clause} {test} {text}\n" for (clause, test), text in sorted(recorded.items()))
    return (_HEADER + "".join(lines)).encode()
