"""Push transforms to the classes: an equal phrase without any [CIRCUIT-8]."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby

from prism.kernels.circuit.classes import IDENTITY, Transform
from prism.kernels.circuit.generators import BY_NAME, Form
from prism.kernels.circuit.phrase import Operation, Phrase, Range, Sigil


def pushed(phrase: Phrase, outer: Transform = IDENTITY) -> Phrase:
    """Return the phrase with every transform applied to the classes that it covers.

    The image of a range is said as ranges and single classes in ascending order. Recursion is bounded by the parser.
    """
    whole = phrase.transform.then(outer)
    return Phrase(
        tuple(
            tuple(
                one
                for term in branch
                for one in (_images(term, whole) if isinstance(term, Operation) else (pushed(term, whole),))
            )
            for branch in phrase.branches
        )
    )


def _images(operation: Operation, outer: Transform) -> Iterator[Operation]:
    given = operation.operands
    if not isinstance(given, Range):
        moved = tuple(Sigil(one.transform.then(outer).of(one.number), page=one.page) for one in given)
        yield _with(operation, operation.form, moved)
        return
    for first, last in _runs(given.images(outer)):
        own = BY_NAME[operation.generator].form
        if first < last:
            yield _with(operation, Form.RANGE, Range(first, last))
        else:
            yield _with(operation, own, (Sigil(first),) * own.n_operands)


def _with(operation: Operation, form: Form, operands: tuple[Sigil, ...] | Range) -> Operation:
    return Operation(operation.generator, operation.variant, form, operands, operation.where)


def _runs(numbers: Sequence[int]) -> Iterator[tuple[int, int]]:
    """Yield the ends of the runs of consecutive numbers, in ascending order."""
    for _, run in groupby(enumerate(sorted(numbers)), lambda pair: pair[1] - pair[0]):
        members = [number for _, number in run]
        yield members[0], members[-1]
