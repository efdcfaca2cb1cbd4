"""The two evaluators that read a phrase without running it: literal bytes, operational words [CIRCUIT-7]."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from prism.kernels.circuit.classes import IDENTITY, Transform, belt_address, coordinates
from prism.kernels.circuit.generators import BY_NAME
from prism.kernels.circuit.phrase import Operation, Phrase, Range, leaves


@dataclass(frozen=True, slots=True)
class Literal:
    """The canonical byte of each class named, in source order, and the belt address of each that names a page."""

    bytes: tuple[int, ...]
    addresses: tuple[int, ...]


def literal(phrase: Phrase) -> Literal:
    """Return the bytes of all classes that a phrase names, transforms applied; a range names each of its classes."""
    values: list[int] = []
    addresses: list[int] = []
    for operation, outer in leaves(phrase):
        for number, page in _named(operation, outer):
            values.append(coordinates(number).byte)
            if page is not None:
                addresses.append(belt_address(page, values[-1]))
    return Literal(tuple(values), tuple(addresses))


def words(phrase: Phrase) -> tuple[str, ...]:
    """Return the words that announce what a phrase does.

    A sequence is announced from its last term to its first, branches in source order between `begin`, `sep` and
    `end`. A transform is announced on entry and on exit, both times in the order R, D, T, ~; the classes within are
    transformed already.
    """
    return tuple(_phrase_words(phrase, IDENTITY))


def _phrase_words(phrase: Phrase, outer: Transform) -> Iterator[str]:
    whole = phrase.transform.then(outer)
    marks = _transform_words(phrase.transform)
    yield from (f"enter {mark}" for mark in marks)
    is_parallel = len(phrase.branches) > 1
    if is_parallel:
        yield "begin"
    for position, branch in enumerate(phrase.branches):
        if position:
            yield "sep"
        for term in reversed(branch):
            yield from _operation_words(term, whole) if isinstance(term, Operation) else _phrase_words(term, whole)
    if is_parallel:
        yield "end"
    yield from (f"exit {mark}" for mark in marks)


def _transform_words(transform: Transform) -> list[str]:
    amounts = (("rho", transform.rotation), ("delta", transform.triality), ("tau", transform.twist))
    return [f"{name}[{amount}]" for name, amount in amounts if amount] + ["mu"] * transform.mirror


def _operation_words(operation: Operation, outer: Transform) -> Iterator[str]:
    given = operation.operands
    # A range is what its classes are one by one; any other operation is about the class that it names first.
    about = (
        reversed(given.images(outer))
        if isinstance(given, Range)
        else [given[0].transform.then(outer).of(given[0].number)]
    )
    written = f".{operation.variant}" if operation.variant != BY_NAME[operation.generator].default else ""
    for number in about:
        at = coordinates(number)
        if operation.generator == "evaluate":
            yield f"phase[h2={at.h2}]"
        detail = {"copy": f"[d={at.d}]", "merge": f"[d={at.d}]", "split": f"[l={at.l}]", "quote": f"[l={at.l}]"}
        yield f"{operation.generator}{written}{detail.get(operation.generator, '')}"


def _named(operation: Operation, outer: Transform) -> Iterator[tuple[int, int | None]]:
    given = operation.operands
    if isinstance(given, Range):
        yield from ((number, None) for number in given.images(outer))
    else:
        yield from ((sigil.transform.then(outer).of(sigil.number), sigil.page) for sigil in given)
