"""Each test states its law and asserts something."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import cache

import pytest

from tests.repo.source import Module, functions, modules

pytestmark = [pytest.mark.m1, pytest.mark.clause("REPO-6")]

_ASSERTING = frozenset({"raises", "warns", "fail", "fullmatch_lines", "fnmatch_lines", "assert_outcomes"})


def written_tests(module: Module) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    """Yield the test functions and methods of a test file, and the rules of its state machines."""
    if module.path.rpartition("/")[2].startswith("test_"):
        yield from (one for one in functions(module.tree) if one.name.startswith("test_"))


def called(node: ast.AST) -> set[str]:
    """Return the last names of all calls under `node`."""
    return {
        call.func.attr if isinstance(call.func, ast.Attribute) else call.func.id
        for call in ast.walk(node)
        if isinstance(call, ast.Call) and isinstance(call.func, ast.Attribute | ast.Name)
    }


def asserts(node: ast.AST, known: frozenset[str] | set[str]) -> bool:
    """Tell whether `node` has an assertion, an expected failure, or a call of a function that has one."""
    if any(isinstance(inner, ast.Assert) for inner in ast.walk(node)):
        return True
    names = called(node)
    return bool(names & _ASSERTING or names & known) or any(name.startswith("assert_") for name in names)


@cache
def asserting_functions() -> frozenset[str]:
    """Return the names of all functions under tests/ that assert, themselves or through another one."""
    known: set[str] = set()
    everything = [one for module in modules("tests") for one in functions(module.tree)]
    while more := {one.name for one in everything if one.name not in known and asserts(one, known)}:
        known |= more
    return frozenset(known)


def test_each_test_states_its_law() -> None:
    """The docstring of a test is a sentence, not a repetition of its name."""
    silent = [
        f"{module.path}:{test.lineno}: {test.name}"
        for module in modules("tests")
        for test in written_tests(module)
        if len((ast.get_docstring(test) or "").split()) < 4
    ]
    assert silent == []


@pytest.mark.slow
def test_each_test_asserts_something() -> None:
    """A test without an assertion or an expected failure, its own or a called one, checks nothing."""
    idle = [
        f"{module.path}:{test.lineno}: {test.name}"
        for module in modules("tests")
        for test in written_tests(module)
        if not asserts(test, asserting_functions())
    ]
    assert idle == []


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ("assert x", True),
        ("with pytest.raises(E):\n  f()", True),
        ("check(x)", True),
        ("f(x)", False),
        ("x = 1", False),
    ],
)
def test_assertions_are_recognised(body: str, expected: bool) -> None:
    """A call counts only if the called function is known to assert."""
    assert asserts(ast.parse(body), {"check"}) is expected
