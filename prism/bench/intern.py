"""Bench of interning: both ledger engines and their peers on one batch of random keys, half of them duplicates."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Final

import jax
import numpy as np
from numpy.typing import NDArray

from prism.bench.harness import Case, Contender, Missing, Row, Tick, race
from prism.errors import UsageError
from prism.vm.ledger.api import Ledger
from prism.vm.ledger.device import DeviceLedger, default_probing, intern_in_place, widen
from prism.vm.ledger.host import HostLedger
from prism.vm.ledger.key import WIDE
from prism.vm.ledger.probing import ROUNDS
from prism.vm.term.ops import ADD, MUL

Batch = tuple[NDArray[np.uint8], NDArray[np.int32], NDArray[np.int32]]

_OPERANDS: Final = 1 << 14
"""Nodes that the ledger holds before the batch, of which its operands are drawn."""

_EGGLOG: Final = """
(sort Node)
(constructor Apply (i64 i64 i64) Node)
(relation row (i64 i64 i64))
(rule ((row op a b)) ((Apply op a b)))
(input row "{path}")
(run 1)
(print-size Apply)
"""


def intern_bench(sizes: Sequence[int], runs: int, *, tick: Tick = lambda _: None) -> Iterator[Row]:
    """Yield the rows of each batch size: nodes a second, from arrays of nodes (or of their keys) to an id for each.

    The answer that contenders must agree on is the number of distinct nodes; the two ledgers' ids agree by test.
    """
    for size in sizes:
        if not 2 <= size <= WIDE.max_id:
            raise UsageError(
                f"a batch of which half are duplicates must have from 2 to {WIDE.max_id} nodes, got {size}; change --n"
            )
    with tempfile.TemporaryDirectory() as folder:
        for size in sizes:
            batch = random_batch(size, seed=size)
            contenders = _contenders(batch, Path(folder) / "rows.tsv")
            yield from race(Case("intern", f"n={size}", size, "nodes/s"), contenders, runs=runs, tick=tick)


def random_batch(size: int, *, seed: int) -> Batch:
    """Return `size` nodes in canonical operand order, of which the second half repeats the first, shuffled."""
    random = np.random.default_rng(seed)
    fresh = size - size // 2
    op = random.choice(np.array([ADD.code, MUL.code], np.uint8), fresh)
    pair = np.sort(random.integers(1, _OPERANDS, (2, fresh), dtype=np.int32), axis=0)
    order = random.permutation(size) % fresh
    return op[order], pair[0][order], pair[1][order]


def _contenders(batch: Batch, path: Path) -> list[Contender | Missing]:
    keys = WIDE.pack(*batch)
    integers = keys.tolist()
    return [
        Contender("prism host", lambda: _ledger_work(HostLedger(), batch)),
        Contender("prism device (XLA)", lambda: _ledger_work(DeviceLedger(probing=ROUNDS), batch)),
        *([Contender("prism device (resident)", lambda: _resident_work(batch))] if _on_gpu() else []),
        Contender("python dict", lambda: lambda: _dict_work(integers), warm=False),
        Contender("numpy unique", lambda: lambda: _unique_work(keys), warm=False),
        _polars(keys),
        _duckdb(keys),
        _egglog(batch, path),
    ]


def _ledger_work(ledger: Ledger, batch: Batch) -> Callable[[], int]:
    _add_operands(ledger)
    present = ledger.count
    # Nodes of the batch that the operands already are: the peers count them as new.
    known = int((ledger.find(np.unique(WIDE.pack(*batch))) >= 0).sum())

    def work() -> int:
        ledger.intern(*batch)
        return ledger.count - present + known

    return work


def _on_gpu() -> bool:
    return jax.default_backend() == "gpu"


def _resident_work(batch: Batch) -> Callable[[], int]:
    """Return the work of the kernels alone: the batch lies on the device and there is room for it; ids stay there."""
    ledger = DeviceLedger()
    _add_operands(ledger)
    known = int((ledger.find(np.unique(WIDE.pack(*batch))) >= 0).sum())
    probing, present = default_probing(), ledger.count
    state = widen(ledger.state, 1 << (present + len(batch[0])).bit_length(), probing)
    resident = jax.block_until_ready((state, *(jax.device_put(column) for column in batch)))

    def work() -> int:
        after, ids = intern_in_place(*resident, probing=probing)
        ids.block_until_ready()
        return int(after.count) - present + known

    return work


def _add_operands(ledger: Ledger) -> None:
    """Bring a fresh ledger to `_OPERANDS` nodes, in few batches: sums of every pair that holds a recent node."""
    oldest = 1
    while ledger.count < _OPERANDS:
        top = ledger.count
        a, b = np.nonzero(np.tri(top, dtype=bool).T)
        recent = (a >= 1) & (b >= oldest)
        a, b = a[recent][: _OPERANDS - top], b[recent][: _OPERANDS - top]
        ledger.intern(np.full(len(a), ADD.code), a, b)
        oldest = top


def _dict_work(keys: list[int]) -> int:
    ids: dict[int, int] = {}
    enter = ids.setdefault
    answer = [enter(key, len(ids)) for key in keys]
    return max(answer) + 1


def _unique_work(keys: NDArray[np.uint64]) -> int:
    distinct, _ = np.unique(keys, return_inverse=True)
    return len(distinct)


def _polars(keys: NDArray[np.uint64]) -> Contender | Missing:
    """Return the row of a data frame's distinct keys, which are not numbered; on every core."""
    if find_spec("polars") is None:
        return _not_installed("polars unique", "polars")
    import polars  # pyright: ignore[reportMissingImports] (extra `bench`)

    column = polars.Series("key", keys)
    return Contender("polars unique", lambda: lambda: column.unique().len())


def _duckdb(keys: NDArray[np.uint64]) -> Contender | Missing:
    """Return the row of a database's distinct keys, which are not numbered; from the array, on every core."""
    if find_spec("duckdb") is None:
        return _not_installed("duckdb distinct", "duckdb")
    import duckdb  # pyright: ignore[reportMissingImports] (extra `bench`)

    def prepare() -> Callable[[], int]:
        base = duckdb.connect()
        base.register("rows", {"key": keys})
        query = "SELECT count(*) FROM (SELECT DISTINCT key FROM rows)"
        return lambda: base.execute(query).fetchall()[0][0]

    return Contender("duckdb distinct", prepare)


def _not_installed(name: str, package: str) -> Missing:
    return Missing(name, f"{package} is not installed; install prism-vm[bench]")


def _egglog(batch: Batch, path: Path) -> Contender | Missing:
    if find_spec("egglog") is None:
        return _not_installed("egglog", "egglog")
    from egglog.bindings import EGraph, PrintFunctionSize  # pyright: ignore[reportMissingImports] (extra `bench`)

    np.savetxt(path, np.stack(batch, axis=1), fmt="%d", delimiter="\t")
    program = _EGGLOG.format(path=path)

    def prepare() -> Callable[[], int]:
        graph = EGraph()

        # Loaded by file and rule: its top-level expressions cost time quadratic in their number.
        def work() -> int:
            outputs = graph.run_program(*graph.parse_program(program))
            return sum(output.size for output in outputs if isinstance(output, PrintFunctionSize))

        return work

    return Contender("egglog", prepare, warm=False)
