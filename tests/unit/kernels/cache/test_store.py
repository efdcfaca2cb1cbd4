"""A folder of artefacts: misses that say so, room in bytes, processes side by side."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
from pathlib import Path

import pytest

from prism.kernels.cache.artefact import Artefact, Key
from prism.kernels.cache.store import Store

pytestmark = [pytest.mark.m8, pytest.mark.clause("EXEC-5")]


def key(number: int, back_end: str = "cpu") -> Key:
    """Return one of many keys."""
    return Key(b"program %d" % number, ("f32",), back_end, (("compiler", "1"),))


def test_what_was_put_is_found_by_its_whole_key(tmp_path: Path) -> None:
    """A payload comes back under its own key and under no other."""
    store = Store(tmp_path / "new" / "folder")
    assert store.get(key(1)) is None
    assert store.put(key(1), b"one")
    assert store.get(key(1)) == b"one"
    assert store.get(key(2)) is None
    assert store.get(key(1, "xla")) is None


def test_a_file_under_anothers_name_is_a_miss_that_says_so(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """The name only finds a candidate: the key in the file decides."""
    store = Store(tmp_path)
    (tmp_path / key(1).file_name).write_bytes(Artefact(key(2), b"two").to_bytes())
    assert store.get(key(1)) is None
    assert "must hold the key that it is looked up by, but it holds another" in caplog.text
    assert [found for _, found in store.verify()] == [
        f"an artefact of this key must be named {key(2).file_name}; rename it"
    ]


@pytest.mark.parametrize("damage", [b"", b"garbage", Artefact(key(1), b"one").to_bytes()[:-1]])
def test_a_damaged_file_is_a_miss_that_says_so(tmp_path: Path, damage: bytes, caplog: pytest.LogCaptureFixture) -> None:
    """Damage costs one line and a compilation; `verify` lists it, `prune` takes it away, `put` mends it."""
    store = Store(tmp_path)
    store.put(key(1), b"one")
    store.put(key(2), b"two")
    path = tmp_path / key(1).file_name
    path.write_bytes(damage)
    with caplog.at_level(logging.WARNING, "prism"):
        assert store.get(key(1)) is None
    assert len(caplog.records) == 1
    assert "\n" not in caplog.messages[0]
    assert [type(found) for entry, found in store.verify() if entry.path == path] == [str]
    assert [entry.path for entry in store.prune(1 << 20, damaged=True)] == [path]
    assert store.get(key(2)) == b"two"
    assert store.put(key(1), b"one")
    assert store.get(key(1)) == b"one"


def test_what_was_used_longest_ago_goes_first(tmp_path: Path) -> None:
    """The folder never holds more bytes than it may; a read counts as use."""
    size = len(Artefact(key(1), bytes(1000)).to_bytes())
    store = Store(tmp_path, max_bytes=3 * size)
    for number in (1, 2, 3):
        store.put(key(number), bytes(1000))
        os.utime(tmp_path / key(number).file_name, (number, number))
    assert store.get(key(1)) is not None
    store.put(key(4), bytes(1000))
    assert [store.get(key(number)) is not None for number in (1, 2, 3, 4)] == [True, False, True, True]
    assert sum(entry.size for entry in store.entries()) <= store.max_bytes


def test_what_is_larger_than_the_folder_may_hold_is_not_kept(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """One artefact never pushes out all others to fail in the end."""
    store = Store(tmp_path, max_bytes=500)
    store.put(key(1), b"one")
    assert not store.put(key(2), bytes(1000))
    assert "is not kept" in caplog.text
    assert store.get(key(1)) == b"one"


def test_a_folder_that_cannot_be_written_keeps_nothing(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Where a file stands in the way of the folder, each call answers, and says why in one line."""
    (tmp_path / "file").touch()
    store = Store(tmp_path / "file" / "below")
    assert not store.put(key(1), b"one")
    assert [line.count("\n") for line in caplog.messages] == [0]
    assert store.get(key(1)) is None
    assert store.entries() == []


_WRITER = """
import sys
from pathlib import Path
from prism.kernels.cache.artefact import Key
from prism.kernels.cache.store import Store

store, me = Store(Path(sys.argv[1]), max_bytes=40_000), int(sys.argv[2])
for turn in range(150):
    number = (turn * 7 + me) % 12
    key = Key(b"program %d" % number, ("f32",), "cpu", ())
    found = store.get(key)
    assert found is None or found == bytes([number]) * 4000, "a part of a file was read"
    assert store.put(key, bytes([number]) * 4000)
"""


def test_processes_share_a_folder(tmp_path: Path) -> None:
    """Four processes read, write and drop the same entries at once: each sees whole artefacts or none, none fails."""
    writers = [
        subprocess.Popen([sys.executable, "-c", _WRITER, str(tmp_path), str(k)], stderr=subprocess.PIPE, text=True)
        for k in range(4)
    ]
    errors = [writer.communicate()[1] for writer in writers]
    assert errors == [""] * 4
    store = Store(tmp_path, max_bytes=40_000)
    assert all(isinstance(found, Artefact) for _, found in store.verify())
    assert 0 < sum(entry.size for entry in store.entries()) <= 40_000
    assert {path.suffix for path in tmp_path.iterdir()} == {".artefact"}
