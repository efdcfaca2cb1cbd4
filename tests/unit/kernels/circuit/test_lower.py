"""Circuits become fused stages and blocks, as verified programs [CIRCUIT-13]."""

from __future__ import annotations

import pytest

from prism.errors import UsageError
from prism.kernels.circuit.calls import call, calls
from prism.kernels.circuit.emit import EMITTERS
from prism.kernels.circuit.generators import MERGES, SPLITS
from prism.kernels.circuit.lower import MOST_VALUES, Lanes, lower
from prism.kernels.circuit.parse import parse
from prism.kernels.isa.types import F32, I32, U32
from prism.kernels.isa.verify import verify

pytestmark = [pytest.mark.m8, pytest.mark.clause("CIRCUIT-13")]


def test_neighbours_are_fused() -> None:
    """Element-wise calls become one stage that loads each class once and stores what changed; a block cuts them."""
    lowered = lower(calls(parse("merge.mul@c0[c1,c3] . merge@c3[c2,c3] . merge.sigmoid@c3[c3,c3] . copy@c3->c4")), F32)
    (stage,) = lowered.stages
    ops = [one.op for one in stage.program.instructions]
    assert (ops.count("ldg"), ops.count("stg"), ops.count("mul"), ops.count("sigmoid")) == (3, 2, 1, 1)
    cut = lower(calls(parse("mark@c0 . merge@c0[c1,c2] . reduce.sum@c2->c3 . quote@c1 . merge@c2[c3,c4]")), F32)
    assert [stage.lanes for stage in cut.stages] == [Lanes.EACH, Lanes.EACH, Lanes.BLOCK, Lanes.EACH]
    assert [stage.type for stage in cut.stages] == [U32, F32, F32, F32]


def test_common_values_are_computed_once() -> None:
    """Within a stage a value is computed once, and classes that end as they were are not stored."""
    (stage,) = lower(
        calls(parse("merge.exp@c0[c0,c1] . merge.exp@c0[c0,c2] . swap@c3<->c4 . swap@c3<->c4")), F32
    ).stages
    ops = [one.op for one in stage.program.instructions]
    assert (ops.count("exp"), ops.count("stg")) == (1, 2)


def test_stages_have_registers_enough() -> None:
    """A long circuit is cut into stages none of which needs more registers than there are; all of them verify."""
    lowered = lower(tuple(call("merge", number, (number + 1) % 96, number) for number in range(96)) * 3, F32)
    assert len(lowered.stages) > 1
    assert all(len(verify(stage.program).steps) < 4 * MOST_VALUES * 3 for stage in lowered.stages)
    assert sum(len(stage.calls) for stage in lowered.stages) == 288


def test_each_element_wise_operation_has_an_emitter() -> None:
    """What is emitted by itself is exactly what the language calls element-wise."""
    assert set(EMITTERS) == {variant.name for variant in (*MERGES, *SPLITS)} | {"mark"}


def test_types_without_meaning_are_refused() -> None:
    """A call that has no meaning for the type is refused when it is lowered."""
    with pytest.raises(UsageError, match="softmax@c00->c01 must be of one of f16"):
        lower(calls(parse("softmax@c0->c1")), I32)
