"""Sticky device status, shared by every part that holds state."""

from __future__ import annotations

from enum import IntEnum


class Status(IntEnum):
    """State of a ledger or an arena; once it is not OK nothing mutates any more [LEDGER-6].

    CORRUPT outranks OOM: the maximum of two statuses is the status of their union.
    """

    OK = 0
    OOM = 1
    CORRUPT = 2
