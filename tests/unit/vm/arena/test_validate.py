"""prism.vm.arena.validate: a sound arena has no violation, and each planted fault is named with its row."""

from __future__ import annotations

import numpy as np
import pytest

from prism.vm.arena.run import View
from prism.vm.arena.validate import cycle_violations, violations
from tests.strategies import random_programs

from .frontiers import PEANO, host_run

pytestmark = [pytest.mark.m3, pytest.mark.clause("ARENA-6")]


def one_cycle() -> tuple[View, View]:
    """Return the arena that a cycle met and what it left, with new rows at the end."""
    run = host_run(random_programs(3, 8))
    before = run.view()
    run.advance(1)
    after = run.view()
    assert len(after.op) > len(before.op) + 2
    return before, after


def changed(column: np.ndarray, at: int, value: int) -> np.ndarray:
    """Return a copy with one element set."""
    copy = column.copy()
    copy[at] = value
    return copy


def test_sound_arenas_and_cycles_have_no_violation() -> None:
    """Neither a loaded arena nor what the engine's own cycle leaves breaks a promise."""
    before, after = one_cycle()
    assert violations(before, PEANO) == violations(after, PEANO) == []
    assert cycle_violations(before, after, PEANO) == []


@pytest.mark.parametrize(
    ("field", "row", "value", "message"),
    [
        ("op", 0, 1, "rows 0 and 1 must hold NULL and the constant of code 1, got ops 1 and 1"),
        ("op", 5, 77, "row 5 must hold an op of the theory, got 77"),
        ("b", 3, 1000, "row 3 must have an earlier row as operand b where its op takes one, got 1000"),
        ("a", 7, 7, "row 7 must have an earlier row as operand a where its op takes one, got 7"),
        ("a", 7, 1000, "row 7 must have an earlier row as operand a where its op takes one, got 1000"),
        ("roots", 2, 6000, "root 2 must be a row in use, got 6000"),
    ],
)
def test_each_fault_is_named(field: str, row: int, value: int, message: str) -> None:
    """A fault planted in one row is reported with that row and what it holds."""
    view, _ = one_cycle()
    assert message in violations(view._replace(**{field: changed(getattr(view, field), row, value)}), PEANO)


def test_equal_rows_are_caught() -> None:
    """A node interned twice breaks sharing, and is named."""
    view, _ = one_cycle()
    op, a, b = (np.append(column, column[-1]) for column in (view.op, view.a, view.b))
    twice = view._replace(op=op, a=a, b=b, forward=np.append(view.forward, len(view.op)).astype(np.int32))
    expected = f"row {len(view.op)} must be unlike every row before it, got op {op[-1]}"
    assert expected in violations(twice, PEANO)


def test_a_forward_that_is_not_followed_is_caught() -> None:
    """Ways are followed to their end: what a row is forwarded to stands for itself."""
    _, after = one_cycle()
    moved = int(np.flatnonzero(after.forward != np.arange(len(after.op)))[0])
    last = int(np.setdiff1d(np.arange(2, len(after.op)), after.forward[moved])[-1])
    found = violations(after._replace(forward=changed(after.forward, last, moved)), PEANO)
    assert any("must stand for itself if another row is forwarded to it, got" in each for each in found)


def test_a_redex_that_sleeps_is_caught() -> None:
    """A live redex outside the frontier would never fire."""
    view, _ = one_cycle()
    found = violations(view._replace(sites=view.sites[:0]), PEANO)
    assert len(found) == 1
    assert "must be in the frontier, for it is a live redex, got op" in found[0]


@pytest.mark.parametrize(
    ("field", "message"),
    [
        ("op", "must be interned, got op"),
        ("forward", "must follow what its rule gives, got row"),
    ],
)
def test_what_the_rules_do_not_give_is_named(field: str, message: str) -> None:
    """Another op in a new row, or another row to stand for a site, is reported, also where the arena is sound."""
    before, after = one_cycle()
    site = int(np.flatnonzero(after.forward[: len(before.op)] != before.forward)[0])
    at, value = (len(after.op) - 1, 2) if field == "op" else (site, site)
    found = cycle_violations(before, after._replace(**{field: changed(getattr(after, field), at, value)}), PEANO)
    assert any(message in each for each in found)


def test_a_row_that_changed_or_came_from_nowhere_is_named() -> None:
    """Rows from before a cycle keep what they hold, and every new row is a candidate's."""
    before, after = one_cycle()
    found = cycle_violations(before, after._replace(b=changed(after.b, 4, 77)), PEANO)
    assert found[0].startswith("row 4 must hold what it held, got op")
    op, a, b = (
        np.append(column, value)
        for column, value in zip(after[:3], (10, len(after.op) - 1, len(after.op) - 1), strict=True)
    )
    forward = np.append(after.forward, len(op) - 1).astype(np.int32)
    more = after._replace(op=op.astype(np.uint8), a=a, b=b, forward=forward)
    assert f"row {len(op) - 1} must be a candidate's, got op 10" in cycle_violations(before, more, PEANO)
