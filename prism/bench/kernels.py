"""Bench kernels: the standard kernels beside Numba, jax.jit and, where they are installed, Warp and Taichi."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from importlib.util import find_spec
from typing import Any, Final

import jax
import jax.numpy as jnp
import numpy as np

from prism.bench.harness import Case, Contender, Missing, Row, Tick, race
from prism.bench.kernel_peers import NUMBA, TAICHI, WARP
from prism.kernels.exec.table import EXECUTORS
from prism.kernels.std.table import STANDARD, Arrays, close

AT_LEAST_S: Final = 0.05
"""How long one run of a contender lasts, by repetition."""

JAX: Final[dict[str, Callable[..., Any]]] = {
    "add": jnp.add,
    "mul": jnp.multiply,
    "exp": jnp.exp,
    "sigmoid": jax.nn.sigmoid,
    "gelu": lambda a: jax.nn.gelu(a, approximate=False),
    "fused": lambda a, b, c: jax.nn.sigmoid(a * b + c),
    "sum": jnp.sum,
    "dot": jnp.vdot,
    "softmax": lambda x: jax.nn.softmax(x, axis=1),
    "transpose": lambda a: a.T + 0,
    "gemv": jnp.matmul,
    "gemm": jnp.matmul,
}
"""The standard kernels that are timed, as JAX has them: jitted."""


ON_DEVICE: Final = ("add", "mul", "exp", "sigmoid", "gelu", "fused")
"""Those that are one lane an element, which are timed on arrays that lie on JAX's device too."""


def kernels_bench(
    names: Sequence[str], sizes: Sequence[int], runs: int, executors: Sequence[str] = (), *, tick: Tick
) -> Iterator[Row]:
    """Yield rows of each kernel at each size: ours on each executor, then the peers; f32, results compared.

    The answer of a contender is whether its result is the reference's. Cost: about 0.1 s a contender, size and run.
    """
    for name in names or tuple(JAX):
        for n in sizes:
            given = STANDARD[name].make(np.random.default_rng(n), n, np.dtype(np.float32))
            contenders: list[Contender | Missing] = [
                Contender(f"prism {one}", _ours(name, one, given), at_least_s=AT_LEAST_S)
                for one in executors or [one for one in EXECUTORS if one not in ("numpy", "pallas")] or list(EXECUTORS)
            ]
            if name in ON_DEVICE and "xla" in (executors or EXECUTORS):
                impl = f"prism xla, arrays on {jax.default_backend()}"
                contenders.append(Contender(impl, _on_device(name, given), at_least_s=AT_LEAST_S))
            impl = f"jax.jit {jax.default_backend()}"
            contenders.append(Contender(impl, _jitted(name, given), at_least_s=AT_LEAST_S))
            contenders += [_peer("numba", NUMBA, name, given), _peer("warp", WARP, name, given)]
            contenders.append(_peer("taichi", TAICHI, name, given))
            yield from race(Case("kernels", f"{name} n={n}", n, "elements/s"), contenders, runs=runs, tick=tick)


def _right(name: str, given: Arrays, found: Sequence[Any]) -> bool:
    """Tell whether results are the reference's, with room for another order of sums."""
    expected = STANDARD[name].reference(given)
    bound = max(64.0, 4 * STANDARD[name].ulp)
    return all(
        close(np.asarray(one, want.dtype).reshape(want.shape), want, bound)
        for one, want in zip(found, expected, strict=True)
    )


def _ours(name: str, executor: str, given: Arrays) -> Callable[[], Callable[[], bool]]:
    on = STANDARD[name].kernel.on(executor)
    judged: list[bool] = []

    def work() -> bool:
        found = STANDARD[name].run(on, given)
        if not judged:  # a result is judged once, so that timing is of the work
            judged.append(_right(name, given, found))
        return judged[0]

    return lambda: work


def _jitted(name: str, given: Arrays) -> Callable[[], Callable[[], bool]]:
    function = jax.jit(JAX[name])
    operands = [jnp.asarray(one) for one in given.values() if isinstance(one, np.ndarray)]
    judged: list[bool] = []

    def work() -> bool:
        found = function(*operands).block_until_ready()
        if not judged:
            judged.append(_right(name, given, (np.atleast_1d(np.asarray(found)),)))
        return judged[0]

    return lambda: work


def _on_device(name: str, given: Arrays) -> Callable[[], Callable[[], bool]]:
    """Return a kernel as it is called on arrays of JAX's, which it leaves where they are."""
    kernel = STANDARD[name].kernel
    operands = [jnp.asarray(one) for one in given.values()]
    out, n = jnp.zeros_like(operands[0]), operands[0].size
    judged: list[bool] = []

    def work() -> bool:
        found = kernel(*operands, out, n).block_until_ready()
        if not judged:
            judged.append(_right(name, given, (np.asarray(found),)))
        return judged[0]

    return lambda: work


def _peer(
    package: str, table: dict[str, Callable[[Arrays], Callable[[], Any]]], name: str, given: Arrays
) -> Contender | Missing:
    if find_spec(package) is None:
        return Missing(package, f"{package} is not installed")
    if name not in table:
        return Missing(package, f"no {name} is written for {package}")
    judged: list[bool] = []

    def prepare() -> Callable[[], bool]:
        call = table[name](given)

        def work() -> bool:
            found = call()
            if not judged:
                judged.append(_right(name, given, (np.atleast_1d(np.asarray(found)),)))
            return judged[0]

        return work

    return Contender(package, prepare, at_least_s=AT_LEAST_S)
