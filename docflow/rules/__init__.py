"""THE table of rules: each has an id, a severity, a remedy, and one function that yields faults."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Final, NamedTuple

from docflow.corpus import Corpus
from docflow.model import Fault, Finding, Severity
from docflow.rules import documents, edges, ledger, links, structure
from docflow.rules.change import CHANGE_RULES, ChangeRule, accepted
from docflow.rules.documents import noticed
from docflow.rules.edges import STATUSES, asks

if TYPE_CHECKING:
    from docflow.base import Change


class Rule(NamedTuple):
    """One rule; `{path}` and `{subject}` in the remedy stand for the fault's. The law is the function's docstring."""

    id: str
    severity: Severity
    remedy: str
    check: Callable[[Corpus], Iterator[Fault]]


_REVIEW: Final = "read both texts, then run: docflow review '{subject}' --outcome no_change --note '...'"
_MANIFEST: Final = "correct the manifest, or write what it names"

RULES: Final = (
    Rule("unreadable", "error", "make the file readable, or exclude it in docflow.toml", noticed("unreadable")),
    Rule("not_utf8", "error", "save the file as UTF-8", noticed("not_utf8")),
    Rule("crlf", "error", "save the file with line ends of one byte (LF)", noticed("crlf")),
    Rule("tab", "error", "indent with spaces; `docflow fmt {path}` does it", noticed("tab")),
    Rule("unterminated", "error", "close the frontmatter with a line of three dashes", noticed("unterminated")),
    Rule("syntax", "error", "correct the line; quote texts that hold a colon and a space", noticed("syntax")),
    Rule("dialect", "note", "`docflow fmt {path}` makes it YAML that every tool reads", noticed("dialect")),
    Rule("yaml_alias", "error", "write the value out", noticed("yaml_alias")),
    Rule("yaml_tag", "error", "remove the tag", noticed("yaml_tag")),
    Rule(
        "unclosed_comment",
        "error",
        "close it: a comment with -->, an element with its tag",
        noticed("unclosed_comment"),
    ),
    Rule("turned_text", "error", "remove the character, which makes a reader see other words", noticed("turned_text")),
    Rule("duplicate_key", "error", "keep one of the two", noticed("duplicate_key")),
    Rule("missing_field", "error", "add the field to the frontmatter", noticed("missing_field")),
    Rule(
        "unknown_field",
        "error",
        "correct the name, or list it under [schema] allow in docflow.toml",
        noticed("unknown_field"),
    ),
    Rule(
        "wrong_type", "error", "write a value of the field's type; `docflow fields` lists them", noticed("wrong_type")
    ),
    Rule(
        "lock_syntax",
        "error",
        "remove the marks of a conflict and keep the lines of both sides, then run `docflow bump`",
        documents.lock_syntax,
    ),
    Rule(
        "nothing_governed",
        "warning",
        "`docflow init` writes two documents to begin with; [fields] in docflow.toml reads frontmatter of your own",
        documents.nothing_governed,
    ),
    Rule("duplicate_doc_id", "error", "give one of the documents another doc_id", documents.duplicate_doc_id),
    Rule("missing_core", "error", "write it, or drop it from [documents] core in docflow.toml", documents.missing_core),
    Rule("core_requirement", "error", "add {subject} to doc_requires and review it", documents.core_requirement),
    Rule(
        "unnamed_reference",
        "error",
        "write {subject} or link to it where the text rests on it",
        documents.unnamed_reference,
    ),
    Rule("implicit_reference", "warning", "write {subject} here, or link to it", documents.implicit_reference),
    Rule("commute_target", "error", "correct the reference, and name it on both sides", documents.commute_target),
    Rule("change_protocol", "error", "correct the reference", documents.change_protocol),
    Rule("unsummed_requirement", "error", "add the reference to doc_requires", documents.unsummed_requirement),
    Rule("unknown_section", "error", "add {subject} to doc_sections, or correct its name", documents.unknown_section),
    Rule(
        "missing_anchor",
        "error",
        'write <a id="{subject}"></a> above the section, or drop it from doc_sections',
        documents.missing_anchor,
    ),
    Rule("duplicate_anchor", "error", "rename one of the two", documents.duplicate_anchor),
    Rule(
        "undeclared_anchor",
        "warning",
        "add {subject} to doc_sections, or remove the anchor",
        documents.undeclared_anchor,
    ),
    Rule("revision_behind", "error", "raise doc_revision; `docflow bump` does it", documents.revision_behind),
    *(
        Rule(name, "error", _REVIEW, asks(question))
        for name, question in STATUSES.items()
        if name not in {"unknown_dependency", "unbumped"}
    ),
    Rule(
        "unknown_dependency",
        "error",
        "correct the reference, or version its target: doc_revision for a document, doc_sections for an anchor",
        documents.unknown_reference,
    ),
    Rule("unbumped", "error", "run `docflow bump`, then review what rests on it", edges.changed_texts),
    Rule(
        "missing_lock",
        "error",
        "run `docflow review` for the edge (`docflow adopt` starts a lock)",
        ledger.missing_lock,
    ),
    Rule("unlocked_text", "error", "run `docflow bump`, which locks it", ledger.unlocked_text),
    Rule("orphaned_review", "error", "remove the review, or require what it reviews", ledger.orphaned_review),
    Rule("orphaned_lock", "warning", "remove the line; the next `docflow review` does it", ledger.orphaned_lock),
    Rule(
        "version_backwards",
        "error",
        "set {subject} to a version above every one that was reviewed",
        ledger.version_backwards,
    ),
    Rule("laundered_review", "warning", "say in each note what was compared on that edge", ledger.laundered_review),
    Rule("broken_link", "error", "correct the link, or write what it names", links.broken_link),
    Rule(
        "link_without_edge",
        "warning",
        "add {subject} to doc_requires and review it; or link to the document alone, if the text does not rest on it",
        links.link_without_edge,
    ),
    Rule("cycle", "error", "cut one of the edges, or allow the cycle: [cycles] allow in docflow.toml", structure.cycle),
    Rule("clause_without_anchor", "error", "write the anchor in front of the label", structure.clause_without_anchor),
    Rule("duplicate_clause", "error", "renumber one of the two", structure.duplicate_clause),
    Rule(
        "uncovered_clause",
        "error",
        "mark a test with pytest.mark.clause('{subject}'), or state a commitment",
        structure.uncovered_clause,
    ),
    Rule("unknown_clause", "error", "correct the marker, or state the clause", structure.unknown_clause),
    Rule(
        "witness_never_run",
        "error",
        "make it a test that pytest collects and that can fail, or remove the marker",
        structure.witness_never_run,
    ),
    Rule("dangling_commitment", "error", _MANIFEST, structure.dangling_commitment),
)

BASELINE_OUTDATED: Final = Rule(
    "baseline_outdated", "error", "run check again with --write-baseline, which can only shrink it", lambda _: iter(())
)
"""Judged against a baseline file, not against a corpus; see `docflow.baseline`."""

IDS: Final = frozenset(rule.id for rule in (*RULES, BASELINE_OUTDATED, *CHANGE_RULES))


def finding(rule: Rule | ChangeRule, fault: Fault, severity: Severity) -> Finding:
    """Join a fault with its rule."""
    remedy = rule.remedy.replace("{path}", fault.path).replace("{subject}", fault.subject)
    return Finding(fault.path, fault.line, rule.id, severity, fault.subject, fault.message, remedy)


def check(corpus: Corpus, rules: tuple[Rule, ...] = RULES) -> list[Finding]:
    """Return the findings of all rules that are not off, by path and line."""
    found: list[Finding] = []
    for rule in rules:
        severity = corpus.config.severities.get(rule.id, rule.severity)
        if severity != "off":
            found.extend(finding(rule, fault, severity) for fault in rule.check(corpus))
    return sorted(found, key=lambda one: (one.path, one.line, one.rule, one.subject))


def check_change(change: Change) -> list[Finding]:
    """Return the findings on a change against a base; what the change accepts with a note is none."""
    allowed = accepted(change)
    found: list[Finding] = []
    for rule in CHANGE_RULES:
        severity = change.old.config.severities.get(rule.id, rule.severity)
        if severity != "off":
            faults = (fault for fault in rule.check(change) if fault.subject not in allowed)
            found.extend(finding(rule, fault, severity) for fault in faults)
    return sorted(found, key=lambda one: (one.path, one.line, one.rule, one.subject))
