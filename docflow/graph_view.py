"""`docflow graph`: the graph for Graphviz, and as one self-contained page to explore."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files
from typing import Final

from docflow.corpus import Corpus, EdgeView
from docflow.rules.edges import OK, statuses

_COLUMN_ROWS: Final = 40
_BAND_COLUMNS: Final = 30
_BAND_GAP: Final = 4
_SWEEPS: Final = 4
_BAD: Final = "#c2410c"


@dataclass(frozen=True, slots=True)
class Link:
    """A written edge between two drawn nodes."""

    source: str
    target: str
    statuses: tuple[str, ...]


def links(corpus: Corpus) -> list[Link]:
    """Return the edges to draw: section edges, and document edges that no section edge repeats."""
    covered = {(view.path, view.edge.ref) for view in corpus.edges if view.edge.section}
    drawn = [view for view in corpus.edges if view.edge.section or (view.path, view.edge.ref) not in covered]
    return [Link(_source(view), view.edge.ref, statuses(view)) for view in drawn]


def _source(view: EdgeView) -> str:
    return f"{view.path}#{view.edge.section}" if view.edge.section else view.path


def _nodes(corpus: Corpus, drawn: list[Link]) -> list[str]:
    known = [f"{document.path}#{section.anchor}" for document in corpus.governed for section in document.sections]
    return list(dict.fromkeys([*known, *(end for link in drawn for end in (link.source, link.target))]))


def dot(corpus: Corpus) -> str:
    """Return the graph in Graphviz's language, a cluster for each document, edges that are not ok in red."""
    drawn = links(corpus)
    clusters: dict[str, list[str]] = {}
    for node in _nodes(corpus, drawn):
        clusters.setdefault(node.partition("#")[0], []).append(node)
    lines = ["digraph docflow {", '  rankdir=LR; node [shape=box, style=rounded, fontname="sans-serif"];']
    for number, (path, members) in enumerate(clusters.items()):
        lines.append(f"  subgraph cluster_{number} {{ label={_quote(path)};")
        lines += [f"    {_quote(node)} [label={_quote(node.partition('#')[2] or path)}];" for node in members]
        lines.append("  }")
    for link in drawn:
        style = "" if link.statuses == (OK,) else f' [color="{_BAD}", label={_quote(", ".join(link.statuses))}]'
        lines.append(f"  {_quote(link.source)} -> {_quote(link.target)}{style};")
    return "\n".join([*lines, "}"])


def _quote(value: str) -> str:
    return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'


def html(corpus: Corpus) -> str:
    """Return a page that needs no network: pan, zoom, search, and filters by status.

    Its data are `nodes` as [name, version, column, row, is known] and `links` as [source, target, statuses].
    """
    drawn = links(corpus)
    nodes = _nodes(corpus, drawn)
    index = {node: number for number, node in enumerate(nodes)}
    places = layout(nodes, drawn)
    versions = {name: seen.version for name, seen in corpus.texts.items()}
    data = {
        "nodes": [[node, versions.get(node, 0), *places[node]] for node in nodes],
        "links": [[index[link.source], index[link.target], link.statuses] for link in drawn],
    }
    text = json.dumps(data, ensure_ascii=False, separators=(",", ":")).replace("<", "\\u003c")
    return files("docflow").joinpath("graph.html").read_text(encoding="utf-8").replace("{{data}}", text)


def layout(nodes: list[str], drawn: list[Link]) -> Mapping[str, tuple[int, int]]:
    """Return column and row of each node: what rests on nothing is leftmost, arrows point left, crossings are few.

    Layers by longest path over the condensation, rows by repeated barycentres (Sugiyama's method), folded if
    large. Cost: linear in the edges for each of the sweeps.
    """
    layers = _layers(nodes, drawn)
    neighbours: dict[str, list[str]] = {node: [] for node in nodes}
    for link in drawn:
        neighbours[link.source].append(link.target)
        neighbours[link.target].append(link.source)
    row = {node: float(number) for layer in layers for number, node in enumerate(layer)}
    for _ in range(_SWEEPS):
        for layer in layers:
            weights = {
                node: sum(row[near] for near in neighbours[node]) / (len(neighbours[node]) or 1) for node in layer
            }
            layer.sort(key=lambda node: weights[node])
            row.update({node: number - len(layer) / 2 for number, node in enumerate(layer)})
    return _folded(layers)


def _folded(layers: list[list[str]]) -> Mapping[str, tuple[int, int]]:
    """Fold tall layers into several columns, and many columns into bands below one another."""
    columns = [layer[at : at + _COLUMN_ROWS] for layer in layers for at in range(0, len(layer), _COLUMN_ROWS)]
    places: dict[str, tuple[int, int]] = {}
    top = 0
    for first in range(0, len(columns), _BAND_COLUMNS):
        band = columns[first : first + _BAND_COLUMNS]
        height = max(map(len, band))
        for column, nodes in enumerate(band):
            for row, node in enumerate(nodes):
                places[node] = (column, top + height - len(nodes) + 2 * row)
        top += 2 * height + _BAND_GAP
    return places


def _layers(nodes: list[str], drawn: list[Link]) -> list[list[str]]:
    import networkx

    graph: networkx.DiGraph[str] = networkx.DiGraph()
    graph.add_nodes_from(nodes)
    graph.add_edges_from((link.target, link.source) for link in drawn)
    condensed = networkx.condensation(graph)
    return [
        [node for part in sorted(generation) for node in sorted(condensed.nodes[part]["members"])]
        for generation in networkx.topological_generations(condensed)
    ]
