"""The laws of Boolean circuits [spec/aig.md]."""

from __future__ import annotations

from dataclasses import replace
from random import Random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from prism.aig.circuit import Circuit
from prism.aig.read import read
from prism.aig.rules import LEVELS
from prism.aig.same import Verdict, same
from prism.aig.simulate import all_patterns, simulate
from prism.aig.strash import simplify, strash
from prism.aig.write import write
from tests.aigs import evaluate, hashed, plain_roots, plainly_read, random_circuit, shuffled_ascii

pytestmark = pytest.mark.m7

seeds = st.integers(0, 1 << 32)


def bits(circuit: Circuit) -> list[list[int]]:
    """Return the roots under every pattern, by plain evaluation."""
    leaves = circuit.interface.leaves
    return [evaluate(circuit, [pattern >> k & 1 for k in range(leaves)]) for pattern in range(1 << leaves)]


def simulated(circuit: Circuit) -> np.ndarray:
    """Return the roots under every pattern, 64 in a word."""
    return simulate(circuit, all_patterns(circuit.interface.leaves))


@pytest.mark.clause("AIG-1")
@given(seed=seeds, binary=st.booleans())
@settings(max_examples=60)
def test_what_is_written_reads_as_the_same_circuit(seed: int, binary: bool) -> None:
    """Writing and reading give equal bytes again, in both forms, with every section, name and comment."""
    circuit = random_circuit(Random(seed))
    data = write(circuit, binary=binary)
    again = read(data, "x")
    assert write(again, binary=binary) == data
    assert (again.interface, again.symbols, again.comment) == (circuit.interface, circuit.symbols, circuit.comment)
    assert (again.roots.tolist(), again.resets.tolist()) == (circuit.roots.tolist(), circuit.resets.tolist())


@pytest.mark.clause("AIG-1")
@given(seed=seeds)
@settings(max_examples=60)
def test_files_mean_what_their_description_says(seed: int) -> None:
    """Under every pattern the circuit read gives what a plain reading of the file gives, whatever its numbers."""
    random = Random(seed)
    data = shuffled_ascii(random_circuit(random, max_leaves=4), random)
    circuit, plain = read(data, "x"), plainly_read(data)
    leaves = circuit.interface.leaves
    expected = [plain_roots(plain, [pattern >> k & 1 for k in range(leaves)]) for pattern in range(1 << leaves)]
    assert bits(circuit) == expected
    assert {symbol[:2]: symbol.name for symbol in circuit.symbols} == plain["names"]


@pytest.mark.clause("AIG-3")
@given(seed=seeds)
@settings(max_examples=100)
def test_hashing_is_that_of_a_dict(seed: int) -> None:
    """Rows and roots are those of a dict from operands to names, numbered in batches by level."""
    circuit = random_circuit(Random(seed), max_ands=80)
    rows, roots = hashed(circuit)
    after = strash(circuit)
    assert after.rows.tolist() == [list(row) for row in rows]
    assert after.roots.tolist() == roots


@pytest.mark.clause("AIG-4")
@given(seed=seeds)
@settings(max_examples=60)
def test_the_canonical_form_forgets_the_order_of_rows(seed: int) -> None:
    """Any numbers, any order and any repetition of the ANDs give the same bytes, hashed or simplified."""
    random = Random(seed)
    circuit = random_circuit(random)
    once, again = (read(shuffled_ascii(circuit, random), "x") for _ in range(2))
    for binary in (True, False):
        assert write(strash(once), binary=binary) == write(strash(again), binary=binary)
        assert write(simplify(once), binary=binary) == write(simplify(again), binary=binary)
    assert write(strash(strash(once)), binary=True) == write(strash(once), binary=True)


@pytest.mark.clause("AIG-5")
@given(seed=seeds, level=st.sampled_from(sorted(LEVELS)))
@settings(max_examples=100)
def test_simplification_keeps_every_root(seed: int, level: int) -> None:
    """Each root is what it was under every pattern; there are not more ANDs; doing it again does nothing."""
    circuit = random_circuit(Random(seed), max_ands=80)
    after = simplify(circuit, level)
    assert np.array_equal(simulated(after), simulated(circuit))
    assert len(after.rows) <= len(strash(circuit).rows)
    assert write(simplify(after, level), binary=True) == write(after, binary=True)
    assert (after.interface, after.symbols, after.comment) == (circuit.interface, circuit.symbols, circuit.comment)


@pytest.mark.clause("AIG-7")
@given(seed=seeds)
@settings(max_examples=40)
def test_simulation_is_evaluation(seed: int) -> None:
    """Bit i of word j is what plain evaluation gives under pattern 64 j + i."""
    circuit = random_circuit(Random(seed), max_leaves=7)
    words = simulated(circuit).tolist()
    plain = bits(circuit)
    for pattern, expected in enumerate(plain):
        assert [row[pattern // 64] >> pattern % 64 & 1 for row in words] == expected


@pytest.mark.clause("AIG-6")
@given(seed=seeds)
@settings(max_examples=60)
def test_the_verdict_is_that_of_every_pattern(seed: int) -> None:
    """Small circuits are equal exactly if they agree under every pattern, and a difference is one."""
    random = Random(seed)
    one = random_circuit(random)
    top = 2 * (one.first + len(one.rows))
    other = replace(one, roots=one.roots.copy())
    if len(one.roots) and random.random() < 0.7:
        other.roots[random.randrange(len(one.roots))] = random.randrange(top)
    result = same(one, other)
    assert (result.verdict is Verdict.EQUAL) == (bits(one) == bits(other))
    if result.difference is not None:
        found = result.difference
        pattern = list(found.leaves)
        start = 0
        for section, count in one.interface.root_counts().items():
            if section == found.section:
                break
            start += count
        at = start + found.position
        assert (evaluate(one, pattern)[at], evaluate(other, pattern)[at]) == found.values
        assert found.values[0] != found.values[1]
