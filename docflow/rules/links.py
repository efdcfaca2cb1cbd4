"""Rules on links between documents: they have targets, and normative text requires what it rests on."""

from __future__ import annotations

from collections.abc import Iterator

from docflow.corpus import Corpus
from docflow.model import Document, Fault


def broken_link(corpus: Corpus) -> Iterator[Fault]:
    """Require that a link of a governed document to a file of the tree, or to an anchor there, has a target."""
    for document in corpus.governed:
        for link in document.links:
            path, _, anchor = link.target.partition("#")
            target = corpus.documents.get(path)
            if target is None and not (corpus.root / path).exists():
                yield Fault(document.path, link.line, link.target, f"the link names {path}, which does not exist")
            elif target is not None and anchor and not _has_anchor(target, anchor):
                message = f"the link names {link.target}, but {path} has no such anchor or heading"
                yield Fault(document.path, link.line, link.target, message)


def _has_anchor(document: Document, anchor: str) -> bool:
    return anchor in document.slugs or any(anchor == name for name, _ in document.anchors)


def link_without_edge(corpus: Corpus) -> Iterator[Fault]:
    """Require that normative text that links to a section of another normative document also requires it."""
    for document in corpus.governed:
        if not is_normative(document):
            continue
        required = {edge.ref for edge in document.edges}
        required |= {ref.partition("#")[0] for ref in required if "#" not in ref}
        seen: set[str] = set()
        for link in document.links:
            path, _, anchor = link.target.partition("#")
            other = corpus.documents.get(path)
            if other is None or path == document.path or not is_normative(other):
                continue
            section = section_of(other, anchor)
            name = f"{path}#{section}"
            if section and name not in required and path not in required and name not in seen:
                seen.add(name)
                message = f"normative text links to {name}, which the document does not require"
                yield Fault(document.path, link.line, name, message)


def is_normative(document: Document) -> bool:
    """Say whether a document is governed and binds."""
    return document.is_governed and document.fields.get("doc_authority") == "normative"


def section_of(document: Document, anchor: str) -> str:
    """Return the declared section in which an anchor stands, empty if it stands in none."""
    at = next((line for name, line in document.anchors if name == anchor), 0)
    starts = sorted((section.start, section.anchor) for section in document.sections if section.start)
    return next((name for start, name in reversed(starts) if at and start <= at), "")
