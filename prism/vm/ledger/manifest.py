"""Manifest: what a checkpoint of a ledger holds, as one JSON text that carries its own digest."""

from __future__ import annotations

import json
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

import numpy as np

from prism.errors import PrismError, UsageError
from prism.status import Status
from prism.vm.ledger.key import KeyLayout
from prism.vm.ledger.nodes import require_capacity, require_ops
from prism.vm.ledger.optable import NO_OP, OpTable

VERSION: Final = 1
_MOST_BYTES: Final = 1 << 26
_FORMAT: Final = "prism-ledger"
_DIGEST_LETTERS: Final = frozenset("0123456789abcdef")


class CheckpointError(PrismError):
    """A folder does not hold a checkpoint that can be read, or not one of the ledger at hand."""


@dataclass(frozen=True, slots=True)
class Piece:
    """A file of a checkpoint: the keys with the ids from `first` on, `count` of them, and the SHA-256 of its bytes."""

    first: int
    count: int
    sha256: str

    @property
    def end(self) -> int:
        """The id after its last one."""
        return self.first + self.count

    @property
    def name(self) -> str:
        """The name of the file, which the ids alone decide: a manifest cannot lead anywhere else."""
        return f"keys-{self.first:010d}-{self.end:010d}.u64"


@dataclass(frozen=True, slots=True, eq=False)
class Manifest:
    """A ledger without its keys, and the files that hold them; `pieces` follow one another from id 0 to `count`."""

    layout: KeyLayout
    capacity: int
    status: Status
    count: int
    ops: OpTable
    pieces: tuple[Piece, ...]

    def rendered(self) -> bytes:
        """Return the bytes of a manifest file: an envelope of a digest and the content that it covers."""
        return _enveloped(self._content())

    def _content(self) -> dict[str, Any]:
        known = np.flatnonzero(self.ops.arity != NO_OP)
        return {
            "format": _FORMAT,
            "version": VERSION,
            "layout": {"name": self.layout.name, "id_bits": self.layout.id_bits},
            "capacity": self.capacity,
            "status": self.status.name,
            "count": self.count,
            "ops": [[int(code), int(self.ops.arity[code]), bool(self.ops.commutes[code])] for code in known],
            "files": [
                {"name": one.name, "first": one.first, "count": one.count, "sha256": one.sha256} for one in self.pieces
            ],
        }


def read_manifest(path: Path) -> Manifest:
    """Return the manifest in a file. CheckpointError, which names the file, unless it is whole and of this version."""
    if path.is_symlink() or not path.is_file():
        raise CheckpointError(
            f"{path}: a checkpoint must have a manifest, a regular file of this name, got none; "
            "save a ledger to this folder, or give the folder of a checkpoint"
        )
    if path.stat().st_size > _MOST_BYTES:
        raise CheckpointError(
            f"{path}: a manifest must have at most {_MOST_BYTES} bytes, got {path.stat().st_size}; "
            "give the folder of a checkpoint"
        )
    return _parsed(path, path.read_bytes())


def _enveloped(content: Any) -> bytes:
    digest = sha256(_text(content)).hexdigest()
    return _text({"sha256": digest, "checkpoint": content}) + b"\n"


def _text(value: Any) -> bytes:
    return json.dumps(value, indent=1).encode("ascii")


def _parsed(path: Path, data: bytes) -> Manifest:
    try:
        read = json.loads(data)
        content = read.get("checkpoint") if isinstance(read, dict) else None
        unchanged = _enveloped(content) == data
    except (ValueError, RecursionError) as error:
        raise CheckpointError(
            f"{path}: a manifest must be one JSON text, got {len(data)} bytes that are none; "
            "the file is damaged or cut short, or of another program: take a copy of the checkpoint"
        ) from error
    if not isinstance(content, dict) or content.get("format") != _FORMAT:
        raise CheckpointError(
            f"{path}: a manifest must hold a checkpoint of format {_FORMAT}, got another text; "
            "the file is damaged or of another program: give the folder of a checkpoint"
        )
    if not unchanged:
        raise CheckpointError(
            f"{path}: the digest of a manifest must be that of its text, got another; "
            "the file was changed or damaged: take a copy of the checkpoint"
        )
    version = content.get("version")
    if version != VERSION:
        raise CheckpointError(
            f"{path}: the version of a checkpoint must be {VERSION} here, got {str(version)[:80]}; "
            "load it with the version of Prism that saved it, or a later one"
        )
    try:
        return _read(content)
    except (KeyError, TypeError, ValueError, UsageError) as error:
        raise CheckpointError(
            f"{path}: a manifest must describe a ledger, got {error}; "
            "it was not written by Prism: save the ledger again"
        ) from error


def _read(content: dict[str, Any]) -> Manifest:
    """Return the manifest of a content; KeyError, TypeError or ValueError with what is wrong."""
    layout = KeyLayout(_checked(content["layout"]["name"], str), _between(content["layout"]["id_bits"], 1, 31))
    capacity = _checked(content["capacity"], int)
    require_capacity(capacity)
    count = _between(content["count"], 2, layout.bound(capacity)[0])
    ops = _ops(content["ops"])
    require_ops(layout, ops)
    pieces, end = [], 0
    for entry in _checked(content["files"], list):
        digest = _checked(entry["sha256"], str)
        piece = Piece(_between(entry["first"], end, end), _between(entry["count"], 1, count - end), digest)
        if entry["name"] != piece.name:
            raise ValueError(f"a file {str(entry['name'])[:80]!r} for the ids of {piece.name}")
        if len(digest) != 64 or not _DIGEST_LETTERS.issuperset(digest):
            raise ValueError(f"a digest of {piece.name} that is not 64 hexadecimal digits")
        pieces.append(piece)
        end = piece.end
    _between(end, count, count)
    return Manifest(layout, capacity, Status[_checked(content["status"], str)], count, ops, tuple(pieces))


def _ops(rows: Any) -> OpTable:
    arity, commutes, next_code = np.full(256, NO_OP, np.uint8), np.zeros(256, bool), 0
    for code, takes, swaps in _checked(rows, list):
        arity[_between(code, next_code, NO_OP - 1)] = _between(takes, 0, 2)
        commutes[code], next_code = _checked(swaps, bool), code + 1
    if arity[0] != 0 or arity[1] != 0:
        raise ValueError("no ops NULL and ZERO")
    arity.flags.writeable = commutes.flags.writeable = False
    return OpTable(arity, commutes)


def _checked(value: Any, kind: type) -> Any:
    if type(value) is not kind:
        raise TypeError(f"{type(value).__name__} instead of {kind.__name__}")
    return value


def _between(value: Any, least: int, most: int) -> int:
    if not least <= _checked(value, int) <= most:
        raise ValueError(f"a number that is not from {least} to {most}")
    return value
