"""Which tests of a Python file pytest runs and can see fail, by the syntax tree alone: nothing is imported."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

NOT_COLLECTED: Final = "pytest does not collect it"
SHADOWED: Final = "its name is bound again below it, so pytest does not collect it"
_SKIPPED: Final = "it is always skipped, or allowed to fail"
_NO_CASE: Final = "it is run over no case"
_LEAVES: Final = "it ends before it checks anything"
_EMPTY: Final = "nothing in it can fail"

Function = ast.FunctionDef | ast.AsyncFunctionDef


def tests_of(name: str, body: Sequence[ast.stmt]) -> Iterator[tuple[str, str]]:
    """Yield the id of each test that pytest collects by its default rules, and why it witnesses nothing, if so.

    Rules: functions `test*`, classes `Test*` without `__init__`, nothing inside other statements. name: the id of what
    has the body.
    """
    if _is_untested(body):
        return
    whole = _marks(body)
    last = last_bindings(body)
    for node in body:
        if isinstance(node, Function) and node.name.startswith("test"):
            yield f"{name}::{node.name}", _why_not(node, whole) if last[node.name] is node else SHADOWED
        elif isinstance(node, ast.ClassDef) and last[node.name] is node and _is_collected(node):
            outer = _skips([*whole, *node.decorator_list])
            yield from ((test, outer or why) for test, why in tests_of(f"{name}::{node.name}", node.body))


def _is_collected(node: ast.ClassDef) -> bool:
    has_init = any(isinstance(one, Function) and one.name == "__init__" for one in node.body)
    return node.name.startswith("Test") and not has_init


def _is_untested(body: Sequence[ast.stmt]) -> bool:
    """Say whether a module or class has `__test__ = False`."""
    return any(isinstance(node, ast.Assign) and _binds(node, "__test__") and _is_false(node.value) for node in body)


def _marks(body: Sequence[ast.stmt]) -> list[ast.expr]:
    """Return the marks of a module or class: what its `pytestmark` holds."""
    values = [node.value for node in body if isinstance(node, ast.Assign) and _binds(node, "pytestmark")]
    return [mark for value in values for mark in (value.elts if isinstance(value, ast.List | ast.Tuple) else [value])]


def _binds(node: ast.Assign, name: str) -> bool:
    return any(isinstance(target, ast.Name) and target.id == name for target in node.targets)


def last_bindings(body: Sequence[ast.stmt]) -> Mapping[str, ast.stmt]:
    """Return the statement that binds each name last, or deletes it."""
    last: dict[str, ast.stmt] = {}
    for node in body:
        if isinstance(node, Function | ast.ClassDef):
            last[node.name] = node
        elif isinstance(node, ast.Assign | ast.Delete):
            last.update((target.id, node) for target in node.targets if isinstance(target, ast.Name))
        elif isinstance(node, ast.Import | ast.ImportFrom):
            last.update((one.asname or one.name, node) for one in node.names)
    return last


def _why_not(node: Function, whole: Sequence[ast.expr]) -> str:
    skips = _skips([*whole, *node.decorator_list])
    if skips:
        return skips
    body = node.body[1:] if _is_constant(node.body[0]) else node.body
    if body and _leaves(body[0]):
        return _LEAVES
    return "" if any(map(_can_fail, body)) else _EMPTY


def _skips(marks: Sequence[ast.expr]) -> str:
    """Say why a test with these marks or decorators is never judged."""
    for mark in marks:
        call = mark if isinstance(mark, ast.Call) else None
        name = _last_name(call.func if call else mark)
        given = list(call.args) if call else []
        if name in {"skip", "xfail", "expectedFailure"} and not (given and _is_false(given[0])):
            return _SKIPPED
        if name in {"skipif", "skipIf"} and given and isinstance(given[0], ast.Constant) and given[0].value:
            return _SKIPPED
        if (
            name == "parametrize"
            and len(given) > 1
            and isinstance(given[1], ast.List | ast.Tuple)
            and not given[1].elts
        ):
            return _NO_CASE
    return ""


def _last_name(node: ast.expr) -> str:
    return node.attr if isinstance(node, ast.Attribute) else node.id if isinstance(node, ast.Name) else ""


def _is_false(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and not node.value


def _is_constant(node: ast.stmt) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)


def _leaves(node: ast.stmt) -> bool:
    """Say whether a statement ends a test without failing it."""
    if isinstance(node, ast.Return):
        return node.value is None or isinstance(node.value, ast.Constant)
    call = node.value if isinstance(node, ast.Expr) else node.exc if isinstance(node, ast.Raise) else None
    name = _last_name(call.func if isinstance(call, ast.Call) else call) if call is not None else ""
    return name in {"skip", "skipTest", "SkipTest", "xfail"}


def _can_fail(node: ast.stmt) -> bool:
    """Say whether a statement may end otherwise than well: all but constants, `pass`, and what is true as it stands."""
    if isinstance(node, ast.Assert):
        return not (isinstance(node.test, ast.Constant) and node.test.value)
    if isinstance(node, ast.Assign | ast.AnnAssign | ast.Return):
        return node.value is not None and not isinstance(node.value, ast.Constant | ast.Name)
    return not (_is_constant(node) or isinstance(node, ast.Pass | ast.Global | ast.Nonlocal))
