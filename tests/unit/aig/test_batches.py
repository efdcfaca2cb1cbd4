from __future__ import annotations

from random import Random

import pytest

from prism.aig.batches import TABLE, hash_on
from prism.aig.strash import strash
from prism.aig.write import write
from prism.bench.aig import multiplier
from prism.errors import UsageError
from prism.vm.ledger.host import HostLedger
from prism.vm.ledger.key import COMPACT, WIDE
from tests.aigs import random_circuit

pytestmark = [pytest.mark.m7, pytest.mark.clause("AIG-4")]


@pytest.mark.parametrize("layout", [COMPACT, WIDE], ids=lambda layout: layout.name)
def test_batches_through_the_interface_give_the_same_bytes(layout) -> None:
    """Sixty circuits, one batch a level in a ledger with its own checks, give what the fast form gives."""
    for seed in range(60):
        circuit = random_circuit(Random(seed), max_ands=60)
        ledger = HostLedger(layout, ops=TABLE)
        assert write(hash_on(ledger, circuit), binary=True) == write(strash(circuit), binary=True)
        assert ledger.count >= circuit.first + 1 + len(strash(circuit).rows)
        assert ledger.find(ledger.keys()).tolist() == list(range(ledger.count))


def test_a_ledger_must_be_empty_and_large_enough() -> None:
    """A used ledger is refused, and so is one that runs full."""
    circuit = multiplier(3)
    used = HostLedger(ops=TABLE)
    hash_on(used, circuit)
    with pytest.raises(UsageError, match=r"a circuit must be hashed on an empty ledger, got \d+ nodes; make another"):
        hash_on(used, circuit)
    with pytest.raises(UsageError, match="a ledger must have room for the circuit, but it is OOM; raise its capacity"):
        hash_on(HostLedger(capacity=circuit.first + 2, ops=TABLE), circuit)
