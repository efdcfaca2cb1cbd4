"""Rules on single documents: what the reader noticed, identity, references and anchors."""

from __future__ import annotations

import posixpath
from collections import Counter
from collections.abc import Callable, Iterator

from docflow import config, lock
from docflow.corpus import Corpus
from docflow.model import Document, Fault
from docflow.schema import suggest
from docflow.witness import CLAUSE_ANCHOR


def noticed(rule: str) -> Callable[[Corpus], Iterator[Fault]]:
    """Make a rule of the defects that the reader recorded under this name."""

    def check(corpus: Corpus) -> Iterator[Fault]:
        for document in corpus.documents.values():
            for defect in document.defects:
                if defect.rule == rule:
                    yield Fault(document.path, defect.line, defect.subject, defect.message)

    check.__doc__ = f"Require that no document has the defect {rule}."
    return check


def lock_syntax(corpus: Corpus) -> Iterator[Fault]:
    """Require that every line of the lock is an entry, and no edge has two."""
    for defect in corpus.lock.defects:
        yield Fault(lock.FILE_NAME, defect.line, defect.subject, defect.message)


def nothing_governed(corpus: Corpus) -> Iterator[Fault]:
    """Require that a document has frontmatter that docflow reads."""
    if corpus.documents and not corpus.governed:
        message = f"none of {len(corpus.documents)} documents has frontmatter with doc_ fields, so nothing is checked"
        yield Fault(config.FILE_NAME, 1, "documents", message)


def unknown_reference(corpus: Corpus) -> Iterator[Fault]:
    """Require that what an edge rests on is a versioned document or section of the tree."""
    for view in corpus.edges:
        if view.dep is None:
            hint = _near(corpus, view.path, view.edge.ref)
            message = f"{view.key} rests on what is no versioned document or section of this tree{hint}"
            yield Fault(view.path, view.edge.line, view.key, message)


def _near(corpus: Corpus, path: str, ref: str) -> str:
    """Suggest the reference that was meant: from the root instead of from the folder, or spelt otherwise."""
    beside = posixpath.normpath(posixpath.join(posixpath.dirname(path), ref.removeprefix("/")))
    if beside != ref and beside in corpus.texts:
        return f"; references are from the root: write {beside}"
    return suggest(ref, corpus.texts)


def duplicate_doc_id(corpus: Corpus) -> Iterator[Fault]:
    """Require that a doc_id names one document."""
    owner: dict[object, str] = {}
    for document in corpus.governed:
        name = document.fields.get("doc_id")
        if isinstance(name, str) and owner.setdefault(name, document.path) != document.path:
            yield Fault(document.path, document.field_lines["doc_id"], name, f"doc_id {name} is taken by {owner[name]}")


def missing_core(corpus: Corpus) -> Iterator[Fault]:
    """Require that every core document exists and has frontmatter."""
    for path in corpus.config.core:
        document = corpus.documents.get(path)
        if document is None:
            yield Fault(path, 1, path, f"core document {path} does not exist")
        elif not document.is_governed:
            yield Fault(path, 1, path, f"core document {path} has no frontmatter")


def core_requirement(corpus: Corpus) -> Iterator[Fault]:
    """Require that a normative core document requires every other core document."""
    core = corpus.config.core
    for document in corpus.governed:
        if document.path in core and document.fields.get("doc_authority") == "normative":
            required = {edge.ref.partition("#")[0] for edge in document.edges}
            for path in core:
                if path != document.path and path not in required:
                    line = document.field_lines.get("doc_requires", 1)
                    yield Fault(document.path, line, path, f"normative core document must require {path}")


def unnamed_reference(corpus: Corpus) -> Iterator[Fault]:
    """Require that the body of a document names, literally or by a link, everything that the document requires."""
    for document, ref, line, _ in _unnamed(corpus):
        yield Fault(document.path, line, ref, f"the text never names {ref}, which the document requires")


def implicit_reference(corpus: Corpus) -> Iterator[Fault]:
    """Require that where a required document is named only by its bare name, the full reference should stand."""
    for document, ref, _, place in _unnamed(corpus):
        if place:
            yield Fault(document.path, place, ref, f"here {ref} is named only by its bare name")


def _unnamed(corpus: Corpus) -> Iterator[tuple[Document, str, int, int]]:
    for document in corpus.governed:
        lines = {edge.ref: edge.line for edge in sorted(document.edges, key=lambda edge: not edge.section)}
        for mention in document.mentions:
            if not mention.literal:
                yield document, mention.ref, lines[mention.ref], mention.line


def commute_target(corpus: Corpus) -> Iterator[Fault]:
    """Require that an equal named by doc_commutes_with exists and names this document back."""
    for document in corpus.governed:
        line = document.field_lines.get("doc_commutes_with", 1)
        for ref in _texts(document.fields.get("doc_commutes_with")):
            other = corpus.documents.get(ref.partition("#")[0])
            if other is None or ref not in corpus.texts:
                yield Fault(document.path, line, ref, f"doc_commutes_with names {ref}, which does not exist")
            elif document.path not in {
                back.partition("#")[0] for back in _texts(other.fields.get("doc_commutes_with"))
            }:
                yield Fault(document.path, line, ref, f"{ref} does not name {document.path} back in doc_commutes_with")


def _texts(value: object) -> Iterator[str]:
    yield from (item for item in (value if isinstance(value, list) else ()) if isinstance(item, str))


def change_protocol(corpus: Corpus) -> Iterator[Fault]:
    """Require that doc_change_protocol names an existing document or anchor."""
    for document in corpus.governed:
        ref = document.fields.get("doc_change_protocol")
        if isinstance(ref, str) and not _exists(corpus, ref):
            line = document.field_lines["doc_change_protocol"]
            yield Fault(document.path, line, ref, f"doc_change_protocol names {ref}, which does not exist")


def _exists(corpus: Corpus, ref: str) -> bool:
    path, mark, anchor = ref.partition("#")
    document = corpus.documents.get(path)
    return document is not None and (not mark or any(anchor == found for found, _ in document.anchors))


def unsummed_requirement(corpus: Corpus) -> Iterator[Fault]:
    """Require that what a section requires, its document requires too, if it says what it requires."""
    for document in corpus.governed:
        if "doc_requires" not in document.fields:
            continue
        summed = {edge.ref for edge in document.edges if not edge.section}
        for edge in document.edges:
            path = edge.ref.partition("#")[0]
            if edge.section and path != document.path and not {edge.ref, path} & summed:
                subject = f"{edge.section} -> {edge.ref}"
                yield Fault(
                    document.path,
                    edge.line,
                    subject,
                    f"section {edge.section} requires {edge.ref}, doc_requires does not",
                )


def unknown_section(corpus: Corpus) -> Iterator[Fault]:
    """Require that only declared sections have requirements."""
    for document in corpus.governed:
        declared = {section.anchor for section in document.sections}
        first = {edge.section: edge.line for edge in reversed(document.edges) if edge.section}
        for section, line in first.items():
            if section not in declared:
                yield Fault(
                    document.path, line, section, f"doc_section_requires names section {section}, doc_sections does not"
                )


def missing_anchor(corpus: Corpus) -> Iterator[Fault]:
    """Require that every declared section has an anchor in the body."""
    for document in corpus.governed:
        for section in document.sections:
            if not section.start:
                yield Fault(
                    document.path, section.line, section.anchor, f"section {section.anchor} has no anchor in the text"
                )


def duplicate_anchor(corpus: Corpus) -> Iterator[Fault]:
    """Require that an anchor occurs once in its document."""
    for document in corpus.governed:
        count: Counter[str] = Counter()
        for anchor, line in document.anchors:
            count[anchor] += 1
            if count[anchor] == 2:
                yield Fault(document.path, line, anchor, f"anchor {anchor} occurs a second time; links reach the first")


def undeclared_anchor(corpus: Corpus) -> Iterator[Fault]:
    """Require that an anchor is a declared section or a clause."""
    for document in corpus.governed:
        declared = {section.anchor for section in document.sections}
        for anchor, line in dict(reversed(document.anchors)).items():
            if anchor not in declared and not CLAUSE_ANCHOR.fullmatch(anchor):
                yield Fault(
                    document.path, line, anchor, f"anchor {anchor} is not in doc_sections, so it has no version"
                )


def revision_behind(corpus: Corpus) -> Iterator[Fault]:
    """Require that a document's revision is at least the version of each of its sections."""
    for document in corpus.governed:
        newest = max((section.version or 0 for section in document.sections), default=0)
        if document.revision is not None and document.revision < newest:
            message = f"doc_revision {document.revision} is behind a section at version {newest}"
            yield Fault(document.path, document.field_lines.get("doc_id", 1), "doc_revision", message)
