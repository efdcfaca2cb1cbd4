"""Primitives of the TPU and Triton dialects that only compute: hints, packing, approximate reciprocals."""

from __future__ import annotations

from typing import Any

import numpy as np

from prism.pallas.indexing import bitcast_rows
from prism.pallas.primitives.site import Rule, Site, emit_template


def reciprocal(x: Any) -> Any:
    """1 / x in the operand's type; the approximate form is exact here."""
    x = np.asarray(x)
    return np.ones((), x.dtype) / x


def _emit_bitcast(site: Site) -> str:
    site.serial_only()
    return site.call(bitcast_rows, site.arg(0), site.dtype(site.outs[0].dtype))


RULES: dict[str, Rule] = {
    "bitcast": Rule(_emit_bitcast),
    "multiple_of": emit_template("{0}"),
    "max_contiguous": emit_template("{0}"),
    "reciprocal": Rule(lambda site: site.call(reciprocal, site.args[0]), elementwise=True),
    "pvary": emit_template("{0}"),
    "with_memory_space_constraint": emit_template("{0}"),
}
