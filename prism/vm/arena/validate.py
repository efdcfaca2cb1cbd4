"""Validate an arena and its cycles on the host: what breaks their promises, recomputed from the roots [ARENA-6]."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from prism.vm.arena.run import View
from prism.vm.arena.store import Rules
from prism.vm.ledger.key import WIDE
from prism.vm.ledger.optable import NO_OP
from prism.vm.rewrite.candidates import Candidates, Rows, emit
from prism.vm.rewrite.commit import followed
from prism.vm.rewrite.validate import broken, strata_violations
from prism.vm.theory.signature import NULL, UNIT


def violations(view: View, rules: Rules) -> list[str]:
    """Return a sentence for each kind of broken promise, with the first row that breaks it; none if all hold."""
    op, a, b, forward = view.op, view.a, view.b, view.forward
    n, row = len(op), np.arange(len(op))
    found: list[str] = []
    if (op[0], op[1]) != (NULL.code, UNIT):
        found.append(f"rows 0 and 1 must hold NULL and the constant of code {UNIT}, got ops {op[0]} and {op[1]}")
    arity = rules.ops.arity[op]
    is_known = arity != NO_OP
    found += broken("hold an op of the theory", ~is_known, op, what="row", got="")
    for name, operand, takes in (("a", a, is_known & (arity >= 1)), ("b", b, is_known & (arity >= 2))):
        fits = np.where(takes, (operand > 0) & (operand < row), operand == 0)
        found += broken(
            f"have an earlier row as operand {name} where its op takes one", ~fits, operand, what="row", got=""
        )
    keys, first = np.unique(WIDE.pack(op, a, b), return_index=True)
    if len(keys) < n:
        again = np.setdiff1d(row, first)
        found += broken("be unlike every row before it", np.isin(row, again), op, what="row", got="op")
    found += broken(
        "stand for itself if another row is forwarded to it", forward[forward] != forward, forward, what="row", got=""
    )
    inside = (view.roots >= 0) & (view.roots < n)
    found += broken("be a row in use", ~inside, view.roots, what="root", got="")
    if not found:
        asleep = np.setdiff1d(_redexes(view, rules), view.sites)
        found += broken("be in the frontier, for it is a live redex", np.isin(row, asleep), op, what="row", got="op")
    return found


def live(view: View) -> NDArray[np.bool_]:
    """Return which rows the roots reach through what stands for each: bool[count]. Cost: a pass for each height."""
    seen = np.zeros(len(view.op), np.bool_)
    new = np.unique(view.forward[view.roots])
    while len(new):
        seen[new] = True
        below = view.forward[np.concatenate((view.a[new], view.b[new]))]
        new = np.unique(below[~seen[below]])
    seen[0] = False
    return seen


def _redexes(view: View, rules: Rules) -> NDArray[np.intp]:
    op, stand = view.op, view.forward
    case = rules.cases.case[op, op[stand[view.a]], op[stand[view.b]]]
    return np.flatnonzero((case != 0) & live(view))


def cycle_violations(before: View, after: View, rules: Rules) -> list[str]:
    """Return what a cycle did wrong: its strata, its nodes, what it forwarded.

    Every live redex must have been replaced by what its rule gives, every other row must stand for itself as before,
    and the new rows must be the enabled candidates that were not there.
    """
    n = len(before.op)
    sites = _redexes(before, rules).astype(np.int32)
    found = emit(Rows(before.op, before.a, before.b), sites, lambda ids: before.forward[ids], xp=np, cases=rules.cases)
    violations = strata_violations(found, n, rules.ops.arity)
    kept = (before.op, before.a, before.b), (after.op[:n], after.a[:n], after.b[:n])
    changed = np.any([old != new for old, new in zip(*kept, strict=True)], axis=0)
    violations += broken("hold what it held", changed, before.op, what="row", got="op")
    images = _images(found, after, rules)
    missing = found.enabled & (images == 0)
    violations += broken("be interned", missing, found.op, got="op")
    if violations:
        return violations
    fresh = np.setdiff1d(np.arange(n, len(after.op)), images[found.enabled])
    violations += broken("be a candidate's", np.isin(np.arange(len(after.op)), fresh), after.op, what="row", got="op")
    forward = np.arange(len(after.op), dtype=np.int32)
    forward[:n] = before.forward
    forward[sites] = np.where(found.forward < 0, images[np.maximum(~found.forward, 0)], found.forward)
    wrong = followed(forward) != after.forward
    return violations + list(broken("follow what its rule gives", wrong, after.forward, what="row", got="row"))


def _images(found: Candidates, after: View, rules: Rules) -> NDArray[np.int32]:
    """Return the row that holds each enabled candidate after the cycle, 0 for none: int32[2m]; local ones first."""
    keys = WIDE.pack(after.op, after.a, after.b)
    order = np.argsort(keys)
    image = np.zeros(len(found.enabled), np.int32)
    for half in (0, 1):
        at = np.flatnonzero(found.enabled[half::2]) * 2 + half
        a, b = (np.where(ref[at] < 0, image[np.maximum(~ref[at], 0)], ref[at]) for ref in (found.a, found.b))
        swaps = rules.ops.commutes[found.op[at]] & (b < a)
        wanted = WIDE.pack(found.op[at], np.where(swaps, b, a), np.where(swaps, a, b))
        place = np.minimum(np.searchsorted(keys[order], wanted), len(keys) - 1)
        image[at] = np.where(keys[order][place] == wanted, order[place], 0)
    return image
