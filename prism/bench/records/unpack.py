"""Unpack a report archive that may be hostile: all of it, or none of it."""

from __future__ import annotations

import shutil
import stat
import tempfile
import zipfile
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from prism.errors import PrismError

_CHUNK = 1 << 16


class ArchiveError(PrismError):
    """An archive is refused; nothing of it was kept."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """What an archive may hold: files, bytes when unpacked, and bytes unpacked for each byte packed."""

    files: int = 10_000
    total_bytes: int = 1 << 30
    ratio: int = 200


def unpack(archive: Path, out_dir: Path, bounds: Bounds) -> list[Path]:
    """Unpack `archive` into the new folder `out_dir` and return its files, sorted.

    Refuses names that leave the folder, links, duplicates, encrypted members, and more than `bounds` allows, counted
    while unpacking: what an archive says of its sizes is not believed. Appears whole or not at all.
    """
    if out_dir.exists():
        raise ArchiveError(f"{out_dir}: the output folder must not exist yet; remove it or name another")
    out_dir.parent.mkdir(parents=True, exist_ok=True)
    staging = Path(tempfile.mkdtemp(dir=out_dir.parent, prefix=f".{out_dir.name}."))
    try:
        with zipfile.ZipFile(archive) as source:
            _extract(source, archive, staging, bounds)
        staging.chmod(0o755)
        staging.rename(out_dir)
    except (zipfile.BadZipFile, NotImplementedError) as error:
        raise ArchiveError(f"{archive}: must be a zip file that can be read, but: {error}") from error
    finally:
        shutil.rmtree(staging, ignore_errors=True)
    return sorted(path for path in out_dir.rglob("*") if path.is_file())


def _extract(source: zipfile.ZipFile, archive: Path, staging: Path, bounds: Bounds) -> None:
    members = [member for member in source.infolist() if not member.is_dir()]
    if len(members) > bounds.files:
        raise ArchiveError(f"{archive}: may hold at most {bounds.files} files, holds {len(members)}; raise --max-files")
    total = 0
    for member in members:
        target = staging.joinpath(*_safe_parts(archive, member))
        if target.exists():
            raise ArchiveError(f"{archive}: every name must occur once, but {member.filename!r} is repeated")
        target.parent.mkdir(parents=True, exist_ok=True)
        total += _copy(source, member, target, budget=bounds.total_bytes - total)
        packed = max(1, member.compress_size)
        if target.stat().st_size > bounds.ratio * packed and target.stat().st_size > _CHUNK:
            raise ArchiveError(
                f"{archive}: {member.filename!r} may unpack to at most {bounds.ratio} times its packed {packed} bytes; "
                "if you trust it, raise --max-ratio"
            )


def _safe_parts(archive: Path, member: zipfile.ZipInfo) -> tuple[str, ...]:
    name = member.filename
    parts = PurePosixPath(name).parts
    if name.startswith("/") or "\\" in name or ":" in name or ".." in parts or not parts:
        raise ArchiveError(f"{archive}: a member must stay inside the output folder, but {name!r} does not")
    kind = stat.S_IFMT(member.external_attr >> 16)
    if kind not in (0, stat.S_IFREG):
        raise ArchiveError(f"{archive}: every member must be a plain file, but {name!r} is a link or a device")
    if member.flag_bits & 1:
        raise ArchiveError(f"{archive}: members must not be encrypted, but {name!r} is")
    return parts


def _copy(source: zipfile.ZipFile, member: zipfile.ZipInfo, target: Path, *, budget: int) -> int:
    written = 0
    with source.open(member) as packed, target.open("xb") as plain:
        while chunk := packed.read(_CHUNK):
            written += len(chunk)
            if written > budget:
                raise ArchiveError(
                    f"unpacking {member.filename!r} would exceed the allowed total by at least {written - budget} "
                    "bytes; if you trust the archive, raise --max-bytes"
                )
            plain.write(chunk)
    return written
