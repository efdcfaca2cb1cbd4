"""Workloads: the programs that benches and comparisons of engines run, by name."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np

from prism.vm.term.graph import TermGraph
from prism.vm.term.ops import ADD, SUC


@dataclass(frozen=True, slots=True)
class Workload:
    """A program as text, made on demand, and what it stands for."""

    doc: str
    text: Callable[[], str]


def balanced(depth: int) -> str:
    """Return a balanced tree of `add` over 2^depth leaves from 0 to 9, not shared."""
    draw = random.Random(depth)
    level = [str(draw.randrange(10)) for _ in range(1 << depth)]
    while len(level) > 1:
        level = [f"(add {left} {right})" for left, right in zip(level[::2], level[1::2], strict=True)]
    return level[0]


def shared(depth: int, leaf: str) -> str:
    """Return x_depth, where x_0 is the leaf and x_{i+1} is (add x_i x_i): depth nodes that unfold to 2^depth."""
    doubling = [f"(def x{i + 1} (add x{i} x{i}))" for i in range(depth)]
    return "\n".join([f"(def x0 {leaf})", *doubling, f"x{depth}"])


def chained(length: int) -> str:
    """Return a chain of `add` that is as deep as it is long: (add 1 (add 1 ... 0))."""
    return "(add 1 " * length + "0" + ")" * length


def independent(count: int) -> str:
    """Return so many small terms (add m (mul n k)), a line each, with m below 100 and n and k below 10."""
    draw = random.Random(count)
    return "\n".join(
        f"(add {draw.randrange(100)} (mul {draw.randrange(10)} {draw.randrange(10)}))" for _ in range(count)
    )


_MOST: Final = 8


def wide(count: int) -> TermGraph:
    """Return so many distinct sums (add i j), i from 1 to 8, over one chain of numerals: rows in topological order."""
    chains = count // _MOST
    n_numerals, n_sums = chains + _MOST, chains * _MOST
    op = np.concatenate([[0, 1], np.full(n_numerals, SUC.code), np.full(n_sums, ADD.code)]).astype(np.uint8)
    small, large = np.tile(np.arange(2, 2 + _MOST), chains), np.repeat(np.arange(chains) + 2 + _MOST, _MOST)
    a = np.concatenate([[0, 0], np.arange(1, n_numerals + 1), small]).astype(np.int32)
    b = np.concatenate([np.zeros(2 + n_numerals), large]).astype(np.int32)
    return TermGraph(op, a, b, np.arange(2 + n_numerals, len(op), dtype=np.int32))


WORKLOADS: Final[Mapping[str, Workload]] = {
    "balanced": Workload("balanced adds over 1024 leaves", lambda: balanced(10)),
    "product": Workload("a multiplication, 64 by 64", lambda: "(mul 64 64)"),
    "products": Workload("all products up to 12 by 12", lambda: "\n".join(_products(12))),
    "shared-zero": Workload("a shared tree of depth 40 over zero", lambda: shared(40, "zero")),
    "shared-one": Workload("a shared tree of depth 12 over one", lambda: shared(12, "1")),
    "chain": Workload("a chain of 1000 adds", lambda: chained(1000)),
    "sum": Workload("one long addition, 1000 and 1000", lambda: "(add 1000 1000)"),
    "same": Workload("10^5 times (add 8 8)", lambda: "(add 8 8)\n" * 100_000),
    "independent": Workload("10^5 small terms", lambda: independent(100_000)),
}


def _products(most: int) -> list[str]:
    return [f"(mul {m} {n})" for m in range(most + 1) for n in range(most + 1)]
