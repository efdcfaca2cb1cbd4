"""What git knows of a tree: its files at a revision, and what differs from there."""

from __future__ import annotations

import subprocess
from collections.abc import Iterable, Mapping
from pathlib import Path

from docflow.errors import DocflowError


def git(root: Path, *arguments: str, given: bytes = b"") -> bytes | None:
    """Run git in `root` and return what it prints, None if it fails."""
    command = ["git", "-C", str(root), *arguments]
    try:
        done = subprocess.run(command, input=given, capture_output=True, check=False)
    except FileNotFoundError:
        return None
    return done.stdout if done.returncode == 0 else None


def require_commit(root: Path, revision: str) -> None:
    """Raise `DocflowError` unless `root` is in a git work tree that knows the commit."""
    if git(root, "rev-parse", "--verify", "--quiet", f"{revision}^{{commit}}") is None:
        raise DocflowError(
            f"{root} must be in a git work tree that knows the commit {revision}; name another with --base"
        )


def has_commit(root: Path) -> bool:
    """Say whether `root` is in a git work tree with a commit."""
    return git(root, "rev-parse", "--verify", "--quiet", "HEAD") is not None


def ancestor(root: Path, revision: str) -> str:
    """Return the nearest common ancestor of a revision and HEAD, the revision itself if there is none."""
    return (git(root, "merge-base", revision, "HEAD") or b"").decode().strip() or revision


def changed(root: Path, revision: str) -> list[str]:
    """Return the files below `root` whose bytes differ from those at `revision`, relative to `root`."""
    listing = git(root, "diff", "--name-only", "--no-renames", "-z", "--relative", revision, "--", ".") or b""
    return [name for name in listing.decode("utf-8", "replace").split("\0") if name]


def listed(root: Path, revision: str) -> list[str]:
    """Return the files below `root` at `revision`, relative to `root`."""
    listing = git(root, "ls-tree", "-r", "-z", "--name-only", revision) or b""
    return [name for name in listing.decode("utf-8", "replace").split("\0") if name]


def contents(root: Path, revision: str, paths: Iterable[str]) -> Mapping[str, bytes]:
    """Return the bytes of files at a revision, by one call of git; those it does not have are left out."""
    names = [path for path in paths if "\n" not in path]
    given = "".join(f"{revision}:./{path}\n" for path in names).encode()
    answer = git(root, "cat-file", "--batch", given=given) or b""
    found: dict[str, bytes] = {}
    at = 0
    for path in names:
        end = answer.find(b"\n", at)
        if end < 0:
            break
        header = answer[at:end]
        at = end + 1
        if header.endswith(b" missing"):
            continue
        size = int(header.rsplit(b" ", 1)[1])
        found[path] = answer[at : at + size]
        at += size + 1
    return found
