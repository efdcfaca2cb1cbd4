"""Launch graphs: recorded in order, hazards named, replayed at once."""

from __future__ import annotations

import threading
from typing import Any

import numpy as np
import pytest

import prism.kernels
from prism.errors import UsageError
from prism.kernels.exec.bound import CpuBound
from prism.kernels.exec.cpu import CpuExecutor
from prism.kernels.exec.faults import FaultError
from prism.kernels.exec.graph import Hazard
from prism.kernels.exec.launch import Launch, linear
from prism.kernels.isa.verify import verify
from tests.unit.kernels.exec.programs import add

pytestmark = [pytest.mark.m8, pytest.mark.clause("EXEC-4")]

CPU = CpuExecutor()


def bound(x: Any, y: Any, out: Any, n: int | None = None) -> CpuBound:
    """Return out := x + y, bound."""
    length = len(out) if n is None else n
    return CPU.bind(Launch(verify(add()), linear(length), {"x": x, "y": y, "out": out}, {"n": length}))


def vectors(*values: float) -> list[np.ndarray[Any, Any]]:
    """Return arrays of eight equal numbers."""
    return [np.full(8, value, np.float32) for value in values]


def test_a_graph_runs_its_launches_in_order() -> None:
    """Nothing runs while it is recorded; each replay runs all, the later ones on what the earlier ones wrote."""
    x, y, z = vectors(1, 2, 0)
    first, second = bound(x, y, z), bound(z, y, x)
    with prism.kernels.graph() as graph:
        first()
        second()
        first()
    assert (len(graph), z[0], x[0]) == (3, 0, 1)
    graph()
    assert (z[0], x[0]) == (7, 5)
    graph()
    assert (z[0], x[0]) == (11, 9)


def test_other_threads_are_not_recorded() -> None:
    """A launch that another thread calls meanwhile runs."""
    x, y, z = vectors(1, 2, 0)
    run = bound(x, y, z)
    with prism.kernels.graph() as graph:
        thread = threading.Thread(target=run)
        thread.start()
        thread.join()
    assert (len(graph), z[0]) == (0, 3)
    graph()


def test_a_graph_of_a_thousand_launches_is_one_call() -> None:
    """A thousand launches on the same sum each add one."""
    x, ones, y = vectors(0, 1, 0)
    forth, back = bound(x, ones, y), bound(y, ones, x)
    with prism.kernels.graph() as graph:
        for _ in range(500):
            forth()
            back()
    graph()
    assert x[0] == 1000


def test_hazards_are_named() -> None:
    """Read after write, write after read and write after write, each with the last that touched the bytes."""
    x, y, z = vectors(1, 2, 0)
    with prism.kernels.graph() as graph:
        bound(x, y, z)()
        bound(z, y, x)()
        bound(y, y[:4].copy(), z[4:], 4)()
    found = set(graph.hazards())
    assert Hazard("raw", 0, 1, ("out", "x")) in found
    assert Hazard("war", 0, 1, ("x", "out")) in found
    assert Hazard("waw", 0, 2, ("out", "out")) in found
    assert Hazard("war", 1, 2, ("x", "out")) in found
    assert all(one.first < one.second for one in found)


def test_an_independent_graph_has_no_hazards() -> None:
    """Launches that share inputs alone are independent; others are refused, both named."""
    x, y, z, w = vectors(1, 2, 0, 0)
    with prism.kernels.graph(independent=True) as graph:
        bound(x, y, z)()
        bound(x, y, w)()
    graph()
    assert (z[0], w[0]) == (3, 3)
    apart = prism.kernels.graph(independent=True)
    apart.__enter__()
    bound(x, y, z)()
    bound(z, y, w)()
    with pytest.raises(UsageError, match="of an independent graph must not touch what another writes, but launch 0"):
        apart.__exit__(None, None, None)


def test_a_fault_ends_a_replay() -> None:
    """The first launch that faults is reported; those before it have run, those after it have not."""
    x, y, z, w, v = vectors(1, 2, 0, 0, 0)
    with prism.kernels.graph() as graph:
        bound(x, y, z)()
        bound(x, y[:3].copy(), w, 8)()
        bound(x, y, v)()
    for _ in range(2):
        z[:] = 0
        with pytest.raises(FaultError, match="lane 3, instruction"):
            graph()
        assert (z[0], w[0], w[3], v[0]) == (3, 3, 0, 0)


def test_a_graph_is_recorded_once() -> None:
    """A graph that is not recorded yet cannot be replayed, and one that is cannot be recorded again."""
    graph = prism.kernels.graph()
    with pytest.raises(UsageError, match="must be recorded before it is replayed; leave its `with` block first"):
        graph()
    with graph:
        pass
    graph()
    with pytest.raises(UsageError, match="must be recorded once, but it has been; make another graph"):
        graph.__enter__()
    with pytest.raises(KeyError), prism.kernels.graph():
        raise KeyError
    assert not CPU.compiled(verify(add())).serial
