"""THE table of frontmatter fields: name, type, whether it is required, meaning; and validation against it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeAlias

from docflow.model import Defect

if TYPE_CHECKING:
    from docflow.frontmatter import Parsed, Path

AUTHORITIES: Final = ("normative", "informative", "operational")
REVIEW_KEYS: Final = ("dep_version", "self_version_at_review", "outcome", "note")

Check: TypeAlias = "Callable[[Any, Path], Iterator[tuple[Path, str]]]"
"""A type: yields the path and the complaint of everything in a value that is not of the type."""


def _text(value: Any, path: Path) -> Iterator[tuple[Path, str]]:
    if not isinstance(value, str) or not value.strip():
        yield path, f"must be non-empty text, got {_show(value)}"


def _authority(value: Any, path: Path) -> Iterator[tuple[Path, str]]:
    if value not in AUTHORITIES:
        yield path, f"must be one of {', '.join(AUTHORITIES)}, got {_show(value)}"


def _version(value: Any, path: Path) -> Iterator[tuple[Path, str]]:
    if isinstance(value, str) and value.strip().lstrip("+-").isdigit():
        yield path, f"must be an integer, got the quoted text {value!r}; remove the quotes"
    elif not is_version(value):
        yield path, f"must be an integer >= 1, got {_show(value)}"


def _anything(_value: Any, _path: Path) -> Iterator[tuple[Path, str]]:
    return iter(())


def _list_of(item: Check) -> Check:
    def check(value: Any, path: Path) -> Iterator[tuple[Path, str]]:
        if not isinstance(value, list):
            yield path, f"must be a list, got {_show(value)}"
            return
        for index, entry in enumerate(value):
            yield from item(entry, (*path, index))

    return check


def _map_of(item: Check) -> Check:
    def check(value: Any, path: Path) -> Iterator[tuple[Path, str]]:
        if value is not None and not isinstance(value, dict):
            yield path, f"must be a mapping, got {_show(value)}"
            return
        for key, entry in (value or {}).items():
            yield from item(entry, (*path, key))

    return check


def _sections(value: Any, path: Path) -> Iterator[tuple[Path, str]]:
    """Accept a mapping, which states versions, and a list, which leaves them to the lock."""
    yield from (_list_of(_text) if isinstance(value, list) else _map_of(_version))(value, path)


class Field(NamedTuple):
    """One field: `kind` names its type for people, `check` finds what is not of that type."""

    name: str
    kind: str
    check: Check
    is_required: bool
    doc: str


_REFS: Final = _list_of(_text)

FIELDS: Final = (
    Field("doc_id", "text", _text, True, "unique name of the document"),
    Field(
        "doc_revision",
        "integer",
        _version,
        False,
        "version of the whole document, where its sections state theirs",
    ),
    Field("doc_role", "text", _text, False, "what the document is for, as its project names it"),
    Field("doc_scope", "list of text", _REFS, False, "what the document speaks about"),
    Field("doc_authority", "authority", _authority, True, "normative, informative or operational"),
    Field("doc_requires", "list of refs", _REFS, False, "documents and sections that all of the document rests on"),
    Field(
        "doc_reviewed_as_of",
        "ref -> integer",
        _map_of(_anything),
        False,
        "version of each required ref at its last review",
    ),
    Field(
        "doc_review_notes", "ref -> text", _map_of(_anything), False, "what the last review of each required ref found"
    ),
    Field("doc_sections", "anchors, or anchor -> integer", _sections, False, "the sections; or the version of each"),
    Field("doc_section_requires", "anchor -> list of refs", _map_of(_REFS), False, "what each section rests on"),
    Field(
        "doc_section_reviews", "anchor -> ref -> review", _map_of(_map_of(_map_of(_anything))), False, "review ledger"
    ),
    Field("doc_change_protocol", "ref", _text, False, "the section that says how the document may change"),
    Field("doc_commutes_with", "list of refs", _REFS, False, "equals of the document; each must name it back"),
    Field("doc_owner", "text", _text, False, "who answers for the document"),
    Field("doc_erasure", "list of text", _REFS, False, "kinds of change that leave the meaning as it is"),
    Field("doc_relations", "anything", _anything, False, "relations for the reader"),
    Field("doc_invariants", "list", _list_of(_anything), False, "names of the invariants that the document states"),
    Field("doc_dependency_projection", "text", _text, False, "a hint for graph tools"),
    Field("reader_reintern", "text", _text, False, "a note to readers who cache the document"),
)
BY_NAME: Final[Mapping[str, Field]] = {field.name: field for field in FIELDS}


def is_version(value: object) -> bool:
    """Say whether a value is an integer >= 1 (a boolean is not)."""
    return type(value) is int and value >= 1


def is_light(values: Mapping[str, Any]) -> bool:
    """Say whether frontmatter leaves versions and reviews to the lock: it states none of either."""
    return not isinstance(values.get("doc_sections"), dict) and not _STATED & values.keys()


_STATED: Final = frozenset({"doc_revision", "doc_reviewed_as_of", "doc_review_notes", "doc_section_reviews"})


def _required(values: Mapping[str, Any]) -> set[str]:
    """Return the fields that something uses: who states versions of sections states one of the whole."""
    always = {field.name for field in FIELDS if field.is_required}
    return always if is_light(values) else always | {"doc_revision"}


def validate(parsed: Parsed, *, required: Iterable[str], allowed: Iterable[str]) -> Iterator[Defect]:
    """Yield missing and unknown fields, and values of the wrong type, each with its line.

    `required` adds to the fields that the table requires; `allowed` are fields that it need not know.
    """
    values, known = parsed.values, BY_NAME.keys() | set(allowed)
    for name in sorted((_required(values) | set(required)) - values.keys()):
        meaning = f": {BY_NAME[name].doc}" if name in BY_NAME else ""
        yield Defect("missing_field", 1, name, f"field {name} is required{meaning}")
    for name, value in values.items():
        field = BY_NAME.get(name)
        if field is None:
            if name not in known:
                yield Defect(
                    "unknown_field", parsed.lines[(name,)], name, f"unknown field {name}{suggest(name, known)}"
                )
            continue
        for path, complaint in field.check(value, (name,)):
            subject = ".".join(map(str, path))
            yield Defect("wrong_type", line_of(parsed, path), subject, f"{subject} {complaint}")
    yield from _unknown_review_keys(parsed)


def _unknown_review_keys(parsed: Parsed) -> Iterator[Defect]:
    for path, review in reviews_in(parsed.values):
        for key in review:
            if key not in REVIEW_KEYS:
                subject = ".".join((*path, key))
                yield Defect(
                    "unknown_field",
                    line_of(parsed, path),
                    subject,
                    f"unknown key {key} in a review{suggest(key, REVIEW_KEYS)}",
                )


def reviews_in(values: Mapping[str, Any]) -> Iterator[tuple[tuple[str, str, str], dict[str, Any]]]:
    """Yield each well-formed entry of the review ledger with its path."""
    field = "doc_section_reviews"
    for section, by_ref in _mapping(values.get(field)).items():
        for ref, review in _mapping(by_ref).items():
            if isinstance(review, dict):
                yield (field, section, ref), review


def _mapping(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def line_of(parsed: Parsed, path: Path) -> int:
    """Return the line of the longest prefix of `path` that has one."""
    while path:
        if path in parsed.lines:
            return parsed.lines[path]
        path = path[:-1]
    return 1


def suggest(name: str, known: Iterable[str]) -> str:
    """Return `; did you mean X?` for the nearest known name, or nothing."""
    names = sorted(known)
    from difflib import get_close_matches

    near = get_close_matches(name, names, n=1, cutoff=0.75)
    near = near or get_close_matches(name.replace("-", "_"), names, n=1, cutoff=0.75)
    return f"; did you mean {near[0]}?" if near else ""


def _show(value: object) -> str:
    """Name a value briefly: its type, and at most 40 characters of it."""
    if isinstance(value, dict | list):
        return f"a {'mapping' if isinstance(value, dict) else 'list'} of {len(value)}"
    text = repr(value)
    return text if len(text) <= 40 else f"{text[:37]}..."
