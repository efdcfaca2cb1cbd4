"""Circuits read as words of gates, one word a branch, and their canonical form [CIRCUIT-10]."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cache
from typing import Final

from prism.errors import ParseError
from prism.kernels.circuit.gates import BY_LETTER, GATES, IDENTITY_CIRCUIT
from prism.kernels.circuit.parse import parse
from prism.kernels.circuit.phrase import Operation, Phrase
from prism.kernels.circuit.push import pushed
from prism.kernels.circuit.report import Canonical, Step, count_operations, push_steps
from prism.kernels.circuit.values import gates
from prism.vm.engines.api import Limits
from prism.vm.engines.theory_engine import TheoryEngine
from prism.vm.term.build import GraphBuilder
from prism.vm.theory.rule import written

IDENTITY_LETTER: Final = "I"
IDENTITY_RULE: Final = "I is nothing"
_CIRCUITS: Final = {**{gate.letter: gate.circuit for gate in GATES}, IDENTITY_LETTER: IDENTITY_CIRCUIT}
_PLAIN: Final = str.maketrans("", "", "() w")
"""Leaves of a written side of a rule its letters."""
_EXPECTED: Final = "a gate: " + ", ".join(f"{letter} = {text}" for letter, text in _CIRCUITS.items())


def words(phrase: Phrase) -> tuple[str, ...]:
    """Return the word of each branch, over S, X, H, Z and I, after transforms.

    A group of several branches may only be a branch by itself. ParseError at the first operation that is no gate.
    """
    return tuple(map(_word, _branches(pushed(phrase))))


def canonical_gates(phrase: Phrase) -> Canonical:
    """Return the canonical form of a circuit of gates: in each branch the first of the shortest words of its class.

    ParseError at the first operation that is no gate. Cost: linear in the circuit.
    """
    given, steps, normal, session = words(phrase), push_steps(phrase), [], Session()
    for word in given:
        letters = word.replace(IDENTITY_LETTER, "")
        if len(letters) < len(word) and word != IDENTITY_LETTER:
            steps.append(Step(IDENTITY_RULE, word, letters))
        (found,), uses = session.normal([letters])
        steps += uses
        normal.append(found)
    result = circuit_of(normal)
    return Canonical(result, count_operations(phrase), count_operations(result), tuple(steps), tuple(normal))


class Session:
    """Words as terms of the theory `gates` on one ledger, where equal normal forms are one node."""

    def __init__(self) -> None:
        self._engine = TheoryEngine(Limits(), gates(), is_logged=True)
        self._ops = {op.name.upper(): op for op in gates().signature.ops}
        self._letters = {op.code: letter for letter, op in self._ops.items()}
        self._n_told = 0

    def normal(self, words: Sequence[str]) -> tuple[list[str], list[Step]]:
        """Return the normal form of each word over S, X, H and Z, and the rules used, in their order.

        Cost: about a microsecond a letter.
        """
        build, roots = GraphBuilder(), []
        for word in words:
            row = build.apply(self._ops["ONE"], ())
            for letter in reversed(word):
                row = build.apply(self._ops[letter], (row,))
            roots.append(row)
        result = self._engine.normalise(build.graph(roots)).result
        found = []
        for root in result.roots.tolist():
            letters, row = [], root
            while self._letters[int(result.op[row])] != "ONE":
                letters.append(self._letters[int(result.op[row])])
                row = int(result.a[row])
            found.append("".join(letters))
        used = self._engine.applications(self._n_told)[0].tolist()
        self._n_told += len(used)
        return found, [_step(index) for index in used]


@cache
def _step(index: int) -> Step:
    """Return a rule of the theory as people write it, as in "HXH = Z"."""
    rule = gates().rules[index]
    left, right = (written(side).translate(_PLAIN).upper() for side in (rule.lhs, rule.rhs))
    return Step(f"{left} = {right or 'I'}", left, right)


def circuit_of(words: Sequence[str]) -> Phrase:
    """Return the circuit that says one word a branch; the empty word is the identity."""
    texts = [" . ".join(BY_LETTER[letter].circuit for letter in word) or IDENTITY_CIRCUIT for word in words]
    return parse(" || ".join(texts))


def _branches(phrase: Phrase) -> Iterator[list[Operation]]:
    for branch in phrase.branches:
        if len(branch) == 1 and isinstance(branch[0], Phrase):
            yield from _branches(branch[0])
            continue
        operations: list[Operation] = []
        for term in branch:
            inner = [[term]] if isinstance(term, Operation) else list(_branches(term))
            if len(inner) > 1:
                raise _refusal(inner[0][0], "one branch, since gates before and after it act on one qubit")
            operations += inner[0]
        yield operations


def _word(operations: list[Operation]) -> str:
    letters, at, table = [], 0, _letters()
    while at < len(operations):
        # H is written in two operations, and no gate is written as the first of them.
        for length in (2, 1):
            letter = table.get(" . ".join(map(str, operations[at : at + length])))
            if letter is not None:
                break
        else:
            raise _refusal(operations[at], _EXPECTED)
        letters.append(letter)
        at += length
    return "".join(letters)


@cache
def _letters() -> dict[str, str]:
    """Return the letter of each printed circuit that is a gate; H may leave out where it copies to."""
    found = {text: letter for letter, text in _CIRCUITS.items()}
    return found | {text.replace("->c06", ""): letter for text, letter in found.items()}


def _refusal(operation: Operation, expected: str) -> ParseError:
    return ParseError(operation.where, expected, repr(str(operation)), "or canonicalise it as an array program")
