"""Pictures of circuits: a wire for each class, a column for calls that do not touch one another's wires."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from html import escape
from typing import Final

from prism.kernels.circuit.calls import Call
from prism.kernels.circuit.generators import Form

WIRE, COLUMN, MARGIN, LABEL = 44, 112, 26, 52
"""Distances in points: between wires, between columns, around the picture, for the names of classes."""
BOX: Final = (84, 28)

INK, PAPER, WIRES = "#1c2733", "#ffffff", "#9aa7b4"
_FILLS: Final = {
    "mark": "#fde8c8",
    "merge": "#d8ebd7",
    "split": "#d6e4f5",
    "reduce": "#ead9f2",
    "softmax": "#ead9f2",
    "quote": "#eeeeee",
    "evaluate": "#eeeeee",
}
_SIGNS: Final = {"add": "+", "sub": "\N{MINUS SIGN}", "mul": "\N{MULTIPLICATION SIGN}", "div": "\N{DIVISION SIGN}"}


@dataclass(frozen=True, slots=True)
class Line:
    """A line between two points; `is_arrow` puts a head at the second."""

    x1: float
    y1: float
    x2: float
    y2: float
    is_wire: bool = False
    is_arrow: bool = False


@dataclass(frozen=True, slots=True)
class Dot:
    """A circle at an operand that is read: filled at the source, hollow at the context."""

    x: float
    y: float
    is_filled: bool = True


@dataclass(frozen=True, slots=True)
class Box:
    """A box with a word in it."""

    x: float
    y: float
    width: float
    height: float
    text: str
    fill: str


@dataclass(frozen=True, slots=True)
class Text:
    """A word, which ends at its point if `is_end`, else is centred there."""

    x: float
    y: float
    text: str
    is_end: bool = False


Shape = Line | Dot | Box | Text


@dataclass(frozen=True, slots=True)
class Picture:
    """Shapes on a page, in points, y downwards."""

    width: float
    height: float
    shapes: tuple[Shape, ...]


def picture(calls: Sequence[Call]) -> Picture:
    """Return the picture of some calls: time goes to the right, each call stands as far left as the wires let it."""
    wires = sorted({number for one in calls for classes in one.each() for number in classes})
    rows = {number: row for row, number in enumerate(wires)}
    columns = _columns(calls, rows)
    width = MARGIN * 2 + LABEL + COLUMN * (max(columns, default=0) + 1)
    height = MARGIN * 2 + WIRE * max(0, len(wires) - 1) + BOX[1]
    shapes: list[Shape] = []
    for number in wires:
        y = _y(rows[number])
        shapes += [
            Line(MARGIN + LABEL, y, width - MARGIN, y, is_wire=True),
            Text(MARGIN + LABEL - 10, y, f"c{number:02}", is_end=True),
        ]
    for one, column in zip(calls, columns, strict=True):
        shapes += _drawn(one, MARGIN + LABEL + COLUMN * (column + 0.5), rows)
    return Picture(width, height, tuple(shapes))


def _y(row: int) -> float:
    return MARGIN + BOX[1] / 2 + WIRE * row


def _columns(calls: Sequence[Call], rows: dict[int, int]) -> list[int]:
    """Return the first column for each call in which no call before it stands on or across its wires."""
    free, found = [0] * len(rows), []
    for one in calls:
        touched = [rows[number] for classes in one.each() for number in classes]
        spanned = range(min(touched), max(touched) + 1)
        column = max(free[row] for row in spanned)
        for row in spanned:
            free[row] = column + 1
        found.append(column)
    return found


def _drawn(one: Call, x: float, rows: dict[int, int]) -> Iterator[Shape]:
    ys = [_y(rows[number]) for number in one.classes]
    if one.kind.form is Form.RANGE:
        yield _box(one, x, ys[0], ys[-1])
    elif one.kind.generator == "swap":
        yield Line(x, ys[0], x, ys[1])
        for y in ys:
            yield Line(x - 6, y - 6, x + 6, y + 6)
            yield Line(x - 6, y + 6, x + 6, y - 6)
    else:
        yield from _flow(one, x, ys)


def _flow(one: Call, x: float, ys: list[float]) -> Iterator[Shape]:
    """Yield arrows from the classes that are read to the one that is written, and its box."""
    target, is_boxed = ys[-1], one.kind.generator != "copy"
    sources = ys[: one.arity] if len(ys) == Form.IN_CONTEXT.n_operands else ys[:-1]
    for y in sources:
        if y != target:
            end = target + (BOX[1] / 2 if is_boxed else 0) * (1 if y > target else -1)
            yield Line(x, y, x, end, is_arrow=True)
    if is_boxed:
        yield _box(one, x, target, target)
    # A class that is read and written has its circle on the edge of the box.
    for place, y in reversed(list(enumerate(sources))):
        yield Dot(x if y != target else x - BOX[0] / 2, y, is_filled=not place)


def _box(one: Call, x: float, top: float, bottom: float) -> Box:
    name = one.variant or one.kind.variant or one.kind.generator
    fill = _FILLS.get(one.kind.generator, PAPER)
    return Box(x - BOX[0] / 2, top - BOX[1] / 2, BOX[0], bottom - top + BOX[1], _SIGNS.get(name, name), fill)


def svg(drawn: Picture) -> str:
    """Return a picture as SVG, a file by itself."""
    body = "\n".join(_element(shape) for shape in drawn.shapes)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{drawn.width:g}" height="{drawn.height:g}" '
        f'viewBox="0 0 {drawn.width:g} {drawn.height:g}" font-family="sans-serif" font-size="13">\n'
        f'<defs><marker id="head" viewBox="0 0 8 8" refX="8" refY="4" markerWidth="8" markerHeight="8" orient="auto">'
        f'<path d="M0 0L8 4L0 8z" fill="{INK}"/></marker></defs>\n'
        f'<rect width="100%" height="100%" fill="{PAPER}"/>\n{body}\n</svg>\n'
    )


def _element(shape: Shape) -> str:
    match shape:
        case Line(x1, y1, x2, y2, is_wire, is_arrow):
            ink, head = WIRES if is_wire else INK, ' marker-end="url(#head)"' if is_arrow else ""
            return f'<line x1="{x1:g}" y1="{y1:g}" x2="{x2:g}" y2="{y2:g}" stroke="{ink}" stroke-width="1.5"{head}/>'
        case Dot(x, y, is_filled):
            fill = INK if is_filled else PAPER
            return f'<circle cx="{x:g}" cy="{y:g}" r="4" fill="{fill}" stroke="{INK}"/>'
        case Box(x, y, width, height, word, fill):
            middle = _words(x + width / 2, y + height / 2, word, "middle")
            return (
                f'<rect x="{x:g}" y="{y:g}" width="{width:g}" height="{height:g}" rx="4" fill="{fill}" '
                f'stroke="{INK}"/>{middle}'
            )
        case Text(x, y, word, is_end):
            return _words(x, y, word, "end" if is_end else "middle")


def _words(x: float, y: float, word: str, anchor: str) -> str:
    return f'<text x="{x:g}" y="{y + 4.5:g}" text-anchor="{anchor}" fill="{INK}">{escape(word)}</text>'
