"""Some test asserts each message that the code raises.

A message counts as asserted when four words in a row of its literal text (all of them, if it has fewer) occur in a
string of some test, backslashes left out. That a test of that string fails without the raise is for review to see.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import cache

import pytest

from tests.repo.source import Module, dotted, functions, modules, strings, table

pytestmark = [pytest.mark.m1, pytest.mark.clause("REPO-5")]

RUN = 4
_GAP = "\0"


def texts(node: ast.AST) -> Iterator[str]:
    """Yield the literal texts in an expression; a formatted value inside one shows as a gap."""
    if isinstance(node, ast.JoinedStr):
        yield "".join(str(part.value) if isinstance(part, ast.Constant) else _GAP for part in node.values)
        for part in node.values:
            if isinstance(part, ast.FormattedValue):
                yield from texts(part.value)
    elif isinstance(node, ast.Constant) and isinstance(node.value, str):
        yield node.value
    elif isinstance(node, ast.BinOp | ast.IfExp | ast.BoolOp):
        for child in ast.iter_child_nodes(node):
            yield from texts(child)


def messages(module: Module) -> Iterator[tuple[int, str]]:
    """Yield the line and the literal text of each message in a call that makes an error, variables looked up."""
    for function in [*functions(module.tree), module.tree]:
        assigned = {
            target.id: node.value
            for node in ast.walk(function)
            if isinstance(node, ast.Assign)
            for target in node.targets
            if isinstance(target, ast.Name)
        }
        for node in ast.walk(function):
            if isinstance(node, ast.Call) and re.search(r"(?<!Assertion)(Error|Exit)$", dotted(node.func)):
                for given in [*node.args, *(keyword.value for keyword in node.keywords)]:
                    value = assigned.get(given.id, given) if isinstance(given, ast.Name) else given
                    yield from ((node.lineno, text) for text in texts(value))


def runs(text: str) -> set[tuple[str, ...]]:
    """Return each run of words that identifies `text`; a gap ends a run, and a text of one word has none."""
    found: set[tuple[str, ...]] = set()
    for part in re.split(r"\S*\0\S*", text):
        words = part.replace("\\", "").split()
        found |= {tuple(words[at : at + RUN]) for at in range(max(1, len(words) - RUN + 1))}
    longest = max((len(run) for run in found), default=0)
    return {run for run in found if len(run) == longest > 1}


@cache
def asserted() -> frozenset[tuple[str, ...]]:
    """Return every run of two to four words in a string of a test."""
    found: set[tuple[str, ...]] = set()
    for module in modules("tests"):
        for text in strings(module.tree):
            words = text.replace("\\", "").split()
            for size in range(2, RUN + 1):
                found |= {tuple(words[at : at + size]) for at in range(len(words) - size + 1)}
    return frozenset(found)


@pytest.mark.parametrize("package", ["prism", "docflow", "policy"])
@pytest.mark.slow
def test_each_message_is_asserted(package: str) -> None:
    """Words of each message occur in a test, or the message is listed with the reason why none can."""
    exceptions = table("policy/messages.toml")["exceptions"]
    unasserted = sorted(
        {
            f"{module.path}:{line}: {text.replace(_GAP, '{}')}"
            for module in modules(package)
            for line, text in messages(module)
            if (wanted := runs(text)) and not wanted & asserted()
            if not any(key.split(":")[0] == module.path and key.split(":", 1)[1] in text for key in exceptions)
        }
    )
    assert unasserted == []


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("def f():\n raise ValueError('x must be y')", {"x must be y"}),
        ("def f():\n raise ValueError(f'x must be {y}, got' + ' z w')", {"x must be \0, got", " z w"}),
        ("def f():\n m = 'a b c'\n raise errors.UsageError(m)", {"a b c"}),
        ("def f():\n return ParseError(where, 'a term', found=f'{x} it')", {"a term", "\0 it"}),
        ("def f():\n raise X(f'{\"a b\" if c else d}')", set()),
        ("def f():\n raise KeyError(name)", set()),
    ],
)
def test_messages_are_found(source: str, expected: set[str]) -> None:
    """Positional, keyword, concatenated, formatted and assigned texts are found; values are not texts."""
    assert {text for _, text in messages(Module("x.py", ast.parse(source)))} == expected


def test_runs_are_distinctive() -> None:
    """A long text is known by four words in a row on one side of a gap, a short one by all it has."""
    assert runs("a b c d e") == {("a", "b", "c", "d"), ("b", "c", "d", "e")}
    assert runs("x must be \0, got y") == {("x", "must", "be")}
    assert runs("word \0") == set()
