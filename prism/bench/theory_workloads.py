"""Workloads of `prism bench theory`: four theories, each with linear, wide and shared work.

Every term comes to a constant, so that contenders can be compared by name. Linear and wide work has few terms twice;
shared work is small as a graph, and as a tree doubles with each level. What stands twice in one term Maude shares too;
what comes up twice on the way, as in `arithmetic shared`, or again in a later term, like the outputs of a circuit in
`boolean shared`, only with memo. Where a normal form would be found at a glance, because the rule on top builds
nothing, the term is written so that no contender can.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from random import Random
from typing import Final

from prism.vm.theory.library import load
from prism.vm.theory.model import Theory, theory_of
from prism.vm.theory.rule import Pattern
from prism.vm.theory.signature import Signature

_OPEN: Final = Signature((), has_symbols=True)

ARITHMETIC: Final = theory_of(
    "arithmetic",
    [("zero", 0), ("s", 1), ("add", 2), ("mul", 2), ("even", 1), ("yes", 0), ("no", 0), ("fib", 1), ("differ", 2)],
    [
        ("add-zero", ("add", ("zero",), "y"), "y"),
        ("add-s", ("add", ("s", "x"), "y"), ("s", ("add", "x", "y"))),
        ("mul-zero", ("mul", ("zero",), "y"), ("zero",)),
        ("mul-s", ("mul", ("s", "x"), "y"), ("add", "y", ("mul", "x", "y"))),
        ("fib-zero", ("fib", ("zero",)), ("no",)),
        ("fib-one", ("fib", ("s", ("zero",))), ("yes",)),
        ("fib-more", ("fib", ("s", ("s", "x"))), ("differ", ("fib", ("s", "x")), ("fib", "x"))),
        ("differ-no", ("differ", ("no",), "x"), "x"),
        ("differ-yes-no", ("differ", ("yes",), ("no",)), ("yes",)),
        ("differ-yes-yes", ("differ", ("yes",), ("yes",)), ("no",)),
        ("even-zero", ("even", ("zero",)), ("yes",)),
        ("even-one", ("even", ("s", ("zero",))), ("no",)),
        ("even-more", ("even", ("s", ("s", "x"))), ("even", "x")),
    ],
)
"""Numbers in unary; `fib` says whether a Fibonacci number is odd, by the tree recursion."""

DERIVATIVES: Final = theory_of(
    "derivatives",
    [("x", 0), ("zero", 0), ("one", 0), ("add", 2), ("mul", 2), ("d", 1), ("at", 1), ("xor", 2), ("both", 2)],
    [
        ("d-x", ("d", ("x",)), ("one",)),
        ("d-zero", ("d", ("zero",)), ("zero",)),
        ("d-one", ("d", ("one",)), ("zero",)),
        ("d-add", ("d", ("add", "u", "v")), ("add", ("d", "u"), ("d", "v"))),
        ("d-mul", ("d", ("mul", "u", "v")), ("add", ("mul", ("d", "u"), "v"), ("mul", "u", ("d", "v")))),
        ("at-x", ("at", ("x",)), ("one",)),
        ("at-zero", ("at", ("zero",)), ("zero",)),
        ("at-one", ("at", ("one",)), ("one",)),
        ("at-add", ("at", ("add", "u", "v")), ("xor", ("at", "u"), ("at", "v"))),
        ("at-mul", ("at", ("mul", "u", "v")), ("both", ("at", "u"), ("at", "v"))),
        ("xor-zero", ("xor", ("zero",), "u"), "u"),
        ("xor-one-zero", ("xor", ("one",), ("zero",)), ("one",)),
        ("xor-one-one", ("xor", ("one",), ("one",)), ("zero",)),
        ("both-zero", ("both", ("zero",), "u"), ("zero",)),
        ("both-one", ("both", ("one",), "u"), "u"),
    ],
)
"""Derivatives by x, and `at`, the value of an expression at x = 1 modulo 2."""


@dataclass(frozen=True, slots=True)
class Workload:
    """Terms of a theory whose normal forms are constants."""

    theory: Theory
    terms: list[Pattern]


def _number(value: int) -> Pattern:
    number: Pattern = ("zero",)
    for _ in range(value):
        number = ("s", number)
    return number


def _even_products(pairs: Sequence[tuple[int, int]]) -> list[Pattern]:
    numbers = [_number(value) for value in range(max(max(pair) for pair in pairs) + 1)]
    return [("even", ("mul", numbers[one], numbers[two])) for one, two in pairs]


def _cancelled(names: Sequence[str]) -> Pattern:
    """Return a word nested to the left, times the inverse of the word nested to the right."""
    left: Pattern = names[0]
    right: Pattern = names[-1]
    for name in names[1:]:
        left = ("m", left, name)
    for name in reversed(names[:-1]):
        right = ("m", name, right)
    return ("m", left, ("i", right))


def _group_words(count: int, length: int) -> list[Pattern]:
    return [_cancelled([f"a{(7 * n + k * k + k) % 500}" for k in range(length)]) for n in range(count)]


def _shared_words(depth: int) -> list[Pattern]:
    """Return a word that is e for each level; a level is w c times the inverse of w c times w, w from the one below."""
    word: Pattern = ("m", "a", ("m", "b", ("i", "a")))
    undone: Pattern = ("i", ("m", ("m", "a", "b"), ("i", "a")))
    terms: list[Pattern] = []
    for level in range(depth):
        longer = ("m", word, f"c{level}")
        word = ("m", longer, ("m", ("i", longer), word))
        terms.append(("m", word, undone))
    return terms


def _gates_linear(length: int, mark: str) -> Pattern:
    """Return a chain of ands with things that are true, but only two levels down."""
    term: Pattern = ("true",)
    for n in range(length):
        x, y = f"{mark}{n}", f"{mark}{n + 1}"
        term = ("and", ("not", ("and", ("and", x, y), ("and", ("not", x), y))), term)
    return term


def _gates_shared(depth: int) -> list[Pattern]:
    """Return `true` for each level, written with two copies of the level below, which resolution finds equal."""
    terms: list[Pattern] = [("true",)]
    for level in range(depth):
        name = f"b{level}"
        left, right = ("not", ("and", terms[-1], name)), ("not", ("and", terms[-1], ("not", name)))
        terms.append(("not", ("and", left, right)))
    return terms[1:]


def _polynomial(length: int, choose: Random) -> Pattern:
    term: Pattern = ("x",)
    for _ in range(length):
        other: Pattern = choose.choice([("x",), ("one",), ("add", ("x",), ("one",)), ("mul", ("x",), ("x",))])
        term = (choose.choice(["add", "mul"]), other, term)
    return ("at", ("d", term))


def _powers(depth: int) -> Pattern:
    term: Pattern = ("add", ("x",), ("one",))
    for _ in range(depth):
        term = ("mul", term, ("add", term, ("x",)))
    return ("at", ("d", term))


WORKLOADS: Final[dict[str, Callable[[], Workload]]] = {
    "arithmetic small": lambda: Workload(ARITHMETIC, _even_products([(10, 10)])),
    "arithmetic linear": lambda: Workload(ARITHMETIC, _even_products([(100, 1000)])),
    "arithmetic wide": lambda: Workload(ARITHMETIC, _even_products([(n, 97 - n) for n in range(2, 96)] * 8)),
    "arithmetic shared": lambda: Workload(ARITHMETIC, [("fib", _number(25))]),
    "group small": lambda: Workload(load("group"), _group_words(1, 8)),
    "group linear": lambda: Workload(load("group"), _group_words(1, 300)),
    "group wide": lambda: Workload(load("group"), _group_words(2000, 12)),
    "group shared": lambda: Workload(load("group"), _shared_words(100)),
    "boolean small": lambda: Workload(load("boolean"), [_gates_linear(6, "a")]),
    "boolean linear": lambda: Workload(load("boolean"), [_gates_linear(5000, "a")]),
    "boolean wide": lambda: Workload(load("boolean"), [_gates_linear(5, f"a{n}b") for n in range(2000)]),
    "boolean shared": lambda: Workload(load("boolean"), _gates_shared(200)),
    "derivatives small": lambda: Workload(DERIVATIVES, [_polynomial(8, Random(0))]),
    "derivatives linear": lambda: Workload(DERIVATIVES, [_polynomial(250, Random(1))]),
    "derivatives wide": lambda: Workload(DERIVATIVES, [_polynomial(12, Random(n)) for n in range(1000)]),
    "derivatives shared": lambda: Workload(DERIVATIVES, [_powers(10)]),
}
"""Work by name: built when it is asked for. Small work is for peers that take no more."""
