"""One launch of a program on a ring: finite or up to a number of claims, and what of it comes back [RING-14].

A runtime (`prism.ring.runtime`) drains on and on; this is for whoever holds a ring's words and wants one pass over it.
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple

import numpy as np

from prism.ring import layout as at
from prism.ring.layout import Words
from prism.ring.model import drain, sweep
from prism.ring.program import Program, Report
from prism.ring.state import RingState

CLAIMS: Final = 1 << 16
"""Most claims of a launch that is not finite, unless the caller says."""


class Launched(NamedTuple):
    """What a launch gives back: the control buffer, and the whole ring unless the program reports control alone.

    copied: bytes that came back; of a ring on a device that is what was read from there.
    """

    control: Words
    state: RingState | None
    copied: int

    @property
    def ended(self) -> int:
        """How many slots have ended so far, modulo 2**32."""
        return int(self.control[at.DONE_COUNT])


def launch(state: RingState, program: Program, *, claims: int = CLAIMS, on_device: bool = False) -> Launched:
    """Run a program once on a copy of a ring.

    A finite program takes each slot at most once; another ends when nothing may run, or after so many claims. With
    `on_device` the default JAX device runs it, compiled once for equal programs and sizes; LaunchError for a program
    that cannot be traced. Cost: on the host of a step for each claim; on a device of a launch, and of what is copied.
    """
    if on_device:
        return _on_device(state, program, claims)
    after = sweep(state, program) if program.once else drain(state, program, claims)
    return _report(program, after.control, lambda: after)


def _report(program: Program, control: Words, rest: Any) -> Launched:
    """Return what the program reports; the rest of the ring is asked for only where it does."""
    state = rest() if program.report is Report.ALL else None
    copied = state.buffers() if state else (control,)
    return Launched(control, state, sum(words.nbytes for words in copied))


def _on_device(state: RingState, program: Program, claims: int) -> Launched:
    from prism.ring.exec.device import compiled_launch

    run, names = compiled_launch(program), at.BUFFERS
    budget = len(state.slots) if program.once else claims
    ring = run(dict(zip(names, state.buffers(), strict=True)), np.int32(budget))
    return _report(
        program,
        np.array(ring["control"]),
        lambda: RingState(*(np.array(ring[name]) for name in names)),
    )
