"""Build the image of `agda/image/`, bit for bit, and compare it with its lock."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import tarfile
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from agda.tools.files import AGDA_ROOT, REPOSITORY, say
from agda.tools.host import ToolMissingError, program

RECIPE: Final = AGDA_ROOT / "image" / "recipe.toml"
LOCK: Final = AGDA_ROOT / "image" / "packages.lock"
STORE: Final = REPOSITORY / "build" / "agda-image"
_LOCK_INSIDE: Final = "./usr/share/agda/packages.lock"


class DriftError(Exception):
    """The archive no longer gives the locked image."""


@dataclass(frozen=True, slots=True)
class Recipe:
    """What the image is made of; `digest` is the SHA-256 of its tar archive."""

    suite: str
    agda: str
    libraries: tuple[str, ...]
    epoch: int
    digest: str


@dataclass(frozen=True, slots=True)
class Image:
    """An image on disk: its tar archive, and the SHA-256 of that archive."""

    archive: Path
    digest: str


def recipe(path: Path = RECIPE) -> Recipe:
    """Read a recipe."""
    data = tomllib.loads(path.read_text(encoding="utf-8"))
    return Recipe(data["suite"], data["agda"], tuple(data["libraries"]), data["epoch"], data["digest"])


def pinned_image(wanted: Recipe, *, accept_drift: bool = False) -> Image:
    """Return the pinned image, from the store or built anew; DriftError if the archive gives another one.

    With `accept_drift`, another image is returned with its own digest.
    """
    kept = STORE / f"{wanted.digest}.tar"
    if kept.exists() and sha256(kept) == wanted.digest:
        return Image(kept, wanted.digest)
    built = build(wanted)
    if built.digest != wanted.digest and not accept_drift:
        changes = differences(LOCK.read_text(encoding="utf-8"), lock_of(built)) or ["no package, so what builds it"]
        raise DriftError(
            f"drift: the image must be sha256:{wanted.digest}, and today's archive gives sha256:{built.digest}; "
            f"what changed: {'; '.join(changes)}. Renew the pin (`python -m agda.tools.image`) or pass --accept-drift"
        )
    return built


def build(wanted: Recipe) -> Image:
    """Build the image into the store; its file is named by its digest. Needs mmdebstrap and the network."""
    STORE.mkdir(parents=True, exist_ok=True)
    fresh = STORE / f"building-{os.getpid()}.tar"
    mmdebstrap = program("mmdebstrap", "install it with your system's package manager")
    command = [
        mmdebstrap,
        "--quiet",
        # A suite in testing is served with dates that run out; the lock is what is trusted.
        '--aptopt=Acquire::Check-Valid-Until "false"',
        "--variant=minbase",
        f"--include={','.join(wanted.libraries)}",
        f'--customize-hook="{AGDA_ROOT}/image/install-agda.sh" "{wanted.agda}" "$1"',
        wanted.suite,
        str(fresh),
    ]
    environment = {**os.environ, "SOURCE_DATE_EPOCH": str(wanted.epoch)}
    try:
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise _unbuilt(wanted, done.stderr)
        digest = sha256(fresh)
        return Image(fresh.replace(STORE / f"{digest}.tar"), digest)
    finally:
        fresh.unlink(missing_ok=True)


def _unbuilt(wanted: Recipe, complaint: str) -> Exception:
    """Return the error for a build that failed: drift if the archive has moved past the locked Agda."""
    if "was not found" in complaint:
        return DriftError(
            f"drift: the archive of {wanted.suite} no longer has agda-bin {wanted.agda}; "
            "name the version that it has in agda/image/recipe.toml and renew the pin with `python -m agda.tools.image`"
        )
    last = (complaint.strip().splitlines() or ["no message"])[-1]
    return ToolMissingError(f"the image could not be built, which needs the network and root: {last}")


def lock_of(image: Image) -> str:
    """Return the lock that the build wrote into the image: package, version, SHA-256 of its archive."""
    with tarfile.open(image.archive) as archive:
        stream = archive.extractfile(_LOCK_INSIDE)
        if stream is None:
            raise DriftError(f"{image.archive} must hold {_LOCK_INSIDE}; delete it and build again")
        return stream.read().decode()


def differences(locked: str, built: str) -> list[str]:
    """Return what changed from one lock to another, a line for each package."""
    old, new = _packages(locked), _packages(built)
    return [
        f"{name}: locked {old.get(name, 'absent')}, archive has {new.get(name, 'absent')}"
        for name in sorted(old.keys() | new.keys())
        if old.get(name) != new.get(name)
    ]


def _packages(lock: str) -> dict[str, str]:
    return dict(line.split(" ", 1) for line in lock.splitlines())


def sha256(path: Path) -> str:
    """Return the SHA-256 of a file, in hexadecimal."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def main() -> int:
    """Build the image of today's archive and pin it: rewrite the lock, and print the digest for the recipe."""
    image = build(recipe())
    LOCK.write_text(lock_of(image), encoding="utf-8")
    say(f'digest = "{image.digest}"')
    return 0


if __name__ == "__main__":
    sys.exit(main())
