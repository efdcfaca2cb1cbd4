"""Names as people type them to the nodes and edges that they mean."""

from __future__ import annotations

from difflib import get_close_matches
from typing import Final

from docflow.corpus import Corpus, EdgeView
from docflow.errors import DocflowError

FORMS: Final = "FILE, FILE::SECTION (or FILE#SECTION), SECTION, or 'FILE::SECTION -> DEP' as reports print it"


def node(corpus: Corpus, name: str) -> str:
    """Return the node that `name` means: `path` or `path#anchor`.

    In a tree with fields of its own a document's id names it too.
    Errors: `DocflowError` if it means nothing, or if a bare section name means several.
    """
    name = name.strip().removeprefix("./").replace("::", "#", 1)
    path, mark, anchor = name.partition("#")
    document = corpus.documents.get(path)
    if document is not None and (not mark or any(section.anchor == anchor for section in document.sections)):
        return name
    everything = [f"{one.path}#{section.anchor}" for one in corpus.governed for section in one.sections]
    same = [known for known in everything if known.endswith(f"#{name}")]
    same = same or [one.path for one in corpus.governed if corpus.config.fields and one.fields.get("doc_id") == name]
    if len(same) == 1:
        return same[0]
    if same:
        raise DocflowError(f"{name} must name one section, but it may be {', '.join(same)}; name the file too")
    near = get_close_matches(name, [*everything, *corpus.documents], n=3)
    hint = f"; did you mean {' or '.join(near)}?" if near else ""
    raise DocflowError(f"{name} is no document or declared section of this tree; write {FORMS}{hint}")


def edges(corpus: Corpus, name: str) -> tuple[list[EdgeView], bool]:
    """Return the edges that `name` means, and whether it names one edge rather than a whole section or file.

    An edge of a section brings the edge of its document to the same target with it: one reading serves both.
    """
    source, arrow, target = (part.strip() for part in name.partition("->"))
    meant = node(corpus, source)
    path, _, section = meant.partition("#")
    refs = {view.edge.ref for view in corpus.edges if view.path == path and view.edge.section == section}
    if section and target in refs_of_all(corpus, path) - refs:  # a requirement of all of it is one of each part
        section, refs = "", refs_of_all(corpus, path)
    if arrow:
        known = ", ".join(sorted(refs)) or "nothing"
        if target not in refs:
            raise DocflowError(f"{meant} does not require {target!r}; it requires {known}")
        refs = {target}
    views = [
        view
        for view in corpus.edges
        if view.path == path
        and ((not section and not arrow) or (view.edge.section in {section, ""} and view.edge.ref in refs))
    ]
    return views, bool(arrow)


def refs_of_all(corpus: Corpus, path: str) -> set[str]:
    """Return what a document requires as a whole."""
    return {view.edge.ref for view in corpus.edges if view.path == path and not view.edge.section}
