"""Compiled kernels write what their functions write, run lane by lane as Python, to the bit."""

from __future__ import annotations

import pytest
from hypothesis import settings

from prism.kernels.exec.table import EXECUTORS
from prism.kernels.isa.verify import verify
from prism.kernels.lower.program import lower
from prism.kernels.schema.codec import dumps, loads
from tests.kernel_generator import kernel_source
from tests.kernels_python import COUNT, differences, made

pytestmark = [pytest.mark.m8, pytest.mark.clause("KERNELS-10")]

DEEP = settings().max_examples >= 2000
SEEDS = range(COUNT) if DEEP else range(0, COUNT, 15)
"""All of them by `pytest --hypothesis-profile deep`, or by `python -m tests.kernels_python`."""


@pytest.mark.clause("KERNELS-9")
@pytest.mark.parametrize("executor", [one for one in EXECUTORS if one in ("numpy", "cpu")])
@pytest.mark.slow
def test_compiled_kernels_equal_plain_python(executor: str) -> None:
    """Kernels of all statements, operators and types: each array is the same, element by element.

    On the executors that round each operation once; XLA may contract a product and a sum.
    """
    seeds = SEEDS if DEEP or executor == "numpy" else SEEDS[:: len(SEEDS) // 2]
    for seed in seeds:
        wrong = differences(seed, executor)
        assert wrong == [], f"kernel {seed}: {wrong}\n{kernel_source(seed)[0]}"


@pytest.mark.slow
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
