"""The verb `trace`: clauses with their witnesses, and what runs say of these."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from docflow.verbs import ROOT, load

if TYPE_CHECKING:
    from docflow.corpus import Corpus
    from docflow.evidence import Evidence
    from docflow.trace import Coverage

_FILE = click.Path(dir_okay=False, path_type=Path)


@click.command()
@ROOT
@click.option("--json", "is_json", is_flag=True, help="Print one JSON object a clause.")
@click.option("--html", "is_html", is_flag=True, help="Print one static page, the matrix of clauses and witnesses.")
@click.option("-o", "--output", type=_FILE, help="Write to this file instead of standard output.")
@click.option("--junit", type=_FILE, help="A JUnit report: every test that witnesses a clause must have passed in it.")
@click.option(
    "--mutants", type=_FILE, help="Lines `killed MUTANT by TEST`: each mutant of a commitment must be killed."
)
@click.option("--record", "is_record", is_flag=True, help="Record the present text of each test, as reviewed.")
def trace(root: Path, *, output: Path | None, is_record: bool, **options: Any) -> None:
    """List every clause with its tests, proofs and exemptions.

    Exit status 1 if one has none, or if a report says that a witness is none. A test whose text changed since it was
    recorded is shown as changed.
    """
    from docflow import evidence, files, trace_page
    from docflow import trace as tracing

    tree = load(root)
    rows = tracing.coverage(tree)
    if is_record:
        recorded = evidence.texts(root, rows)
        files.replace(root / evidence.FILE_NAME, evidence.render(recorded))
        click.echo(f"wrote {evidence.FILE_NAME}: {len(recorded)} texts of tests")
        return
    known = gather(tree, rows, options["junit"], options["mutants"])
    wrong = list(complaints(tree, rows, known))
    if options["is_html"]:
        lines = {path: _lines(root / path) for path in {row.clause.path for row in rows}}
        drawn = trace_page.html(rows, known, lines)
    elif options["is_json"]:
        drawn = "\n".join(json.dumps(_as_dict(row, known), ensure_ascii=False) for row in rows)
    else:
        drawn = "\n".join([*_listed(rows, known), *wrong, _summary(rows, wrong)])
    if output is None:
        click.echo(drawn)
    else:
        files.replace(output, drawn.encode())
        click.echo(f"wrote {output}")
    sys.exit(int(bool(wrong) or not all(row.is_covered for row in rows)))


def gather(tree: Corpus, rows: Sequence[Coverage], junit: Path | None, mutants: Path | None) -> Evidence:
    """Read the reports that were given, and what was recorded."""
    from docflow import evidence

    states = None
    if junit is not None:
        named = {test.split("[")[0] for row in rows for test in row.tests}
        states = evidence.junit(junit, named | tree.witnesses.tests)
        states = evidence.containers(states, named, tree.witnesses.tests)
    recorded = evidence.load(tree.root)
    present = evidence.texts(tree.root, rows) if recorded else {}
    return evidence.Evidence(states, evidence.mutants(mutants) if mutants is not None else None, recorded, present)


def complaints(tree: Corpus, rows: Sequence[Coverage], known: Evidence) -> Iterator[str]:
    """Yield what makes a named witness none: it did not pass, or a mutant that it should kill lives."""
    from docflow import evidence

    if known.states is not None:
        for row in rows:
            for test in row.tests:
                state = known.states.get(test.split("[")[0], "not run")
                if state != "passed":
                    yield f"NOT A WITNESS {test} of {row.clause.label}: {state}"
    if known.killers is not None:
        for one, mutant in evidence.survivors(tree.witnesses.manifest.commitments, known.killers):
            yield f"NOT KILLED {mutant} by a test of {one}"


def _lines(path: Path) -> list[str]:
    return path.read_text("utf-8", "replace").split("\n")


def _as_dict(row: Coverage, known: Evidence) -> dict[str, Any]:
    states = {test: known.state(row.clause.label, test) for test in row.tests}
    return row._asdict() | {"clause": row.clause._asdict()} | {"is_covered": row.is_covered, "states": states}


def _listed(rows: Sequence[Coverage], known: Evidence) -> Iterator[str]:
    for row in rows:
        yield f"{row.clause.label} {row.clause.path}:{row.clause.line}{'' if row.is_covered else '  NOT COVERED'}"
        for test in row.tests:
            state = known.state(row.clause.label, test)
            yield f"  test {test}{'' if state == 'named' else f'  {state}'}"
        for kind, witnesses in (("proof", row.theorems), ("exempt", row.exemptions)):
            yield from (f"  {kind} {witness}" for witness in witnesses)


def _summary(rows: Sequence[Coverage], wrong: Sequence[str]) -> str:
    bare = sum(not row.is_covered for row in rows)
    return f"{len(rows)} clauses, {bare} without a witness" + (f", {len(wrong)} complaints" if wrong else "")
