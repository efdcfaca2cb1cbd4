"""The state of a lane that others run beside: its words, and where its variables lie in them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from prism.kernels.exec import cpu_ops as ops
from prism.kernels.exec import cpu_record as at
from prism.kernels.exec.cpu_lane import specials, variables
from prism.kernels.exec.cpu_live import kept_at_meetings, live_before, whole_loops
from prism.kernels.exec.cpu_rows import RowLoop, row_loops
from prism.kernels.exec.cpu_turns import meets, spans_of
from prism.kernels.isa.steps import ENTER
from prism.kernels.isa.table import SPECIAL
from prism.kernels.isa.types import I64, U32, Type
from prism.kernels.isa.verify import Verified

STATUS, PLACE, SITE, NOW, VALUE, LEFT = 0, 1, 2, 3, 4, 5
"""Words of a lane's state: RUNS, WAITS, STOPPED or GATHERED; the stretch to go on with; the step at which it waits; the
row of the stretch that it ran last; what it brings to a meeting; for a lane that came to a row loop, 1 more than the
turns that are left to it, else 0. Its fault is where a record has one, its variables come after, then the turns of each
loop."""
RUNS, WAITS, STOPPED, GATHERED = 0, 1, 2, 3
GROUP: Final = 256
"""Lanes that run side by side where lanes do not meet."""
MOST_ROW: Final = 128
"""Lanes of the longest row: a dozen of its values fit the cache next to the processor."""


@dataclass(frozen=True, slots=True)
class Slots:
    """Where a lane's variables lie in its state: word by name, each with its type (None: a predicate).

    places: those that say where in the grid a lane is, which it only reads. turns: the first of the words that count
    turns of loops. pools: the first word of each.
    """

    word: dict[str, int]
    type: dict[str, Type | None]
    places: tuple[str, ...]
    turns: int
    pools: dict[str, int]
    size: int


@lru_cache(maxsize=64)
def slots_of(verified: Verified) -> Slots:
    """Return the layout of a lane's state, in words."""
    kept = kept_at_meetings(verified, _kept_at_rows(verified))
    kinds: dict[str, Type | None] = {name: ty for name, ty in variables(verified).items() if name in kept}
    inside = [range(one.start, one.end) for one in whole_loops(verified).values()]
    for number, step in enumerate(verified.steps):
        if step.op == ENTER and not any(number in one for one in inside):
            kinds[f"c{step.counter}"] = I64
    kinds |= {f"live{pool.number}": None for pool in verified.pools}
    kinds |= {"fuel": I64, "phase": U32}
    places = _places(verified)
    kinds |= dict.fromkeys(places, U32)
    word = {name: at.PARAMETERS + k for k, name in enumerate(kinds)}
    turns = at.PARAMETERS + len(kinds)
    start, pools = turns + len(spans_of(verified)), {}
    for pool in verified.pools:
        pools[at.Memory(verified).pointer(pool)] = start
        start += -(-pool.size // 8)
    return Slots(word, kinds, places, turns, pools, start)


def scratch_bytes(verified: Verified, lanes: int) -> int:
    """Return the scratch memory of a run of blocks of so many lanes: states, a meeting's values, shared memory."""
    if not meets(verified):
        return 8 * GROUP * slots_of(verified).size
    shared = sum(-(-one.length * one.type.size // 8) for one in verified.program.shared)
    return 8 * (lanes * slots_of(verified).size + (1 << (lanes - 1).bit_length()) + shared)


def _places(verified: Verified) -> tuple[str, ...]:
    """Return the special registers that differ between the lanes of a group and are read."""
    differ = ("lane_idx",) if meets(verified) else ("lane_idx", "block_idx")
    return tuple(name for name, _ in specials(verified) if name.startswith(differ))


def _kept_at_rows(verified: Verified) -> set[str]:
    live = live_before(verified.steps)
    kept: set[str] = set()
    for loop in row_loops(verified).values():
        kept |= live[loop.number] | needed_in(loop, live)
    return kept - {name for name, _ in SPECIAL.values()}


def needed_in(loop: RowLoop, live: list[set[str]]) -> set[str]:
    """Return what a lane in a loop may still read."""
    return live[loop.number + 1] | live[loop.whole.end] if loop.counted else live[loop.number]


def read_word(ty: Type | None, text: str) -> str:
    """Return the value of a variable from its word."""
    return f"{text} != 0" if ty is None else ops.from_word(ty, text)


def write_word(ty: Type | None, name: str) -> str:
    """Return the word of a variable's value."""
    return f"np.uint64({name})" if ty is None else ops.word(ty, name)
