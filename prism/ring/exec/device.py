"""The `device` executor: the ring's state stays on a JAX device, and each launch drains it for so many claims at most.

A kernel that XLA launched cannot see what the host writes, so nothing here is persistent but the state: between two
launches only changed slots go up, the control buffer with them, and what the launch changed comes down.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from functools import lru_cache, partial
from typing import Any, Final

import jax
import jax.numpy as jnp
import numpy as np

from prism.ring import layout as at
from prism.ring.errors import LaunchError
from prism.ring.exec import cpu_feed
from prism.ring.exec.device_drain import launch_of
from prism.ring.exec.device_step import NOWHERE, Ring
from prism.ring.exec.oracle import forget_queues
from prism.ring.exec.unfed import Unfed
from prism.ring.layout import SlotStatus
from prism.ring.memory import Block
from prism.ring.program import Memory, Program

CLAIMS_A_LAUNCH: Final = 1 << 16
"""Most claims of a launch; what is left is for the next one."""
TEMPLATES: Final = 16
"""Programs whose compiled launches are kept, the last used."""
_FEW: Final = 64
"""Changed slots go up as so many, or as all: two shapes, two compilations."""
_POLL: Final = np.zeros(4, np.int64)
_ENTRY: Final = at.BOOKS_SLOT.words


def require_traceable(program: Program) -> None:
    """Raise LaunchError for a program that no device can run."""
    guests = (*program.handlers, *((program.payload,) if program.payload else ()))
    bound = [handler.name for handler in guests if not handler.traceable]
    loads = program.self_loading or program.io_polling
    prepares = program.workspace is not None and program.workspace.before is not None
    if bound or loads or prepares:
        what = f"handler {bound[0]!r} runs on the host" if bound else "it loads" if loads else "it prepares a workspace"
        raise LaunchError(f"a program for a device must be traceable and do no io, but {what}; give it to the oracle")


@lru_cache(TEMPLATES)
def compiled_launch(program: Program) -> Callable[[Ring, Any], Ring]:
    """Return the compiled launch of a program, from a ring's arrays and a budget of claims to its arrays.

    One for equal programs. Raises LaunchError.
    """
    require_traceable(program)
    run = launch_of(program)
    return jax.jit(lambda ring, budget: run(ring, budget)[0])


def _upload(ring: Ring, control: Any, places: Any, slots: Any, entries: Any) -> Ring:
    """Put changed slots and their books, and the control buffer, into the resident state."""
    head = ring["books"][: at.BOOKS_SLOTS_START]
    rows = ring["books"][at.BOOKS_SLOTS_START :].reshape(-1, _ENTRY).at[places].set(entries, mode="drop")
    words = ring["ring_buffer"].reshape(-1, at.SLOT_WORDS).at[places].set(slots, mode="drop")
    return ring | {
        "control": control,
        "books": jnp.concatenate([head, rows.reshape(-1)]),
        "ring_buffer": words.reshape(-1),
    }


class DeviceExecutor(Unfed):
    """Launches while somebody waits; one launch at a time."""

    def __init__(self, claims: int = CLAIMS_A_LAUNCH) -> None:
        self.name, self.rows, self.launches = "device", 0, 0
        self.guard = threading.RLock()
        self._claims = claims
        self._block: Block | None = None
        self._launch: Callable[..., Any] | None = None
        self._ring: Ring = {}
        self._seen = np.empty(0, np.uint32)
        self._tickets = np.empty(0, np.uint64)
        self._reads_slots = False

    def allocate(self, words: int) -> None:
        """Leave the memory to the runtime."""

    def start(self, block: Block, program: Program) -> None:
        """Put a block's state on the default device; raises LaunchError for a program that cannot be traced."""
        require_traceable(program)
        self._block = block
        run = launch_of(program)

        @partial(jax.jit, donate_argnums=(0,))
        def launch(ring: Ring, control: Any, changed: Any, accounts: Any, budget: Any) -> tuple[Ring, Any, Any]:
            ring = _upload(ring, control, *changed)
            ring["books"] = ring["books"].at[: len(accounts)].set(accounts)
            ring, claims = run(ring, budget)
            return ring, claims, ring["ring_buffer"].reshape(-1, at.SLOT_WORDS)[:, at.STATUS]

        self._launch = launch
        names = zip(at.BUFFERS, block.state.buffers(), strict=True)
        self._ring = {name: jnp.array(words) for name, words in names}
        self._seen, self._tickets = block.state.slots[:, at.STATUS].copy(), block.tickets.copy()
        guests = (*program.handlers, *((program.payload,) if program.payload else ()))
        self._reads_slots = any(span.memory is Memory.ARGS for guest in guests for span in guest.writes)
        self.launch(warm=True)

    def launch(self, *, warm: bool = False) -> int:
        """Launch once: bring up what changed, drain, bring down what the launch changed; returns the claims.

        warm: launch also with nothing to do, so that what is compiled is compiled.
        """
        assert self._block is not None
        assert self._launch is not None
        state, tickets = self._block.state, self._block.tickets
        with self.guard:
            statuses = state.slots[:, at.STATUS]
            if not warm and not np.any(np.isin(statuses, _RUNNABLE)):
                return 0
            changed = np.flatnonzero((statuses != self._seen) | (tickets != self._tickets))
            places = np.full(_FEW if len(changed) <= _FEW else len(statuses), NOWHERE, np.int32)
            places[: len(changed)] = changed
            rows = np.zeros((len(places), at.SLOT_WORDS), np.uint32)
            entries = np.zeros((len(places), _ENTRY), np.uint32)
            rows[: len(changed)], entries[: len(changed)] = state.slots[changed], state.entries[changed]
            forged = rows[: len(changed), at.TENANT] != self._block.owners()[changed]
            rows[: len(changed)][forged, at.TENANT] = at.WORD_MASK  # In the copy: nobody's, so the slot is a FAULT.
            # The host counts, too: tickets, and in the accounts of tenants what it cancelled.
            before, accounts = state.control.copy(), state.books[: at.BOOKS_SLOTS_START].copy()
            up = (places, rows, entries)
            self._ring, claims, after = self._launch(self._ring, before, up, accounts, np.int32(self._claims))
            self._come_down(np.asarray(after))
            self.launches += 1
            forget_queues(self._block)
            return int(claims)

    def _come_down(self, statuses: Any) -> None:
        """Write what the launch changed to the host's block, statuses last."""
        assert self._block is not None
        state = self._block.state
        books = np.asarray(self._ring["books"])
        state.control[:] = np.asarray(self._ring["control"])
        state.books[: at.BOOKS_SLOTS_START] = books[: at.BOOKS_SLOTS_START]
        state.log[:] = np.asarray(self._ring["debug_log"])
        if len(state.workspace):
            state.workspace[:] = np.asarray(self._ring["workspace"])
        # A slot that was claimed and put back looks as before but for its books.
        moved = np.flatnonzero((statuses != state.slots[:, at.STATUS]) | np.isin(statuses, _PUT_BACK))
        if self._reads_slots or np.any(np.isin(statuses[moved], _PUT_BACK)):
            words = np.asarray(self._ring["ring_buffer"]).reshape(-1, at.SLOT_WORDS)
            state.slots[moved, at.STATUS + 1 :] = words[moved, at.STATUS + 1 :]
        state.entries[moved] = books[at.BOOKS_SLOTS_START :].reshape(-1, _ENTRY)[moved]
        state.slots[moved, at.STATUS] = statuses[moved]
        self._seen, self._tickets = statuses.copy(), self._block.tickets.copy()

    def wait(self, slots: Any, first: int, seconds: float) -> int:
        """Launch until the jobs are over, nothing more can run, or time is; returns how many are not over."""
        assert self._block is not None
        end = time.monotonic() + seconds
        while True:
            left = cpu_feed.wait_over(self._block.words, self._block.longs, slots, first, _POLL)
            if not left or not self.launch() or time.monotonic() >= end:
                return left

    def pump(self) -> None:
        """Launch once."""
        if self._block is not None:
            self.launch()

    def stop(self) -> None:
        """Launch no more, and let the state go."""
        with self.guard:
            self._block, self._ring = None, {}


_RUNNABLE: Final = np.array(sorted(at.RUNNABLE), np.uint32)
_PUT_BACK: Final = np.array([SlotStatus.YIELD, SlotStatus.REQUEUE], np.uint32)
