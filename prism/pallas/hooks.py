"""Rerouting: which Pallas calls reach the interpreter, eagerly or from inside compiled programs."""

from __future__ import annotations

import contextlib
import logging
import threading
from collections.abc import Iterator

import jax
import numpy as np

from prism.pallas import compat
from prism.pallas.cache import cache
from prism.pallas.chip import pretend
from prism.pallas.dtypes import Numeric, Parameters
from prism.pallas.execute import execute
from prism.pallas.params import InterpretParams


class Edge:
    """Where a compiled program with callbacks of ours is run and waited for: their error is raised with its own type.

    JAX logs what a callback raises, because the program may be one that nobody waits for; here it need not.
    """

    __slots__ = ("_entered", "_error", "_lock")

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._entered = 0
        self._error: Exception | None = None

    def put(self, error: Exception) -> None:
        """Keep the error of a callback for the caller of the program."""
        with self._lock:
            self._error = error

    def is_news(self, record: logging.LogRecord) -> bool:
        """Whether a record of JAX's log says more than the caller is told."""
        error = record.exc_info[1] if record.exc_info else None
        with self._lock:
            return not self._entered or error is None or error is not self._error

    def __enter__(self) -> None:
        with self._lock:
            self._entered += 1

    def __exit__(self, kind: object, error: BaseException | None, traceback: object) -> None:
        with self._lock:
            self._entered -= 1
            own = None
            if isinstance(error, jax.errors.JaxRuntimeError):
                own, self._error = self._error, None
        if own is not None:
            raise own.with_traceback(None) from None


_edge = Edge()


def run_eagerly(params: InterpretParams, parameters: Parameters, *args: Numeric) -> list[Numeric]:
    """Run a call on concrete arrays, without XLA."""
    results = execute(cache.prepared(parameters), [compat.to_numpy(a) for a in args], params)
    return [compat.to_jax(r, aval) for r, aval in zip(results, parameters["out_avals"], strict=True)]


def stage(params: InterpretParams, parameters: Parameters, *args: Numeric) -> list[Numeric]:
    """Put a callback into a program that is being lowered."""
    prepared = cache.prepared(parameters)
    shapes = [jax.ShapeDtypeStruct(block.shape, block.dtype) for block in prepared.call.outputs]

    def host(*arrays: Numeric) -> list[Numeric]:
        try:
            return [np.array(r, order="C") for r in execute(prepared, [np.asarray(a) for a in arrays], params)]
        except Exception as error:
            _edge.put(error)
            raise

    return jax.pure_callback(host, shapes, *args, vmap_method="sequential")


@contextlib.contextmanager
def interpret(params: InterpretParams) -> Iterator[None]:
    """Reroute every Pallas call that is run or lowered inside the context [PALLAS-2]."""
    if params.chip is not None:
        pretend.install(compat.forced)
    with compat.force(params):
        yield


def install() -> None:
    """Install the rerouting; calls that are not ours go where they went before."""
    compat.install(run_eagerly, stage, _edge)
    logging.getLogger(compat.CALLBACK_LOGGER).addFilter(_edge.is_news)
