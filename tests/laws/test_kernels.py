"""Compiled kernels write what their functions write, run lane by lane as Python, to the bit."""

from __future__ import annotations

import linecache
from typing import Any

import numpy as np
import pytest
from hypothesis import settings

from prism.kernels.api import Kernel
from prism.kernels.exec.table import EXECUTORS
from prism.kernels.isa.verify import verify
from prism.kernels.lower.program import lower
from prism.kernels.schema.codec import dumps, loads
from tests.kernel_generator import LANES, arguments, kernel_source, same

pytestmark = [pytest.mark.m8, pytest.mark.clause("KERNELS-10")]

DEEP = settings().max_examples >= 2000
SEEDS = range(300) if DEEP else range(0, 300, 15)
"""All of the 300 kernels by `pytest --hypothesis-profile deep`."""


def made(seed: int) -> tuple[Kernel, list[str]]:
    """Return kernel number `seed` as a live object, and the types of its arrays."""
    source, types = kernel_source(seed)
    file = f"<kernel {seed}>"
    linecache.cache[file] = (len(source), None, source.splitlines(keepends=True), file)
    names: dict[str, Any] = {}
    exec(compile(source, file, "exec"), names)
    return names["k"], types


@pytest.mark.clause("KERNELS-9")
@pytest.mark.parametrize("executor", [one for one in EXECUTORS if one in ("numpy", "cpu")])
@pytest.mark.slow
def test_compiled_kernels_equal_plain_python(executor: str) -> None:
    """Kernels of all statements, operators and types: each array is the same, element by element.

    On the executors that round each operation once; XLA may contract a product and a sum.
    """
    seeds = SEEDS if DEEP or executor == "numpy" else SEEDS[:: len(SEEDS) // 2]
    for seed in seeds:
        kernel, types = made(seed)
        compiled, plain = arguments(seed, types), arguments(seed, types)
        for lane in range(LANES):
            kernel.python(lane, **plain, grid=LANES)
        kernel.on(executor)[LANES](**compiled)
        wrong = [name for name, one in plain.items() if isinstance(one, np.ndarray) and not same(one, compiled[name])]
        assert wrong == [], f"kernel {seed}: {wrong}\n{kernel_source(seed)[0]}"


@pytest.mark.clause("KERNELS-11")
def test_kernels_survive_json() -> None:
    """Each program passes verification; from its JSON, written and read, comes the same program."""
    for seed in SEEDS:
        kernel, _ = made(seed)
        records = kernel.schema()
        again = loads(dumps(records))
        assert dumps(again) == dumps(records)
        assert lower(again) == kernel.program()
        assert verify(kernel.program()).program == kernel.program()
