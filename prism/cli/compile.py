"""`prism compile`: a Python kernel as schema JSON, circuit, calls, assembly or a program's bytes."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

import click

from prism.cli.options import OutputFile
from prism.errors import UsageError
from prism.files import write_bytes, write_text
from prism.kernels.api import bound
from prism.kernels.isa.program import Program
from prism.kernels.isa.verify import verify
from prism.kernels.lower.program import lower
from prism.kernels.schema.codec import dumps, loads
from prism.kernels.schema.inference import schema_of
from prism.kernels.schema.records import Kernel
from prism.kernels.schema.source import Definition, definitions_of

TYPES: Final = click.option(
    "--type", "types", multiple=True, metavar="T=TYPE", help="The element type of a type variable; may be given often."
)


def parse_types(given: tuple[str, ...]) -> dict[str, str]:
    """Return type variables and their types; UsageError for what is not NAME=TYPE."""
    found = {one.partition("=")[0]: one.partition("=")[2] for one in given}
    if wrong := [one for one in given if not all(one.partition("=")[::2])]:
        raise UsageError(f"--type must be NAME=TYPE, such as T=f32, got {wrong[0]!r}; name a type variable")
    return found


def named(kernel: str) -> tuple[Path, str]:
    """Split FILE[::NAME]; UsageError unless the file is there."""
    file, _, name = kernel.partition("::")
    path = Path(file)
    if not path.is_file():
        raise UsageError(f"{file} must be a file with kernels, but there is none; name one as FILE.py::NAME")
    return path, name


def definition_in(path: Path, name: str) -> Definition:
    """Return the kernel of a name, or the only one of a file; UsageError if there is none such, or several."""
    found = {one: it for one, it in definitions_of(path).items() if name == one or (not name and not it.inline)}
    if len(found) != 1:
        known = ", ".join(definitions_of(path)) or "none"
        raise UsageError(
            f"{path} must have one kernel {name or 'that is meant'}, it has {known}; name it as FILE.py::NAME"
        )
    return next(iter(found.values()))


def schemas(kernel: str, types: Mapping[str, str]) -> list[Kernel]:
    """Return the typed records of a kernel, or of all kernels of a file that are not inline; JSON is read too."""
    path, name = named(kernel)
    if path.suffix == ".json":
        return [loads(path.read_text(encoding="utf-8"), str(path))]
    if name:
        chosen = [definition_in(path, name)]
    else:
        chosen = [one for one in definitions_of(path).values() if not one.inline]
        if not chosen:
            raise UsageError(f"{path} must have a kernel, it has none; put @prism.kernel on a def")
    found = []
    for one in chosen:
        known = one.type_variables()
        given = {name: ty for name, ty in types.items() if name in known or len(chosen) == 1}
        found.append(schema_of(one, bound(one, given)))
    return found


def _program(kernel: Kernel) -> Program:
    return verify(lower(kernel)).program


def _circuit(kernel: Kernel) -> str:
    from prism.kernels.stages import circuit_of

    return circuit_of(kernel) + "\n"


def _calls(kernel: Kernel) -> str:
    from prism.kernels.circuit.calls import calls
    from prism.kernels.circuit.parse import parse
    from prism.kernels.stages import circuit_of

    return "".join(json.dumps(one.as_json()) + "\n" for one in calls(parse(circuit_of(kernel))))


def _isa(kernel: Kernel) -> str:
    from prism.kernels.isa.show import show_program

    return show_program(_program(kernel))


EMITTERS: Final[Mapping[str, Callable[[Kernel], str]]] = {
    "schema": dumps,
    "circuit": _circuit,
    "calls": _calls,
    "isa": _isa,
}
"""Stages that are text, by name; `artefact` is bytes."""


@click.command("compile")
@click.argument("kernel", metavar="FILE.py[::NAME]")
@click.option("--emit", type=click.Choice([*EMITTERS, "artefact"]), default="isa", show_default=True, help="The stage.")
@TYPES
@click.option("-o", "--output", type=OutputFile(), help="Write here, not to stdout.")
def compile_command(kernel: str, emit: str, types: tuple[str, ...], output: Path | None) -> None:
    """Compile a kernel and print a stage: schema JSON, circuit, generator calls, assembly, or a program's bytes.

    The file is read, not run. Without ::NAME all its kernels are compiled. A .json file is schema JSON.
    """
    kernels = schemas(kernel, parse_types(types))
    if emit == "artefact":
        from prism.kernels.isa.codec import digest, encode

        if len(kernels) != 1 or (output is None and sys.stdout.isatty()):
            raise UsageError("an artefact must be of one kernel and go to a file; add ::NAME and -o FILE")
        program = _program(kernels[0])
        data = encode(program)
        if output is None:
            sys.stdout.buffer.write(data)
        else:
            write_bytes(output, data)
            click.echo(f"{output}: {len(data)} bytes, sha256 {digest(program)}")
        return
    text = "\n".join(EMITTERS[emit](one) for one in kernels)
    if output is None:
        click.echo(text, nl=False)
    else:
        write_text(output, text)
