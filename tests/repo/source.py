"""The files of the repository as its tests see them: what git tracks or would track, and its syntax trees."""

from __future__ import annotations

import ast
import subprocess
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
PRODUCTION = ("prism", "docflow", "policy", "agda")


@dataclass(frozen=True, slots=True)
class Module:
    """One Python file: its path from the root, and its tree."""

    path: str
    tree: ast.Module

    @property
    def name(self) -> str:
        """The dotted name; a package is named without `__init__`."""
        return self.path.removesuffix(".py").removesuffix("/__init__").replace("/", ".")


@cache
def files() -> tuple[str, ...]:
    """Return the path of each file that git tracks, or that it would add."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    return tuple(sorted({path for path in listed.split("\0") if path and (ROOT / path).is_file()}))


@cache
def modules(*packages: str) -> tuple[Module, ...]:
    """Return the Python files under the given top-level folders."""
    return tuple(
        Module(path, ast.parse((ROOT / path).read_text(encoding="utf-8"), path))
        for path in files()
        if path.endswith(".py") and path.partition("/")[0] in packages
    )


def table(path: str) -> dict[str, Any]:
    """Read a TOML file of the repository."""
    return tomllib.loads((ROOT / path).read_text(encoding="utf-8"))


def functions(tree: ast.AST) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    """Yield every function, nested ones and methods included."""
    return (node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))


def dotted(node: ast.expr) -> str:
    """Return `a.b` for a name or an attribute of a name, the last name alone for a deeper one, else nothing."""
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute):
        return f"{node.value.id}.{node.attr}" if isinstance(node.value, ast.Name) else node.attr
    return ""


def strings(tree: ast.AST) -> Iterator[str]:
    """Yield every string constant and every literal part of an f-string, docstrings left out."""
    documented = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    docstrings = {
        id(node.body[0].value)
        for node in ast.walk(tree)
        if isinstance(node, documented) and node.body and isinstance(node.body[0], ast.Expr)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in docstrings:
            yield node.value
