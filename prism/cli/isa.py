"""`prism isa`: assemble, show, verify, run and step programs of the instruction set."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final

import click
import numpy as np

from prism.cli.options import SOURCE, OutputFile, opened
from prism.errors import UsageError
from prism.files import write_text
from prism.kernels.exec.debug import Change, Debugger, Event
from prism.kernels.exec.launch import Dim, Launch, Shape
from prism.kernels.exec.table import EXECUTORS, open_executor
from prism.kernels.isa.codec import MAGIC, decode, digest, save
from prism.kernels.isa.program import Program
from prism.kernels.isa.show import show_program
from prism.kernels.isa.table import EXTENSIONS, OPS
from prism.kernels.isa.types import Kind
from prism.kernels.isa.verify import Verified, verify

OUTPUT: Final = click.option("-o", "--output", type=OutputFile(), help="Write here.")
_SHOWN: Final = 16


@click.group()
def isa() -> None:
    """Programs of the instruction set: text, bytes, verification, runs. PROG is either form."""


def read_program(source: str) -> Program:
    """Return the program of a file in either form; errors of the codec and of the assembler."""
    with opened(source) as (stream, name):
        data = stream.read()
    if data.startswith(MAGIC):
        return decode(data)
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise UsageError(
            f"{name} must be a program's bytes or assembly in UTF-8, got byte {error.start} that is neither; "
            "name another file"
        ) from error
    from prism.kernels.isa.assemble import assemble

    return assemble(text, name)


@isa.command()
@click.argument("prog", type=SOURCE)
@click.option("-o", "--output", type=OutputFile(), required=True, help="Write here.")
def asm(prog: str, output: Path) -> None:
    """Write PROG as canonical bytes, if it passes verification."""
    program = read_program(prog)
    verify(program)
    save(output, program)
    click.echo(f"{output}: {len(program.instructions)} instructions, sha256 {digest(program)}")


@isa.command()
@click.argument("prog", type=SOURCE)
@OUTPUT
def dis(prog: str, output: Path | None) -> None:
    """Print PROG as assembly, which assembles to an equal program."""
    text = show_program(read_program(prog))
    if output is None:
        click.echo(text, nl=False)
    else:
        write_text(output, text)


@isa.command("verify")
@click.argument("prog", type=SOURCE)
def verify_command(prog: str) -> None:
    """Say whether PROG may run; the exit code is 0 if it may."""
    program = read_program(prog)
    verified = verify(program)
    click.echo(
        f"{program.name}: may run; {len(program.instructions)} instructions, {len(verified.steps)} steps, "
        f"{verified.counters} counted loops, sha256 {digest(program)}"
    )


@isa.command()
def table() -> None:
    """Print the instruction table."""
    for op in OPS:
        names = " ".join(("=" if one.writes else "") + one.name for one in op.operands)
        types = " ".join("/".join(ty.name for ty in each) for each in op.types)
        mark = "+" if op.name in EXTENSIONS else " "
        click.echo(f"{op.code:02x}{mark} {op.mnemonic:<13} {names}")
        click.echo(f"      {op.doc}" + (f" Within {op.ulp} ulp." if op.ulp else ""))
        if types:
            click.echo(f"      types: {types}")


def parse_dim(_context: click.Context, _parameter: click.Parameter, text: str) -> Dim:
    """Read sizes such as 4, 8x8 or 2x2x1."""
    parts = text.split("x")
    if not 1 <= len(parts) <= 3 or not all(part.isdecimal() and len(part) < 11 for part in parts):
        raise click.BadParameter(f"expected sizes such as 4, 8x8 or 2x2x1, got {text!r}")
    x, y, z = ([int(part) for part in parts] + [1, 1])[:3]
    return (x, y, z)


def _launch_options(command: Any) -> Any:
    for option in (
        click.option("--grid", default="1", callback=parse_dim, help="Blocks, such as 4 or 2x2x1 [1]."),
        click.option("--block", default="1", callback=parse_dim, help="Lanes of a block, such as 64 or 8x8 [1]."),
        click.option(
            "--buffer", "-b", "buffers", multiple=True, help="NAME=1,2,3, NAME=iota:N, NAME=zeros:N or NAME=@x.npy."
        ),
        click.option("--scalar", "-s", "scalars", multiple=True, help="NAME=VALUE."),
        click.option(
            "--fuel", type=click.IntRange(0, 1 << 62), default=1 << 20, show_default=True, help="Loop rounds a lane."
        ),
    ):
        command = option(command)
    return command


def _named(given: Iterable[str], what: str) -> dict[str, str]:
    found = {}
    for text in given:
        name, sign, value = text.partition("=")
        if not sign or name in found:
            raise UsageError(f"a {what} must be given once, as NAME=VALUE, got {text!r}; write it so")
        found[name] = value
    return found


def _array(name: str, text: str, dtype: np.dtype) -> np.ndarray:
    try:
        if text.startswith("@"):
            return np.load(text[1:], allow_pickle=False)
        if made := re.fullmatch(r"(iota|zeros):(\d{1,9})", text):
            size = int(made[2])
            return np.arange(size).astype(dtype) if made[1] == "iota" else np.zeros(size, dtype)
        return np.array([int(one, 0) if dtype.kind in "iu" else float(one) for one in text.split(",")]).astype(dtype)
    except (ValueError, OverflowError, OSError) as error:
        raise UsageError(
            f"buffer {name} must be numbers with commas, iota:N, zeros:N or @FILE.npy, got {text!r}: {error}"
        ) from error


def _launch(verified: Verified, shape: Shape, given: tuple[Iterable[str], Iterable[str]], fuel: int) -> Launch:
    program = verified.program
    texts, values = _named(given[0], "buffer"), _named(given[1], "scalar")
    dtypes = {one.name: one.type.dtype for one in program.buffers}
    buffers = {name: _array(name, text, dtypes.get(name, np.dtype("f8"))) for name, text in texts.items()}
    floats = {one.name for one in program.scalars if one.type.kind is Kind.FLOAT}
    scalars = {}
    for name, text in values.items():
        try:
            scalars[name] = float(text) if name in floats else int(text, 0)
        except ValueError as error:
            raise UsageError(f"scalar {name} must be a number, got {text!r}; give one") from error
    return Launch(verified, shape, buffers, scalars, fuel)


@isa.command()
@click.argument("prog", type=SOURCE)
@click.option("--executor", "-e", "names", type=click.Choice([*EXECUTORS, "all"]), default="numpy", show_default=True)
@_launch_options
def run(prog: str, names: str, grid: Dim, block: Dim, **given: Any) -> None:
    """Run PROG and print its buffers; with `-e all` on every executor in turn."""
    verified = verify(read_program(prog))
    for name in EXECUTORS if names == "all" else (names,):
        launch = _launch(verified, Shape(grid, block), (given["buffers"], given["scalars"]), given["fuel"])
        open_executor(name).bind(launch)()
        for buffer, array in launch.buffers.items():
            shown = ", ".join(str(value) for value in array.reshape(-1)[:_SHOWN].tolist())
            more = f", ... ({array.size} in all)" if array.size > _SHOWN else ""
            click.echo(f"{name:>7}  {buffer} = [{shown}{more}]")


def _told(changes: Iterable[Change]) -> str:
    return "  ".join(f"{one.name}={one.value!r}" for one in changes)


def _print(event: Event) -> None:
    line = f"{event.index:4}  {event.text:<34}  {_told(event.reads)}"
    click.echo((line + (f"  ->  {_told(event.changes)}" if event.changes else "")).rstrip())
    if event.fault is not None:
        click.echo(f"      fault: {event.fault}")


_HELP: Final = "Enter or s: one step; c: to the end; r: registers; m NAME: memory; q: quit"


@isa.command()
@click.argument("prog", type=SOURCE)
@click.option(
    "--lane", type=click.IntRange(0), default=0, show_default=True, help="The lane to follow, counted from 0."
)
@click.option("--trace", is_flag=True, help="Print every step of the lane without asking.")
@_launch_options
def step(prog: str, lane: int, trace: bool, grid: Dim, block: Dim, **given: Any) -> None:
    """Step one lane of PROG: each line is an instruction, what it read, and what it changed."""
    launch = _launch(
        verify(read_program(prog)), Shape(grid, block), (given["buffers"], given["scalars"]), given["fuel"]
    )
    debugger = Debugger(launch, lane)
    if trace:
        for event in debugger.trace():
            _print(event)
        return
    click.echo(_HELP)
    while not debugger.stopped():
        try:
            said = click.prompt("(isa)", default="s", show_default=False, prompt_suffix=" ").strip()
        except click.Abort:
            break
        if not _obey(debugger, said):
            return
    click.echo(f"lane {lane} has stopped" if debugger.stopped() else "")


def _obey(debugger: Debugger, said: str) -> bool:
    """Carry out one command of the debugger; False to quit."""
    word, _, rest = said.partition(" ")
    if word == "q":
        return False
    if word == "s":
        event = debugger.step()
        if event is not None:
            _print(event)
    elif word == "c":
        for event in debugger.trace():
            _print(event)
    elif word == "r":
        click.echo(_told(debugger.registers()) or "no register is set")
    elif word == "m":
        try:
            click.echo(str(debugger.memory(rest.strip())))
        except UsageError as error:
            click.echo(str(error))
    else:
        click.echo(_HELP)
    return True
