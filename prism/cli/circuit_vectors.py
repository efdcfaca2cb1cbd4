"""Vectors of class memory on the command line: read from arguments and files, printed, written [CIRCUIT-3]."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from io import BytesIO
from pathlib import Path

import numpy as np

from prism.errors import UsageError
from prism.files import require_writable, write_bytes
from prism.kernels.circuit.calls import Call
from prism.kernels.circuit.classes import coordinates
from prism.kernels.circuit.memory import Memory, classes_for, empty_memory, starts, vector
from prism.kernels.isa.types import BY_NAME, Kind, Type

SHOWN = 8
"""How many elements of a vector are printed."""
_VECTOR = re.compile(r"c([0-9]{1,2})=(.+)\Z", re.DOTALL)


def require_type(name: str) -> Type:
    """Return the element type called `name`; UsageError when there is none."""
    if name not in BY_NAME:
        raise UsageError(f"an element type must be one of {', '.join(BY_NAME)}, got {name!r}; choose one of them")
    return BY_NAME[name]


def loaded(vectors: Sequence[str], ty: Type) -> tuple[Memory, int]:
    """Return a class memory with the vectors that arguments say, and the length of the longest, 1 at least."""
    memory, longest = empty_memory(), 1
    for argument in vectors:
        start, text = _split(argument, "c01=1,2,3 or c01=@FILE.npy")
        values = _from_file(text[1:], ty) if text.startswith("@") else _from_text(text, ty)
        classes_for(start, len(values), ty)
        vector(memory, start, len(values), ty)[:] = values
        longest = max(longest, len(values))
    return memory, longest


def changed(given: Sequence[Call], before: Memory, memory: Memory, n: int, ty: Type) -> Iterator[str]:
    """Yield a line for each vector of a circuit that is not what it was."""
    for start in starts(given):
        count = max(n, 1)
        was, left = (vector(one, start, count, ty) for one in (before, memory))
        if was.tobytes() == left.tobytes():
            continue
        shown = " ".join(f"{value:g}" if ty.kind is Kind.FLOAT else str(value) for value in left[:SHOWN].tolist())
        yield f"c{start:02} = {shown}{f' ... ({count} elements)' if count > SHOWN else ''}"


def require_room(files: Sequence[str], n: int, ty: Type) -> None:
    """Raise what `saved` would raise of the arguments, and of files that cannot be written, before anything runs."""
    for argument in files:
        start, name = _split(argument, "c02=FILE.npy")
        classes_for(start, n, ty)
        require_writable(Path(name.removeprefix("@")))


def saved(files: Sequence[str], memory: Memory, n: int, ty: Type) -> None:
    """Write vectors to files, each whole."""
    for argument in files:
        start, name = _split(argument, "c02=FILE.npy")
        classes_for(start, n, ty)
        data = BytesIO()
        np.save(data, vector(memory, start, n, ty), allow_pickle=False)
        write_bytes(Path(name.removeprefix("@")), data.getvalue())


def _split(argument: str, shape: str) -> tuple[int, str]:
    found = _VECTOR.match(argument)
    if found is None:
        raise UsageError(f"a vector must be given as {shape}, got {argument!r}; name its class first")
    return coordinates(int(found[1])).number, found[2]


def _from_text(text: str, ty: Type) -> np.ndarray:
    try:
        if ty.kind is Kind.FLOAT:
            return np.array([float(part) for part in text.split(",")]).astype(ty.dtype)
        return np.array([int(part) for part in text.split(",")], ty.dtype)  # refuses what the type does not hold
    except (ValueError, OverflowError) as error:
        raise UsageError(f"values must be numbers of type {ty.name} with commas between, got {text!r}") from error


def _from_file(name: str, ty: Type) -> np.ndarray:
    try:
        array = np.load(Path(name), allow_pickle=False)
    except (ValueError, EOFError) as error:
        raise UsageError(f"a vector must be in a .npy file of numbers, got {name!r}: {error}") from error
    if array.ndim != 1 or array.dtype != ty.dtype:
        raise UsageError(
            f"a vector must be of one dimension and of type {ty.name}, got {array.dtype} of shape {array.shape} "
            f"in {name!r}; convert it, or give another --type"
        )
    return array
