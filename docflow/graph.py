"""The dependency graph of sections and documents: adjacency, cycles, impact and paths."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from graphlib import CycleError, TopologicalSorter
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from docflow.corpus import Corpus, EdgeView

if TYPE_CHECKING:
    import networkx

COMMON: Final = "::"
"""Suffix of the node that stands for what every section of a document rests on."""


class Arc(NamedTuple):
    """`source` rests on `target`; `view` is the written edge, None where a part inherits from its whole."""

    source: str
    target: str
    view: EdgeView | None


def arcs(corpus: Corpus) -> Iterator[Arc]:
    """Yield what rests on what.

    A section edge is an arc of its section. A document edge that no section edge repeats holds for every section,
    through the node `path::`. A whole document `path` rests on its sections and on `path::`.
    """
    covered = {(view.path, view.edge.ref) for view in corpus.edges if view.edge.section}
    common = {view.path for view in corpus.edges if _is_common(view, covered)}
    for document in corpus.governed:
        parts = [f"{document.path}#{section.anchor}" for section in document.sections]
        for part in parts:
            yield Arc(document.path, part, None)
        if document.path in common:
            for node in (document.path, *parts):
                yield Arc(node, document.path + COMMON, None)
    for view in corpus.edges:
        if view.edge.section:
            yield Arc(f"{view.path}#{view.edge.section}", view.edge.ref, view)
        elif _is_common(view, covered):
            yield Arc(view.path + COMMON, view.edge.ref, view)


def _is_common(view: EdgeView, covered: set[tuple[str, str]]) -> bool:
    return not view.edge.section and (view.path, view.edge.ref) not in covered


def document_of(node: str) -> str:
    """Return the path of the document that a node is, or is a part of."""
    return node.removesuffix(COMMON).partition("#")[0]


def network(corpus: Corpus) -> networkx.DiGraph[Any]:
    """Return the graph for networkx; an arc's `view` is kept as an attribute."""
    import networkx

    graph: networkx.DiGraph[Any] = networkx.DiGraph()
    for arc in arcs(corpus):
        graph.add_edge(arc.source, arc.target, view=arc.view)
    return graph


def is_acyclic(corpus: Corpus) -> bool:
    """Say whether no section rests on itself; the standard library suffices, so a check need not load networkx."""
    sorter: TopologicalSorter[str] = TopologicalSorter()
    for arc in arcs(corpus):
        sorter.add(arc.source, arc.target)
    try:
        sorter.prepare()
    except CycleError:
        return False
    return True


def cycles(corpus: Corpus) -> Iterator[tuple[frozenset[str], list[Arc]]]:
    """Yield, for each strongly connected component that is a cycle, its documents and one shortest round trip."""
    if is_acyclic(corpus):
        return
    import networkx

    graph = network(corpus)
    components = [
        graph.subgraph(nodes)
        for nodes in networkx.strongly_connected_components(graph)
        if len(nodes) > 1 or any(graph.has_edge(node, node) for node in nodes)
    ]
    for component in sorted(components, key=min):
        start = min(component)
        _, back = min((networkx.shortest_path_length(component, n, start), n) for n in component.successors(start))
        walk = [start, *networkx.shortest_path(component, back, start)]
        pairs = pairwise(walk)
        yield (
            frozenset(map(document_of, component)),
            [Arc(source, target, component.edges[source, target]["view"]) for source, target in pairs],
        )


def impact(corpus: Corpus, node: str) -> Mapping[str, int]:
    """Return everything that rests on `node`, each with its distance in written edges; nearest first.

    Parts inherit at no distance. Errors: none; an unknown node has no impact.
    """
    incoming: dict[str, list[Arc]] = {}
    for arc in arcs(corpus):
        incoming.setdefault(arc.target, []).append(arc)
    distance, frontier = {node: 0}, [node]
    while frontier:
        reached: list[str] = []
        for target in frontier:  # grows while it is read: inherited arcs cost nothing
            for arc in incoming.get(target, ()):
                if arc.source not in distance:
                    distance[arc.source] = distance[target] + (arc.view is not None)
                    (reached if arc.view else frontier).append(arc.source)
        frontier = reached
    del distance[node]
    return dict(sorted(distance.items(), key=lambda item: (item[1], item[0])))


def to_review(corpus: Corpus, node: str) -> list[tuple[int, EdgeView]]:
    """Return the edges whose review a change of `node` would make stale, with their distance, nearest first.

    A whole document changes with any of its sections. A document edge that a section edge repeats is left out: one
    review serves both.
    """
    document = corpus.documents.get(node)
    parts = [f"{node}#{section.anchor}" for section in document.sections] if document else []
    distance: dict[str, int] = {}
    for start in (node, *parts):
        for name, far in {start: 0, **impact(corpus, start)}.items():
            distance[name] = min(far, distance.get(name, far))
    reached = [(distance[arc.target] + 1, arc.view) for arc in arcs(corpus) if arc.view and arc.target in distance]
    return sorted(reached, key=lambda pair: (pair[0], pair[1].key))


def path_between(corpus: Corpus, source: str, target: str) -> list[Arc] | None:
    """Return a shortest chain of arcs by which `source` rests on `target`, None if it does not."""
    import networkx

    graph = network(corpus)
    if source not in graph or target not in graph:
        return None
    try:
        walk = networkx.shortest_path(graph, source, target)
    except networkx.NetworkXNoPath:
        return None
    return [Arc(a, b, graph.edges[a, b]["view"]) for a, b in pairwise(walk)]
