"""Class memory: 96 classes of 12,288 bytes, the vectors that circuits name in it, which circuits fit [CIRCUIT-3]."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import pairwise

import numpy as np

from prism.errors import UsageError
from prism.kernels.circuit.calls import Call
from prism.kernels.circuit.generators import Form
from prism.kernels.isa.program import CLASS_BYTES, CLASSES
from prism.kernels.isa.types import Type

Memory = np.ndarray
"""uint8[96 * 12288]."""


def empty_memory() -> Memory:
    """Return a class memory of zeros."""
    return np.zeros(CLASSES * CLASS_BYTES, np.uint8)


def vector(memory: Memory, start: int, n: int, ty: Type) -> np.ndarray:
    """Return the view of the `n` elements of type `ty` that begin with class `start`."""
    first = start * CLASS_BYTES
    return memory[first : first + n * ty.size].view(ty.dtype)


def elements_in_class(ty: Type) -> int:
    """Return how many elements of a type a class holds."""
    return CLASS_BYTES // ty.size


def classes_for(start: int, n: int, ty: Type) -> int:
    """Return how many classes a vector of `n` elements takes, one at least; UsageError where it leaves the memory."""
    taken = max(1, -(-n // elements_in_class(ty)))
    if n < 0 or start + taken > CLASSES:
        raise UsageError(
            f"a vector must have at least 0 elements and end in class {CLASSES - 1}, "
            f"got {n} of {ty.name} from c{start:02}; begin lower, or use fewer"
        )
    return taken


def element_at(start: int, element: int, ty: Type) -> tuple[int, int]:
    """Return the class, and the byte offset in it, of an element of the vector that begins with class `start`."""
    further, within = divmod(element, elements_in_class(ty))
    classes_for(start, element + 1, ty)
    return start + further, within * ty.size


def starts(calls: Iterable[Call]) -> list[int]:
    """Return the classes with which the vectors of some calls begin, ascending; a range begins one with each class."""
    found: set[int] = set()
    for one in calls:
        is_range = one.kind.form is Form.RANGE
        found |= set(range(one.classes[0], one.classes[1] + 1)) if is_range else set(one.classes)
    return sorted(found)


def require_fit(calls: Sequence[Call], n: int, ty: Type) -> None:
    """Raise UsageError unless vectors of `n` elements lie inside the memory, each two of them equal or apart."""
    begin = starts(calls)
    taken = max((classes_for(start, n, ty) for start in begin), default=1)
    for one, other in pairwise(begin):
        if other - one < taken:
            raise UsageError(
                f"vectors of a circuit must be equal or apart, but {n} elements of {ty.name} take {taken} classes, "
                f"and both c{one:02} and c{other:02} begin one; use classes farther apart"
            )
