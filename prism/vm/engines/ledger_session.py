"""What the engines on a host ledger share: the ledger of their session, and what it says of it."""

from __future__ import annotations

from prism.status import Status
from prism.vm.engines.api import Limits
from prism.vm.ledger.host import HostLedger
from prism.vm.ledger.optable import OpTable


class LedgerSession:
    """A host ledger that holds a session's normal forms, within its limits."""

    def __init__(self, limits: Limits, ops: OpTable) -> None:
        self._ledger = HostLedger(limits.layout, limits.capacity, ops)

    @property
    def count(self) -> int:
        """Nodes in the ledger."""
        return self._ledger.count

    @property
    def status(self) -> Status:
        """OK, or the sticky reason why the session is over."""
        return self._ledger.status

    @property
    def ledger(self) -> HostLedger:
        """The ledger; to be read only, for the engine follows it."""
        return self._ledger
