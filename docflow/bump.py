"""`docflow bump`: new versions for texts that changed, against a git revision and the lock; and the lock itself."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from docflow import files, git, lock
from docflow.corpus import Corpus
from docflow.edit import Change
from docflow.lock import Seen
from docflow.model import Document
from docflow.read import read
from docflow.review import edited, kept
from docflow.rules.edges import changed_sides, is_changed


def old_documents(root: Path, corpus: Corpus, base: str) -> Iterator[Document]:
    """Yield the governed documents that differ from `base`, as they were there.

    Errors: `DocflowError` if `root` is not in a git work tree or `base` is no commit.
    """
    git.require_commit(root, base)
    ours = [name for name in git.changed(root, base) if name in corpus.documents and corpus.documents[name].is_governed]
    for name, data in git.contents(root, base, ours).items():
        yield read(name, data)


def plan(corpus: Corpus, base: str = "") -> dict[str, dict[str, tuple[int, int]]]:
    """Return, for each document, the versions to raise: section (empty: the document) -> (now, new).

    A section is raised if its text differs from the one at `base`, or from the one in the lock, under the same
    version. A document is raised with any of its sections, if its text differs from the one at `base`, and if it is
    behind one of its sections. The versions of a light document are those of the lock.

    Without a `base` it is HEAD; where there is no commit yet, the lock alone decides.
    """
    if not base and corpus.has_lock and not git.has_commit(corpus.root):
        before: dict[str, Document] = {}
    else:
        before = {old.path: old for old in old_documents(corpus.root, corpus, base or "HEAD")}
    raised = {path: dict(_raised_sections(old, corpus.documents[path])) for path, old in before.items()}
    for name in _changed(corpus):
        path, _, anchor = name.partition("#")
        version = corpus.texts[name].version
        raised.setdefault(path, {}).setdefault(anchor, (version, version + 1))
    for document in corpus.governed:
        versions = raised.setdefault(document.path, {})
        needed = _needed_revision(before.get(document.path), document, versions)
        if document.revision is not None and needed > document.revision:
            versions[""] = (document.revision, needed)
    return {path: versions for path, versions in sorted(raised.items()) if versions}


def _changed(corpus: Corpus) -> Iterator[str]:
    """Yield the names of the texts that differ from the lock, or from a review, under the same version."""
    for name, text in corpus.lock.texts.items():
        if is_changed(text.seen, corpus.texts.get(name)):
            yield name
    for view in corpus.edges:
        yield from changed_sides(view)


def locked(corpus: Corpus, raised: Mapping[str, Mapping[str, tuple[int, int]]]) -> dict[str, Seen]:
    """Return the present texts that must be locked, at the versions that they have once they are raised."""
    new = {
        f"{path}#{anchor}" if anchor else path: version
        for path, versions in raised.items()
        for anchor, (_, version) in versions.items()
    }
    return {name: Seen(new.get(name, seen.version), seen.fingerprint) for name, seen in corpus.lockable.items()}


def apply(corpus: Corpus, raised: Mapping[str, Mapping[str, tuple[int, int]]]) -> None:
    """Write the documents that state versions, each atomically, then the lock.

    Stopped between two writes, the next run completes it: what was raised is not raised again.
    """
    entries, root = kept(corpus), corpus.root
    stated = {path: changes(versions) for path, versions in raised.items() if not corpus.documents[path].is_light}
    new = {path: edited(root, path, wanted) for path, wanted in stated.items()}
    for path, data in new.items():
        files.replace(root / path, data)
    data = lock.render(entries, locked(corpus, raised), corpus.lock.accepted)
    if not corpus.has_lock or (root / lock.FILE_NAME).read_bytes() != data:
        files.replace(root / lock.FILE_NAME, data)


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
