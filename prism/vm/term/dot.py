"""Draw a graph: Graphviz text, one node for each distinct subterm."""

from __future__ import annotations

from prism.vm.term.graph import TermGraph, numerals, share
from prism.vm.term.ops import BY_CODE


def dot(graph: TermGraph) -> str:
    """Return the shared graph in the language of Graphviz.

    Equal subterms are one node; a numeral is one box. A binary node's
    left edge is its first operand. Each root has an arrow with its number, from 1.
    """
    graph = share(graph)
    values = numerals(graph).tolist()
    lines = ["digraph terms {", "  ordering=out;", '  node [fontname="Helvetica"];', '  edge [fontname="Helvetica"];']
    needed, pending = set(), graph.roots.tolist()
    while pending:
        row = pending.pop()
        if row in needed:
            continue
        needed.add(row)
        if values[row] < 0:
            pending += _operands(graph, row)
    for row in sorted(needed):
        if values[row] >= 0:
            lines.append(f'  n{row} [shape=box, label="{values[row]}"];')
            continue
        lines.append(f'  n{row} [shape=ellipse, label="{BY_CODE[int(graph.op[row])].name}"];')
        lines += [f"  n{row} -> n{operand};" for operand in _operands(graph, row)]
    for number, root in enumerate(graph.roots.tolist(), 1):
        lines += [f'  r{number} [shape=plaintext, label="{number}"];', f"  r{number} -> n{root} [style=dashed];"]
    return "\n".join([*lines, "}", ""])


def _operands(graph: TermGraph, row: int) -> list[int]:
    return [int(column[row]) for column in (graph.a, graph.b)[: BY_CODE[int(graph.op[row])].arity]]
