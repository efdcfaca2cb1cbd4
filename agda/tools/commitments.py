"""Check `spec/commitments.toml`: each clause names its theorems by hash, its tests and its mutants; none is missing.

`python -m agda.tools.commitments` checks; `--junit FILE` also demands that every named test ran and passed;
`--accept` writes today's hashes into the file, for a reviewed change of a statement or of a definition; `--base REV`
shows what was dropped, moved or hashed anew since a revision.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
import tempfile
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from pathlib import Path
from typing import Final

from click import echo

from agda.tools.computed import by_definition
from agda.tools.files import REPOSITORY, copy_sources, modules
from agda.tools.mutants import MUTANTS, Mutant
from agda.tools.sources import place_findings, pragma_findings
from agda.tools.statements import definition_digest, digest, statements
from docflow.manifest import Manifest, parse
from prism.files import write_text

MANIFEST: Final = REPOSITORY / "spec" / "commitments.toml"


def load(text: str) -> Manifest:
    """Read a manifest, as docflow does."""
    return parse(MANIFEST.name, text.encode())


def statement_findings(manifest: Manifest, stated: Mapping[str, str]) -> Iterator[str]:
    """Yield every theorem that is gone, that states something else, or that no commitment lists.

    `stated`: the elaborated statement of every exported theorem.
    """
    listed = manifest.theorems
    for name, expected in listed.items():
        if name not in stated:
            yield f"{name}: listed, but no module exports it; was it renamed?"
        elif digest(stated[name]) != expected:
            yield f"{name}: its statement changed (hash {digest(stated[name])}); it is now: {stated[name]}"
    for name in stated.keys() - listed.keys():
        yield f"{name}: exported, but no commitment lists it; add it, or make it a lemma"


def definition_findings(manifest: Manifest, current: Mapping[str, str]) -> Iterator[str]:
    """Yield every module of definitions whose source is not what was reviewed; `current`: their hashes."""
    for name in sorted(manifest.definitions.keys() | current.keys()):
        if manifest.definitions.get(name) != current.get(name):
            yield f"{name}: the definitions that statements rest on changed; review them, then accept the new hash"


def witness_findings(manifest: Manifest, passing: AbstractSet[str]) -> Iterator[str]:
    """Yield every named test that is not among `passing`, the ids of tests that are there and not skipped."""
    bare = {test.split("[")[0] for test in passing}
    for test in manifest.tests:
        if test not in passing and test not in bare:
            yield f"{test}: named by a commitment, but missing, skipped or failed"


def shape_findings(manifest: Manifest, mutants: AbstractSet[str]) -> Iterator[str]:
    """Yield what docflow's reader refuses, commitments without a witness, and mutants named on one side only."""
    yield from (fault.message for fault in manifest.faults)
    for commitment in manifest.commitments:
        if not (commitment.theorem and commitment.tests and commitment.mutants) and not commitment.exemption:
            yield f"{commitment.id}: needs a theorem, tests and mutants, or an exemption that says why one is missing"
    named = {mutant for commitment in manifest.commitments for mutant in commitment.mutants}
    yield from (f"{name}: a commitment names this mutant, but there is none" for name in sorted(named - mutants))
    yield from (f"{name}: no commitment names this mutant" for name in sorted(mutants - named))


def killer_findings(manifest: Manifest, mutants: Sequence[Mutant]) -> Iterator[str]:
    """Yield every test of a commitment that kills no mutant of it, and every mutant whose killer is no test of one."""
    kills: dict[str, set[str]] = {}
    for mutant in mutants:
        kills.setdefault(mutant.killer.split("[")[0], set()).add(mutant.id)
    for commitment in manifest.commitments:
        for test in commitment.tests:
            if not kills.get(test.split("[")[0], set()) & set(commitment.mutants):
                yield f"{commitment.id}: {test} kills none of its mutants; write one that it is named to kill"
    witnesses = {(mutant, test) for one in manifest.commitments for mutant in one.mutants for test in one.tests}
    for mutant in mutants:
        if (mutant.id, mutant.killer.split("[")[0]) not in witnesses:
            yield f"{mutant.id}: its killer {mutant.killer} is a test of no commitment that names it"


def change_findings(before: Manifest, after: Manifest) -> Iterator[str]:
    """Yield what a change of the manifest drops, moves or hashes anew, against an earlier one, for review to judge."""
    now = {one.id: one for one in after.commitments}
    for old in before.commitments:
        new = now.get(old.id)
        if new is None:
            yield f"{old.id}: this commitment was dropped"
            continue
        for field in ("clause", "theorem", "statement_sha256", "exemption"):
            if getattr(old, field) != getattr(new, field):
                yield f"{old.id}: its {field} changed from {getattr(old, field)!r} to {getattr(new, field)!r}"
        for field in ("tests", "mutants"):
            for name in sorted(set(getattr(old, field)) - set(getattr(new, field))):
                yield f"{old.id}: {name} is no longer among its {field}"
    for name, text in before.definitions.items():
        if after.definitions.get(name) != text:
            yield f"{name}: the hash of its definitions changed or was dropped"


def manifest_at(revision: str) -> Manifest:
    """Return the manifest of an earlier revision; CalledProcessError where git knows none."""
    command = ["git", "show", f"{revision}:{MANIFEST.relative_to(REPOSITORY).as_posix()}"]
    return load(subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=True).stdout)


def clause_findings(manifest: Manifest, anchors: AbstractSet[str]) -> Iterator[str]:
    """Yield every clause that a commitment names and no chapter has."""
    for commitment in manifest.commitments:
        if commitment.clause not in anchors:
            yield f"{commitment.id}: {commitment.clause} must be an anchor of a chapter, and is none"


def exported_theorems(root: Path) -> dict[str, str]:
    """Return the elaborated statement of every theorem: all that the `Properties` of a topic export.

    Logic, Nat and List are the library beneath the topics.
    """
    library = {"Prism.Logic.Properties", "Prism.Nat.Properties", "Prism.List.Properties"}
    topics = [name for name in modules(root) if name.endswith(".Properties") and name not in library]
    found = statements(root, topics)
    return {f"{module}.{name}": text for module, names in found.items() for name, text in names.items()}


def definition_digests() -> dict[str, str]:
    """Return the hash of every module that defines something."""
    return {name: definition_digest(name) for name in modules() if name.endswith((".Base", ".Generated"))}


def anchors() -> set[str]:
    """Return every anchor of every chapter, as `spec/chapter.md#anchor`."""
    found = ((path, re.findall(r'<a id="([^"]+)"', path.read_text("utf-8"))) for path in MANIFEST.parent.glob("*.md"))
    return {f"spec/{path.name}#{anchor}" for path, names in found for anchor in names}


def collected(tests: list[str]) -> set[str]:
    """Return the ids, without parameters, of the unskipped tests in the files of `tests`, as pytest collects them."""
    files = sorted({file for test in tests if (REPOSITORY / (file := test.split("::")[0])).exists()})
    command = [sys.executable, "-m", "pytest", "--collect-only", "-p", "no:cacheprovider"]
    command += ["-m", "not skip and not skipif and not xfail", *files]
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=False)
    return {line.strip() for line in done.stdout.splitlines() if "::" in line}


def passed(report: Path) -> set[str]:
    """Return the ids of the tests that passed, neither skipped nor failed, according to a JUnit report of pytest."""
    cases = ElementTree.parse(report).getroot().iter("testcase")  # our own pytest wrote it
    return {_case_id(case) for case in cases if not any(child.tag in _NOT_PASSED for child in case)}


_NOT_PASSED: Final = {"skipped", "failure", "error"}


def _case_id(case: ElementTree.Element) -> str:
    parts = case.get("classname", "").split(".")
    lengths = (i for i in range(len(parts), 0, -1) if REPOSITORY.joinpath(*parts[:i]).with_suffix(".py").exists())
    split = next(lengths, 0)
    return "::".join([f"{'/'.join(parts[:split])}.py", *parts[split:], case.get("name", "")])


def accept(text: str, current: Mapping[str, str]) -> str:
    """Return the manifest with the hash of every listed theorem and module replaced by its current one."""

    def renewed(match: re.Match[str]) -> str:
        return f'{match[1]}{current.get(match[2], match[3])}"'

    row = r'(theorem = "(Prism[^"]+)"\nstatement_sha256 = ")(\w*)"'
    definition = r'("(Prism[^"]+)" = ")(\w*)"'
    return re.sub(definition, renewed, re.sub(row, renewed, text))


def findings(manifest: Manifest, passing: AbstractSet[str]) -> list[str]:
    """Return everything that is wrong with the manifest of this repository."""
    with tempfile.TemporaryDirectory() as folder:
        stated = exported_theorems(copy_sources(Path(folder) / "agda"))
    return [
        *shape_findings(manifest, {mutant.id for mutant in MUTANTS}),
        *killer_findings(manifest, MUTANTS),
        *statement_findings(manifest, stated),
        *definition_findings(manifest, definition_digests()),
        *clause_findings(manifest, anchors()),
        *pragma_findings(),
        *place_findings(stated),
        *witness_findings(manifest, passing),
    ]


def main(arguments: list[str]) -> int:
    """Check or renew the manifest; exit 1 if there are findings."""
    parser = argparse.ArgumentParser(prog="python -m agda.tools.commitments", description=__doc__)
    parser.add_argument("--junit", type=Path, help="JUnit report of the whole test run")
    parser.add_argument("--accept", action="store_true", help="write today's hashes")
    parser.add_argument("--base", metavar="REV", help="only show what changed since a revision; exit 1 if anything did")
    options = parser.parse_args(arguments)
    if options.base:
        changes = list(change_findings(manifest_at(options.base), load(MANIFEST.read_text(encoding="utf-8"))))
        for change in changes:
            echo(change)
        return int(bool(changes))
    text = MANIFEST.read_text(encoding="utf-8")
    if options.accept:
        with tempfile.TemporaryDirectory() as folder:
            stated = exported_theorems(copy_sources(Path(folder) / "agda"))
        hashes = {name: digest(statement) for name, statement in stated.items()} | definition_digests()
        write_text(MANIFEST, accept(text, hashes))
        return 0
    manifest = load(text)
    found = findings(manifest, passed(options.junit) if options.junit else collected(manifest.tests))
    for finding in found:
        echo(finding, err=True)
    computed = len(by_definition(manifest.theorems))
    echo(
        f"commitments: {len(manifest.commitments)}, theorems: {len(manifest.theorems) - computed} "
        f"and {computed} that hold by definition, findings: {len(found)}"
    )
    return int(bool(found))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
