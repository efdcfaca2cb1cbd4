"""prism.vm.engines.memo: an index that keeps neighbours together finds what a dict finds."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from prism.vm.engines.memo import Memo, entered
from prism.vm.ledger.key import OPERAND_BITS, WIDE
from prism.vm.ledger.mixing import mix, unmix
from prism.vm.ledger.table import NO_ROOM

pytestmark = pytest.mark.m7

# Few operands, so that neighbours, whole lines of them, and nodes met again are common.
nodes = st.lists(st.tuples(st.integers(2, 40), st.integers(1, 70), st.integers(0, 3)), max_size=2000)


@settings(max_examples=40)
@given(nodes=nodes)
def test_an_id_is_what_a_dict_says(nodes) -> None:
    """Ids count distinct keys in the order in which they came, before and after the index has grown."""
    memo = Memo.of(WIDE, 1 << 20)
    known = {int(key): at for at, key in enumerate(memo.keys[:2].tolist())}
    for op, a, b in nodes:
        key = WIDE.pack(*(np.array([word]) for word in (op, a, b)))[0]
        node = entered(memo.keys, memo.index, memo.count, key)
        if node == NO_ROOM:
            assert memo.grow()
            node = entered(memo.keys, memo.index, memo.count, key)
        assert node == known.setdefault(int(key), len(known))
        memo.count = len(known)
    assert memo.keys[: memo.count].tolist() == list(known)
    assert memo.forward[:2].tolist() == [0, 1]


def test_a_full_memo_takes_no_more() -> None:
    """At its limit a new key finds no room, a known one its id, and there is nothing to grow."""
    memo = Memo.of(WIDE, 3)
    key = WIDE.pack(np.array([2]), np.array([1]), np.array([0]))[0]
    assert entered(memo.keys, memo.index, 2, key) == 2
    memo.count = 3
    assert entered(memo.keys, memo.index, 3, key) == 2
    assert entered(memo.keys, memo.index, 3, key + np.uint64(1)) == NO_ROOM
    assert not memo.grow()


def test_keys_that_look_alike_to_the_index_are_told_apart() -> None:
    """Two keys with one home and one tag have two ids: only equal keys are equal [LEDGER-1]."""
    memo = Memo.of(WIDE, 1 << 20)
    near = np.uint64(15 << OPERAND_BITS)
    numbers = np.arange(1 << 12, dtype=np.uint64) << np.uint64(40)
    pairs = np.stack([unmix(numbers), unmix(numbers ^ np.uint64(1 << 34))])
    pairs = pairs[:, ~(pairs & near).any(axis=0)]
    assert (mix(pairs[0]) ^ mix(pairs[1]) == np.uint64(1 << 34)).all()
    first, second = pairs[:, 0]
    assert entered(memo.keys, memo.index, 2, first) == 2
    assert entered(memo.keys, memo.index, 3, second) == 3
    assert entered(memo.keys, memo.index, 4, first) == 2
    assert entered(memo.keys, memo.index, 4, second) == 3


def test_neighbours_share_a_line() -> None:
    """Sixteen keys that differ in the low bits of operand a alone lie in sixteen slots side by side."""
    memo = Memo.of(WIDE, 1 << 20)
    for row in range(16):
        key = WIDE.pack(np.array([10]), np.array([32 + row]), np.array([900]))[0]
        entered(memo.keys, memo.index, 2 + row, key)
    taken = np.flatnonzero(memo.index != np.uint32(0xFFFFFFFF))
    assert any(np.isin(np.arange(line, line + 16), taken).all() for line in range(0, len(memo.index), 16))
