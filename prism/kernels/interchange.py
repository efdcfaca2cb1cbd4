"""Kernels on JAX arrays: what a kernel writes is returned, also under `jax.jit`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import jax
import jax.core
import numpy as np

from prism.kernels.isa.program import Access

if TYPE_CHECKING:
    from prism.kernels.isa.program import Program


def functional(run: Callable[[Mapping[str, Any]], None], program: Program, arrays: Mapping[str, Any]) -> Any:
    """Run on copies of the arrays that the program writes and return these, alone or as a tuple.

    Under a trace the run is a callback to the host, once for each element of a batch.
    """
    written = [one.name for one in program.buffers if one.access is not Access.READ]
    names = list(arrays)

    def on_host(*given: Any) -> tuple[np.ndarray, ...]:
        taken = {
            name: np.array(one) if name in written else np.ascontiguousarray(one)
            for name, one in zip(names, given, strict=True)
        }
        run(taken)
        return tuple(taken[name] for name in written)

    if any(isinstance(one, jax.core.Tracer) for one in arrays.values()):
        shapes = tuple(jax.ShapeDtypeStruct(arrays[one].shape, arrays[one].dtype) for one in written)
        found = jax.pure_callback(on_host, shapes, *arrays.values(), vmap_method="sequential")
    else:
        found = tuple(jax.numpy.asarray(one) for one in on_host(*arrays.values()))
    return found[0] if len(found) == 1 else tuple(found)
