"""A small clean tree of documents for docflow's tests, and ways to spoil it."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from docflow import config, corpus, review, rules
from docflow.corpus import Corpus
from docflow.model import Finding

BASE = """---
doc_id: base
doc_revision: 3
doc_role: chapter
doc_scope: [demo]
doc_authority: normative
doc_requires: []
doc_sections:
  base: 2
---
<a id="base"></a>
# Base

<a id="base-1"></a>
**[BASE-1]** A law that holds.
"""

USER = """---
doc_id: user
doc_revision: 4
doc_role: chapter
doc_scope: [demo]
doc_authority: informative
doc_requires:
  - base.md#base
  - base.md
doc_reviewed_as_of:
  base.md#base: 2
  base.md: 3
doc_review_notes:
  base.md#base: "The law is used as it is stated."
  base.md: "The document still has one law."
doc_sections:
  user: 1
doc_section_requires:
  user:
    - base.md#base
doc_section_reviews:
  user:
    base.md#base:
      dep_version: 2
      self_version_at_review: 1
      outcome: no_change
      note: "The section applies the law to its own case."
---
<a id="user"></a>
# User

Rests on [the base](base.md#base), see all of base.md.
"""

SETTINGS = """[trace]
tests = ["tests"]
commitments = "commitments.toml"
"""

MARKED = """import pytest


@pytest.mark.clause("BASE-1")
def test_law():
    assert law()
"""

FILES = {"base.md": BASE, "user.md": USER, "docflow.toml": SETTINGS, "tests/test_marked.py": MARKED}

LIGHT = {
    "base.md": """---
doc_id: base
doc_authority: normative
doc_sections: [base]
---
<a id="base"></a>
# Base

<a id="base-1"></a>
**[BASE-1]** A law that holds.
""",
    "user.md": """<a id="user"></a>
# User

Rests on [the base](base.md#base).

<!-- docflow
doc_id: user
doc_authority: informative
doc_requires: [base.md#base]
doc_sections: [user]
-->
""",
}
"""The tree again without versions and reviews: those stand in the lock."""

Edit = tuple[str, str | bytes | None, str | bytes | None]
"""(path, old, new): replace in a file; old None: the whole file; new None: delete it."""


def write(root: Path, *, is_locked: bool = True) -> Path:
    """Write the clean tree, with its lock."""
    for path, text in FILES.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(text, encoding="utf-8")
    if is_locked:
        adopt(root)
    return root


def write_light(root: Path) -> Path:
    """Write the light tree, reviewed and locked."""
    for path, text in (FILES | LIGHT).items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(text, encoding="utf-8")
    adopt(root)
    note = "The section applies the law."
    review.apply(root, review.plan(load(root), ["user.md"], outcome="no_change", note=note))
    return root


def adopt(root: Path) -> None:
    """Lock what is fresh and has no line, as the command does."""
    review.apply(root, review.adopt(load(root)))


def spoil(root: Path, edits: Iterable[Edit]) -> None:
    """Apply edits; a text that is to be replaced must be there."""
    for path, old, new in edits:
        file = root / path
        if new is None:
            file.unlink()
            continue
        content = new.encode() if isinstance(new, str) else new
        if old is not None:
            before = old.encode() if isinstance(old, str) else old
            assert before in file.read_bytes(), f"{path} must hold {before!r}"
            content = file.read_bytes().replace(before, content, 1)
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)


def load(root: Path) -> Corpus:
    """Read a tree as the command does."""
    return corpus.load(root, config.load(root, rules.IDS))


def findings(root: Path) -> list[Finding]:
    """Check a tree as the command does."""
    return rules.check(load(root))


def found(root: Path) -> set[tuple[str, str, int]]:
    """Return (rule, path, line) of every finding."""
    return {(one.rule, one.path, one.line) for one in findings(root)}
