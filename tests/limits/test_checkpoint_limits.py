"""Checkpoints that are damaged, foreign or hostile: each is refused with the name of the file, and nothing else."""

from __future__ import annotations

import json
import os
from hashlib import sha256
from pathlib import Path

import numpy as np
import pytest

from prism.errors import PrismError
from prism.vm.ledger import manifest
from prism.vm.ledger.checkpoint import MANIFEST, load, save
from prism.vm.ledger.host import HostLedger
from prism.vm.ledger.key import COMPACT, WIDE
from prism.vm.ledger.manifest import CheckpointError
from prism.vm.ledger.optable import OpTable
from prism.vm.term.ops import ADD, SUC

pytestmark = pytest.mark.m1


@pytest.fixture
def folder(tmp_path) -> Path:
    """Return a checkpoint of two saves: 4 nodes and 6, in two files and a manifest."""
    ledger = HostLedger()
    ledger.intern([SUC.code, ADD.code], [1, 1], [0, 1])
    save(ledger, tmp_path / "ledger")
    ledger.intern([ADD.code, ADD.code], [2, 2], [2, 3])
    save(ledger, tmp_path / "ledger")
    return tmp_path / "ledger"


def refusal(folder: Path) -> str:
    """Return why a folder is not loaded."""
    with pytest.raises(CheckpointError) as caught:
        load(folder)
    assert isinstance(caught.value, PrismError)
    return str(caught.value)


def write(folder: Path, content) -> None:
    """Write a manifest whose digest is right, whatever it says."""
    digest = sha256(json.dumps(content, indent=1).encode()).hexdigest()
    (folder / MANIFEST).write_text(json.dumps({"sha256": digest, "checkpoint": content}, indent=1) + "\n")


def content_of(folder: Path) -> dict:
    """Return what the manifest of a folder says."""
    return json.loads((folder / MANIFEST).read_text())["checkpoint"]


@pytest.mark.slow
@pytest.mark.clause("CKPT-4")
def test_every_flipped_bit_is_found_and_named(folder):
    """Whichever bit of whichever file is flipped, a load names that file; flipped back, it loads."""
    names = sorted(path.name for path in folder.iterdir())
    assert names == ["keys-0000000000-0000000004.u64", "keys-0000000004-0000000006.u64", MANIFEST]
    for name in names:
        path = folder / name
        good = path.read_bytes()
        for bit in range(0, 8 * len(good), 1 if name != MANIFEST else 7):
            bad = bytearray(good)
            bad[bit // 8] ^= 1 << bit % 8
            path.write_bytes(bad)
            assert refusal(folder).startswith(f"{path}: ")
        path.write_bytes(good)
    assert load(folder).count == 6


@pytest.mark.clause("CKPT-4")
def test_every_cut_file_is_found_and_named(folder):
    """A file cut short anywhere, or one byte longer, is refused by name; so is one that is no file."""
    for path in sorted(folder.iterdir()):
        good = path.read_bytes()
        for size in range(0, len(good), 1 if path.name != MANIFEST else 37):
            path.write_bytes(good[:size])
            assert refusal(folder).startswith(f"{path}: ")
        path.write_bytes(good + b"\0")
        assert refusal(folder).startswith(f"{path}: ")
        path.unlink()
        path.mkdir()
        assert refusal(folder).startswith(f"{path}: ")
        path.rmdir()
        os.mkfifo(path)
        assert refusal(folder).startswith(f"{path}: ")
        path.unlink()
        path.symlink_to(folder / ".." / "elsewhere")
        assert refusal(folder).startswith(f"{path}: ")
        path.unlink()
        path.write_bytes(good)
    assert load(folder).count == 6


@pytest.mark.clause("CKPT-4")
def test_what_is_said_of_a_file(folder, monkeypatch):
    """Each message says what must hold, what was got and what to do."""
    piece = folder / "keys-0000000004-0000000006.u64"
    good = piece.read_bytes()
    piece.write_bytes(good[:9])
    assert "a file of 2 keys must have 16 bytes, got 9; it was cut short or changed" in refusal(folder)
    piece.write_bytes(good[::-1])
    assert "the SHA-256 of a file must be the one in the manifest" in refusal(folder)
    piece.unlink()
    assert "a file that the manifest lists must be there as a regular file, got none; take a copy" in refusal(folder)
    with pytest.raises(CheckpointError, match="must be there as a regular file, got none"):
        save(load_alike(), folder)
    monkeypatch.setattr(manifest, "_MOST_BYTES", 100)
    assert "a manifest must have at most 100 bytes" in refusal(folder)
    (folder / MANIFEST).write_text("x")
    assert "a manifest must be one JSON text, got 1 bytes that are none" in refusal(folder)
    (folder / MANIFEST).unlink()
    assert "a checkpoint must have a manifest, a regular file of this name, got none; save a ledger" in refusal(folder)


def load_alike() -> HostLedger:
    """Return the ledger that the folder of these tests holds."""
    ledger = HostLedger()
    ledger.intern([SUC.code, ADD.code], [1, 1], [0, 1])
    ledger.intern([ADD.code, ADD.code], [2, 2], [2, 3])
    return ledger


@pytest.mark.clause("CKPT-4")
@pytest.mark.parametrize(
    "text",
    ["", "[]", "1", "null", "{}", '{"checkpoint": []}', '{"checkpoint": {"format": "other"}}', "[" * 100_000],
)
def test_foreign_texts_are_refused(text, folder):
    """A JSON text of another program, or one nested too deep, is refused as a manifest."""
    (folder / MANIFEST).write_text(text)
    said = refusal(folder)
    assert "a manifest must hold a checkpoint of format prism-ledger" in said or "must be one JSON text" in said


@pytest.mark.clause("CKPT-4")
def test_a_newer_version_says_so(folder):
    """A checkpoint of a later version, with a right digest, names both versions; with a wrong one it is damaged."""
    write(folder, content_of(folder) | {"version": 2})
    assert "the version of a checkpoint must be 1 here, got 2; load it with the version" in refusal(folder)
    text = (folder / MANIFEST).read_text()
    (folder / MANIFEST).write_text(text.replace('"version": 2', '"version": 3'))
    assert "the digest of a manifest must be that of its text, got another" in refusal(folder)


HOSTILE = {
    "a name that leads out": (
        lambda c: c["files"][0].update(name="../../elsewhere"),
        "got a file '../../elsewhere' for the ids of keys-0000000000",
    ),
    "an absolute name": (
        lambda c: c["files"][0].update(name="/dev/zero"),
        "got a file '/dev/zero' for the ids of keys-0000000000",
    ),
    "a name of other ids": (
        lambda c: c["files"][1].update(name=c["files"][0]["name"]),
        "for the ids of keys-0000000004",
    ),
    "a gap": (lambda c: c["files"][1].update(first=5), "a number that is not from 4 to 4"),
    "files twice": (lambda c: c["files"].append(c["files"][0]), "a number that is not from 6 to 6"),
    "a file too few": (lambda c: c["files"].pop(), "a number that is not from 6 to 6"),
    "an empty file": (lambda c: c["files"][0].update(count=0), "a number that is not from 1 to 6"),
    "a negative count": (lambda c: c["files"][0].update(count=-4), "a number that is not from 1 to 6"),
    "a count beyond all ids": (lambda c: c.update(count=1 << 40), "a number that is not from 2 to 67108864"),
    "a count beyond the capacity": (lambda c: c.update(capacity=5), "a number that is not from 2 to 5"),
    "a count of a fraction": (lambda c: c.update(count=6.0), "float instead of int"),
    "a true count": (lambda c: c.update(count=True), "bool instead of int"),
    "no capacity": (lambda c: c.pop("capacity"), "'capacity'"),
    "a capacity of one": (lambda c: c.update(capacity=1), "ledger capacity must be at least 2"),
    "a wider layout": (lambda c: c["layout"].update(id_bits=40), "a number that is not from 1 to 31"),
    "a layout for fewer ops": (
        lambda c: c["layout"].update(id_bits=31),
        "the key layout wide takes ops with codes up to 3",
    ),
    "a layout that is a text": (lambda c: c.update(layout="wide"), "string indices must be integers"),
    "an unknown status": (lambda c: c.update(status="FINE"), "'FINE'"),
    "ops out of order": (lambda c: c["ops"].reverse(), "a number that is not from"),
    "an op of three operands": (lambda c: c["ops"][2].__setitem__(1, 3), "a number that is not from 0 to 2"),
    "ops without ZERO": (lambda c: c["ops"].pop(1), "no ops NULL and ZERO"),
    "no ops": (lambda c: c["ops"].clear(), "no ops NULL and ZERO"),
    "files that are none": (lambda c: c.update(files=7), "int instead of list"),
    "a file that is none": (lambda c: c.update(files=[7]), "'int' object is not subscriptable"),
    "a short digest": (lambda c: c["files"][0].update(sha256="00"), "that is not 64 hexadecimal digits"),
    "a digest of other letters": (lambda c: c["files"][0].update(sha256="Z" * 64), "that is not 64 hexadecimal digits"),
}


@pytest.mark.clause("CKPT-4")
@pytest.mark.parametrize("hostile", list(HOSTILE))
def test_hostile_manifests_are_refused(hostile, folder):
    """A manifest that describes no ledger is refused though its digest is right; nothing is opened or written."""
    content = content_of(folder)
    change, words = HOSTILE[hostile]
    change(content)
    write(folder, content)
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    said = refusal(folder)
    assert said.startswith(f"{folder / MANIFEST}: a manifest must describe a ledger, got ")
    assert words in said
    with pytest.raises(CheckpointError, match="it was not written by Prism: save the ledger again"):
        save(load_alike(), folder)
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before


@pytest.mark.clause("CKPT-4")
def test_keys_that_are_no_ledger_are_refused(folder):
    """Files with right digests whose keys break a law of a ledger are refused by verify, with the file and the node."""
    content, path = content_of(folder), folder / "keys-0000000004-0000000006.u64"
    keys = np.fromfile(path, "<u8")
    keys[1] = keys[0]
    keys.tofile(path)
    content["files"][1]["sha256"] = sha256(path.read_bytes()).hexdigest()
    write(folder, content)
    said = refusal(folder)
    assert said.startswith(f"{path}: the keys of a checkpoint must be those of a ledger, got node 5: no two nodes")


@pytest.mark.clause("CKPT-2")
def test_another_ledger_is_not_saved_over_a_checkpoint(folder):
    """A ledger of other keys, fewer nodes, another layout, capacity, op table or a lost status changes nothing."""
    stopped = load_alike()
    stopped.intern([200], [1], [1])
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    other = HostLedger()
    other.intern([SUC.code, ADD.code, ADD.code, ADD.code], [1, 1, 1, 1], [0, 1, 1, 1])
    swapped = OpTable(other.ops.arity, ~other.ops.commutes)
    wrong = [HostLedger(), other, HostLedger(COMPACT), HostLedger(WIDE, 99), HostLedger(ops=swapped)]
    for ledger in wrong:
        if ledger is not other:
            ledger.restore(load_alike().keys()[: 2 if ledger is wrong[0] else 6], ledger.status)
        with pytest.raises(CheckpointError, match="a ledger must continue the one that its folder holds, 6 nodes"):
            save(ledger, folder)
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before
    assert save(stopped, folder) == 0
    with pytest.raises(CheckpointError, match="that does not; save it to another folder"):
        save(load_alike(), folder)


@pytest.mark.clause("CKPT-5")
def test_the_format_is_as_written(folder):
    """The bytes of a checkpoint follow from the clause alone: names, keys, manifest and digests."""
    first = [0, 1 << 56, SUC.code << 56 | 1 << 28, ADD.code << 56 | 1 << 28 | 1]
    data = b"".join(key.to_bytes(8, "little") for key in first)
    assert (folder / "keys-0000000000-0000000004.u64").read_bytes() == data
    content = content_of(folder)
    text = (folder / MANIFEST).read_text()
    write(folder, content)
    assert (folder / MANIFEST).read_text() == text
    assert list(content) == ["format", "version", "layout", "capacity", "status", "count", "ops", "files"]
    assert (content["format"], content["version"]) == ("prism-ledger", 1)
    assert content["layout"] == {"name": "wide", "id_bits": 28}
    assert (content["capacity"], content["status"], content["count"]) == (1 << 26, "OK", 6)
    assert content["ops"][:4] == [[0, 0, False], [1, 0, False], [SUC.code, 1, False], [ADD.code, 2, True]]
    name, digest = "keys-0000000000-0000000004.u64", sha256(data).hexdigest()
    assert content["files"][0] == {"name": name, "first": 0, "count": 4, "sha256": digest}
