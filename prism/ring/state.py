"""A whole ring as arrays: the buffers of the wire, the books and the workspace, empty, as views, and as copies."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

import numpy as np

from prism.errors import UsageError
from prism.ring import layout as at
from prism.ring.layout import WORD, Words

_SHARE: Final = 16
"""Observables a tenant gets where nobody says how many."""


@dataclass(frozen=True, slots=True)
class Window:
    """The control words `start` to `start + words - 1`, which one tenant may read and write."""

    start: int
    words: int


@dataclass(frozen=True, slots=True)
class RingSpec:
    """How large a ring is, and who may do what in it.

    slots: 1 to 1,048,576. tenants: 1 to 29. observables: words from 160 on, which the control buffer holds; the first
    is the tag of the last fence, the others are dealt out to the tenants in equal windows unless `windows` names them,
    one for each tenant. quota: the most slots that a tenant may have in flight. workspace: words that handlers share.
    Raises UsageError.
    """

    slots: int
    tenants: int = 1
    observables: int = 0
    log_records: int = at.LOG_CAPACITY
    io_slots: int = at.IO_SLOTS
    quota: int = at.DEFAULT_QUOTA
    workspace: int = 0
    windows: tuple[Window, ...] = field(default=())

    def __post_init__(self) -> None:
        _require("slots", self.slots, 1, at.MAX_ENCODED)
        _require("tenants", self.tenants, 1, at.TENANTS)
        if self.observables == 0:
            object.__setattr__(self, "observables", 1 + _SHARE * self.tenants)
        _require("observables", self.observables, 1, at.MAX_ENCODED)
        _require("log_records", self.log_records, 0, at.MAX_ENCODED)
        _require("io_slots", self.io_slots, 1, at.IO_SLOTS)
        _require("quota", self.quota, 0, at.WORD_MASK)
        _require("workspace", self.workspace, 0, at.WORD_MASK)
        if not self.windows:
            object.__setattr__(self, "windows", _shares(self.observables, self.tenants))
        self._check_windows()

    def _check_windows(self) -> None:
        if len(self.windows) != self.tenants:
            raise UsageError(
                f"windows must be one for each of {self.tenants} tenants, got {len(self.windows)}; "
                "name all of them, or none"
            )
        for tenant, window in enumerate(self.windows):
            inside = window.start >= at.SCRATCH and 0 <= window.words <= self.control_words - window.start
            if not inside:
                raise UsageError(
                    f"the window of tenant {tenant} must lie in the control words {at.SCRATCH} to "
                    f"{self.control_words - 1}, got {window.words} words from {window.start}; "
                    "move it or add observables"
                )

    @property
    def control_words(self) -> int:
        """Words of the control buffer, observables included."""
        return at.CONTROL_WORDS + self.observables

    @property
    def books_words(self) -> int:
        """Words of the books."""
        return at.BOOKS_SLOTS_START + self.slots * at.BOOKS_SLOT.words

    @property
    def buffer_words(self) -> dict[str, int]:
        """Words of each buffer, by its name in `layout.BUFFERS`."""
        words = (
            self.control_words,
            self.slots * at.SLOT_WORDS,
            at.LOG_RECORDS + self.log_records * at.LOG_RECORD.words,
            self.io_slots * at.IO_SLOT_WORDS,
            self.books_words,
            self.workspace,
        )
        return dict(zip(at.BUFFERS, words, strict=True))


def _require(name: str, value: int, low: int, high: int) -> None:
    if not low <= value <= high:
        raise UsageError(f"{name} of a ring must be {low} to {high}, got {value}; choose one in that range")


def _shares(observables: int, tenants: int) -> tuple[Window, ...]:
    """Deal the observables after the first out in equal windows; a remainder belongs to nobody."""
    share = (observables - 1) // tenants
    return tuple(Window(at.OBSERVABLES + 1 + tenant * share, share) for tenant in range(tenants))


@dataclass(frozen=True, slots=True, eq=False)
class RingState:
    """A ring: six flat arrays of uint32, in the order of `layout.BUFFERS`, and views of them.

    The arrays may be anyone's memory: a shared segment, a mapped buffer, a plain array. Whoever makes a state from
    them promises their lengths (`RingSpec.buffer_words`); `of_buffers` checks it.
    """

    control: Words
    ring: Words
    log: Words
    io: Words
    books: Words
    workspace: Words

    @property
    def slots(self) -> Words:
        """View of the slots, (n, 16)."""
        return self.ring.reshape(-1, at.SLOT_WORDS)

    @property
    def io_slots(self) -> Words:
        """View of the io queue, (io slots, 8)."""
        return self.io.reshape(-1, at.IO_SLOT_WORDS)

    @property
    def head(self) -> Words:
        """View of the head of the books, (16,)."""
        return self.books[: at.BOOKS_HEAD.words]

    @property
    def levels(self) -> Words:
        """View of the levels in the books, (5, 40)."""
        return self.books[at.BOOKS_LEVELS_START : at.BOOKS_TENANTS_START].reshape(at.LEVELS, -1)

    @property
    def tenants(self) -> Words:
        """View of the tenants in the books, (32, 16)."""
        return self.books[at.BOOKS_TENANTS_START : at.BOOKS_OWNERS_START].reshape(at.BOOKS_TENANT_ROWS, -1)

    @property
    def owners(self) -> Words:
        """View of the owners of the io slots, (64,)."""
        return self.books[at.BOOKS_OWNERS_START : at.BOOKS_SLOTS_START]

    @property
    def entries(self) -> Words:
        """View of the slots in the books, (n, 8)."""
        return self.books[at.BOOKS_SLOTS_START :].reshape(-1, at.BOOKS_SLOT.words)

    def buffers(self) -> tuple[Words, ...]:
        """Return the arrays in the order of `layout.BUFFERS`."""
        return self.control, self.ring, self.log, self.io, self.books, self.workspace

    def copy(self) -> RingState:
        """Return a state on memory of its own."""
        return RingState(*(words.copy() for words in self.buffers()))

    def same(self, other: RingState) -> bool:
        """Whether two states agree in every word."""
        return all(np.array_equal(mine, yours) for mine, yours in zip(self.buffers(), other.buffers(), strict=True))


def of_buffers(spec: RingSpec, buffers: dict[str, Words]) -> RingState:
    """Return the state on `buffers`, by name; raises UsageError unless each is a flat uint32 array of its length."""
    for name, words in spec.buffer_words.items():
        array = buffers[name]
        if array.dtype != WORD or array.shape != (words,):
            raise UsageError(
                f"buffer {name} must be {words} words of {WORD.name}, got {array.shape} of {array.dtype}; "
                "allocate it by the RingSpec"
            )
    return RingState(*(buffers[name] for name in at.BUFFERS))


def empty(spec: RingSpec) -> RingState:
    """Return a new ring: every slot EMPTY, every tenant of `spec` allowed, tickets from 1."""
    state = of_buffers(spec, {name: np.zeros(words, WORD) for name, words in spec.buffer_words.items()})
    initialise(state, spec)
    return state


def initialise(state: RingState, spec: RingSpec) -> None:
    """Write what an empty ring begins with into zeroed memory."""
    control = state.control
    control[at.TENANT_BASE] = at.TENANT_MASKS
    control[at.TENANT_MASKS : at.TENANT_MASKS + spec.tenants] = at.ALLOWED
    control[at.TENANT_QUOTAS : at.TENANT_QUOTAS + spec.tenants] = spec.quota
    control[at.PRIORITY_OFFSETS : at.PRIORITY_OFFSETS + at.LEVELS + 1] = band_offsets(spec.slots)
    state.head[at.BOOKS_HEAD.at("NEXT_TICKET_LO")] = 1
    for tenant, window in enumerate(spec.windows):
        state.tenants[tenant, :2] = window.start, window.words


def band_offsets(slots: int) -> tuple[int, ...]:
    """Return where the band of each level begins in a ring of `slots`, and the end: equal bands, the rest to NORMAL."""
    share = slots // at.LEVELS
    widths = [share] * at.LEVELS
    widths[at.Priority.NORMAL] += slots - share * at.LEVELS
    return (0, *(sum(widths[: level + 1]) for level in range(at.LEVELS)))


def count(words: Words, index: int, by: int = 1) -> None:
    """Add `by`, which may be negative, to one word, modulo 2**32."""
    words[index] = (int(words[index]) + by) & at.WORD_MASK
