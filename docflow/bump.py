"""`docflow bump`: new versions for texts that changed, against a git revision and against the lock."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path

from docflow.corpus import Corpus
from docflow.edit import Change
from docflow.errors import DocflowError
from docflow.model import Document
from docflow.read import read
from docflow.rules.edges import changed_sides


def git(root: Path, *arguments: str) -> bytes | None:
    """Run git in `root` and return what it prints, None if it fails."""
    try:
        done = subprocess.run(["git", "-C", str(root), *arguments], capture_output=True, check=False)
    except FileNotFoundError:
        return None
    return done.stdout if done.returncode == 0 else None


def old_documents(root: Path, corpus: Corpus, base: str) -> Iterator[Document]:
    """Yield the governed documents that differ from `base`, as they were there.

    Errors: `DocflowError` if `root` is not in a git work tree or `base` is no commit.
    """
    if git(root, "rev-parse", "--verify", "--quiet", f"{base}^{{commit}}") is None:
        raise DocflowError(f"{root} must be in a git work tree that knows the commit {base}; name another with --base")
    listing = git(root, "diff", "--name-only", "-z", "--relative", base, "--", ".") or b""
    for name in listing.decode("utf-8", "replace").split("\0"):
        document = corpus.documents.get(name)
        data = git(root, "show", f"{base}:./{name}") if document and document.is_governed else None
        if data is not None:
            yield read(name, data)


def plan(corpus: Corpus, base: str) -> dict[str, dict[str, tuple[int, int]]]:
    """Return, for each document, the versions to raise: section (empty: the document) -> (now, new).

    A section is raised if its text differs from the one at `base`, or from the one in the lock, under the same
    version. A document is raised with any of its sections, if its text differs from the one at `base`, and if it is
    behind one of its sections.
    """
    before = {old.path: old for old in old_documents(corpus.root, corpus, base)}
    raised = {path: dict(_raised_sections(old, corpus.documents[path])) for path, old in before.items()}
    for view in corpus.edges:
        for name in changed_sides(view):
            path, _, anchor = name.partition("#")
            version = corpus.texts[name].version
            raised.setdefault(path, {}).setdefault(anchor, (version, version + 1))
    for document in corpus.governed:
        versions = raised.setdefault(document.path, {})
        needed = _needed_revision(before.get(document.path), document, versions)
        if document.revision is not None and needed > document.revision:
            versions[""] = (document.revision, needed)
    return {path: versions for path, versions in sorted(raised.items()) if versions}


def _raised_sections(old: Document, new: Document) -> Iterator[tuple[str, tuple[int, int]]]:
    before = {section.anchor: section for section in old.sections}
    for section in new.sections:
        was = before.get(section.anchor)
        if not (was and was.version and section.version and section.start):
            continue
        if section.fingerprint != was.fingerprint and section.version <= was.version:
            yield section.anchor, (section.version, was.version + 1)


def _needed_revision(old: Document | None, new: Document, versions: Mapping[str, tuple[int, int]]) -> int:
    """Return the least revision that a document may have; one without an old state is as it was at the base."""
    least = max(
        [section.version or 0 for section in new.sections] + [version for _, version in versions.values()] + [0]
    )
    if versions or (old is not None and old.fingerprint != new.fingerprint):
        was = old.revision if old is not None else new.revision
        least = max(least, (was or 0) + 1)
    return least


def changes(versions: Mapping[str, tuple[int, int]]) -> list[Change]:
    """Return the frontmatter changes that raise one document's versions."""
    return [((("doc_sections", anchor) if anchor else ("doc_revision",)), new) for anchor, (_, new) in versions.items()]
