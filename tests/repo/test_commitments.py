"""Each commitment has its proof, its tests and its mutants, and each way of losing one of them is noticed."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from agda.tools import host
from agda.tools.commitments import (
    MANIFEST,
    accept,
    anchors,
    change_findings,
    clause_findings,
    collected,
    definition_digests,
    definition_findings,
    exported_theorems,
    killer_findings,
    load,
    manifest_at,
    passed,
    shape_findings,
    statement_findings,
    witness_findings,
)
from agda.tools.computed import by_definition
from agda.tools.files import AGDA_ROOT, copy_sources, modules
from agda.tools.generate import GATES_TARGET, RING_TARGET, TARGET, generated, generated_gates, generated_ring
from agda.tools.mutants import MUTANTS, Mutant, MutantError, killed, mutated
from agda.tools.sources import place_findings, pragma_findings
from agda.tools.statements import digest
from docflow.manifest import Manifest
from tests.repo.source import ROOT

pytestmark = [pytest.mark.m5, pytest.mark.clause("TRUSTED-2")]

STICKY = "Prism.Ledger.Properties.sticky"
FALSE = {
    "Key": "pack-injective w p q e = trans (sym (unpack-pack w _ p)) (trans (cong (unpack w) e) (unpack-pack w _ q))",
    "Ledger": "sticky : ∀ c l batch → status l ≢ ok → after c l batch ≡ l",
    "Strata": "earlier-only : ∀ c l batch → Valid c l → All (Below (bits c) (count l)) (stratum c l batch)",
    "Arena": "unfold depth (permute π arena) (to π s) ≡ unfold depth arena s",
    "Rewrite": "numeral-value : ∀ n → value (numeral n) ≡ n",
    "Ring": "done-at-most-once : ∀ {ts} → Life empty ts → ends empty ts ≤ publications empty ts",
}
"""A line of a proof of each topic."""

FALSEHOOD = {
    "Key": "pack-injective w p q e = refl",
    "Ledger": "sticky : ∀ c l batch → after c l batch ≡ l",
    "Strata": "earlier-only : ∀ c l batch → Valid c l → All (Below (bits c) 0) (stratum c l batch)",
    "Arena": "unfold depth (permute π arena) (to π s) ≡ unfold (suc depth) arena s",
    "Rewrite": "numeral-value : ∀ n → value (numeral n) ≡ suc n",
    "Ring": "done-at-most-once : ∀ {ts} → Life empty ts → ends empty ts ≤ 0",
}
"""What a false claim would put there."""


@pytest.fixture(scope="module")
def manifest() -> Manifest:
    """Read the manifest of this repository."""
    return load(MANIFEST.read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def proofs(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, host.Check]:
    """Check a copy of the proofs from source, once; copies of the copy are checked only where they differ."""
    root = copy_sources(tmp_path_factory.mktemp("proofs") / "agda")
    return root, host.check(root)


@pytest.fixture(scope="module")
def stated(proofs: tuple[Path, host.Check]) -> dict[str, str]:
    """Ask Agda for the statement of every theorem, once."""
    return exported_theorems(proofs[0])


@pytest.fixture
def draft(proofs: tuple[Path, host.Check], tmp_path: Path) -> Path:
    """Return a copy of the checked proofs that a test may change."""
    return shutil.copytree(proofs[0], tmp_path / "agda")


@pytest.mark.clause("LEDGER-6")
@pytest.mark.clause("REWRITE-1")
@pytest.mark.clause("TRUSTED-3")
def test_the_generated_module_is_current() -> None:
    """The Agda tables are what the Python tables give today."""
    assert TARGET.read_text(encoding="utf-8") == generated()
    assert GATES_TARGET.read_text(encoding="utf-8") == generated_gates()
    assert RING_TARGET.read_text(encoding="utf-8") == generated_ring()


@pytest.mark.clause("TRUSTED-1")
@pytest.mark.slow
def test_every_module_is_checked(proofs: tuple[Path, host.Check]) -> None:
    """Agda accepts every module from source under --safe --without-K, and Everything imports them all."""
    checked = proofs[1]
    assert checked.accepted, checked.output
    assert sorted(checked.modules) == modules()
    paths = [AGDA_ROOT / f"{name.replace('.', '/')}.agda" for name in modules()]
    pragma = "{-# OPTIONS --safe --without-K #-}\n"
    assert [path.name for path in paths if not path.read_text(encoding="utf-8").startswith(pragma)] == []


@pytest.mark.clause("TRUSTED-1")
def test_every_theorem_is_stated_in_words(manifest: Manifest) -> None:
    """The line above the type of each theorem is a comment that says what it states."""
    silent = []
    for theorem in manifest.theorems:
        module, _, name = theorem.rpartition(".")
        lines = (AGDA_ROOT / f"{module.replace('.', '/')}.agda").read_text(encoding="utf-8").splitlines()
        place = next(i for i, line in enumerate(lines) if line.startswith(f"{name} :"))
        if not lines[place - 1].startswith("-- "):
            silent.append(theorem)
    assert silent == []


@pytest.mark.slow
@pytest.mark.parametrize("topic", sorted(FALSE))
def test_a_false_statement_is_rejected(draft: Path, topic: str) -> None:
    """A planted false statement, one a topic, makes the check fail with a type error."""
    target = draft / "Prism" / topic / "Properties.agda"
    text = target.read_text(encoding="utf-8")
    assert text.count(FALSE[topic]) == 1
    target.write_text(text.replace(FALSE[topic], FALSEHOOD[topic]), encoding="utf-8")
    checked = host.check(draft, f"Prism.{topic}.Properties")
    assert not checked.accepted
    assert f"Prism/{topic}/Properties.agda" in checked.output


def test_the_manifest_holds(manifest: Manifest, stated: dict[str, str]) -> None:
    """Every theorem, definition, mutant and clause is what the manifest says, and none is left out."""
    found = [
        *shape_findings(manifest, {mutant.id for mutant in MUTANTS}),
        *killer_findings(manifest, MUTANTS),
        *statement_findings(manifest, stated),
        *definition_findings(manifest, definition_digests()),
        *clause_findings(manifest, anchors()),
        *pragma_findings(),
        *place_findings(stated),
    ]
    assert found == []


@pytest.mark.parametrize(
    ("line", "word"),
    [
        ("{-# DISPLAY Below n x = ⊤ #-}", "its only pragma must be the first line"),
        ("pattern always = tt", "'pattern' may not occur, for it can make a statement print as another"),
        ("syntax Below n x = n below x", "'syntax' may not occur"),
        ("open import Prism.Nat.Base renaming (_≤_ to _<_)", "'renaming' may not occur"),
        ("module hide-- where pattern always = tt", "'pattern' may not occur"),
        ('hide = "{-"\nsyntax Below n x = n below x\nseek = "-}"', "a quotation mark may not occur, for it can hide"),
    ],
)
def test_what_changes_how_a_type_prints_is_refused(draft: Path, line: str, word: str) -> None:
    """A pragma or a declaration that lets a false statement keep its words is found, in theorems and in lemmas."""
    assert list(pragma_findings(draft)) == []
    for module in ("Properties", "Lemmas"):
        path = draft / "Prism" / "Ledger" / f"{module}.agda"
        text = path.read_text(encoding="utf-8")
        path.write_text(f"{text}\n{line}\n", encoding="utf-8")
        [finding] = pragma_findings(draft)
        assert finding.startswith(f"Prism.Ledger.{module}: ")
        assert word in finding
        path.write_text(text, encoding="utf-8")


def test_a_definition_beside_the_theorems_is_refused(draft: Path, stated: dict[str, str]) -> None:
    """What a statement mentions must stand in a module whose text is hashed; in lemmas it would escape the hash."""
    path = draft / "Prism" / "Ledger" / "Lemmas.agda"
    path.write_text(path.read_text(encoding="utf-8") + "\nValid : Config → Set\nValid _ = ⊤\n", encoding="utf-8")
    assert list(place_findings(stated, draft)) == [
        "Prism.Ledger.Lemmas: 'Valid' is mentioned by a statement and must be defined in a Base module, which is hashed"
    ]


def test_a_change_of_the_manifest_shows(manifest: Manifest) -> None:
    """A commitment dropped, moved, hashed anew or with fewer witnesses, and a changed definition, are each told."""
    first, second, *rest = manifest.commitments
    changed = first._replace(clause="spec/x.md#y", statement_sha256="0", tests=first.tests[1:], mutants=())
    definitions = dict(manifest.definitions) | {"Prism.Ledger.Base": "0"}
    found = list(change_findings(manifest, Manifest((changed, *rest), definitions)))
    assert found[0] == f"{first.id}: its clause changed from {first.clause!r} to 'spec/x.md#y'"
    assert found[1].startswith(f"{first.id}: its statement_sha256 changed from ")
    assert found[2] == f"{first.id}: {first.tests[0]} is no longer among its tests"
    assert len(found[3:-2]) == len(first.mutants)
    assert found[-2:] == [
        f"{second.id}: this commitment was dropped",
        "Prism.Ledger.Base: the hash of its definitions changed or was dropped",
    ]
    assert list(change_findings(manifest, manifest)) == []


def test_an_earlier_manifest_is_read_from_git() -> None:
    """The manifest of a revision is what git holds there."""
    assert manifest_at("HEAD").commitments


@pytest.mark.slow
def test_the_named_tests_are_there(manifest: Manifest) -> None:
    """Every test that a commitment names is collected and bears no skip."""
    assert list(witness_findings(manifest, collected(manifest.tests))) == []


def test_a_test_that_kills_nothing_is_noticed(manifest: Manifest) -> None:
    """Each test of a commitment kills a mutant that the commitment names; a killer is a test of one."""
    first = manifest.commitments[0]
    mutants = [one for one in MUTANTS if one.id in first.mutants]
    assert list(killer_findings(Manifest((first,)), mutants)) == []
    idle = first._replace(tests=(*first.tests, "tests/x.py::test_x"))
    stray = Mutant("stray", "prism/status.py", "a", "b", "tests/y.py::test_y[1]")
    assert list(killer_findings(Manifest((idle,)), [*mutants, stray])) == [
        f"{first.id}: tests/x.py::test_x kills none of its mutants; write one that it is named to kill",
        "stray: its killer tests/y.py::test_y[1] is a test of no commitment that names it",
    ]


def test_theorems_that_hold_by_definition_are_marked(manifest: Manifest) -> None:
    """The page on trust lists exactly the theorems whose proof is that both sides compute to the same."""
    page = (ROOT / "spec" / "trusted.md").read_text(encoding="utf-8")
    part = page.partition("## Hold by definition")[2].partition("\n## ")[0]
    listed = {f"Prism.{name}" for name in re.findall(r"`([\w.]+\.Properties\.[^`]+)`", part)}
    assert by_definition(manifest.theorems) == listed
    assert 0 < len(listed) < len(manifest.theorems) / 5


def test_a_proof_that_is_no_proof_is_found(draft: Path) -> None:
    """`refl` in each case is found, also after a split; a proof by induction, by rewriting or by a lemma is not."""
    path = draft / "Prism" / "Ledger" / "Properties.agda"
    more = (
        "\n-- C.\nc : ∀ n → n + 0 ≡ n\nc zero = refl\nc (suc n) = cong suc (c n)\n"
        "\n-- D.\nd : (x : Bool) → not (not x) ≡ x\nd true  = refl\nd false = refl\n"
        "\n-- E.\ne : ∀ n → n + 0 ≡ n\ne n rewrite c n = refl\n"
        "\n-- F.\nf : ∀ n → 0 + n ≡ n\nf n =\n  refl\n"
    )
    path.write_text(path.read_text(encoding="utf-8") + more, encoding="utf-8")
    assert host.check(draft, "Prism.Ledger.Properties").accepted
    names = {f"Prism.Ledger.Properties.{name}" for name in "cdef"}
    assert by_definition(names, draft) == {f"Prism.Ledger.Properties.{name}" for name in "df"}


@pytest.mark.slow
def test_a_weakened_statement_is_noticed(draft: Path, manifest: Manifest) -> None:
    """A theorem with one more hypothesis still checks, but its hash has changed."""
    target = draft / "Prism" / "Ledger" / "Properties.agda"
    text = target.read_text(encoding="utf-8")
    strong = "refused⇒null : ∀ c ks batch → status"
    assert strong in text
    weak = text.replace(strong, "refused⇒null : ∀ c ks batch → 2 ≤ length ks → status")
    target.write_text(weak.replace("refused⇒null c ks batch e with", "refused⇒null c ks batch _ e with"), "utf-8")
    found = list(statement_findings(manifest, exported_theorems(draft)))
    assert len(found) == 1
    assert found[0].startswith("Prism.Ledger.Properties.refused⇒null: its statement changed (hash ")


def test_a_weakened_definition_is_noticed(manifest: Manifest) -> None:
    """A definition that means less leaves the statements as they are, so its module's hash is what changes."""
    current = definition_digests() | {"Prism.Ledger.Base": digest("other")}
    assert list(definition_findings(manifest, current)) == [
        "Prism.Ledger.Base: the definitions that statements rest on changed; review them, then accept the new hash"
    ]


def test_a_renamed_theorem_is_noticed(manifest: Manifest, stated: dict[str, str]) -> None:
    """A theorem under another name is missing under the old one and unlisted under the new one."""
    renamed = {name: text for name, text in stated.items() if name != STICKY} | {f"{STICKY}′": stated[STICKY]}
    assert sorted(statement_findings(manifest, renamed)) == [
        f"{STICKY}: listed, but no module exports it; was it renamed?",
        f"{STICKY}′: exported, but no commitment lists it; add it, or make it a lemma",
    ]


def test_a_missing_test_is_noticed(manifest: Manifest) -> None:
    """A commitment that names a test which is not collected, or none of whose cases is, has a finding."""
    first = manifest.tests[0]
    assert list(witness_findings(manifest, set(manifest.tests) - {first})) == [
        f"{first}: named by a commitment, but missing, skipped or failed"
    ]


@pytest.mark.slow
def test_a_skipped_or_failed_test_is_noticed(tmp_path: Path) -> None:
    """Neither a marked test nor one that skips as it runs nor one that fails counts; a passing one does."""
    tests = (
        "import pytest\n"
        "def test_passes(): assert True\n"
        "@pytest.mark.skip(reason='x')\ndef test_marked(): assert True\n"
        "def test_skips(): pytest.skip('x')\n"
        "def test_fails(): assert False\n"
    )
    (tmp_path / "test_sample.py").write_text(tests, encoding="utf-8")
    report = tmp_path / "report.xml"
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", f"--junitxml={report}", "--rootdir=."]
    done = subprocess.run([*command, "test_sample.py"], cwd=tmp_path, capture_output=True, check=False)
    assert done.returncode == 1
    assert {case.rpartition("::")[2] for case in passed(report)} == {"test_passes"}


def test_a_report_names_tests_as_pytest_does(tmp_path: Path) -> None:
    """A case of a JUnit report is read back as the id by which pytest and the manifest know it."""
    case = '<testcase classname="tests.repo.test_commitments" name="test_x[a]" />'
    report = tmp_path / "report.xml"
    report.write_text(f"<testsuites><testsuite>{case}</testsuite></testsuites>", encoding="utf-8")
    assert passed(report) == {"tests/repo/test_commitments.py::test_x[a]"}


@pytest.mark.slow
def test_a_marked_test_is_not_collected() -> None:
    """Collection for the manifest leaves out tests with a skip mark, and only those."""
    file = "tests/repo/test_commitments.py"
    assert f"{file}::test_a_marked_test_is_not_collected" in collected([f"{file}::any"])


def test_a_commitment_without_a_witness_is_noticed(manifest: Manifest) -> None:
    """A commitment needs a theorem, a test and a mutant, or a reason; mutants are named on both sides."""
    bare = manifest.commitments[0]._replace(id="bare", theorem="", mutants=("ghost",), exemption="")
    assert list(shape_findings(Manifest((bare, bare), {}), {"lonely"})) == [
        *2 * ["bare: needs a theorem, tests and mutants, or an exemption that says why one is missing"],
        "ghost: a commitment names this mutant, but there is none",
        "lonely: no commitment names this mutant",
    ]


def test_a_clause_that_is_gone_is_noticed(manifest: Manifest) -> None:
    """A commitment whose clause no chapter has is reported with the clause."""
    first = manifest.commitments[0]
    remaining = {commitment.clause for commitment in manifest.commitments} - {first.clause}
    assert f"{first.id}: {first.clause} must be an anchor of a chapter, and is none" in list(
        clause_findings(manifest, remaining)
    )


def test_hashes_are_renewed_by_name() -> None:
    """Accepting replaces the hashes of names that are known and leaves all else as it is."""
    text = 'theorem = "Prism.A.b"\nstatement_sha256 = "1"\n[definitions]\n"Prism.C" = "2"\n"Prism.D" = "3" # kept\n'
    renewed = 'theorem = "Prism.A.b"\nstatement_sha256 = "8"\n[definitions]\n"Prism.C" = "9"\n"Prism.D" = "3" # kept\n'
    assert accept(text, {"Prism.A.b": "8", "Prism.C": "9"}) == renewed


def test_every_mutant_applies() -> None:
    """The text that a mutant breaks occurs once in its file, so that no mutant fades away unnoticed."""
    assert len(MUTANTS) >= 10
    for mutant in MUTANTS:
        source = (ROOT / mutant.file).read_text(encoding="utf-8")
        assert mutated(mutant, source) != source


def test_a_mutant_that_does_not_apply_is_refused() -> None:
    """A mutant whose text is gone or ambiguous says so, with what to do."""
    mutant = Mutant("gone", "prism/x.py", "a", "b", "tests/x.py::test_x")
    with pytest.raises(
        MutantError, match=r"mutant gone: its text must occur once in prism/x.py and occurs 2 times; update"
    ):
        mutated(mutant, "a a")


@pytest.mark.slow
def test_a_harmless_change_survives() -> None:
    """A change that breaks nothing is not killed, so a kill says something."""
    killer = "tests/repo/test_commitments.py::test_the_generated_module_is_current"
    old = "    CORRUPT = 2"
    assert not killed(Mutant("harmless", "prism/status.py", old, f"{old}  # a comment", killer))


@pytest.mark.parametrize(
    "name", ["drop-the-cap", "compare-hashes-only", "swap-a-rule", "pointers-stay-behind", "trust-the-version"]
)
@pytest.mark.slow
def test_a_sample_of_the_mutants_is_killed(name: str) -> None:
    """A mutant of each topic is noticed by the test that its commitment names; `agda.tools.mutants` runs them all."""
    [mutant] = [one for one in MUTANTS if one.id == name]
    assert killed(mutant)
