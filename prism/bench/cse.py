"""Bench of common subexpressions: `prism.cse` beside SymPy's own, on one graph of sums and products."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from importlib.util import find_spec
from random import Random
from typing import Any, Final

from prism.bench.harness import Case, Contender, Missing, Row, Tick, race

_SYMBOLS: Final = 8
_PRIME: Final = (1 << 61) - 1
_LARGEST_FOR_PEERS: Final = 20_000
"""Beyond so many nodes SymPy takes minutes."""


def cse_bench(sizes: Sequence[int], runs: int, *, tick: Tick = lambda _: None) -> Iterator[Row]:
    """Yield the rows of each number of distinct nodes: seconds from expressions to replacements; nodes a second.

    SymPy's `cse` also looks for common parts of sums and products; its `tree_cse` is the part of it that does what ours
    does. The answer to agree on is the value of every expression at one point, modulo a prime, by the replacements.
    """
    if find_spec("sympy") is None:
        yield from race(Case("cse", "none", 0, ""), [Missing("prism", "no SymPy; install prism-vm[bench]")], runs=runs)
        return
    for size in sizes:
        contenders: list[Contender | Missing] = [_contender("prism", size, _ours)]
        for name, run in (("SymPy cse", _sympy), ("SymPy cse order=none", _unordered), ("SymPy tree_cse", _tree)):
            if size <= _LARGEST_FOR_PEERS:
                contenders.append(_contender(name, size, run))
            else:
                contenders.append(Missing(name, f"not run beyond {_LARGEST_FOR_PEERS} nodes, for it takes minutes"))
        yield from race(Case("cse", f"{size} nodes", size, "nodes/s"), contenders, runs=runs, tick=tick)


class _Answer:
    """Replacements and expressions; equal to others of the same values, which are found outside the clock."""

    def __init__(self, found: tuple[list[Any], list[Any]]) -> None:
        self.replacements, self.reduced = found

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Answer) and self._values() == other._values()

    def _values(self) -> list[int]:
        values = {symbol: 3 + 7 * place for place, symbol in enumerate(_leaves())}
        for symbol, expression in self.replacements:
            values[symbol] = value(expression, values)
        return [value(expression, values) for expression in self.reduced]


def value(expression: Any, values: dict[Any, int]) -> int:
    """Return an expression of sums, products, powers and integers modulo a prime, given its symbols' values."""
    known, stack = dict(values), [expression]
    while stack:
        node = stack[-1]
        missing = [arg for arg in node.args if arg not in known]
        if missing:
            stack.extend(missing)
            continue
        stack.pop()
        if node in known:
            continue
        parts = [known[arg] for arg in node.args]
        if node.is_Integer:
            known[node] = int(node) % _PRIME
        elif node.is_Pow:
            known[node] = pow(parts[0], int(node.exp), _PRIME)
        else:
            total = int(node.is_Mul)
            for part in parts:
                total = total * part % _PRIME if node.is_Mul else (total + part) % _PRIME
            known[node] = total
    return known[expression]


def _leaves() -> tuple[Any, ...]:
    import sympy

    return sympy.symbols(f"a0:{_SYMBOLS}")


def expressions(size: int) -> list[Any]:
    """Return the unused ones of `size` sums and products, each of two that came before, made without evaluating."""
    import sympy

    random, nodes, used = Random(0), list(_leaves()), set()
    while len(nodes) < size + _SYMBOLS:
        left, right = random.randrange(len(nodes)), random.randrange(len(nodes))
        if left != right:
            used |= {left, right}
            kind = sympy.Add if random.random() < 0.5 else sympy.Mul
            nodes.append(kind(nodes[left], nodes[right], evaluate=False))
    return [node for place, node in enumerate(nodes) if place not in used]


def _contender(name: str, size: int, run: Callable[[list[Any]], tuple[list[Any], list[Any]]]) -> Contender:
    def prepare() -> Callable[[], _Answer]:
        roots = expressions(size)
        return lambda: _Answer(run(roots))

    return Contender(name, prepare, warm=False)


def _ours(roots: list[Any]) -> tuple[list[Any], list[Any]]:
    from prism.sharing.cse import cse

    return cse(roots)


def _sympy(roots: list[Any]) -> Any:
    import sympy

    return sympy.cse(roots)


def _unordered(roots: list[Any]) -> Any:
    import sympy

    return sympy.cse(roots, order="none")


def _tree(roots: list[Any]) -> tuple[list[Any], list[Any]]:
    import sympy
    from sympy.simplify.cse_main import tree_cse

    return tree_cse(roots, sympy.numbered_symbols("x"), order="none")
