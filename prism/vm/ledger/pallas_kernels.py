"""Probing on NVIDIA GPUs: the find and enter loops of `probing` as Pallas kernels, lowered by Triton."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, Final

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.experimental import pallas as pl
from jax.experimental.pallas import triton

from prism.vm.ledger.probing import VACANT, Probing, home

_LANES: Final = 128
_SEARCHING: Final = np.int32(-2)


def find_by_lanes(
    keys: jax.Array, index: jax.Array, wanted: jax.Array, skip: int, *, interpret: bool = False
) -> jax.Array:
    """Find all keys, one lane each; `interpret` runs the kernel without a GPU, for tests."""
    out = jax.ShapeDtypeStruct(wanted.shape, np.int32)
    slots = home(index, wanted, skip).astype(np.int32)
    return _launch(_find_lanes, out, len(wanted), interpret=interpret)(keys, index, wanted, slots)


def enter_by_lanes(index: jax.Array, keys: jax.Array, ids: jax.Array, new: jax.Array, skip: int) -> jax.Array:
    """Enter all keys, one lane each; where in the index colliding ids come to lie depends on the race of the lanes."""
    out = jax.ShapeDtypeStruct(index.shape, index.dtype)
    slots = home(index, keys, skip).astype(np.int32)
    return _launch(_enter_lanes, out, len(ids), input_output_aliases={0: 0})(index, slots, jnp.where(new, ids, VACANT))


def _launch(kernel: Callable[..., None], out: jax.ShapeDtypeStruct, items: int, **options: Any) -> Callable[..., Any]:
    return pl.pallas_call(
        partial(kernel, items),
        out,
        grid=(pl.cdiv(items, _LANES),),
        compiler_params=triton.CompilerParams(num_warps=_LANES // 32),
        **options,
    )


def _lanes(items: int) -> tuple[jax.Array, jax.Array]:
    """Return the items of this program, and which of them exist."""
    lane = pl.program_id(0) * _LANES + lax.iota(np.int32, _LANES)
    return lane, lane < items


# Both loops carry as a scalar whether any lane goes on, and no flags. Where a loop's condition reduces the lanes
# itself, Triton as of jax 0.11.2 lets every lane exchange the id of lane 0; where it carries flags, it crashes.


def _find_lanes(items: int, keys: Any, index: Any, wanted: Any, slots: Any, found: Any) -> None:
    """Walk each lane's key from its home slot until it or a vacant slot is met."""
    lane, exists = _lanes(items)
    key = triton.load(wanted.at[lane], mask=exists, other=0)
    mask = np.int32(len(index) - 1)

    def look(state: tuple[jax.Array, ...]) -> tuple[jax.Array, ...]:
        slot, answer, _ = state
        searching = answer == _SEARCHING
        node = triton.load(index.at[slot], mask=searching, other=VACANT)
        held = triton.load(keys.at[jnp.maximum(node, 0)], mask=node != VACANT, other=0)
        answer = jnp.where(searching & ((node == VACANT) | (held == key)), node, answer)
        return slot + 1 & mask, answer, jnp.min(answer)

    answer = jnp.where(exists, _SEARCHING, np.int32(VACANT))
    start = triton.load(slots.at[lane], mask=exists, other=0), answer, jnp.min(answer)
    _, answer, _ = lax.while_loop(lambda state: state[2] == _SEARCHING, look, start)
    triton.store(found.at[lane], answer, mask=exists)


def _enter_lanes(items: int, _: Any, slots: Any, ids: Any, index: Any) -> None:
    """Exchange each lane's id into its slot; a lane that displaces an id carries it on to the next slot.

    This is valid linear probing, for no slot becomes vacant. Exchange is the atomic that Triton's lowering has right
    for integer vectors.
    """
    lane, exists = _lanes(items)
    mask = np.int32(len(index) - 1)

    def exchange(state: tuple[jax.Array, ...]) -> tuple[jax.Array, ...]:
        slot, carried, _ = state
        waiting = carried != VACANT
        displaced = jnp.where(waiting, triton.atomic_xchg(index, (slot,), carried, mask=waiting), VACANT)
        return slot + 1 & mask, displaced, jnp.max(displaced)

    carried = triton.load(ids.at[lane], mask=exists, other=VACANT)
    start = triton.load(slots.at[lane], mask=exists, other=0), carried, jnp.max(carried)
    lax.while_loop(lambda state: state[2] != VACANT, exchange, start)


TRITON: Final = Probing(find_by_lanes, enter_by_lanes)
"""Probing by Triton kernels."""
