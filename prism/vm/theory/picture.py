"""Term: an application as a Python value, made by calling an op, printed in full and drawn in notebooks."""

from __future__ import annotations

from typing import Any, Final

MAX_SHOWN: Final = 10_000
"""The most characters that a term prints as, and MAX_DRAWN the most nodes that a picture has."""
MAX_DRAWN: Final = 400


class Term(tuple[Any, ...]):
    """An application `(op name, operand...)`; operands are terms, integers, and strings, which are free names.

    It is a tuple, and is compared as one; compare large terms by the ids of a session instead.
    """

    __slots__ = ()

    def __str__(self) -> str:
        """Return the text of the term, cut after MAX_SHOWN characters; no recursion."""
        pieces: list[str] = []
        size = 0
        waiting: list[Any] = [self]
        while waiting:
            item = waiting.pop()
            if isinstance(item, tuple) and item[1:]:
                waiting.append(")")
                for operand in reversed(item[1:]):
                    waiting += (operand, _GAP)
                piece = f"({item[0]}"
            else:
                piece = " " if item is _GAP else str(item[0] if isinstance(item, tuple) else item)
            pieces.append(piece)
            size += len(piece)
            if size > MAX_SHOWN:
                return "".join(pieces) + "..."
        return "".join(pieces)

    __repr__ = __str__

    def _repr_svg_(self) -> str | None:
        """Return a picture for notebooks, shared parts drawn once; None for a term of more than MAX_DRAWN nodes."""
        return drawing(self)


_GAP: Final = object()


def drawing(term: Term) -> str | None:
    """Return a picture of a term as SVG: a node for each distinct part, operands below; None beyond MAX_DRAWN nodes."""
    keys: dict[Any, int] = {}
    number: dict[int, int] = {}
    labels: list[str] = []
    edges: list[tuple[int, int]] = []
    waiting: list[Any] = [term]
    while waiting:
        part = waiting[-1]
        if id(part) in number:
            waiting.pop()
            continue
        missing = [operand for operand in part[1:] if id(operand) not in number] if isinstance(part, tuple) else []
        if missing:
            waiting += missing
            continue
        below = tuple(number[id(operand)] for operand in part[1:]) if isinstance(part, tuple) else ()
        label = str(part[0] if isinstance(part, tuple) else part)
        if (label, below) not in keys:
            keys[label, below] = len(labels)
            edges += [(len(labels), operand) for operand in below]
            labels.append(label)
            if len(labels) > MAX_DRAWN:
                return None
        number[id(part)] = keys[label, below]
        waiting.pop()
    return _svg(labels, edges)


def _svg(labels: list[str], edges: list[tuple[int, int]]) -> str:
    depth = [0] * len(labels)
    for high, low in reversed(edges):
        depth[low] = max(depth[low], depth[high] + 1)
    columns = [0] * (max(depth) + 1)
    place = []
    for level in depth:
        place.append((70 + 110 * columns[level], 30 + 60 * level))
        columns[level] += 1
    width, height = 30 + 110 * max(columns), 60 * len(columns)
    lines = [
        f'<line x1="{place[one][0]}" y1="{place[one][1]}" x2="{place[two][0]}" y2="{place[two][1]}" stroke="#888"/>'
        for one, two in edges
    ]
    texts = [
        f'<ellipse cx="{x}" cy="{y}" rx="48" ry="16" fill="#fff" stroke="#333"/>'
        f'<text x="{x}" y="{y + 5}" text-anchor="middle" font-family="sans-serif" font-size="13">'
        f"{_escaped(label)}</text>"
        for (x, y), label in zip(place, labels, strict=True)
    ]
    size = f'width="{width}" height="{height}" viewBox="0 0 {width} {height}"'
    return f'<svg xmlns="http://www.w3.org/2000/svg" {size}>{"".join(lines + texts)}</svg>'


def _escaped(label: str) -> str:
    short = label if len(label) <= 12 else label[:11] + "\u2026"
    return short.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
