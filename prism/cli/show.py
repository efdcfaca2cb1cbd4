"""`prism show`: draw the shared graph of a program."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import click

from prism.cli.options import SOURCE, opened
from prism.errors import PrismError, UsageError
from prism.files import write_bytes
from prism.vm.term.dot import dot
from prism.vm.term.graph import TermGraph
from prism.vm.term.parse import Reader
from prism.vm.term.show import show_program


@click.command()
@click.argument("file", type=SOURCE)
@click.option("--dot", "form", flag_value="dot", default=True, help="Graphviz text (the default).")
@click.option("--svg", "form", flag_value="svg", help="SVG, through the `dot` command of Graphviz.")
@click.option("--program", "form", flag_value="program", help="A program that defines each shared subterm once.")
@click.option("-o", "--output", type=click.Path(dir_okay=False, path_type=Path), help="Write here instead of stdout.")
@click.option("--max-nodes", type=click.IntRange(1), default=5000, show_default=True, help="Most nodes to draw.")
def show(file: str, form: str, output: Path | None, max_nodes: int) -> None:
    """Draw the terms of FILE (- is standard input), as written: one node for each distinct subterm or numeral."""
    with opened(file) as (stream, name):
        reader = Reader(name)
        reader.feed(stream.read(), is_last=True)
    graph = reader.take().graph
    if form == "program":
        picture = show_program(graph)
    else:
        text = drawn(graph, max_nodes, remedy="raise --max-nodes")
        picture = svg(text) if form == "svg" else text
    if output is None:
        click.echo(picture, nl=False)
    else:
        write_picture(output, picture)


def drawn(graph: TermGraph, max_nodes: int, *, remedy: str) -> str:
    """Return the graph as Graphviz text; UsageError when that has more than `max_nodes` nodes."""
    text = dot(graph)
    n_nodes = text.count("[shape=")
    if n_nodes > max_nodes:
        raise UsageError(f"a drawing must have at most {max_nodes} nodes, got {n_nodes}; {remedy}")
    return text


def svg(text: str) -> str:
    """Return Graphviz text as SVG; PrismError when the `dot` command is missing or fails."""
    command = shutil.which("dot")
    if command is None:
        raise PrismError(
            "--svg must find the `dot` command of Graphviz, but it is not installed; install graphviz, or use --dot"
        )
    done = subprocess.run([command, "-Tsvg"], input=text, capture_output=True, text=True, check=False)
    if done.returncode:
        raise PrismError(f"`dot -Tsvg` must succeed, but it said: {done.stderr.strip()}; use --dot and run it yourself")
    return done.stdout


def write_picture(path: Path, drawn: str | bytes) -> None:
    """Write a picture to a file in a folder that exists, whole or not at all; UsageError when that cannot be."""
    try:
        path.parent.stat()
        write_bytes(path, drawn.encode() if isinstance(drawn, str) else drawn)
    except OSError as error:
        raise UsageError(
            f"a picture must go to a file that can be written, got {path}: {error.strerror}; "
            "name one in a folder that exists"
        ) from error
