from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.extend.core import ClosedJaxpr, jaxpr_as_fun

from prism import cse

pytestmark = [pytest.mark.m7, pytest.mark.clause("CSE-3")]

V = jnp.linspace(-1.0, 2.0, 6)


def twice(v):
    """Compute a sum of sines twice."""
    return jnp.sin(v + 1.0) * 2.0, jnp.cos(jnp.sin(v + 1.0)), v + 1.0


def calls(v):
    """Call one function and an equal one."""
    one = jax.jit(lambda u: jnp.exp(u) + jnp.exp(u))
    other = jax.jit(lambda w: jnp.exp(w) + jnp.exp(w))
    return one(v) + other(v)


def loop(v):
    """Compute something twice in the body of a loop and in both branches."""
    total = jax.lax.fori_loop(0, 5, lambda i, s: s + jnp.tanh(v) * jnp.tanh(v) + i, v)
    return jax.lax.cond(v[0] > 0, lambda u: jnp.sin(u) - jnp.sin(u), lambda u: jnp.cos(u) + jnp.cos(u), total)


def derived(v):
    """Differentiate twice, through a function with a rule of its own."""
    return jax.grad(lambda u: jax.nn.softplus(u).sum() + jax.nn.relu(u).sum())(v)


def drawn(v):
    """Draw twice under one key and once under another."""
    key = jax.random.key(0)
    again = jax.random.normal(key, v.shape) + jax.random.normal(key, v.shape)
    return again - jax.random.normal(jax.random.key(1), v.shape)


def parts(v):
    """Use the first result of one equation and the second of its double."""
    return jax.lax.top_k(v, 3)[0].sum() + jax.lax.top_k(v, 3)[1].sum().astype(v.dtype)


FEWER = {twice: (7, 4), calls: (3, 2), parts: (6, 5)}


def count(jaxpr) -> int:
    """Return the equations of the outermost jaxpr."""
    return len(jaxpr.eqns)


@pytest.mark.slow
@pytest.mark.parametrize("function", [twice, calls, loop, derived, drawn, parts])
def test_results_stay(function) -> None:
    """The new jaxpr has the interface of the old one and gives the same bits, and doing it again does nothing."""
    given = jax.make_jaxpr(function)(V)
    made = cse(given)
    assert isinstance(made, ClosedJaxpr)
    assert (made.in_avals, made.out_avals) == (given.in_avals, given.out_avals)
    for one, other in zip(jaxpr_as_fun(given)(V), jaxpr_as_fun(made)(V), strict=True):
        assert np.asarray(one).tobytes() == np.asarray(other).tobytes()
    assert str(cse(made)) == str(made)
    assert count(made) <= count(given)


@pytest.mark.parametrize("function", FEWER)
def test_equal_equations_are_one(function) -> None:
    """Sines of one sum are computed once, equal functions are called once, all results of a merged equation serve."""
    given = jax.make_jaxpr(function)(V)
    assert (count(given), count(cse(given))) == FEWER[function]


def test_inner_equations_are_merged() -> None:
    """A body of a loop and each branch lose their doubles."""
    text = str(cse(jax.make_jaxpr(loop)(V)))
    assert [text.count(name) for name in ("tanh", "= sin", "= cos")] == [1, 1, 1]


def test_what_differs_is_kept_apart() -> None:
    """Zeros of unlike sign, numbers of unlike type, and parameters that differ make unlike equations."""

    def unlike(v):
        return (
            v * 0.0,
            v * -0.0,
            v.sum(),
            v.reshape(2, 3).sum(0),
            v.reshape(2, 3).sum(1),
            v.astype(int),
            v.astype(float),
        )

    given = jax.make_jaxpr(unlike)(V)
    assert count(cse(given)) == count(given) - 1  # the second reshape
    results = jaxpr_as_fun(cse(given))(V)
    assert np.signbit(np.asarray(results[0])).tolist() != np.signbit(np.asarray(results[1])).tolist()


def test_effects_are_kept(capsys: pytest.CaptureFixture[str]) -> None:
    """What prints twice prints twice."""

    def loud(v):
        jax.debug.print("here")
        jax.debug.print("here")
        return jnp.sin(v) + jnp.sin(v)

    made = cse(jax.make_jaxpr(loud)(V))
    jaxpr_as_fun(made)(V)
    jax.effects_barrier()
    assert capsys.readouterr().out == "here\nhere\n"
    assert str(made).count("= sin") == 1


def test_an_open_jaxpr_stays_open() -> None:
    """Given the jaxpr without its constants, the answer is one."""
    given = jax.make_jaxpr(twice)(V)
    assert str(cse(given.jaxpr)) == str(cse(given).jaxpr)
