"""Theorems that hold by definition: Agda computes both sides, perhaps case by case, and finds them the same.

Their proofs are `refl` and nothing else, so they say what the definitions are, not that something follows from them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

from agda.tools.files import AGDA_ROOT
from agda.tools.sources import code

_EMPTY: Final = re.compile(r"^refl$|^absurd \(\w+ refl\)$|^\(?λ \(\)\)?$")
"""What a proof by computation ends in: `refl`, or the contradiction of a case that a hypothesis excludes."""


def by_definition(theorems: Iterable[str], root: Path = AGDA_ROOT) -> set[str]:
    """Return which theorems, each as `Module.name`, are proved by `refl` in every case.

    Cost: one read of each module.
    """
    found: set[str] = set()
    for module, names in _by_module(theorems).items():
        text = code((root / f"{module.replace('.', '/')}.agda").read_text(encoding="utf-8"))
        found.update(f"{module}.{name}" for name in names if _is_computed(name, text))
    return found


def _by_module(theorems: Iterable[str]) -> dict[str, list[str]]:
    modules: dict[str, list[str]] = {}
    for theorem in theorems:
        module, _, name = theorem.rpartition(".")
        modules.setdefault(module, []).append(name)
    return modules


def _is_computed(name: str, text: str) -> bool:
    clauses = list(_clauses(name, text))
    return bool(clauses) and all(_ends_empty(clause) for clause in clauses)


def _clauses(name: str, text: str) -> Iterator[str]:
    """Yield the defining clauses of a name, each with the lines that go on with it, as one line."""
    blocks = re.split(r"\n(?=[^\s])", text)
    inside = False
    for block in blocks:
        joined = " ".join(block.split())
        if joined.startswith(f"{name} : "):
            inside = True
        elif inside and (joined == name or joined.startswith((f"{name} ", "... "))):
            yield joined
        elif inside:
            return


def _ends_empty(clause: str) -> bool:
    """Say whether a clause is `refl` at once, or the empty case: with no `with`, no `rewrite` and no local proof."""
    if re.search(r" (?:with|rewrite|where) ", f"{clause} "):
        return False
    _, mark, right = clause.partition(" = ")
    return bool(_EMPTY.match(right.strip())) if mark else "()" in clause
