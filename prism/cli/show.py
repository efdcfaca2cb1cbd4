"""`prism show`: draw the shared graph of a program of any theory."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

import click

from prism.cli.options import SOURCE, OutputFile, opened, theory_option
from prism.errors import PrismError, UsageError
from prism.files import write_bytes
from prism.vm.engines.table import BUILT_IN
from prism.vm.term.dot import dot
from prism.vm.term.graph import TermGraph
from prism.vm.term.parse import Reader
from prism.vm.term.read import TermReader
from prism.vm.term.write import write_program
from prism.vm.theory.library import load
from prism.vm.theory.model import Theory
from prism.vm.theory.signature import Signature


@click.command()
@click.argument("file", type=SOURCE)
@click.option("--dot", "form", flag_value="dot", default=True, help="Graphviz text (the default).")
@click.option("--svg", "form", flag_value="svg", help="SVG, through the `dot` command of Graphviz.")
@click.option("--program", "form", flag_value="program", help="A program that defines each shared subterm once.")
@click.option("-o", "--output", type=OutputFile(), help="Write here instead of stdout.")
@click.option("--max-nodes", type=click.IntRange(1), default=5000, show_default=True, help="Most nodes to draw.")
@theory_option
def show(file: str, form: str, output: Path | None, max_nodes: int, theory_name: str | None) -> None:
    """Draw the terms of FILE (- is standard input), as written: one node for each distinct subterm or numeral."""
    with opened(file) as (stream, name):
        theory = load(theory_name or BUILT_IN)
        graph, symbols = _read(theory, stream.read(), name)
    if form == "program":
        picture = write_program(theory.signature, graph, symbols)
    else:
        text = drawn(theory.signature, graph, symbols, max_nodes=max_nodes, remedy="raise --max-nodes")
        picture = svg(text) if form == "svg" else text
    if output is None:
        click.echo(picture, nl=False)
    else:
        write_picture(output, picture)


def _read(theory: Theory, data: bytes, name: str) -> tuple[TermGraph, list[str]]:
    """Return the terms of a program and its free names; those of the built-in theory by its own, faster reader."""
    if theory == load(BUILT_IN):
        stream = Reader(name)
        stream.feed(data, is_last=True)
        return stream.take().graph, []
    reader = TermReader(theory)
    return reader.read(data, name).graph, reader.symbols


def drawn(signature: Signature, graph: TermGraph, symbols: Sequence[str], *, max_nodes: int, remedy: str) -> str:
    """Return the graph as Graphviz text; UsageError when that has more than `max_nodes` nodes."""
    text = dot(signature, graph, symbols)
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
