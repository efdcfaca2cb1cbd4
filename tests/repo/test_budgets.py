"""Files, functions and parameter lists stay within policy/budgets.toml; names within policy/names.toml."""

from __future__ import annotations

import ast
import re
from collections import Counter
from collections.abc import Iterator

import pytest

from tests.repo.sizes import difference
from tests.repo.source import PRODUCTION, ROOT, Module, functions, modules, table

pytestmark = pytest.mark.m1

BUDGETS = table("policy/budgets.toml")
SUFFIXES = frozenset(table("policy/names.toml")["suffixes"])
MEASURED = (*PRODUCTION, "scripts", "tests")


def lines(path: str) -> int:
    """Return the number of lines of a file."""
    return (ROOT / path).read_bytes().count(b"\n")


def sizes(module: Module) -> Iterator[tuple[str, str, int]]:
    """Yield the kind, the name and the size of the file, of each function and of each parameter list."""
    yield "file", module.path, lines(module.path)
    for function in functions(module.tree):
        name = f"{module.path}:{function.name}"
        given = function.args
        counted = [*given.posonlyargs, *given.args, *given.kwonlyargs, given.vararg, given.kwarg]
        yield "function", name, (function.end_lineno or function.lineno) - function.lineno + 1
        yield "parameters", name, sum(one is not None and one.arg not in ("self", "cls") for one in counted)


@pytest.mark.clause("REPO-2")
@pytest.mark.parametrize("kind", ["file", "function", "parameters"])
@pytest.mark.slow
def test_nothing_is_larger_than_its_limit(kind: str) -> None:
    """Each file, function and parameter list is within the general limit or its own, which has a reason."""
    exceptions = BUDGETS["exceptions"][kind]
    too_large = [
        f"{name}: {size} of {limit}"
        for module in modules(*MEASURED)
        for found, name, size in sizes(module)
        if found == kind and size > (limit := exceptions.get(name, {"limit": BUDGETS["limits"][kind]})["limit"])
    ]
    assert too_large == []


@pytest.mark.clause("REPO-2")
@pytest.mark.parametrize("kind", ["file", "function", "parameters"])
def test_each_exception_is_needed_and_has_a_reason(kind: str) -> None:
    """An exception that nothing needs any more is deleted, and none goes unexplained."""
    # A name such as __init__ may occur often in a file; the largest is the one that needs the exception.
    measured = sorted((name, size) for module in modules(*MEASURED) for one, name, size in sizes(module) if one == kind)
    found = dict(measured)
    general = BUDGETS["limits"][kind]
    stale = [name for name in BUDGETS["exceptions"][kind] if found.get(name, 0) <= general]
    unexplained = [name for name, given in BUDGETS["exceptions"][kind].items() if len(given["reason"]) < 20]
    assert (stale, unexplained) == ([], [])


@pytest.mark.clause("REPO-2")
def test_the_size_of_a_room_is_printed_where_it_changed() -> None:
    """Review sees each room that grew, shrank, came or went, with its lines and the change; no other."""
    before, after = Counter({"a": 5, "b": 7, "c": 1}), Counter({"a": 5, "b": 9, "d": 2})
    assert [line.split() for line in difference(before, after)] == [
        ["b", "9", "+2"],
        ["c", "0", "-1"],
        ["d", "2", "+2"],
    ]


@pytest.mark.clause("REPO-2")
def test_sizes_are_measured() -> None:
    """A function's lines run from its `def` to its end; every kind of parameter but self and cls counts."""
    tree = ast.parse("class A:\n  def f(self, a, /, b, *c, d, **e):\n    x = 1\n\n    return x\n")
    module = Module("tests/repo/__init__.py", tree)
    assert list(sizes(module))[1:] == [
        ("function", "tests/repo/__init__.py:f", 4),
        ("parameters", "tests/repo/__init__.py:f", 5),
    ]


def names(module: Module) -> Iterator[tuple[int, str]]:
    """Yield the line and name of the module and of each function, class, parameter and assigned variable."""
    yield 1, module.name.rpartition(".")[2]
    for node in ast.walk(module.tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield node.lineno, node.name
        elif isinstance(node, ast.arg):
            yield node.lineno, node.arg
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.lineno, node.id


def last_word(name: str) -> str:
    """Return the last word of a snake_case or CamelCase name, in lower case; nothing when it is the only one."""
    words = re.findall(r"[A-Z]?[a-z0-9]+|[A-Z]+(?![a-z])", name)
    return words[-1].casefold() if words and (len(words) > 1 or name.startswith("_")) else ""


@pytest.mark.clause("REPO-3")
def test_no_name_ends_in_an_empty_suffix() -> None:
    """No module, function, class, parameter or variable of ours is named by a suffix of the table."""
    exceptions = table("policy/names.toml")["exceptions"]
    wrong = [
        f"{module.path}:{line}: {name}"
        for module in modules(*MEASURED)
        for line, name in names(module)
        if last_word(name) in SUFFIXES and f"{module.path}:{name}" not in exceptions
    ]
    assert wrong == []


@pytest.mark.clause("REPO-3")
@pytest.mark.parametrize(
    ("name", "word"),
    [("run_impl", "impl"), ("_core", "core"), ("RingManager", "manager"), ("core", ""), ("encore", ""), ("jit", "")],
)
def test_the_last_word_of_a_name_is_found(name: str, word: str) -> None:
    """A name of one word is no suffix of anything; both spellings of compound names are split."""
    assert last_word(name) == word
