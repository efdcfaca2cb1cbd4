"""The laws of the ledger [spec/ledger.md], for both engines."""

from __future__ import annotations

import jax
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from prism.status import Status
from prism.vm.ledger.device import DeviceLedger
from prism.vm.ledger.host import HostLedger
from prism.vm.ledger.key import COMPACT, WIDE
from prism.vm.ledger.mixing import mix
from prism.vm.ledger.verify import verify
from prism.vm.term.ops import ADD, BY_CODE, MUL, NULL, SUC, ZERO

pytestmark = pytest.mark.m1

Node = tuple[int, int, int]
both_engines = pytest.mark.parametrize("engine", [HostLedger, DeviceLedger])
BULK = 2  # the first parts of a ledger's bytes are its keys and its index

raw_nodes = st.lists(
    st.tuples(
        st.sampled_from([NULL, ZERO, SUC, SUC, ADD, MUL]),
        st.integers(0, 1 << 30),
        st.one_of(st.just(0), st.integers(0, 9)),
    ),
    min_size=1,
    max_size=40,
)
raw_batches = st.lists(raw_nodes, min_size=1, max_size=5)


def over(raw, count: int) -> list[Node]:
    """Turn raw numbers into nodes over a ledger of `count` nodes."""

    def operand(op, position, number):
        return 1 + number % (count - 1) if op.arity > position else NULL.code

    return [(op.code, operand(op, 0, a), operand(op, 1, b)) for op, a, b in raw]


def intern(ledger, nodes: list[Node]) -> list[int]:
    """Return the ids of a batch of nodes."""
    return ledger.intern(*(list(column) for column in zip(*nodes, strict=True))).tolist()


def grown(engine, raws, **options):
    """Return a ledger that has taken some batches, and those batches."""
    ledger, batches = engine(**options), []
    for raw in raws:
        batches.append(over(raw, ledger.count))
        intern(ledger, batches[-1])
    return ledger, batches


def ordered(node: Node) -> Node:
    """Return the node as a ledger stores it."""
    op, a, b = node
    return (op, *sorted((a, b))) if BY_CODE[op].commutes else node


def stored(ledger) -> list[Node]:
    """Return the nodes of a ledger, by id."""
    return [tuple(int(part) for part in node) for node in zip(*ledger.layout.unpack(ledger.keys()), strict=True)]


def bytes_of(ledger) -> list[bytes]:
    """Return every byte of a ledger's state, spare rows included; the status comes last."""
    parts = (
        jax.tree.leaves(ledger.state) if isinstance(ledger, DeviceLedger) else [ledger.table.keys, ledger.table.index]
    )
    return [np.asarray(part).tobytes() for part in parts] + [bytes([ledger.status])]


@pytest.mark.clause("LEDGER-2")
@both_engines
@pytest.mark.clause("LEDGER-1")
@given(raws=raw_batches)
@settings(max_examples=30)
@pytest.mark.slow
def test_sound_and_complete(engine, raws):
    """An id leads back to its node, so two nodes of a batch have one id exactly if they are one node."""
    ledger, _ = grown(engine, raws[:-1])
    nodes = over(raws[-1], ledger.count)
    ids = intern(ledger, nodes)
    table = stored(ledger)
    assert [table[i] for i in ids] == [ordered(node) for node in nodes]
    assert len(set(table)) == len(table)
    assert verify(ledger) == []


@both_engines
@pytest.mark.clause("LEDGER-1")
@given(raws=raw_batches)
@settings(max_examples=20)
def test_idempotent(engine, raws):
    """Interning what is there changes no byte and gives the same ids."""
    ledger, batches = grown(engine, raws)
    first, before = [intern(ledger, nodes) for nodes in batches], bytes_of(ledger)
    assert [intern(ledger, nodes) for nodes in batches] == first
    assert bytes_of(ledger) == before


@both_engines
@pytest.mark.clause("LEDGER-2")
@given(raws=raw_batches)
@settings(max_examples=20)
def test_operands_of_commuting_ops_are_ordered(engine, raws):
    """A commuting op applied to the same two nodes in either order is one node."""
    ledger, _ = grown(engine, raws[:-1])
    nodes = over(raws[-1], ledger.count)
    swapped = [(op, b, a) if BY_CODE[op].commutes else (op, a, b) for op, a, b in nodes]
    assert intern(ledger, swapped) == intern(ledger, nodes)


@both_engines
@pytest.mark.clause("LEDGER-2")
@given(raws=raw_batches)
@settings(max_examples=20)
def test_layouts_give_identical_ids(engine, raws):
    """The key layout decides how nodes are packed, never which id they get."""
    compact, batches = grown(engine, raws, layout=COMPACT)
    wide, _ = grown(engine, raws, layout=WIDE)
    assert stored(compact) == stored(wide)
    assert [intern(compact, nodes) for nodes in batches] == [intern(wide, nodes) for nodes in batches]


@both_engines
@pytest.mark.clause("LEDGER-3")
@given(raws=raw_batches, data=st.data())
@settings(max_examples=30)
def test_ids_do_not_depend_on_order_within_a_batch(engine, raws, data):
    """A batch in another order, with repetitions, gives the same ledger; its new nodes lie in order of mixing."""
    ledger, other = engine(), engine()
    for raw in raws:
        nodes, base = over(raw, ledger.count), ledger.count
        shuffled = data.draw(st.permutations(nodes + nodes[:3]))
        ids = dict(zip(nodes, intern(ledger, nodes), strict=True))
        assert [ids[node] for node in shuffled] == intern(other, shuffled)
        assert ledger.keys().tolist() == other.keys().tolist()
        assert (np.diff(mix(ledger.keys()[base:]).astype(object)) > 0).all()


@both_engines
@pytest.mark.clause("LEDGER-1")
@given(raws=raw_batches)
@settings(max_examples=20)
def test_append_only(engine, raws):
    """A batch never changes a node that is there, the reserved ones included."""
    ledger = engine()
    rows = stored(ledger)
    assert rows == [(NULL.code, 0, 0), (ZERO.code, 0, 0)]
    for raw in raws:
        intern(ledger, over(raw, ledger.count))
        assert stored(ledger)[: len(rows)] == rows
        rows = stored(ledger)


def poisons(count: int) -> list[Node]:
    """Return the nodes that a ledger of `count` nodes refuses: one for each way of being wrong."""
    return [
        (77, 1, 1),  # no such op
        (300, 1, 1),  # an op wider than its byte
        (SUC.code, count, 0),  # an operand that is not there yet
        (ADD.code, 1, count),
        (ADD.code, -1, 1),
        (SUC.code, 1 << 40, 0),
        (SUC.code, 1, 1),  # an operand too many
        (ZERO.code, 1, 0),
        (NULL.code, 0, 1),
        (ADD.code, 1, NULL.code),  # an operand too few
        (SUC.code, NULL.code, 0),
    ]


@pytest.mark.slow
@both_engines
@pytest.mark.clause("LEDGER-4")
@given(raws=raw_batches, data=st.data())
@settings(max_examples=30)
def test_a_wrong_node_refuses_its_whole_batch(engine, raws, data):
    """A batch with one wrong node is CORRUPT, adds nothing and gives NULL for every node."""
    ledger, _ = grown(engine, raws[:-1])
    before = bytes_of(ledger)
    nodes = over(raws[-1], ledger.count)
    nodes.insert(data.draw(st.integers(0, len(nodes))), data.draw(st.sampled_from(poisons(ledger.count))))
    assert intern(ledger, nodes) == [NULL.code] * len(nodes)
    assert ledger.status is Status.CORRUPT
    assert bytes_of(ledger)[:BULK] == before[:BULK]


@pytest.mark.slow
@both_engines
@pytest.mark.parametrize("cause", [Status.OOM, Status.CORRUPT])
@pytest.mark.clause("LEDGER-6")
@given(raws=raw_batches, later=raw_batches)
@settings(max_examples=25)
def test_status_is_sticky(engine, cause, raws, later):
    """Once the status is not OK no call changes a byte; known nodes keep their ids and all others get NULL."""
    ledger, _ = grown(engine, raws, capacity=256)
    if cause is Status.CORRUPT:
        intern(ledger, [(77, 0, 0)])
    while ledger.status is Status.OK:
        intern(ledger, [(ADD.code, i, ledger.count - 1) for i in range(1, ledger.count)])
    assert ledger.status is cause
    before = bytes_of(ledger)
    rows = stored(ledger)
    for raw in later:
        nodes = [ordered(node) for node in over(raw, ledger.count + 5)]
        expected = [rows.index(node) if node in rows else NULL.code for node in nodes]
        assert intern(ledger, [*nodes, (77, 1, 1)]) == [*expected, NULL.code]
    assert bytes_of(ledger) == before


def mixed(node: Node) -> int:
    """Return the rank of a node among those of its batch, as LEDGER-2 and LEDGER-3 say it, in exact integers."""
    op, a, b = node
    x = op << 56 | a << 28 | b
    for factor in (0xFF51AFD7ED558CCD, 0xC4CEB9FE1A85EC53):
        x = (x ^ x >> 33) * factor % 2**64
    return x ^ x >> 33


class Model:
    """The ledger as a dictionary: the living definition that both engines are compared with."""

    def __init__(self):
        self.ids = {(NULL.code, 0, 0): 0, (ZERO.code, 0, 0): 1}

    def intern(self, nodes: list[Node]) -> list[int]:
        nodes = [ordered(node) for node in nodes]
        for node in sorted(set(nodes) - set(self.ids), key=mixed):
            self.ids[node] = len(self.ids)
        return [self.ids[node] for node in nodes]


@both_engines
@pytest.mark.clause("LEDGER-7")
@given(raws=raw_batches)
@settings(max_examples=30)
def test_engines_agree_to_the_bit(engine, raws):
    """Both engines give the ids and keys of the model, for every sequence of batches."""
    ledger, model = engine(), Model()
    for raw in raws:
        nodes = over(raw, ledger.count)
        assert intern(ledger, nodes) == model.intern(nodes)
    assert stored(ledger) == list(model.ids)
    assert ledger.status is Status.OK


@both_engines
@pytest.mark.clause("LEDGER-7")
@pytest.mark.parametrize("layout", [COMPACT, WIDE])
@pytest.mark.slow
def test_growth_keeps_every_id(engine, layout):
    """A ledger grown through several doublings holds what a model holds, and its index finds every key."""
    ledger, model, random = engine(layout), Model(), np.random.default_rng(7)
    for size in (40, 200, 1500, 1500, 1500):
        op = random.choice([ADD.code, MUL.code, SUC.code], size)
        a, b = random.integers(1, ledger.count, (2, size))
        nodes = list(zip(op.tolist(), a.tolist(), np.where(op == SUC.code, 0, b).tolist(), strict=True))
        assert intern(ledger, nodes) == model.intern(nodes)
    assert ledger.count == len(model.ids) > 2048
    assert verify(ledger) == []


@pytest.mark.slow
def test_one_trace_serves_every_batch_of_one_shape(monkeypatch):
    """A device ledger traces once for a room and padded batch length, however many batches come."""
    from prism.vm.ledger import probing

    traced = []
    mix = probing.mix
    monkeypatch.setattr(probing, "mix", lambda key: traced.append(key.shape) or mix(key))
    ledger = DeviceLedger(COMPACT, capacity=900)
    counts = []
    for size in (1, 2, 100, 256):
        intern(ledger, [(ADD.code, 1 + i % (ledger.count - 1), 1) for i in range(size)])
        counts.append(len(traced))
    assert counts[0] > 0
    assert counts == counts[:1] * 4
