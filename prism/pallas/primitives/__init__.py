"""The primitive table: the NumPy expression of each JAX primitive that computes a value."""

from __future__ import annotations

from prism.pallas.primitives import elementwise, index, keys, reduce, shape, tpu
from prism.pallas.primitives.site import Aval as Aval
from prism.pallas.primitives.site import NotBatchableError as NotBatchableError
from prism.pallas.primitives.site import Rule as Rule
from prism.pallas.primitives.site import Site as Site

TABLE: dict[str, Rule] = {
    **elementwise.RULES,
    **shape.RULES,
    **reduce.RULES,
    **index.RULES,
    **tpu.RULES,
    **keys.RULES,
}
