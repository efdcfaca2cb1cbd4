"""Every rule of docflow: a tree that it accepts, a tree that it does not, and its absence noticed."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest

from docflow import rules
from docflow.read import fingerprint
from docflow.rules.edges import STATUSES, statuses
from tests.unit.docflow import tree
from tests.unit.docflow.tree import Edit

pytestmark = pytest.mark.m5


@dataclass(frozen=True)
class Case:
    """Edits after which `rule` finds something at `path`:`line`, and near misses after which it finds nothing."""

    rule: str
    place: tuple[str, int]
    bad: tuple[Edit, ...]
    good: tuple[Edit, ...] = ()


MANIFEST = '[[commitment]]\nid = "one"\nclause = "base.md#base-1"\ntests = ["tests/test_marked.py::test_law"]\n'
EXEMPT = '[[commitment]]\nid = "one"\nclause = "base.md#base-1"\nexemption = "seen by eye"\n'
THIRD = tree.USER.replace("doc_id: user", "doc_id: third").replace(
    "applies the law to its own", "uses the law in another"
)
OWN = tree.USER.split("---\n")[2]
NOTE = "The law is used as it is stated."
NORMATIVE = (
    "---\ndoc_id: third\ndoc_authority: normative\ndoc_sections: [third]\n---\n"
    '<a id="third"></a>\nSee [it](base.md#base-1).\n'
)
CYCLE = (
    ("base.md", "doc_requires: []", "doc_requires:\n  - user.md#user"),
    ("base.md", "# Base", "# Base, see user.md#user"),
)
ALLOW = ("docflow.toml", None, tree.SETTINGS + '[cycles]\nallow = [["base.md", "user.md"]]\n')
CORE = ("docflow.toml", None, tree.SETTINGS + '[documents]\ncore = ["base.md", "user.md"]\n')
HEADING = (("user.md", '<a id="user"></a>\n# User', "# User {#user}"),)

CASES = (
    Case("unreadable", ("gone.md", 1), (("gone.md", None, "link"),)),
    Case("not_utf8", ("user.md", 30), (("user.md", b"# User", b"# Us\xe9r"),), (("user.md", "# User", "# Usér"),)),
    Case("crlf", ("base.md", 12), (("base.md", "# Base\n", "# Base\r\n"),)),
    Case("tab", ("base.md", 9), (("base.md", "  base: 2", "\tbase: 2"),), (("base.md", "A law", "\tA law"),)),
    Case("unterminated", ("base.md", 1), (("base.md", "\n---\n", "\n"),)),
    Case("syntax", ("base.md", 4), (("base.md", "doc_role: chapter", "doc_role chapter"),)),
    Case("dialect", ("base.md", 4), (("base.md", "doc_role: chapter", "doc_role: chapter: one"),)),
    Case("yaml_alias", ("base.md", 5), (("base.md", "doc_scope: [demo]", "doc_scope: *all"),)),
    Case("yaml_tag", ("base.md", 4), (("base.md", "doc_role: chapter", "doc_role: !!python/name:os.system chapter"),)),
    Case("duplicate_key", ("base.md", 5), (("base.md", "doc_role: chapter", "doc_role: a\ndoc_role: b"),)),
    Case("missing_field", ("base.md", 1), (("base.md", "doc_authority: normative\n", ""),)),
    Case(
        "unknown_field",
        ("base.md", 2),
        (("base.md", "doc_id: base", "doc_idd: base\ndoc_id: base"),),
        (
            ("docflow.toml", None, '[schema]\nallow = ["title"]\n'),
            ("base.md", "doc_id: base", "doc_id: base\ntitle: x"),
        ),
    ),
    Case("wrong_type", ("base.md", 3), (("base.md", "doc_revision: 3", 'doc_revision: "3"'),)),
    Case("lock_syntax", ("docflow.lock", 1), (("docflow.lock", "# docflow.lock", "<<<<<<< ours"),)),
    Case("duplicate_doc_id", ("user.md", 2), (("user.md", "doc_id: user", "doc_id: base"),)),
    Case("missing_core", ("user.md", 1), (CORE, ("user.md", None, None)), (CORE,)),
    Case(
        "core_requirement",
        ("base.md", 7),
        (CORE,),
        (CORE, ("base.md", "doc_authority: normative", "doc_authority: informative")),
    ),
    Case("unnamed_reference", ("user.md", 8), (("user.md", "(base.md#base)", "(base.md#basement)"),)),
    Case("implicit_reference", ("user.md", 32), (("user.md", "(base.md#base)", "(base.md#basement)"),)),
    Case(
        "commute_target",
        ("base.md", 3),
        (("base.md", "doc_id: base\n", "doc_id: base\ndoc_commutes_with: [user.md]\n"),),
        (
            ("base.md", "doc_id: base\n", "doc_id: base\ndoc_commutes_with: [user.md]\n"),
            ("user.md", "doc_id: user\n", "doc_id: user\ndoc_commutes_with: [base.md#base]\n"),
        ),
    ),
    Case(
        "change_protocol",
        ("base.md", 3),
        (("base.md", "doc_id: base\n", "doc_id: base\ndoc_change_protocol: base.md#none\n"),),
        (("base.md", "doc_id: base\n", "doc_id: base\ndoc_change_protocol: base.md#base-1\n"),),
    ),
    Case(
        "unsummed_requirement",
        ("user.md", 18),
        (("user.md", "doc_requires:\n  - base.md#base\n  - base.md", "doc_requires: []"),),
    ),
    Case("unknown_section", ("user.md", 20), (("user.md", "  user:\n    - base", "  other:\n    - base"),)),
    Case("missing_anchor", ("user.md", 17), (("user.md", '<a id="user">', '<a id="uses">'),), HEADING),
    Case(
        "duplicate_anchor",
        ("user.md", 32),
        (("user.md", "Rests on", '<a id="user"></a>\nRests on'),),
        (("user.md", "Rests on", '```\n<a id="user"></a>\n```\n`<a id="user">` rests on'),),
    ),
    Case(
        "undeclared_anchor",
        ("user.md", 32),
        (("user.md", "Rests on", '<a id="loose"></a>Rests on'),),
        (("user.md", "Rests on", '<a id="user-9"></a>Rests on'),),
    ),
    Case("revision_behind", ("base.md", 2), (("base.md", "doc_revision: 3", "doc_revision: 1"),)),
    Case("missing_review", ("user.md", 14), (("user.md", "  base.md: 3\n", ""),)),
    Case("stale_dep", ("user.md", 23), (("base.md", "  base: 2", "  base: 3"),)),
    Case("stale_self", ("user.md", 23), (("user.md", "  user: 1", "  user: 2"),)),
    Case("invalid_dep_version", ("user.md", 23), (("user.md", "dep_version: 2", "dep_version: two"),)),
    Case("invalid_self_version", ("user.md", 23), (("user.md", "_at_review: 1", "_at_review: 0"),)),
    Case(
        "invalid_outcome", ("user.md", 23), (("user.md", "no_change", "fine"),), (("user.md", "no_change", "changed"),)
    ),
    Case("missing_note", ("user.md", 23), (("user.md", '"The section applies the law to its own case."', '" "'),)),
    Case("unknown_dependency", ("user.md", 8), (("base.md", "  base: 2", "  bass: 2"),)),
    Case(
        "unbumped",
        ("base.md", 11),
        (("base.md", "A law that holds", "A law that held"),),
        (("base.md", "A law that holds.", "A law that holds.   "), ("base.md", "# Base\n", "# Base\n\n")),
    ),
    Case("missing_lock", ("user.md", 23), (("docflow.lock", "user.md::user ->", "other.md::user ->"),)),
    Case(
        "orphaned_review",
        ("user.md", 22),
        (
            (
                "user.md",
                "doc_section_requires:\n  user:\n    - base.md#base",
                "doc_section_requires:\n  user: [base.md]",
            ),
        ),
    ),
    Case("orphaned_lock", ("docflow.lock", 9), (("docflow.lock", "user.md::user ->", "user.md::used ->"),)),
    Case(
        "unlocked_text",
        ("base.md", 11),
        (("docflow.lock", "base.md#base text", "user.md#base text"),),
        (("base.md", "doc_revision: 3", "doc_revision: 2"),),
    ),
    Case("version_backwards", ("base.md", 9), (("base.md", "  base: 2", "  base: 1"),)),
    Case(
        "laundered_review",
        ("third.md", 11),
        (("third.md", None, THIRD), ("user.md", "The document still has one law.", NOTE)),
        (("third.md", None, THIRD.replace("has one law", "has its law")),),
    ),
    Case(
        "broken_link",
        ("user.md", 32),
        (("user.md", "Rests on", "[see](nowhere.md) [it](base.md#nothing) rests on"),),
        (
            (
                "user.md",
                "Rests on",
                "[see](tests/) [it](base.md#base-1) [head](base.md#base) [self](#user) "
                "[web](https://a.b/c.md) `[code](nowhere.md)` [out](../../elsewhere.md)\n\n"
                "## A *Heading* of `two`\n\n## `three`\n\n[slug](#a-heading-of-two) [slug](#three)",
            ),
        ),
    ),
    Case(
        "link_without_edge",
        ("third.md", 7),
        (("third.md", None, NORMATIVE),),
        (("third.md", None, NORMATIVE.replace("base.md#base-1", "base.md")),),
    ),
    Case(
        "turned_text",
        ("base.md", 15),
        (("base.md", "A law that", "A \u202elaw\u202c that"),),
        (("base.md", "A law that", "A \u05e7\u200dlaw that"),),
    ),
    Case("unclosed_comment", ("base.md", 14), (("base.md", '<a id="base-1">', '<!-- <a id="base-1">'),)),
    Case(
        "nothing_governed",
        ("docflow.toml", 1),
        (("docflow.toml", None, '[documents]\ninclude = ["plain.md"]\n'), ("plain.md", None, "# Plain\n")),
        (("plain.md", None, "# Plain\n"),),
    ),
    Case(
        "witness_never_run",
        ("tests/test_marked.py", 4),
        (("tests/test_marked.py", "def test_law", "def check_law"),),
    ),
    Case("cycle", ("base.md", 8), CYCLE, (*CYCLE, ALLOW)),
    Case(
        "clause_without_anchor",
        ("base.md", 15),
        (("base.md", '<a id="base-1"></a>\n', ""), ("base.md", "# Base", "# Base\n")),
    ),
    Case("duplicate_clause", ("copy.md", 14), (("copy.md", None, tree.BASE.replace("doc_id: base", "doc_id: copy")),)),
    Case(
        "uncovered_clause",
        ("base.md", 14),
        (("tests/test_marked.py", '@pytest.mark.clause("BASE-1")\n', ""),),
        (("tests/test_marked.py", '@pytest.mark.clause("BASE-1")\n', ""), ("commitments.toml", None, EXEMPT)),
    ),
    Case("unknown_clause", ("tests/test_marked.py", 4), (("tests/test_marked.py", "BASE-1", "BASE-2"),)),
    Case(
        "dangling_commitment",
        ("commitments.toml", 2),
        (("commitments.toml", None, MANIFEST.replace("test_law", "test_lore")),),
        (("commitments.toml", None, MANIFEST),),
    ),
)
BY_RULE = {case.rule: case for case in CASES}


def _spoil(root: Path, case: Case) -> None:
    tree.spoil(root, case.bad)
    if case.rule == "unreadable":
        (root / "gone.md").unlink()
        (root / "gone.md").symlink_to("nowhere")


@pytest.mark.clause("DOCFLOW-14")
def test_the_clean_tree_has_no_findings(tmp_path: Path) -> None:
    """The tree that all cases start from is clean, so whatever is found was put there by the case."""
    assert tree.findings(tree.write(tmp_path)) == []


@pytest.mark.clause("DOCFLOW-14")
def test_each_rule_has_a_case() -> None:
    """No rule goes without a failing fixture, no fixture names a rule that does not exist."""
    assert sorted(BY_RULE) == sorted(rule.id for rule in rules.RULES)


@pytest.mark.clause("DOCFLOW-14")
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.rule)
def test_a_rule_finds_its_fault_and_accepts_the_near_miss(case: Case, tmp_path: Path) -> None:
    """The failing fixture is reported at its line with a remedy; the passing one is not reported by this rule."""
    bad, good = tree.write(tmp_path / "bad"), tree.write(tmp_path / "good")
    _spoil(bad, case)
    tree.spoil(good, case.good)
    found = [one for one in tree.findings(bad) if one.rule == case.rule]
    assert case.place in [(one.path, one.line) for one in found]
    assert all(one.message and one.remedy and "{" not in one.remedy for one in found)
    assert case.rule not in {one.rule for one in tree.findings(good)}


@pytest.mark.clause("DOCFLOW-15")
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.rule)
def test_switching_a_rule_off_silences_it_alone(case: Case, tmp_path: Path) -> None:
    """Without the rule its fixture goes unreported, and every other finding stays."""
    _spoil(tree.write(tmp_path), case)
    before = tree.findings(tmp_path)
    toml = (tmp_path / "docflow.toml").read_text()
    (tmp_path / "docflow.toml").write_text(toml + f'[rules]\n{case.rule} = "off"\n')
    after = tree.findings(tmp_path)
    assert case.rule in {one.rule for one in before}
    assert after == [one for one in before if one.rule != case.rule]
    assert after == rules.check(tree.load(tmp_path), tuple(rule for rule in rules.RULES if rule.id != case.rule))


@pytest.mark.clause("DOCFLOW-11")
def test_an_edge_reports_every_status_it_has(tmp_path: Path) -> None:
    """Statuses do not hide one another: four faults of one edge are four statuses."""
    edits: list[Edit] = [
        ("user.md", "dep_version: 2", "dep_version: 1"),
        ("user.md", "_at_review: 1", "_at_review: 9"),
        ("user.md", "no_change", "perhaps"),
        ("user.md", '"The section applies the law to its own case."', '""'),
        ("base.md", "A law that holds", "A law that held"),
    ]
    tree.spoil(tree.write(tmp_path), edits)
    (view,) = (view for view in tree.load(tmp_path).edges if view.edge.section)
    assert set(statuses(view)) == {"stale_dep", "stale_self", "invalid_outcome", "missing_note", "unbumped"}


@pytest.mark.clause("DOCFLOW-11")
@pytest.mark.parametrize("status", STATUSES)
def test_each_status_is_reached_and_blocks(status: str, tmp_path: Path) -> None:
    """Each status appears on an edge of its rule's fixture, and is an error unless docflow.toml says otherwise."""
    _spoil(tree.write(tmp_path), BY_RULE[status])
    assert status in {name for view in tree.load(tmp_path).edges for name in statuses(view)}
    assert {one.severity for one in tree.findings(tmp_path) if one.rule == status} == {"error"}


@pytest.mark.clause("DOCFLOW-13")
def test_a_tree_without_a_lock_is_one_finding(tmp_path: Path) -> None:
    """Before the first lock there is one finding that counts the edges; it blocks."""
    (one,) = tree.findings(tree.write(tmp_path, is_locked=False))
    assert (one.rule, one.path, one.severity) == ("missing_lock", "docflow.lock", "error")
    assert "changes of 4 normative or reviewed text(s) go unseen" in one.message


@pytest.mark.clause("DOCFLOW-13")
@pytest.mark.parametrize(
    "edits",
    [
        [("user.md", "  user: 1", "  user: 2"), ("user.md", "_at_review: 1", "_at_review: 2")],
        [
            ("base.md", "  base: 2", "  base: 3"),
            ("user.md", "dep_version: 2", "dep_version: 3"),
            ("user.md", "base: 2", "base: 3"),
        ],
        [("docflow.lock", " self=1:" + fingerprint(OWN), "")],
    ],
)
def test_versions_written_by_hand_are_not_a_review(edits: list[Edit], tmp_path: Path) -> None:
    """A pin that was raised in the text alone makes the edge ok, and the lock tells that nobody looked."""
    tree.spoil(tree.write(tmp_path), edits)
    found = [(one.rule, one.subject) for one in tree.findings(tmp_path)]
    assert ("missing_lock", "user.md::user -> base.md#base") in found
    assert {rule for rule, _ in found} <= {"missing_lock", "unlocked_text"}


@pytest.mark.clause("DOCFLOW-15")
def test_severity_is_a_setting(tmp_path: Path) -> None:
    """docflow.toml turns an error into a warning without losing the finding."""
    _spoil(tree.write(tmp_path), BY_RULE["stale_dep"])
    (tmp_path / "docflow.toml").write_text('[rules]\nstale_dep = "warning"\n')
    assert {one.severity for one in tree.findings(tmp_path) if one.rule == "stale_dep"} == {"warning"}
