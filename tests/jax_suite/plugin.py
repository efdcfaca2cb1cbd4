"""Pytest plugin that runs JAX's own Pallas tests through `prism.pallas` or as they are, one JSON line a test.

It is loaded into a child process by `tests.jax_suite.compare` and touches private JAX for two things that no public
name offers: two test helpers are missing from the wheel and are found in the checkout, and the number of kernels
that reached a stock interpreter, the plain one, the TPU's or the Mosaic GPU's, is counted at its entry.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import warnings
from collections.abc import Callable, Generator, Iterator
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

import jax._src
import jax._src.pallas
import pytest
from jax._src.pallas import hlo_interpreter
from jax._src.pallas.mosaic.interpret import interpret_pallas_call as tpu_interpreter
from jax._src.pallas.mosaic.interpret.params import SharedInterpretParams

import prism.pallas
from prism.pallas.errors import RaceWarning


def pytest_addoption(parser: pytest.Parser) -> None:
    """Declare where the checkout lies, where the lines go and which interpreter runs."""
    group = parser.getgroup("jax-suite")
    group.addoption("--jax-checkout", required=True, type=Path)
    group.addoption("--jax-suite-out", required=True, type=Path)
    group.addoption("--jax-suite-params", default=None, help="JSON object of prism.pallas.interpret; absent: stock")
    group.addoption("--jax-suite-every", default=1, type=int, help="keep every n-th collected test")


def pytest_configure(config: pytest.Config) -> None:
    """Let the checkout provide the modules that the wheel lacks; what the wheel has wins."""
    source = config.option.jax_checkout / "jax" / "_src"
    jax._src.__path__.append(str(source))
    jax._src.pallas.__path__.append(str(source / "pallas"))
    config.pluginmanager.register(Recorder(config), "jax-suite-recorder")


class Races:
    """What our interpreter says where a test asks the stock one's race detector.

    A race that the test does not ask about fails it, unless races are off. The tests run with `races="warn"`, so that a
    kernel with a race goes on to the question.
    """

    def __init__(self, *, off: bool) -> None:
        self._off = off
        self._seen: list[warnings.WarningMessage] = []
        self._asked = False

    @property
    def races_found(self) -> bool:
        """Whether a race has been reported since the test began."""
        self._asked = True
        return any(issubclass(seen.category, RaceWarning) for seen in self._seen)

    @contextlib.contextmanager
    def watched(self) -> Iterator[None]:
        """Collect the warnings of one test."""
        self._asked = False
        with warnings.catch_warnings(record=True) as self._seen:
            warnings.simplefilter("always")
            yield
        races = [seen.message for seen in self._seen if issubclass(seen.category, RaceWarning)]
        if races and not self._asked and not self._off:
            assert isinstance(races[0], RaceWarning)
            raise races[0]


class Recorder:
    """Run each test under the chosen interpreter and append its outcome to the output file."""

    def __init__(self, config: pytest.Config) -> None:
        self._out: Path = config.option.jax_suite_out
        self._every: int = config.option.jax_suite_every
        params = config.option.jax_suite_params
        self._params = None if params is None else json.loads(params)
        self._reached = 0
        self._races = Races(off=(self._params or {}).get("races") == "off")
        self._options: set[str] = set()
        self._note_options()
        hlo_interpreter.pallas_call_hlo_interpret = self._counted(hlo_interpreter.pallas_call_hlo_interpret)
        tpu_interpreter.interpret_pallas_call = self._counted(tpu_interpreter.interpret_pallas_call)
        # The one for GPUs needs absl-py, as its tests do.
        with contextlib.suppress(ImportError):
            from jax._src.pallas.mosaic_gpu.interpret import interpret_pallas_call as gpu_interpreter

            gpu_interpreter.interpret_pallas_call = self._counted(gpu_interpreter.interpret_pallas_call)
            if self._params is not None:
                gpu_interpreter.get_races = lambda: self._races

    def _note_options(self) -> None:
        """Note which of its own options a test asks the stock interpreters for."""
        check, options = SharedInterpretParams.__post_init__, self._options

        def noted(self: SharedInterpretParams) -> None:
            check(self)
            own = (field for field in dataclasses.fields(self) if field.name in _OPTIONS)
            options.update(field.name for field in own if getattr(self, field.name) != field.default)

        SharedInterpretParams.__post_init__ = noted

    def _counted(self, stock: Callable[..., Any]) -> Callable[..., Any]:
        def counted(*args: Any, **kwargs: Any) -> Any:
            self._reached += self._params is None
            return stock(*args, **kwargs)

        return counted

    def _interpreter(self) -> AbstractContextManager[Any]:
        return nullcontext() if self._params is None else prism.pallas.interpret(**{**self._params, "races": "warn"})

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        """Keep every n-th test, so that a sample spreads over the whole file."""
        items[:] = items[:: self._every]

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_call(self, item: pytest.Item) -> Generator[None, object, object]:
        """Run the body under the interpreter; count the kernels that it ran."""
        before = prism.pallas.kernels_run() if self._params is not None else 0
        self._reached = 0
        self._options.clear()
        if self._params is not None:
            tpu_interpreter.races = self._races
        try:
            with self._races.watched(), self._interpreter():
                return (yield)
        finally:
            if self._params is not None:
                self._reached = prism.pallas.kernels_run() - before
            item.stash[_REACHED] = self._reached

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(
        self, item: pytest.Item, call: pytest.CallInfo[None]
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        """Write one line for the body, or for whichever phase before it ended the test."""
        report = yield
        if report.when == "call" or not report.passed:
            line = {
                "test": item.nodeid,
                "outcome": report.outcome,
                "reached": item.stash.get(_REACHED, 0),
                "seconds": round(call.duration, 4),
                "reason": "" if call.excinfo is None else self._because() + _reason(call.excinfo),
            }
            with self._out.open("a", encoding="utf-8") as out:
                out.write(json.dumps(line) + "\n")
        return report

    def _because(self) -> str:
        return f"asks stock for its {', '.join(sorted(self._options))}; " if self._options else ""


_OPTIONS = frozenset(
    (
        "buffer_bounds",
        "grid_point_recorder",
        "num_tma_threads_per_device",
        "out_of_bounds_reads",
        "skip_floating_point_ops",
        "uninitialized_memory",
    )
)
"""What the stock interpreters can be asked for and ours cannot; the rest does not change what a right kernel gives."""
_REACHED = pytest.StashKey[int]()


def _reason(raised: pytest.ExceptionInfo[BaseException]) -> str:
    # The first line, and for a numeric mismatch how large it is.
    first, *rest = [line.strip() for line in str(raised.value).splitlines() if line.strip()] or [""]
    return "; ".join([f"{raised.type.__name__}: {first}"[:300], *(line for line in rest if line.startswith("Max "))])
