"""Kernels that a chip's compiler refuses: each is told at its line, no twin is, and JAX's own lowering agrees."""

from __future__ import annotations

import jax
import numpy as np
import pytest

import prism.pallas
from prism.pallas import LegalityError
from prism.pallas.chip.rules import RULES
from prism.pallas.chip.table import CHIPS
from tests.planted import illegal_tpu, illegal_triton
from tests.planted.illegal import PAIRS, Pair

pytestmark = [pytest.mark.m6, pytest.mark.clause("CHIP-3")]
EVERY = pytest.mark.parametrize("pair", PAIRS, ids=lambda pair: pair.name)
LOWERED = {rule.name: rule.lowered for rule in RULES} | {"lowering": True}


def _lowers(pair: Pair, *, wrong: bool) -> bool:
    """Whether JAX lowers a program for the chip's platform; the chip is pretended, for JAX asks for it."""
    platform = "tpu" if CHIPS[pair.chip].kind == "tpu" else "cuda"
    with prism.pallas.interpret(chip=pair.chip):
        try:
            jax.jit(pair.program(wrong)[0]).trace().lower(lowering_platforms=(platform,))
        except Exception:
            return False
    return True


def test_there_are_at_least_twenty_and_every_rule_has_one() -> None:
    """The yardstick covers the table."""
    assert {pair.program.__module__ for pair in PAIRS} == {illegal_tpu.__name__, illegal_triton.__name__}
    assert len(PAIRS) >= 20
    untried = {"no-grid", "wide"}  # JAX refuses these while it traces, or narrows the elements.
    assert {rule.name for rule in RULES} - untried <= {pair.rule for pair in PAIRS}


@EVERY
def test_a_planted_fault_is_told_at_its_line(pair: Pair) -> None:
    """The report names the rule, the chip, and the marked line; lowering refuses it too, if the rule is lowering's."""
    file, line = pair.place
    with prism.pallas.interpret(chip=pair.chip, legality="raise"), pytest.raises(LegalityError) as caught:
        pair.program(True)[0]()
    report = caught.value
    assert (report.rule, report.chip) == (pair.rule, pair.chip)
    assert (report.site.file.rpartition("/")[2], report.site.line) == (file, line)
    assert f"{file}:{line}" in str(report)
    assert _lowers(pair, wrong=True) is not LOWERED[pair.rule]


@EVERY
def test_no_twin_is_told_of(pair: Pair) -> None:
    """The corrected kernel passes every rule, is lowered by JAX, and gives the right answer."""
    call, want = pair.program(False)
    with prism.pallas.interpret(chip=pair.chip, legality="raise"):
        got = call()
    np.testing.assert_array_equal(np.asarray(got, np.float32), np.asarray(want, np.float32))
    assert _lowers(pair, wrong=False)
