"""The one place of private JAX."""

from __future__ import annotations

import ast
from pathlib import Path

import jax
import numpy as np
import pytest
from jax.experimental import pallas as pl

import prism.pallas
from prism.pallas import UnsupportedError

pytestmark = pytest.mark.m6

PACKAGE = Path(prism.pallas.__file__).parent


def test_private_jax_is_used_in_one_module() -> None:
    """No other module of the package imports from jax._src."""
    users = set()
    for path in PACKAGE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            names += [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            if any(name.startswith("jax._src") for name in names):
                users.add(path.name)
    assert users == {"compat.py"}


@pytest.mark.clause("PALLAS-9")
@pytest.mark.parametrize("mode", ["debug", "fast", "compiled"])
def test_a_primitive_without_a_rule_is_named(mode) -> None:
    """The message has the primitive, the line and what to report; it is a NotImplementedError."""

    def kernel(x_ref, o_ref):
        o_ref[...] = jax.lax.igamma(x_ref[...], x_ref[...])

    call = pl.pallas_call(kernel, out_shape=jax.ShapeDtypeStruct((4,), np.float32))
    with pytest.raises(UnsupportedError, match=r"test_compat\.py:\d+ .*no rule for the primitive igamma\n.*report it"):
        prism.pallas.run(call, mode=mode)(np.ones(4, np.float32))
    assert issubclass(UnsupportedError, NotImplementedError)
