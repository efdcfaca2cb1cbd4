"""The `docflow` command: arguments in, text out, exit status 0 (ok), 1 (findings block) or 2 (cannot be done)."""

from __future__ import annotations

import atexit
import errno
import gc
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import click

from docflow import __version__
from docflow.errors import DocflowError
from docflow.tracing import trace
from docflow.verbs import ROOT, load, relative
from docflow.writing import COMMANDS

if TYPE_CHECKING:
    from docflow.check import Result


@contextmanager
def _without_collector() -> Iterator[None]:
    """Switch the collector of cycles off: what a check builds lives until it ends, and looking for it costs a fifth.

    A process that goes on afterwards has it back; one that ends does not look once more.
    """
    atexit.register(gc.freeze)
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


# The verbs import what they need when they run: a check must start in a few hundredths of a second.
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


def _judge(root: Path, baseline_path: Path | None, base: str = "", only: tuple[str, ...] = ()) -> Result:
    from docflow import baseline, config, rules
    from docflow.check import Result, summarise

    tree = load(root)
    if not tree.documents:
        raise DocflowError(
            f"a check must find a document, but {root} holds none; name another --root, "
            f"or correct [documents] include in {config.FILE_NAME}"
        )
    findings, known = rules.check(tree), ()
    if base:
        from docflow import base as base_tree

        findings += rules.check_change(base_tree.load(tree, base, rules.IDS))
    if baseline_path is not None:
        judged = baseline.judge(findings, baseline.load(baseline_path), baseline_path.as_posix())
        findings, known = judged.new, judged.known
    if only:
        findings = tuple(one for one in findings if one.path in only)
    return Result(findings, known, summarise(tree))


@main.command()
@click.argument("paths", nargs=-1, type=click.Path(path_type=Path), metavar="[FILE]...")
@ROOT
@click.option(
    "--format",
    "form",
    type=click.Choice(["text", "json", "sarif", "junit", "github"]),
    default="text",
    help="Output [text].",
)
@click.option("--base", default="", help="Judge the change against this git revision too: what was dropped or demoted.")
@click.option(
    "--baseline", "baseline_path", type=click.Path(path_type=Path), help="Tolerate the findings listed in this file."
)
@click.option(
    "--write-baseline", is_flag=True, help="Write the baseline instead: all errors if it is new, else only fewer."
)
@click.option("--watch", "is_watching", is_flag=True, help="Check again whenever something changes, until interrupted.")
def check(root: Path, form: str, baseline_path: Path | None, *, write_baseline: bool, **rest: Any) -> None:
    """Check the tree; exit status 1 if any finding is an error.

    The whole tree is read; with FILEs only what is found in them counts.
    """
    from docflow.formats import FORMATS

    if write_baseline:
        if baseline_path is None:
            raise DocflowError("--write-baseline must know the file; give it with --baseline FILE")
        _write_baseline(root, baseline_path)
    only = tuple(relative(root, path) for path in rest["paths"])
    if rest["is_watching"]:
        _watch(root, lambda: FORMATS[form](_judge(root, baseline_path, rest["base"], only)))
    with _without_collector():
        result = _judge(root, baseline_path, rest["base"], only)
    click.echo(FORMATS[form](result))
    sys.exit(int(result.blocks))


def _write_baseline(root: Path, path: Path) -> NoReturn:
    """Lock what is not locked yet, so that a change of it is seen, then write down what is left to tolerate."""
    from docflow import baseline, review, rules

    review.apply(root, review.adopt(load(root)))
    before, after = baseline.write(path, rules.check(load(root)))
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
@click.argument("section")
@ROOT
def impact(section: str, root: Path) -> None:
    """List the edges to review again when SECTION changes. Those at 1 at once, farther ones if those change too."""
    from docflow import graph, names

    tree = load(root)
    node = names.node(tree, section)
    edges = graph.to_review(tree, node)
    for far, view in edges:
        click.echo(f"{far} {view.key}")
    direct = sum(far == 1 for far, _ in edges)
    click.echo(f"{len(edges)} edges rest on {node}: {direct} directly, {len(edges) - direct} through others")


@main.command()
@click.argument("source", metavar="A")
@click.argument("target", metavar="B")
@ROOT
def why(source: str, target: str, root: Path) -> None:
    """Show a shortest chain by which A rests on B. Exit status 1 if it does not."""
    from docflow import graph, names

    tree = load(root)
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
@ROOT
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

    drawn = graph_view.dot(load(root)) if form == "dot" else graph_view.html(load(root))
    if output is None:
        click.echo(drawn)
        return
    files.replace(output, drawn.encode())
    click.echo(f"wrote {output}")


@main.command()
@ROOT
@click.option("--all", "with_ok", is_flag=True, help="List the edges that are ok too.")
def report(root: Path, *, with_ok: bool) -> None:
    """Write the state of all reviews to a Markdown file.

    out/docflow_section_reviews.md gets a summary, then a line for each edge that is not ok.
    """
    from docflow import files
    from docflow import report as reporting

    lines = reporting.lines(load(root), with_ok=with_ok)
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


for _command in (trace, *COMMANDS):
    main.add_command(_command)
