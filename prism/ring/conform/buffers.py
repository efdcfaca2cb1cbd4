"""What vectors of the ring say in one way: buffers by their nonzero words, and errors by their kind."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

import numpy as np

from prism.conform import Mismatch
from prism.ring import errors, policy, tenants
from prism.ring.layout import SLOT_WORDS, WORD, Words

KINDS: Final[dict[str, tuple[type[Exception], ...]]] = {
    "QueueFull": (errors.QueueFullError,),
    "Backend": (errors.MisalignedError, errors.MissingWordError),
    "ByteLengthOverflow": (errors.ByteLengthError,),
    "MisalignedByteLength": (errors.MisalignedError,),
    "MissingWord": (errors.MissingWordError,),
    "Other": (errors.LaunchError,),
    "DeviceOutOfMemory": (policy.OutOfBudgetError,),
    "ZeroCapacity": (errors.ByteLengthError,),
    "CapacityOverflow": (errors.ByteLengthError,),
    "RegistryFull": (tenants.RegistryFullError,),
    "OpcodeOutOfRange": (tenants.OpcodeRangeError,),
    "Pipeline/Backend": (tenants.OpcodeRangeError,),
    "Backpressure": (tenants.BackpressureError,),
    "QuiesceTimeout": (tenants.QuiesceError,),
}
"""What this project raises for each kind of error in a file."""


def dense(sparse: Mapping[str, Any]) -> Words:
    """Return the words of a sparse buffer."""
    words = np.zeros(sparse["word_count"], WORD)
    for index, value in sparse["nonzero"].items():
        words[int(index)] = value
    return words


def ring_of(data: Mapping[str, Any]) -> Words:
    """Return the ring that a case begins with: its words, or so many empty slots, with the statuses that it names."""
    if "ring_words" in data:
        return np.array(data["ring_words"], WORD)
    ring = np.zeros(data["slot_count"] * SLOT_WORDS, WORD)
    for slot, status in data.get("initial_status", ()):
        ring[slot * SLOT_WORDS] = status
    return ring


def ragged(words: Words, extra: int) -> bytes:
    """Return the bytes of a buffer and so many more."""
    return words.tobytes() + bytes(extra)


def require_error(expected: Mapping[str, Any], call: Callable[[], object], *buffers: np.ndarray) -> None:
    """Raise Mismatch unless the call fails with the kind that is expected and leaves the buffers as they were."""
    kinds = KINDS.get(expected["kind"], ())
    before = [buffer.copy() for buffer in buffers]
    try:
        call()
    except kinds:
        if any(not np.array_equal(old, new) for old, new in zip(before, buffers, strict=True)):
            raise Mismatch("a refused call must leave its buffers as they were, but they changed") from None
        return
    raise Mismatch(f"the call must fail with {expected['kind']}, but it succeeded")


def require_words(expected: Words, got: Words, what: str) -> None:
    """Raise Mismatch unless two buffers agree in every word; it names the first few that differ."""
    if expected.shape != got.shape:
        raise Mismatch(f"{what} must have {expected.size} words, got {got.size}")
    wrong = [(int(i), int(expected[i]), int(got[i])) for i in np.flatnonzero(expected != got)[:4]]
    if wrong:
        raise Mismatch(f"{what} must hold other words at (index, expected, got): {wrong}")
