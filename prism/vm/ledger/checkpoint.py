"""Checkpoint: save a ledger to a folder of whole files, and load it on any engine with the same ids.

Ids never change, so a checkpoint only grows: each save appends files with the keys that are new, and then replaces the
manifest, which alone says what belongs to the checkpoint. Until that moment the one before is what a reader gets.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from prism.files import write_bytes
from prism.status import Status
from prism.vm.ledger.api import Ledger
from prism.vm.ledger.manifest import CheckpointError, Manifest, Piece, read_manifest
from prism.vm.ledger.open import open_ledger
from prism.vm.ledger.verify import verify

MANIFEST: Final = "manifest.json"
PIECE: Final = 1 << 24
"""The most keys of a file: 128 MiB."""
_MOST_PIECES: Final = 1 << 14
_STRAY: Final = re.compile(r"keys-\d{10}-\d{10}\.u64|\.(?:keys-\d{10}-\d{10}\.u64|manifest\.json)\.[0-9a-f]{12}")
"""What a save writes besides the manifest, files that it had not finished included."""


def save(ledger: Ledger, folder: Path | str) -> int:
    """Bring the checkpoint in a folder up to a ledger; return how many keys were written, which are the new ones.

    The folder is made if it is missing. A stop at any moment, of the machine too, leaves the checkpoint as it was or as
    it shall be. One writer at a time. Cost: a digest of all keys, a write of the new ones; all keys once more after
    16384 saves, whose files become few. Raises CheckpointError, nothing changed, if the folder holds the checkpoint of
    a ledger that this one does not continue, or an unreadable one; OSError where a file cannot be written.
    """
    folder, keys, status = Path(folder), ledger.keys().astype("<u8", copy=False), ledger.status
    kept = _kept(folder, ledger, keys, status)
    first = kept[-1].end if kept else 0
    pieces = [Piece(at, len(part), _digest(part)) for at, part in _cut(keys, first)]
    for piece in pieces:
        write_bytes(folder / piece.name, keys[piece.first : piece.end].tobytes(), durable=True)
    manifest = Manifest(ledger.layout, ledger.capacity, status, len(keys), ledger.ops, (*kept, *pieces))
    write_bytes(folder / MANIFEST, manifest.rendered(), durable=True)
    _sweep(folder, {piece.name for piece in manifest.pieces})
    return len(keys) - first


def load(folder: Path | str, *, devices: int | Sequence[Any] = 0) -> Ledger:
    """Return the ledger of a checkpoint, with its ids, layout, capacity, ops and status.

    devices: as `prism.vm.ledger.open.open_ledger` takes them, whatever the ledger lay on when it was saved. Nothing in
    the folder is executed or changed. Cost: a read and a digest of all files, and `prism.vm.ledger.verify.verify`.
    Raises CheckpointError, which names the file, if one is missing, of another size, changed by as little as a bit, not
    of this version or not of a ledger; OSError if one cannot be read.
    """
    folder = Path(folder)
    manifest = read_manifest(folder / MANIFEST)
    for piece in manifest.pieces:
        _require_whole(folder / piece.name, piece)
    keys = np.empty(manifest.count, "<u8")
    for piece in manifest.pieces:
        _read_into(keys[piece.first : piece.end], folder / piece.name, piece)
    ledger = open_ledger(manifest.layout, manifest.capacity, manifest.ops, devices=devices)
    ledger.restore(keys.astype(np.uint64, copy=False), manifest.status)
    broken = verify(ledger)
    if broken:
        name = next(piece.name for piece in manifest.pieces if broken[0].id < piece.end)
        raise CheckpointError(f"{folder / name}: the keys of a checkpoint must be those of a ledger, got {broken[0]}")
    return ledger


def _kept(folder: Path, ledger: Ledger, keys: NDArray[np.uint64], status: Status) -> tuple[Piece, ...]:
    """Return the files of the checkpoint in a folder that stay, none if there is none yet or they are too many."""
    path = folder / MANIFEST
    if not path.exists() and not path.is_symlink():
        return ()
    before = read_manifest(path)
    continues = (
        (before.layout, before.capacity) == (ledger.layout, ledger.capacity)
        and all(np.array_equal(*columns) for columns in zip(before.ops, ledger.ops, strict=True))
        and (before.status is Status.OK or (before.status, before.count) == (status, len(keys)))
        and before.count <= len(keys)
        and all(_digest(keys[piece.first : piece.end]) == piece.sha256 for piece in before.pieces)
    )
    if not continues:
        raise CheckpointError(
            f"{path}: a ledger must continue the one that its folder holds, {before.count} nodes in layout "
            f"{before.layout.name}, got one of {len(keys)} that does not; save it to another folder"
        )
    if len(before.pieces) >= _MOST_PIECES:
        return ()
    for piece in before.pieces:
        _require_whole(folder / piece.name, piece)
    return before.pieces


def _cut(keys: NDArray[np.uint64], first: int) -> Iterator[tuple[int, NDArray[np.uint64]]]:
    for at in range(first, len(keys), PIECE):
        yield at, keys[at : at + PIECE]


def _digest(keys: NDArray[np.uint64]) -> str:
    return sha256(keys.data).hexdigest()


def _require_whole(path: Path, piece: Piece) -> None:
    """Raise CheckpointError unless a regular file of the right size is there."""
    if path.is_symlink() or not path.is_file():
        raise CheckpointError(
            f"{path}: a file that the manifest lists must be there as a regular file, got none; "
            "take a copy of the checkpoint"
        )
    size = path.stat().st_size
    if size != 8 * piece.count:
        raise CheckpointError(
            f"{path}: a file of {piece.count} keys must have {8 * piece.count} bytes, got {size}; "
            "it was cut short or changed: take a copy of the checkpoint"
        )


def _read_into(keys: NDArray[np.uint64], path: Path, piece: Piece) -> None:
    with path.open("rb") as file:
        file.readinto(keys.view(np.uint8).data)
    found = _digest(keys)
    if found != piece.sha256:
        raise CheckpointError(
            f"{path}: the SHA-256 of a file must be the one in the manifest, {piece.sha256}, got {found}; "
            "it was changed or damaged: take a copy of the checkpoint"
        )


def _sweep(folder: Path, named: set[str]) -> None:
    """Remove what saves that were stopped have left, and files that the manifest names no more."""
    for path in folder.iterdir():
        if path.name not in named and _STRAY.fullmatch(path.name):
            path.unlink(missing_ok=True)
