"""A campaign against docflow: edits of this repository that change meaning, each to be caught; and harmless ones.

`python -m tests.governance` applies each to a copy of the tree, with the commands and forgeries that would cover it,
judges by `docflow check --base`, and prints what was caught by which rule. Exit 1 if fewer than 48 of 50 are caught, or
one of the other ways, a weakened theorem or a manifest passes, or a harmless edit is flagged. The theorems are weakened
with their new hashes accepted: without that, `python -m agda.tools.commitments` finds them by their statements.
"""

from __future__ import annotations

import sys
import tempfile
import tomllib
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from click import echo

from tests.attacks import (
    LEDGER,
    MANIFEST,
    Attack,
    adopted,
    around_clause,
    both,
    bumped,
    caught,
    copied,
    dropped_clause,
    dropped_row,
    fenced_in_a_list,
    forged,
    forged_higher,
    normalised,
    reviewed,
    spaced,
    sub,
    unmarked,
    without_lines,
)
from tests.governance_ways import WAYS
from tests.repo.source import ROOT

NEEDED: Final = 48

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


ATTACKS: Final = (*_words(), *_shapes(), *_commitments(), *WAYS)


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
    return int(n_caught["edit"] < NEEDED or missed["theorem"] + missed["manifest"] + missed["way"] + flagged > 0)


if __name__ == "__main__":
    sys.exit(main())
