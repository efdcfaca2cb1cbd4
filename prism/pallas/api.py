"""The entry points: a context that reroutes kernels, and a function that runs one without XLA."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import jax
import numpy as np

from prism.errors import PrismError
from prism.pallas import debug, fast, hooks
from prism.pallas.cache import Prepared, cache
from prism.pallas.chip.table import CHIPS
from prism.pallas.cost.profile import KernelProfile, Profile, measure
from prism.pallas.dtypes import FILLERS, Numeric, Parameters
from prism.pallas.execute import Held, execute, tell
from prism.pallas.kernel import Kernel
from prism.pallas.machine import Machine
from prism.pallas.params import InterpretParams
from prism.pallas.planning import choice_of
from prism.pallas.read import on_host, read, types_of

Show = Callable[[Prepared, list[Any], InterpretParams], str]
Call = Callable[..., list[Any]]


@contextlib.contextmanager
def interpret(**params: Any) -> Iterator[None]:
    """Reroute every Pallas call that is run or lowered inside the context; keywords are `InterpretParams`'s."""
    with hooks.interpret(InterpretParams(**params)):
        yield


def run(function: Callable[..., Any], **params: Any) -> Callable[..., Any]:
    """Return `function` evaluated without XLA: Pallas calls and everything around them in NumPy.

    The result takes and returns pytrees of arrays; outputs are NumPy arrays. It traces `function` once for each
    combination of shapes and element types. Keywords are `InterpretParams`'s.
    """
    settings = InterpretParams(**params)
    traced: dict[Any, _Traced] = {}

    def call(parameters: Parameters, operands: list[Any], held: Held) -> list[Any]:
        return execute(cache.prepared(parameters), operands, settings, held)

    def wrapped(*args: Any, **named: Any) -> Any:
        leaves, tree = jax.tree.flatten((args, named))
        key = (tree, *types_of(leaves))
        if key not in traced:
            traced[key] = _trace(function, settings, args, named, call)
        try:
            return traced[key].evaluate(leaves)
        except PrismError as error:
            raise error.with_traceback(None) from None

    return wrapped


@dataclass(frozen=True, slots=True)
class _Traced:
    """A traced function: its equations, the tree of its results, and what its evaluation refers to."""

    kernel: Kernel
    results: Any
    env: debug.Environment

    def evaluate(self, leaves: Sequence[Any]) -> Any:
        """Evaluate, and again with other fillers if a kernel's output depends on unwritten memory: does a result?"""
        operands, held = [on_host(x) for x in leaves], Held()
        results = self._once(operands, held)
        if held.findings and any(self._differs(results, operands, filler) for filler in range(1, FILLERS)):
            tell(held.findings[0], self.env.machine.params)
        return jax.tree.unflatten(self.results, results)

    def _differs(self, results: list[Any], operands: list[Any], filler: int) -> bool:
        others = self._once(operands, Held(filler))
        return not all(fast.same(a, b) for a, b in zip(results, others, strict=True))

    def _once(self, operands: list[Any], held: Held) -> list[Any]:
        call = None if self.env.call is None else partial(self.env.call, held=held)
        machine = replace(self.env.machine, filler=held.filler)
        with np.errstate(all="ignore"):
            results = debug.evaluate(self.kernel, operands, replace(self.env, machine=machine, call=call))
        return [np.asarray(r) for r in results]


def _trace(function: Callable[..., Any], settings: InterpretParams, args: Any, named: Any, call: Call) -> _Traced:
    with hooks.interpret(settings):
        jaxpr, shape = jax.make_jaxpr(function, return_shape=True)(*args, **named)
    env = debug.Environment(Machine("run", settings), call=call)
    return _Traced(read(jaxpr, outside=True), jax.tree.structure(shape), env)


def source(function: Callable[..., Any], **params: Any) -> Callable[..., str]:
    """Return a function that prints, and returns, the NumPy source of every kernel that `function` calls.

    Each line bears the place in the kernel of which it is the translation. A kernel that only debug mode can run is
    shown as a comment that says so.
    """
    return _shown(function, InterpretParams(**params), fast.source_of)


def explain(function: Callable[..., Any], **params: Any) -> Callable[..., str]:
    """Return a function that prints, and returns, how every kernel that `function` calls is run, and why so.

    For each grid axis it says whether its steps are batched, and for each form what it is or why there is none. What a
    form meets while it runs, such as memory that nobody wrote, may still make debug mode run the kernel again.
    """
    return _shown(function, InterpretParams(**params), lambda *call: str(choice_of(*call)))


def profile(function: Callable[..., Numeric], chip: str = "v5e", **params: Numeric) -> Callable[..., Profile]:
    """Return a function that runs every kernel that `function` calls once, in debug mode, and returns what it cost.

    The result's `str` is a table, and its `plot(path)` draws the kernels under the roofline of the chip, which is
    pretended. Counts are exact for the operands that are given: branches and loops are counted as often as they ran.
    """
    settings = InterpretParams(chip=chip, **params)

    def wrapped(*args: Numeric, **named: Numeric) -> Profile:
        found: list[KernelProfile] = []

        def call(parameters: Parameters, operands: list[Numeric], held: Held) -> list[Numeric]:
            if held.filler:
                return execute(cache.prepared(parameters), operands, settings, held)
            one, results = measure(cache.prepared(parameters), operands, settings, CHIPS[chip])
            found.append(one)
            return results

        _trace(function, settings, args, named, call).evaluate(jax.tree.leaves((args, named)))
        return Profile(tuple(found))

    return wrapped


def _shown(function: Callable[..., Any], settings: InterpretParams, show: Show) -> Callable[..., str]:
    def wrapped(*args: Any, **named: Any) -> str:
        texts: list[str] = []

        def call(parameters: Parameters, operands: list[Any], held: Held) -> list[Any]:
            if not held.filler:
                texts.append(show(cache.prepared(parameters), operands, settings))
            return execute(cache.prepared(parameters), operands, settings, held)

        _trace(function, settings, args, named, call).evaluate(jax.tree.leaves((args, named)))
        text = "\n".join(texts)
        sys.stdout.write(text)
        return text

    return wrapped


def clear_caches() -> None:
    """Forget every generated program of this process: the next call of a kernel is a first call again."""
    cache.clear()
