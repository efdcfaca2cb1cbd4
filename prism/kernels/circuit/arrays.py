"""The canonical form of circuits as array programs: fewer calls that leave the same memory [CIRCUIT-14, CIRCUIT-15].

The passes are those of compilers on straight-line code: copy propagation, value numbering, dead store elimination (Aho,
Lam, Sethi and Ullman 2006, chapters 8 and 9). What values are equal is asked of the theory `arrays`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from prism.kernels.circuit.calls import Call, call, calls
from prism.kernels.circuit.phrase import Phrase
from prism.kernels.circuit.report import Canonical, Step, count_operations, push_steps
from prism.kernels.circuit.sequence import (
    Report,
    double_marks_left_out,
    joined,
    listed,
    ordered,
    swaps_last,
    unread_left_out,
)
from prism.kernels.circuit.values import Session, Trace, commuting

RULES: Final = {
    "notes do nothing": "quote and evaluate are left out",
    "ranges are their classes": "a call of a range is one call for each of its classes",
    "swaps go last": "calls name what a swap would have brought, and what is left of the swaps comes last",
    "operands by their first class": "a value is read from the lowest class that holds it",
    "nothing changes": "a call that leaves what was there is left out",
    "common subexpression": "a value that a class holds is copied from there",
    "overwritten before it is read": "a call whose result nobody sees is left out",
    "two marks are none": "a mark undoes the mark before it",
    "independent calls in order": "calls that do not depend on one another have one order",
    "neighbours are a range": "calls of one kind on neighbouring classes are said as one range",
}
"""The rules on sequences of calls; those on values are in the theory."""


def canonical_arrays(phrase: Phrase) -> Canonical:
    """Return a canonical form of a circuit as an array program, `quote@c00` where nothing is left to do.

    Its identity is that of the given circuit, and equal exactly for equal circuits; it has no more operations than the
    given circuit with its transforms pushed. ParseError for what has a literal reading only. Cost: rounds of a few
    passes, about 20 microseconds a call and round.
    """
    given, session = calls(phrase), Session()
    values = [Step(*rule) for rule in session.trace(given).rules]
    attempts: list[tuple[list[Call], list[Step]]] = []
    for moves_swaps in (True, False):
        steps: list[Step] = []
        attempts.append((_simplified(session, given, _into(steps), moves_swaps=moves_swaps), steps))
    attempts.append((list(given), []))
    best, steps = min(attempts, key=lambda attempt: len(attempt[0]))
    found = session.identity(given)
    assert session.identity(best) == found, "a pass changed what a circuit leaves in memory"
    result = Phrase((tuple(one.as_operation() for one in best or [call("quote", 0)]),))
    return Canonical(result, count_operations(phrase), len(best) or 1, (*push_steps(phrase), *values, *steps), found)


def _into(steps: list[Step]) -> Report:
    return lambda rule, before, after: steps.append(Step(rule, before, after))


def _simplified(session: Session, given: Sequence[Call], report: Report, *, moves_swaps: bool) -> list[Call]:
    now = listed(given, report)
    if moves_swaps:
        now = swaps_last(now, report)
    while True:
        after = double_marks_left_out(unread_left_out(_numbered(session.trace(now), now, report), report), report)
        if after == now:
            return joined(ordered(now, report), report)
        now = after


def _numbered(followed: Trace, calls: Sequence[Call], report: Report) -> list[Call]:
    """Return calls that read values from the lowest classes which hold them, without those that change nothing."""
    held, holders = dict(followed.before), dict[int, set[int]]()
    for number, value in held.items():
        holders.setdefault(value, set()).add(number)
    kept: list[Call] = []
    for one, left in zip(calls, followed.after, strict=True):
        if all(held[number] == value for number, value in left.items()):
            report("nothing changes", str(one), "")
            continue
        kept.append(_renamed(one, left, held, holders, report))
        for number, value in left.items():
            holders[held[number]].discard(number)
            holders.setdefault(value, set()).add(number)
            held[number] = value
    return kept


def _renamed(
    one: Call, left: dict[int, int], held: dict[int, int], holders: dict[int, set[int]], report: Report
) -> Call:
    generator, *destination = one.kind.generator, one.classes[-1]
    if generator in ("mark", "swap"):
        return one
    same = holders.get(left[destination[0]])
    if same and generator != "copy":
        new = call("copy", min(same), *destination)
        report("common subexpression", str(one), str(new))
        return new
    sources = [min(holders[held[number]]) for number in one.classes[:-1]]
    if one.arity == 1 and len(sources) == 2:
        sources[1] = sources[0]
    elif one.variant in commuting():
        sources.sort()
    new = Call(one.kind, (*sources, *destination), one.variant)
    if new != one:
        report("operands by their first class", str(one), str(new))
    return new
