"""`docflow show`: what the reader makes of one document, for people."""

from __future__ import annotations

from collections.abc import Iterator

from docflow.model import Document, edge_key


def lines(document: Document) -> Iterator[str]:
    """Yield everything read, each row with its line in the file."""
    fields = ", ".join(
        f"{name}={document.fields[name]}" for name in ("doc_id", "doc_authority") if name in document.fields
    )
    revision = "light" if document.is_light else f"revision {document.revision}"
    yield f"{document.path}: dialect {document.dialect}, {revision}{f', {fields}' if fields else ''}"
    for section in document.sections:
        place = f"anchor at line {section.start}" if section.start else "no anchor"
        version = "version in the lock" if document.is_light else f"version {section.version}"
        yield f"section {section.anchor} {version}, {place}"
    for title, is_section in (("document edges", False), ("section edges", True)):
        edges = [edge for edge in document.edges if bool(edge.section) is is_section]
        yield f"{len(edges)} {title}"
        yield from (f"  line {edge.line}: {edge_key(document.path, edge.section, edge.ref)}" for edge in edges)
    for title, is_section in (("pins", False), ("reviews", True)):
        reviews = [review for review in document.reviews if bool(review.section) is is_section]
        yield f"{len(reviews)} {title}"
        for review in reviews:
            own = f" self={review.self_version} outcome={review.outcome}" if is_section else ""
            key = edge_key(document.path, review.section, review.ref)
            yield f"  line {review.line}: {key} dep={review.dep_version}{own} note={review.note!r}"
    yield f"{len(document.defects)} defects"
    yield from (f"  line {defect.line}: {defect.rule}: {defect.message}" for defect in document.defects)
