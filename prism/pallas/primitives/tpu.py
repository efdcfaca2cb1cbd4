"""Primitives of the TPU and Triton dialects that only compute: hints, packing, approximate reciprocals."""

from __future__ import annotations

import numpy as np

from prism.pallas.dtypes import Numeric
from prism.pallas.indexing import bitcast_rows
from prism.pallas.primitives.site import Site


def reciprocal(x: Numeric) -> Numeric:
    """1 / x in the operand's type; the approximate form is exact here."""
    x = np.asarray(x)
    return np.ones((), x.dtype) / x


def emit_bitcast(site: Site) -> str:
    """Reinterpret bits, packing along the second axis from the end."""
    site.serial_only()
    return site.call(bitcast_rows, site.arg(0), site.dtype(site.outs[0].dtype))


def emit_reciprocal(site: Site) -> str:
    """Divide 1 by the operand."""
    return site.call(reciprocal, site.args[0])
