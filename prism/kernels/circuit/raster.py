"""Pictures of circuits as PNG, through matplotlib (extra `bench`)."""

from __future__ import annotations

from io import BytesIO
from typing import Any, Final

from prism.errors import UsageError
from prism.kernels.circuit.draw import INK, PAPER, WIRES, Box, Dot, Line, Picture, Text

DPI: Final = 144
_POINTS: Final = 72


def png(drawn: Picture) -> bytes:
    """Return a picture as a PNG file, two pixels a point; UsageError where matplotlib is not installed."""
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError as error:
        raise UsageError(
            "--png must find matplotlib, which is not installed; install extra bench, or use --svg"
        ) from error
    figure = Figure(figsize=(drawn.width / _POINTS, drawn.height / _POINTS), dpi=DPI, facecolor=PAPER)
    axes: Any = figure.add_axes((0, 0, 1, 1))
    axes.set(xlim=(0, drawn.width), ylim=(drawn.height, 0))
    axes.axis("off")
    for layer, shape in enumerate(drawn.shapes):
        _draw(axes, shape, layer)
    data = BytesIO()
    FigureCanvasAgg(figure).print_png(data)
    return data.getvalue()


def _draw(axes: Any, shape: Line | Dot | Box | Text, layer: int) -> None:
    from matplotlib.patches import FancyBboxPatch

    match shape:
        case Line(x1, y1, x2, y2, is_wire, False):
            axes.plot([x1, x2], [y1, y2], color=WIRES if is_wire else INK, linewidth=1.5, zorder=layer)
        case Line(x1, y1, x2, y2):
            style = {"arrowstyle": "-|>", "color": INK, "linewidth": 1.5, "shrinkA": 0, "shrinkB": 0}
            axes.annotate("", (x2, y2), (x1, y1), arrowprops=style, zorder=layer)
        case Dot(x, y, is_filled):
            fill = INK if is_filled else PAPER
            axes.plot([x], [y], "o", markerfacecolor=fill, markeredgecolor=INK, markersize=8, zorder=layer)
        case Box(x, y, width, height, word, fill):
            patch = FancyBboxPatch((x, y), width, height, "round,pad=0,rounding_size=4", facecolor=fill, edgecolor=INK)
            patch.set_zorder(layer)
            axes.add_patch(patch)
            _words(axes, x + width / 2, y + height / 2, word, "center", layer)
        case Text(x, y, word, is_end):
            _words(axes, x, y, word, "right" if is_end else "center", layer)


def _words(axes: Any, x: float, y: float, word: str, side: str, layer: int) -> None:
    axes.text(x, y, word, color=INK, fontsize=13, ha=side, va="center", zorder=layer)
