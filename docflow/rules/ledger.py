"""Rules on the history of reviews: orphans, laundering, versions that went back, and the lock."""

from __future__ import annotations

from collections.abc import Iterator

from docflow import lock
from docflow.corpus import Corpus, EdgeView
from docflow.model import Fault, edge_key
from docflow.rules.edges import OK, statuses
from docflow.schema import is_version


def orphaned_review(corpus: Corpus) -> Iterator[Fault]:
    """Require that every recorded review belongs to an edge."""
    for document in corpus.governed:
        edges = {(edge.section, edge.ref) for edge in document.edges}
        for review in document.reviews:
            if (review.section, review.ref) not in edges:
                key = edge_key(document.path, review.section, review.ref)
                yield Fault(document.path, review.line, key, f"a review of {key} is recorded, but nothing requires it")


def orphaned_lock(corpus: Corpus) -> Iterator[Fault]:
    """Require that every line of the lock belongs to an edge or a text that must be locked."""
    keys = {view.key for view in corpus.edges}
    lines = {key: entry.line for key, entry in corpus.lock.entries.items() if key not in keys}
    for key, line in lines.items():
        yield Fault(lock.FILE_NAME, line, key, f"the lock holds {key}, which is no edge")
    for name, text in corpus.lock.texts.items():
        if name not in corpus.lockable:
            yield Fault(lock.FILE_NAME, text.line, name, f"the lock holds {name}, which is no text to lock")


def missing_lock(corpus: Corpus) -> Iterator[Fault]:
    """Require that every reviewed edge has the fingerprints of the versions that the review saw."""
    if not corpus.has_lock:
        if corpus.lockable:
            message = f"there is no lock, so changes of {len(corpus.lockable)} normative or reviewed text(s) go unseen"
            yield Fault(lock.FILE_NAME, 1, lock.FILE_NAME, message)
        return
    for view in corpus.edges:
        if not is_locked(view) and statuses(view) == (OK,):
            line = view.review.line if view.review else view.edge.line
            message = f"{view.key} is reviewed, but the lock has no fingerprint of the reviewed versions"
            yield Fault(view.path, line, view.key, message)


def unlocked_text(corpus: Corpus) -> Iterator[Fault]:
    """Require that every normative text, and every end of an edge, is locked at its present version."""
    for name, seen in corpus.lockable.items() if corpus.has_lock else ():
        locked = corpus.lock.texts.get(name)
        if locked is None or locked.seen.version < seen.version:
            path, line = corpus.place(name)
            had = f", only {locked.seen.version}" if locked else ""
            yield Fault(path, line, name, f"the lock does not hold {name} at version {seen.version}{had}")


def is_locked(view: EdgeView) -> bool:
    """Say whether the lock holds fingerprints of the present versions of both sides."""
    entry = view.locked
    if entry is None or view.dep is None or entry.dep.version != view.dep.version:
        return False
    return view.own is None or (entry.self is not None and entry.self.version == view.own.version)


def version_backwards(corpus: Corpus) -> Iterator[Fault]:
    """Require that no version is lower than one that a review or the lock has seen."""
    highest = {name: text.seen.version for name, text in corpus.lock.texts.items()}
    for view in corpus.edges:
        entry, review = view.locked, view.review
        seen = [(view.edge.ref, review.dep_version), (view.own_name, review.self_version)] if review else []
        if entry is not None:
            seen.append((view.edge.ref, entry.dep.version))
            if entry.self is not None:
                seen.append((view.own_name, entry.self.version))
        for name, version in seen:
            if is_version(version) and version > highest.get(name, 0):  # type: ignore[operator]
                highest[name] = version  # type: ignore[assignment]
    for name, seen in sorted(highest.items()):
        present = corpus.texts.get(name)
        if present is not None and present.version < seen:
            path, anchor = name.partition("#")[::2]
            document = corpus.documents[path]
            lines = (section.line for section in document.sections if section.anchor == anchor)
            line = next(lines, document.field_lines.get("doc_id", 1))
            yield Fault(
                path, line, name, f"{name} is at version {present.version}, but version {seen} has been reviewed"
            )


def laundered_review(corpus: Corpus) -> Iterator[Fault]:
    """Require that a note speaks of one edge: the same words must not stand on more than `same_note_limit` of them.

    A document edge and the section edges to the same target count as one.
    """
    limit = corpus.config.same_note_limit
    rows = [(path, review, normal(review.note)) for path, review in corpus.reviews]
    users: dict[str, set[tuple[str, str]]] = {}
    for path, review, note in rows:
        users.setdefault(note, set()).add((path, review.ref))
    for path, review, note in rows:
        count = len(users[note])
        if note and count > limit:
            key = edge_key(path, review.section, review.ref)
            yield Fault(
                path,
                review.line,
                key,
                f"{key} bears a note that stands on {count} edges (at most {limit} may share one)",
            )


def normal(note: object) -> str:
    """Return a note with case and blanks evened out, so that trivial edits do not make it another."""
    return " ".join(note.lower().split()) if isinstance(note, str) else ""
