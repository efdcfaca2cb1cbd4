"""`docflow report`: every edge that is not ok, one line each, after a summary by status."""

from __future__ import annotations

from collections import Counter
from typing import Final

from docflow.corpus import Corpus, EdgeView
from docflow.rules.edges import OK, statuses

PATH: Final = "out/docflow_section_reviews.md"


def lines(corpus: Corpus, *, with_ok: bool) -> list[str]:
    """Return the report. Document edges come after section edges; theirs have no `self`."""
    views = sorted(corpus.edges, key=lambda view: (not view.edge.section, view.path))
    by_view = [(view, statuses(view)) for view in views]
    counts = Counter(status for _, found in by_view for status in found)
    listed = [_line(view, found) for view, found in by_view if with_ok or found != (OK,)]
    return [
        "Docflow section reviews",
        "",
        "Summary:",
        *(f"- {name}: {counts[name]}" for name in sorted(counts)),
        "",
        "Edges:",
        *listed,
    ]


def _line(view: EdgeView, found: tuple[str, ...]) -> str:
    seen = view.review.dep_version if view.review else None
    own = f" self={view.review.self_version if view.review else None}" if view.edge.section else ""
    return f"- {view.key} status={','.join(found)} dep={seen}/{view.dep.version if view.dep else None}{own}"
