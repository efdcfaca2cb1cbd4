"""Circuits read as words of gates, one word a branch, and their canonical form [CIRCUIT-10]."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cache
from typing import Final

from prism.errors import ParseError
from prism.kernels.circuit.gates import BY_LETTER, GATES, IDENTITY_CIRCUIT, minimal_rules, normalise
from prism.kernels.circuit.parse import parse
from prism.kernels.circuit.phrase import Operation, Phrase
from prism.kernels.circuit.push import pushed
from prism.kernels.circuit.report import Canonical, Step, count_operations, push_steps

IDENTITY_LETTER: Final = "I"
IDENTITY_RULE: Final = "I is nothing"
_CIRCUITS: Final = {**{gate.letter: gate.circuit for gate in GATES}, IDENTITY_LETTER: IDENTITY_CIRCUIT}
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
    given, steps, normal = words(phrase), push_steps(phrase), []
    for word in given:
        letters = word.replace(IDENTITY_LETTER, "")
        if len(letters) < len(word) and word != IDENTITY_LETTER:
            steps.append(Step(IDENTITY_RULE, word, letters))
        found, uses = normalise(letters, minimal_rules())
        steps += [Step(rule.name, rule.left, rule.right) for _, rule in uses]
        normal.append(found)
    result = circuit_of(normal)
    return Canonical(result, count_operations(phrase), count_operations(result), tuple(steps), tuple(normal))


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
