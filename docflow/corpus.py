"""A tree of documents as one value: read from disk once, through the cache, and joined into edges."""

from __future__ import annotations

import posixpath
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

from docflow import __version__, files, lock, witness
from docflow.cache import Cache
from docflow.config import Config
from docflow.lock import Entry, Lock, Seen
from docflow.model import Defect, Document, Edge, Link, Mention, Review, Section, edge_key
from docflow.witness import Witnesses


class EdgeView(NamedTuple):
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

    @property
    def own_name(self) -> str:
        """Name the text that rests on the other: `path#section`, or `path` for the whole document."""
        return f"{self.path}#{self.edge.section}" if self.edge.section else self.path


@dataclass(frozen=True)
class Corpus:
    """The documents of a tree, its lock and its settings; everything else is derived."""

    root: Path
    config: Config
    documents: Mapping[str, Document]
    lock: Lock
    has_lock: bool
    witnesses: Witnesses = field(default_factory=Witnesses)

    @cached_property
    def governed(self) -> tuple[Document, ...]:
        """Documents with frontmatter of ours."""
        return tuple(document for document in self.documents.values() if document.is_governed)

    @cached_property
    def texts(self) -> Mapping[str, Seen]:
        """Version and fingerprint of everything that a ref may name: `path` and `path#anchor`.

        A text of a light document has the version at which it is locked; before that, 1.
        """
        texts: dict[str, Seen] = {}
        for document in self.governed:
            for anchor, version, fingerprint in _parts(document):
                name = f"{document.path}#{anchor}" if anchor else document.path
                if document.is_light:
                    locked = self.lock.texts.get(name)
                    texts[name] = Seen(locked.seen.version if locked else 1, fingerprint)
                elif version is not None:
                    texts[name] = Seen(version, fingerprint)
        return texts

    @cached_property
    def lockable(self) -> Mapping[str, Seen]:
        """The texts that must be locked: all of normative documents, and the ends of edges."""
        ends = {name for view in self.edges for name in (view.own_name, view.edge.ref)}
        normative = {document.path for document in self.governed if document.fields.get("doc_authority") == "normative"}
        return {name: seen for name, seen in self.texts.items() if name in ends or name.partition("#")[0] in normative}

    def place(self, name: str) -> tuple[str, int]:
        """Return file and line of a text: its anchor, its declaration if it has none, the head of a document."""
        path, _, anchor = name.partition("#")
        document = self.documents[path]
        starts = (section.start or section.line for section in document.sections if section.anchor == anchor)
        return path, next(starts, document.field_lines.get("doc_id", 1))

    @cached_property
    def edges(self) -> tuple[EdgeView, ...]:
        """Every edge of every governed document, in the order of paths and lines."""
        views: list[EdgeView] = []
        for document in self.governed:
            reviews = {(review.section, review.ref): review for review in document.reviews}
            for edge in document.edges:
                own = self.texts.get(f"{document.path}#{edge.section}" if edge.section else document.path)
                locked = self.lock.entries.get(edge_key(document.path, edge.section, edge.ref))
                review = _light_review(edge, locked) if document.is_light else reviews.get((edge.section, edge.ref))
                views.append(EdgeView(document.path, edge, review, self.texts.get(edge.ref), own, locked))
        return tuple(views)

    @cached_property
    def reviews(self) -> tuple[tuple[str, Review], ...]:
        """Every recorded review with the path of its document, wherever it is recorded."""
        written = [(document.path, review) for document in self.governed for review in document.reviews]
        light = {document.path for document in self.governed if document.is_light}
        return (*written, *((view.path, view.review) for view in self.edges if view.path in light and view.review))


def _parts(document: Document) -> Iterator[tuple[str, int | None, str]]:
    yield "", document.revision, document.fingerprint
    for section in document.sections:
        yield section.anchor, section.version, section.fingerprint


def _light_review(edge: Edge, locked: Entry | None) -> Review | None:
    """Read the review of a light document's edge from the lock."""
    if locked is None:
        return None
    own = locked.self.version if locked.self else None
    return Review(edge.section, edge.ref, locked.dep.version, own, locked.outcome, locked.note, edge.line)


def load(root: Path, config: Config) -> Corpus:
    """Read the tree below `root`. Cost: one read a document; parsing only of what changed since the last call."""
    cache = Cache(root, cache_settings(config))
    documents = {
        path: read_cached(cache, root, path, config) for path in files.find(root, config.include, config.exclude)
    }
    found = witness.scan(cache, root, config.trace) if config.trace is not None else Witnesses()
    cache.save()
    path = root / lock.FILE_NAME
    has_lock = path.is_file()
    documents = resolved(documents, config)
    return Corpus(root, config, documents, lock.parse(path.read_bytes()) if has_lock else Lock(), has_lock, found)


def cache_settings(config: Config) -> str:
    """Return what the cache of a tree depends on besides the bytes of its files."""
    return f"{__version__}\n{config.text}"


def resolved(documents: Mapping[str, Document], config: Config) -> Mapping[str, Document]:
    """Return the documents with references by id made references by path, where the settings map the fields.

    A reference that is a path stays, and so does one that no document's id is.
    """
    if not config.fields:
        return documents
    paths = _names(documents)
    return {
        path: replace(
            one, edges=tuple(edge._replace(ref=_path_of(edge.ref, documents, paths, path)) for edge in one.edges)
        )
        if one.edges
        else one
        for path, one in documents.items()
    }


def _names(documents: Mapping[str, Document]) -> dict[str, str]:
    """Return the path of each document by its id; one without an id is called like its file, if no other is."""
    stems = Counter(posixpath.splitext(posixpath.basename(path))[0] for path in documents)
    names = {stem: path for path in documents if stems[stem := posixpath.splitext(posixpath.basename(path))[0]] == 1}
    return names | {str(one.fields["doc_id"]): path for path, one in documents.items() if "doc_id" in one.fields}


def _path_of(ref: str, documents: Mapping[str, Document], paths: Mapping[str, str], own: str) -> str:
    """Find a document by path from the root or from the folder of the one that names it, or by id.

    A folder stands for the document in it that is called like the one that names it.
    """
    name, mark, anchor = ref.partition("#")
    whole = name.strip("/")
    beside = posixpath.normpath(posixpath.join(posixpath.dirname(own), name))
    inside = (f"{folder}/{posixpath.basename(own)}" for folder in (whole, beside))
    found = next((path for path in (whole, beside, *inside) if path in documents), paths.get(name, name))
    return found + mark + anchor


def read_cached(cache: Cache, root: Path, path: str, config: Config) -> Document:
    """Read one document through the cache; one that cannot be read is a document with a defect."""
    try:
        data = (root / path).read_bytes()
    except OSError as error:
        return Document(
            path, "none", True, defects=(Defect("unreadable", 1, "file", f"cannot be read: {error.strerror}"),)
        )

    return cache.get("document", path, data, lambda: _encode(read_bytes(path, data, config)), _decode)


def read_bytes(path: str, data: bytes, config: Config) -> Document:
    """Read one document as the settings say."""
    from docflow.read import read

    return read(path, data, required=config.require, allowed=config.allow, fields=config.fields)


def _encode(document: Document) -> list[Any]:
    """Flatten a document into JSON's types; rows of a kind become lists in the order of their attributes."""
    return [[_row(item) for item in value] if isinstance(value, tuple) else value for value in _row(document)]


def _row(item: Any) -> Any:
    if isinstance(item, str):
        return item
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
        light,
        slugs,
        links,
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
        light,
        tuple(slugs),
        tuple(Link(*item) for item in links),
    )
