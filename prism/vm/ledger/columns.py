"""Columns: the nodes of a file, from NumPy, Arrow or Parquet, in batches of a size and without holding the file."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from prism.errors import PrismError, UsageError
from prism.vm.ledger.key import KeyLayout

Columns = tuple[NDArray[Any], NDArray[Any], NDArray[Any]]
"""op, a and b of nodes, as `prism.vm.ledger.api.Ledger.intern` takes them."""

_PART: Final = 1 << 16
"""Rows that are decoded at once."""


class ColumnsError(PrismError):
    """A file does not hold nodes that can be read."""


@dataclass(frozen=True, slots=True)
class NodeFile:
    """A file of nodes: columns `op`, `a` and `b`, or one column `key` of keys by [LEDGER-2]."""

    path: Path
    layout: KeyLayout
    rows: int

    def batches(self, first: int, size: int) -> Iterator[Columns]:
        """Yield the nodes from row `first` on, `size` at a time, fewer at the end; arrays that the caller may keep.

        Memory: a batch and a part of the file. Raises ColumnsError, which names the file, if it is damaged.
        """
        held: list[Columns] = []
        count = 0
        for part in _opened(self.path)[1](first):
            op, a, b = _nodes(self.path, part, self.layout)
            while count + len(op) >= size:
                taken = size - count
                yield _joined([*held, (op[:taken], a[:taken], b[:taken])])
                op, a, b, held, count = op[taken:], a[taken:], b[taken:], [], 0
            held.append((op, a, b))
            count += len(op)
        if count:
            yield _joined(held)


def node_file(path: Path, layout: KeyLayout) -> NodeFile:
    """Return a file of nodes, by its suffix: .npy, .arrow, .feather or .parquet.

    A .npy file holds a table of three columns, or fields `op`, `a`, `b`, or a vector of uint64 keys; the others hold
    columns of these names. Nothing in a file is executed. Raises ColumnsError, which names the file, if it holds
    neither; UsageError for another suffix, or if pyarrow is needed and missing; OSError if it cannot be read.
    """
    rows, _ = _opened(path)
    return NodeFile(path, layout, rows)


def _opened(path: Path) -> tuple[int, Callable[[int], Iterator[Mapping[str, Any]]]]:
    """Return the rows of a file, and what yields its columns by name, a part at a time, from a row on."""
    opener = _OPENERS.get(path.suffix)
    if opener is None:
        raise UsageError(f"{path}: nodes are read from {', '.join(_OPENERS)} files, got {path.suffix!r}; convert it")
    try:
        return opener(path)
    except PrismError:
        raise
    except (ValueError, EOFError) as error:  # pyarrow's errors are ValueErrors, too
        raise ColumnsError(f"{path}: a file must be whole and of the format of its name, got {error}") from error


def _numpy(path: Path) -> tuple[int, Callable[[int], Iterator[Mapping[str, Any]]]]:
    table = np.load(path, mmap_mode="r", allow_pickle=False)
    if table.dtype.names:
        columns = {name: table[name] for name in table.dtype.names}
    elif table.ndim == 2 and table.shape[1] == 3:
        columns = dict(zip(("op", "a", "b"), table.T, strict=True))
    else:
        columns = {"key": table}

    def parts(first: int) -> Iterator[Mapping[str, Any]]:
        for at in range(first, len(table), _PART):
            yield {name: column[at : at + _PART] for name, column in columns.items()}

    _nodes(path, {name: column[:0] for name, column in columns.items()}, None)
    return len(table), parts


def _parquet(path: Path) -> tuple[int, Callable[[int], Iterator[Mapping[str, Any]]]]:
    parquet = _pyarrow(path, "pyarrow.parquet")
    file = parquet.ParquetFile(path)
    wanted = _wanted(path, file.schema_arrow.names)

    def parts(first: int) -> Iterator[Mapping[str, Any]]:
        return _after(first, (_arrays(path, batch) for batch in file.iter_batches(_PART, columns=wanted)))

    return file.metadata.num_rows, parts


def _arrow(path: Path) -> tuple[int, Callable[[int], Iterator[Mapping[str, Any]]]]:
    pyarrow, ipc = _pyarrow(path, "pyarrow"), _pyarrow(path, "pyarrow.ipc")
    file = ipc.open_file(pyarrow.memory_map(str(path)))
    wanted = _wanted(path, file.schema.names)
    rows = sum(file.get_batch(i).num_rows for i in range(file.num_record_batches))

    def parts(first: int) -> Iterator[Mapping[str, Any]]:
        batches = (file.get_batch(i).select(wanted) for i in range(file.num_record_batches))
        return _after(first, (_arrays(path, batch) for batch in batches))

    return rows, parts


def _after(first: int, parts: Iterable[Mapping[str, Any]]) -> Iterator[Mapping[str, Any]]:
    """Yield parts without their first rows, which were decoded for nothing."""
    for part in parts:
        rows = len(next(iter(part.values())))
        if first < rows:
            yield {name: column[first:] for name, column in part.items()}
        first = max(first - rows, 0)


_OPENERS: Final = {".npy": _numpy, ".arrow": _arrow, ".feather": _arrow, ".parquet": _parquet}


def _pyarrow(path: Path, module: str) -> Any:
    from importlib import import_module

    try:
        return import_module(module)
    except ImportError as error:
        raise UsageError(
            f"{path}: a file of this format is read by pyarrow, which is missing; install prism-vm[arrow]"
        ) from error


def _wanted(path: Path, names: list[str]) -> list[str]:
    if {"op", "a", "b"} <= set(names):
        return ["op", "a", "b"]
    if "key" in names:
        return ["key"]
    raise ColumnsError(f"{path}: the columns of nodes must be op, a and b, or key, got {', '.join(names)}; rename them")


def _arrays(path: Path, batch: Any) -> Mapping[str, Any]:
    columns = dict(zip(batch.schema.names, batch.columns, strict=True))
    for name, column in columns.items():
        if column.null_count:
            raise ColumnsError(f"{path}: a column of nodes must have no gaps, got {column.null_count} in {name}")
    return {name: column.to_numpy(zero_copy_only=False) for name, column in columns.items()}


def _nodes(path: Path, columns: Mapping[str, Any], layout: KeyLayout | None) -> Columns:
    """Return the nodes of columns by name; ColumnsError unless they are integer vectors that a node is made of."""
    if {"op", "a", "b"} <= columns.keys():
        found = columns["op"], columns["a"], columns["b"]
        if all(column.ndim == 1 and column.dtype.kind in "iu" for column in found):
            return found
    elif (key := columns.get("key")) is not None and key.ndim == 1 and key.dtype == np.uint64:
        return (key, key, key) if layout is None else layout.unpack(np.asarray(key))
    got = ", ".join(f"{name}: {column.dtype}{list(column.shape[1:]) or ''}" for name, column in columns.items())
    raise ColumnsError(
        f"{path}: nodes must be integer columns op, a and b, or a uint64 column key, got {got}; cast them"
    )


def _joined(parts: list[Columns]) -> Columns:
    op, a, b = (np.concatenate([part[i] for part in parts]) for i in range(3))
    return op, a, b
