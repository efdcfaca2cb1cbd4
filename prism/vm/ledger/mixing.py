"""Mixing: the 64-bit finaliser that spreads packed keys over hash slots, for NumPy, Numba and JAX alike."""

from __future__ import annotations

from typing import Any, Final

import numpy as np

_SHIFT: Final = np.uint64(33)
_FIRST: Final = np.uint64(0xFF51AFD7ED558CCD)
_SECOND: Final = np.uint64(0xC4CEB9FE1A85EC53)


def mix(key: Any) -> Any:
    """Return a bijective mixing of uint64 keys (scalar or array): every input bit flips half the output bits.

    Source: the finaliser of MurmurHash3 (Appleby, public domain). It only finds candidates: keys that mix alike are
    still told apart by the full key [LEDGER-1].
    """
    key = (key ^ (key >> _SHIFT)) * _FIRST
    key = (key ^ (key >> _SHIFT)) * _SECOND
    return key ^ (key >> _SHIFT)
