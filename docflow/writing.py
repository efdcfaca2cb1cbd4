"""The verbs that write: reviews, versions, the lock, and the form of frontmatter."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Final

import click

from docflow.errors import DocflowError
from docflow.model import OUTCOMES
from docflow.verbs import ROOT, load


@click.command()
@click.argument("refs", nargs=-1, required=True, metavar="REF...")
@ROOT
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

    tree = load(root)
    planned = reviewing.plan(tree, refs, outcome=outcome, note=note)
    if not planned.views:
        click.echo("nothing to review: every edge named is ok")
        return
    if not dry_run:
        reviewing.apply(root, planned)
    for view in planned.views:
        versions = f"dep={view.dep.version if view.dep else None}" + (f" self={view.own.version}" if view.own else "")
        click.echo(f"{'would review' if dry_run else 'reviewed'} {view.key} {versions}")


@click.command()
@ROOT
@click.option("--dry-run", is_flag=True, help="Say what would be written, and write nothing.")
def adopt(root: Path, *, dry_run: bool) -> None:
    """Start a lock: trust fresh reviews, lock the texts as they are."""
    from docflow import review as reviewing

    tree = load(root)
    planned = reviewing.adopt(tree)
    new = len(planned.views) + len(planned.texts.keys() - tree.lock.texts.keys())
    if new and not dry_run:
        reviewing.apply(root, planned)
    total = f"{len(planned.entries)} reviews and {len(planned.texts)} texts"
    click.echo(f"{'would adopt' if dry_run else 'adopted'} {new} lines; {total} are locked")


@click.command()
@ROOT
@click.option("--base", default="", help="The git revision to compare with [HEAD].")
@click.option("--dry-run", is_flag=True, help="Say what would be written, and write nothing.")
def bump(root: Path, base: str, *, dry_run: bool) -> None:
    """Raise versions of texts that changed since BASE. Lock them.

    A locked text counts from when it was locked.
    """
    from docflow import bump as bumping

    tree = load(root)
    raised = bumping.plan(tree, base)
    if not dry_run:
        bumping.apply(tree, raised)
    for path, versions in raised.items():
        for anchor, (old, version) in versions.items():
            click.echo(f"{path}{'#' if anchor else ''}{anchor} {old} -> {version}")
    if not raised:
        click.echo("nothing to bump: every changed text has a new version")


@click.command()
@click.argument("refs", nargs=-1, metavar="[FILE]...")
@ROOT
@click.option("--dry-run", is_flag=True, help="Say what would be written, and write nothing.")
def light(refs: tuple[str, ...], root: Path, *, dry_run: bool) -> None:
    """Move versions and reviews from frontmatter to the lock. Of all documents, or of FILEs."""
    from docflow import light as lightening
    from docflow import names

    tree = load(root)
    chosen = [names.node(tree, ref).partition("#")[0] for ref in refs] or [one.path for one in tree.governed]
    planned = lightening.plan(tree, chosen)
    if planned.documents and not dry_run:
        lightening.apply(tree, planned)
    for path in planned.documents:
        click.echo(f"{'would lighten' if dry_run else 'lightened'} {path}")
    click.echo(f"{len(planned.documents)} of {len(chosen)} documents; the others are light already")


@click.command()
@click.argument("paths", nargs=-1, type=click.Path(exists=True, dir_okay=False, path_type=Path), metavar="[FILE]...")
@ROOT
@click.option("--check", "is_check", is_flag=True, help="Write nothing; exit status 1 if a file would change.")
def fmt(paths: tuple[Path, ...], root: Path, *, is_check: bool) -> None:
    """Rewrite frontmatter of the colon-tolerant dialect as YAML. All documents, or FILEs; bodies stay as they are."""
    from docflow import files
    from docflow.fmt import format_file

    chosen = list(paths) or [root / document.path for document in load(root).governed]
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


@click.command()
@click.argument("names", nargs=-1, required=True, metavar="NAME...")
@ROOT
@click.option("--note", required=True, help="Why it was meant.")
def accept(names: tuple[str, ...], root: Path, note: str) -> None:
    """Accept what `check --base` found under NAME. A document, section, clause, edge, commitment or setting."""
    from docflow import review as reviewing

    reviewing.apply(root, reviewing.accept(load(root), names, note))
    for name in names:
        click.echo(f"accepted {name}")


@click.command()
@click.argument("folder", default=".")
@ROOT
def init(folder: str, root: Path) -> None:
    """Write two governed documents to FOLDER, and the settings. To begin with; it says what to do next."""
    from docflow import start

    for path in start.init(root, folder):
        click.echo(f"wrote {path}")
    prefix = f"{folder.strip('/')}/" if folder.strip("/.") else ""
    click.echo(start.NEXT.format(folder=prefix), nl=False)


COMMANDS: Final = (init, review, adopt, accept, bump, light, fmt)
