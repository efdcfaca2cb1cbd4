"""Rules on the whole graph: cycles, and clauses without a witness."""

from __future__ import annotations

from collections.abc import Iterator

from docflow import graph, trace
from docflow.corpus import Corpus
from docflow.model import Fault
from docflow.schema import suggest


def cycle(corpus: Corpus) -> Iterator[Fault]:
    """Require that nothing rests on itself, unless docflow.toml allows a cycle among these documents."""
    for documents, walk in graph.cycles(corpus):
        if any(documents <= allowed for allowed in corpus.config.cycles):
            continue
        first = next((arc.view for arc in walk if arc.view), None)
        nodes = dict.fromkeys(arc.source.removesuffix(graph.COMMON) for arc in walk)
        path, line = (first.path, first.edge.line) if first else (min(documents), 1)
        yield Fault(path, line, " ".join(sorted(documents)), f"cycle: {' -> '.join([*nodes, next(iter(nodes))])}")


def uncovered_clause(corpus: Corpus) -> Iterator[Fault]:
    """Require that every clause has a test, a proof or a stated exemption."""
    if corpus.config.trace:
        for row in trace.coverage(corpus, corpus.config.trace):
            if not row.is_covered:
                clause = row.clause
                yield Fault(
                    clause.path,
                    clause.line,
                    clause.label,
                    f"clause {clause.label} has no test, no proof and no exemption",
                )


def duplicate_clause(corpus: Corpus) -> Iterator[Fault]:
    """Require that a clause is stated in one document."""
    owner: dict[str, str] = {}
    for clause in trace.clauses(corpus) if corpus.config.trace else ():
        if owner.setdefault(clause.label, clause.path) != clause.path:
            yield Fault(
                clause.path, clause.line, clause.label, f"clause {clause.label} is stated in {owner[clause.label]} too"
            )


def clause_without_anchor(corpus: Corpus) -> Iterator[Fault]:
    """Require that a clause's label stands at an anchor of the same name, so that it can be linked to."""
    for document in corpus.governed if corpus.config.trace else ():
        anchors = {anchor for anchor, _ in document.anchors}
        for label, line in document.labels:
            if label.lower() not in anchors:
                yield Fault(document.path, line, label, f"clause [{label}] has no anchor {label.lower()}")


def unknown_clause(corpus: Corpus) -> Iterator[Fault]:
    """Require that a test's marker names a clause that exists."""
    known = {clause.label for clause in trace.clauses(corpus)} if corpus.config.trace else set()
    for label, test, line in corpus.clause_marks:
        path = test.partition("::")[0]
        if label == trace.BROKEN:
            yield Fault(path, line, test, f"{path} is not Python, so its clause markers cannot be read")
        elif label not in known:
            yield Fault(
                path,
                line,
                f"{test} {label}",
                f"{test} is marked with clause {label}, which no normative document states{suggest(label, known)}",
            )


def dangling_commitment(corpus: Corpus) -> Iterator[Fault]:
    """Require that a commitment is well-formed, and its clause and tests exist."""
    if corpus.config.trace is None:
        return
    rows, faults = trace.commitments(corpus.root, corpus.config.trace)
    yield from faults
    known = {clause.label: clause for clause in trace.clauses(corpus)}
    manifest = corpus.config.trace.commitments
    for row in rows:
        clause = known.get(trace.label_of(row))
        path = row.clause.partition("#")[0] if "#" in row.clause else ""
        if clause is None or (path and path != clause.path):
            yield Fault(manifest, row.line, row.id, f"{row.id}: clause {row.clause} does not exist")
        for test in trace.missing_tests(corpus.root, row):
            yield Fault(manifest, row.line, f"{row.id} {test}", f"{row.id}: test {test} does not exist")
