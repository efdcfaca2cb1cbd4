"""What `prism run --engine bsp` can watch, cycle by cycle: locality into a record, and the validators."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from prism.bench.records import record
from prism.errors import CorruptError
from prism.vm.arena.layout import Layout
from prism.vm.arena.locality import damage, distance_entropy
from prism.vm.arena.run import View
from prism.vm.arena.store import Rules
from prism.vm.arena.validate import cycle_violations, violations

DEFAULT_TILE: Final = 256
"""Rows in a tile where the layout has no blocks."""


class DamageLog:
    """Counts the reads that leave their tile in each cycle's layout, for `prism telemetry damage`."""

    def __init__(self, layout: Layout, rules: Rules) -> None:
        self._layout, self._rules = layout, rules
        self._tile = layout.block or layout.l2 or layout.l1 or DEFAULT_TILE
        self._cycles: dict[str, list[float]] = {"hot": [], "edges": [], "crossing": [], "entropy": []}

    def __call__(self, before: View, after: View) -> None:
        """Look at the frontier as the cycle met it."""
        del after
        seen = damage(before, self._rules, self._layout, self._tile)
        for name in ("hot", "edges", "crossing"):
            self._cycles[name].append(getattr(seen, name))
        self._cycles["entropy"].append(round(distance_entropy(before, self._rules, self._layout), 4))

    def write(self, path: Path) -> None:
        """Write what was seen as a record, atomically."""
        record.write(path, {"kind": "damage", "tile": self._tile, **self._cycles, "host": record.host()})


def check(rules: Rules, before: View, after: View) -> None:
    """Raise CorruptError if a cycle broke a promise of the arena or of the strata."""
    found = [*cycle_violations(before, after, rules), *violations(after, rules)]
    if found:
        raise CorruptError(
            f"after cycle {after.cycles} the arena must keep its promises, but: {'; '.join(found)}; "
            "this is a defect of the engine, please report it with the program"
        )
