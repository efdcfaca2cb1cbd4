"""The symbol table of the scanner: words to indices, compared byte by byte, over plain arrays."""

from __future__ import annotations

from collections.abc import Collection
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from prism.vm.term.words import RESERVED

# `_nrt=False`, which Numba's type stubs do not know: the arrays are the caller's, so they need no reference counts,
# which otherwise take nine tenths of the time of a scan. `inner` is called from compiled code alone: without wrappers
# it compiles in half the time.
entry = njit(cache=True, _nrt=False)  # pyright: ignore[reportCallIssue]
inner = njit(  # pyright: ignore[reportCallIssue]
    no_cpython_wrapper=True, no_cfunc_wrapper=True, forceinline=True, _nrt=False
)


class Names(NamedTuple):
    """text: uint8[], all names end to end. end: int64[], where each one ends; name `i` starts at `end[i - 1]`.

    ref: int32[], what each name stands for. slots: int32[], a power of two, index + 1 by open addressing, 0 if empty.
    """

    text: NDArray[np.uint8]
    end: NDArray[np.int64]
    ref: NDArray[np.int32]
    slots: NDArray[np.int32]


@inner
def find(names, data, begin, end):
    """Return (index, slot) of the word `data[begin:end]`; index is -1, and slot is free for it, when it is unknown."""
    digest = np.uint64(14695981039346656037)  # FNV-1a: words are a few bytes long
    for i in range(begin, end):
        digest = (digest ^ np.uint64(data[i])) * np.uint64(1099511628211)
    mask = np.uint64(len(names.slots) - 1)
    slot = (digest ^ digest >> np.uint64(32)) & mask
    while names.slots[slot]:
        index = names.slots[slot] - 1
        if _is_word(names, index, data, begin, end):
            return index, slot
        slot = (slot + np.uint64(1)) & mask
    return -1, slot


@inner
def _is_word(names, index, data, begin, end):
    start = names.end[index - 1] if index else 0
    if names.end[index] - start != end - begin:
        return False
    same = True
    for i in range(end - begin):
        same &= names.text[start + i] == data[begin + i]
    return same


@inner
def add(names, count, data, begin, end):
    """Append an unknown word as name number `count`; the arrays must have room for it."""
    _, slot = find(names, data, begin, end)
    start = names.end[count - 1] if count else 0
    for i in range(end - begin):  # a slice assignment costs two seconds of compilation
        names.text[start + i] = data[begin + i]
    names.end[count] = start + end - begin
    names.slots[slot] = count + 1


@entry
def rehash(names, count):
    """Fill empty `slots` with the first `count` names."""
    for index in range(count):
        start = names.end[index - 1] if index else 0
        _, slot = find(names, names.text, start, names.end[index])
        names.slots[slot] = index + 1


def reserved_names() -> Names:
    """Return a table that holds `RESERVED` alone; `zero` stands for the numeral 0."""
    text = np.frombuffer("".join(RESERVED).encode(), np.uint8).copy()
    end = np.cumsum([len(word) for word in RESERVED])
    names = Names(text, end, np.zeros(len(RESERVED), np.int32), np.zeros(16, np.int32))
    rehash(names, len(RESERVED))
    return names


def with_room(names: Names, count: int, extra: int, extra_bytes: int) -> Names:
    """Return the table with room for `extra` more names of `extra_bytes` in all; slots stay at most half full."""
    text = room(names.text, (int(names.end[count - 1]) if count else 0) + extra_bytes)
    grown = names._replace(text=text, end=room(names.end, count + extra), ref=room(names.ref, count + extra))
    if len(names.slots) >= 2 * (count + extra):
        return grown
    grown = grown._replace(slots=np.zeros(1 << (2 * (count + extra)).bit_length(), np.int32))
    rehash(grown, count)
    return grown


def without(names: Names, count: int, forgotten: Collection[str]) -> tuple[Names, int]:
    """Return a table of the first `count` names but the forgotten ones, and how many those are."""
    kept = [(index, word) for index, word in enumerate(words(names, count)) if word not in forgotten]
    text = np.frombuffer("".join(word for _, word in kept).encode(), np.uint8).copy()
    end, ref = np.cumsum([len(word) for _, word in kept]), names.ref[[index for index, _ in kept]]
    fewer = Names(text, end, ref, np.zeros(len(names.slots), np.int32))
    rehash(fewer, len(kept))
    return fewer, len(kept)


def copied(names: Names) -> Names:
    """Return the table with arrays of its own."""
    return Names(names.text.copy(), names.end.copy(), names.ref.copy(), names.slots.copy())


def room(array: NDArray, length: int) -> NDArray:
    """Return the array, or a copy of at least twice its length that holds `length` items."""
    if len(array) >= length:
        return array
    grown = np.empty((max(length, 2 * len(array)), *array.shape[1:]), array.dtype)
    grown[: len(array)] = array
    return grown


def words(names: Names, count: int) -> list[str]:
    """Return the first `count` names."""
    ends = [0, *names.end[:count].tolist()]
    text = names.text[: ends[-1]].tobytes().decode("ascii")
    return [text[start:end] for start, end in pairwise(ends)]
