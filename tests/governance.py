"""A campaign against docflow: edits of this repository that change meaning, each to be caught; and harmless ones.

`python -m tests.governance` applies each to a copy of the tree, with the commands and forgeries that would cover it,
judges by `docflow check --base`, and prints what was caught by which rule. Exit 1 if fewer than 48 of 50 are caught, or
a weakened theorem or manifest passes, or a harmless edit is flagged. The theorems are weakened with their new hashes
accepted: without that, `python -m agda.tools.commitments` finds them by their statements.
"""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
import tomllib
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from click import echo

from docflow import base, bump, config, corpus, lock, review, rules
from docflow.corpus import Corpus
from docflow.errors import DocflowError
from tests.repo.source import ROOT
from tests.unit.docflow.test_change import git as _git

NEEDED: Final = 48
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


MANIFEST: Final = "spec/commitments.toml"
LEDGER: Final = "spec/ledger.md"
NEGATIONS: Final = (
    (LEDGER, " is ", " is not "),
    ("spec/rewriting.md", " is ", " is never "),
    ("spec/terms.md", " is ", " may be "),
    ("spec/isa.md", " is ", " is seldom "),
    ("spec/policy.md", " is ", " is not "),
    ("spec/docflow.md", " is ", " is not "),
    ("spec/trusted.md", " is ", " is not "),
    ("spec/ring.md", " is ", " is not "),
    ("POLICY_SEED.md", " is ", " is not "),
    ("CONTRIBUTING.md", "Break the code once by hand and see the test fail.", "Break nothing."),
    ("spec/glossary.md", "in which equal keys have one id", "in which equal keys may have two ids"),
)


def _words() -> Iterator[Attack]:
    for path, old, new in NEGATIONS:
        yield Attack(f"another word in {path}", sub(path, f"{old}", new))
    for path, old, new in (NEGATIONS[0], NEGATIONS[1], NEGATIONS[3], NEGATIONS[8], NEGATIONS[10]):
        yield Attack(f"another word in {path}, bumped, nobody looked", both(sub(path, old, new), bumped))
    for path, old, new in (NEGATIONS[0], NEGATIONS[2], NEGATIONS[4], NEGATIONS[6], NEGATIONS[8], NEGATIONS[10]):
        yield Attack(f"another word in {path}, forged into the lock", both(sub(path, old, new), forged))
    for path, old, new in (NEGATIONS[0], NEGATIONS[1], NEGATIONS[7], NEGATIONS[10]):
        yield Attack(
            f"another word in {path}, forged as a review with the old notes", both(sub(path, old, new), forged_higher)
        )
    for path, old, new in (NEGATIONS[5], NEGATIONS[10]):
        yield Attack(f"another word in {path}, lock adopted anew", both(sub(path, old, new), adopted))


def _shapes() -> Iterator[Attack]:
    first = '<a id="ledger"></a>'
    yield Attack("a law before the first section", sub(LEDGER, first, f"Nothing below binds.\n\n{first}"))
    first = '<a id="policy_seed"></a>'
    yield Attack(
        "a law before the first section, forged", both(sub("POLICY_SEED.md", first, f"Advice.\n\n{first}"), forged)
    )
    for path, anchor in ((LEDGER, "ledger-3"), ("spec/policy.md", "repo-2"), ("POLICY_SEED.md", "policy-4")):
        yield Attack(f"clause {anchor} taken away, reviewed", both(dropped_clause(path, anchor), reviewed))
    yield Attack("a clause in a comment", both(around_clause(LEDGER, "ledger-4", "<!--\n", "\n-->"), reviewed))
    yield Attack("a clause in a fence", both(around_clause("spec/terms.md", "terms-2", "```\n", "\n```"), reviewed))
    yield Attack("a clause in a fence of a list", both(fenced_in_a_list(LEDGER, "ledger-4"), reviewed))
    yield Attack("a comment that never ends", both(around_clause(LEDGER, "ledger-4", "<!-- ", ""), reviewed))
    for path in ("spec/isa.md", "POLICY_SEED.md"):
        yield Attack(
            f"{path} informative", both(sub(path, "doc_authority: normative", "doc_authority: informative"), reviewed)
        )
    yield Attack("a document without frontmatter", without_lines("spec/cse.md", "doc_|---"))
    yield Attack("a document gone", lambda root: (root / "spec/cse.md").unlink())
    yield Attack("a document excluded", sub("docflow.toml", "exclude = [", 'exclude = ["spec/cse.md", '))
    yield Attack("a document renamed", lambda root: (root / "spec/cse.md").rename(root / "spec/cse2.md"))
    yield Attack(
        "a requirement gone",
        both(sub("spec/arena.md", ", spec/rewriting.md#rewriting]", "]"), reviewed),
    )
    merged = both(
        sub("spec/rewriting.md", "[rewriting, strata]", "[rewriting]"),
        sub("spec/rewriting.md", ", strata: [spec/rewriting.md#rewriting]}", "}"),
    )
    yield Attack("a section merged into the one before", both(merged, reviewed))
    yield Attack(
        "stale reviews switched off", both(sub("docflow.toml", "[trace]", '[rules]\nstale_dep = "off"\n\n[trace]'))
    )
    yield Attack(
        "clauses without witnesses allowed", without_lines("docflow.toml", r"\[trace\]|tests|commitments|proofs")
    )
    yield Attack("one note for all", sub("docflow.toml", "[trace]", "[reviews]\nsame_note_limit = 99\n\n[trace]"))
    yield Attack("a clause without its tests", unmarked("LEDGER-5"))
    yield Attack("a link to nowhere", both(sub(LEDGER, "(glossary.md#contract)", "(glossary.md#compact)"), reviewed))
    yield Attack("blanks and blank lines", spaced, is_harmless=True)
    yield Attack("composed characters", normalised, is_harmless=True)
    yield Attack(
        "fields in another order",
        both(
            without_lines("spec/isa.md", "doc_id"),
            sub("spec/isa.md", "---\n", "---\ndoc_authority: normative\n"),
            sub(
                "spec/isa.md",
                "doc_authority: normative\ndoc_authority: normative",
                "doc_authority: normative\ndoc_id: isa",
            ),
        ),
        is_harmless=True,
    )
    yield Attack("a word in an ungoverned page", sub("README.md", " is ", " was "), is_harmless=True)


def _commitments() -> Iterator[Attack]:
    """Weaken what the manifest promises, hashes accepted anew as the tool would; theorems and rows alike."""
    rows = tomllib.loads((ROOT / MANIFEST).read_text(encoding="utf-8"))["commitment"]
    for row in rows[:: max(1, len(rows) // 15)][:15]:
        old = f'theorem = "{row["theorem"]}"\nstatement_sha256 = "{row["statement_sha256"]}"'
        new = old.replace(row["statement_sha256"], row["statement_sha256"][::-1])
        yield Attack(f"{row['theorem']} weakened, its hash accepted", sub(MANIFEST, old, new), kind="theorem")
    first = rows[0]
    head = f'id = "{first["id"]}"'
    yield Attack("a commitment dropped", dropped_row(first["id"]), kind="manifest")
    yield Attack(
        "a commitment of another clause",
        sub(MANIFEST, f'{head}\nclause = "{first["clause"]}"', f'{head}\nclause = "spec/terms.md#terms-1"'),
        kind="manifest",
    )
    yield Attack(
        "a commitment without a mutant", sub(MANIFEST, f'"{first["mutants"][0]}"', '"forget-to-mix"'), kind="manifest"
    )
    yield Attack(
        "an exemption instead of a proof",
        sub(
            MANIFEST,
            f'theorem = "{first["theorem"]}"\nstatement_sha256 = "{first["statement_sha256"]}"',
            'exemption = "It is plain to see that this holds."',
        ),
        kind="manifest",
    )


def dropped_row(name: str) -> Edit:
    """Take a commitment out of the manifest."""

    def edit(root: Path) -> None:
        blocks = (root / MANIFEST).read_text(encoding="utf-8").split("\n[[commitment]]\n")
        kept = [block for block in blocks if f'id = "{name}"' not in block]
        assert len(kept) == len(blocks) - 1, f"the manifest must hold {name} once"
        (root / MANIFEST).write_text("\n[[commitment]]\n".join(kept), encoding="utf-8")

    return edit


ATTACKS: Final = (*_words(), *_shapes(), *_commitments())


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


def run(attacks: tuple[Attack, ...] = ATTACKS) -> Iterator[tuple[Attack, set[str]]]:
    """Yield each attack with what caught it, on one copy of the tree."""
    with tempfile.TemporaryDirectory(prefix="docflow-campaign-") as name:
        root = copied(Path(name))
        nothing = Attack("nothing", lambda _: None, is_harmless=True)
        found = caught(root, nothing)
        assert found == set(), f"the tree must be clean before it is attacked, but has {found}"
        for attack in attacks:
            yield attack, caught(root, attack)


def main() -> int:
    """Run the campaign and print its figures."""
    outcomes = list(run())
    for attack, found in outcomes:
        verdict = "harmless" if attack.is_harmless else "caught  " if found else "MISSED  "
        echo(f"{verdict} {attack.name}: {', '.join(sorted(found)) or 'no finding'}")
    n_all = Counter(attack.kind for attack, _ in outcomes if not attack.is_harmless)
    n_caught = Counter(attack.kind for attack, found in outcomes if found and not attack.is_harmless)
    flagged = sum(bool(found) for attack, found in outcomes if attack.is_harmless)
    harmless = sum(attack.is_harmless for attack, _ in outcomes)
    figures = ", ".join(f"{n_caught[kind]} of {n_all[kind]} {kind}s" for kind in n_all)
    echo(f"governance: caught {figures}; flagged {flagged} of {harmless} harmless edits")
    missed = n_all - n_caught
    return int(n_caught["edit"] < NEEDED or missed["theorem"] + missed["manifest"] + flagged > 0)


if __name__ == "__main__":
    sys.exit(main())
