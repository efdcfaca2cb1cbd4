"""Bench of compiling: a kernel of thirty lines from its file to a verified program, no code of a back end made."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

from prism.bench.harness import Case, Contender, Row, Tick, race
from prism.kernels.isa.program import Program
from prism.kernels.isa.verify import Verified, verify
from prism.kernels.lower.program import lower
from prism.kernels.schema.inference import schema_of
from prism.kernels.schema.records import Kernel
from prism.kernels.schema.source import definitions_of

SOURCE: Final = """\
from prism import DeviceArray, barrier, block_sum, exp, f32, get_block_id, get_block_size, get_local_id, kernel
from prism import shared, sqrt, u32

@kernel
def attention_row(q: DeviceArray[f32], k: DeviceArray[f32], out: DeviceArray[f32], scale: f32, n: u32, width: u32):
    weights = shared(f32, 256)
    lane = get_local_id()
    row = get_block_id()
    best = f32(-3.0e38)
    for j in range(n):
        part = f32(0)
        c = lane
        while c < width:
            part += q[row, c] * k[j, c]
            c += get_block_size()
        score = block_sum(part)
        score = score * scale / sqrt(f32(width))
        if lane == j % 256:
            weights[lane] = score
        best = max(best, score)
    barrier()
    part = f32(0)
    j = lane
    while j < n:
        part += exp(weights[j % 256] - best) if j < 256 else 0.0
        j += get_block_size()
    whole = block_sum(part)
    share = 1.0 / whole
    c = lane
    while c < width:
        value = f32(0)
        for j in range(n):
            value += exp(weights[j % 256] - best) * k[j, c]
        out[row, c] = value * share
        c += get_block_size()
"""
"""A file of one kernel, whose body has thirty lines."""
AT_LEAST_S: Final = 0.1


def compile_bench(runs: int, *, tick: Tick = lambda _: None) -> Iterator[Row]:
    """Yield a row for the whole way and one for each stage of it; nothing is kept from one compilation to the next."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "kernel.py"
        file.write_text(SOURCE, encoding="utf-8")

        def read() -> Kernel:
            (definition,) = definitions_of(file).values()
            return schema_of(definition, {})

        records = read()
        program = lower(records)

        def everything() -> Verified:
            return _verified(lower(read()))

        stages: dict[str, Callable[[], object]] = {
            "prism, source to verified program": everything,
            "prism, read and infer": read,
            "prism, lower": lambda: lower(records),
            "prism, verify": lambda: _verified(program),
        }
        for impl, work in stages.items():
            contender = Contender(impl, lambda work=work: work, at_least_s=AT_LEAST_S)
            yield from race(Case("kernels", "compile 30 lines", 1, "programs/s"), [contender], runs=runs, tick=tick)


def _verified(program: Program) -> Verified:
    return verify.__wrapped__(program)  # as a program that was not met before
