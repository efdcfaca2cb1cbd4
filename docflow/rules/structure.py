"""Rules on the whole graph: cycles, and clauses without a witness."""

from __future__ import annotations

from collections.abc import Iterator

from docflow import graph, trace, witness
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
        for row in trace.coverage(corpus):
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
    for mark in corpus.witnesses.marks:
        path = mark.test.partition("::")[0]
        if mark.clause == witness.BROKEN:
            message = f"{path} is not Python, so its clause markers cannot be read"
            yield Fault(path, mark.line, mark.test, message)
        elif mark.clause not in known:
            near = suggest(mark.clause, known)
            message = f"{mark.test} is marked with clause {mark.clause}, which no normative document states{near}"
            yield Fault(path, mark.line, f"{mark.test} {mark.clause}", message)


def witness_never_run(corpus: Corpus) -> Iterator[Fault]:
    """Require that what is marked with a clause is a test that pytest collects, and that can fail."""
    for mark in corpus.witnesses.marks:
        if mark.why_not and mark.clause != witness.BROKEN:
            path = mark.test.partition("::")[0]
            message = f"{mark.test} is marked with clause {mark.clause}, but {mark.why_not}"
            yield Fault(path, mark.line, f"{mark.test} {mark.clause}", message)


def dangling_commitment(corpus: Corpus) -> Iterator[Fault]:
    """Require that a commitment is well-formed, and its clause, its tests with that clause, and its proof exist."""
    settings = corpus.config.trace
    if settings is None:
        return
    yield from corpus.witnesses.manifest.faults
    known = {clause.label: clause for clause in trace.clauses(corpus)}
    for row in corpus.witnesses.manifest.commitments:
        clause = known.get(row.label)
        path = row.clause.partition("#")[0] if "#" in row.clause else ""
        if clause is None or (path and path != clause.path):
            message = f"{row.id}: clause {row.clause} does not exist"
            yield Fault(settings.commitments, row.line, row.id, message)
        for test, why in trace.wrong_tests(corpus, row):
            yield Fault(settings.commitments, row.line, f"{row.id} {test}", f"{row.id}: test {test} {why}")
        if row.theorem and settings.proofs and not witness.has_proof(corpus.root, settings, row.theorem):
            message = f"{row.id}: no source below {settings.proofs} declares {row.theorem}"
            yield Fault(settings.commitments, row.line, f"{row.id} {row.theorem}", message)
