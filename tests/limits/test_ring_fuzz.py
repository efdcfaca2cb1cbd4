"""Broken buffers: rings, control buffers, io queues, logs and replay files, mutated at random [RING-3].

By command, in full: `python -m tests.limits.test_ring_fuzz 20000`.
"""

from __future__ import annotations

import sys
from collections import Counter

import numpy as np
import pytest

from prism.ring import codec, ioqueue, replay
from prism.ring import layout as at
from prism.ring.errors import RingError
from prism.ring.host import adopt, submit
from prism.ring.layout import Opcode, SlotStatus
from prism.ring.model import advance, step
from prism.ring.program import Order, Program
from prism.ring.publish import Place, publish_batch
from prism.ring.reading import TelemetryDecodeScratch, read_ring
from prism.ring.state import RingState, empty
from tests.rings import SPEC

SAMPLE = 400
EXTREMES = np.array([0, 1, 3, 4, 7, 8, 0x7FFF_FFFF, 0x8000_0001, 0xFFFF_FFFF, 0xFFFF_FFFE], np.uint32)
PROGRAMS = [Program(order=order, self_loading=loads) for order in Order for loads in (False, True)]


def sound() -> RingState:
    """Return a ring in the middle of its work: ended, waiting and published slots, a log, io requests."""
    state, _ = submit(empty(SPEC), Place(0, 1), [(Opcode.STORE_U32, (1, 169)), (Opcode.PRINTF, (1, 2, 3))], tag=5)
    state, _ = submit(state, Place(3, 2), [(Opcode.PACKED_SLOT, (0x0002_0102, 0, 7)), (Opcode.NOP, ()), (700, ())])
    ioqueue.submit(ioqueue.queue_of(state.io), ioqueue.Request(1, 1, 2, 3, 4, 5, 6))
    for _ in range(3):
        advance(state, Program())
    return state


def mutated(words: np.ndarray, random: np.random.Generator) -> bytes:
    """Return the bytes of a buffer with words changed, and perhaps cut, padded or repeated."""
    words = words.copy()
    for _ in range(int(random.integers(0, 6))):
        value = random.choice(EXTREMES) if random.random() < 0.5 else random.integers(0, 2**32, dtype=np.uint32)
        words[random.integers(0, words.size)] = value
    raw = words.tobytes()
    how = random.random()
    if how < 0.1:
        return raw[: int(random.integers(0, len(raw)))]
    if how < 0.2:
        return raw + bytes(int(random.integers(1, 70)))
    return raw * 2 if how < 0.23 else raw


def read_all(raws: dict[str, bytes], outcomes: Counter[str]) -> None:
    """Decode every buffer strictly: an answer or a typed error, and the bytes as they were."""
    readers = {
        "control": (
            codec.read_done_count,
            codec.read_epoch,
            codec.read_metrics,
            lambda raw: codec.read_observable(raw, 3),
        ),
        "ring_buffer": (lambda raw: publish_batch(codec.words_of(bytearray(raw)), Place(0, 0), [(0, ())], 1),),
        "debug_log": (codec.decode_log,),
        "io_queue": (lambda raw: ioqueue.claim(ioqueue.queue_of(bytearray(raw))),),
        "replay": (replay.decode,),
    }
    for name, calls in readers.items():
        held = bytearray(raws[name])
        for call in calls:
            try:
                call(held)
                outcomes["decoded"] += 1
            except RingError:
                outcomes["refused"] += 1
        assert held == raws[name]


def refuses_unchanged(raw: bytes) -> None:
    """Publish into a broken ring: all of it, or an error and not a word changed."""
    held = np.frombuffer(bytearray(raw), np.uint8)
    before = held.copy()
    try:
        publish_batch(held.view(np.uint32) if held.size % 4 == 0 else held, Place(1, 3), [(0, ()), (9, (1,))], 4)
    except RingError:
        assert np.array_equal(held, before)


def observe(raws: dict[str, bytes], outcomes: Counter[str]) -> None:
    """Read telemetry of broken buffers: a reading that counts every slot once, or a typed error."""
    try:
        control, ring = codec.words_of(raws["control"]), codec.words_of(raws["ring_buffer"])
        reading = read_ring(control, ring, [9, 700])
        assert reading.occupancy.total_slots == len(reading.slots)
        assert 0 <= reading.counters.gpu_idle_ppm <= 10**6
        reading.health_since(2**32 - 1)
        TelemetryDecodeScratch(64).decode(control, ring)
        outcomes["observed"] += 1
    except RingError:
        outcomes["unobserved"] += 1


def run_broken(state: RingState, raws: dict[str, bytes], program: Program) -> None:
    """Step a ring whose words are wrong but all there: no crash, and whatever runs ends within a bound."""
    broken = state.copy()
    for words, name in zip(broken.buffers(), at.BUFFERS[:4], strict=False):
        raw = raws[name]
        if len(raw) == words.nbytes:
            words[:] = np.frombuffer(raw, np.uint32)
    broken = adopt(broken)
    for _ in range(12):
        after = step(broken, program)
        known = np.isin(broken.slots[:, at.STATUS], [int(status) for status in SlotStatus])
        assert np.array_equal(after.slots[~known], broken.slots[~known])
        broken = after


def campaign(times: int, seed: int = 0) -> Counter[str]:
    """Break so many rings; return how often buffers were decoded, refused and observed."""
    random, outcomes, state = np.random.default_rng(seed), Counter[str](), sound()
    file = np.frombuffer(replay.encode(3, [replay.Entry(1, 2, 3, 4, (5,), 6)] * 4), np.uint32)
    for turn in range(times):
        raws = {
            name: mutated(words, random) for name, words in zip(at.BUFFERS, state.buffers(), strict=True) if words.size
        }
        raws["replay"] = mutated(file, random)
        read_all(raws, outcomes)
        refuses_unchanged(raws["ring_buffer"])
        observe(raws, outcomes)
        run_broken(state, raws, PROGRAMS[turn % len(PROGRAMS)])
    return outcomes


@pytest.mark.m9
@pytest.mark.clause("RING-3")
def test_broken_buffers_are_decoded_or_refused() -> None:
    """A mutated ring, control buffer, queue, log or file gives an answer or a typed error, and stays as it was."""
    outcomes = campaign(SAMPLE)
    assert min(outcomes[name] for name in ("decoded", "refused", "observed", "unobserved")) > SAMPLE // 20


if __name__ == "__main__":
    print(dict(campaign(int(sys.argv[1]))))  # noqa: T201 (a command prints)
