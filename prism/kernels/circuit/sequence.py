"""Sequences of calls, rearranged by what each call reads and writes alone [CIRCUIT-15]."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from heapq import heapify, heappop, heappush
from typing import Final

from prism.kernels.circuit.calls import Call, call, on_range
from prism.kernels.circuit.generators import GENERATORS

Report = Callable[[str, str, str], None]
"""Takes the name of a rule, and what it replaced by what."""
NOTES: Final = ("quote", "evaluate")
_RANK: Final = {generator.name: place for place, generator in enumerate(GENERATORS)}


def reads(one: Call) -> set[int]:
    """Return the classes whose contents decide what a single call leaves; a reduction keeps most of its destination."""
    match one.kind.generator:
        case "copy" | "softmax":
            return {one.classes[0]}
        case "merge" | "split":
            return set(one.classes[: one.arity])
        case "quote" | "evaluate":
            return set()
        case _:
            return set(one.classes)


def writes(one: Call) -> set[int]:
    """Return the classes that a single call writes."""
    match one.kind.generator:
        case "quote" | "evaluate":
            return set()
        case "mark" | "swap":
            return set(one.classes)
        case _:
            return {one.classes[-1]}


def text(calls: Sequence[Call]) -> str:
    """Return calls as a circuit."""
    return " . ".join(map(str, calls))


def listed(calls: Sequence[Call], report: Report) -> list[Call]:
    """Return the calls one by one: notes left out, ranges as the calls of their classes."""
    found: list[Call] = []
    for one in calls:
        if one.kind.generator in NOTES:
            report("notes do nothing", str(one), "")
            continue
        singles = [
            call(one.kind.generator, *classes, variant=one.variant or one.kind.variant) for classes in one.each()
        ]
        if singles != [one]:
            report("ranges are their classes", str(one), text(singles))
        found += singles
    return found


def swaps_last(calls: Sequence[Call], report: Report) -> list[Call]:
    """Return calls without swaps, which name what the swaps would have brought, and then the swaps that are left."""
    place: dict[int, int] = {}
    found: list[Call] = []
    for one in calls:
        moved = tuple(place.get(number, number) for number in one.classes)
        if one.kind.generator == "swap":
            place[one.classes[0]], place[one.classes[1]] = moved[1], moved[0]
        else:
            found.append(Call(one.kind, moved, one.variant))
    found += _swaps(place)
    if found != list(calls):
        report("swaps go last", text(calls), text(found))
    return found


def _swaps(place: dict[int, int]) -> Iterator[Call]:
    """Yield swaps, as few as there can be, after which each class holds what is at its place."""
    held_by = {where: number for number, where in place.items()}
    for number in sorted(place):
        where = place[number]
        if where == number:
            continue
        yield call("swap", number, where)
        other = held_by[number]
        place[other], held_by[where] = where, other
        place[number], held_by[number] = number, number


def unread_left_out(calls: Sequence[Call], report: Report) -> list[Call]:
    """Return calls without those whose results are overwritten before anything reads them."""
    unread: set[int] = set()
    first_unread: set[int] = set()  # classes whose first element is; reductions write no other
    kept: list[Call] = []
    for one in reversed(calls):
        is_reduction = one.kind.generator == "reduce"
        if writes(one) <= (first_unread if is_reduction else unread):
            report("overwritten before it is read", str(one), "")
            continue
        read = {one.classes[0]} if is_reduction else reads(one)
        if not is_reduction:
            unread |= writes(one)
        first_unread = (first_unread | writes(one)) - read
        unread -= read
        kept.append(one)
    return kept[::-1]


def double_marks_left_out(calls: Sequence[Call], report: Report) -> list[Call]:
    """Return calls without pairs of marks between which nothing reads or writes their class."""
    open_marks: dict[int, int] = {}
    dropped: set[int] = set()
    for at, one in enumerate(calls):
        if one.kind.generator == "mark" and one.classes[0] in open_marks:
            dropped |= {open_marks.pop(one.classes[0]), at}
            report("two marks are none", text([one, one]), "")
            continue
        for number in reads(one) | writes(one):
            open_marks.pop(number, None)
        if one.kind.generator == "mark":
            open_marks[one.classes[0]] = at
    return [one for at, one in enumerate(calls) if at not in dropped]


def ordered(calls: Sequence[Call], report: Report) -> list[Call]:
    """Return calls in the first order in which each follows those that it depends on."""
    waits, followers = _dependences(calls)
    keys = [(_RANK[one.kind.generator], one.operation, one.classes, at) for at, one in enumerate(calls)]
    ready = [key for key in keys if not waits[key[-1]]]
    heapify(ready)
    found: list[Call] = []
    while ready:
        at = heappop(ready)[-1]
        found.append(calls[at])
        for after in followers[at]:
            waits[after] -= 1
            if not waits[after]:
                heappush(ready, keys[after])
    if found != list(calls):
        report("independent calls in order", text(calls), text(found))
    return found


def _dependences(calls: Sequence[Call]) -> tuple[list[int], list[set[int]]]:
    """Return how many calls each must wait for, and those that wait for each, nearest ones only."""
    last_write: dict[int, int] = {}
    readers: dict[int, list[int]] = {}
    waits, followers = [0] * len(calls), [set[int]() for _ in calls]
    for at, one in enumerate(calls):
        before = {last_write[number] for number in reads(one) | writes(one) if number in last_write}
        before |= {reader for number in writes(one) for reader in readers.get(number, ())}
        for earlier in before - {at}:
            followers[earlier].add(at)
            waits[at] += 1
        for number in reads(one):
            readers.setdefault(number, []).append(at)
        for number in writes(one):
            last_write[number], readers[number] = at, []
    return waits, followers


def joined(calls: Sequence[Call], report: Report) -> list[Call]:
    """Return calls with runs of one kind, in place on neighbouring classes, said as ranges."""
    found: list[Call] = []
    run: list[Call] = []
    for one in [*calls, None]:
        if run and not (one and _follows(run[-1], one)):
            found.append(_range(run, report))
            run = []
        if one:
            run.append(one)
    return found


def _follows(before: Call, one: Call) -> bool:
    in_place = one.kind.generator in ("mark", "merge") and len(set(one.classes)) == len(set(before.classes)) == 1
    is_alike = (one.kind, one.variant) == (before.kind, before.variant)
    return in_place and is_alike and one.classes[0] == before.classes[0] + 1


def _range(run: list[Call], report: Report) -> Call:
    if len(run) == 1:
        return run[0]
    whole = on_range(run[0].kind.generator, run[0].classes[0], run[-1].classes[0], variant=run[0].variant)
    report("neighbours are a range", text(run), str(whole))
    return whole
