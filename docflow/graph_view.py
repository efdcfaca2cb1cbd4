"""`docflow graph`: the graph for Graphviz, and as one self-contained page to explore."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.resources import files
from typing import Any, Final

from docflow import trace
from docflow.corpus import Corpus, EdgeView
from docflow.rules.edges import OK, statuses
from docflow.rules.links import section_of

_COLUMN_ROWS: Final = 40
_FOLDER_ROWS: Final = 10
_BAND_COLUMNS: Final = 30
_BAND_GAP: Final = 4
_SWEEPS: Final = 4
_CLUSTER: Final = 40
_CLUSTERS: Final = 60
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
    return [Link(_source(corpus, view), view.edge.ref, statuses(view)) for view in drawn]


def _source(corpus: Corpus, view: EdgeView) -> str:
    """Draw an edge of a light document with one section from that section: there is no other text that it could be."""
    document = corpus.documents[view.path]
    if not view.edge.section and document.is_light and len(document.sections) == 1:
        return f"{view.path}#{document.sections[0].anchor}"
    return view.own_name


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
    """Return a page that needs no network: pan, zoom, search, filters by status, levels and neighbourhoods.

    Its data: `nodes` as [name, version, column, row] and `links` as [source, target, statuses], of sections; the same
    under `documents` and `folders`, where each link stands for all between the two; `clauses` by section as [label,
    line, witnesses]; `diffs` of texts that went stale.
    """
    from docflow import past

    drawn = links(corpus)
    nodes = _nodes(corpus, drawn)
    versions = {name: seen.version for name, seen in corpus.texts.items()}
    folder = clusters(sorted({node.partition("#")[0] for node in nodes}))
    data = {
        **_level(nodes, drawn, versions),
        "documents": _level(*_merged(nodes, drawn, lambda node: node.partition("#")[0]), versions),
        "folders": _level(*_merged(nodes, drawn, lambda node: folder[node.partition("#")[0]]), versions, _FOLDER_ROWS),
        "folder": folder,
        "clauses": _clauses(corpus),
        "diffs": past.stale_diffs(corpus),
    }
    text = json.dumps(data, ensure_ascii=False, separators=(",", ":")).replace("<", "\\u003c")
    return files("docflow").joinpath("graph.html").read_text(encoding="utf-8").replace("{{data}}", text)


def _level(
    nodes: list[str], drawn: list[Link], versions: Mapping[str, int], rows: int = _COLUMN_ROWS
) -> dict[str, Any]:
    index = {node: number for number, node in enumerate(nodes)}
    places = layout(nodes, drawn, rows)
    return {
        "nodes": [[node, versions.get(node, 0), *places[node]] for node in nodes],
        "links": [[index[link.source], index[link.target], link.statuses] for link in drawn],
    }


def _merged(nodes: list[str], drawn: list[Link], group: Callable[[str], str]) -> tuple[list[str], list[Link]]:
    """Join nodes into groups, and the links between two groups into one that has all their statuses."""
    statuses_of: dict[tuple[str, str], dict[str, None]] = {}
    for link in drawn:
        ends = group(link.source), group(link.target)
        if ends[0] != ends[1]:
            statuses_of.setdefault(ends, {}).update(dict.fromkeys(link.statuses))
    merged = [Link(source, target, tuple(found)) for (source, target), found in statuses_of.items()]
    return list(dict.fromkeys(map(group, nodes))), merged


def clusters(paths: list[str]) -> dict[str, str]:
    """Name a cluster for each document: its folder, as deep as keeps them few, cut into runs where one is too large."""
    depths = max((path.count("/") for path in paths), default=0)
    cuts = (["/".join(path.split("/")[:-1][:depth]) for path in paths] for depth in range(depths, -1, -1))
    folders = next((cut for cut in cuts if len(set(cut)) <= _CLUSTERS), [""] * len(paths))
    size = max(_CLUSTER, 2 * len(paths) // _CLUSTERS)
    by_folder: dict[str, list[str]] = {}
    for path, folder in zip(paths, folders, strict=True):
        by_folder.setdefault(folder, []).append(path)
    named: dict[str, str] = {}
    for folder, members in by_folder.items():
        for first in range(0, len(members), size):
            run = members[first : first + size]
            span = "" if len(members) <= size else f" {_stem(run[0])} … {_stem(run[-1])}"
            named |= dict.fromkeys(run, f"{folder or '.'}/{span} ({len(run)})")
    return named


def _stem(path: str) -> str:
    return path.rpartition("/")[2].removesuffix(".md")


def _clauses(corpus: Corpus) -> dict[str, list[list[Any]]]:
    """Return the clauses of each section as [label, line, witnesses]; without [trace] nobody asks for them."""
    found: dict[str, list[list[Any]]] = {}
    for row in trace.coverage(corpus) if corpus.config.trace else ():
        document = corpus.documents[row.clause.path]
        node = f"{document.path}#{section_of(document, row.clause.label.lower())}"
        witnesses = [*row.tests, *row.theorems, *(f"exempt: {text}" for text in row.exemptions)]
        found.setdefault(node, []).append([row.clause.label, row.clause.line, witnesses])
    return found


def layout(nodes: list[str], drawn: list[Link], rows: int = _COLUMN_ROWS) -> Mapping[str, tuple[int, int]]:
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
    return _folded(layers, rows)


def _folded(layers: list[list[str]], rows: int) -> Mapping[str, tuple[int, int]]:
    """Fold tall layers into several columns, and many columns into bands below one another."""
    columns = [layer[at : at + rows] for layer in layers for at in range(0, len(layer), rows)]
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
