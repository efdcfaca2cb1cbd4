"""Lowered circuits do what the reference executor does [CIRCUIT-13]."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from prism.errors import UsageError
from prism.kernels.circuit.calls import Call, call, calls, on_range
from prism.kernels.circuit.generators import MERGES, REDUCTIONS, SPLITS
from prism.kernels.circuit.lower import lower
from prism.kernels.circuit.memory import empty_memory, starts, vector
from prism.kernels.circuit.parse import parse
from prism.kernels.circuit.reference import MEANINGS, run
from prism.kernels.exec.table import open_executor
from prism.kernels.isa.types import BF16, F16, F32, FLOATS, I32, TYPES, Kind, Type
from prism.kernels.run_circuit import run_circuit

pytestmark = [pytest.mark.m8, pytest.mark.clause("CIRCUIT-13")]

UNARY = [variant.name for variant in MERGES if variant.arity == 1]
BINARY = [("merge", variant.name) for variant in MERGES if variant.arity == 2] + [("split", v.name) for v in SPLITS]
ERRORS = {F16: 2e-3, BF16: 1.6e-2, F32: 2e-6}
"""Relative errors: a few units of the last place of each type, 1e-14 for f64."""
CLASSES = [0, 7, 21, 40, 95]


@cache
def _filled(ty: Type, seed: int) -> np.ndarray:
    """Return a memory whose elements are small, none of them zero, so that every operation has a finite result."""
    random, memory = np.random.default_rng(seed), empty_memory()
    elements = memory.view(ty.dtype)
    if ty.kind is Kind.FLOAT:
        elements[:] = (random.uniform(0.25, 2, len(elements)) * random.choice([-1, 1], len(elements))).astype(ty.dtype)
    else:
        elements[:] = random.integers(1, 100, len(elements)).astype(ty.dtype)
    return memory


def filled(ty: Type, seed: int) -> np.ndarray:
    """Return a memory of its own with the elements of `_filled`."""
    return _filled(ty, seed).copy()


def close(one: np.ndarray, other: np.ndarray, ty: Type) -> bool:
    """Return whether two memories are equal, floats up to a few units of the last place, NaN being NaN."""
    pattern = np.dtype(f"u{ty.size}")
    places = np.flatnonzero(one.view(pattern) != other.view(pattern))
    if ty.kind is not Kind.FLOAT or not len(places):
        return not len(places)
    a, b = (memory.view(ty.dtype)[places].astype(np.float64) for memory in (one, other))
    bound = ERRORS.get(ty, 1e-14) * np.maximum(np.abs(a), 1)
    same = (a == b) | (np.isnan(a) & np.isnan(b))  # infinities of one sign are equal, and have no difference
    return bool(np.all(same | (np.abs(np.where(same, 0, a) - np.where(same, 0, b)) <= bound)))


def require_alike(
    given: tuple[Call, ...], ty: Type, n: int, *, seed: int = 0, ways: tuple[bool, ...] = (True,)
) -> None:
    """Assert that a circuit lowered, fused or not as `ways` say, leaves what the reference executor leaves."""
    expected = filled(ty, seed)
    run(given, expected, ty, n)
    for is_fused in ways:
        got = filled(ty, seed)
        run_circuit(lower(given, ty, is_fused=is_fused), got, n, open_executor("numpy"))
        assert close(expected, got, ty), (ty, n, is_fused, [str(one) for one in given])


@pytest.mark.parametrize("ty", TYPES, ids=lambda ty: ty.name)
@pytest.mark.slow
def test_each_variant_of_each_type(ty: Type) -> None:
    """Every merge, split, mark, copy and swap, on every type for which it has a meaning, equals the reference."""
    given = [call(generator, 0, 7, 10 + at, variant=variant) for at, (generator, variant) in enumerate(BINARY)]
    unary = [variant for variant in UNARY if ty in MEANINGS[variant].types]
    given += [call("merge", 0, 0, 20 + at, variant=variant) for at, variant in enumerate(unary)]
    given += [call("copy", 21, 95), call("swap", 0, 7), on_range("merge", 60, 63, variant="mul"), call("mark", 40)]
    require_alike(tuple(given), ty, 5)


@pytest.mark.parametrize("ty", TYPES, ids=lambda ty: ty.name)
@pytest.mark.parametrize("n", [0, 1, 300])
@pytest.mark.slow
def test_reductions_and_softmax(ty: Type, n: int) -> None:
    """Each reduction of each type, and softmax of each float type, of no elements, one, and more than a block."""
    given = [call("reduce", 0, 20 + at, variant=variant.name) for at, variant in enumerate(REDUCTIONS)]
    given += [call("softmax", 0, 40), call("softmax", 7, 7)] if ty in FLOATS else []
    require_alike(tuple(given), ty, n)


numbers = st.sampled_from(CLASSES)
any_calls = st.one_of(
    st.builds(
        lambda pair, a, b, c: call(pair[0], a, b, c, variant=pair[1]),
        st.sampled_from(BINARY[:4]),
        numbers,
        numbers,
        numbers,
    ),
    st.builds(
        lambda v, a, c: call("merge", a, a, c, variant=v),
        st.sampled_from(["abs", "tanh", "sigmoid", "gelu"]),
        numbers,
        numbers,
    ),
    st.builds(lambda a: call("mark", a), numbers),
    st.builds(lambda a, b: call("copy", a, b), numbers, numbers),
    st.builds(lambda a, b: call("swap", a, b), numbers, numbers),
    st.builds(lambda v, a, b: call("reduce", a, b, variant=v), st.sampled_from(["min", "max"]), numbers, numbers),
)


@settings(max_examples=15)
@given(st.lists(any_calls, min_size=1, max_size=8), st.integers(0, 9), st.integers(1, 40))
@pytest.mark.slow
def test_fused_sequences_are_the_reference(given: list[Call], seed: int, n: int) -> None:
    """Sequences of calls that read and write one another's classes leave, fused or not, what the reference leaves."""
    require_alike(tuple(one for one in given if one.kind.generator != "mark"), F32, n, seed=seed)
    exact = tuple(one for one in given if one.variant not in ("tanh", "sigmoid", "gelu"))
    require_alike(exact, I32, n, seed=seed, ways=(True, False))


def test_what_does_not_fit_is_refused() -> None:
    """Types without a meaning are refused when lowering, vectors that overlap when binding."""
    with pytest.raises(UsageError, match="softmax@c00->c01 must be of one of f16"):
        lower(calls(parse("softmax@c0->c1")), I32)
    with pytest.raises(UsageError, match="vectors of a circuit must be equal or apart"):
        run_circuit(lower(calls(parse("copy@c0->c1")), F32), empty_memory(), 4000, open_executor("numpy"))


def test_long_vectors_go_on_in_the_next_class() -> None:
    """Vectors over several classes are added, summed and guarded at their end."""
    given = calls(parse("merge@c0[c10,c20] . reduce.max@c20->c30"))
    require_alike(given, F32, 3100)
    memory = filled(F32, 1)
    before = vector(memory, 20, 3200, F32).copy()
    run_circuit(lower(given, F32), memory, 3100, open_executor("numpy"))
    assert np.array_equal(vector(memory, 20, 3200, F32)[3100:], before[3100:])
    assert starts(given) == [0, 10, 20, 30]
