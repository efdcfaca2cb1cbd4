"""What launches on arrays of JAX's cost on JAX's device, beside `jax.jit`: python -m tests.device.probe_xla [n ...]."""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from prism.bench import isa_programs
from prism.kernels.exec import pallas, xla
from prism.kernels.exec.launch import linear
from prism.kernels.exec.xla import DeviceLaunch
from prism.kernels.isa.verify import Verified, verify
from prism.kernels.std.table import STANDARD

FORMULA: dict[str, Callable[..., Any]] = {
    "copy": jnp.copy,
    "add": jnp.add,
    "chain": lambda x, y, z: jnp.maximum((x * y + z) * x, y) - z,
    "fused": lambda a, b, c: jax.nn.sigmoid(a * b + c),
    "exp": jnp.exp,
}


def program(name: str, n: int) -> tuple[Verified, dict[str, jax.Array], str, dict[str, int]]:
    """Return a program, its inputs, the name of its output, and its scalars."""
    random = np.random.default_rng(0)
    if name in ("copy", "add", "chain"):
        names = {"copy": "x", "add": "xy", "chain": "xyz"}[name]
        given = {one: jnp.asarray(random.random(n), jnp.float32) for one in names}
        return isa_programs.stream(name), given, "out", {"n": n}
    made = STANDARD[name].make(random, n, np.dtype(np.float32))
    given = {one: jnp.asarray(array) for one, array in made.items()}
    found = STANDARD[name].kernel.program(F="f32")
    [out] = [one.name for one in found.buffers if one.name not in given]
    return verify(found), given, out, {one.name: n for one in found.scalars}


def micros(work: Callable[[], Any]) -> float:
    """Return the median time of a call that is waited for."""
    for _ in range(3):
        jax.block_until_ready(work())
    times = []
    for _ in range(50):
        start = time.perf_counter()
        jax.block_until_ready(work())
        times.append(time.perf_counter() - start)
    return round(1e6 * statistics.median(times), 1)


def lines(name: str, n: int) -> Iterator[str]:
    """Yield the times of one program at one size, and at the least size what it was compiled to."""
    verified, given, out, scalars = program(name, n)
    buffers, formula = {**given, out: jnp.zeros(n, jnp.float32)}, jax.jit(FORMULA[name])
    launch = DeviceLaunch(verified, linear(n), scalars)
    call = xla.function(verified, linear(n))
    with jax.enable_x64(True):
        bare = jax.jit(lambda given: call(given, scalars)[0][out]).lower(buffers).compile()
        text = bare.as_text() or ""
    times = {"launch": micros(lambda: launch(buffers)), "bare": micros(lambda: bare(buffers))}
    times["jax.jit"] = micros(lambda: formula(*given.values()))
    if jax.default_backend() == "gpu":
        made = DeviceLaunch(verified, linear(n), scalars, make=pallas.function)
        times["pallas"] = micros(lambda: made.run(buffers))
    yield f"{name} n={n}: " + ", ".join(f"{one} {value} us" for one, value in times.items())
    if n == min(SIZES):
        yield text[text.index("ENTRY") :].strip()


SIZES = [int(one) for one in sys.argv[1:]] or [1 << 10, 1 << 24]

if __name__ == "__main__":
    for name in FORMULA:
        for n in SIZES:
            sys.stdout.write("\n".join(lines(name, n)) + "\n")
