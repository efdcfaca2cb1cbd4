"""`pytest --pallas-numpy` and the fixture `pallas_numpy`."""

from __future__ import annotations

import pytest

pytestmark = pytest.mark.m6

SUITE = """
    import jax, numpy as np
    from jax.experimental import pallas as pl

    def double():
        kernel = lambda x_ref, o_ref: o_ref.__setitem__(..., x_ref[...] * 2)
        return pl.pallas_call(kernel, out_shape=jax.ShapeDtypeStruct((4,), np.float32))(np.ones(4, np.float32))

    def test_plain():
        assert double().tolist() == [2.0] * 4

    def test_with_the_fixture(pallas_numpy):
        assert double().tolist() == [2.0] * 4
"""


@pytest.mark.clause("PALLAS-2")
def test_the_option_reroutes_a_suite_and_the_fixture_one_test(pytester) -> None:
    """A kernel without interpret mode fails on CPU unless the option or the fixture is there."""
    pytester.makepyfile(SUITE)
    plugin = ("-p", "no:prism_pallas", "-p", "prism.pallas.pytest_plugin", "-q")
    pytester.runpytest_inprocess(*plugin).assert_outcomes(passed=1, failed=1)
    pytester.runpytest_inprocess(*plugin, "--pallas-numpy").assert_outcomes(passed=2)
