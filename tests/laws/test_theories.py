"""The laws of theories [spec/theories.md]: every engine does what a rewriter of sixty lines does."""

from __future__ import annotations

import random

import pytest

from prism.vm.engines.api import STOPS, Limits
from prism.vm.engines.patterns import pattern_rows, row_of
from prism.vm.engines.project import project
from prism.vm.engines.report import StopReason
from prism.vm.engines.table import open_engine
from prism.vm.ledger.optable import op_table
from prism.vm.term.build import GraphBuilder
from tests.reference.rewriter import Rewriter
from tests.theories import random_term, random_theory

pytestmark = pytest.mark.m7

N_THEORIES = 300


@pytest.mark.clause("THEORY-5")
@pytest.mark.parametrize("block", range(6))
@pytest.mark.slow
def test_every_engine_agrees_with_the_reference_rewriter(block: int) -> None:
    """On random theories and terms `baseline` and `ledger` give the reference's normal forms, in as many steps."""
    seen_steps = 0
    for seed in range(block, N_THEORIES, 6):
        theory = random_theory(seed)
        choose = random.Random(seed)
        terms = [random_term(theory, choose, 4) for _ in range(25)]
        builder = GraphBuilder()
        graph = builder.graph([row_of(builder, theory.signature, term, {}) for term in terms])
        reference = Rewriter(theory)
        wanted = [reference.canonical(reference.normal(term)) for term in terms]
        images = []
        for name in ("baseline", "ledger"):
            engine = open_engine(name, Limits(), None, theory)
            outcome = engine.normalise(graph)
            assert {STOPS[stop] for stop in outcome.stop} == {StopReason.NORMAL_FORM}, (seed, name)
            rows = pattern_rows(theory.signature, outcome.result, [])
            assert [reference.canonical(rows[root]) for root in outcome.result.roots] == wanted, (seed, name)
            images.append((project(outcome.result, ops=op_table(theory.signature)), outcome.steps.tolist()))
        assert images[0][0].agrees(images[1][0]), seed
        assert images[0][1] == images[1][1], seed
        seen_steps += sum(images[0][1])
    assert seen_steps > 600
