"""`docflow review`: record that someone compared the two texts of an edge, in the lock or the frontmatter."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from docflow import edit, files, lock, names
from docflow.corpus import Corpus, EdgeView
from docflow.edit import Change
from docflow.errors import DocflowError
from docflow.lock import Entry, Seen
from docflow.model import OUTCOMES
from docflow.rules.edges import OK, is_changed, statuses
from docflow.rules.ledger import is_locked, normal


@dataclass(frozen=True, slots=True)
class Plan:
    """What a review will write: frontmatter changes by document, and the whole new lock."""

    views: tuple[EdgeView, ...]
    changes: Mapping[str, Sequence[Change]]
    entries: Mapping[str, Entry]
    texts: Mapping[str, Seen]
    accepted: Mapping[str, str]


def plan(corpus: Corpus, refs: Iterable[str], *, outcome: str, note: str) -> Plan:
    """Resolve what was reviewed. An edge named in full is stamped anew; of a section or file, only what needs it.

    Errors: `DocflowError` for an unknown name, an unknown outcome, an empty note, a target without a version, or a
    note that would stand on more edges than `same_note_limit` allows.
    """
    note = " ".join(note.split())
    if outcome not in OUTCOMES:
        raise DocflowError(f"outcome must be {' or '.join(OUTCOMES)}, got {outcome!r}")
    if not note:
        raise DocflowError("a review needs a note that says what was compared and found, got an empty one")
    chosen: dict[str, EdgeView] = {}
    for ref in refs:
        views, is_one = names.edges(corpus, ref)
        chosen |= {view.key: view for view in views if is_one or needs_review(view)}
    for view in chosen.values():
        if view.dep is None:
            raise DocflowError(
                f"{view.key}: {view.edge.ref} has no version to review; correct the reference or version its target"
            )
        if view.edge.section and view.own is None:
            raise DocflowError(f"{view.key}: section {view.edge.section} has no version; add it to doc_sections")
    _refuse_unbumped(corpus, chosen.values())
    _refuse_laundering(corpus, chosen.values(), note)
    changes: dict[str, list[Change]] = {}
    entries = kept(corpus)
    for view in chosen.values():
        assert view.dep is not None
        if corpus.documents[view.path].is_light:
            entries[view.key] = Entry(view.dep, view.own, outcome=outcome, note=note)
        else:
            entries[view.key] = Entry(view.dep, view.own)
            changes.setdefault(view.path, []).extend(_stamp(view, outcome, note))
    return Plan(tuple(chosen.values()), changes, entries, _present_texts(corpus), corpus.lock.accepted)


def needs_review(view: EdgeView) -> bool:
    """Say whether an edge is not ok, or ok without fingerprints."""
    return statuses(view) != (OK,) or not is_locked(view)


def _present_texts(corpus: Corpus) -> dict[str, Seen]:
    """Return every text to lock: as it is, unless it changed under its version, which `docflow bump` must see."""
    locked = kept_texts(corpus)
    return {
        name: locked[name] if is_changed(locked.get(name), seen) else seen for name, seen in corpus.lockable.items()
    }


def kept(corpus: Corpus) -> dict[str, Entry]:
    """Return the lock's entries that belong to an edge.

    Errors: `DocflowError` if the lock holds what is no line of a lock, such as the marks of a conflict.
    """
    for defect in corpus.lock.defects:
        if defect.rule == "lock_syntax":
            raise DocflowError(
                f"{lock.FILE_NAME}:{defect.line} must be sound to be written again: {defect.message}; resolve it first"
            )
    keys = {view.key for view in corpus.edges}
    return {key: entry for key, entry in corpus.lock.entries.items() if key in keys}


def kept_texts(corpus: Corpus) -> dict[str, Seen]:
    """Return the lock's texts that must still be locked, as they are locked."""
    return {name: text.seen for name, text in corpus.lock.texts.items() if name in corpus.lockable}


def _refuse_unbumped(corpus: Corpus, chosen: Iterable[EdgeView]) -> None:
    for view in chosen:
        for name in (view.own_name, view.edge.ref):
            locked = corpus.lock.texts.get(name)
            if locked is not None and is_changed(locked.seen, corpus.texts.get(name)):
                raise DocflowError(f"{view.key}: {name} changed under its version; run `docflow bump`, then review")


def _refuse_laundering(corpus: Corpus, chosen: Iterable[EdgeView], note: str) -> None:
    users = {(view.path, view.edge.ref) for view in chosen} | {
        (path, review.ref) for path, review in corpus.reviews if normal(review.note) == normal(note)
    }
    if len(users) > corpus.config.same_note_limit:
        edges = "\n  ".join(sorted(f"{path} -> {ref}" for path, ref in users))
        raise DocflowError(
            f"one note may stand on at most {corpus.config.same_note_limit} edges, "
            f"this one would stand on {len(users)}; "
            f"review them one by one, each with its own note:\n  {edges}"
        )


def _stamp(view: EdgeView, outcome: str, note: str) -> list[Change]:
    ref, dep = view.edge.ref, view.dep
    assert dep is not None
    if not view.edge.section:
        return [(("doc_reviewed_as_of", ref), dep.version), (("doc_review_notes", ref), note)]
    assert view.own is not None
    entry = {"dep_version": dep.version, "self_version_at_review": view.own.version, "outcome": outcome, "note": note}
    return [(("doc_section_reviews", view.edge.section, ref, key), value) for key, value in entry.items()]


def apply(root: Path, planned: Plan) -> None:
    """Write the documents, each atomically, then the lock.

    Stopped between two writes, the edges of the documents that were written lack their fingerprints, which
    `missing_lock` or `unbumped` report; running the same review again completes it. Nothing is ever half a file.
    """
    new = {path: edited(root, path, changes) for path, changes in planned.changes.items()}
    for path, data in new.items():
        files.replace(root / path, data)
    files.replace(root / lock.FILE_NAME, lock.render(planned.entries, planned.texts, planned.accepted))


def edited(root: Path, path: str, changes: Sequence[Change]) -> bytes:
    """Return a document's bytes with the changes in its frontmatter."""
    return edit.rewrite(path, (root / path).read_bytes(), lambda head: edit.assign(path, head, changes))


def adopt(corpus: Corpus) -> Plan:
    """Return the lock in which every fresh review and every text that had no line has one.

    This trusts that nothing changed since those reviews; lines that exist are never touched.
    """
    views = tuple(view for view in corpus.edges if view.locked is None and view.dep and statuses(view) == (OK,))
    entries = kept(corpus)
    entries |= {view.key: Entry(view.dep, view.own) for view in views if view.dep}
    return Plan(views, {}, entries, {**corpus.lockable, **kept_texts(corpus)}, corpus.lock.accepted)


def accept(corpus: Corpus, names: Iterable[str], note: str) -> Plan:
    """Return the lock in which these changes against a base are meant, for the reason in the note.

    Errors: `DocflowError` for an empty note, or a note that an acceptance in the lock bears already.
    """
    note = " ".join(note.split())
    if not note:
        raise DocflowError("to accept a change needs a note that says why it was meant, got an empty one")
    if note in corpus.lock.accepted.values():
        raise DocflowError("a note that accepts a change must be new, this one stands in the lock; say why now")
    decided = {**corpus.lock.accepted, **{" ".join(name.split()): note for name in names}}
    return Plan((), {}, kept(corpus), kept_texts(corpus), decided)
