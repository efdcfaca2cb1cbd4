"""What `prism run --engine bsp` can watch, cycle by cycle: locality into a record, and the validators."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import numpy as np

from prism.bench.records import record
from prism.errors import CorruptError
from prism.vm.arena import host
from prism.vm.arena.layout import Layout
from prism.vm.arena.locality import damage, distance_entropy
from prism.vm.arena.run import Run
from prism.vm.arena.store import Arena
from prism.vm.arena.validate import cycle_violations, violations

DEFAULT_TILE: Final = 256
"""Slots in a tile where the layout has no blocks."""


class DamageLog:
    """Counts the pointers that leave their tile in each cycle's layout, for `prism telemetry damage`."""

    def __init__(self, layout: Layout) -> None:
        self._layout = layout
        self._tile = layout.block or layout.l2 or layout.l1 or DEFAULT_TILE
        self._cycles: dict[str, list[float]] = {"hot": [], "edges": [], "crossing": [], "entropy": []}

    def __call__(self, before: Run, after: Run) -> None:
        """Look at the arena as the cycle met it."""
        del after
        met = host.laid_out(Arena(*map(np.asarray, before.arena)), self._layout)
        for name, count in damage(met, self._tile)._asdict().items():
            self._cycles[name].append(count)
        self._cycles["entropy"].append(round(distance_entropy(met), 4))

    def write(self, path: Path) -> None:
        """Write what was seen as a record, atomically."""
        record.write(path, {"kind": "damage", "tile": self._tile, **self._cycles, "host": record.host()})


def check(layout: Layout, before: Run, after: Run) -> None:
    """Raise CorruptError if a cycle broke a promise of the arena, of its layout or of the strata."""
    met = host.laid_out(Arena(*map(np.asarray, before.arena)), layout)
    found = [*cycle_violations(met, after.arena), *violations(after.arena)]
    if found:
        raise CorruptError(
            f"after cycle {int(after.cycles)} the arena must keep its promises, but: {'; '.join(found)}; "
            "this is a defect of the engine, please report it with the program"
        )
