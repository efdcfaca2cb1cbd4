"""Bench of Boolean circuits: reading and structural hashing, beside mockturtle and ABC."""

from __future__ import annotations

import re
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import Final

import numpy as np

from prism.aig.circuit import Circuit, Interface
from prism.aig.read import read
from prism.aig.strash import strash
from prism.aig.write import write
from prism.bench.harness import Case, Contender, Missing, Row, Tick, race
from prism.errors import PrismError, UsageError
from prism.files import write_bytes

ABC: Final = ("abc", "berkeley-abc")
"""Names that the command of ABC goes by."""
_MULTIPLIER_BITS: Final = 96
_STARTS_IN_S: Final = 0.3
_ANDS: Final = re.compile(r"and\s*=\s*(\d+)")
_SAME: Final = "equivalent"


def aig_bench(
    folder: Path | None, names: Sequence[str], copies: Sequence[int], runs: int, *, tick: Tick = lambda _: None
) -> Iterator[Row]:
    """Yield the rows of each circuit and number of copies side by side: from a file to a hashed circuit; ANDs a second.

    folder: where binary AIGER files lie, such as a clone of the EPFL benchmarks; without one the circuit is a
    multiplier made here. names: only these files, without suffix. Every contender reads the file; ABC is started
    before and ends inside the clock. The answer to agree on is the number of ANDs. Raises PrismError if ABC finds that
    our result is not equivalent to the file.
    """
    sources = _sources(folder, names)
    with tempfile.TemporaryDirectory() as scratch:
        for name, make in sources.items():
            circuit = make()
            for count in copies:
                path = Path(scratch) / f"{name}-{count}.aig"
                write_bytes(path, write(side_by_side(circuit, count), binary=True))
                tick(f"aig {name}: equivalence")
                require_equivalence(path)
                case = Case("aig", name if count == 1 else f"{name} x {count}", len(circuit.rows) * count, "ANDs/s")
                yield from race(case, [_ours(path), _mockturtle(path), _abc(path)], runs=runs, tick=tick)
                path.unlink()


def _sources(folder: Path | None, names: Sequence[str]) -> dict[str, Callable[[], Circuit]]:
    if folder is None:
        found: dict[str, Callable[[], Circuit]] = {"multiplier": lambda: multiplier(_MULTIPLIER_BITS)}
    else:
        paths = sorted(folder.rglob("*.aig"), key=lambda path: path.stem)
        found = {path.stem: lambda path=path: read(path.read_bytes(), str(path)) for path in paths}
    unknown = set(names) - set(found)
    if unknown or not found:
        raise UsageError(
            f"a circuit must be one of {', '.join(found) or 'none'}, got {', '.join(sorted(unknown)) or 'none'}; "
            "choose among them, or name a folder of binary AIGER files"
        )
    return {name: make for name, make in found.items() if not names or name in names}


def side_by_side(circuit: Circuit, count: int) -> Circuit:
    """Return so many copies of a circuit without latches, next to one another; names and comment are left out."""
    interface, ands = circuit.interface, len(circuit.rows)
    if interface != Interface(interface.inputs, outputs=interface.outputs):
        raise UsageError(f"copies are made of circuits of inputs and outputs alone, got {interface}; choose another")
    first, inputs = circuit.first, interface.inputs

    def moved(lits: np.ndarray, copy: int) -> np.ndarray:
        variable = lits >> 1
        shift = np.where(variable < first, inputs * copy, inputs * (count - 1) + ands * copy)
        return np.where(variable == 0, lits, lits + 2 * shift).astype(np.uint32)

    return replace(
        circuit,
        interface=Interface(inputs * count, outputs=interface.outputs * count),
        rows=np.concatenate([moved(circuit.rows, copy) for copy in range(count)]),
        roots=np.concatenate([moved(circuit.roots, copy) for copy in range(count)]),
        symbols=(),
        comment=None,
    )


def multiplier(bits: int) -> Circuit:
    """Return the product of two unsigned numbers, least bit first, by rows of full adders."""
    rows: list[tuple[int, int]] = []
    first = 2 * bits + 1

    def conjunction(a: int, b: int) -> int:
        rows.append((max(a, b), min(a, b)))
        return 2 * (first + len(rows) - 1)

    def either(a: int, b: int) -> int:
        return conjunction(conjunction(a, b) ^ 1, conjunction(a ^ 1, b ^ 1) ^ 1)

    total = [0] * (2 * bits)
    for i in range(bits):
        carry = 0
        for j in range(bits):
            part, old = conjunction(2 * (1 + i), 2 * (1 + bits + j)), total[i + j]
            half = either(part, old)
            total[i + j] = either(half, carry)
            carry = conjunction(conjunction(part, old) ^ 1, conjunction(half, carry) ^ 1) ^ 1
        total[i + bits] = carry
    interface = Interface(2 * bits, outputs=2 * bits)
    made = Circuit(interface, np.array(rows, np.uint32), np.array(total, np.uint32), np.zeros(0, np.uint8))
    return strash(made)


def _ours(path: Path) -> Contender:
    return Contender("prism", lambda: lambda: len(strash(read(path.read_bytes(), path.name)).rows))


def _mockturtle(path: Path) -> Contender | Missing:
    if find_spec("aigverse") is None:
        return Missing("mockturtle", "aigverse is not installed; install prism-vm[bench]")
    from aigverse.io import read_aiger_into_aig  # pyright: ignore[reportMissingImports] (extra `bench`)

    return Contender("mockturtle", lambda: lambda: read_aiger_into_aig(str(path)).num_gates, warm=False)


def _command() -> str | None:
    return next(filter(None, map(shutil.which, ABC)), None)


def _abc(path: Path) -> Contender | Missing:
    command = _command()
    if command is None:
        return Missing("ABC", f"no command {' or '.join(ABC)}; install Debian's berkeley-abc")

    def prepare() -> Callable[[], int]:
        process = subprocess.Popen([command], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        time.sleep(_STARTS_IN_S)

        def work() -> int:
            output, _ = process.communicate(f"read {path}; strash; print_stats\nquit\n")
            found = _ANDS.search(output)
            return int(found[1]) if found else -1

        return work

    return Contender("ABC", prepare, warm=False)


def require_equivalence(path: Path) -> None:
    """Raise PrismError if ABC's cec does not call the hashed circuit equivalent to its file; nothing without ABC."""
    command = _command()
    if command is None:
        return
    hashed = path.with_suffix(".hashed.aig")
    write_bytes(hashed, write(strash(read(path.read_bytes(), path.name)), binary=True))
    done = subprocess.run([command, "-q", f"cec {path} {hashed}"], capture_output=True, text=True, check=False)
    hashed.unlink()
    if f"are {_SAME}" not in done.stdout:
        raise PrismError(
            f"ABC's cec must call the hashed circuit equivalent to {path.name}, but it said: {done.stdout.strip()}; "
            "hashing is wrong"
        )
