"""The laws of ledgers hold for any signature: those of the shipped theories and random ones [LEDGER-1, THEORY-4]."""

from __future__ import annotations

import random
from itertools import pairwise

import numpy as np
import pytest

from agda.tools.model import BUILT_IN_ROWS, op_rows, random_programs, table_of
from prism.status import Status
from prism.vm.ledger.device import DeviceLedger
from prism.vm.ledger.host import HostLedger
from prism.vm.ledger.key import KeyLayout
from prism.vm.ledger.optable import NO_OP, OpTable, op_table
from prism.vm.ledger.verify import Damage, verify
from prism.vm.theory.library import load, shipped

pytestmark = pytest.mark.m7


def batch_over(rng: random.Random, ops: OpTable, count: int, size: int) -> list[list[int]]:
    """Return the columns of a random batch over a ledger of `count` nodes."""
    rows = []
    for code, arity, _ in rng.choices(op_rows(ops)[2:], k=size):
        rows.append([code, *(rng.randrange(1, count) if taken < arity else 0 for taken in range(2))])
    return [list(column) for column in zip(*rows, strict=True)]


@pytest.mark.clause("THEORY-4")
@pytest.mark.clause("LEDGER-7")
@pytest.mark.parametrize("name", shipped())
def test_host_and_device_give_a_theory_the_same_ids(name: str) -> None:
    """A theory's batches get the same ids from both ledgers, and an op of another theory makes both corrupt."""
    rng, ops = random.Random(name), op_table(load(name).signature)
    ledgers = [HostLedger(ops=ops), DeviceLedger(ops=ops)]
    for _ in range(8):
        batch = batch_over(rng, ops, ledgers[0].count, 60)
        ids = [ledger.intern(*batch).tolist() for ledger in ledgers]
        assert ids[0] == ids[1]
        assert 0 not in ids[0]
    host, device = ledgers
    assert host.count > 60
    assert host.keys().tolist() == device.keys().tolist()
    assert verify(host) == verify(device) == []
    stranger = next(code for code in range(2, NO_OP) if ops.arity[code] == NO_OP)
    assert [ledger.intern([stranger], [1], [1]).tolist() for ledger in ledgers] == [[0], [0]]
    assert host.status is device.status is Status.CORRUPT


@pytest.mark.clause("LEDGER-1")
def test_ids_are_trees() -> None:
    """Over random signatures, two ids are one exactly if their trees are, operands of commuting ops in any order."""
    seen = 0
    for program in random_programs(seed=11, count=120, any_ops=True):
        ops, layout = table_of(program.ops), KeyLayout("generated", program.bits)
        ledger = HostLedger(layout, program.capacity, ops)
        for batch in program.batches:
            ledger.intern(*np.array(batch, np.int64).reshape(-1, 3).T)
        trees: list[tuple] = []
        for code, a, b in zip(*(column.tolist() for column in layout.unpack(ledger.keys())), strict=True):
            operands = [trees[operand] for operand in (a, b)[: int(ops.arity[code])]]
            trees.append((code, *(sorted(operands) if ops.commutes[code] else operands)))
        ordered = sorted(trees)
        assert all(first != second for first, second in pairwise(ordered))
        seen += len(trees)
    assert seen > 600


@pytest.mark.clause("LEDGER-2")
def test_verify_judges_by_the_ledgers_own_ops() -> None:
    """What is in order under one signature is at fault under another: unknown op, wrong operands, wrong order."""
    ledger = HostLedger(ops=table_of([*BUILT_IN_ROWS, (50, 2, False)]))
    (unit,) = ledger.intern([2], [1], [0])
    ledger.intern([50, 10], [unit, 1], [1, unit])
    assert verify(ledger) == []
    ledger.ops = table_of([*BUILT_IN_ROWS, (50, 2, True)])
    assert [one.fault for one in verify(ledger)] == [Damage.NOT_ORDERED]
    ledger.ops = table_of(BUILT_IN_ROWS)
    assert [one.fault for one in verify(ledger)] == [Damage.UNKNOWN_OP]
