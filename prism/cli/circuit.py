"""`prism circuit`: canonicalise circuits, run them on class memory, show what they say."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from prism.cli.options import OutputFile, opened
from prism.errors import UsageError
from prism.kernels.circuit.parse import parse

if TYPE_CHECKING:
    import numpy as np

    from prism.kernels.circuit.phrase import Phrase
    from prism.kernels.circuit.report import Canonical
    from prism.kernels.isa.types import Type

# The verbs import what they need when they run: reading a circuit needs no engine and no executor.
REFERENCE = "reference"
_CIRCUIT = click.argument("circuit")


@click.group()
def circuit() -> None:
    """Work with circuits, such as 'merge@c00[c01,c02]'. CIRCUIT is a text, @FILE, or - for standard input."""


@circuit.command()
@_CIRCUIT
@click.option("--gates", "is_gates", is_flag=True, help="Read it as gates on qubits, not as an array program.")
@click.option("--explain", is_flag=True, help="Name the rule of each step.")
@click.option("--json", "is_json", is_flag=True, help="Print one JSON object.")
def canon(circuit: str, *, is_gates: bool, explain: bool, is_json: bool) -> None:
    """Print the canonical form of CIRCUIT, and how many operations it saves."""
    phrase = _read(circuit)
    if is_gates:
        from prism.kernels.circuit.gate_words import canonical_gates as canonical
    else:
        from prism.kernels.circuit.arrays import canonical_arrays as canonical
    found = canonical(phrase)
    if is_json:
        click.echo(json.dumps(_as_json(found, with_steps=explain)))
        return
    click.echo(found.phrase)
    if explain:
        for number, step in enumerate(found.steps, 1):
            click.echo(f"{number:4}. {step}")
    before, after = found.original_ops, found.canonical_ops
    click.echo(f"operations: {before} before, {after} after, {found.reduction_pct:.1f} % fewer")
    rules = ", ".join(f"{rule} ({times})" if times > 1 else rule for rule, times in found.applied_rules.items())
    click.echo(f"rules: {rules or 'none'}")


def _as_json(found: Canonical, *, with_steps: bool) -> dict[str, Any]:
    steps = [{"rule": step.rule, "before": step.before, "after": step.after} for step in found.steps]
    return {
        "canonical": str(found.phrase),
        "original_ops": found.original_ops,
        "canonical_ops": found.canonical_ops,
        "reduction_pct": found.reduction_pct,
        "applied_rules": found.applied_rules,
        **({"steps": steps} if with_steps else {}),
    }


@circuit.command()
@_CIRCUIT
@click.argument("vectors", nargs=-1, metavar="[CLASS=VALUES]...")
@click.option("--type", "type_name", default="f32", show_default=True, help="Element type.")
@click.option("-n", "n", type=click.IntRange(0), help="Elements of each vector [the longest given].")
@click.option("--save", multiple=True, metavar="CLASS=FILE.npy", help="Write the vector of CLASS to a file.")
@click.option("--on", "executor", default=REFERENCE, show_default=True, help="An executor by name, or reference.")
def run(
    circuit: str,
    vectors: tuple[str, ...],
    *,
    type_name: str,
    n: int | None,
    save: tuple[str, ...],
    executor: str,
) -> None:
    """Run CIRCUIT on class memory, zero but for the vectors given, and print the vectors that changed.

    VALUES are numbers with commas between, or @FILE.npy: c01=1,2,3 c02=@b.npy.
    """
    from prism.cli.circuit_vectors import changed, loaded, require_room, require_type, saved
    from prism.kernels.circuit.calls import calls

    given, ty = calls(_read(circuit)), require_type(type_name)
    memory, longest = loaded(vectors, ty)
    before, count = memory.copy(), longest if n is None else n
    require_room(save, count, ty)
    _run(given, memory, ty, count, executor)
    for line in changed(given, before, memory, count, ty):
        click.echo(line)
    saved(save, memory, count, ty)


def _run(given: tuple[Any, ...], memory: np.ndarray, ty: Type, n: int, executor: str) -> None:
    if executor == REFERENCE:
        from prism.kernels.circuit.reference import run as run_reference

        run_reference(given, memory, ty, n)
        return
    from prism.kernels.circuit.lower import lower
    from prism.kernels.exec.table import open_executor
    from prism.kernels.run_circuit import run_circuit

    run_circuit(lower(given, ty), memory, n, open_executor(executor))


@circuit.command()
@_CIRCUIT
@click.option("--type", "type_name", default="f32", show_default=True, help="Element type of the programs.")
@click.option("--isa", "with_programs", is_flag=True, help="Print the program of each stage.")
@click.option("--svg", "form", flag_value="svg", help="Draw it as SVG.")
@click.option("--png", "form", flag_value="png", help="Draw it as PNG, through matplotlib.")
@click.option("-o", "--output", type=OutputFile(), help="The file of the picture.")
def show(circuit: str, *, type_name: str, with_programs: bool, form: str | None, output: Path | None) -> None:
    """Show what CIRCUIT says: its calls and stages, or a picture, or if it has none, its literal reading and words."""
    phrase = _read(circuit)
    if form:
        _draw(phrase, form, output)
        return
    click.echo(phrase)
    _show_readings(phrase)
    _show_stages(phrase, type_name, with_programs=with_programs)


def _show_readings(phrase: Phrase) -> None:
    from prism.kernels.circuit.evaluate import literal, words

    read = literal(phrase)
    click.echo(f"bytes: {' '.join(f'{byte:02x}' for byte in read.bytes)}")
    if read.addresses:
        click.echo(f"addresses: {' '.join(map(str, read.addresses))}")
    click.echo(f"words: {' '.join(words(phrase))}")


def _show_stages(phrase: Phrase, type_name: str, *, with_programs: bool) -> None:
    from prism.cli.circuit_vectors import require_type
    from prism.errors import ParseError
    from prism.kernels.circuit.calls import calls
    from prism.kernels.circuit.lower import lower

    try:
        given = calls(phrase)
    except ParseError as error:
        click.echo(f"calls: none, for it has a literal reading only ({error.where})")
        return
    for one in given:
        fields = one.as_json()
        click.echo(f"call: {fields.pop('op')} " + " ".join(f"{name}={value}" for name, value in fields.items()))
    for number, stage in enumerate(lower(given, require_type(type_name)).stages, 1):
        done = " . ".join(map(str, stage.calls))
        click.echo(f"stage {number}: {stage.lanes.value}, {len(stage.program.instructions)} instructions: {done}")
        if with_programs:
            from prism.kernels.isa.show import show_program

            click.echo(show_program(stage.program))


def _draw(phrase: Phrase, form: str, output: Path | None) -> None:
    from prism.cli.show import write_picture
    from prism.kernels.circuit.calls import calls
    from prism.kernels.circuit.draw import picture, svg

    drawn = picture(calls(phrase))
    if form == "svg":
        if output is None:
            click.echo(svg(drawn), nl=False)
        else:
            write_picture(output, svg(drawn))
        return
    from prism.kernels.circuit.raster import png

    if output is None:
        raise UsageError("--png must go to a file, since it is not text; name one with -o FILE.png")
    write_picture(output, png(drawn))


def _read(source: str) -> Phrase:
    """Return the phrase of an argument: a text, @FILE, or - for standard input."""
    if source != "-" and not source.startswith("@"):
        return parse(source)
    name = source.removeprefix("@")
    with opened(name) as (stream, shown):
        data = stream.read()
    try:
        return parse(data.decode(), shown)
    except UnicodeDecodeError as error:
        raise UsageError(
            f"a circuit must be UTF-8 text, got byte {error.start} of {shown}; save it as UTF-8"
        ) from error
