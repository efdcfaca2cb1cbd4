"""Term orders that show termination: recursive path orders (Dershowitz 1982) and Knuth-Bendix orders (1970), found by
search.

An order is what the search has decided so far: which op is above which, and how operands are compared. A comparison
yields every least extension of it under which one term is greater, so that the search backtracks. Operands of a
commuting op are compared as multisets, which makes the order one modulo commutativity. A literal, whatever its
value, and whatever is computed from literals, is one constant below every op.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import product
from typing import Final

from prism.vm.theory.critical import commuting_names
from prism.vm.theory.model import Theory
from prism.vm.theory.rule import ARITHMETIC, Pattern, Rule, subterms
from prism.vm.theory.signature import Op

MAX_LOOKS: Final = 200_000
"""After how many comparisons a search gives up."""
MAX_WEIGHT: Final = 3
_NUMBER: Final = ("#",)
LEXICOGRAPHIC, REVERSED, MULTISET = "left to right", "right to left", "multiset"


@dataclass(frozen=True, slots=True)
class Order:
    """A simplification order as far as it is decided.

    above: pairs of ops, transitively closed. status: how the operands of an op are compared. weights: of the ops in a
    Knuth-Bendix order, none in a recursive path order.
    """

    above: frozenset[tuple[str, str]] = frozenset()
    status: tuple[tuple[str, str], ...] = ()
    weights: tuple[tuple[str, int], ...] = ()

    @property
    def kind(self) -> str:
        """What kind of order it is."""
        return "Knuth-Bendix order" if self.weights else "recursive path order"

    def __str__(self) -> str:
        names = sorted({name for pair in self.above for name in pair})
        names.sort(key=lambda name: -sum(one == name for one, _ in self.above))
        parts = [" > ".join(_layers(names, self.above))] if names else []
        parts += [f"{name} compared {how}" for name, how in self.status if how != LEXICOGRAPHIC]
        if self.weights:
            parts.append("weights " + ", ".join(f"{name} {weight}" for name, weight in self.weights))
        return f"{self.kind}: {'; '.join(parts) or 'no precedence needed'}"


def _layers(names: Sequence[str], above: frozenset[tuple[str, str]]) -> Iterator[str]:
    """Yield ops of one height together, the highest first."""
    depth = dict.fromkeys(names, 0)
    for name in reversed(names):
        depth[name] = max((depth[low] + 1 for high, low in above if high == name), default=0)
    for level in sorted(set(depth.values()), reverse=True):
        yield ", ".join(name for name in names if depth[name] == level)


class GaveUpError(Exception):
    """A search looked at more than it may."""


@dataclass
class Search:
    """Compares terms; counts its looks, and raises GaveUpError after `max_looks`."""

    commuting: frozenset[str]
    max_looks: int = MAX_LOOKS
    looks: int = 0

    def greater(self, one: Pattern, two: Pattern, order: Order) -> Iterator[Order]:
        """Yield extensions of an order under which `one` is above `two` (recursive path order)."""
        self._look()
        if not isinstance(one, tuple) or one == two:
            return
        if isinstance(two, str):
            if two in set(subterms(one)):
                yield order
            return
        name, *operands = one
        other, *others = two if isinstance(two, tuple) else _NUMBER
        if any(self.same(operand, two) for operand in operands):
            yield order
            return
        for operand in operands:
            yield from self.greater(operand, two, order)
        if name == other:
            yield from self._by_operands(name, one, operands, others, order)
        elif (extended := _with_above(order, name, other)) is not None:
            yield from self.above_all(one, others, extended)

    def above_all(self, one: Pattern, others: Sequence[Pattern], order: Order) -> Iterator[Order]:
        """Yield extensions under which a term is above each of some others."""
        if not others:
            yield order
            return
        for extended in self.greater(one, others[0], order):
            yield from self.above_all(one, others[1:], extended)

    def _by_operands(
        self, name: str, one: Pattern, operands: Sequence[Pattern], others: Sequence[Pattern], order: Order
    ) -> Iterator[Order]:
        for chosen in self._statuses(name, order):
            how = dict(chosen.status).get(name, LEXICOGRAPHIC)
            if how == MULTISET:
                yield from self._multiset(operands, others, chosen)
                continue
            pairs = list(zip(operands, others, strict=True))
            for left, right in pairs if how == LEXICOGRAPHIC else reversed(pairs):
                if not self.same(left, right):
                    for extended in self.greater(left, right, chosen):
                        yield from self.above_all(one, others, extended)
                    break

    def _statuses(self, name: str, order: Order) -> Iterator[Order]:
        """Yield the order with each status that an op may have."""
        if name in dict(order.status):
            yield order
            return
        for how in (MULTISET,) if name in self.commuting else (LEXICOGRAPHIC, REVERSED, MULTISET):
            yield replace(order, status=(*order.status, (name, how)))

    def _multiset(self, ones: Sequence[Pattern], twos: Sequence[Pattern], order: Order) -> Iterator[Order]:
        left, right = list(ones), list(twos)
        for one in ones:
            match = next((two for two in right if self.same(one, two)), None)
            if match is not None:
                left.remove(one)
                right.remove(match)
        if left:
            yield from self._dominated(left, right, order)

    def _dominated(self, left: Sequence[Pattern], right: Sequence[Pattern], order: Order) -> Iterator[Order]:
        if not right:
            yield order
            return
        for one in left:
            for extended in self.greater(one, right[0], order):
                yield from self._dominated(left, right[1:], extended)

    def by_weight(self, one: Pattern, two: Pattern, order: Order) -> Iterator[Order]:
        """Yield extensions of a Knuth-Bendix order under which `one` is above `two`."""
        self._look()
        if not isinstance(one, tuple) or one == two:
            return
        left, right = _occurrences(one), _occurrences(two)
        if any(left[name] < count for name, count in right.items()):
            return
        weights = dict(order.weights)
        difference = _weight(one, weights) - _weight(two, weights)
        if difference:
            if difference > 0:
                yield order
            return
        if isinstance(two, str):  # of equal weight: only a unary op of weight 0 over the variable
            yield order
            return
        name, *operands = one
        other, *others = two if isinstance(two, tuple) else _NUMBER
        if name != other:
            extended = _with_above(order, name, other)
            if extended is not None:
                yield extended
        elif name in self.commuting:
            yield from self._one_greater(operands, others, order)
        else:
            for left_part, right_part in zip(operands, others, strict=True):
                if not self.same(left_part, right_part):
                    yield from self.by_weight(left_part, right_part, order)
                    return

    def _one_greater(self, ones: Sequence[Pattern], twos: Sequence[Pattern], order: Order) -> Iterator[Order]:
        """Compare two operands as multisets where one pair of them is the same."""
        for one, other_one in (ones, tuple(reversed(ones))):
            for two, other_two in (twos, tuple(reversed(twos))):
                if self.same(other_one, other_two):
                    yield from self.by_weight(one, two, order)

    def same(self, one: Pattern, two: Pattern) -> bool:
        """Whether two terms are equal modulo commutativity and the values of literals."""
        return canonical(one, self.commuting) == canonical(two, self.commuting)

    def _look(self) -> None:
        self.looks += 1
        if self.looks > self.max_looks:
            raise GaveUpError


def canonical(pattern: Pattern, commuting: frozenset[str]) -> Pattern:
    """Return a pattern with the operands of commuting ops in one order."""
    if not isinstance(pattern, tuple):
        return pattern
    name, *operands = pattern
    parts = [canonical(operand, commuting) for operand in operands]
    return (name, *(sorted(parts, key=repr) if name in commuting else parts))


def _with_above(order: Order, high: str, low: str) -> Order | None:
    """Return the order with one op above another, None where that contradicts it; every op is above a number."""
    if low == _NUMBER[0] or (high, low) in order.above:
        return order
    if high == _NUMBER[0] or (low, high) in order.above or high == low:
        return None
    uppers = {high} | {one for one, two in order.above if two == high}
    lowers = {low} | {two for one, two in order.above if one == low}
    return replace(order, above=order.above | set(product(uppers, lowers)))


def _occurrences(pattern: Pattern) -> Counter[str]:
    return Counter(part for part in subterms(pattern) if isinstance(part, str))


def _weight(pattern: Pattern, weights: dict[str, int]) -> int:
    return sum(weights.get(part[0], 1) if isinstance(part, tuple) else 1 for part in subterms(pattern))


def comparable(rule: Rule) -> tuple[Pattern, Pattern]:
    """Return the sides of a rule with every literal, and whatever is computed, as one constant."""
    return _numbered(rule.lhs, rule.literals), _numbered(rule.rhs, rule.literals)


def _numbered(pattern: Pattern, literals: frozenset[str]) -> Pattern:
    if isinstance(pattern, int) or pattern in literals:
        return _NUMBER
    if isinstance(pattern, tuple):
        if pattern[0] in ARITHMETIC:
            return _NUMBER
        return (pattern[0], *(_numbered(part, literals) for part in pattern[1:]))
    return pattern


def orienting(sides: Sequence[tuple[Pattern, Pattern]], search: Search, order: Order) -> Order | None:
    """Return an extension of an order under which each left side is above its right side; None if there is none."""
    compare = search.by_weight if order.weights else search.greater

    def extend(index: int, current: Order) -> Iterator[Order]:
        if index == len(sides):
            yield current
            return
        for extended in compare(*sides[index], current):
            yield from extend(index + 1, extended)

    return next(extend(0, order), None)


def find_order(theory: Theory) -> Order | None:
    """Return an order under which every rule of a theory decreases; None if the search finds none.

    First a recursive path order, then Knuth-Bendix orders with weights up to MAX_WEIGHT.
    """
    sides = [comparable(rule) for rule in theory.rules]
    # The largest right sides constrain most, so they come first.
    sides.sort(key=lambda pair: -sum(1 for _ in subterms(pair[1])))
    commuting = commuting_names(theory.signature)
    try:
        found = orienting(sides, Search(commuting), Order())
    except (GaveUpError, RecursionError):
        found = None
    return found or _weighted(theory, sides, commuting)


def _weighted(theory: Theory, sides: Sequence[tuple[Pattern, Pattern]], commuting: frozenset[str]) -> Order | None:
    used = {part[0] for pair in sides for side in pair for part in subterms(side) if isinstance(part, tuple)}
    ops = [op for op in theory.signature.ops if op.name in used]
    search = Search(commuting)
    for order in _weight_functions(ops, used):
        search.looks += len(sides)
        weights = dict(order.weights)
        if any(_weight(left, weights) < _weight(right, weights) for left, right in sides):
            if search.looks > MAX_LOOKS:
                return None
            continue
        try:
            found = orienting(sides, search, order)
        except (GaveUpError, RecursionError):
            return None
        if found is not None:
            return found
    return None


def _weight_functions(ops: Sequence[Op], used: Iterable[str]) -> Iterator[Order]:
    """Yield admissible weights: constants from 1, at most one unary op of weight 0, and that above every other op."""
    for weights in product(range(MAX_WEIGHT + 1), repeat=len(ops)):
        named = tuple((op.name, weight) for op, weight in zip(ops, weights, strict=True))
        if any(weight == 0 and op.arity == 0 for op, weight in zip(ops, weights, strict=True)):
            continue
        free = [op.name for op, weight in zip(ops, weights, strict=True) if weight == 0 and op.arity == 1]
        if len(free) > 1:
            continue
        above = frozenset((free[0], name) for name in used if name not in (free[0], *_NUMBER)) if free else frozenset()
        yield Order(above, weights=named)
