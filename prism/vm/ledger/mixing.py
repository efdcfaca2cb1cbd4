"""Mixing: the bijection of 64-bit integers that says where keys lie and in what order they are numbered.

One code for NumPy, Numba and JAX.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np

SHIFT: Final = np.uint64(33)
"""Shifted twice nothing is left of 64 bits, so `x ^ x >> SHIFT` is its own inverse."""
FIRST: Final = np.uint64(0xFF51AFD7ED558CCD)
SECOND: Final = np.uint64(0xC4CEB9FE1A85EC53)
"""Odd, so they have inverses modulo 2^64."""
FIRST_UNDONE: Final = np.uint64(pow(int(FIRST), -1, 1 << 64))
SECOND_UNDONE: Final = np.uint64(pow(int(SECOND), -1, 1 << 64))


def mix(key: Any) -> Any:
    """Return a bijective mixing of uint64 keys (scalar or array): every input bit flips half the output bits.

    Its order is the order of new ids [LEDGER-3], its top bits are the home slot. It only finds candidates: keys that
    share a slot are told apart by the full key [LEDGER-1]. Source: the finaliser of MurmurHash3 (Appleby, public
    domain).
    """
    key = (key ^ (key >> SHIFT)) * FIRST
    key = (key ^ (key >> SHIFT)) * SECOND
    return key ^ (key >> SHIFT)


def unmix(mixed: Any) -> Any:
    """Return the uint64 keys that mix to the numbers given (scalar or array)."""
    mixed = (mixed ^ (mixed >> SHIFT)) * SECOND_UNDONE
    mixed = (mixed ^ (mixed >> SHIFT)) * FIRST_UNDONE
    return mixed ^ (mixed >> SHIFT)
