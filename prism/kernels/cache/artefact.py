"""Artefacts: what a compiled kernel is found by, and the file that holds both.

A file is a header, the key and the payload: magic, format version (u32), lengths of key and payload (u64 each, all
little-endian), SHA-256 of all that follows the digest. The key holds the whole program, so that a file says by itself
what it is a compilation of; the digest in a file's name only finds a candidate [EXEC-5].
"""

from __future__ import annotations

import hashlib
import struct
from dataclasses import dataclass
from functools import cached_property
from typing import Final

from prism.errors import PrismError

SUFFIX: Final = ".artefact"
_MAGIC: Final = b"PRISMART"
_VERSION: Final = 1
_HEADER: Final = struct.Struct("<8sIQQ32s")
_COUNT: Final = struct.Struct("<Q")


class ArtefactError(PrismError):
    """Bytes are not an artefact, or not the one that was asked for."""


@dataclass(frozen=True)
class Key:
    """Everything that compiled code depends on; two keys are the same exactly if their `content` is.

    program: the program's canonical bytes. types: the types it is specialised to, such as "f32". back_end: what the
    payload is for, such as "cpu". versions: (name, version) of each compiler and target that shaped the payload.
    """

    program: bytes
    types: tuple[str, ...]
    back_end: str
    versions: tuple[tuple[str, str], ...]

    @cached_property
    def content(self) -> bytes:
        """The whole key as bytes: each part after its length, so that no two keys have the same bytes."""
        parts = [self.program, *(_counted([one.encode() for one in group]) for group in self._groups())]
        return _counted(parts)

    def _groups(self) -> tuple[tuple[str, ...], ...]:
        return self.types, (self.back_end,), tuple(one for pair in self.versions for one in pair)

    @cached_property
    def file_name(self) -> str:
        """Where an artefact of this key is looked for."""
        return hashlib.sha256(self.content).hexdigest() + SUFFIX

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Key) and self.content == other.content

    def __hash__(self) -> int:
        return hash(self.content)


@dataclass(frozen=True, slots=True)
class Artefact:
    """A key and the code compiled for it."""

    key: Key
    payload: bytes

    def to_bytes(self) -> bytes:
        """Return the file's bytes; the same artefact has the same bytes."""
        body = self.key.content + self.payload
        lengths = len(self.key.content), len(self.payload)
        return _HEADER.pack(_MAGIC, _VERSION, *lengths, hashlib.sha256(body).digest()) + body

    @classmethod
    def from_bytes(cls, data: bytes) -> Artefact:
        """Return the artefact that a file holds; ArtefactError says what is wrong with any other bytes."""
        if len(data) < _HEADER.size or not data.startswith(_MAGIC):
            raise ArtefactError(f"an artefact must begin with a header of {_HEADER.size} bytes and {_MAGIC!r}")
        _, version, key_length, length, digest = _HEADER.unpack_from(data)
        if version != _VERSION:
            raise ArtefactError(f"an artefact must be of format version {_VERSION}, got {version}; build it again")
        body = data[_HEADER.size :]
        if len(body) != key_length + length:
            raise ArtefactError(f"an artefact must hold {key_length + length} bytes after its header, got {len(body)}")
        if hashlib.sha256(body).digest() != digest:
            raise ArtefactError("an artefact's bytes must have the digest of its header, but they differ; remove it")
        return cls(_key_of(body[:key_length]), body[key_length:])


def _counted(parts: list[bytes]) -> bytes:
    return _COUNT.pack(len(parts)) + b"".join(_COUNT.pack(len(part)) + part for part in parts)


def _split(data: bytes) -> list[bytes]:
    """Return the parts of `_counted` bytes; ValueError, struct.error or UnicodeDecodeError where they are none."""
    (count,), at, parts = _COUNT.unpack_from(data), _COUNT.size, []
    for _ in range(count):
        (length,) = _COUNT.unpack_from(data, at)
        at += _COUNT.size
        parts.append(data[at : at + length])
        at += length
        if at > len(data):
            raise ValueError
    if at != len(data):
        raise ValueError
    return parts


def _key_of(content: bytes) -> Key:
    try:
        program, *groups = _split(content)
        types, (back_end,), names = ([one.decode() for one in _split(group)] for group in groups)
        versions = tuple(zip(names[::2], names[1::2], strict=True))
        key = Key(program, tuple(types), back_end, versions)
    except (ValueError, struct.error) as error:
        raise ArtefactError("an artefact's key must be a program, types, a back end and versions; remove it") from error
    if key.content != content:
        raise ArtefactError("an artefact's key must be in its canonical form, but it is not; remove it")
    return key
