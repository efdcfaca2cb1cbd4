"""Edits of a copy of this repository, what covers them up, and what finds them: the parts of a campaign."""

from __future__ import annotations

import re
import subprocess
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from docflow import base, bump, config, corpus, lock, review, rules
from docflow.corpus import Corpus
from docflow.errors import DocflowError
from tests.repo.source import ROOT
from tests.unit.docflow.test_change import git as _git

MANIFEST: Final = "spec/commitments.toml"
LEDGER: Final = "spec/ledger.md"
_KEPT: Final = (
    "spec",
    "tests",
    "agda",
    "docflow.toml",
    "docflow.lock",
    "CONTRIBUTING.md",
    "POLICY_SEED.md",
    "README.md",
)
_LOCKED: Final = re.compile(r"([0-9]+):([0-9a-f]{64})")

Edit = Callable[[Path], None]


@dataclass(frozen=True)
class Attack:
    """An edit with its name; `is_harmless`: it changes no meaning and must not be flagged."""

    name: str
    edit: Edit
    is_harmless: bool = False
    kind: str = "edit"


def load(root: Path) -> Corpus:
    """Read a tree as the command does."""
    return corpus.load(root, config.load(root, rules.IDS))


def sub(path: str, old: str, new: str, count: int = 1) -> Edit:
    """Replace a text that is there."""

    def edit(root: Path) -> None:
        text = (root / path).read_text(encoding="utf-8")
        assert old in text, f"{path} must hold {old!r}"
        (root / path).write_text(text.replace(old, new, count), encoding="utf-8")

    return edit


def both(*edits: Edit) -> Edit:
    """Do one edit after another."""

    def edit(root: Path) -> None:
        for one in edits:
            one(root)

    return edit


def bumped(root: Path) -> None:
    """Give new versions, as the command does."""
    tree = load(root)
    bump.apply(tree, bump.plan(tree))


def reviewed(root: Path) -> None:
    """Review everything that wants it, with words that look like a reviewer's."""
    bumped(root)
    for number in range(60):
        tree = load(root)
        view = next((one for one in tree.edges if one.dep and review.needs_review(one)), None)
        if view is None:
            return
        note = f"Read both texts again for reason {number}: nothing to say otherwise."
        review.apply(root, review.plan(tree, [view.key], outcome="no_change", note=note))


def adopted(root: Path) -> None:
    """Throw the lock away and adopt the tree as it is."""
    (root / lock.FILE_NAME).unlink()
    review.apply(root, review.adopt(load(root)))


def forged(root: Path) -> None:
    """Write the present texts into the lock under the old versions."""
    _rewrite_lock(root, raises=0)


def forged_higher(root: Path) -> None:
    """Write the present texts into the lock under new versions everywhere, with the notes as they are."""
    _rewrite_lock(root, raises=1)


def _rewrite_lock(root: Path, raises: int) -> None:
    tree = load(root)
    data = (root / lock.FILE_NAME).read_text(encoding="utf-8")
    for name, text in tree.lock.texts.items():
        now = tree.texts.get(name)
        if now is not None and now.fingerprint != text.seen.fingerprint:
            old = f"{text.seen.version}:{text.seen.fingerprint}"
            data = data.replace(old, f"{text.seen.version + raises}:{now.fingerprint}")
    (root / lock.FILE_NAME).write_text(data, encoding="utf-8")


def dropped_clause(path: str, anchor: str) -> Edit:
    """Take a clause away, anchor and text."""

    def edit(root: Path) -> None:
        text = (root / path).read_text(encoding="utf-8")
        found = re.search(rf'<a id="{anchor}"></a>\n.*?(?=\n\n|\Z)', text, re.DOTALL)
        assert found, f"{path} must hold {anchor}"
        (root / path).write_text(text.replace(found[0], ""), encoding="utf-8")

    return edit


def around_clause(path: str, anchor: str, before: str, after: str) -> Edit:
    """Put something around a clause."""

    def edit(root: Path) -> None:
        text = (root / path).read_text(encoding="utf-8")
        found = re.search(rf'<a id="{anchor}"></a>\n.*?(?=\n\n|\Z)', text, re.DOTALL)
        assert found, f"{path} must hold {anchor}"
        (root / path).write_text(text.replace(found[0], before + found[0] + after), encoding="utf-8")

    return edit


def fenced_in_a_list(path: str, anchor: str) -> Edit:
    """Make a clause the code of a list item."""

    def edit(root: Path) -> None:
        text = (root / path).read_text(encoding="utf-8")
        found = re.search(rf'<a id="{anchor}"></a>\n.*?(?=\n\n|\Z)', text, re.DOTALL)
        assert found, f"{path} must hold {anchor}"
        code = "\n".join(f"  {line}" for line in found[0].split("\n"))
        (root / path).write_text(text.replace(found[0], f"- ```\n{code}\n  ```"), encoding="utf-8")

    return edit


def unmarked(label: str) -> Edit:
    """Take a clause's mark from every test."""

    def edit(root: Path) -> None:
        for path in sorted((root / "tests").rglob("*.py")):
            text = path.read_text(encoding="utf-8")
            if f'clause("{label}")' in text:
                path.write_text(re.sub(rf'(?m)^.*clause\("{label}"\).*\n', "", text), encoding="utf-8")

    return edit


def without_lines(path: str, pattern: str) -> Edit:
    """Take the lines away that begin like this."""

    def edit(root: Path) -> None:
        text = (root / path).read_text(encoding="utf-8")
        less = re.sub(rf"(?m)^(?:{pattern}).*\n", "", text)
        assert less != text, f"{path} must hold {pattern}"
        (root / path).write_text(less, encoding="utf-8")

    return edit


def normalised(root: Path) -> None:
    """Spell every character in two where Unicode can."""
    for path in sorted((root / "spec").glob("*.md")):
        path.write_text(unicodedata.normalize("NFD", path.read_text(encoding="utf-8")), encoding="utf-8")


def spaced(root: Path) -> None:
    """Put blanks at line ends and blank lines at paragraph ends."""
    for name in ("ledger", "terms", "policy"):
        path = root / "spec" / f"{name}.md"
        head, body = path.read_text(encoding="utf-8").split("\n---\n", 1)
        path.write_text(f"{head}\n---\n" + body.replace("\n\n", "  \n\n\n") + "\n\n", encoding="utf-8")


def dropped_row(name: str) -> Edit:
    """Take a commitment out of the manifest."""

    def edit(root: Path) -> None:
        blocks = (root / MANIFEST).read_text(encoding="utf-8").split("\n[[commitment]]\n")
        kept = [block for block in blocks if f'id = "{name}"' not in block]
        assert len(kept) == len(blocks) - 1, f"the manifest must hold {name} once"
        (root / MANIFEST).write_text("\n[[commitment]]\n".join(kept), encoding="utf-8")

    return edit


def copied(folder: Path) -> Path:
    """Copy what docflow reads of this repository into a repository of its own, with one commit."""
    for name in _KEPT:
        listing = subprocess.run(["git", "ls-files", name], cwd=ROOT, capture_output=True, text=True, check=True).stdout
        for path in listing.splitlines():
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).write_bytes((ROOT / path).read_bytes())
    # Links to what is not copied would be findings of the copy.
    for path in load(folder).governed:
        for link in path.links:
            (folder / link.target.partition("#")[0]).parent.mkdir(parents=True, exist_ok=True)
            (folder / link.target.partition("#")[0]).touch()
    _git(folder, "init", "-q")
    _git(folder, "add", "-A", "-f")
    _git(folder, "-c", "user.name=x", "-c", "user.email=x@example.org", "commit", "-qm", "base")
    return folder


def caught(root: Path, attack: Attack) -> set[str]:
    """Return the rules that find an error after an edit; the tree is put back."""
    try:
        attack.edit(root)
        try:
            tree = load(root)
            found = rules.check(tree) + rules.check_change(base.load(tree, "HEAD", rules.IDS))
        except DocflowError as error:
            return {type(error).__name__}
        return {one.rule for one in found if one.severity == "error" or attack.is_harmless}
    finally:
        _git(root, "checkout", "-q", "-f", "HEAD")
        _git(root, "clean", "-fdq", "-e", ".docflow_cache")
