"""`docflow check`: a tree to findings and counts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from docflow.corpus import Corpus
from docflow.model import Finding
from docflow.rules.edges import statuses


@dataclass(frozen=True, slots=True)
class Summary:
    """What was checked. `statuses` counts edges by status: an edge with two statuses counts under both."""

    documents: int
    governed: int
    dialects: Mapping[str, int]
    sections: int
    document_edges: int
    section_edges: int
    pins: int
    reviews: int
    statuses: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Result:
    """Findings that count, those that a baseline tolerates, and the counts of the tree."""

    findings: Sequence[Finding]
    known: Sequence[Finding]
    summary: Summary

    @property
    def blocks(self) -> bool:
        """Say whether any finding is an error."""
        return any(one.severity == "error" for one in self.findings)

    def as_dict(self) -> dict[str, Any]:
        """Return the result in JSON's types."""
        return {
            "format": 1,
            "blocks": self.blocks,
            "summary": asdict(self.summary),
            "findings": [one._asdict() for one in self.findings],
            "known": [one._asdict() for one in self.known],
        }


def summarise(corpus: Corpus) -> Summary:
    """Count what a tree holds."""
    reviews = [review for _, review in corpus.reviews]
    n_sections = sum(len(document.sections) for document in corpus.governed)
    n_section_edges = sum(bool(view.edge.section) for view in corpus.edges)
    n_reviews = sum(bool(review.section) for review in reviews)
    return Summary(
        documents=len(corpus.documents),
        governed=len(corpus.governed),
        dialects=dict(sorted(Counter(document.dialect for document in corpus.governed).items())),
        sections=n_sections,
        document_edges=len(corpus.edges) - n_section_edges,
        section_edges=n_section_edges,
        pins=len(reviews) - n_reviews,
        reviews=n_reviews,
        statuses=dict(sorted(Counter(status for view in corpus.edges for status in statuses(view)).items())),
    )
