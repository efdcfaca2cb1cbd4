"""Stream: intern files of nodes of any size, a batch at a time, into a file of ids; it can be stopped and gone on with.

A checkpoint's folder then holds, beside the ledger, the ids so far and how many rows they are. The ids are on the disk
before the ledger, and the ledger before the count, so a stop at any moment costs at most the work since: rows that are
interned again get the ids that they had.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numba import njit
from numpy.lib.format import open_memmap
from numpy.typing import NDArray

from prism.errors import CapacityError, CorruptError, UsageError
from prism.files import write_bytes
from prism.status import Status
from prism.vm.ledger.api import Ledger
from prism.vm.ledger.batch import ABSENT, pack_batch
from prism.vm.ledger.checkpoint import save
from prism.vm.ledger.columns import Columns, NodeFile
from prism.vm.ledger.nodes import RESERVED, nodes_of

IDS: Final = "ids.npy"
PROGRESS: Final = "progress.json"
_FORMAT: Final = "prism-intern"
_FIRST: Final = len(RESERVED[0])
"""Where an operand that names a row begins: `_FIRST + r` is row `r`, as if every row were a node of its own."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What is interned, and how it is cut, which alone decide the ids.

    batch: rows of a batch; a file's end ends one, too. by_row: operands from 2 on name rows of the input, `2 + r` the
    row `r` counted over all files, instead of ids; a batch then ends before a row that names a row of it.
    """

    files: tuple[NodeFile, ...]
    batch: int = 1 << 20
    by_row: bool = False

    @property
    def rows(self) -> int:
        """The rows of all files."""
        return sum(file.rows for file in self.files)

    def described(self) -> dict[str, Any]:
        """Return what must be the same for a stopped run to go on."""
        files = [{"name": file.path.name, "bytes": file.path.stat().st_size, "rows": file.rows} for file in self.files]
        return {"files": files, "batch": self.batch, "by_row": self.by_row}


@dataclass(frozen=True, slots=True)
class Keeping:
    """Where a run keeps what it has done, and after how many seconds again."""

    folder: Path
    seconds: float = 60.0


def intern_files(
    ledger: Ledger, plan: Plan, ids: NDArray[np.int32], *, done: int = 0, keeping: Keeping | None = None,
    tick: Callable[[int], None] = lambda _: None,
) -> None:  # fmt: skip
    """Write the id of every row from `done` on to `ids`: int32[plan.rows], which may be a mapped file.

    tick is told how many rows have their ids, after each batch. Memory: the ledger, and a batch. Raises CorruptError
    or CapacityError, which name the file and the row, for a batch that does not land; rows before it have their ids.
    """
    kept, start = time.monotonic(), 0
    for file in plan.files:
        at = max(done - start, 0)
        for batch in file.batches(at, plan.batch) if at < file.rows else ():
            for low, high in _cut(batch, start + at) if plan.by_row else ((0, len(batch[0])),):
                nodes = nodes_of(*(column[low:high] for column in batch))
                nodes = (nodes[0], *(_ids_of(one, ids) for one in nodes[1:])) if plan.by_row else nodes
                answer = ledger.intern(*nodes)
                if ledger.status is not Status.OK:
                    raise _refusal(ledger, file, at + low, nodes)
                ids[start + at + low : start + at + high] = answer
            at += len(batch[0])
            tick(start + at)
            if keeping is not None and time.monotonic() - kept >= keeping.seconds:
                keep(ledger, plan, ids, start + at, keeping.folder)
                kept = time.monotonic()
        start += file.rows
    if keeping is not None:
        keep(ledger, plan, ids, start, keeping.folder)


def keep(ledger: Ledger, plan: Plan, ids: NDArray[np.int32], done: int, folder: Path) -> None:
    """Bring a folder up to a run of which `done` rows have their ids; `ids` is the folder's own file, mapped."""
    if isinstance(ids, np.memmap):
        ids.flush()
    save(ledger, folder)
    record = {"format": _FORMAT, "version": 1, "done": done, **plan.described()}
    write_bytes(folder / PROGRESS, json.dumps(record, indent=1).encode() + b"\n", durable=True)


def resumed(plan: Plan, folder: Path) -> tuple[NDArray[np.int32], int]:
    """Return the ids of a run that a folder holds, mapped, and how many rows have theirs; 0 of them if it holds none.

    UsageError if the folder holds another run.
    """
    path, record = folder / IDS, _read(folder / PROGRESS)
    if record is None:
        folder.mkdir(parents=True, exist_ok=True)
        return open_memmap(path, "w+", np.int32, (plan.rows,)), 0
    done = record.get("done")
    same = {**plan.described(), "format": _FORMAT, "version": 1, "done": done} == record
    if not same or type(done) is not int or not 0 <= done <= plan.rows or not path.is_file():
        raise UsageError(
            f"{folder}: a run goes on with the files and the cut that it began with, got others than "
            f"{PROGRESS} there names; give those, or another folder"
        )
    ids = open_memmap(path, "r+")
    if ids.shape != (plan.rows,) or ids.dtype != np.int32:
        raise UsageError(
            f"{path}: the ids of {plan.rows} rows must be there, got {ids.dtype}{list(ids.shape)}; start over"
        )
    return ids, done


def _read(path: Path) -> dict[str, Any] | None:
    if not path.is_file():
        return None
    try:
        record = json.loads(path.read_bytes())
    except ValueError:
        record = None
    if not isinstance(record, dict):
        raise UsageError(f"{path}: it must be the JSON of a run, got something else; take another folder")
    return record


def _cut(batch: Columns, first: int) -> Iterator[tuple[int, int]]:
    """Yield the parts of a batch, whose rows are numbered from `first` on, none of which names a row of its own."""
    a, b = (np.asarray(column, np.int64) for column in batch[1:])
    ends = _ends(a, b, first + _FIRST)
    return zip([0, *ends[:-1]], ends, strict=True)


@njit(cache=True)
def _ends(a, b, first):
    ends, start = [], first
    for i in range(len(a)):
        if max(a[i], b[i]) >= start:
            ends.append(i)
            start = first + i
    ends.append(len(a))
    return ends


def _ids_of(operand: NDArray[np.int32], ids: NDArray[np.int32]) -> NDArray[np.int32]:
    """Return the ids of operands that name rows; one that names no earlier row becomes one that no ledger takes."""
    row = operand - _FIRST
    named = (row >= 0) & (row < len(ids))
    return np.where(named, ids[np.where(named, row, 0)], np.where(row < 0, operand, -1)).astype(np.int32)


def _refusal(ledger: Ledger, file: NodeFile, first: int, nodes: Sequence[NDArray[Any]]) -> Exception:
    op, a, b = nodes_of(*nodes)
    keys = pack_batch(op, a, b, ledger.count, ledger.layout.id_bits, *ledger.ops)
    wrong = np.flatnonzero(keys == ABSENT)
    if len(wrong):
        row = int(wrong[0])
        return CorruptError(
            f"{file.path}: row {first + row}: a node must be an op of the theory on nodes of earlier batches, got op "
            f"{op[row]} on {a[row]} and {b[row]}, where ids run to {ledger.count - 1}; mend the row"
        )
    rows = f"{file.path}: rows {first} to {first + len(op) - 1}"
    if ledger.status is Status.OOM:
        return CapacityError(
            f"{rows}: a ledger must hold all nodes, got more than {ledger.capacity}; raise its capacity"
        )
    return CorruptError(
        f"{rows}: ids must fit the layout {ledger.layout.name}, got more nodes; take one with more bits"
    )
