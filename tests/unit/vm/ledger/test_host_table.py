"""The host engine's parts: table, radix sort, batch arguments, memory."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from prism.errors import UsageError
from prism.status import Status
from prism.vm.ledger import batch
from prism.vm.ledger.host import HostLedger
from prism.vm.ledger.key import COMPACT, LAYOUTS, WIDE
from prism.vm.ledger.mixing import mix, unmix
from prism.vm.ledger.optable import COMMUTES
from prism.vm.ledger.radix import sort_pairs
from prism.vm.ledger.table import NO_ROOM, UNKNOWN, Table, find, intern_one, pack_one, unpack_one
from prism.vm.ledger.verify import verify
from prism.vm.term.ops import ADD, MUL, SUC

pytestmark = pytest.mark.m1


@given(st.lists(st.integers(0, 2**64 - 1), max_size=200), st.sampled_from([0, 0xFF00FF, 2**64 - 1]))
@settings(max_examples=50)
def test_radix_sort_agrees_with_numpy(numbers, mask):
    """Keys come out ascending, each payload beside its key, equal keys in their old order, whichever bits differ."""
    keys = np.array(numbers, np.uint64) & np.uint64(mask)
    payload = np.arange(len(keys), dtype=np.int32)
    order = np.argsort(keys, kind="stable")
    expected = keys[order]
    sort_pairs(keys, payload, np.empty_like(keys), np.empty_like(payload))
    assert keys.tolist() == expected.tolist()
    assert payload.tolist() == order.tolist()


@given(st.lists(st.integers(0, 2**64 - 1), max_size=50, unique=True))
@settings(max_examples=30)
@pytest.mark.clause("LEDGER-3")
def test_mixing_is_injective(numbers):
    """Mixing is undone, so different keys mix differently: order, tag and slot come from the whole key."""
    keys = np.array(numbers, np.uint64)
    assert len(set(mix(keys).tolist())) == len(numbers)
    assert unmix(mix(keys)).tolist() == mix(unmix(keys)).tolist() == numbers


@pytest.mark.clause("LEDGER-3")
def test_mixing_is_that_of_the_specification():
    """One number mixes, step by step in exact integers, to what the specification says."""
    x = 0x0A00000010000002
    for factor in (0xFF51AFD7ED558CCD, 0xC4CEB9FE1A85EC53):
        x = (x ^ x >> 33) * factor % 2**64
    assert int(mix(np.array([0x0A00000010000002], np.uint64))[0]) == x ^ x >> 33


@pytest.mark.clause("LEDGER-2")
@pytest.mark.parametrize("layout", LAYOUTS.values())
def test_pack_round_trip_and_agreement(layout):
    """Packing leads back to the node, at the largest ids too, and the jitted packing of one node agrees."""
    last = (1 << layout.op_bits) - 1
    op = np.array([SUC.code, min(ADD.code, last), min(MUL.code, last), last], np.uint8)
    a = np.array([1, 0, layout.max_id, layout.max_id], np.int32)
    b = np.array([0, layout.max_id, layout.max_id, layout.max_id], np.int32)
    keys = layout.pack(op, a, b)
    assert [column.tolist() for column in layout.unpack(keys)] == [op.tolist(), a.tolist(), b.tolist()]
    nodes = list(zip(op.tolist(), a.tolist(), b.tolist(), strict=True))
    assert [int(pack_one(*node, layout.id_bits, COMMUTES)) for node in nodes] == keys.tolist()
    assert [unpack_one(key, layout.id_bits) for key in keys] == nodes
    assert int(batch.ABSENT) not in keys.tolist()


@pytest.mark.clause("LEDGER-2")
@given(data=st.data(), layout=st.sampled_from(list(LAYOUTS.values())), other=st.sampled_from(list(LAYOUTS.values())))
def test_a_node_has_one_key_in_every_layout_that_holds_it(data, layout, other):
    """Packing is the same in two layouts on the nodes of both, and leads back to the node in each."""
    ops = st.integers(0, (1 << min(layout.op_bits, other.op_bits)) - 1)
    ids = st.integers(0, min(layout.max_id, other.max_id))
    node = np.uint8(data.draw(ops)), np.int32(data.draw(ids)), np.int32(data.draw(ids))
    assert layout.pack(*node) == other.pack(*node)
    assert layout.unpack(layout.pack(*node)) == other.unpack(layout.pack(*node)) == node


def intern_chain(table: Table, nodes: int) -> list[int]:
    """Intern a chain of suc, one node at a time, as an evaluator does; stop where the table will not grow."""
    ids, top = [], 1
    while len(ids) < nodes:
        key = WIDE.pack(np.uint8(SUC.code), np.int32(top), np.int32(0))
        top = int(intern_one(table.keys, table.index, table.count, key))
        if top == NO_ROOM:
            if not table.grow(table.count):
                break
            top = ids[-1]
            continue
        table.count += top == table.count
        ids.append(top)
    return ids


@pytest.mark.clause("LEDGER-3")
def test_interning_one_by_one_is_a_batch_of_one():
    """Single interns through several growths give the ids of batches of one node, and find them again."""
    single, ledger = HostLedger(), HostLedger()
    assert intern_chain(single.table, 1500) == list(range(2, 1502))
    assert intern_chain(single.table, 1500) == list(range(2, 1502))
    for top in range(1, 1501):
        ledger.intern([SUC.code], [top], [0])
    assert single.keys().tolist() == ledger.keys().tolist()
    assert verify(single) == []


@pytest.mark.clause("LEDGER-5")
def test_table_stops_at_its_limit():
    """A table takes exactly its limit; then a new key finds no room, a known one its id, and it will not grow."""
    ledger = HostLedger(WIDE, 700)
    assert intern_chain(ledger.table, 800) == list(range(2, 700))
    table = ledger.table
    known, unknown = (WIDE.pack(np.uint8(SUC.code), np.int32(a), np.int32(0)) for a in (5, 699))
    assert intern_one(table.keys, table.index, table.count, known) == find(table.keys, table.index, known) == 6
    assert intern_one(table.keys, table.index, table.count, unknown) == NO_ROOM
    assert find(table.keys, table.index, unknown) == UNKNOWN
    assert not ledger.make_room(table.count)
    assert ledger.status is Status.OOM


@pytest.mark.clause("LEDGER-1")
def test_keys_that_hash_alike_are_told_apart():
    """Keys with one home slot and one tag get ids of their own and are found; one more like them is unknown."""
    table = HostLedger().table
    alike = unmix(np.uint64(0x5555000000005A00) | np.arange(201, dtype=np.uint64) << np.uint64(32))
    assert len(set((mix(alike) & np.uint64(0xFFC00000FFFFFC00)).tolist())) == 1
    for row, key in enumerate(alike[:200], start=2):
        assert intern_one(table.keys, table.index, table.count, key) == row
        table.count += 1
    assert batch.look_up(table.keys, table.index, alike).tolist() == [*range(2, 202), UNKNOWN]


def sums(random, size: int, count: int):
    """Return random sums over a ledger of `count` nodes, operands in order, some of them often."""
    a, b = np.sort(random.integers(1, count, (2, size), dtype=np.int32), axis=0)
    return np.full(size, ADD.code, np.uint8), a, b


def expected_rows(batch_keys, known):
    """Return the keys that a batch adds, in the order of their ids."""
    return unmix(np.sort(mix(np.setdiff1d(batch_keys, known))))


@pytest.mark.clause("LEDGER-3")
@pytest.mark.parametrize("skewed", [False, True])
def test_a_batch_of_many_parts(skewed):
    """Batches large enough to be parted get the ids that a sort gives, also if the first parts hold nothing new."""
    ledger, random = HostLedger(), np.random.default_rng(4)
    for top in range(1, 300):
        ledger.intern([SUC.code], [top], [0])
    op, a, b = sums(random, 40000, ledger.count)
    assert batch.part_bits(len(op)) > 2
    if skewed:
        low = mix(WIDE.pack(op, a, b)) < np.uint64(1 << 62)
        ledger.intern(op[low], a[low], b[low])
    before = ledger.keys()
    ids = ledger.intern(op, a, b)
    keys = WIDE.pack(op, a, b)
    assert ledger.keys()[len(before) :].tolist() == expected_rows(keys, before).tolist()
    assert (ledger.keys()[ids] == keys).all()
    assert verify(ledger) == []
    assert (ledger.intern(op[::-1], a[::-1], b[::-1]) == ids[::-1]).all()


@pytest.mark.clause("LEDGER-5")
def test_a_large_batch_beyond_the_capacity_leaves_no_row():
    """A batch of many parts that does not fit is withdrawn from all of them; one that just fits stays."""
    op, a, b = sums(np.random.default_rng(4), 40000, 301)
    needed = 301 + len(np.unique(WIDE.pack(op, a, b)))
    for capacity, status in (needed, Status.OK), (needed - 1, Status.OOM):
        tight = HostLedger(WIDE, capacity)
        for top in range(1, 300):
            tight.intern([SUC.code], [top], [0])
        before = tight.keys()
        ids = tight.intern(op, a, b)
        assert (tight.status, tight.count) == (status, needed if status is Status.OK else len(before))
        assert ids.any() == (status is Status.OK)
        assert tight.keys()[: len(before)].tolist() == before.tolist()
        assert verify(tight) == []


@pytest.mark.clause("LEDGER-3")
def test_keys_that_mix_to_neighbours_are_numbered():
    """Keys that somebody chose so that they share a part, a cell and a home slot are numbered as any others are."""
    table, n = HostLedger().table, 3000
    mixed = np.uint64(0x5555555500000000) + np.random.default_rng(0).permutation(n).astype(np.uint64)
    table.spread(2, 2 + n)
    ends, ids = np.array([0, n]), np.empty(n, np.int32)
    place = np.arange(n, dtype=np.int32)
    assert batch.new_in(mixed, 0, table.keys, table.index) == n
    done = batch.land_parts(mixed, place, ends, 0, table.keys, table.index, 2, 2, ids)
    assert done == (1, 2 + n, False)
    assert table.keys[2 : 2 + n].tolist() == unmix(np.sort(mixed)).tolist()
    assert (ids == 2 + np.argsort(np.argsort(mixed))).all()
    assert batch.new_in(mixed, 0, table.keys, table.index) == 0


@pytest.mark.clause("LEDGER-5")
@pytest.mark.parametrize("layout", [WIDE, COMPACT])
def test_no_memory_to_grow_is_oom(monkeypatch, layout):
    """When the machine has no memory for more rows the batch is refused as OOM and leaves no byte behind."""
    ledger = HostLedger(layout)

    def exhausted(*_):
        raise MemoryError

    monkeypatch.setattr(Table, "grow", exhausted)
    a, b = np.nonzero(np.tri(50, dtype=bool).T)
    for top in range(1, 60):
        ledger.intern([SUC.code], [top], [0])
    kept = ledger.table.keys.tobytes(), ledger.table.index.tobytes()
    assert not ledger.intern(np.full(len(a), MUL.code), a + 1, b + 1).any()
    assert ledger.status is Status.OOM
    assert (ledger.table.keys.tobytes(), ledger.table.index.tobytes()) == kept


@pytest.mark.parametrize(
    ("columns", "got"),
    [
        (([2], [1, 1], [0]), r"int64\[1\], int64\[2\], int64\[1\]"),
        (([[2]], [[1]], [[0]]), r"int64\[1, 1\]"),
        (([2.0], [1], [0]), r"float64\[1\]"),
        (("suc", "zero", ""), "<U3"),
    ],
)
def test_batch_arguments_are_checked(columns, got):
    """A batch that is not three integer vectors of one length is a usage error that shows what it was."""
    with pytest.raises(UsageError, match=rf"three integer vectors \(op, a, b\) of one length, got .*{got}"):
        HostLedger().intern(*columns)


@pytest.mark.parametrize("dtype", [np.int64, np.uint64, np.int16, np.int32])
def test_any_integer_dtype_is_accepted(dtype):
    """The dtype in which nodes come does not matter, numbers beyond the store's own dtypes are refused, not wrapped."""
    ledger = HostLedger(COMPACT)
    assert ledger.intern(*(np.array(column, dtype) for column in ([2, 10], [1, 1], [0, 1]))).tolist() == [2, 3]
    if np.iinfo(dtype).max > 2**32:
        assert ledger.intern([2], np.array([2**32 + 1], dtype), [0]).tolist() == [0]
        assert ledger.status is Status.CORRUPT


MEASURE = """
import numpy as np
from prism.vm.ledger.host import HostLedger
from prism.vm.term.ops import ADD, SUC

def kibibytes(field):
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) for line in status if line.startswith(field + ":"))

HostLedger().intern([ADD.code, ADD.code], [1, 1], [1, 1])
ledger, side = HostLedger(), 4472
for top in range(1, side):
    ledger.intern([SUC.code], [top], [0])
a, b = (column.astype(np.int32) for column in np.nonzero(np.tri(side + 1, dtype=bool).T))
op, a, b = np.full(len(a), ADD.code, np.uint8)[a > 0], a[a > 0], b[a > 0]
resident = kibibytes("VmRSS")
ledger.intern(op, a, b)
print(ledger.count, 1024 * (kibibytes("VmHWM") - resident))
"""


@pytest.mark.slow
def test_peak_memory_a_node():
    """Ten million new nodes in one batch cost at most 40 bytes each at the peak: rows, index, growth and scratch."""
    run = subprocess.run([sys.executable, "-c", MEASURE], capture_output=True, text=True, check=True)
    count, peak = (int(word) for word in run.stdout.split())
    assert count > 10_000_000
    assert peak / count <= 40
