"""The `cpu` executor: programs as machine code for this processor, kept on disk, run by as many threads as pay."""

from __future__ import annotations

import hashlib
import logging
from functools import cache
from math import prod
from pathlib import Path
from typing import Final

from prism.codegen import native
from prism.codegen.directory import cache_directory
from prism.codegen.native import Code, LinkError
from prism.kernels.cache.artefact import Key
from prism.kernels.cache.store import Store
from prism.kernels.exec import bound, cpu_turns
from prism.kernels.exec.bound import Compiled, CpuBound
from prism.kernels.exec.cpu_record import Memory
from prism.kernels.exec.launch import Launch
from prism.kernels.isa.codec import encode
from prism.kernels.isa.program import Program
from prism.kernels.isa.verify import Verified

GENERATORS: Final = (
    *(f"codegen/{name}" for name in ("machine", "native", "polynomials", "prelude")),
    *(f"kernels/isa/{name}" for name in ("address", "flow", "regions", "steps", "table")),
    *(f"kernels/exec/cpu_{name}" for name in ("block", "lane", "live", "meet", "ops", "record", "row_text", "rows")),
    *(
        f"kernels/exec/cpu_{name}"
        for name in ("scale", "source", "state", "steps", "stream", "together", "turns", "uses")
    ),
    "kernels/exec/faults",
)
"""The modules that decide what a program's machine code is. A process that finds all its code writes none: it imports
few of them.
"""
MOST_STEPS: Final = 4096
"""Steps of the longest program that is compiled: beyond it Numba and LLVM take minutes."""
_log = logging.getLogger("prism")


class CpuExecutor:
    """Compiles each program once: a process finds it in memory, the next process in `store`."""

    name = "cpu"

    def __init__(self, store: Store | None = None) -> None:
        self.store = store or Store(cache_directory("kernels"))
        self._near: dict[int, tuple[Verified, Compiled]] = {}
        self._known: dict[bytes, Compiled] = {}

    def bind(self, launch: Launch) -> CpuBound:
        """Return the launch as a call without arguments; CpuLimitError for a program beyond what this compiles."""
        compiled = self.compiled(launch.verified)
        return bound.bind(compiled, launch, scratch_bytes(compiled, prod(launch.shape.block)))

    def compiled(self, verified: Verified) -> Compiled:
        """Return a program's machine code. Cost: one look-up by identity, then by content, then on disk, then 1 s."""
        near = self._near.get(id(verified))
        if near is not None:
            return near[1]
        key = key_of(verified.program)
        found = self._known.get(key.content)
        if found is None:
            found = self._known[key.content] = _from_code(verified, self._code(key, verified))
        # The entry keeps the program, so that no other can have its identity.
        self._near[id(verified)] = verified, found
        return found

    def _code(self, key: Key, verified: Verified) -> Code:
        kept = self.store.get(key)
        if kept is not None:
            try:
                return Code(kept)
            except LinkError as error:
                _log.warning("the cache entry %s is a miss: %s", self.store.directory / key.file_name, error)
        made = compile_program(verified)
        self.store.put(key, made)
        return Code(made)


def scratch_bytes(compiled: Compiled, lanes: int) -> int:
    """Return the scratch memory of a run of blocks of so many lanes."""
    if not compiled.side_by_side:
        return Memory(compiled.verified).scratch_bytes()
    from prism.kernels.exec import cpu_state

    return cpu_state.scratch_bytes(compiled.verified, lanes)


def compile_program(verified: Verified) -> bytes:
    """Return a program's object file for this machine's processor. Cost: 0.5 s to import Numba, and 0.3 s on."""
    from prism.kernels.exec import cpu_block, cpu_source
    from prism.kernels.exec.cpu_lane import CpuLimitError

    if len(verified.steps) > MOST_STEPS:
        raise CpuLimitError(
            f"executor cpu must get a program of at most {MOST_STEPS} steps, calls put in place, got "
            f"{len(verified.steps)} in {verified.program.name!r}; run it on numpy, or split it"
        )
    digest = hashlib.sha256(encode(verified.program)).hexdigest()
    write = cpu_block.write_block_source if _side_by_side(verified) else cpu_source.write_source
    return native.compile_entry(write(verified), f"prism_isa_{digest[:16]}", cpu_source.FUNCTIONS)


def key_of(program: Program) -> Key:
    """Return what a program's machine code is kept under."""
    types = tuple(one.type.name for one in (*program.buffers, *program.shared, *program.scalars))
    return Key(encode(program), types, CpuExecutor.name, (*native.toolchain(), ("generator", _generator())))


def _from_code(verified: Verified, code: Code) -> Compiled:
    meets, serial = cpu_turns.meets(verified), cpu_turns.is_serial(verified)
    return Compiled(verified, code, meets, serial, _side_by_side(verified))


def _side_by_side(verified: Verified) -> bool:
    """Whether lanes run side by side: where they meet, or go through loops in rows."""
    # Without a loop there are no rows, and nothing to import: programs that must start soonest.
    if cpu_turns.meets(verified) or not cpu_turns.turns(verified):
        return cpu_turns.meets(verified)
    from prism.kernels.exec import cpu_rows

    return bool(cpu_rows.row_loops(verified))


@cache
def _generator() -> str:
    """Return a digest of the modules that write the code: another text of theirs is another version."""
    package = Path(__file__).parents[2]
    texts = ((package / f"{name}.py").read_bytes() for name in GENERATORS)
    return hashlib.sha256(b"\0".join(texts)).hexdigest()
