"""Memory as a kernel sees it: references that know which elements were written, and by which grid step."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NoReturn

import numpy as np

from prism.pallas import bounds, dtypes
from prism.pallas.access import Bitcast, Combine, Index, Reshape, Transform, Transpose, Untile
from prism.pallas.dtypes import Numeric
from prism.pallas.errors import OutOfBoundsError
from prism.pallas.indexing import (
    Array,
    Item,
    bitcast_rows,
    concrete,
    ends,
    first_element,
    repacked,
    selected_shape,
    show,
)
from prism.pallas.machine import Machine, race, warn_race
from prism.pallas.races import Kind, Watch

_COMBINE = {
    "add": np.add,
    "max": np.maximum,
    "min": np.minimum,
    "and": np.bitwise_and,
    "or": np.bitwise_or,
    "xor": np.bitwise_xor,
}


@dataclass(slots=True, eq=False)
class Ref:
    """A window of a buffer.

    `data` is a NumPy view of the memory; `written` (None: everything was) is a view of a shadow of the same shape, and
    `watch` (None: no other step meets this one here) of those that tell who accessed it. A window that NumPy cannot
    express as a view is a copy with a `parent` to which stores are committed. `origin` has the first element of a block
    in its array, and for each dimension whether it is squeezed; `padding` says that what was not written is padding;
    `peers` are the same semaphores on every core; `atomic`, that the access at hand is.
    """

    name: str
    data: Array
    machine: Machine
    written: Array | None = None
    watch: Watch | None = None
    parent: tuple[Ref, Numeric] | None = None
    padding: bool = False
    origin: tuple[tuple[int, bool], ...] = ()
    peers: Array | None = None
    atomic: bool = False

    def load(self, index: tuple[Item, ...]) -> Numeric:
        """Return a copy of the selected elements; a scalar if no dimension is left."""
        index = self._bounded(index)
        self._meet("load", index, None)
        value = self._held(index, None)
        return value.copy() if isinstance(value, np.ndarray) else value

    def load_masked(self, index: tuple[Item, ...], mask: Numeric, other: Numeric) -> Numeric:
        """Return the selected elements where `mask` holds; elements that are not read need not exist."""
        mask = np.broadcast_to(np.asarray(mask, np.bool_), selected_shape(index))
        inside, grids = self._masked_grids(index, mask)
        self._meet("load", grids, mask & inside)
        value = self._held(grids, mask & inside)
        value = np.where(inside, value, self.machine.poison(self.data.dtype, self.name))
        if other is not None:
            return np.where(mask, value, other)
        if mask.all() or self.machine.params.uninitialized == "nan":
            return value[()]
        return self._off(value, mask)

    def store(self, index: tuple[Item, ...], value: Numeric) -> None:
        """Write the selected elements."""
        index = self._bounded(index)
        self._meet("store", index, None)
        self.data[index] = value
        self._mark(index)

    def rewrite(self, data: Array, written: Numeric) -> None:
        """Let the reference hold other data, whoever meets it; `written` says which elements somebody wrote."""
        self.data[...] = data
        if self.written is not None:
            self.written[...] = written
        self._commit()

    def swap(self, index: tuple[Item, ...], value: Numeric, combine: Combine = "set") -> Numeric:
        """Write, or combine into, the selected elements and return what they held."""
        index = self._bounded(index)
        old = np.array(self._held(index, None))
        self._meet("store", index, None)
        if combine == "set":
            self.data[index] = value
        else:
            self._combine_at(index, old, value, combine)
        self._mark(index)
        return old[()]

    def swap_masked(
        self, index: tuple[Item, ...], value: Numeric, mask: Numeric, combine: Combine = "set", *, read: bool = True
    ) -> Numeric:
        """Write where `mask` holds; elements that are not written need not exist.

        The result holds the old elements where written, and `value` elsewhere.
        """
        mask = np.broadcast_to(np.asarray(mask, np.bool_), selected_shape(index))
        inside, grids = self._masked_grids(index, mask)
        here = mask & inside
        held = self._held(grids, here) if read or combine != "set" else self.data[grids]
        self._meet("store", grids, here)
        old = np.where(here, held, value)
        chosen = tuple(g[here] for g in grids)
        kept = np.broadcast_to(value, here.shape)[here]
        if combine == "set":
            self.data[chosen] = kept
        else:
            self.data[chosen] = held[here]
            _COMBINE[combine].at(self.data, chosen, kept)
        self._mark(chosen)
        return old[()]

    def _combine_at(self, index: tuple[Item, ...], old: Numeric, value: Numeric, combine: Combine) -> None:
        ufunc = _COMBINE[combine]
        if any(isinstance(item, np.ndarray) for item in index):
            self.data[index] = old
            ufunc.at(self.data, index, value)
        else:
            self.data[index] = ufunc(old, value)

    def compare_swap(self, index: tuple[Item, ...], expected: Numeric, value: Numeric) -> Numeric:
        """Write `value` if the scalar equals `expected`; return the old scalar."""
        old = self.swap(index, self.data[self._bounded(index)], "set")
        if old == expected:
            self.data[self._bounded(index)] = value
            self._mark(self._bounded(index))
        return old

    def _masked_grids(self, index: tuple[Item, ...], mask: Array) -> tuple[Array, tuple[Array, ...]]:
        """Return which selected elements exist, and their coordinates, clipped into the reference."""
        asked, grids, beyond = bounds.lanes(index, self.data.shape)
        inside = np.broadcast_to(~beyond, mask.shape)
        if self.machine.params.out_of_bounds == "raise" and not inside[mask].all():
            at = tuple(np.argwhere(mask & ~inside)[0])
            self._out_of_bounds(tuple(int(np.broadcast_to(values, mask.shape)[at]) for values in asked))
        return inside, tuple(np.broadcast_to(grid, mask.shape) for grid in grids)

    def _bounded(self, index: tuple[Item, ...]) -> tuple[Item, ...]:
        """Return the index with Python integers, checked or clamped against the shape."""
        if len(index) != self.data.ndim:
            index = (*index, *(slice(0, n, 1) for n in self.data.shape[len(index) :]))
        return tuple(
            self._bounded_item(index, item, extent) for item, extent in zip(index, self.data.shape, strict=True)
        )

    def _bounded_item(self, index: tuple[Item, ...], item: Item, extent: int) -> Item:
        if isinstance(item, np.ndarray) and item.ndim:
            if bounds.strays(item, extent):
                self._clamps(index)
                return bounds.clamped(item, 1, extent)
            return bounds.counted(item, extent)
        start, stop = (item.start, item.stop) if isinstance(item, slice) else (int(item), int(item) + 1)
        if not bounds.fits(start, stop - start, extent):
            self._clamps(index)
            first = bounds.clamped(start, stop - start, extent)
            start, stop = first, stop - start + first
        return slice(start, stop, item.step) if isinstance(item, slice) else start

    def _clamps(self, index: tuple[Item, ...]) -> None:
        """Report an index that is out of bounds, unless it is to be clamped."""
        if self.machine.params.out_of_bounds == "raise":
            self._out_of_bounds(index)

    def _out_of_bounds(self, index: tuple[Item, ...]) -> NoReturn:
        shown = ", ".join(show(item) for item in index)
        raise self.machine.problem(
            OutOfBoundsError,
            f"index [{shown}] is outside of {self.name}, which has shape {self.data.shape}",
            self.name,
            tuple(ends(item) for item in index),
            self.data.shape,
            remedy="keep start >= 0 and start + size <= extent in every dimension, or mask the access",
        )

    def _held(self, index: tuple[Numeric, ...], where: Array | None) -> Numeric:
        """Return what the selected elements hold; what nobody wrote is noted if `where` holds, and holds a filler."""
        value = self.data[index]
        if self.written is None:
            return value
        ok = self.written[index]
        bad = ~ok if where is None else (~ok & where)
        if not np.any(bad):
            return value
        self._doubt(first_element(index, np.asarray(bad), self.data.shape))
        return np.where(bad, self.machine.poison(self.data.dtype, self.name), value)[()]

    def _off(self, value: Numeric, mask: Array) -> Numeric:
        """Return loaded elements with a filler where no lane loaded one."""
        lane = tuple(int(k) for k in np.argwhere(~mask)[0])
        text = f"lane {lane} of a load from {self.name} is masked off and has no other value"
        remedy = "give the load other=, or mask what is computed from it"
        self.machine.doubt(text, self.name, lane, self.data.shape, remedy=remedy)
        return np.where(mask, value, self.machine.poison(self.data.dtype, self.name))

    def _doubt(self, element: tuple[int, ...]) -> None:
        text = f"element {element} of {self.name} is read, but nobody has written it"
        remedy = f"initialise {self.name} before the first read, for example in the first grid step"
        if self.padding:
            text = f"an output is computed from element {element} of {self.name}, which is padding of a partial block"
            remedy = "mask the elements beyond the array's end before they are combined with others"
        self.machine.doubt(text, self.name, element, self.data.shape, remedy=remedy)

    def _meet(self, kind: Kind, index: tuple[Numeric, ...], where: Array | None) -> None:
        """Report an access that may happen before or after another step's, and remember it."""
        if self.watch is None:
            return
        kind, machine = "atomic" if self.atomic else kind, self.machine
        found = self.watch.conflict(kind, index, where, machine)
        if found is not None:
            element = self._absolute(first_element(index, found.where, self.data.shape))
            what = found.told(kind, f"element {element} of {self.name}", machine)
            error = race(machine, found.step, what, self.name, (element, self.data.shape))
            if kind == "load":
                # An accumulation loads before it stores: that two steps store says more.
                machine.late = machine.late or error
            else:
                late, machine.late = machine.late, None
                # What another line took too early from a copy in flight is a mistake of its own, and came first.
                own = late is not None and not late.other_step and late.site != machine.site
                warn_race(machine, late if late is not None and own else error)
        self.watch.note(kind, index if where is None else tuple(grid[where] for grid in index), machine)
        if kind == "load":
            self._commit()

    def _absolute(self, element: tuple[int, ...]) -> tuple[int, ...]:
        """Return an element of a block as an element of its array."""
        if not self.origin:
            return element
        own = iter(element)
        return tuple(start if squeezed else start + next(own) for start, squeezed in self.origin)

    def _mark(self, index: tuple[Numeric, ...]) -> None:
        """Remember that elements were written."""
        if self.written is not None:
            self.written[index] = True
        self._commit()

    def _commit(self) -> None:
        """Hand what changed to the reference of which this is a window that is no view."""
        if self.parent is not None:
            parent, commit = self.parent
            commit(parent, self)

    def through(self, transforms: tuple[Transform, ...], values: tuple[Numeric, ...]) -> Ref:
        """Return the window behind transforms; `values` are the operands they refer to."""
        ref = self
        for transform in transforms:
            ref = ref._one(transform, values)
        return ref

    def _one(self, transform: Transform, values: tuple[Numeric, ...]) -> Ref:
        if isinstance(transform, Index):
            return self._window(concrete(transform, values))
        if isinstance(transform, Transpose):
            order = transform.permutation
            return self._view(lambda x: x.transpose(order))
        if isinstance(transform, Reshape):
            shape = transform.shape
            if self.data.flags.c_contiguous:
                return self._view(lambda x: x.reshape(shape))
            return self._copied(lambda x: x.reshape(shape), lambda x, like: x.reshape(like.shape))
        if isinstance(transform, Untile):
            return self._untiled(transform.tiling)
        return self._bitcast(transform)

    def _untiled(self, tiling: tuple[int, ...]) -> Ref:
        count, shape = len(tiling), self.data.shape
        lead = len(shape) - 2 * count
        pairs = [axis for k in range(count) for axis in (lead + k, lead + count + k)]
        logical = (*shape[:lead], *(shape[lead + k] * shape[lead + count + k] for k in range(count)))
        tiles = self._view(lambda x: x.transpose(*range(lead), *pairs))
        return tiles._copied(lambda x: x.reshape(logical), lambda x, like: x.reshape(like.shape))

    def _window(self, index: tuple[Item, ...]) -> Ref:
        index = self._bounded(index)
        if any(isinstance(item, np.ndarray) for item in index):
            return self._copied(lambda x: x[index], None, index)
        # An ellipsis keeps a window of rank 0 a view instead of a scalar.
        return self._view(lambda x: x[(*index, ...)])

    def _view(self, view: Numeric) -> Ref:
        return Ref(
            self.name,
            view(self.data),
            self.machine,
            written=None if self.written is None else view(self.written),
            watch=None if self.watch is None else self.watch.seen(view),
            parent=None if self.parent is None else (self, lambda parent, _: parent._commit()),
            padding=self.padding,
        )

    def _copied(self, take: Numeric, put: Numeric, index: tuple[Item, ...] = ()) -> Ref:
        def commit(parent: Ref, child: Ref) -> None:
            for mine, theirs in ((parent.data, child.data), (parent.written, child.written)):
                if mine is not None and theirs is not None:
                    mine[index or ...] = theirs if put is None else put(theirs, mine)
            if parent.watch is not None and child.watch is not None:
                whole = parent.data
                window = child.watch if put is None else child.watch.seen(lambda x: put(x, whole))
                parent.watch.put(index or ..., window)
            parent._commit()

        return Ref(
            self.name,
            np.array(take(self.data)),
            self.machine,
            written=None if self.written is None else np.array(take(self.written)),
            watch=None if self.watch is None else self.watch.seen(lambda shadow: np.array(take(shadow))),
            parent=(self, commit),
            padding=self.padding,
        )

    def _bitcast(self, transform: Bitcast) -> Ref:
        target, source = transform.dtype, self.data.dtype
        old, new = dtypes.bit_width(source), dtypes.bit_width(target)

        def commit(parent: Ref, child: Ref) -> None:
            parent.data[...] = bitcast_rows(child.data, source)
            if parent.written is not None and child.written is not None:
                # A store into a part of an element counts for the whole.
                parent.written |= repacked(child.written, new, old, np.any)
            parent._commit()

        return Ref(
            self.name,
            np.array(bitcast_rows(self.data, target)),
            self.machine,
            written=None if self.written is None else repacked(self.written, old, new, np.all),
            parent=(self, commit),
            padding=self.padding,
        )
