"""Write files whole: a reader sees the old file or the new one, never a part."""

from __future__ import annotations

import errno
import os
import secrets
import stat
from pathlib import Path
from typing import Final

_STREAMS: Final = (Path("/dev"), Path("/proc"))
"""Where names stand for what is open already: a regular file behind such a name is somebody's stream."""


def write_text(path: Path, text: str) -> None:
    """Write `text` to `path` in UTF-8, as `write_bytes` does."""
    write_bytes(path, text.encode("utf-8"))


def write_bytes(path: Path, data: bytes, *, durable: bool = False) -> None:
    """Write `data` to `path` atomically, making the folders above it.

    A link is followed: what it names is written, the link stays. A new file has the mode that the umask leaves, one
    that was there keeps its own. A device, a pipe, and any name under /dev or /proc is written in place, never
    replaced. durable: return only when the file, and its name in its folder, would outlast a stop of the machine.
    Raises OSError, with `path` as its file name, where that cannot be; whatever it raises, an old file stays as it was,
    or is replaced whole, and nothing is left beside it.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if _is_stream(path):
            with path.open("wb") as stream:
                stream.write(data)
        else:
            _replace(Path(os.path.realpath(path)), data, durable)
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(path)) from error


def require_writable(path: Path) -> None:
    """Raise the OSError that `write_bytes` would, as far as can be told now; what is there is not touched.

    It makes a file beside `path`, or in the nearest folder above it that is there, and removes it: permissions alone do
    not tell of a file system that is read-only or full. No folder is made.
    """
    try:
        if _is_stream(path):
            if not os.access(path, os.W_OK):
                raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
            return
        real = Path(os.path.realpath(path))
        if real.is_dir():
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
        nearest = next(folder for folder in real.parents if folder.exists())
        trial = nearest / f".{real.name}.{secrets.token_hex(6)}"
        os.close(os.open(trial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
        trial.unlink()
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(path)) from error


def _is_stream(path: Path) -> bool:
    if any(folder in path.absolute().parents for folder in _STREAMS):
        return True
    try:
        mode = path.stat().st_mode
    except FileNotFoundError:
        return False
    return not (stat.S_ISREG(mode) or stat.S_ISDIR(mode))


def _replace(path: Path, data: bytes, durable: bool) -> None:
    name = path.parent / f".{path.name}.{secrets.token_hex(6)}"
    try:
        with os.fdopen(os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666), "wb") as file:
            if path.exists():
                os.fchmod(file.fileno(), stat.S_IMODE(path.stat().st_mode))
            file.write(data)
            if durable:
                file.flush()
                os.fsync(file.fileno())
        name.replace(path)
        if durable:
            _settle(path.parent)
    except BaseException:
        name.unlink(missing_ok=True)
        raise


def _settle(folder: Path) -> None:
    """Wait until the names in a folder are on its disk."""
    opened = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)
