"""Masked accesses of generated code: elements whose lane is off are neither read nor written, and need not exist."""

from __future__ import annotations

import numpy as np

from prism.pallas import bounds
from prism.pallas.dtypes import Numeric
from prism.pallas.errors import SuspectError
from prism.pallas.indexing import Array, Item, selected_shape
from prism.pallas.machine import Machine


def masked_load(m: Machine, x: Array, index: tuple[Item, ...], mask: Numeric, other: Numeric, lead: int) -> Numeric:
    """Return the selected elements where `mask` holds, else `other`; `x` has `lead` batched axes in front.

    Without `other`, a lane that is off holds what unwritten memory holds.
    """
    if _lies_within(x.shape[lead:], index):
        value, everything = x[(slice(None),) * lead + index], bool(np.all(mask))
    else:
        picks, everything = _picks(x.shape[lead:], index, mask)
        # Advanced indexing behind leading axes leaves an order in memory that BLAS does not take.
        value = np.ascontiguousarray(x[(slice(None),) * lead + picks])
    if other is None and not everything and m.params.uninitialized != "nan":
        m.unsure, other = True, m.poison(x.dtype)
    return np.array(value) if everything or other is None else np.where(mask, value, other)


def masked_store(
    x: Array, done: Array | None, index: tuple[Item, ...], value: Numeric, mask: Numeric, lead: int
) -> None:
    """Write `value` where `mask` holds, and note it in `done`."""
    front = (slice(None),) * lead
    if _lies_within(x.shape[lead:], index):
        np.copyto(x[front + index], value, where=mask)
        if done is not None:
            done[front + index] |= mask
        return
    picks, everything = _picks(x.shape[lead:], index, mask)
    if not everything:
        on = np.broadcast_to(mask, selected_shape(index))
        picks = tuple(p[on] for p in np.broadcast_arrays(*picks))
        value = np.asarray(value)
        value = value[(*front, on)] if value.ndim == lead + on.ndim else np.broadcast_to(value, on.shape)[on]
    x[front + picks] = value
    if done is not None:
        done[front + picks] = True


def note_masked_read(m: Machine, done: Array, index: tuple[Item, ...], mask: Numeric) -> None:
    """Note that a run reads memory which nobody wrote."""
    picks, _ = _picks(done.shape, index, mask)
    m.unsure = m.unsure or not bool((done[picks] | ~np.asarray(mask)).all())


def _lies_within(shape: tuple[int, ...], index: tuple[Item, ...]) -> bool:
    """Whether an index is of slices alone, all of them in bounds."""
    return all(
        isinstance(item, slice) and bounds.fits(item.start, item.stop - item.start, extent)
        for item, extent in zip(index, shape, strict=True)
    )


def _picks(shape: tuple[int, ...], index: tuple[Item, ...], mask: Numeric) -> tuple[tuple[Numeric, ...], bool]:
    """Return the coordinates of the selected elements, and whether every lane is on."""
    _, picks, beyond = bounds.lanes(index, shape)
    if np.any(beyond & np.asarray(mask)):
        raise SuspectError
    return tuple(picks), bool(np.all(mask))
