"""A tree of documents as one value: read from disk once, through the cache, and joined into edges."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from docflow import __version__, files, lock
from docflow.cache import Cache
from docflow.config import Config
from docflow.lock import Entry, Lock, Seen
from docflow.model import Defect, Document, Edge, Mention, Review, Section, edge_key


@dataclass(frozen=True, slots=True)
class EdgeView:
    """An edge joined with all that decides its status; `dep` and `own` are the present texts, None if unknown."""

    path: str
    edge: Edge
    review: Review | None
    dep: Seen | None
    own: Seen | None
    locked: Entry | None

    @property
    def key(self) -> str:
        """Name the edge as reports and the lock do."""
        return edge_key(self.path, self.edge.section, self.edge.ref)


@dataclass(frozen=True)
class Corpus:
    """The documents of a tree, its lock and its settings; everything else is derived."""

    root: Path
    config: Config
    documents: Mapping[str, Document]
    lock: Lock
    has_lock: bool
    clause_marks: tuple[tuple[str, str, int], ...] = ()
    """(clause, test as `path::name`, line) for each `pytest.mark.clause`."""

    @cached_property
    def governed(self) -> tuple[Document, ...]:
        """Documents with frontmatter of ours."""
        return tuple(document for document in self.documents.values() if document.is_governed)

    @cached_property
    def texts(self) -> Mapping[str, Seen]:
        """Version and fingerprint of everything that a ref may name: `path` and `path#anchor`."""
        texts: dict[str, Seen] = {}
        for document in self.governed:
            if document.revision is not None:
                texts[document.path] = Seen(document.revision, document.fingerprint)
            for section in document.sections:
                if section.version is not None:
                    texts[f"{document.path}#{section.anchor}"] = Seen(section.version, section.fingerprint)
        return texts

    @cached_property
    def edges(self) -> tuple[EdgeView, ...]:
        """Every edge of every governed document, in the order of paths and lines."""
        views: list[EdgeView] = []
        for document in self.governed:
            reviews = {(review.section, review.ref): review for review in document.reviews}
            for edge in document.edges:
                own = self.texts.get(f"{document.path}#{edge.section}") if edge.section else None
                key = edge_key(document.path, edge.section, edge.ref)
                review = reviews.get((edge.section, edge.ref))
                views.append(
                    EdgeView(document.path, edge, review, self.texts.get(edge.ref), own, self.lock.entries.get(key))
                )
        return tuple(views)


def load(root: Path, config: Config) -> Corpus:
    """Read the tree below `root`. Cost: one read a document; parsing only of what changed since the last call."""
    cache = Cache(root, f"{__version__}\n{config.text}")
    documents = {
        path: read_cached(cache, root, path, config) for path in files.find(root, config.include, config.exclude)
    }
    marks: tuple[tuple[str, str, int], ...] = ()
    if config.trace is not None:
        from docflow import trace

        marks = trace.marks(cache, root, config.trace)
    cache.save()
    path = root / lock.FILE_NAME
    has_lock = path.is_file()
    return Corpus(root, config, documents, lock.parse(path.read_bytes()) if has_lock else Lock(), has_lock, marks)


def read_cached(cache: Cache, root: Path, path: str, config: Config) -> Document:
    """Read one document through the cache; one that cannot be read is a document with a defect."""
    try:
        data = (root / path).read_bytes()
    except OSError as error:
        return Document(
            path, "none", True, defects=(Defect("unreadable", 1, "file", f"cannot be read: {error.strerror}"),)
        )

    def compute() -> list[Any]:
        from docflow.read import read

        return _encode(read(path, data, required=config.require, allowed=config.allow))

    return cache.get("document", path, data, compute, _decode)


def _encode(document: Document) -> list[Any]:
    """Flatten a document into JSON's types; rows of a kind become lists in the order of their attributes."""
    return [[_row(item) for item in value] if isinstance(value, tuple) else value for value in _row(document)]


def _row(item: Any) -> list[Any]:
    return list(item) if isinstance(item, tuple) else [getattr(item, name) for name in item.__slots__]


def _decode(row: list[Any]) -> Document:
    """Rebuild a document from `_encode`; a row of another shape raises TypeError or ValueError."""
    (
        path,
        dialect,
        governed,
        fields,
        lines,
        revision,
        sections,
        edges,
        reviews,
        anchors,
        labels,
        mentions,
        defects,
        text,
    ) = row
    return Document(
        path,
        dialect,
        governed,
        fields,
        lines,
        revision,
        tuple(Section(*item) for item in sections),
        tuple(Edge(*item) for item in edges),
        tuple(Review(*item) for item in reviews),
        tuple((anchor, line) for anchor, line in anchors),
        tuple((label, line) for label, line in labels),
        tuple(Mention(*item) for item in mentions),
        tuple(Defect(*item) for item in defects),
        text,
    )
