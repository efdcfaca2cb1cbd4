"""The entry points: a context that reroutes kernels, and a function that runs one without XLA."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

import jax
import numpy as np

from prism.pallas import compat, debug, hooks
from prism.pallas.execute import execute
from prism.pallas.fast import cache
from prism.pallas.memory import Machine
from prism.pallas.params import InterpretParams


@contextlib.contextmanager
def interpret(**params: Any) -> Iterator[None]:
    """Reroute every Pallas call that is run or lowered inside the context; keywords are `InterpretParams`'s."""
    with hooks.interpret(InterpretParams(**params)):
        yield


def run(function: Callable[..., Any], **params: Any) -> Callable[..., Any]:
    """Return `function` evaluated without XLA: Pallas calls and everything around them in NumPy.

    The result takes and returns pytrees of arrays; outputs are NumPy arrays. Keywords are `InterpretParams`'s.
    """
    settings = InterpretParams(**params)

    def wrapped(*args: Any, **named: Any) -> Any:
        with hooks.interpret(settings):
            jaxpr, shape = jax.make_jaxpr(function, return_shape=True)(*args, **named)
        leaves = jax.tree.leaves((args, named))
        inner, consts = compat.open_jaxpr(jaxpr)
        env = debug.Environment(Machine("run", settings), call=lambda p, xs: execute(cache.prepared(p), xs, settings))
        with np.errstate(all="ignore"):
            results = debug.evaluate(inner, [np.asarray(c) for c in consts], [np.asarray(x) for x in leaves], env)
        return jax.tree.unflatten(jax.tree.structure(shape), [np.asarray(r) for r in results])

    return wrapped


def clear_caches() -> None:
    """Forget every generated program of this process: the next call of a kernel is a first call again."""
    cache.clear()
