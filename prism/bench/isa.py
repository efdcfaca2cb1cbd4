"""Bench of the instruction set: what a launch costs, how soon a process can make one, how fast lanes run.

Peers do the same work: `jax.jit` on JAX's default device, Numba's loops as one would write them, NumPy. Ours and
Numba's write into arrays that are there, as NumPy does by `out=`; JAX makes its results anew. `prism xla` and
`prism pallas` work, as `jax.jit` does, on arrays that lie on JAX's default device, and all are waited for.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import jax
import jax.numpy as jnp
import numpy as np

from prism.bench import isa_programs
from prism.bench.harness import Answer, Case, Contender, Missing, Row, Tick, race
from prism.bench.isa_peers import JAX, NUMBA, NUMPY
from prism.errors import PrismError, UsageError
from prism.kernels import graph
from prism.kernels.exec import pallas, xla
from prism.kernels.exec.ahead import build
from prism.kernels.exec.call import Function
from prism.kernels.exec.cpu import CpuExecutor
from prism.kernels.exec.launch import Launch, Shape, linear
from prism.kernels.exec.table import EXECUTORS, open_executor
from prism.kernels.exec.xla import DeviceLaunch
from prism.kernels.isa.program import Access

Array = np.ndarray[Any, Any]
Tries = list[Contender | Missing]

MAKERS: Final = {"xla": xla.function, "pallas": pallas.function}
"""Executors that take arrays which lie on JAX's device."""
SIZES: Final = tuple(1 << k for k in range(10, 25, 2))
CASES: Final = ("launch", "cold", "copy", "add", "chain", "reduce", "matmul", "dispatch")
_LAUNCHES: Final = 1000
_STEADY_S: Final = 0.02


def isa_bench(cases: Sequence[str], sizes: Sequence[int], runs: int, *, tick: Tick = lambda _: None) -> Iterator[Row]:
    """Yield the rows of each case, none given means all; `sizes` are the elements of streams and sums."""
    unknown = [one for one in cases if one not in CASES]
    if unknown:
        raise UsageError(f"no case of this bench is called {unknown[0]!r}; choose among {', '.join(CASES)}")
    for name in cases or CASES:
        for case, contenders in _CASES.get(name, _streams)(name, sizes):
            yield from race(case, contenders, runs=runs, tick=tick)


def _streams(name: str, sizes: Sequence[int]) -> Iterator[tuple[Case, Tries]]:
    """Yield a stream at each size; the unit is bytes read and written."""
    inputs = len(_inputs(name, 1))
    for n in sizes:
        given = _inputs(name, n)
        moved = 4 * n * (inputs + 1)
        case = Case("isa", f"{name}, n={n}", moved, "B/s")
        yield case, [*_executors(name, given), *_peers(name, given)]


def _inputs(name: str, n: int) -> dict[str, Array]:
    """Return arrays of small whole numbers: no sum or product is rounded, whichever way it is made."""
    rng = np.random.default_rng(n)
    return {one: rng.integers(0, 4, n).astype(np.float32) for one in {"copy": "x", "add": "xy", "chain": "xyz"}[name]}


def _executors(name: str, given: dict[str, Array]) -> Tries:
    """Return every executor but the definition, which is no contender for speed."""
    n = len(given["x"])

    def prepare(executor: str) -> Callable[[], Callable[[], Answer]]:
        def bound() -> Callable[[], Answer]:
            out = np.empty(n, np.float32)
            launch = Launch(isa_programs.stream(name), linear(n), {**given, "out": out}, {"n": n})
            return (
                _on_device(launch, executor) if executor in MAKERS else _then(open_executor(executor).bind(launch), out)
            )

        return bound

    return [_ours(one, prepare) for one in EXECUTORS if one != "numpy"]


def _ours(
    executor: str, prepare: Callable[[str], Callable[[], Callable[[], Answer]]], how: str = ""
) -> Contender | Missing:
    """Return an executor as a contender; pallas without a GPU is a checker and takes no part."""
    device = jax.default_backend()
    if executor == "pallas" and device != "gpu":
        return Missing("prism pallas", "without a GPU pallas checks programs in NumPy, which is not timed")
    return _contender(f"prism {executor}{f' {device}' if executor in MAKERS else ''}{how}", prepare(executor))


def _on_device(launch: Launch, executor: str) -> Callable[[], Answer]:
    """Return a launch on arrays that lie on JAX's device; its answer is the one array that it writes."""
    call: Callable[..., Any] = DeviceLaunch.of(launch, MAKERS[executor])
    placed = {name: jnp.asarray(one) for name, one in launch.buffers.items()}
    [written] = [one.name for one in launch.verified.program.buffers if one.access is not Access.READ]

    def work() -> Answer:
        found: Any = call(placed)[written].block_until_ready()
        return Answer(found, 0.0)

    return work


def _contender(impl: str, prepare: Callable[[], Callable[[], Answer]]) -> Contender | Missing:
    """Return a contender, or why it cannot take part."""
    try:
        prepare()
    except PrismError as error:
        return Missing(impl, str(error))
    return Contender(impl, prepare, at_least_s=_STEADY_S)


def _then(run: Callable[[], Any], out: Array) -> Callable[[], Answer]:
    def work() -> Answer:
        run()
        return Answer(out, 0.0)

    return work


def _jitted(name: str, given: Sequence[Array]) -> Contender:
    """Return `jax.jit` on arrays that lie on its device."""

    def prepare() -> Callable[[], Answer]:
        function, placed = jax.jit(JAX[name]), [jnp.asarray(one) for one in given]
        return lambda: Answer(function(*placed).block_until_ready(), 0.0)

    return Contender(f"jax.jit {jax.default_backend()}", prepare, at_least_s=_STEADY_S)


def _peers(name: str, given: dict[str, Array], shape: tuple[int, ...] | None = None) -> Tries:
    arrays = list(given.values())

    def prepare(function: Callable[..., Any]) -> Callable[[], Callable[[], Answer]]:
        def ready() -> Callable[[], Answer]:
            out = np.empty(arrays[0].shape if shape is None else shape, np.float32)
            return _then(lambda: function(*arrays, out), out.reshape(()) if shape == (1,) else out)

        return ready

    return [
        _jitted(name, arrays),
        Contender("numba", prepare(NUMBA[name]), at_least_s=_STEADY_S),
        Contender("numpy", prepare(NUMPY[name]), at_least_s=_STEADY_S),
    ]


def _sums(_: str, sizes: Sequence[int]) -> Iterator[tuple[Case, Tries]]:
    """Yield a sum at each size: a graph of two launches, stripes and then their sums."""
    stripe = isa_programs.STRIPE
    for n in sizes:
        x = (np.random.default_rng(n).random(n) < 0.5).astype(np.float32)

        def prepare(x: Array = x, n: int = n) -> Callable[[], Answer]:
            cpu, lanes = CpuExecutor(), max(n // stripe, 1)
            part, out = np.empty(lanes, np.float32), np.empty(1, np.float32)
            if n < stripe:
                run = cpu.bind(Launch(isa_programs.total(), Shape(), {"x": x, "out": out}, {"n": n}))
                return _then(run, out.reshape(()))
            first = cpu.bind(Launch(isa_programs.stripes(), linear(lanes, 1), {"x": x, "part": part}))
            last = cpu.bind(Launch(isa_programs.total(), Shape(), {"x": part, "out": out}, {"n": lanes}))
            return _then(lambda: (first(), last()), out.reshape(()))

        ours = Contender("prism cpu", prepare, at_least_s=_STEADY_S)
        yield Case("isa", f"reduce, n={n}", 4 * n, "B/s"), [ours, *_peers("reduce", {"x": x}, (1,))]


def _matmuls(_: str, sizes: Sequence[int]) -> Iterator[tuple[Case, Tries]]:
    """Yield the product of two matrices: the standard kernel, a lane an element, and what the peers have."""
    del sizes
    side = isa_programs.SIDE
    rng = np.random.default_rng(0)
    given = {one: rng.integers(0, 4, (side, side)).astype(np.float32) for one in "xy"}

    def prepare(executor: str) -> Callable[[], Callable[[], Answer]]:
        def bound() -> Callable[[], Answer]:
            out = np.empty((side, side), np.float32)
            launch = Launch(isa_programs.matmul(), linear(side * side), {**given, "out": out})
            return (
                _on_device(launch, executor) if executor in MAKERS else _then(open_executor(executor).bind(launch), out)
            )

        return bound

    def tiles() -> Callable[[], Answer]:
        out = np.empty((side, side), np.float32)
        return _then(CpuExecutor().bind(isa_programs.tiled(given["x"], given["y"], out)), out)

    ours = [_ours(one, prepare, ", a lane an element") for one in EXECUTORS if one != "numpy"]
    ours.append(_contender("prism cpu, standard gemm", tiles))
    yield Case("isa", f"matmul {side}", 2 * side**3, "flop/s"), [*ours, *_peers("matmul", given, (side, side))]


def _launches(_: str, sizes: Sequence[int]) -> Iterator[tuple[Case, Tries]]:
    """Yield a thousand launches of one lane: what a launch costs is a thousandth."""
    del sizes
    x, y = np.ones(1, np.float32), np.ones(1, np.float32)
    verified, shape = isa_programs.stream("add"), Shape()
    cpu = CpuExecutor()

    def bound() -> Callable[[], Any]:
        return cpu.bind(Launch(verified, shape, {"x": x, "y": y, "out": np.empty(1, np.float32)}, {"n": 1}))

    def called() -> Callable[[], Any]:
        function, out = Function(verified, cpu), np.empty(1, np.float32)
        return lambda: function(x, y, out, 1, shape=shape)

    def looked_up() -> Callable[[], Any]:
        return lambda: cpu.compiled(verified)

    def jitted() -> Callable[[], Any]:
        function, a, b = jax.jit(jnp.add), jnp.asarray(x), jnp.asarray(y)
        return lambda: function(a, b).block_until_ready()

    out, loop = np.empty(1, np.float32), NUMBA["add"]
    ways: dict[str, Callable[[], Callable[[], Any]]] = {
        "prism bound call": bound,
        "prism call": called,
        f"jax.jit {jax.default_backend()}": jitted,
        "numba": lambda: lambda: loop(x, y, out),
        "numpy": lambda: lambda: np.add(x, y, out=out),
    }

    def many(way: Callable[[], Callable[[], Any]]) -> Callable[[], Callable[[], None]]:
        def prepare() -> Callable[[], None]:
            run = way()

            def work() -> None:
                for _ in range(_LAUNCHES):
                    run()

            return work

        return prepare

    def replayed() -> Callable[[], Any]:
        with graph() as recorded:
            for _ in range(_LAUNCHES):
                bound()()
        return recorded

    tries = [Contender("prism graph", replayed, at_least_s=_STEADY_S)]
    tries += [Contender(impl, many(way), at_least_s=_STEADY_S) for impl, way in ways.items()]
    yield Case("isa", f"{_LAUNCHES} launches, n=1", _LAUNCHES, "launches/s"), [*tries]
    found = Contender("prism cpu", many(looked_up), at_least_s=_STEADY_S)
    yield Case("isa", f"{_LAUNCHES} warm look-ups of compiled code", _LAUNCHES, "look-ups/s"), [found]


_COLD: Final = """
import sys
import numpy as np
x, y, out = np.ones(4, np.float32), np.ones(4, np.float32), np.empty(4, np.float32)
"""
_COLD_PRISM: Final = """
from prism.kernels.exec.ahead import load
from prism.kernels.exec.launch import linear
load(sys.argv[1])["add"](x, y, out, 4, shape=linear(4))
"""
_COLD_COMPILED: Final = """
from pathlib import Path
from prism.kernels.cache.store import Store
from prism.kernels.exec.call import Function
from prism.kernels.exec.cpu import CpuExecutor
from prism.kernels.exec.launch import linear
from prism.kernels.isa.codec import load
from prism.kernels.isa.verify import verify
store = Store(Path(sys.argv[1]) / "nothing kept", max_bytes=0)
Function(verify(load(Path(sys.argv[1]) / "add.pisa")), CpuExecutor(store))(x, y, out, 4, shape=linear(4))
"""
_COLD_JAX: Final = """
import jax
out = np.asarray(jax.jit(lambda x, y: x + y)(x, y))
"""
_COLD_NUMBA: Final = """
import numba
@numba.njit
def add(x, y, out):
    for k in range(len(x)):
        out[k] = x[k] + y[k]
add(x, y, out)
"""


def _cold(_: str, sizes: Sequence[int]) -> Iterator[tuple[Case, Tries]]:
    """Yield a whole process that makes one launch, from its start to its end."""
    from prism.kernels.isa.codec import save

    del sizes
    program = isa_programs.stream("add").program
    with tempfile.TemporaryDirectory() as folder:
        list(build([program], Path(folder)))
        save(Path(folder) / "add.pisa", program)

        def process(source: str) -> Callable[[], Callable[[], None]]:
            command = [sys.executable, "-c", f"{_COLD}{source}\nassert (out == 2).all()", folder]

            def work() -> None:
                subprocess.run(command, check=True, capture_output=True)

            return lambda: work

        contenders = {
            "prism from artefact": _COLD_PRISM,
            "prism compiling": _COLD_COMPILED,
            "jax.jit": _COLD_JAX,
            "numba": _COLD_NUMBA,
            "python with numpy": "np.add(x, y, out=out)",
        }
        tries = [Contender(impl, process(source), warm=False) for impl, source in contenders.items()]
        yield Case("isa", "cold start, a process with one launch", 1, "processes/s"), [*tries]


def _dispatches(_: str, sizes: Sequence[int]) -> Iterator[tuple[Case, Tries]]:
    """Yield how many instructions a second the definition dispatches, beside the same program compiled."""
    del sizes
    verified, each = isa_programs.counting()
    for lanes, turns in ((1, 2000), (4096, 500)):

        def prepare(executor: str, lanes: int = lanes, turns: int = turns) -> Callable[[], Callable[[], Answer]]:
            def bound() -> Callable[[], Answer]:
                out = np.zeros(lanes, np.uint32)
                launch = Launch(verified, linear(lanes, min(lanes, 256)), {"out": out}, {"n": turns})
                return _then(open_executor(executor).bind(launch), out)

            return bound

        tries: Tries = [_ours(one, prepare) for one in EXECUTORS]
        yield Case("isa", f"dispatch, {lanes} lanes", each * turns * lanes, "instructions/s"), tries


_CASES: Final[dict[str, Callable[[str, Sequence[int]], Iterator[tuple[Case, Tries]]]]] = {
    "launch": _launches,
    "cold": _cold,
    "reduce": _sums,
    "matmul": _matmuls,
    "dispatch": _dispatches,
}
