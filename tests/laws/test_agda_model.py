"""The Python core against the proved model: what Agda computes and what Python computes are the same."""

from __future__ import annotations

from itertools import product
from pathlib import Path

import numpy as np
import pytest

from agda.tools import host
from agda.tools.files import copy_sources
from agda.tools.model import BUILT_IN_ROWS, ENGINES, Model, Program, mismatches, python_trace, random_programs
from agda.tools.obligations import obligations
from docflow.corpus import EdgeView
from docflow.lock import Entry, Seen
from docflow.model import Edge, Review
from docflow.rules.edges import OK, statuses
from prism.status import Status
from prism.vm.arena.permute import Cells, apply
from prism.vm.engines.project import commit
from prism.vm.ledger.host import HostLedger
from prism.vm.rewrite.candidates import Candidates
from prism.vm.term.ops import ADD, MUL, OPS, SUC
from prism.vm.term.parse import read_text
from tests.reference.cycle import State, cycle, sites_among

pytestmark = pytest.mark.m5

ONE = (SUC.code, 1, 0)
TWO, FOUR, THREE = (ADD.code, 2, 2), (MUL.code, 2, 2), (ADD.code, 2, 1)
LIMITS = [
    Program(28, 3, ((ONE,), (ONE,), (TWO,), (ONE, (MUL.code, 1, 1)))),
    Program(28, 5, ((ONE,), (TWO, FOUR, THREE), (TWO, FOUR, ONE), (THREE,))),
    Program(2, 3, ((ONE, ONE), (THREE,), (TWO, ONE))),
    Program(3, 100, tuple(((SUC.code, n, 0),) for n in range(1, 8))),
]
"""One node too many for the capacity, a batch of which two nodes fit, both bounds at once, the layout's largest id."""

MALFORMED = [
    (255, 0, 0),
    (SUC.code, 0, 0),
    (SUC.code, 2, 0),
    (SUC.code, 1, 1),
    (ADD.code, 1, 0),
    (ADD.code, 0, 1),
    (MUL.code, 1, 2),
    (0, 1, 0),
    (1, 0, 1),
]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Model:
    """Compile the model once for the file."""
    return Model(tmp_path_factory.mktemp("model"))


@pytest.mark.clause("LEDGER-1")
@pytest.mark.clause("LEDGER-2")
@pytest.mark.parametrize("engine", sorted(ENGINES))
@pytest.mark.clause("TRUSTED-4")
@pytest.mark.clause("LEDGER-3")
@pytest.mark.slow
def test_random_programs_agree(model: Model, engine: str) -> None:
    """On random batches a ledger gives the ids, counts, statuses, keys and values that the model gives."""
    assert mismatches(model, random_programs(seed=5, count=150), ENGINES[engine]) == []


@pytest.mark.parametrize("engine", sorted(ENGINES))
@pytest.mark.clause("TRUSTED-4")
@pytest.mark.clause("LEDGER-1")
@pytest.mark.slow
def test_random_signatures_agree(model: Model, engine: str) -> None:
    """Over random signatures, each program its own, a ledger gives the ids, statuses and keys that the model gives."""
    assert mismatches(model, random_programs(seed=8, count=100, any_ops=True), ENGINES[engine]) == []


@pytest.mark.clause("LEDGER-6")
@pytest.mark.parametrize("engine", sorted(ENGINES))
@pytest.mark.clause("LEDGER-5")
@pytest.mark.slow
def test_limits_agree(model: Model, engine: str) -> None:
    """At capacity and at the largest id a ledger ends in the status of the model, and stays there."""
    assert mismatches(model, LIMITS, ENGINES[engine]) == []
    last = [int(trace.rows[-1][0]) for trace in model.run(LIMITS)]
    assert last == [Status.OOM, Status.OOM, Status.CORRUPT, Status.CORRUPT]


@pytest.mark.slow
@pytest.mark.parametrize("engine", sorted(ENGINES))
@pytest.mark.clause("LEDGER-4")
def test_malformed_nodes_agree(model: Model, engine: str) -> None:
    """Each way to be malformed makes a ledger corrupt as it makes the model, and known nodes are found afterwards."""
    later = (ONE, (SUC.code, 2, 0), *MALFORMED)
    programs = [Program(28, 100, ((wrong, ONE), later)) for wrong in MALFORMED]
    assert mismatches(model, programs, ENGINES[engine]) == []
    assert {trace.rows[-1][0] for trace in model.run(programs)} == {Status.CORRUPT}


@pytest.mark.slow
@pytest.mark.clause("LEDGER-2")
def test_layouts_agree(model: Model) -> None:
    """The model numbers nodes alike in both layouts, for it ranks a node alike in both."""
    programs = random_programs(seed=6, count=40)
    compact, wide = (model.run([Program(bits, 1000, program.batches) for program in programs]) for bits in (16, 28))
    assert [trace.rows for trace in compact] == [trace.rows for trace in wide]


@pytest.mark.clause("STRATA-2")
@pytest.mark.clause("STRATA-3")
@pytest.mark.slow
def test_cycles_agree(model: Model) -> None:
    """Cycle after cycle, room or none, a ledger ends as the model's: status, where every slot went, and all keys."""
    statuses_seen, slots = set(), 0
    for capacity in (1 << 20, 40, 30):
        ledger = HostLedger(capacity=capacity)
        commit(ledger, read_text("(add (mul 3 2) (add 1 1)) (mul 4 3) (mul (add 1 2) (add 2 1))").graph)
        forward = np.arange(ledger.count, dtype=np.int32)
        state = State(forward, sites_among(ledger, forward, forward))
        for _ in range(6):
            before = ledger.keys().tolist()
            done = cycle(ledger, state)
            call = ("cycled", BUILT_IN_ROWS, 28, capacity, [str(key) for key in before], _sites(done.found))
            (status, *rest), state = model.call([call])[0], done.state
            assert status == (ledger.status,)
            assert [list(part) for part in rest] == [
                done.landed.q[0::2].tolist(),
                done.landed.q[1::2].tolist(),
                ledger.keys().tolist(),
            ]
            statuses_seen.add(ledger.status)
            slots += np.count_nonzero(done.found.enabled)
            if ledger.status is not Status.OK:
                break
    assert statuses_seen == {Status.OK, Status.OOM}
    assert slots > 50


def _sites(found: Candidates) -> list[list[list[int]]]:
    """Return candidates as the model reads them: op, then 0 and a row or 1 and a site for each operand."""

    def slot(at: int) -> list[int]:
        operands = [(1, ~ref // 2) if ref < 0 else (0, ref) for ref in (int(found.a[at]), int(found.b[at]))]
        return [int(found.op[at]), *operands[0], *operands[1]] if found.enabled[at] else []

    return [[slot(at), slot(at + 1)] for at in range(0, len(found.enabled), 2)]


@pytest.mark.clause("ARENA-2")
def test_rearranging_agrees(model: Model) -> None:
    """A graph that is rearranged in Python is, cell by cell, what the model's rearrangement gives."""
    rng = np.random.default_rng(0)
    for slots in (8, 8, 8, 16, 16, 16):
        op = np.concatenate([[0, 1], rng.choice([one.code for one in OPS], slots - 2)]).astype(np.uint8)
        a, b = (np.concatenate([[0, 0], rng.integers(0, slots, slots - 2)]).astype(np.int32) for _ in range(2))
        order = np.concatenate([[0, 1], 2 + rng.permutation(slots - 2)]).astype(np.int32)
        after = apply(Cells(op, a, b, np.zeros(1, np.int32)), order)
        expected = model.call([("rearranged", order.tolist(), np.stack([op, a, b], axis=1).tolist())])[0]
        assert np.stack([after.op, after.a, after.b], axis=1).tolist() == [list(cell) for cell in expected]


@pytest.mark.clause("DOCFLOW-13")
def test_reviews_agree(model: Model) -> None:
    """Over all versions and fingerprints of two sides, then and now, docflow calls an edge ok when the model does."""
    cases = list(product((1, 2), repeat=8))
    expected = model.call([("verdict", case) for case in cases])
    assert [statuses(_edge(*case)) == (OK,) for case in cases] == [bool(fresh) for fresh in expected]


def _edge(*numbers: int) -> EdgeView:
    """Return an edge whose review saw the first two (version, fingerprint), and whose texts now have the others."""
    own, dep, own_now, dep_now = (
        Seen(version, str(print_)) for version, print_ in zip(numbers[::2], numbers[1::2], strict=True)
    )
    return EdgeView(
        path="a.md",
        edge=Edge("section", "b.md#part", 1),
        review=Review("section", "b.md#part", dep.version, own.version, "no_change", "read again", 1),
        dep=dep_now,
        own=own_now,
        locked=Entry(dep, own),
    )


@pytest.mark.clause("LEDGER-3")
@pytest.mark.slow
def test_what_python_computes_agda_proves(tmp_path: Path) -> None:
    """What the host ledger does, over built-in and random signatures, is equations that Agda accepts by computing."""
    sources = copy_sources(tmp_path / "agda")
    programs = [*random_programs(seed=7, count=40), *random_programs(seed=9, count=20, any_ops=True)]
    text = obligations((program, python_trace(program, HostLedger)) for program in programs)
    (sources / "Obligations.agda").write_text(text, encoding="utf-8")
    checked = host.check(sources, "Obligations")
    assert checked.accepted, checked.output
    assert text.count("_ = refl") == 100


@pytest.mark.slow
@pytest.mark.clause("TRUSTED-4")
def test_a_wrong_output_is_no_proof(tmp_path: Path) -> None:
    """An output with one id changed is rejected, so an accepted one says something."""
    sources = copy_sources(tmp_path / "agda")
    program = Program(28, 100, ((ONE, (ADD.code, 1, 1)),))
    text = obligations([(program, python_trace(program, HostLedger))])
    assert text.count("(0 ∷ 4 ∷ 2 ∷ 3 ∷ [])") == 1
    (sources / "Obligations.agda").write_text(text.replace("(0 ∷ 4 ∷ 2 ∷ 3 ∷ [])", "(0 ∷ 4 ∷ 3 ∷ 2 ∷ [])"), "utf-8")
    checked = host.check(sources, "Obligations")
    assert not checked.accepted
    assert "!=" in checked.output
