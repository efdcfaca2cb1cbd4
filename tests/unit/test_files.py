"""prism.files: regular files are replaced whole, links followed, streams written in place, the umask kept."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from prism.files import require_writable, write_bytes, write_text

pytestmark = pytest.mark.m1


def mode(path: Path) -> int:
    """Return the permission bits of a file."""
    return stat.S_IMODE(path.stat().st_mode)


@pytest.mark.parametrize("mask", [0o022, 0o077, 0o002])
def test_a_new_file_has_the_mode_that_the_umask_leaves(mask: int, tmp_path: Path) -> None:
    """As for a file that any program makes; one that was there keeps its mode."""
    before = os.umask(mask)
    try:
        write_text(tmp_path / "new", "x")
        assert mode(tmp_path / "new") == 0o666 & ~mask
        (tmp_path / "new").chmod(0o600)
        write_text(tmp_path / "new", "y")
    finally:
        os.umask(before)
    assert (mode(tmp_path / "new"), (tmp_path / "new").read_text()) == (0o600, "y")
    assert [path.name for path in tmp_path.iterdir()] == ["new"]


def test_a_link_is_followed(tmp_path: Path) -> None:
    """What the link names is written, into its own folder, and the link stays a link; so does one that dangles."""
    (tmp_path / "there").mkdir()
    for name in ("old", "dangling"):
        (tmp_path / name).symlink_to(Path("there") / name)
    (tmp_path / "there" / "old").write_text("before")
    for name in ("old", "dangling"):
        write_bytes(tmp_path / name, b"after")
        assert (tmp_path / name).is_symlink()
        assert (tmp_path / "there" / name).read_text() == "after"
    assert sorted(path.name for path in (tmp_path / "there").iterdir()) == ["dangling", "old"]


def test_a_pipe_and_a_device_are_written_in_place(tmp_path: Path) -> None:
    """A FIFO stays a FIFO and its reader gets the bytes; the null device stays a device."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    got: list[bytes] = []
    reader = threading.Thread(target=lambda: got.append(pipe.read_bytes()))
    reader.start()
    write_bytes(pipe, b"through")
    reader.join(10)
    assert got == [b"through"]
    assert stat.S_ISFIFO(pipe.stat().st_mode)
    write_bytes(Path(os.devnull), b"gone")
    assert stat.S_ISCHR(Path(os.devnull).stat().st_mode)


def test_standard_output_by_name_is_the_stream_that_is_open(tmp_path: Path) -> None:
    """Redirected into a regular file, /dev/stdout is written to, not replaced under the process that holds it."""
    source = "from pathlib import Path; from prism.files import write_text; write_text(Path('/dev/stdout'), 'here')"
    out = tmp_path / "out"
    with out.open("wb") as stream:
        subprocess.run([sys.executable, "-c", source], stdout=stream, check=True)
        inode = os.fstat(stream.fileno()).st_ino
    assert (out.read_text(), out.stat().st_ino) == ("here", inode)


def test_what_cannot_be_written_leaves_the_old_file(tmp_path: Path) -> None:
    """A folder in the place of a file is an error that names it, and nothing is left beside it."""
    (tmp_path / "folder").mkdir()
    with pytest.raises(OSError, match="folder"):
        write_text(tmp_path / "folder", "x")
    assert [path.name for path in tmp_path.iterdir()] == ["folder"]


def test_a_file_is_known_to_be_writable_without_being_touched(tmp_path: Path) -> None:
    """What is there keeps its content and nothing is left beside it; a folder, or a place below a file, is refused."""
    old, pipe = tmp_path / "old", tmp_path / "pipe"
    old.write_text("kept")
    os.mkfifo(pipe)
    for path in (old, tmp_path / "new", pipe, Path("/dev/null")):
        require_writable(path)
    assert old.read_text() == "kept"
    assert {path.name for path in tmp_path.iterdir()} == {"old", "pipe"}
    for path in (tmp_path, old / "below"):
        with pytest.raises(OSError, match=path.name):
            require_writable(path)
    pipe.chmod(0)
    if os.geteuid():
        with pytest.raises(PermissionError, match="pipe"):
            require_writable(pipe)


def test_a_durable_write_waits_for_file_and_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The file is on its disk before it has its name, and the name before the call returns; else nothing waits."""
    waits: list[bool] = []
    sync = os.fsync

    def seen(opened: int) -> None:
        waits.append((tmp_path / "new").exists())
        sync(opened)

    monkeypatch.setattr(os, "fsync", seen)
    write_bytes(tmp_path / "new", b"x", durable=True)
    assert waits == [False, True]
    write_bytes(tmp_path / "other", b"x")
    assert (len(waits), (tmp_path / "new").read_bytes()) == (2, b"x")
