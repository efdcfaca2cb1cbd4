"""Clauses and their coverage: each with the tests, proofs and exemptions that witness it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from docflow.corpus import Corpus
from docflow.manifest import Commitment
from docflow.witness import CLAUSE_ANCHOR


class Clause(NamedTuple):
    """A normative statement: `label` as people cite it, and where its anchor is."""

    label: str
    path: str
    line: int


class Coverage(NamedTuple):
    """A clause with everything that witnesses it."""

    clause: Clause
    tests: tuple[str, ...]
    theorems: tuple[str, ...]
    exemptions: tuple[str, ...]

    @property
    def is_covered(self) -> bool:
        """Say whether anything witnesses the clause."""
        return bool(self.tests or self.theorems or self.exemptions)


def clauses(corpus: Corpus) -> Iterator[Clause]:
    """Yield the clauses: anchors such as `ledger-3` in normative documents, cited as LEDGER-3."""
    for document in corpus.governed:
        if document.fields.get("doc_authority") == "normative":
            for anchor, line in document.anchors:
                if CLAUSE_ANCHOR.fullmatch(anchor):
                    yield Clause(anchor.upper(), document.path, line)


def coverage(corpus: Corpus) -> tuple[Coverage, ...]:
    """Return every clause once, in the order of the documents, with its witnesses.

    What is never run is none, nor is a commitment's test that does not carry the clause.
    """
    tests: dict[str, list[str]] = {}
    theorems: dict[str, list[str]] = {}
    exemptions: dict[str, list[str]] = {}
    for mark in corpus.witnesses.marks:
        if not mark.why_not:
            tests.setdefault(mark.clause, []).append(mark.test)
    for commitment in corpus.witnesses.manifest.commitments:
        label = commitment.label
        wrong = {test for test, _ in wrong_tests(corpus, commitment)}
        tests.setdefault(label, []).extend(test for test in commitment.tests if test not in wrong)
        if commitment.theorem:
            theorems.setdefault(label, []).append(commitment.theorem)
        if commitment.exemption:
            exemptions.setdefault(label, []).append(commitment.exemption)
    unique = {clause.label: clause for clause in reversed(list(clauses(corpus)))}
    return tuple(
        Coverage(clause, _unique(tests, label), _unique(theorems, label), _unique(exemptions, label))
        for label, clause in reversed(unique.items())
    )


def _unique(by_label: Mapping[str, list[str]], label: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(by_label.get(label, ())))


def wrong_tests(corpus: Corpus, commitment: Commitment) -> Iterator[tuple[str, str]]:
    """Yield the tests that a commitment names and that are no witness, each with why."""
    for test in commitment.tests:
        bare = test.split("[")[0]
        if not corpus.witnesses.has_test(bare):
            yield test, "does not exist, or is never collected"
        elif commitment.label not in corpus.witnesses.clauses_of(bare):
            yield test, f"does not carry clause {commitment.label}"
