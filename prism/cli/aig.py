"""`prism aig`: what is in circuits, their canonical form, their simplification, and whether they are the same."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Final

import click
from rich.console import Console
from rich.table import Table

from prism.aig.circuit import SECTIONS, Circuit
from prism.aig.read import read
from prism.aig.rules import LEVELS
from prism.aig.same import Difference, Verdict, same
from prism.aig.strash import depth, simplify, strash
from prism.aig.write import write
from prism.cli.main import STEPS
from prism.cli.options import SOURCE, opened
from prism.errors import UsageError
from prism.files import require_writable, write_bytes

_PIPE_COLUMNS: Final = 120
_CODES: Final = {Verdict.EQUAL: 0, Verdict.DIFFERENT: 1, Verdict.UNKNOWN: STEPS}
_SUFFIXES: Final = {".aag": False, ".aig": True}
"""File names that say whether a file is binary."""

_files = click.argument("files", type=SOURCE, nargs=-1, required=True, metavar="FILE...")
_json = click.option("--json", "as_json", is_flag=True, help="Print one JSON object a line.")


@click.group()
def aig() -> None:
    """Boolean circuits in AIGER 1.9, ASCII or binary; FILE may be - for standard input.

    Latches are cut points: their next states are roots like outputs.
    """


def _output_options(command: Callable[..., None]) -> Callable[..., None]:
    form = click.option(
        "--binary/--ascii", "binary", default=None, help="Which form to write; else what the name of the file says."
    )
    target = click.option(
        "-o",
        "--output",
        type=click.Path(path_type=Path),
        help="Write here: a file for one FILE, a folder for several; - is standard output.",
    )
    return target(form(command))


@aig.command()
@_files
@_json
def stats(files: tuple[str, ...], as_json: bool) -> None:
    """Count the sections of each FILE, its ANDs, its levels, and the ANDs that hashing leaves."""
    rows = [_stats(name, _read(name)) for name in files]
    if as_json:
        for row in rows:
            click.echo(json.dumps(row))
        return
    shown = [column for column in rows[0] if column == "file" or any(row[column] for row in rows)]
    table = Table(*shown)
    for row in rows:
        table.add_row(*(str(row[column]) for column in shown))
    Console(width=None if sys.stdout.isatty() else _PIPE_COLUMNS, markup=False).print(table)


def _stats(name: str, circuit: Circuit) -> dict[str, str | int]:
    counts = {SECTIONS[letter]: count for letter, count in circuit.interface.counts().items()}
    hashed = len(strash(circuit).rows)
    return {"file": name, **counts, "ands": len(circuit.rows), "levels": depth(circuit), "hashed": hashed}


@aig.command("strash")
@_files
@_output_options
def strash_command(files: tuple[str, ...], output: Path | None, binary: bool | None) -> None:
    """Make each FILE canonical: one AND for each pair of operands, numbered level by level."""
    _rewrite(files, strash, output, binary)


@aig.command("simplify")
@_files
@_output_options
@click.option(
    "--level", type=click.IntRange(min(LEVELS), max(LEVELS)), default=max(LEVELS), show_default=True, help="Rules used."
)
def simplify_command(files: tuple[str, ...], output: Path | None, binary: bool | None, level: int) -> None:
    """Make each FILE canonical and smaller, by the local rules of Brummayer and Biere (2006) up to a level."""
    _rewrite(files, lambda circuit: simplify(circuit, level), output, binary)


def _rewrite(
    files: tuple[str, ...], change: Callable[[Circuit], Circuit], output: Path | None, binary: bool | None
) -> None:
    """Change each file, write the results if asked, and say on stderr what became of the ANDs."""
    targets = [_target(name, output, many=len(files) > 1) for name in files]
    if len(set(targets)) < len(targets) and output is not None:
        raise UsageError(f"each file must be written to a name of its own in {output}, got two of one name; rename one")
    for target in targets:
        if target is not None and str(target) != "-":
            require_writable(target)
    for name, target in zip(files, targets, strict=True):
        before = _read(name)
        after = change(before)
        if target is not None:
            is_binary = _is_binary(target, name) if binary is None else binary
            data = write(after, binary=is_binary)
            if str(target) == "-":
                sys.stdout.buffer.write(data)
            else:
                write_bytes(target, data)
        click.echo(
            f"{name}: {len(before.rows)} -> {len(after.rows)} ands, {depth(before)} -> {depth(after)} levels", err=True
        )


def _target(name: str, output: Path | None, *, many: bool) -> Path | None:
    if output is None or str(output) == "-" or not (many or output.is_dir()):
        if many and output is not None:
            raise UsageError("several files must be written to a folder, got -; name a folder")
        return output
    return output / ("stdin.aig" if name == "-" else Path(name).name)


def _is_binary(target: Path, source: str) -> bool:
    """Return which form a name stands for, that of the target before that of the source; binary without either."""
    return next((_SUFFIXES[path.suffix] for path in (target, Path(source)) if path.suffix in _SUFFIXES), True)


@aig.command("same")
@_files
@click.option(
    "--patterns", type=click.IntRange(1, 1 << 30), default=1 << 15, show_default=True, help="Least patterns to try."
)
@_json
def same_command(files: tuple[str, ...], patterns: int, as_json: bool) -> None:
    """Compare the first FILE with each of the others, place by place.

    Exit code 0: all equal; 1: one is different, with inputs that show it; 5: one could not be told.
    """
    one, *others = files
    if not others:
        raise UsageError(f"a comparison needs two files at least, got {one}; name another")
    first = _read(one)
    verdicts = []
    for name in others:
        result = same(first, _read(name), patterns=patterns)
        verdicts.append(result.verdict)
        if as_json:
            click.echo(json.dumps(_compared(one, name, result.verdict, result.reason, result.difference)))
            continue
        click.echo(f"{one} {name}: {result.verdict.value}, {result.reason}")
        if result.difference is not None:
            click.echo(_described(first, result.difference))
    worst = next((v for v in (Verdict.DIFFERENT, Verdict.UNKNOWN) if v in verdicts), Verdict.EQUAL)
    sys.exit(_CODES[worst])


def _compared(one: str, other: str, verdict: Verdict, reason: str, found: Difference | None) -> dict[str, object]:
    row: dict[str, object] = {"files": [one, other], "verdict": verdict.value, "reason": reason}
    if found is not None:
        place = f"{found.section}{found.position}"
        row |= {"leaves": "".join(map(str, found.leaves)), "place": place, "values": list(found.values)}
    return row


def _described(circuit: Circuit, found: Difference) -> str:
    """Return the lines that say under which leaves which place differs."""
    inputs = circuit.interface.inputs
    bits = "".join(map(str, found.leaves))
    lines = [f"  inputs  {bits[:inputs]}"]
    if circuit.interface.latches:
        lines.append(f"  latches {bits[inputs:]}")
    place = circuit.name(found.section, found.position)
    return "\n".join([*lines, f"  {place} is {found.values[0]} in the first, {found.values[1]} in the second"])


def _read(name: str) -> Circuit:
    with opened(name) as (stream, shown):
        return read(stream.read(), shown)
