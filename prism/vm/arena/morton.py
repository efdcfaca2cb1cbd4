"""Morton codes: interleave the bits of two coordinates (Morton 1966)."""

from __future__ import annotations

import numpy as np

from prism.vm.rewrite.candidates import Array

# Masks after each halving of the gap between bits of a 16-bit coordinate.
_SPREAD = ((8, 0x00FF00FF), (4, 0x0F0F0F0F), (2, 0x33333333), (1, 0x55555555))


def interleave(x: Array, y: Array) -> Array:
    """Return the 32-bit Morton code of coordinates below 2**16: bit i of x at 2i, of y at 2i + 1; uint32.

    Works on NumPy and on JAX arrays.
    """
    return _spread(x) | _spread(y) << 1


def _spread(x: Array) -> Array:
    word = x.astype(np.uint32) & 0xFFFF
    for shift, mask in _SPREAD:
        word = (word | word << shift) & np.uint32(mask)
    return word
