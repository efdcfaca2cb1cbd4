"""Simulate: the roots of a circuit under many patterns of its leaves, 64 in a word."""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

from prism.aig.circuit import Circuit
from prism.errors import UsageError
from prism.vm.ledger.mixing import mix

_LOWEST = (
    0xAAAAAAAAAAAAAAAA,
    0xCCCCCCCCCCCCCCCC,
    0xF0F0F0F0F0F0F0F0,
    0xFF00FF00FF00FF00,
    0xFFFF0000FFFF0000,
    0xFFFFFFFF00000000,
)
# Bit i of leaf k is bit k of i, for the six leaves that change within a word.
_WORD_LEAVES = len(_LOWEST)


def simulate(circuit: Circuit, patterns: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Return what each root is under each pattern: uint64[roots, words].

    patterns: uint64[leaves, words], bit i of word j of a row is that leaf in pattern 64 j + i; UsageError otherwise.
    Latches are leaves, and their next states are roots. Cost: one AND of words for each AND and word, and 8 bytes.
    """
    leaves = circuit.interface.leaves
    if patterns.ndim != 2 or patterns.dtype != np.uint64 or len(patterns) != leaves:
        got = f"{patterns.dtype}{list(patterns.shape)}"
        raise UsageError(f"patterns must be uint64[{leaves}, words], a row for each leaf, got {got}; reshape or cast")
    return _simulate(circuit.rows, circuit.roots, patterns)


@njit(cache=True)
def _simulate(rows, roots, patterns):
    words = patterns.shape[1]
    first = len(patterns) + 1
    values = np.zeros((first + len(rows), words), np.uint64)
    values[1:first] = patterns
    one = np.uint32(1)
    for row in range(len(rows)):
        a, b = rows[row, 0], rows[row, 1]
        flip_a, flip_b = np.uint64(0) - np.uint64(a & one), np.uint64(0) - np.uint64(b & one)
        left, right, out = values[a >> one], values[b >> one], values[first + row]
        for word in range(words):
            out[word] = (left[word] ^ flip_a) & (right[word] ^ flip_b)
    answers = np.empty((len(roots), words), np.uint64)
    for root in range(len(roots)):
        flip = np.uint64(0) - np.uint64(roots[root] & one)
        for word in range(words):
            answers[root, word] = values[roots[root] >> one, word] ^ flip
    return answers


def all_patterns(leaves: int) -> NDArray[np.uint64]:
    """Return every pattern of some leaves, in order of their bits: uint64[leaves, 2^(leaves - 6)], at least a word."""
    words = np.arange(1 << max(0, leaves - _WORD_LEAVES), dtype=np.uint64)
    out = np.empty((leaves, len(words)), np.uint64)
    for leaf in range(leaves):
        if leaf < _WORD_LEAVES:
            out[leaf] = _LOWEST[leaf]
        else:
            out[leaf] = -(words >> np.uint64(leaf - _WORD_LEAVES) & np.uint64(1)).astype(np.int64)
    return out


def some_patterns(leaves: int, words: int, turn: int) -> NDArray[np.uint64]:
    """Return patterns that look random and are the same every time: uint64[leaves, words], other ones each `turn`.

    A leaf is 1 in half of the patterns of a word, and in a quarter or three quarters in every third: wide ANDs and ORs
    are seldom told from constants by even chances.
    """
    counters = np.arange(3 * leaves * words, dtype=np.uint64).reshape(3, leaves, words)
    drawn = mix(counters + np.uint64(3 * leaves * words * turn + 1))
    out, seldom, often = drawn[0], drawn[0] & drawn[1], drawn[0] | drawn[2]
    out[:, 1::3], out[:, 2::3] = seldom[:, 1::3], often[:, 2::3]
    return out
