"""The `docflow` command: arguments in, text out, exit status 0 (ok), 1 (findings block) or 2 (cannot be done)."""

from __future__ import annotations

import errno
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import click

from docflow import __version__
from docflow.errors import DocflowError
from docflow.model import OUTCOMES

if TYPE_CHECKING:
    from docflow.check import Result
    from docflow.corpus import Corpus

# The verbs import what they need when they run: a check must start in a few hundredths of a second.
_ROOT = click.option(
    "--root", type=click.Path(exists=True, file_okay=False, path_type=Path), default=".", help="The tree to read [.]."
)


class _Group(click.Group):
    """A group whose commands end with status 2 and one line on standard error if they cannot be carried out."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except DocflowError as error:
            click.echo(f"docflow: {error}", err=True)
        except OSError as error:
            if error.errno == errno.EPIPE:  # click ends quietly when its reader has gone
                raise
            what = error.filename or "what was printed"
            click.echo(
                f"docflow: {what} must be readable or writable as asked, but: {error.strerror}; "
                "name another, or make room",
                err=True,
            )
        return ctx.exit(2)


@click.group(cls=_Group, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, prog_name="docflow")
def main() -> None:
    """Normative documents as a checked dependency graph, with reviews that go stale.

    Begin with `docflow check`. Every finding names its remedy.
    """


def _load(root: Path) -> Corpus:
    from docflow import config, corpus
    from docflow.rules import IDS

    return corpus.load(root, config.load(root, IDS))


def _judge(root: Path, baseline_path: Path | None) -> Result:
    from docflow import baseline, config, rules
    from docflow.check import Result, summarise

    tree = _load(root)
    if not tree.documents:
        raise DocflowError(
            f"a check must find a document, but {root} holds none; name another --root, "
            f"or correct [documents] include in {config.FILE_NAME}"
        )
    findings, known = tuple(rules.check(tree)), ()
    if baseline_path is not None:
        judged = baseline.judge(findings, baseline.load(baseline_path), baseline_path.as_posix())
        findings, known = judged.new, judged.known
    return Result(findings, known, summarise(tree))


@main.command()
@_ROOT
@click.option(
    "--format",
    "form",
    type=click.Choice(["text", "json", "sarif", "junit", "github"]),
    default="text",
    help="Output [text].",
)
@click.option(
    "--baseline", "baseline_path", type=click.Path(path_type=Path), help="Tolerate the findings listed in this file."
)
@click.option(
    "--write-baseline", is_flag=True, help="Write the baseline instead: all errors if it is new, else only fewer."
)
@click.option("--watch", "is_watching", is_flag=True, help="Check again whenever something changes, until interrupted.")
def check(root: Path, form: str, baseline_path: Path | None, *, write_baseline: bool, is_watching: bool) -> None:
    """Check the tree; exit status 1 if any finding is an error."""
    from docflow.formats import FORMATS

    if write_baseline:
        if baseline_path is None:
            raise DocflowError("--write-baseline must know the file; give it with --baseline FILE")
        _write_baseline(root, baseline_path)
    if is_watching:
        _watch(root, lambda: FORMATS[form](_judge(root, baseline_path)))
    result = _judge(root, baseline_path)
    click.echo(FORMATS[form](result))
    sys.exit(int(result.blocks))


def _write_baseline(root: Path, path: Path) -> NoReturn:
    from docflow import baseline, rules

    before, after = baseline.write(path, rules.check(_load(root)))
    click.echo(
        f"{path}: {after} tolerated findings" + (f", {before - after} fewer than before" if before != after else "")
    )
    sys.exit(0)


def _watch(root: Path, render: Callable[[], str]) -> NoReturn:
    from docflow import config, watch
    from docflow.rules import IDS

    try:
        for changed in watch.changes(root, lambda: config.load(root, IDS)):
            click.clear()
            click.echo(f"changed: {', '.join(changed[:5])}{' ...' if len(changed) > 5 else ''}\n" if changed else "")
            try:
                click.echo(render())
            except DocflowError as error:
                click.echo(f"docflow: {error}")
    except KeyboardInterrupt:
        sys.exit(0)
    raise AssertionError("watching ends only by an interrupt")


@main.command()
@click.argument("refs", nargs=-1, required=True, metavar="REF...")
@_ROOT
@click.option(
    "--outcome",
    type=click.Choice(OUTCOMES),
    required=True,
    help="Did this review change the dependent text?",
)
@click.option("--note", required=True, help="What was compared, and what was found.")
@click.option("--dry-run", is_flag=True, help="Say what would be written, and write nothing.")
def review(refs: tuple[str, ...], root: Path, outcome: str, note: str, *, dry_run: bool) -> None:
    """Record a review of REF.

    It is written to the pins, the notes, the section ledger and the lock. REF is one edge as reports print it
    ('a.md::section -> b.md#anchor'), or a section (a.md::section, or section alone if that is clear) or a file for all
    of its edges that need a review. A note serves few edges: see same_note_limit.
    """
    from docflow import review as reviewing

    tree = _load(root)
    planned = reviewing.plan(tree, refs, outcome=outcome, note=note)
    if not planned.views:
        click.echo("nothing to review: every edge named is ok")
        return
    if not dry_run:
        reviewing.apply(root, planned)
    for view in planned.views:
        versions = f"dep={view.dep.version if view.dep else None}" + (f" self={view.own.version}" if view.own else "")
        click.echo(f"{'would review' if dry_run else 'reviewed'} {view.key} {versions}")


@main.command()
@_ROOT
@click.option("--dry-run", is_flag=True, help="Say what would be written, and write nothing.")
def adopt(root: Path, *, dry_run: bool) -> None:
    """Start a lock: trust fresh reviews, lock the texts as they are."""
    from docflow import review as reviewing

    tree = _load(root)
    planned = reviewing.adopt(tree)
    new = len(planned.views) + len(planned.texts.keys() - tree.lock.texts.keys())
    if new and not dry_run:
        reviewing.apply(root, planned)
    total = f"{len(planned.entries)} reviews and {len(planned.texts)} texts"
    click.echo(f"{'would adopt' if dry_run else 'adopted'} {new} lines; {total} are locked")


@main.command()
@_ROOT
@click.option("--base", default="", help="The git revision to compare with [HEAD].")
@click.option("--dry-run", is_flag=True, help="Say what would be written, and write nothing.")
def bump(root: Path, base: str, *, dry_run: bool) -> None:
    """Raise the versions of texts that changed since BASE, and lock them.

    A locked text counts from when it was locked.
    """
    from docflow import bump as bumping

    tree = _load(root)
    raised = bumping.plan(tree, base)
    if not dry_run:
        bumping.apply(tree, raised)
    for path, versions in raised.items():
        for anchor, (old, version) in versions.items():
            click.echo(f"{path}{'#' if anchor else ''}{anchor} {old} -> {version}")
    if not raised:
        click.echo("nothing to bump: every changed text has a new version")


@main.command()
@click.argument("section")
@_ROOT
def impact(section: str, root: Path) -> None:
    """List the edges to review again when SECTION changes. Those at 1 at once, farther ones if those change too."""
    from docflow import graph, names

    tree = _load(root)
    node = names.node(tree, section)
    edges = graph.to_review(tree, node)
    for far, view in edges:
        click.echo(f"{far} {view.key}")
    direct = sum(far == 1 for far, _ in edges)
    click.echo(f"{len(edges)} edges rest on {node}: {direct} directly, {len(edges) - direct} through others")


@main.command()
@click.argument("source", metavar="A")
@click.argument("target", metavar="B")
@_ROOT
def why(source: str, target: str, root: Path) -> None:
    """Show a shortest chain by which A rests on B. Exit status 1 if it does not."""
    from docflow import graph, names

    tree = _load(root)
    start, end = names.node(tree, source), names.node(tree, target)
    chain = graph.path_between(tree, start, end)
    if chain is None:
        other_way = " (but the other way round it does)" if graph.path_between(tree, end, start) else ""
        click.echo(f"{start} does not rest on {end}{other_way}")
        sys.exit(1)
    for arc in chain:
        if arc.view is not None:
            click.echo(f"{arc.view.key}  {arc.view.path}:{arc.view.edge.line}")


@main.command()
@_ROOT
@click.option("--json", "is_json", is_flag=True, help="Print one JSON object a clause.")
def trace(root: Path, *, is_json: bool) -> None:
    """List every clause with its tests, proofs and exemptions. Exit status 1 if one has none."""
    import json
    from dataclasses import asdict

    from docflow import trace as tracing
    from docflow.config import Trace

    tree = _load(root)
    rows = tracing.coverage(tree, tree.config.trace or Trace())
    for row in rows:
        if is_json:
            click.echo(json.dumps(asdict(row) | {"is_covered": row.is_covered}, ensure_ascii=False))
            continue
        click.echo(f"{row.clause.label} {row.clause.path}:{row.clause.line}{'' if row.is_covered else '  NOT COVERED'}")
        for kind, witnesses in (("test", row.tests), ("proof", row.theorems), ("exempt", row.exemptions)):
            for witness in witnesses:
                click.echo(f"  {kind} {witness}")
    uncovered = sum(not row.is_covered for row in rows)
    if not is_json:
        click.echo(f"{len(rows)} clauses, {uncovered} without a witness")
    sys.exit(int(uncovered > 0))


@main.command()
@click.argument("paths", nargs=-1, type=click.Path(exists=True, dir_okay=False, path_type=Path), metavar="[FILE]...")
@_ROOT
@click.option("--check", "is_check", is_flag=True, help="Write nothing; exit status 1 if a file would change.")
def fmt(paths: tuple[Path, ...], root: Path, *, is_check: bool) -> None:
    """Rewrite frontmatter of the colon-tolerant dialect as YAML. All documents, or FILEs; bodies stay as they are."""
    from docflow import files
    from docflow.fmt import format_file

    chosen = list(paths) or [root / document.path for document in _load(root).governed]
    changed = refused = 0
    for path in chosen:
        old = path.read_bytes()
        try:
            new = format_file(path.as_posix(), old)
        except DocflowError as error:
            refused += 1
            click.echo(f"docflow: {error}", err=True)
            continue
        if new != old:
            changed += 1
            click.echo(f"{'would rewrite' if is_check else 'rewrote'} {path.as_posix()}")
            if not is_check:
                files.replace(path, new)
    click.echo(f"{changed} of {len(chosen)} files {'would change' if is_check else 'changed'}")
    sys.exit(2 if refused else int(is_check and changed > 0))


@main.command()
@click.argument("refs", nargs=-1, metavar="[FILE]...")
@_ROOT
@click.option("--dry-run", is_flag=True, help="Say what would be written, and write nothing.")
def light(refs: tuple[str, ...], root: Path, *, dry_run: bool) -> None:
    """Move versions and reviews from frontmatter to the lock. Of all documents, or of FILEs."""
    from docflow import light as lightening
    from docflow import names

    tree = _load(root)
    chosen = [names.node(tree, ref).partition("#")[0] for ref in refs] or [one.path for one in tree.governed]
    planned = lightening.plan(tree, chosen)
    if planned.documents and not dry_run:
        lightening.apply(tree, planned)
    for path in planned.documents:
        click.echo(f"{'would lighten' if dry_run else 'lightened'} {path}")
    click.echo(f"{len(planned.documents)} of {len(chosen)} documents; the others are light already")


@main.command()
@_ROOT
@click.option("--dot", "form", flag_value="dot", help="Graphviz.")
@click.option("--html", "form", flag_value="html", default="html", help="One self-contained page (the default).")
@click.option(
    "-o",
    "--output",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write to this file instead of standard output.",
)
def graph(root: Path, form: str, output: Path | None) -> None:
    """Draw the graph."""
    from docflow import files, graph_view

    drawn = graph_view.dot(_load(root)) if form == "dot" else graph_view.html(_load(root))
    if output is None:
        click.echo(drawn)
        return
    files.replace(output, drawn.encode())
    click.echo(f"wrote {output}")


@main.command()
@_ROOT
@click.option("--all", "with_ok", is_flag=True, help="List the edges that are ok too.")
def report(root: Path, *, with_ok: bool) -> None:
    """Write the state of all reviews to a Markdown file.

    out/docflow_section_reviews.md gets a summary, then a line for each edge that is not ok.
    """
    from docflow import files
    from docflow import report as reporting

    lines = reporting.lines(_load(root), with_ok=with_ok)
    files.replace(root / reporting.PATH, ("\n".join(lines) + "\n").encode())
    click.echo(f"wrote {(root / reporting.PATH).as_posix()}")


@main.command()
@click.argument("path", type=click.Path(exists=True, dir_okay=False, path_type=Path), metavar="FILE")
def show(path: Path) -> None:
    """Show what is read from one FILE, whatever its name. Dialect, versions, edges, reviews, defects."""
    from docflow import show as showing
    from docflow.read import read

    click.echo("\n".join(showing.lines(read(path.name, path.read_bytes()))))


@main.command()
def fields() -> None:
    """List the frontmatter fields, each with type and meaning."""
    from docflow.schema import FIELDS

    for field in FIELDS:
        click.echo(f"{field.name:26} {field.kind:24} {'required' if field.is_required else '':9} {field.doc}".rstrip())


@main.command()
def rules() -> None:
    """List the rules: id, default severity, law, remedy."""
    from docflow.rules import RULES

    for rule in RULES:
        click.echo(
            f"{rule.id:22} {rule.severity:8} {(rule.check.__doc__ or '').splitlines()[0]}\n{'':31} {rule.remedy}"
        )


@main.command()
@click.option("--sections", default=2000, show_default=True, type=click.IntRange(min=1), help="Size of the set.")
@click.option("--runs", default=3, show_default=True, type=click.IntRange(min=1), help="Runs of each case of ours.")
@click.option("--doorstop/--no-doorstop", default=True, help="Run doorstop on the equivalent set, once.")
@click.option("--json", "is_json", is_flag=True, help="Print one JSON object a row.")
def bench(sections: int, runs: int, *, doorstop: bool, is_json: bool) -> None:
    """Measure a check, cold and warm, and doorstop beside it.

    Doorstop checks an equivalent set; times are CPU seconds of whole processes.
    """
    import json

    from docflow import bench as benching

    base = None
    for row in benching.run(sections, runs, with_doorstop=doorstop):
        values = row.as_dict()
        base = base or values
        if is_json:
            click.echo(json.dumps(values))
            continue
        median = values["median_s"]
        time = (
            f"{median:8.3f} s CPU   {median / base['median_s']:7.2f} x {base['case']}"
            if median
            else f"not run: {row.remark}"
        )
        click.echo(f"{row.impl:9} {row.case:11} {time}")
