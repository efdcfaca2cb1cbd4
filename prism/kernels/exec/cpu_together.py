"""Where rows of lanes take their turns: every row of a group of lanes, as Numba source."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from prism.codegen.texts import indented
from prism.kernels.exec import cpu_record as at
from prism.kernels.exec.cpu_row_text import RowWriter
from prism.kernels.exec.cpu_rows import RowLoop, row_loops
from prism.kernels.exec.cpu_state import GATHERED, RUNS, SITE, STATUS, Slots
from prism.kernels.isa.verify import Verified

LEAST: Final = 8
"""Lanes of the shortest row that goes together, and turns of the shortest loop that lanes wait at."""


@dataclass(slots=True)
class _Lines:
    lines: list[str] = field(default_factory=list)
    depth: int = 0

    def line(self, text: str) -> None:
        """Add a line."""
        self.lines.append("    " * self.depth + text)


def _together(loops: Sequence[RowLoop], slots: Slots, given: Sequence[Sequence[str]]) -> list[str]:
    """Return the function that takes every row of the lanes of a group as far as it goes; each lane runs on then.

    It returns how many turns of lanes that were. given: what each loop's function takes besides.
    """
    state = "_words(states + np.uint64(({}) * {}))"
    more = "".join(f", {name}" for name in sorted({name for names in given for name in names}))
    writer = _Lines()
    writer.line("@inner")
    with indented(writer, f"def _together(states, each, base{more}):"):
        writer.line("start, gained = np.int64(0), np.int64(0)")
        with indented(writer, "while start < each:"):
            writer.line(f"first, w = {state.format('start', 8 * slots.size)}, np.int64(1)")
            with indented(writer, f"if first[{STATUS}] == {GATHERED}:"):
                for loop, names in zip(loops, given, strict=True):
                    with indented(writer, f"if first[{SITE}] == {loop.number}:"):
                        writer.line(f"w = _along{loop.number}(states, start, each)")
                        with indented(writer, f"if w >= {LEAST}:"):
                            own = "".join(f", {name}" for name in names)
                            writer.line(f"gained += _turns{loop.number}(states, start, w, base{own})")
                with indented(writer, "for k in range(w):"):
                    writer.line(f"{state.format('start + k', 8 * slots.size)}[{STATUS}] = {RUNS}")
            writer.line("start += w")
        writer.line("return gained")
    return writer.lines


def row_functions(verified: Verified, memory: at.Memory, slots: Slots) -> tuple[list[str], str]:
    """Return the functions of all row loops, and the call of the one that calls them; no text if there are none."""
    loops = list(row_loops(verified).values())
    if not loops:
        return [], ""
    lines, given = [], []
    for loop in loops:
        texts, names = RowWriter(verified, memory, slots, loop).write()
        lines += [*texts, "", ""]
        given.append(names)
    names = sorted({name for one in given for name in one})
    called = f"_together({', '.join(['states', 'each', 'base', *names])})"
    return [*lines, *_together(loops, slots, given), "", ""], called
