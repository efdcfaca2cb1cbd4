"""Every command in hostile surroundings: outputs that are no regular files, no room, no rights, no reader, no cache.

`python -m tests.surroundings [--fast] [CASE...]` runs each command of Prism in each surrounding, as root and as an
unprivileged user where it may, and prints what was wrong and how many runs were right; exit 1 if any was wrong.
`--fast` takes one command of each kind. A CASE is a part of a case's name, such as `fifo` or `isa asm`.
"""

from __future__ import annotations

import json
import os
import shutil
import stat
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Final

import numpy as np
from click import echo

from tests.surrounded import COMPILED, FAST, PRINTING, WRITING, Command, Ended, Place, User, users


def said_plainly(ended: Ended, codes: Sequence[int], lines: int | None = None) -> str:
    """Return what was wrong with how a run ended: another code, a traceback, more than so many lines; "" if nothing."""
    if "Traceback" in ended.errors:
        return f"it printed a traceback: {ended.errors.strip().splitlines()[-1]}"
    if ended.code not in codes:
        return f"it ended with {ended.code}, not {' or '.join(map(str, codes))}: {ended.errors.strip()[-200:]}"
    if lines is not None and len(ended.errors.strip().splitlines()) > lines:
        return f"it said more than {lines} lines: {ended.errors.strip()[-300:]}"
    return ""


def written(place: Place, command: Command) -> bytes:
    """Return what a command writes to a regular file; RuntimeError with what was wrong."""
    path = place.folder / "plain"
    if wrong := said_plainly(place.run(command.arguments, out=str(path)), (0,)):
        raise RuntimeError(f"to a plain file, {wrong}")
    data = path.read_bytes() if not command.is_folder else b""
    shutil.rmtree(path) if command.is_folder else path.unlink()
    return data


def _agrees(command: Command, wanted: bytes, got: bytes) -> str:
    if command.is_same and wanted != got:
        return f"it wrote {len(got)} other bytes: {got[:60]!r}"
    return "" if got else "it wrote nothing"


def to_device(place: Place, command: Command, wanted: bytes) -> str:
    """Check that the device stays a device, and takes what is written."""
    del wanted
    wrong = said_plainly(place.run(command.arguments, out="/dev/null"), (0,))
    return wrong or ("" if stat.S_ISCHR(Path("/dev/null").stat().st_mode) else "the device is gone")


def to_fifo(place: Place, command: Command, wanted: bytes) -> str:
    """Check that a reader at the other end of a pipe gets the whole."""
    path, got = place.folder / "pipe", list[bytes]()
    os.mkfifo(path)
    os.chown(path, place.user.uid, place.user.uid)
    reader = threading.Thread(target=lambda: got.append(path.read_bytes()), daemon=True)
    reader.start()
    try:
        wrong = said_plainly(place.run(command.arguments, out=str(path)), (0,))
        reader.join(5)
        return wrong or _agrees(command, wanted, b"".join(got)) or ("" if path.is_fifo() else "the pipe is gone")
    finally:
        path.unlink()


def to_stdout(place: Place, command: Command, wanted: bytes) -> str:
    """Check that `/dev/stdout` is where standard output goes."""
    ended = place.run(command.arguments, out="/dev/stdout")
    return said_plainly(ended, (0,)) or ("" if wanted in ended.out or not command.is_same else "it printed other bytes")


def through_link(place: Place, command: Command, wanted: bytes) -> str:
    """Check that what a link names is written, the link stays, and what was there keeps its mode."""
    target, link = place.folder / "target", place.folder / "link"
    target.write_bytes(b"old")
    target.chmod(0o640)
    link.symlink_to(target)
    place.give()
    if command.name == "kernel run":
        np.save(target.with_suffix(".npy"), np.zeros(4, np.float32))
        target.with_suffix(".npy").replace(target)
        target.chmod(0o640)
        place.give()
    try:
        wrong = said_plainly(place.run(command.arguments, out=str(link)), (0,)) or _agrees(
            command, wanted, target.read_bytes()
        )
        mode = stat.S_IMODE(target.stat().st_mode)
        return wrong or ("" if link.is_symlink() and mode == 0o640 else f"the link or the mode is gone: {mode:o}")
    finally:
        target.unlink()
        link.unlink()


def under_umask(place: Place, command: Command, wanted: bytes) -> str:
    """Check that a new file has the mode that the umask leaves."""
    path = place.folder / "new"
    before = os.umask(0o027)
    try:
        wrong = said_plainly(place.run(command.arguments, out=str(path)), (0,))
    finally:
        os.umask(before)
    if wrong:
        return wrong
    wrong, mode = _agrees(command, wanted, path.read_bytes()), stat.S_IMODE(path.stat().st_mode)
    path.unlink()
    return wrong or ("" if mode == 0o640 else f"its mode is {mode:o}")


def to_full_device(place: Place, command: Command, wanted: bytes) -> str:
    """Check that a device without room is a file that cannot be written."""
    del wanted
    return said_plainly(place.run(command.arguments, out="/dev/full"), (2,))


def to_full_disk(place: Place, command: Command, wanted: bytes) -> str:
    """Check that on a full disk the file stays as it was, nothing stays beside it, and the code is 2."""
    del wanted
    disk = place.folder / "disk"
    if not _mounted(disk, place):
        return ""
    try:
        path = disk / "here"
        if command.name == "kernel run":
            np.save(disk / "here.npy", np.zeros(4, np.float32))
            (disk / "here.npy").replace(path)
        elif not command.is_folder:
            path.write_bytes(b"old")
        place.give()
        old = path.read_bytes() if path.exists() else b""
        _filled(disk)
        names = sorted(one.name for one in disk.iterdir())
        wrong = said_plainly(place.run(command.arguments, out=str(path)), (2,))
        left = sorted(one.name for one in disk.iterdir() if one != path or not command.is_folder)
        if not wrong and not command.is_folder and path.read_bytes() != old:
            wrong = "the old file is gone"
        return wrong or ("" if left == names else f"it left {set(left) - set(names)}")
    finally:
        subprocess.run(["umount", str(disk)], check=True)
        disk.rmdir()


def _mounted(disk: Path, place: Place) -> bool:
    """Mount an empty disk of 64 KiB; whether that may be done."""
    disk.mkdir()
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(disk)], check=False, capture_output=True
    )
    if done.returncode:
        disk.rmdir()
        return False
    os.chown(disk, place.user.uid, place.user.uid)
    return True


def _filled(disk: Path) -> None:
    with (disk / "filler").open("wb", buffering=0) as filler:
        try:
            while True:
                filler.write(b"x" * 4096)
        except OSError:
            pass


def without_rights(place: Place, command: Command, wanted: bytes) -> str:
    """Check that a folder which may not be written is found out before anything is read or measured."""
    del wanted
    if os.getuid() != 0 and os.access("/", os.W_OK):
        return ""
    # Nobody, root neither, makes files in /proc.
    folder = Path("/proc/sys") if place.user.uid == 0 else place.folder / "locked"
    if place.user.uid != 0:
        folder.mkdir(mode=0o555, exist_ok=True)
        os.chown(folder, 0 if os.getuid() == 0 else place.user.uid, -1)
    ended = place.run(command.endless or command.arguments, out=str(folder / "here"), limit_s=60)
    return said_plainly(ended, (2,), 1) or ("it printed before it refused" if ended.out else "")


WRITTEN_TO: Final[dict[str, Callable[[Place, Command, bytes], str]]] = {
    "device": to_device,
    "fifo": to_fifo,
    "/dev/stdout": to_stdout,
    "link": through_link,
    "umask": under_umask,
    "full device": to_full_device,
    "full disk": to_full_disk,
    "no rights": without_rights,
}
"""What an output may be."""
_FILES_ONLY: Final = frozenset({"device", "fifo", "/dev/stdout", "link", "umask", "full device"})


def printed_to_full(place: Place, command: Command) -> str:
    """Check that a full standard output is a file that cannot be written, for whoever prints."""
    with Path("/dev/full").open("wb") as full:
        return said_plainly(place.run(command.arguments, stdout=full.fileno()), (2,))


def printed_to_nobody(place: Place, command: Command) -> str:
    """Check that a standard output which nobody reads ends a command as SIGPIPE does."""
    reading, writing = os.pipe()
    os.close(reading)
    try:
        return said_plainly(place.run(command.arguments, stdout=writing), (141, 2))
    finally:
        os.close(writing)


PRINTED_TO: Final[dict[str, Callable[[Place, Command], str]]] = {
    "full stdout": printed_to_full,
    "closed pipe": printed_to_nobody,
}


def damaged(place: Place, command: Command, how: str) -> str:
    """Check that a cache locked, full, or with entries cut short costs time and one warning."""
    cache = place.folder / f"cache-{how}"
    env = {"NUMBA_CACHE_DIR": str(cache), "XDG_CACHE_HOME": str(cache / "xdg")}
    is_mounted = False
    if how == "locked":
        cache.write_text("a file where the folder should be")
    elif how == "full":
        is_mounted = _mounted(cache, place)
        if not is_mounted:
            return ""
        _filled(cache)
    else:
        cache.mkdir()
        place.give()
        first = place.run(command.arguments, env=env)
        if wrong := said_plainly(first, (0,), 0):
            return f"at first, {wrong}"
        for entry in cache.rglob("*.*"):
            if entry.is_file():
                entry.write_bytes(entry.read_bytes()[:40])
    try:
        ended = place.run(command.arguments, env=env)
        plain = place.run(command.arguments)
        return said_plainly(ended, (0,), 1) or ("" if ended.out == plain.out else "it printed something else")
    finally:
        if is_mounted:
            subprocess.run(["umount", str(cache)], check=True)
        cache.unlink() if cache.is_file() else shutil.rmtree(cache)


def cases(place: Place, *, is_fast: bool) -> Iterator[tuple[str, Callable[[], str]]]:
    """Yield the name of each case and what runs it; that returns what was wrong."""
    for command in WRITING:
        if is_fast and command.name not in FAST:
            continue
        wanted: list[bytes] = []
        for name, check in WRITTEN_TO.items():
            if name in _FILES_ONLY and command.is_folder:
                continue

            def write(check=check, command=command, wanted=wanted) -> str:
                try:
                    wanted[:] = wanted or [written(place, command)]
                except RuntimeError as error:
                    return str(error)
                return check(place, command, wanted[0])

            yield f"{command.name}: {name}", write
    for command in PRINTING:
        for name, printed in PRINTED_TO.items():
            if not is_fast or command.name in FAST:
                yield f"{command.name}: {name}", partial(printed, place, command)
    for command in () if is_fast else COMPILED:
        for how in ("locked", "full", "truncated"):
            yield f"{command.name}: cache {how}", partial(damaged, place, command, how)


def checked(*, is_fast: bool, wanted: Sequence[str] = (), user: User | None = None) -> Iterator[tuple[str, str]]:
    """Run the cases as everybody, or as one user; yield the name of each and what was wrong with it."""
    for one in [user] if user else users():
        with tempfile.TemporaryDirectory() as folder:
            Path(folder).chmod(0o755)
            place = Place(Path(folder), one)
            for name, run in cases(place, is_fast=is_fast):
                full = f"{one.name}: {name}"
                if not wanted or any(part in full for part in wanted):
                    yield full, run()


def main() -> None:
    """Run the cases, say what was wrong, and end with 1 if anything was."""
    arguments = [argument for argument in sys.argv[1:] if argument != "--fast"]
    wrong, total = 0, 0
    for name, found in checked(is_fast="--fast" in sys.argv, wanted=arguments):
        total += 1
        if found:
            wrong += 1
            echo(f"{name}: {found}")
    echo(json.dumps({"right": total - wrong, "wrong": wrong, "users": [user.name for user in users()]}))
    sys.exit(wrong > 0)


if __name__ == "__main__":
    main()
