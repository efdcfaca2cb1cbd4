"""Rerouting: which Pallas calls reach the interpreter, eagerly or from inside compiled programs."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from typing import Any

import jax
import numpy as np

from prism.pallas import compat
from prism.pallas.execute import execute
from prism.pallas.params import InterpretParams
from prism.pallas.prepared import cache

_LOCK = threading.Lock()


class Outcome:
    """The error of the last failed callback of the process, taken once."""

    __slots__ = ("_error",)

    def __init__(self) -> None:
        self._error: Exception | None = None

    def put(self, error: Exception) -> None:
        """Keep an error for the caller of the compiled program."""
        with _LOCK:
            self._error = error

    def take(self) -> Exception | None:
        """Return the kept error and forget it."""
        with _LOCK:
            error, self._error = self._error, None
            return error


_outcome = Outcome()


def run_eagerly(params: InterpretParams, parameters: dict[str, Any], *args: Any) -> list[Any]:
    """Run a call on concrete arrays, without XLA."""
    results = execute(cache.prepared(parameters), [compat.to_numpy(a) for a in args], params)
    return [compat.to_jax(r, aval) for r, aval in zip(results, parameters["out_avals"], strict=True)]


def stage(params: InterpretParams, parameters: dict[str, Any], *args: Any) -> list[Any]:
    """Put a callback into a program that is being lowered."""
    prepared = cache.prepared(parameters)
    shapes = [jax.ShapeDtypeStruct(block.shape, block.dtype) for block in prepared.call.outputs]

    def host(*arrays: Any) -> list[Any]:
        try:
            return [np.array(r, order="C") for r in execute(prepared, [np.asarray(a) for a in arrays], params)]
        except Exception as error:
            _outcome.put(error)
            raise

    return jax.pure_callback(host, shapes, *args, vmap_method="sequential")


@contextlib.contextmanager
def interpret(params: InterpretParams) -> Iterator[None]:
    """Reroute every Pallas call that is run or lowered inside the context [PALLAS-2]."""
    with compat.force(params):
        yield


def install() -> None:
    """Install the rerouting; calls that are not ours go where they went before."""
    compat.install(run_eagerly, stage, _outcome.take)
