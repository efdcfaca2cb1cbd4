"""The statuses of an edge: each is one question about one edge, and one rule."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Final, TypeAlias

from docflow.corpus import Corpus, EdgeView
from docflow.lock import Seen
from docflow.model import OUTCOMES, Fault
from docflow.schema import is_version

Question: TypeAlias = Callable[[EdgeView], "str | None"]
"""Answers with what is wrong, or None."""


def missing_review(view: EdgeView) -> str | None:
    """Require that an edge has a recorded review; for a whole document, a pin."""
    if view.review is None or (not view.edge.section and view.review.dep_version is None):
        return "has never been reviewed"
    return None


def stale_dep(view: EdgeView) -> str | None:
    """Require that the review saw the dependency's present version."""
    if view.review is None or view.dep is None or not is_version(view.review.dep_version):
        return None
    return _differs("the dependency", view.review.dep_version, view.dep.version)


def stale_self(view: EdgeView) -> str | None:
    """Require that the review saw the present version of the text that rests on the dependency."""
    if view.review is None or view.own is None:
        return None
    what, seen = "this section", view.review.self_version
    if not view.edge.section:  # a pin holds no version of its own: the lock does
        what, seen = "this document", view.locked.self.version if view.locked and view.locked.self else None
    return _differs(what, seen, view.own.version) if is_version(seen) else None


def _differs(what: str, seen: object, present: int) -> str | None:
    return None if seen == present else f"was reviewed when {what} was at version {seen}; it is now at {present}"


def invalid_dep_version(view: EdgeView) -> str | None:
    """Require that the version of the dependency at the review is an integer >= 1."""
    if missing_review(view) or view.review is None or is_version(view.review.dep_version):
        return None
    return f"dep_version must be an integer >= 1, got {view.review.dep_version!r:.40}"


def invalid_self_version(view: EdgeView) -> str | None:
    """Require that the version of the dependent section at the review is an integer >= 1."""
    if not view.edge.section or view.review is None or is_version(view.review.self_version):
        return None
    return f"self_version_at_review must be an integer >= 1, got {view.review.self_version!r:.40}"


def invalid_outcome(view: EdgeView) -> str | None:
    """Require that the outcome of a review is one of the known outcomes; a pin has none."""
    if view.review is None or view.review.outcome in OUTCOMES:
        return None
    if not view.edge.section and view.review.outcome is None:
        return None
    return f"outcome must be {' or '.join(OUTCOMES)}, got {view.review.outcome!r:.40}"


def missing_note(view: EdgeView) -> str | None:
    """Require that a review says in words what it found."""
    if missing_review(view) or view.review is None:
        return None
    is_note = isinstance(view.review.note, str) and view.review.note.strip()
    return None if is_note else "has a review without a note"


def unknown_dependency(view: EdgeView) -> str | None:
    """Require that what an edge rests on is a versioned document or section of the tree."""
    return "rests on what is no versioned document or section of this tree" if view.dep is None else None


def unbumped(view: EdgeView) -> str | None:
    """Require that no text that a review saw has changed under the same version."""
    changed = changed_sides(view)
    return f"{' and '.join(changed)} changed without a new version" if changed else None


def changed_sides(view: EdgeView) -> list[str]:
    """Return the names of the texts of an edge that changed while their version stayed."""
    if view.locked is None:
        return []
    names = [view.edge.ref] if is_changed(view.locked.dep, view.dep) else []
    return [*names, view.own_name] if is_changed(view.locked.self, view.own) else names


def is_changed(seen: Seen | None, present: Seen | None) -> bool:
    """Compare the versions and the whole fingerprints."""
    if seen is None or present is None or seen.fingerprint == present.fingerprint:
        return False
    return seen.version == present.version


STATUSES: Final[Mapping[str, Question]] = {
    question.__name__: question
    for question in (
        missing_review,
        stale_dep,
        stale_self,
        invalid_dep_version,
        invalid_self_version,
        invalid_outcome,
        missing_note,
        unknown_dependency,
        unbumped,
    )
}
OK: Final = "ok"


def statuses(view: EdgeView) -> tuple[str, ...]:
    """Return every status that an edge has, in the order of the table; `ok` alone if it has none."""
    return tuple(name for name, question in STATUSES.items() if question(view)) or (OK,)


def asks(question: Question) -> Callable[[Corpus], Iterator[Fault]]:
    """Make a rule of a question: one fault for each edge that it finds wrong."""

    def check(corpus: Corpus) -> Iterator[Fault]:
        for view in corpus.edges:
            wrong = question(view)
            if wrong:
                line = view.review.line if view.review and question is not unknown_dependency else view.edge.line
                yield Fault(view.path, line, view.key, f"{view.key} {wrong}")

    check.__doc__ = question.__doc__
    return check


def changed_texts(corpus: Corpus) -> Iterator[Fault]:
    """Require that no locked text, and none that a review saw, has changed under the same version.

    One fault a text, however many edges rest on it; a whole document is named only if none of its sections is.
    """
    edges_of = {name: 0 for name, text in corpus.lock.texts.items() if is_changed(text.seen, corpus.texts.get(name))}
    for view in corpus.edges:
        for name in changed_sides(view):
            edges_of[name] = edges_of.get(name, 0) + 1
    with_sections = {name.partition("#")[0] for name in edges_of if "#" in name}
    for name, count in sorted(edges_of.items()):
        if name in with_sections:
            continue
        path, line = corpus.place(name)
        version = corpus.texts[name].version
        seen = f"as reviewed on {count} edge(s)" if count else "as locked"
        yield Fault(path, line, name, f"{name} changed, but is still at version {version}, {seen}")
