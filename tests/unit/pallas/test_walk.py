"""The page "How a kernel goes through" of spec/pallas.md says what happens."""

from __future__ import annotations

import importlib
import re
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.experimental import pallas as pl

import prism.pallas

pytestmark = [pytest.mark.m6, pytest.mark.clause("PALLAS-6")]

PAGE = (Path(__file__).parents[3] / "spec/pallas.md").read_text(encoding="utf-8").partition("## How a kernel")[2]
KERNEL, SOURCE, EXPLAINED = re.findall(r"```(?:python)?\n(.*?)```", PAGE, re.DOTALL)
X = np.linspace(-1, 1, 64, dtype=np.float32).reshape(8, 8)


@pytest.fixture(scope="module")
def call():
    """Return the page's kernel, under the name of its file."""
    scope = {"jax": jax, "jnp": jnp, "pl": pl}
    exec(compile(KERNEL, "scale.py", "exec"), scope)
    return scope["f"]


def test_the_program_is_the_printed_one(call) -> None:
    """Source and explanation are what a user sees, to the letter."""
    assert prism.pallas.source(call)(X) == SOURCE
    assert prism.pallas.explain(call)(X) == EXPLAINED


def test_all_forms_give_the_kernels_result(call) -> None:
    """The page's kernel is an exponential, twice, in every mode with the same bits."""
    results = [prism.pallas.run(call, mode=mode)(X) for mode in ("debug", "fast", "compiled")]
    np.testing.assert_allclose(results[0], 2 * np.exp(X), rtol=1e-6)
    np.testing.assert_array_equal(results[0], results[1])
    np.testing.assert_array_equal(results[0], results[2])


def test_each_named_function_exists() -> None:
    """A module of the package, or of its rooms, has every function that the table names."""
    rooms = ("", "numpy_source.", "numba_source.", "primitives.")
    named = re.findall(r"`([a-z]+)\.([A-Za-z_.]+)`", PAGE.partition("```python\n# scale")[0].partition("|---|")[2])
    assert len(named) > 12
    for module, function in named:
        found = [room for room in rooms if importlib.util.find_spec(f"prism.pallas.{room}{module}")]
        owner = importlib.import_module(f"prism.pallas.{found[0]}{module}") if found else prism.pallas.primitives
        for part in function.split("."):
            owner = getattr(owner, part)
        assert callable(owner) or owner is prism.pallas.primitives.table
