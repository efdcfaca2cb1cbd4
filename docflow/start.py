"""`docflow init`: the smallest tree that docflow governs, and what to do with it."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from docflow import config, corpus, files, review
from docflow.errors import DocflowError
from docflow.rules import IDS

_SETTINGS: Final = """# What `docflow check` reads here; every key is optional.
[documents]
include = ["*.md"]
"""
_LAW: Final = """---
doc_id: law
doc_authority: normative
doc_sections: [law]
---
<a id="law"></a>
# The law

<a id="law-1"></a>
**[LAW-1]** An order that was accepted is never lost.
"""
_USE: Final = """---
doc_id: use
doc_authority: informative
doc_requires: [{folder}law.md#law]
doc_sections: [use]
---
<a id="use"></a>
# How we use it

We retry for a day, as [the law](law.md#law) demands.
"""
_ATTRIBUTE: Final = "docflow.lock merge=union\n"
NEXT: Final = """next:
  docflow check                          # ok: both documents are governed, locked and reviewed
  (change the sentence of LAW-1 in {folder}law.md)
  docflow check                          # finds that a locked text changed
  docflow bump                           # gives it a new version: this was meant
  docflow check                          # finds that {folder}use.md was written against the old one
  docflow review {folder}use.md --outcome no_change --note 'A day is still enough.'
  docflow check                          # ok again; commit docflow.lock with the documents
"""


def init(root: Path, folder: str) -> list[str]:
    """Write two documents, settings, the lock and a line of .gitattributes; return the paths that were written.

    Errors: `DocflowError` if one of the files is there already; then nothing is written.
    """
    prefix = f"{folder.strip('/')}/" if folder.strip("/.") else ""
    new = {f"{prefix}law.md": _LAW, f"{prefix}use.md": _USE.format(folder=prefix)}
    if not (root / config.FILE_NAME).exists():
        new[config.FILE_NAME] = _SETTINGS
    for path in new:
        if (root / path).exists():
            raise DocflowError(f"{path} must not exist yet to be written; name another folder: docflow init FOLDER")
    attributes = root / ".gitattributes"
    old = attributes.read_text(encoding="utf-8") if attributes.is_file() else ""
    if "docflow.lock" not in old:
        new[".gitattributes"] = old + ("" if old.endswith("\n") or not old else "\n") + _ATTRIBUTE
    for path, text in new.items():
        files.replace(root / path, text.encode())
    tree = corpus.load(root, config.load(root, IDS))
    review.apply(root, review.adopt(tree))
    tree = corpus.load(root, config.load(root, IDS))
    note = "Retrying for a day loses no accepted order."
    review.apply(root, review.plan(tree, [f"{prefix}use.md"], outcome="no_change", note=note))
    return [*new, "docflow.lock"]
