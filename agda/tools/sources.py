"""What a source of proofs may not contain: whatever lets a statement keep its words and change its meaning."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

from agda.tools.files import AGDA_ROOT, modules

PRAGMA: Final = "{-# OPTIONS --safe --without-K #-}"
_PRAGMA: Final = re.compile(r"\{-#.*?#-\}", re.DOTALL)
_COMMENT: Final = re.compile(r"\{-(?!#).*?-\}|(?<![^\s{}()_;.\"@])--(?![^\s{}()_;.\"@]).*?$", re.DOTALL | re.MULTILINE)
_PRINTS: Final = re.compile(r"(?m)(?:^|[\s;({])(syntax|pattern|renaming|unquoteDecl|unquoteDef|macro|primitive)(?=\s)")
"""Words with which a source may decide how Agda prints a name, or make declarations that no reader sees."""
_DECLARED: Final = re.compile(
    r"(?m)^[ ]*(?:data[ ]+|record[ ]+|field[ ]+)?([^\s(){};\".@]+(?:[ ]+[^\s(){};\".@]+)*?)[ ]+:[ ]"
)
_VARIABLES: Final = re.compile(r"(?m)^([ ]*)variable\n(?:\1[ ]+.*\n|\n)*")
"""Names that stand for bound variables define nothing."""
_DEFINING: Final = (".Base", ".Generated")
"""The modules whose whole text the manifest hashes."""


def pragma_findings(root: Path = AGDA_ROOT) -> Iterator[str]:
    """Yield every pragma but the one with which each module begins, and words outside of hashed modules that change
    how types print.
    """
    for name in modules(root):
        text = _source(root, name)
        for pragma in _PRAGMA.findall(text)[1 if text.startswith(PRAGMA) else 0 :]:
            yield f"{name}: its only pragma must be the first line, {PRAGMA}, got {' '.join(pragma.split())}"
        if '"' in code(text) and not name.endswith(_DEFINING):
            yield f"{name}: a quotation mark may not occur, for it can hide the beginning of a comment"
        for word in () if name.endswith(_DEFINING) else _PRINTS.findall(code(text)):
            yield f"{name}: {word!r} may not occur, for it can make a statement print as another; write the name out"


def place_findings(stated: Mapping[str, str], root: Path = AGDA_ROOT) -> Iterator[str]:
    """Yield every definition that a statement mentions and that stands where no hash covers it.

    stated: the elaborated statement of every theorem.
    """
    mentioned = {part for text in stated.values() for word in re.split(r"[\s(){};]+", text) for part in word.split(".")}
    theorems = {name.rpartition(".")[2] for name in stated}
    for name in modules(root):
        if name.endswith(_DEFINING) or not name.startswith("Prism."):
            continue
        text = _VARIABLES.sub("", code(_source(root, name)))
        declared = {word for words in _DECLARED.findall(text.partition(" where")[2]) for word in words.split()}
        for word in sorted((declared & mentioned) - theorems):
            yield f"{name}: {word!r} is mentioned by a statement and must be defined in a Base module, which is hashed"


def code(text: str) -> str:
    """Return a source without its comments."""
    return _COMMENT.sub("", text)


def _source(root: Path, module: str) -> str:
    return (root / f"{module.replace('.', '/')}.agda").read_text(encoding="utf-8")
