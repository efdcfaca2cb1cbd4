"""Artefact files: one key and its payload, canonical, and checked before use."""

from __future__ import annotations

import hashlib
import re
import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from prism.kernels.cache.artefact import Artefact, ArtefactError, Key

pytestmark = [pytest.mark.m8, pytest.mark.clause("EXEC-5")]

texts = st.text(max_size=5)
keys = st.builds(
    Key,
    st.binary(max_size=20),
    st.lists(texts, max_size=3).map(tuple),
    texts,
    st.lists(st.tuples(texts, texts), max_size=3).map(tuple),
)
GOOD = Artefact(Key(b"program", ("f32", "u64"), "cpu", (("compiler", "1.0"),)), b"machine code")


@given(keys, st.binary(max_size=40))
@settings(max_examples=200)
@pytest.mark.slow
def test_an_artefact_survives_its_bytes(key: Key, payload: bytes) -> None:
    """Reading what was written gives the same key and payload, and the same bytes again."""
    written = Artefact(key, payload).to_bytes()
    read = Artefact.from_bytes(written)
    assert (read.key, read.payload) == (key, payload)
    assert (read.key.types, read.key.back_end, read.key.versions) == (key.types, key.back_end, key.versions)
    assert read.to_bytes() == written


@given(keys, keys)
@settings(max_examples=200)
def test_keys_are_equal_exactly_if_all_their_parts_are(a: Key, b: Key) -> None:
    """The content is injective: no boundary between parts can move."""
    parts = [(key.program, key.types, key.back_end, key.versions) for key in (a, b)]
    assert (a == b) == (parts[0] == parts[1]) == (a.content == b.content)
    assert a != "another"


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (Key(b"", ("ab",), "", ()), Key(b"", ("a", "b"), "", ())),
        (Key(b"", ("x",), "y", ()), Key(b"", (), "x", ())),
        (Key(b"", (), "", (("ab", "c"),)), Key(b"", (), "", (("a", "bc"),))),
    ],
)
def test_text_does_not_run_into_its_neighbour(one: Key, other: Key) -> None:
    """Keys whose texts are the same when joined are still two keys, with two hashes and two files."""
    assert one != other
    assert hash(one) != hash(other)
    assert one.file_name != other.file_name


@given(st.integers(0, len(GOOD.to_bytes()) - 1), st.integers(1, 255))
@settings(max_examples=200)
def test_any_changed_byte_is_noticed(at: int, change: int) -> None:
    """No byte of a file can change and the file still be read."""
    data = bytearray(GOOD.to_bytes())
    data[at] ^= change
    with pytest.raises(ArtefactError):
        Artefact.from_bytes(bytes(data))
    with pytest.raises(ArtefactError):
        Artefact.from_bytes(GOOD.to_bytes()[:at])


def forged(key: bytes, payload: bytes = b"", version: int = 1) -> bytes:
    """Return a file with a digest that fits."""
    digest = hashlib.sha256(key + payload).digest()
    return struct.pack("<8sIQQ32s", b"PRISMART", version, len(key), len(payload), digest) + key + payload


def count(*numbers: int) -> bytes:
    """Return numbers as a key writes them."""
    return b"".join(struct.pack("<Q", number) for number in numbers)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"\x7fELF" + bytes(80), "an artefact must begin with a header of 60 bytes"),
        (forged(GOOD.key.content, version=2), "must be of format version 1, got 2; build it again"),
        (GOOD.to_bytes() + b"x", r"bytes after its header, got \d+"),
        (GOOD.to_bytes()[:-1] + b"x", "must have the digest of its header, but they differ; remove it"),
        (forged(b""), "key must be a program, types, a back end and versions; remove it"),
        (forged(count(1 << 60)), "key must be a program, types, a back end and versions; remove it"),
        (forged(count(1, 1 << 60)), "key must be a program, types, a back end and versions; remove it"),
        (forged(count(4, 0, 9, 1, 1) + b"\xff"), "key must be a program, types, a back end and versions; remove it"),
    ],
)
def test_other_bytes_are_refused_with_a_reason(data: bytes, message: str) -> None:
    """Whatever is not an artefact is refused, lengths that promise too much included."""
    with pytest.raises(ArtefactError, match=message):
        Artefact.from_bytes(data)


def test_only_the_canonical_key_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    """A key that reads as another key's bytes is refused: one key, one file."""
    monkeypatch.setattr(Key, "content", b"other")
    with pytest.raises(ArtefactError, match=re.escape("key must be in its canonical form, but it is not; remove it")):
        Artefact.from_bytes(GOOD_BYTES)


GOOD_BYTES = GOOD.to_bytes()
