"""Ahead of time: programs compiled into a folder of artefacts, from which another process runs them [EXEC-6].

An artefact holds its program, so a folder is all that is shipped. One that was built for another processor or by other
versions is compiled again where it is loaded, and logged as that.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from prism.errors import UsageError
from prism.kernels.cache.artefact import Artefact
from prism.kernels.cache.store import MAX_BYTES, Store
from prism.kernels.exec.call import Function
from prism.kernels.exec.cpu import CpuExecutor, compile_program, key_of
from prism.kernels.isa.codec import decode
from prism.kernels.isa.program import Program
from prism.kernels.isa.verify import verify

_log = logging.getLogger("prism")


def full_name(program: Program) -> str:
    """Return a program's name with the element types of its buffers, such as `total.f32` or `histogram.u8.u32`."""
    return ".".join([program.name, *dict.fromkeys(one.type.name for one in program.buffers)])


class Library(Mapping[str, Function]):
    """The programs of a folder as functions, by name; machine code is linked when a function is first called.

    A name is that of a program, or its full name, with types, where there are several of that name.
    """

    def __init__(self, directory: Path) -> None:
        """Read the artefacts of a folder; UsageError where there is none."""
        self.executor = CpuExecutor(Store(directory))
        self.programs: dict[str, Program] = {}
        current = {}
        for entry, found in self.executor.store.verify():
            if isinstance(found, str):
                _log.warning("the artefact %s is passed over: %s", entry.path, found)
            elif found.key.back_end == CpuExecutor.name:
                program = decode(found.key.program)
                self.programs[full_name(program)] = program
                current[full_name(program)] = current.get(full_name(program), False) or found.key == key_of(program)
        for name, fits in current.items():
            if not fits:
                _log.warning("%s in %s was built for another machine or version: it is compiled again", name, directory)
        if not self.programs:
            raise UsageError(f"{directory} must hold artefacts of programs, but there is none; run `prism build` first")
        names = [one.name for one in self.programs.values()]
        self.programs = {one.name if names.count(one.name) == 1 else full: one for full, one in self.programs.items()}
        self._functions: dict[str, Function] = {}

    def __getitem__(self, name: str) -> Function:
        if name not in self._functions:
            named = [one for one in self.programs.values() if name in (one.name, full_name(one))]
            if len(named) != 1:
                raise KeyError(f"{name} must be one of {', '.join(self.programs)}")
            self._functions[name] = Function(verify(named[0]), self.executor)
        return self._functions[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self.programs)

    def __len__(self) -> int:
        return len(self.programs)


def load(directory: Path | str) -> Library:
    """Return the programs that `build` left in a folder, ready to call."""
    return Library(Path(directory))


def build(programs: Iterable[Program], directory: Path) -> Iterator[tuple[Program, Path, bool]]:
    """Compile programs into a folder; yield each with its artefact and whether it was compiled now.

    Two programs of one name and types would hide each other in the folder: UsageError. OSError where a file cannot be
    written.
    """
    store = Store(directory, max_bytes=16 * MAX_BYTES)
    names: dict[str, Program] = {}
    for program in programs:
        name = full_name(program)
        if names.setdefault(name, program) != program:
            raise UsageError(f"a build must have one program of a name and types, got two of {name!r}; rename one")
        key = key_of(program)
        path = directory / key.file_name
        fresh = store.get(key) is None
        if fresh:
            payload = compile_program(verify(program))
            store.write(Artefact(key, payload))
        yield program, path, fresh
