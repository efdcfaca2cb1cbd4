"""Draw a graph of any theory: Graphviz text, one node for each distinct subterm."""

from __future__ import annotations

from collections.abc import Sequence

from prism.vm.term.graph import TermGraph, share
from prism.vm.term.write import TermWriter
from prism.vm.theory.signature import Signature


def dot(signature: Signature, graph: TermGraph, symbols: Sequence[str] = ()) -> str:
    """Return the shared graph in the language of Graphviz.

    Equal subterms are one node; a number or a free name is one box. The edges of a node are its operands from left to
    right. Each root has an arrow with its number, from 1.
    """
    graph = share(graph)
    writer = TermWriter(signature, graph, symbols)
    lines = ["digraph terms {", "  ordering=out;", '  node [fontname="Helvetica"];', '  edge [fontname="Helvetica"];']
    for row in writer.reached():
        leaf = writer.leaf(row)
        if leaf is not None:
            lines.append(f'  n{row} [shape=box, label="{leaf}"];')
            continue
        lines.append(f'  n{row} [shape=ellipse, label="{writer.name(row)}"];')
        lines += [f"  n{row} -> n{operand};" for operand in writer.operands(row)]
    for number, root in enumerate(graph.roots.tolist(), 1):
        lines += [f'  r{number} [shape=plaintext, label="{number}"];', f"  r{number} -> n{root} [style=dashed];"]
    return "\n".join([*lines, "}", ""])
