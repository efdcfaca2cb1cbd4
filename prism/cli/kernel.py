"""`prism kernel`: run a kernel of a file on arrays from files."""

from __future__ import annotations

import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click
import numpy as np

from prism.cli.compile import TYPES, definition_in, named, parse_types
from prism.errors import UsageError
from prism.files import require_writable, write_bytes
from prism.kernels.api import Kernel, Launcher
from prism.kernels.exec.table import EXECUTORS
from prism.kernels.isa.program import Access
from prism.kernels.schema.arithmetic import dtype
from prism.kernels.schema.types import ELEMENTS


@click.group()
def kernel() -> None:
    """Kernels of Python files."""


def _size(_context: click.Context, _parameter: click.Parameter, text: str | None) -> tuple[int, ...] | None:
    if text is None:
        return None
    try:
        found = tuple(int(one) for one in text.split(","))
    except ValueError:
        found = ()
    if not 1 <= len(found) <= 3 or min(found) < 0:
        raise click.BadParameter(f"expected one to three whole numbers with commas between, such as 8,8, got {text!r}")
    return found


def load_array(path: Path) -> np.ndarray:
    """Return the array of a .npy file, C-contiguous and writable; UsageError if it is none. Nothing in it runs."""
    try:
        return np.array(np.load(path, allow_pickle=False), order="C")
    except (OSError, ValueError, EOFError) as error:
        raise UsageError(f"{path} must be a .npy file of numbers, but: {error}; write it with numpy.save") from error


def _number(name: str, text: str) -> int | float:
    try:
        return int(text, 0)
    except ValueError:
        try:
            return float(text)
        except ValueError as error:
            raise UsageError(
                f"{name} must be a number or @FILE.npy, got {text!r}; write {name}=3 or {name}=@in.npy"
            ) from error


def arguments(given: tuple[str, ...]) -> tuple[dict[str, Any], dict[str, Path]]:
    """Return numbers and arrays by name, and the files of the arrays; a file that is not there has no array yet."""
    values: dict[str, Any] = {}
    files: dict[str, Path] = {}
    for one in given:
        name, equals, text = one.partition("=")
        if not equals or not name or name in values or name in files:
            raise UsageError(f"an argument must be NAME=NUMBER or NAME=@FILE.npy, each name once, got {one!r}")
        if text.startswith("@"):
            files[name] = Path(text[1:])
            if files[name].exists():
                values[name] = load_array(files[name])
        else:
            values[name] = _number(name, text)
    return values, files


@kernel.command()
@click.argument("kernel", metavar="FILE.py::NAME")
@click.argument("given", nargs=-1, metavar="[NAME=VALUE]...")
@click.option("--grid", callback=_size, help="Blocks, such as 16 or 8,8. Default: one lane for each element.")
@click.option("--block", callback=_size, help="Lanes of a block; 1 by default.")
@click.option("--executor", default="", help="The executor; the default runs compiled code on the CPU.")
@TYPES
def run(kernel: str, given: tuple[str, ...], executor: str, types: tuple[str, ...], **sizes: Any) -> None:
    """Run a kernel on arrays and numbers: a=@in.npy n=100 c=@out.npy.

    Arrays that the kernel writes are written back to their files, whole. Where such a file is not there yet the array
    starts as zeros in the shape of the longest one. The Python file is read, not run.
    """
    if executor and executor not in EXECUTORS:
        raise UsageError(f"an executor must be one of {', '.join(EXECUTORS)}, got {executor!r}; choose one of them")
    path, name = named(kernel)
    chosen = Kernel(None, definition=definition_in(path, name))
    values, files = arguments(given)
    bound = _types(chosen, values, parse_types(types))
    written = [one.name for one in chosen.program(**bound).buffers if one.access is not Access.READ]
    for one in written:
        if one in files:
            require_writable(files[one])
    missing = {one: file for one, file in files.items() if one not in values}
    values |= _zeros(chosen, bound, values, missing, written)
    shape = None if sizes["grid"] is None else (sizes["grid"], sizes["block"] or (1,))
    if shape is None and sizes["block"] is not None:
        raise UsageError("--block must go with --grid, which says how many blocks run; add --grid")
    Launcher(chosen, executor, shape)(**values)
    for one in written:
        stream = io.BytesIO()
        np.save(stream, values[one])
        if one in files:
            write_bytes(files[one], stream.getvalue())
            click.echo(f"{one}: {values[one].dtype} {values[one].shape} -> {files[one]}")


def _types(kernel: Kernel, values: Mapping[str, Any], types: dict[str, str]) -> dict[str, str]:
    from prism.kernels.calls import element_of

    found = dict(types)
    for parameter, name in kernel.definition.open_parameters():
        element = element_of(values[parameter]) if parameter in values else None
        if element is not None:
            found.setdefault(name, element)
    return found


def _zeros(
    kernel: Kernel, bound: dict[str, str], values: Mapping[str, Any], missing: Mapping[str, Path], written: list[str]
) -> dict[str, np.ndarray]:
    elements = {one.name: one.element for one in kernel.schema(**bound).params if one.element in ELEMENTS and one.rank}
    arrays = [one for one in values.values() if isinstance(one, np.ndarray)]
    for name, file in missing.items():
        if name not in written:
            raise UsageError(f"{file} must be there, for {name} is read, but it is not; write it with numpy.save")
        if not arrays:
            raise UsageError(
                f"{file} must be there, for no other array says its shape, but it is not; write zeros to it"
            )
    longest = max(arrays, key=lambda one: one.size, default=np.zeros(0))
    return {name: np.zeros(longest.shape, dtype(elements[name])) for name in missing if name in elements}
