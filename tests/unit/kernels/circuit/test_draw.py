"""Pictures of circuits [CIRCUIT-8]."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree

import pytest

from prism.errors import UsageError
from prism.kernels.circuit.calls import calls
from prism.kernels.circuit.draw import Box, Dot, Line, Text, picture, svg
from prism.kernels.circuit.parse import parse
from prism.kernels.circuit.raster import png

pytestmark = [pytest.mark.m8, pytest.mark.clause("CIRCUIT-8")]

TEXT = (
    "merge.mul@c0[c1,c3] . mark@c[5..7] . swap@c5<->c7 . reduce.sum@c3->c0 . copy@c0->c1 . merge@c3[c3,c0] . "
    "softmax@c0->c0"
)


def test_a_picture_has_a_wire_for_each_class_and_a_box_for_each_operation() -> None:
    """Wires are named in order; calls on other wires share a column; a box stands where something is computed."""
    drawn = picture(calls(parse(TEXT)))
    wires = [shape for shape in drawn.shapes if isinstance(shape, Line) and shape.is_wire]
    names = [shape.text for shape in drawn.shapes if isinstance(shape, Text)]
    boxes = {shape.text: shape for shape in drawn.shapes if isinstance(shape, Box)}
    assert names == ["c00", "c01", "c03", "c05", "c06", "c07"]
    assert [wire.y1 for wire in wires] == sorted({wire.y1 for wire in wires})
    assert set(boxes) == {"\N{MULTIPLICATION SIGN}", "mark", "sum", "+", "softmax"}
    assert boxes["mark"].x == boxes["\N{MULTIPLICATION SIGN}"].x < boxes["sum"].x < boxes["+"].x
    assert boxes["mark"].height > 2 * boxes["sum"].height
    arrows = [shape for shape in drawn.shapes if isinstance(shape, Line) and shape.is_arrow]
    assert len(arrows) == 6
    assert sum(not shape.is_filled for shape in drawn.shapes if isinstance(shape, Dot)) == 2


def test_everything_lies_on_the_page() -> None:
    """No shape leaves the page, and an empty list of calls is an empty page."""
    drawn = picture(calls(parse(TEXT)))
    for shape in drawn.shapes:
        points = [(shape.x1, shape.y1), (shape.x2, shape.y2)] if isinstance(shape, Line) else [(shape.x, shape.y)]
        points += [(shape.x + shape.width, shape.y + shape.height)] if isinstance(shape, Box) else []
        assert all(0 <= x <= drawn.width and 0 <= y <= drawn.height for x, y in points)
    assert picture([]).shapes == ()


def test_svg_is_well_formed() -> None:
    """The SVG parses, has the size of the page and an element for each shape."""
    drawn = picture(calls(parse(TEXT)))
    root = ElementTree.fromstring(svg(drawn))
    kinds = [element.tag.rpartition("}")[2] for element in root]
    assert (float(root.get("width", 0)), float(root.get("height", 0))) == (drawn.width, drawn.height)
    assert kinds.count("line") == sum(isinstance(shape, Line) for shape in drawn.shapes)
    assert kinds.count("circle") == sum(isinstance(shape, Dot) for shape in drawn.shapes)
    assert kinds.count("rect") == 1 + sum(isinstance(shape, Box) for shape in drawn.shapes)


def test_png_has_two_pixels_a_point(monkeypatch: pytest.MonkeyPatch) -> None:
    """The PNG has the size of the page; without matplotlib it is refused with what to install."""
    drawn = picture(calls(parse("merge@c0[c1,c2]")))
    data = png(drawn)
    assert data.startswith(b"\x89PNG")
    assert int.from_bytes(data[16:20], "big") == pytest.approx(2 * drawn.width, abs=1)
    monkeypatch.setitem(__import__("sys").modules, "matplotlib.figure", None)
    with pytest.raises(UsageError, match="--png must find matplotlib, which is not installed"):
        png(drawn)
