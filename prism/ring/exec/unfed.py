"""What a drain need not do when it looks for jobs in the ring by itself: nobody feeds it."""

from __future__ import annotations

from typing import Any


class Unfed:
    """Base of drains that find published slots, and what the host writes, without being told."""

    feeds: bool = False
    line: Any = None

    def feed(self, chosen: Any) -> None:
        """Do nothing: it finds jobs by itself."""

    def settle(self, slots: Any = None) -> None:
        """Do nothing: statuses are where the jobs are."""

    def wrote(self, start: int, values: Any) -> None:
        """Do nothing: it sees what the host writes."""
