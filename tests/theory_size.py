"""Graphs as arrays, at size: `python -m tests.theory_size 10000000` says what a normalisation takes.

A graph of ands and nots over a thousand free names goes in and comes out as four arrays. What Python itself holds
afterwards must not have grown by an object for each node.
"""

from __future__ import annotations

import resource
import sys
import time
from dataclasses import dataclass

import numpy as np

import prism
from prism.vm.engines.session import Session
from prism.vm.term.build import GraphBuilder
from prism.vm.term.graph import TermGraph
from prism.vm.theory.library import load

NAMES = 1000
LAYERS = 8


@dataclass(frozen=True, slots=True)
class Measured:
    """Rows in and out, rule applications, seconds, Python's own blocks of memory that were added, peak bytes."""

    rows: int
    normal_rows: int
    steps: int
    seconds: float
    blocks: int
    peak: int

    def __str__(self) -> str:
        return (
            f"{self.rows:,} rows in, {self.normal_rows:,} out, {self.steps:,} rule applications, {self.seconds:.2f} s, "
            f"{self.blocks} more blocks of Python's memory, peak of the process {self.peak / 2**20:,.0f} MiB"
        )


def gates(size: int, seed: int = 0) -> TermGraph:
    """Return about `size` rows of the theory `boolean`, in layers over the layer before; the last are the roots."""
    signature, choose = load("boolean").signature, np.random.default_rng(seed)
    builder = GraphBuilder()
    names = [builder.symbol(number) for number in range(NAMES)]
    leaves = builder.graph(names)
    width = -(-size // LAYERS)
    layer = np.arange(size) // width
    low = np.where(layer == 0, len(leaves) - NAMES, len(leaves) + (layer - 1) * width)
    high = np.where(layer == 0, len(leaves), low + width)
    first, second = (choose.integers(low, high) for _ in range(2))
    first, second = (np.where(layer == 0, np.array(names)[row % NAMES], row) for row in (first, second))
    is_and = choose.random(size) < 0.7
    op = np.where(is_and, signature.by_name["and"].code, signature.by_name["not"].code)
    return TermGraph(
        np.concatenate([leaves.op, op.astype(np.uint8)]),
        np.concatenate([leaves.a, first.astype(np.int32)]),
        np.concatenate([leaves.b, np.where(is_and, second, 0).astype(np.int32)]),
        np.arange(len(leaves) + layer[-1] * width, len(leaves) + size, dtype=np.int32),
    )


def measured(size: int, session: Session | None = None) -> Measured:
    """Normalise a graph of about `size` rows, after a small one that compiles what is to be compiled."""
    with session or prism.session("boolean") as current:
        current.normal_graph(gates(2))
        graph = gates(size)
        blocks, start = sys.getallocatedblocks(), time.perf_counter()
        outcome = current.normal_graph(graph)
        seconds = time.perf_counter() - start
        blocks = sys.getallocatedblocks() - blocks
    peak = 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return Measured(len(graph), len(outcome.result), int(outcome.steps.sum()), seconds, blocks, peak)


if __name__ == "__main__":
    print(measured(int(float(sys.argv[1])) if sys.argv[1:] else 10_000_000))  # noqa: T201
