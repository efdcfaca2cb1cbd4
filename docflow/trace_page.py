"""`docflow trace --html`: the matrix of clauses and witnesses as one static page that loads nothing."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from html import escape
from importlib.resources import files
from typing import Final

from docflow.evidence import Evidence
from docflow.trace import Coverage

_GOOD: Final = ("passed", "named")
_WORST: Final = ("failed", "not run", "skipped", "changed", "passed", "named")


def html(rows: Sequence[Coverage], evidence: Evidence, lines: Mapping[str, Sequence[str]]) -> str:
    """Return the page. `lines`: the text of each document, from which a clause's own words are quoted.

    Cost: linear in the witnesses.
    """
    body = "".join(_table(path, group, evidence, lines.get(path, ())) for path, group in _by_document(rows))
    counts = _counts(rows, evidence)
    page = files("docflow").joinpath("trace.html").read_text(encoding="utf-8")
    return page.replace("{{counts}}", counts).replace("{{tables}}", body)


def _by_document(rows: Sequence[Coverage]) -> Iterator[tuple[str, list[Coverage]]]:
    groups: dict[str, list[Coverage]] = {}
    for row in rows:
        groups.setdefault(row.clause.path, []).append(row)
    yield from groups.items()


def _counts(rows: Sequence[Coverage], evidence: Evidence) -> str:
    states = [_state(row, evidence) for row in rows]
    parts = [(f"{len(rows)} clauses", ""), *((f"{states.count(one)} {one}", one) for one in dict.fromkeys(states))]
    return " ".join(f'<span class="{_css(css)}">{text}</span>' for text, css in parts)


def _state(row: Coverage, evidence: Evidence) -> str:
    """Return the worst state of a clause's tests; one without a test is proved, exempt or bare."""
    found = {evidence.state(row.clause.label, test) for test in row.tests}
    if found:
        return next(one for one in _WORST if one in found)
    return "proved" if row.theorems else "exempt" if row.exemptions else "bare"


def _table(path: str, rows: Sequence[Coverage], evidence: Evidence, lines: Sequence[str]) -> str:
    head = "<tr><th>clause</th><th>what it says</th><th>tests</th><th>proofs</th><th>exemptions</th></tr>"
    cells = "".join(_row(row, evidence, lines) for row in rows)
    title = f'<a href="{escape(path)}">{escape(path)}</a> <small>{len(rows)}</small>'
    return f"<section><h2>{title}</h2><table><thead>{head}</thead><tbody>{cells}</tbody></table></section>"


def _row(row: Coverage, evidence: Evidence, lines: Sequence[str]) -> str:
    clause, state = row.clause, _state(row, evidence)
    link = f'<a href="{escape(clause.path)}#{escape(clause.label.lower())}">{escape(clause.label)}</a>'
    tests = "".join(_item(test, evidence.state(clause.label, test)) for test in row.tests)
    proofs = "".join(_item(name, "proved") for name in row.theorems)
    exempt = "".join(_item(text, "exempt") for text in row.exemptions)
    words = escape(_words(lines, clause.line))
    return (
        f'<tr class="{_css(state)}"><th scope="row">{link}<br><i>{state}</i></th><td>{words}</td>'
        f"<td><ul>{tests}</ul></td><td><ul>{proofs}</ul></td><td><ul>{exempt}</ul></td></tr>"
    )


def _item(text: str, state: str) -> str:
    shown = escape(text).replace("::", "::<wbr>").replace("/", "/<wbr>").replace("_", "_<wbr>")
    mark = "" if state in _GOOD or state in {"proved", "exempt"} else f" <b>{state}</b>"
    return f'<li class="{_css(state)}">{shown}{mark}</li>'


def _css(state: str) -> str:
    return state.replace(" ", "-")


def _words(lines: Sequence[str], line: int) -> str:
    """Quote the paragraph below an anchor, at most 280 characters, without its marks."""
    paragraph: list[str] = []
    for text in lines[line:]:
        if not text.strip() or text.startswith('<a id="'):
            if paragraph:
                break
            continue
        paragraph.append(text.strip())
    said = " ".join(paragraph).replace("**", "").replace("`", "")
    return said if len(said) <= 280 else f"{said[:279]}…"
