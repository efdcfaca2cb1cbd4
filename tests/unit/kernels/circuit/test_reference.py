"""What calls do to class memory, by the reference executor [CIRCUIT-11], and which circuits fit it [CIRCUIT-3]."""

from __future__ import annotations

import math

import numpy as np
import pytest

from prism.errors import UsageError
from prism.kernels.circuit.calls import KINDS, calls
from prism.kernels.circuit.generators import GENERATORS
from prism.kernels.circuit.memory import (
    classes_for,
    element_at,
    elements_in_class,
    empty_memory,
    require_fit,
    starts,
    vector,
)
from prism.kernels.circuit.parse import parse
from prism.kernels.circuit.reference import MEANINGS, run
from prism.kernels.isa.types import BY_NAME, F32, F64, I8, I32, U8, U16

pytestmark = pytest.mark.m8


def after(text: str, given: dict[int, list], *, ty=F64, n: int | None = None) -> dict[int, list]:
    """Return the vectors of a circuit after it ran on those given."""
    memory, count = empty_memory(), max(map(len, given.values())) if n is None else n
    for number, values in given.items():
        vector(memory, number, len(values), ty)[:] = values
    given_calls = calls(parse(text))
    run(given_calls, memory, ty, count)
    return {number: vector(memory, number, count, ty).tolist() for number in starts(given_calls)}


@pytest.mark.clause("CIRCUIT-11")
@pytest.mark.parametrize(
    ("text", "given", "changed"),
    [
        ("merge@c0[c1,c2]", {0: [1, 2], 1: [10, 20]}, {2: [11, 22]}),
        ("merge.mul@c0[c1,c0]", {0: [3, 4], 1: [5, -1]}, {0: [15, -4]}),
        ("split@c0[c1,c2] . split.div@c0[c1,c3]", {0: [6, 1], 1: [4, 2]}, {2: [2, -1], 3: [1.5, 0.5]}),
        ("merge.min@c0[c1,c2] . merge.max@c0[c1,c3]", {0: [1, 5], 1: [3, 4]}, {2: [1, 4], 3: [3, 5]}),
        ("merge.abs@c0[c0,c1]", {0: [-1, 2]}, {1: [1, 2]}),
        ("copy@c0->c1 . swap@c0<->c2", {0: [1], 2: [2]}, {0: [2], 1: [1], 2: [1]}),
        ("merge@c[0..1]", {0: [1], 1: [2]}, {0: [2], 1: [4]}),
        ("reduce.sum@c0->c1", {0: [1, 2, 4], 1: [9, 9, 9]}, {1: [7, 9, 9]}),
        ("reduce.min@c0->c0 . reduce.max@c0->c1", {0: [3, 1, 2]}, {0: [1, 1, 2], 1: [2, 0, 0]}),
        ("quote@c0 . evaluate@c[0..3]", {0: [1.5]}, {0: [1.5]}),
        ("merge.sqrt@c0[c0,c1] . merge.exp@c2[c2,c3]", {0: [9, 0.25], 2: [0, 1]}, {1: [3, 0.5], 3: [1, math.e]}),
        ("merge.log@c0[c0,c1]", {0: [math.e, 1]}, {1: [1, 0]}),
    ],
)
def test_calls_do_what_they_say(text: str, given: dict[int, list], changed: dict[int, list]) -> None:
    """Each call leaves in its destination what its operation computes of its source and context, in order."""
    got = after(text, given)
    assert {number: got[number] for number in changed} == {n: pytest.approx(v) for n, v in changed.items()}


@pytest.mark.clause("CIRCUIT-11")
def test_activations_are_themselves() -> None:
    """Sigmoid, tanh and gelu are the functions of these names, gelu by erf, and softmax is stable and adds up to 1."""
    x = [-3.0, -0.5, 0.0, 2.0]
    text = "merge.sigmoid@c0[c0,c1] . merge.tanh@c0[c0,c2] . merge.gelu@c0[c0,c3] . softmax@c0->c4 . softmax@c5->c6"
    got = after(text, {0: x, 5: [1000.0, 999.0, 0.0, -1e308]})
    assert got[1] == pytest.approx([1 / (1 + math.exp(-one)) for one in x])
    assert got[2] == pytest.approx([math.tanh(one) for one in x])
    assert got[3] == pytest.approx([one / 2 * (1 + math.erf(one / math.sqrt(2))) for one in x])
    assert got[4] == pytest.approx([math.exp(one) / sum(map(math.exp, x)) for one in x])
    assert got[6] == pytest.approx([1 / (1 + math.exp(-1)), math.exp(-1) / (1 + math.exp(-1)), 0, 0])


@pytest.mark.clause("CIRCUIT-11")
def test_mark_exchanges_the_highest_bit_of_each_byte() -> None:
    """Mark is exclusive or with 0x80 a byte, of the elements given alone, and undoes itself."""
    assert after("mark@c0", {0: [0x0102]}, ty=U16) == {0: [0x8182]}
    assert after("mark@c0 . mark@c0", {0: [1.5]}, ty=F32) == {0: [1.5]}
    memory = empty_memory()
    run(calls(parse("mark@c1")), memory, U8, 3)
    assert np.flatnonzero(memory).tolist() == [12288, 12289, 12290]


@pytest.mark.clause("CIRCUIT-11")
def test_integers_wrap_and_cut() -> None:
    """Integer sums wrap, quotients are cut towards zero, and the least integer is its own absolute value."""
    got = after("merge@c0[c0,c1] . split.div@c2[c3,c4] . merge.abs@c0[c0,c5]", {0: [-128], 2: [-7], 3: [2]}, ty=I8)
    assert (got[1], got[4], got[5]) == ([0], [-3], [-128])
    assert after("merge.abs@c0[c0,c1]", {0: [200]}, ty=U8)[1] == [200]
    with pytest.raises(UsageError, match="an integer divisor must not be zero, but element 1 is"):
        after("split.div@c0[c1,c2]", {0: [1, 1], 1: [1, 0]}, ty=I32)


@pytest.mark.clause("CIRCUIT-11")
def test_min_and_max_ignore_nan() -> None:
    """A NaN gives way to the other operand; a reduction of NaN alone, or of nothing, is where it starts."""
    nan, inf = math.nan, math.inf
    got = after("merge.min@c0[c1,c2] . merge.max@c1[c0,c3] . reduce.min@c0->c4", {0: [nan, 1.0], 1: [2.0, nan]})
    assert (got[2], got[3], got[4]) == ([2.0, 1.0], [2.0, 1.0], [1.0, 0.0])
    memory = empty_memory()
    run(calls(parse("reduce.min@c0->c1 . reduce.max@c0->c2 . reduce.sum@c0->c3")), memory, F64, 0)
    assert [vector(memory, number, 1, F64)[0] for number in (1, 2, 3)] == [inf, -inf, 0]
    run(calls(parse("reduce.min@c0->c1 . reduce.max@c0->c2")), memory, I8, 0)
    assert [vector(memory, number, 1, I8)[0] for number in (1, 2)] == [127, -128]


@pytest.mark.clause("CIRCUIT-11")
def test_operations_without_meaning_are_refused() -> None:
    """What has no meaning for a type is refused before anything runs."""
    with pytest.raises(UsageError, match=r"merge.exp@c00\[c00,c01\] must be of one of f16, bf16, f32, f64, got i32"):
        after("mark@c0 . merge.exp@c0[c0,c1]", {0: [1]}, ty=I32)


@pytest.mark.clause("CIRCUIT-11")
def test_each_operation_has_one_meaning() -> None:
    """The table of meanings has exactly the generators, variants and reductions of the language."""
    named = {"reduce." + v.name if g.name == "reduce" else v.name for g in GENERATORS for v in g.variants}
    named |= {generator.name for generator in GENERATORS if not generator.variants}
    assert set(MEANINGS) == named
    assert {kind.generator for kind in KINDS} == {generator.name for generator in GENERATORS}


@pytest.mark.clause("CIRCUIT-3")
def test_vectors_take_whole_classes() -> None:
    """A vector takes as many whole classes as it needs, one at least; elements go on in the next class."""
    assert [classes_for(0, n, F32) for n in (0, 1, 3072, 3073, 10_000)] == [1, 1, 1, 2, 4]
    assert (element_at(10, 3072, F32), element_at(5, 5000, F32)) == ((11, 0), (6, 7712))
    assert [elements_in_class(BY_NAME[name]) for name in ("u8", "f64")] == [12_288, 1_536]
    long = [float(i) for i in range(4000)]
    assert after("merge@c0[c10,c20]", {0: long, 10: long})[20] == [2 * one for one in long]


@pytest.mark.clause("CIRCUIT-3")
@pytest.mark.parametrize(
    ("text", "n", "words"),
    [
        (
            "merge@c0[c1,c2]",
            3073,
            "vectors of a circuit must be equal or apart, but 3073 elements of f32 take 2 classes",
        ),
        ("mark@c95", 3073, "must have at least 0 elements and end in class 95, got 3073 of f32 from c95"),
        ("mark@c[0..3]", 4000, "and both c00 and c01 begin one; use classes farther apart"),
        ("mark@c0", -1, "must have at least 0 elements and end in class 95, got -1 of f32 from c00"),
    ],
)
def test_vectors_that_do_not_fit_are_refused(text: str, n: int, words: str) -> None:
    """Vectors lie inside the memory and are equal or apart, or nothing runs."""
    with pytest.raises(UsageError, match=words):
        require_fit(calls(parse(text)), n, F32)
