"""The rules by which a worker answers otherwise than the original, and what each changes in its answer [RING-16].

A rule looks at the ring in which a case begins and at what the original made of it, never at what the model made.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np

from prism.ring import layout as at
from prism.ring.layout import Opcode, SlotStatus, Words
from prism.ring.packed import unpack
from prism.ring.state import RingState

_ORIGINAL_LIMIT: Final = 4
"""Operations of a packed slot that the original runs."""


@dataclass(frozen=True, slots=True)
class Run:
    """A case: the ring that it begins with, and the buffers that are expected, which rules amend in place."""

    start: RingState
    control: Words
    ring: Words
    log: Words
    custom: frozenset[int]
    bands: bool

    def status(self, slot: int) -> int:
        """Return the status in which the slot is expected to be left."""
        return int(self.ring[slot * at.SLOT_WORDS])

    def leave(self, slot: int, status: SlotStatus) -> None:
        """Expect the slot to be left in a status."""
        self.ring[slot * at.SLOT_WORDS] = status

    def ran(self) -> Iterator[tuple[int, int, list[int]]]:
        """Yield (slot, opcode, arguments) of the slots that the original ran."""
        for slot in range(len(self.start.slots)):
            if self.status(slot) == SlotStatus.DONE and self.start.slots[slot, at.STATUS] != SlotStatus.DONE:
                yield (slot, *self.job(slot))

    def job(self, slot: int) -> tuple[int, list[int]]:
        """Return the opcode and arguments of a slot."""
        words = [int(word) for word in self.start.slots[slot]]
        return words[at.OPCODE], words[at.ARGS :]

    def tenant(self, slot: int) -> int:
        """Return who submitted a slot."""
        return int(self.start.slots[slot, at.TENANT])

    def inside(self, start: int, words: int = 1) -> bool:
        """Whether words lie in the window that every tenant of a case has."""
        return start >= at.SCRATCH and start + words <= self.control.size

    def undo(self, *ranges: tuple[int, int]) -> None:
        """Expect words as they were."""
        for start, words in ranges:
            self.control[start : start + words] = self.start.control[start : start + words]

    def do(self, opcode: int, args: list[int]) -> None:
        """Expect one operation of those that store or add, counted by its opcode; any other touches nothing."""
        if opcode < at.METRICS:
            self.control[at.METRICS_BASE + opcode] += 1
        if opcode == Opcode.STORE_U32:
            self.control[args[1]] = args[0]
        elif opcode == Opcode.ATOMIC_ADD:
            self.control[args[1]] += np.uint32(args[0])

    def end(self, slot: int, status: SlotStatus) -> None:
        """Expect a slot that the original never ran to end, in a status."""
        self.control[at.DONE_COUNT] += 1
        self.leave(slot, status)


@dataclass(frozen=True, slots=True)
class DeviationRule:
    """One deviation of the worker: its name and clause, when it applies, and what it changes."""

    name: str
    clause: str
    applies: Callable[[Run], bool]
    amend: Callable[[Run], None]


def _touched(opcode: int, args: list[int]) -> tuple[list[tuple[int, int]], list[tuple[int, int]]] | None:
    """Return the words that an operation reads or writes by our rules, and those that the original writes."""
    a, b, c, d = args[:4]
    match opcode:
        case Opcode.STORE_U32 | Opcode.ATOMIC_ADD:
            return [(b, 1)], [(b, 1)]
        case Opcode.LOAD_U32:
            return [(a, 1), (at.OBSERVABLES + b, 1)], [(at.OBSERVABLES + b, 1)]
        case Opcode.COMPARE_SWAP:
            return [(a, 1), (at.OBSERVABLES + d, 1)], [(a, 1), (at.OBSERVABLES + a, 1)]
        case Opcode.MEMCPY:
            return ([(a, c), (b, c)] if c else []), [(b, c)]
    return None


def _leaves_window(run: Run) -> Iterator[tuple[int, list[tuple[int, int]]]]:
    for slot, opcode, args in run.ran():
        touched = _touched(opcode, args)
        if touched and not all(run.inside(*words) for words in touched[0]):
            yield slot, touched[1]


def _fault_outside(run: Run) -> None:
    for slot, written in list(_leaves_window(run)):
        run.undo(*written)
        run.leave(slot, SlotStatus.FAULT)


def _swaps(run: Run) -> list[tuple[int, list[int]]]:
    outside = {slot for slot, _ in _leaves_window(run)}
    return [(slot, args) for slot, op, args in run.ran() if op == Opcode.COMPARE_SWAP and slot not in outside]


def _answer_by_argument(run: Run) -> None:
    for _, (place, _, _, observable, *_) in _swaps(run):
        run.undo((at.OBSERVABLES + place, 1))
        run.control[at.OBSERVABLES + observable] = run.start.control[place]


def _unknown(run: Run) -> list[int]:
    known = run.custom | set(Opcode) - {Opcode.LOAD_MISS}
    return [slot for slot, opcode, _ in run.ran() if opcode not in known]


def _fault_unknown(run: Run) -> None:
    for slot in _unknown(run):
        run.leave(slot, SlotStatus.FAULT)


def _dfa(run: Run) -> list[tuple[int, list[int]]]:
    return [(slot, args) for slot, opcode, args in run.ran() if opcode == Opcode.DFA_STEP]


def _step_dfa(run: Run) -> None:
    for slot, (table, place, symbol, symbols, *_) in _dfa(run):
        entry = table + int(run.control[place]) * symbols + symbol if run.inside(place) else 0
        if symbol < symbols and run.inside(entry):
            run.control[place] = run.control[entry]
        else:
            run.leave(slot, SlotStatus.FAULT)


def _overruns_log(run: Run) -> bool:
    return int(run.log[at.LOG_CURSOR]) > max(run.log.size - at.LOG_RECORDS, int(run.start.log[at.LOG_CURSOR]))


def _saturate_log(run: Run) -> None:
    fits = (run.log.size - at.LOG_RECORDS) // at.LOG_RECORD.words * at.LOG_RECORD.words
    run.log[at.LOG_CURSOR] = max(fits, int(run.start.log[at.LOG_CURSOR]))


def _dropped(run: Run) -> Iterator[list[tuple[int, list[int]]]]:
    """Yield the operations that the original drops, for each packed slot of which it drops any."""
    for _, opcode, args in run.ran():
        operations = unpack(np.array(args, at.WORD)) if opcode == Opcode.PACKED_SLOT else ()
        if not operations:
            continue
        # The original finds arguments after the metadata of the operations that it runs, and wants three words of each.
        metadata = at.packed_metadata_words(min(len(operations), _ORIGINAL_LIMIT))
        begins = np.cumsum([0, *(len(own) for _, own in operations)])[:-1]
        dropped = [
            (code, [*own, *[0] * (at.ARGS_PER_SLOT - len(own))])
            for place, (code, own) in enumerate(operations)
            if place >= _ORIGINAL_LIMIT or metadata + begins[place] + 3 > at.ARGS_PER_SLOT
        ]
        if dropped:
            yield dropped


def _run_dropped(run: Run) -> None:
    for operations in list(_dropped(run)):
        for opcode, args in operations:
            run.do(opcode, args)


def _resumable(run: Run) -> list[int]:
    put_back = (SlotStatus.YIELD, SlotStatus.REQUEUE)
    slots = range(len(run.start.slots))
    return [] if run.bands else [slot for slot in slots if run.status(slot) in put_back and _allowed(run, slot)]


def _allowed(run: Run, slot: int) -> bool:
    tenant = run.tenant(slot)
    return tenant < at.TENANTS and bool(run.start.control[at.TENANT_MASKS + tenant])


def _resume(run: Run) -> None:
    for slot in _resumable(run):
        run.do(*run.job(slot))
        run.end(slot, SlotStatus.DONE)


def _starved(run: Run) -> list[int]:
    """Return the slots that a worker may run and the original leaves, once its guard has closed the urgent levels."""
    if not run.bands or run.start.control[at.STARVATION] < at.STARVATION_THRESHOLD:
        return []
    urgent = int(run.start.control[at.PRIORITY_OFFSETS + at.Priority.NORMAL])
    waiting = [slot for slot in range(urgent) if run.status(slot) == SlotStatus.PUBLISHED]
    return [slot for slot in waiting if _allowed(run, slot)]


def _serve_starved(run: Run) -> None:
    offsets = run.start.control[at.PRIORITY_OFFSETS : at.PRIORITY_OFFSETS + at.LEVELS + 1]
    for slot in _starved(run):
        level = int(np.searchsorted(offsets, slot, side="right")) - 1
        run.do(*run.job(slot))
        run.end(slot, SlotStatus.DONE)
        run.control[at.TENANT_FAIRNESS + run.tenant(slot)] += 1
        run.control[at.PRIORITY_FAIRNESS + level] += 1
        run.control[at.STARVATION] += 1


def _strangers(run: Run) -> list[int]:
    slots = run.start.slots
    seen = (SlotStatus.PUBLISHED, SlotStatus.DONE)
    return [
        slot
        for slot in range(len(slots))
        if run.tenant(slot) >= at.TENANTS
        and slots[slot, at.STATUS] == SlotStatus.PUBLISHED
        and run.status(slot) in seen
    ]


def _refuse_strangers(run: Run) -> None:
    for slot in _strangers(run):
        if run.status(slot) == SlotStatus.PUBLISHED:
            run.end(slot, SlotStatus.FAULT)
            continue
        opcode, args = run.job(slot)
        touched = _touched(opcode, args)
        run.undo(*(touched[1] if touched else ()))
        if opcode < at.METRICS:
            run.control[at.METRICS_BASE + opcode] -= 1
        run.leave(slot, SlotStatus.FAULT)


def _early_fences(run: Run) -> list[int]:
    ended = (SlotStatus.EMPTY, SlotStatus.DONE, SlotStatus.FAULT)
    return [
        slot
        for slot, opcode, args in run.ran()
        if opcode == Opcode.BATCH_FENCE
        and any(run.status(earlier) not in ended for earlier in range(max(0, slot - args[0]), slot))
    ]


def _hold_fences(run: Run) -> None:
    for slot in _early_fences(run):
        run.leave(slot, SlotStatus.PUBLISHED)
        for word in (at.DONE_COUNT, at.EPOCH, at.METRICS_BASE + Opcode.BATCH_FENCE):
            run.control[word] -= 1
        run.undo((at.OBSERVABLES, 1))


def _shutdowns(run: Run) -> list[int]:
    return [slot for slot, opcode, _ in run.ran() if opcode == Opcode.SHUTDOWN and run.tenant(slot) != 0]


def _refuse_shutdowns(run: Run) -> None:
    for slot in _shutdowns(run):
        run.undo((at.SHUTDOWN, 1))
        run.leave(slot, SlotStatus.FAULT)
        for later in range(slot + 1, len(run.start.slots)):  # What the original stopped for runs.
            if run.status(later) == SlotStatus.PUBLISHED and _allowed(run, later):
                run.do(*run.job(later))
                run.end(later, SlotStatus.DONE)


RULES: Final = (
    DeviationRule(
        "a tenant outside the table is refused", "RING-6", lambda run: bool(_strangers(run)), _refuse_strangers
    ),
    DeviationRule("only tenant 0 may shut down", "RING-6", lambda run: bool(_shutdowns(run)), _refuse_shutdowns),
    DeviationRule(
        "a word outside the window is a fault", "RING-7", lambda run: any(_leaves_window(run)), _fault_outside
    ),
    DeviationRule(
        "COMPARE_SWAP answers where argument 3 says", "RING-7", lambda run: bool(_swaps(run)), _answer_by_argument
    ),
    DeviationRule("DFA_STEP steps", "RING-7", lambda run: bool(_dfa(run)), _step_dfa),
    DeviationRule(
        "an opcode that nothing answers for is a fault", "RING-7", lambda run: bool(_unknown(run)), _fault_unknown
    ),
    DeviationRule("a full debug log drops and counts", "RING-12", _overruns_log, _saturate_log),
    DeviationRule("every operation of a packed slot runs", "RING-8", lambda run: any(_dropped(run)), _run_dropped),
    DeviationRule("a slot that yielded is taken again", "RING-10", lambda run: bool(_resumable(run)), _resume),
    DeviationRule("no level starves", "RING-10", lambda run: bool(_starved(run)), _serve_starved),
    DeviationRule("a fence waits for its batch", "RING-9", lambda run: bool(_early_fences(run)), _hold_fences),
)
