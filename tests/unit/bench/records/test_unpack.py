"""prism.bench.records.unpack: hostile archives are refused whole."""

from __future__ import annotations

import stat
import zipfile
from pathlib import Path

import pytest

from prism.bench.records.unpack import ArchiveError, Bounds, unpack

pytestmark = [pytest.mark.m4, pytest.mark.clause("TELEMETRY-3")]

DEFAULT = Bounds()


def _archive(path: Path, members: dict[str, bytes], *, mode: int = 0) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as target:
        for name, data in members.items():
            member = zipfile.ZipInfo(name)
            member.external_attr = mode << 16
            member.compress_type = zipfile.ZIP_DEFLATED
            target.writestr(member, data)
    return path


def _refused(tmp_path: Path, archive: Path, bounds: Bounds = DEFAULT) -> str:
    with pytest.raises(ArchiveError) as caught:
        unpack(archive, tmp_path / "out", bounds)
    assert [path.name for path in tmp_path.iterdir()] == [archive.name], "something was left behind"
    return str(caught.value)


def test_unpacks_every_file(tmp_path: Path) -> None:
    """A plain archive yields each of its files, byte for byte."""
    archive = _archive(tmp_path / "a.zip", {"raw/x.json": b"{}", "y.txt": b"why"})
    files = unpack(archive, tmp_path / "out", DEFAULT)
    assert {str(path.relative_to(tmp_path / "out")): path.read_bytes() for path in files} == {
        "raw/x.json": b"{}",
        "y.txt": b"why",
    }


@pytest.mark.parametrize("name", ["../x", "a/../../x", "/etc/x", "C:/x", "a\\..\\x"])
def test_a_name_that_leaves_the_folder_is_refused(tmp_path: Path, name: str) -> None:
    """No member is written outside the output folder, however its name is spelt."""
    message = _refused(tmp_path, _archive(tmp_path / "a.zip", {"good": b"1", name: b"2"}))
    assert "a member must stay inside the output folder, but" in message


def test_a_link_is_refused(tmp_path: Path) -> None:
    """A symbolic link could point a later member anywhere, so none is unpacked."""
    archive = _archive(tmp_path / "a.zip", {"link": b"/etc/passwd"}, mode=stat.S_IFLNK | 0o777)
    assert "every member must be a plain file, but 'link' is a link or a device" in _refused(tmp_path, archive)


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_a_repeated_name_is_refused(tmp_path: Path) -> None:
    """Which of two members of one name is meant would be ambiguous."""
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w") as target:
        target.writestr("x", b"1")
        target.writestr("x", b"2")
    assert "every name must occur once, but 'x' is repeated" in _refused(tmp_path, path)


def test_a_bomb_is_refused_by_its_ratio(tmp_path: Path) -> None:
    """A member that unpacks to far more than its packed size is refused."""
    archive = _archive(tmp_path / "a.zip", {"bomb": bytes(1 << 22)})
    assert "'bomb' may unpack to at most 200 times its packed" in _refused(tmp_path, archive)


def test_a_bomb_is_refused_by_its_total(tmp_path: Path) -> None:
    """The bytes written are counted over all members, whatever the archive declares."""
    archive = _archive(tmp_path / "a.zip", {"a": bytes(700), "b": bytes(700)})
    message = _refused(tmp_path, archive, Bounds(total_bytes=1000))
    assert "unpacking 'b' would exceed the allowed total by at least 400 bytes" in message


def test_too_many_files_are_refused(tmp_path: Path) -> None:
    """The number of files is bounded before any is written."""
    archive = _archive(tmp_path / "a.zip", {str(i): b"" for i in range(4)})
    assert "may hold at most 3 files, holds 4; raise --max-files" in _refused(tmp_path, archive, Bounds(files=3))


def test_a_file_that_is_no_zip_is_refused(tmp_path: Path) -> None:
    """Bytes that are no archive give an error that names the file."""
    path = tmp_path / "a.zip"
    path.write_bytes(b"not a zip")
    assert "must be a zip file that can be read" in _refused(tmp_path, path)


def test_an_encrypted_member_is_refused(tmp_path: Path) -> None:
    """A member that cannot be read without a password is an error, not a gap."""
    path = _archive(tmp_path / "a.zip", {"x": b"1"})
    data = bytearray(path.read_bytes())
    central = data.rindex(b"PK\x01\x02")
    data[central + 8] |= 1
    path.write_bytes(data)
    assert "members must not be encrypted, but 'x' is" in _refused(tmp_path, path)


def test_an_existing_folder_is_kept(tmp_path: Path) -> None:
    """Unpacking never mixes with what is already there."""
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine").write_text("kept")
    with pytest.raises(ArchiveError, match="the output folder must not exist yet; remove it or name another"):
        unpack(_archive(tmp_path / "a.zip", {"x": b""}), tmp_path / "out", DEFAULT)
    assert (tmp_path / "out" / "mine").read_text() == "kept"
