"""Open: an empty ledger on the host, on a device, or over several."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import jax

from prism.errors import UsageError
from prism.vm.ledger.api import Ledger
from prism.vm.ledger.device import DeviceLedger
from prism.vm.ledger.host import HostLedger
from prism.vm.ledger.key import WIDE, KeyLayout
from prism.vm.ledger.optable import BUILT_IN, OpTable
from prism.vm.ledger.sharded import ShardedLedger


def open_ledger(
    layout: KeyLayout = WIDE,
    capacity: int = 1 << 26,
    ops: OpTable = BUILT_IN,
    *,
    devices: int | Sequence[Any] = 0,
) -> Ledger:
    """Return an empty ledger; no id depends on where it lies [LEDGER-7].

    devices: 0 for the host, 1 for JAX's default device, else a power of two of JAX's devices, or those given.
    UsageError if there are not as many.
    """
    if isinstance(devices, int):
        if devices == 0:
            return HostLedger(layout, capacity, ops)
        if devices == 1:
            return DeviceLedger(layout, capacity, ops)
        found = jax.devices()
        if not 0 < devices <= len(found):
            raise UsageError(f"the devices of a ledger must be from 0 to the {len(found)} that JAX has, got {devices}")
        devices = found[:devices]
    return ShardedLedger(layout, capacity, ops, devices=devices)
