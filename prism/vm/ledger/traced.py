"""Traced steps that the device engines share: check and pack nodes, order their mixed keys, find the first of each."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Final, ParamSpec, TypeVar

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from numpy.typing import ArrayLike

from prism.vm.ledger.key import KeyLayout
from prism.vm.ledger.mixing import mix

_Arguments = ParamSpec("_Arguments")
_Result = TypeVar("_Result")

ABSENT: Final = np.uint64(0xFFFFFFFFFFFFFFFF)
"""What stands for no key: no layout has room for it."""
MIXED_ABSENT: Final = mix(np.array([ABSENT]))[0]


def in_64_bits(function: Callable[_Arguments, _Result]) -> Callable[_Arguments, _Result]:
    """Return the function, run with JAX's 64-bit types switched on."""

    @wraps(function)
    def widened(*args: _Arguments.args, **options: _Arguments.kwargs) -> _Result:
        with jax.enable_x64(True):
            return function(*args, **options)

    return widened


def addable(op: jax.Array, a: jax.Array, b: jax.Array, count: jax.Array, arity: ArrayLike) -> jax.Array:
    """Return which nodes may be added to a ledger of `count` nodes [LEDGER-4]; bool[n]."""
    takes = jnp.asarray(arity)[op]
    first = jnp.where(takes >= 1, (a > 0) & (a < count), a == 0)
    second = jnp.where(takes >= 2, (b > 0) & (b < count), b == 0)
    return (takes <= 2) & first & second


def packed(op: jax.Array, a: jax.Array, b: jax.Array, layout: KeyLayout, commutes: ArrayLike) -> jax.Array:
    """Return the keys of nodes, operands of commuting ops in ascending order [LEDGER-2]; uint64[n]."""
    swaps = jnp.asarray(commutes)[op] & (b < a)
    return layout.pack(op, jnp.where(swaps, b, a), jnp.where(swaps, a, b))


def in_order(mixed: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Return mixed keys sorted, and the place in the batch that each came from; uint64[n], int32[n]."""
    mixed, place = lax.sort((mixed, lax.iota(np.int32, len(mixed))), num_keys=1, is_stable=False)
    return mixed, place


def leads(mixed: jax.Array) -> jax.Array:
    """Return which sorted keys are present and the first of their kind; bool[n]."""
    differs = jnp.ones(len(mixed), bool).at[1:].set(mixed[1:] != mixed[:-1])
    return differs & (mixed != MIXED_ABSENT)
