"""`docflow light`: versions, reviews and notes move from the frontmatter of documents into the lock, each note once."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from docflow import edit, files, lock
from docflow.corpus import Corpus, EdgeView
from docflow.errors import DocflowError
from docflow.lock import Entry, Lock, Seen, Text
from docflow.model import Document, edge_key
from docflow.read import parse_head, read
from docflow.review import kept, kept_texts
from docflow.rules.edges import OK, statuses

_MOVED: Final = frozenset({"doc_revision", "doc_reviewed_as_of", "doc_review_notes", "doc_section_reviews"})
_REWRITTEN: Final = frozenset({"doc_sections", "doc_requires", "doc_section_requires"})


@dataclass(frozen=True, slots=True)
class Plan:
    """New bytes by document, and the new lock."""

    documents: Mapping[str, bytes]
    entries: Mapping[str, Entry]
    texts: Mapping[str, Seen]


def plan(corpus: Corpus, paths: Iterable[str]) -> Plan:
    """Make the named documents light; those that are so already stay.

    A requirement that all sections repeat becomes one of the whole document, so that it has one review. Only reviews
    that are ok are carried over: the others are to be done again.
    Errors: `DocflowError` for a document with errors of its own, or a lock that cannot be written.
    """
    new: dict[str, bytes] = {}
    entries, texts = kept(corpus), dict(corpus.lock.texts)
    documents = dict(corpus.documents)
    for path in paths:
        document = corpus.documents[path]
        if document.is_light or not document.is_governed:
            continue
        if document.dialect == "none":
            raise DocflowError(f"{path}: the frontmatter must be readable to be made light; see `docflow check`")
        before = (corpus.root / path).read_bytes()
        new[path] = edit.rewrite(path, before, lambda head, one=document: "\n".join(_head(one, head)))
        documents[path] = read(path, new[path], required=corpus.config.require, allowed=corpus.config.allow)
        views = [view for view in corpus.edges if view.path == path]
        entries = {key: entry for key, entry in entries.items() if key not in {view.key for view in views}}
        entries |= _entries(corpus, documents[path], views)
        names = (path, *(f"{path}#{section.anchor}" for section in document.sections))
        texts |= {name: Text(corpus.texts[name]) for name in names if name in corpus.texts}
    light = replace(corpus, documents=documents, lock=Lock(entries, texts))
    return Plan(new, entries, {**light.lockable, **kept_texts(light)})


def apply(corpus: Corpus, planned: Plan) -> None:
    """Write the documents, each atomically, then the lock; a stop between the two leaves findings and the old lock."""
    for path, data in planned.documents.items():
        files.replace(corpus.root / path, data)
    files.replace(corpus.root / lock.FILE_NAME, lock.render(planned.entries, planned.texts, corpus.lock.accepted))


def _head(document: Document, head: str) -> Iterator[str]:
    values = parse_head(head).values
    sections = [section.anchor for section in document.sections]
    by_section = {section: [edge.ref for edge in document.edges if edge.section == section] for section in sections}
    every = (
        [ref for ref in by_section.get(sections[0], ()) if all(ref in refs for refs in by_section.values())]
        if sections
        else []
    )
    repeated = {ref for refs in by_section.values() for ref in refs}
    whole = [edge.ref for edge in document.edges if not edge.section and edge.ref not in repeated]
    own = {section: [ref for ref in refs if ref not in every] for section, refs in by_section.items()}
    for name, value in values.items():
        if name not in _MOVED | _REWRITTEN:
            yield from edit.emit(name, value, 0) if not _is_flat(value) else [f"{name}: {_flow(value)}"]
    requires = [*every, *whole]
    if requires:
        yield f"doc_requires: {_flow(requires)}"
    if sections:
        yield f"doc_sections: {_flow(sections)}"
    if any(own.values()):
        yield f"doc_section_requires: {_flow({section: refs for section, refs in own.items() if refs})}"


def _is_flat(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(item, str) for item in value)


def _flow(value: Any) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{edit.scalar(key)}: {_flow(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(_flow, value)) + "]"
    return edit.scalar(value)


def _entries(corpus: Corpus, document: Document, views: Iterable[EdgeView]) -> dict[str, Entry]:
    """Return the reviews of a light document's edges, from those of the edges that it had."""
    fresh = [view for view in views if statuses(view) == (OK,) and view.review and view.dep]
    entries: dict[str, Entry] = {}
    for edge in document.edges:
        same = [view for view in fresh if view.edge.ref == edge.ref and edge.section in {"", view.edge.section}]
        said = sorted(same, key=lambda view: not view.edge.section)  # a section's review has an outcome, a pin none
        own = corpus.texts.get(f"{document.path}#{edge.section}" if edge.section else document.path)
        if said and said[0].review and said[0].dep:
            review = said[0].review
            outcome, note = str(review.outcome or "no_change"), " ".join(str(review.note).split())
            entries[edge_key(document.path, edge.section, edge.ref)] = Entry(said[0].dep, own, 0, outcome, note)
    return entries
