"""Circuit: an and-inverter graph as arrays of literals, with its interface and its names."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from prism.vm.ledger.key import WIDE

MAX_VARIABLE: Final = (1 << WIDE.id_bits - 1) - 1
"""The largest variable: its literals, `2 * variable + complement`, are operands of the ledger's wide layout [AIG-2]."""
MAX_LEAVES: Final = 1 << 22
"""The most inputs and latches together: inputs take no bytes of a binary file, so no file's size bounds them."""

ZERO, ONE, UNKNOWN = 0, 1, 2
"""Where a latch starts: at 0, at 1, or at neither known."""


class Symbol(NamedTuple):
    """The name of a place of the interface: a letter of `SECTIONS`, the position there, and the name's bytes."""

    section: str
    position: int
    name: bytes


SECTIONS: Final = {
    "i": "inputs",
    "l": "latches",
    "o": "outputs",
    "b": "bad states",
    "c": "constraints",
    "j": "justice properties",
    "f": "fairness constraints",
}
"""The parts of an interface, by the letter of their symbols, in the order of AIGER 1.9."""


@dataclass(frozen=True, slots=True)
class Interface:
    """How many of each section a circuit has; `justice` says how many literals each of its properties has."""

    inputs: int = 0
    latches: int = 0
    outputs: int = 0
    bad: int = 0
    constraints: int = 0
    justice: tuple[int, ...] = ()
    fairness: int = 0

    @property
    def leaves(self) -> int:
        """The variables that are not ANDs: inputs, then latches, from variable 1 on."""
        return self.inputs + self.latches

    def counts(self) -> dict[str, int]:
        """Return how many places each section has, by its letter."""
        sizes = self.inputs, self.latches, self.outputs, self.bad, self.constraints, len(self.justice), self.fairness
        return dict(zip(SECTIONS, sizes, strict=True))

    def root_counts(self) -> dict[str, int]:
        """Return how many roots belong to each section, in the order in which `Circuit.roots` holds them."""
        counts = self.counts() | {"j": sum(self.justice)}
        return {section: count for section, count in counts.items() if section != "i"}


@dataclass(frozen=True, slots=True)
class Circuit:
    """An and-inverter graph; variable 0 is false, 1 on are the inputs, then the latches, then the ANDs by row.

    A literal is `2 * variable + complement`. rows: uint32[ands, 2], the operands of each AND, earlier variables.
    roots: uint32[sum of `interface.root_counts()`], what latches become next, outputs, and so on. resets: uint8 for
    each latch, ZERO, ONE or UNKNOWN. symbols: in the order of SECTIONS and positions. comment: what follows the
    comment line of a file, None without one.
    """

    interface: Interface
    rows: NDArray[np.uint32]
    roots: NDArray[np.uint32]
    resets: NDArray[np.uint8]
    symbols: tuple[Symbol, ...] = ()
    comment: bytes | None = None

    @property
    def first(self) -> int:
        """The variable of the first AND."""
        return self.interface.leaves + 1

    def section(self, letter: str) -> NDArray[np.uint32]:
        """Return the roots of one section, all its justice literals in a row; "l" are the next states. A view."""
        start = 0
        for section, count in self.interface.root_counts().items():
            if section == letter:
                return self.roots[start : start + count]
            start += count
        raise KeyError(letter)

    def name(self, section: str, position: int) -> str:
        """Return the name of a place, or its letter and position where it has none."""
        for symbol in self.symbols:
            if symbol[:2] == (section, position):
                return symbol.name.decode(errors="backslashreplace")
        return f"{section}{position}"
