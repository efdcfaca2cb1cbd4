"""Processes: the arrays of a mesh whose devices belong to several processes, as one of them sees them.

JAX's own distributed runtime underneath: `jax.distributed.initialize` first, on a CPU with the collectives `gloo`.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import jax
import numpy as np
from jax.experimental import multihost_utils
from jax.sharding import NamedSharding
from numpy.typing import NDArray

from prism.errors import PrismError


class ProcessError(PrismError):
    """Another process of a ledger ended, or does not keep step."""


def cut(column: NDArray, sharding: NamedSharding) -> jax.Array:
    """Return a column that every process has whole, each keeping the parts of its devices."""
    return jax.make_array_from_callback(column.shape, sharding, lambda index: column[index])


def joined(part: NDArray, sharding: NamedSharding) -> jax.Array:
    """Return a column of which every process has the part of its own devices, as many rows a device everywhere."""
    devices: Any = sharding.mesh.devices
    local = [one for one in devices.flat if one.process_index == jax.process_index()]
    pieces = [jax.device_put(piece, one) for piece, one in zip(np.split(part, len(local)), local, strict=True)]
    rows = len(part) // len(local) * sharding.mesh.size
    return jax.make_array_from_single_device_arrays((rows,), sharding, pieces)


def mine(column: jax.Array) -> NDArray:
    """Return the rows of a column that lie on this process's devices, in order."""
    if column.is_fully_addressable:
        return np.array(column)
    shards = sorted(column.addressable_shards, key=lambda shard: shard.index[0].start or 0)
    return np.concatenate([np.asarray(shard.data) for shard in shards])


def whole(column: jax.Array) -> NDArray:
    """Return all rows of a column; every process must ask for them."""
    if column.is_fully_addressable:
        return np.asarray(column)
    return np.asarray(multihost_utils.process_allgather(column, tiled=True))


@contextmanager
def in_step() -> Iterator[None]:
    """Raise ProcessError where another process ended amid a step that all take together."""
    try:
        yield
    except jax.errors.JaxRuntimeError as error:
        if jax.process_count() == 1:
            raise
        raise ProcessError(
            "every process of a ledger must live until the last batch, but process "
            f"{jax.process_index()} of {jax.process_count()} lost another: {str(error)[:200]}; "
            "end them all and load the last checkpoint"
        ) from error
