"""What the ring refuses, by kind; every message says what to do."""

from __future__ import annotations

from prism.errors import CapacityError, CorruptError, PrismError, UsageError


class RingError(PrismError):
    """Base of everything that the ring refuses; whoever raises it has changed nothing."""


class QueueFullError(RingError, CapacityError):
    """A slot, batch or queue has no room for what was submitted, or the submission does not fit a slot."""


class ByteLengthError(RingError, UsageError):
    """A length in bytes or words goes beyond what the wire or an encoder allows."""


class MisalignedError(RingError, CorruptError):
    """A buffer is not whole words, slots or records."""


class MissingWordError(RingError, CorruptError):
    """A buffer is too short for the word that is read, or a cursor in it points outside."""


class LaunchError(RingError, UsageError):
    """Limits, budget or program of a launch contradict each other."""


class DeviceLostError(RingError):
    """An executor's own word that its device, or its context on it, is gone."""


class JobFaultError(RingError):
    """A job ended as a fault, and its result was asked for."""


class RingTimeoutError(RingError, TimeoutError):
    """What was waited for did not come in time; the jobs go on."""


class RingClosedError(RingError, UsageError):
    """The ring has ended, or its shutdown word is set."""
