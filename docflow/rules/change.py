"""Rules on a change of the tree against a base revision: what was normative there is not lost without a word."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Final, NamedTuple

from docflow import config, lock, trace
from docflow.corpus import Corpus, EdgeView
from docflow.manifest import Commitment
from docflow.model import SEVERITIES, Document, Fault, Severity, edge_key
from docflow.rules.ledger import normal
from docflow.rules.links import is_normative

if TYPE_CHECKING:
    from docflow.base import Change


class ChangeRule(NamedTuple):
    """One rule on a change; `{subject}` in the remedy stands for the fault's."""

    id: str
    severity: Severity
    remedy: str
    check: Callable[[Change], Iterator[Fault]]


def dropped_document(change: Change) -> Iterator[Fault]:
    """Require that a governed document of the base is still there and still governed."""
    for document in change.old.governed:
        if not _still(change, document):
            yield Fault(document.path, 1, document.path, f"{document.path} is no longer a governed document")


def demoted_document(change: Change) -> Iterator[Fault]:
    """Require that a normative document of the base still binds."""
    for old, new in _pairs(change):
        if is_normative(old) and not is_normative(new):
            line, now = new.field_lines.get("doc_authority", 1), new.fields.get("doc_authority")
            yield Fault(new.path, line, new.path, f"{new.path} was normative at the base and is now {now}")


def dropped_section(change: Change) -> Iterator[Fault]:
    """Require that a section of the base is still declared, in its document."""
    for old, new in _pairs(change):
        now = {section.anchor for section in new.sections}
        for section in old.sections:
            if section.anchor not in now:
                name = f"{new.path}#{section.anchor}"
                yield Fault(new.path, 1, name, f"section {name} is no longer declared")


def dropped_clause(change: Change) -> Iterator[Fault]:
    """Require that a clause of the base is still stated by a normative document."""
    now = {clause.label for clause in trace.clauses(change.new)}
    for clause in trace.clauses(change.old):
        if clause.label not in now:
            yield Fault(
                clause.path, 1, clause.label, f"clause {clause.label} is stated by no normative document any more"
            )


def dropped_edge(change: Change) -> Iterator[Fault]:
    """Require that what a text of the base rested on, it or the whole of its document still rests on."""
    for old, new in _pairs(change):
        now = {(edge.section, edge.ref) for edge in new.edges}
        sections = {section.anchor for section in new.sections}
        for edge in old.edges:
            by_parts = sections and all((section, edge.ref) in now for section in sections)
            is_gone = edge.section and edge.section not in sections
            if (edge.section, edge.ref) not in now and ("", edge.ref) not in now and not by_parts and not is_gone:
                key = edge_key(old.path, edge.section, edge.ref)
                yield Fault(new.path, new.field_lines.get("doc_requires", 1), key, f"{key} is no longer required")


def rewritten_text(change: Change) -> Iterator[Fault]:
    """Require that no text differs from the base under the version that it had there, whatever the lock says now."""
    for name, old in change.old.lockable.items():
        new = change.new.texts.get(name)
        if new is None or (new.fingerprint == old.fingerprint and new.version >= old.version):
            continue
        if new.version <= old.version:
            path, line = change.new.place(name)
            message = f"{name} was at version {old.version} at the base, and is another text at version {new.version}"
            yield Fault(path, line, name, message)


def restamped_review(change: Change) -> Iterator[Fault]:
    """Require that a review of other texts than at the base has other words; an adopted lock is no review."""
    if change.old.governed and change.new.has_lock and not change.old.has_lock:
        yield Fault(lock.FILE_NAME, 1, lock.FILE_NAME, "the lock is new, so all that it holds was adopted")
        return
    before = {view.key: view for view in change.old.edges}
    for view in change.new.edges:
        old = before.get(view.key)
        if old is not None and _is_restamped(old, view):
            line = view.review.line if view.review else view.edge.line
            message = f"{view.key} is reviewed with other texts than at the base, but the note is that of the base"
            yield Fault(view.path, line, view.key, message)


def _is_restamped(old: EdgeView, new: EdgeView) -> bool:
    if new.locked is None or new.review is None or old.review is None:
        return False
    was, now = old.locked, new.locked
    is_same = was is not None and (was.dep, was.self) == (now.dep, now.self)
    if was is not None and was.self is None and now.self is not None:  # the lock of then held no text of a document
        is_same = was.dep == now.dep
    return not is_same and normal(old.review.note) == normal(new.review.note)


def dropped_witness(change: Change) -> Iterator[Fault]:
    """Require that a clause which had a test, a proof or neither is not worse off than at the base."""
    then, now = (_coverage(corpus) for corpus in (change.old, change.new))
    for label, old in then.items():
        new = now.get(label)
        if new is None:
            continue
        for kind, had, has in (("test", old.tests, new.tests), ("proof", old.theorems, new.theorems)):
            if had and not has:
                clause = new.clause
                yield Fault(
                    clause.path, clause.line, label, f"clause {label} had a {kind} at the base and has none now"
                )
        if old.tests and new.tests and not set(old.tests) & set(new.tests):
            clause = new.clause
            message = f"clause {label} has other tests than at the base: none of those is left"
            yield Fault(clause.path, clause.line, label, message)
        if not old.exemptions and new.exemptions:
            yield Fault(
                new.clause.path, new.clause.line, label, f"clause {label} is exempt now, and was not at the base"
            )


def _coverage(corpus: Corpus) -> Mapping[str, trace.Coverage]:
    if corpus.config.trace is None:
        return {}
    return {row.clause.label: row for row in trace.coverage(corpus)}


def weakened_commitment(change: Change) -> Iterator[Fault]:
    """Require that a commitment keeps its clause, its theorem as stated, its tests and mutants; and what words mean."""
    settings = change.new.config.trace or change.old.config.trace
    manifest = settings.commitments if settings else ""
    then, after = change.old.witnesses.manifest, change.new.witnesses.manifest
    now = {one.id: one for one in after.commitments}
    for old in then.commitments:
        new = now.get(old.id)
        for what in [f"{old.id} was dropped"] if new is None else _weakened(old, new):
            yield Fault(manifest, new.line if new else 1, old.id, f"commitment {what} since the base")
    for name, text in then.definitions.items():
        if after.definitions.get(name) != text:
            yield Fault(manifest, 1, name, f"the definitions of {name} have another hash than at the base")


def _weakened(old: Commitment, new: Commitment) -> Iterator[str]:
    for name in ("clause", "theorem", "statement_sha256", "exemption"):
        if getattr(old, name) != getattr(new, name):
            yield f"{old.id} has another {name}"
    for name in ("tests", "mutants"):
        for item in sorted(set(getattr(old, name)) - set(getattr(new, name))):
            yield f"{old.id} lost {item} from its {name}"


def loosened_settings(change: Change) -> Iterator[Fault]:
    """Require that docflow.toml checks all that it checked at the base, as severely."""
    old, new = change.old.config, change.new.config
    for rule in sorted(old.severities.keys() | new.severities.keys()):
        was, now = old.severities.get(rule, "error"), new.severities.get(rule, "error")
        if rule in new.severities and SEVERITIES.index(now) > SEVERITIES.index(was):
            yield _setting(f"[rules] {rule} is {now}")
    if new.same_note_limit > old.same_note_limit:
        yield _setting(f"[reviews] same_note_limit rose to {new.same_note_limit}")
    for cycle in sorted(map(sorted, set(new.cycles) - set(old.cycles))):
        yield _setting(f"[cycles] allow has {', '.join(cycle)}")
    for name in sorted((set(old.core) - set(new.core)) | (set(old.require) - set(new.require))):
        yield _setting(f"{name} is no longer demanded")
    if old.trace and new.trace is None:
        yield _setting("[trace] is gone, so clauses need no witness")
    elif old.trace and new.trace:
        if not set(old.trace.tests) <= set(new.trace.tests):
            yield _setting("[trace] tests lost a folder")
        if not set(old.trace.tags) <= set(new.trace.tags):
            yield _setting("[trace] tags lost a pattern")
        if old.trace.proofs not in {"", new.trace.proofs}:
            yield _setting("[trace] proofs is gone or elsewhere, so that no theorem need exist where it did")
        if old.trace.commitments != new.trace.commitments:
            yield _setting("[trace] commitments is another file")


def _setting(what: str) -> Fault:
    return Fault(config.FILE_NAME, 1, f"{config.FILE_NAME} {what}", f"{what}, other than at the base")


def changed_text(change: Change) -> Iterator[Fault]:
    """Require that a reader of the change sees which normative sections it rewrites."""
    for name, old in change.old.lockable.items():
        new = change.new.texts.get(name)
        if new is not None and "#" in name and new.fingerprint != old.fingerprint and new.version > old.version:
            path, line = change.new.place(name)
            yield Fault(
                path, line, name, f"{name} has another text than at the base, version {old.version} -> {new.version}"
            )


def _pairs(change: Change) -> Iterator[tuple[Document, Document]]:
    for document in change.old.governed:
        if _still(change, document):
            yield document, change.new.documents[document.path]


def _still(change: Change, document: Document) -> bool:
    now = change.new.documents.get(document.path)
    return now is not None and now.is_governed


_RESTORE: Final = "restore it, or record why it was meant: docflow accept '{subject}' --note '...'"
_REVIEW: Final = "review it with words of its own, or: docflow accept '{subject}' --note '...'"

CHANGE_RULES: Final = (
    ChangeRule("dropped_document", "error", _RESTORE, dropped_document),
    ChangeRule("demoted_document", "error", _RESTORE, demoted_document),
    ChangeRule("dropped_section", "error", _RESTORE, dropped_section),
    ChangeRule("dropped_clause", "error", _RESTORE, dropped_clause),
    ChangeRule("dropped_edge", "error", _RESTORE, dropped_edge),
    ChangeRule("rewritten_text", "error", "run `docflow bump`, then review what rests on it", rewritten_text),
    ChangeRule("restamped_review", "error", _REVIEW, restamped_review),
    ChangeRule("dropped_witness", "error", _RESTORE, dropped_witness),
    ChangeRule("weakened_commitment", "error", _RESTORE, weakened_commitment),
    ChangeRule("loosened_settings", "error", _RESTORE, loosened_settings),
    ChangeRule("changed_text", "note", "read what the change says there", changed_text),
)


def accepted(change: Change) -> frozenset[str]:
    """Return what the lock accepts since the base: a note that the base had already speaks of another change."""
    was = change.old.lock.accepted
    return frozenset(name for name, note in change.new.lock.accepted.items() if was.get(name) != note)
