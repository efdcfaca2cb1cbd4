"""The image: what pins it, and what is said when the archive has moved on."""

from __future__ import annotations

import tarfile
from pathlib import Path

import pytest

from agda.tools import image
from agda.tools.host import ToolMissingError
from agda.tools.image import DriftError, Image, differences, pinned_image, recipe, sha256

pytestmark = [pytest.mark.m5, pytest.mark.clause("TRUSTED-5")]


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return an empty store, put in place of the repository's."""
    monkeypatch.setattr(image, "STORE", tmp_path)
    return tmp_path


def test_every_package_of_the_lock_has_a_hash() -> None:
    """The lock names package, version and SHA-256, the version of Agda that the recipe names among them."""
    rows = [line.split(" ") for line in image.LOCK.read_text(encoding="utf-8").splitlines()]
    assert {len(row) for row in rows} == {3}
    assert {len(row[2]) for row in rows} == {64}
    assert ("agda-bin", recipe().agda) in {(row[0], row[1]) for row in rows}


def test_differences_name_each_package() -> None:
    """A changed, a new and a lost package are one line each, and equal locks have no difference."""
    locked, built = "a 1 x\nb 1 y\nc 1 z\n", "a 1 x\nb 2 w\nd 1 v\n"
    assert differences(locked, built) == [
        "b: locked 1 y, archive has 2 w",
        "c: locked 1 z, archive has absent",
        "d: locked absent, archive has 1 v",
    ]
    assert differences(locked, locked) == []


def test_a_kept_image_is_believed_by_its_hash_only(store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An archive in the store is used if its bytes have the pinned hash; one that was changed is built anew."""
    archive = store / "x.tar"
    archive.write_bytes(b"image")
    wanted = image.Recipe("suite", "1", (), 0, sha256(archive))
    kept = archive.rename(store / f"{wanted.digest}.tar")
    assert pinned_image(wanted) == Image(kept, wanted.digest)
    kept.write_bytes(b"changed")
    monkeypatch.setenv("PATH", "")
    with pytest.raises(ToolMissingError, match="mmdebstrap must be installed and was not found; install it"):
        pinned_image(wanted)


def test_drift_is_an_error_that_names_what_changed(store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another image than the pinned one is refused with both digests, unless drift is accepted."""
    built = Image(store / "built.tar", "b" * 64)
    monkeypatch.setattr(image, "build", lambda _wanted: built)
    monkeypatch.setattr(image, "lock_of", lambda _image: "agda-bin 9 x\n")
    with pytest.raises(
        DriftError, match=f"must be sha256:{recipe().digest}, and .* gives sha256:{'b' * 64}; what changed"
    ):
        pinned_image(recipe())
    assert pinned_image(recipe(), accept_drift=True) == built


@pytest.mark.parametrize(
    ("complaint", "error", "message"),
    [
        (
            "E: Version '2' for 'agda-bin' was not found",
            DriftError,
            "drift: the archive of suite no longer has agda-bin 2;",
        ),
        ("x\nE: no route", ToolMissingError, "could not be built, which needs the network and root: E: no route"),
        ("", ToolMissingError, "root: no message"),
    ],
)
def test_a_build_that_fails_says_whether_the_archive_moved(
    store: Path, monkeypatch: pytest.MonkeyPatch, complaint: str, error: type[Exception], message: str
) -> None:
    """An archive without the locked Agda is drift; any other failure means that the check did not run."""
    builder = store / "mmdebstrap"
    (store / "complaint").write_text(f"{complaint}\n" if complaint else "", encoding="utf-8")
    builder.write_text(f'#!/bin/sh\nwhile read -r line; do echo "$line" >&2; done < {store}/complaint\nexit 25\n')
    builder.chmod(0o755)
    monkeypatch.setenv("PATH", str(store))
    with pytest.raises(error, match=message):
        image.build(image.Recipe("suite", "2", (), 0, "0"))
    assert sorted(path.name for path in store.iterdir()) == ["complaint", "mmdebstrap"]


def test_an_image_without_its_lock_is_refused(tmp_path: Path) -> None:
    """An archive in which the lock is no file is not one that the recipe made."""
    with tarfile.open(tmp_path / "x.tar", "w") as archive:
        folder = tarfile.TarInfo("./usr/share/agda/packages.lock")
        folder.type = tarfile.DIRTYPE
        archive.addfile(folder)
    with pytest.raises(DriftError, match=r"x.tar must hold ./usr/share/agda/packages.lock; delete it and build again"):
        image.lock_of(Image(tmp_path / "x.tar", "0"))
