"""Circuits for tests: random ones, a plain reading of AIGER, a plain evaluation, and structural hashing by a dict."""

from __future__ import annotations

import re
from itertools import chain
from random import Random

import numpy as np

from prism.aig.circuit import Circuit, Interface, Symbol


def random_circuit(random: Random, *, max_leaves: int = 6, max_ands: int = 40, sequential: bool = True) -> Circuit:
    """Return a circuit of ANDs that reach back a little or far, with every section, names and a comment by chance."""
    inputs = random.randint(0, max_leaves)
    latches = random.randint(0, max_leaves - inputs) if sequential else 0
    first = inputs + latches + 1
    rows = []
    for row in range(random.randint(0, max_ands)):
        top = 2 * (first + row)
        near = max(0, top - random.choice((4, 12, top)))
        rows.append((random.randrange(near, top), random.randrange(near, top)))
    sizes = [random.randint(0, 2) if sequential else 0 for _ in range(4)]
    justice = tuple(random.randint(0, 2) for _ in range(sizes[3]))
    interface = Interface(inputs, latches, random.randint(1, 4), sizes[0], sizes[1], justice, sizes[2])
    top = 2 * (first + len(rows))
    roots = [random.randrange(top) for _ in range(sum(interface.root_counts().values()))]
    places = [(letter, at) for letter, count in interface.counts().items() for at in range(count)]
    symbols = tuple(Symbol(*place, b"name %d" % random.randrange(99)) for place in places if random.random() < 0.5)
    return Circuit(
        interface,
        np.array(rows, np.uint32).reshape(-1, 2),
        np.array(roots, np.uint32),
        np.array([random.randrange(3) for _ in range(latches)], np.uint8),
        symbols,
        random.choice((None, b"", b"made by a test\nin two lines\n")),
    )


def shuffled_ascii(circuit: Circuit, random: Random) -> bytes:
    """Return the circuit as an ASCII file of any numbers, its ANDs in any order, some twice."""
    first, inputs = circuit.first, circuit.interface.inputs
    rows = [(first + row, *pair) for row, pair in enumerate(circuit.rows.tolist())]
    copies = [random.choice(rows) for _ in range(random.randint(0, 3))] if rows else []
    variables = first + len(rows) + len(copies)
    numbers = random.sample(range(1, variables + 5), variables - 1)
    number = dict(enumerate([0, *numbers]))

    def lit(old: int) -> int:
        return 2 * number[old >> 1] + (old & 1)

    lines = [f"{lit(2 * v)} {lit(a)} {lit(b)}" for v, a, b in rows]
    lines += [f"{2 * number[first + len(rows) + k]} {lit(b)} {lit(a)}" for k, (_, a, b) in enumerate(copies)]
    random.shuffle(lines)
    counts = circuit.interface.counts()
    head = [variables + 4, counts["i"], counts["l"], counts["o"], len(lines), *(counts[k] for k in "bcjf")]
    text = [f"aag {' '.join(map(str, head))}", *(str(lit(2 * v)) for v in range(1, inputs + 1))]
    for at, after in enumerate(circuit.section("l").tolist()):
        own = lit(2 * (inputs + 1 + at))
        text.append(f"{own} {lit(after)} {(0, 1, own)[circuit.resets[at]]}")
    for letter in "obcjf":
        if letter == "j":
            text += map(str, circuit.interface.justice)
        text += [str(lit(root)) for root in circuit.section(letter).tolist()]
    text += lines
    names = [b"%s%d %s" % (symbol.section.encode(), symbol.position, symbol.name) for symbol in circuit.symbols]
    random.shuffle(names)
    comment = b"" if circuit.comment is None else b"c\n" + circuit.comment
    return b"\n".join([*(line.encode() for line in text), *names, b""]) + comment


def evaluate(circuit: Circuit, leaves: list[int]) -> list[int]:
    """Return each root's bit for one bit a leaf."""
    values = [0, *leaves]
    for a, b in circuit.rows.tolist():
        values.append((values[a >> 1] ^ a & 1) & (values[b >> 1] ^ b & 1))
    return [values[root >> 1] ^ root & 1 for root in circuit.roots.tolist()]


def hashed(circuit: Circuit) -> tuple[list[tuple[int, int]], list[int]]:
    """Return rows and roots after structural hashing: a dict from operands to names, then batches by level."""
    first = circuit.first
    terms: dict[int, object] = {variable: variable for variable in range(first)}
    level: dict[object, int] = dict.fromkeys(range(first), 0)

    def literal(lit: int) -> tuple[object, int]:
        term, flip = became[lit >> 1]
        return term, flip ^ lit & 1

    became: dict[int, tuple[object, int]] = {variable: (term, 0) for variable, term in terms.items()}
    nodes: dict[frozenset, tuple[tuple[object, int], tuple[object, int]]] = {}
    for row, pair in enumerate(circuit.rows.tolist()):
        a, b = map(literal, pair)
        known = {(0, 0): (0, 0), (0, 1): b, a: a, (a[0], 1 - a[1]): a}
        if a in ((0, 0), (0, 1)):
            became[first + row] = (0, 0) if a == (0, 0) else b
        elif b in ((0, 0), (0, 1)):
            became[first + row] = (0, 0) if b == (0, 0) else a
        elif a[0] == b[0]:
            became[first + row] = known[b] if a == b else (0, 0)
        else:
            # A node is named by the row that made it first: nested names would be as large as unfolded trees.
            name = nodes.setdefault(frozenset((a, b)), (("and", row), (a, b)))[0]
            level.setdefault(name, 1 + max(level[a[0]], level[b[0]]))
            became[first + row] = (name, 0)
    operands = dict(nodes.values())
    ends = [literal(root) for root in circuit.roots.tolist()]
    used, pending = set(), [term for term, _ in ends if isinstance(term, tuple)]
    while pending:
        term = pending.pop()
        if term not in used:
            used.add(term)
            pending += [under for under, _ in operands[term] if isinstance(under, tuple)]
    number: dict[object, int] = dict(terms)
    rows: list[tuple[int, int]] = []
    for height in range(1, 1 + max((level[term] for term in used), default=0)):
        batch = [
            (*sorted(2 * number[under] + flip for under, flip in operands[term]), term)
            for term in used
            if level[term] == height
        ]
        for low, high, term in sorted(batch, key=lambda one: one[:2]):
            number[term] = first + len(rows)
            rows.append((high, low))
    return rows, [2 * number[term] + flip for term, flip in ends]


class NotAigerError(Exception):
    """A file that the plain reading refuses."""


def plainly_read(data: bytes) -> dict:
    """Read AIGER 1.9 line by line, as its description says, in the slow and obvious way; raises NotAigerError."""
    try:
        return _plainly(data)
    except (ValueError, IndexError, KeyError, StopIteration) as error:
        raise NotAigerError from error


def _need(condition: object) -> None:
    if not condition:
        raise ValueError


def _plainly(data: bytes) -> dict:
    at = 0

    def line() -> list[int]:
        nonlocal at
        end = data.index(b"\n", at)
        text, at = data[at:end], end + 1
        _need(re.fullmatch(rb"\d+( \d+)*", text))
        return [int(part) for part in text.split(b" ")]

    found = re.match(rb"(aag|aig)((?: \d{1,10}){5,9})\n", data)
    _need(found)
    binary, at = found[1] == b"aig", found.end()
    m, i, n_latches, o, n_ands, b, c, j, f = [*map(int, found[2].split()), 0, 0, 0, 0][:9]
    _need(m == i + n_latches + n_ands if binary else m >= i + n_latches + n_ands)
    _need(m < 1 << 27 and i + n_latches <= 1 << 22)
    _need(i + n_latches + o + n_ands + b + c + j + f < 1 << 20)  # what a small file can mean
    inputs = [2 * k + 2 for k in range(i)] if binary else [_one(line()) for _ in range(i)]
    latches = []
    for k in range(n_latches):
        numbers = line()
        own = 2 * (i + k + 1) if binary else numbers.pop(0)
        _need(len(numbers) in (1, 2) and (len(numbers) == 1 or numbers[1] in (0, 1, own)))
        latches.append((own, *numbers))
    sections = [[_one(line()) for _ in range(count)] for count in (o, b, c)]
    sizes = [_one(line()) for _ in range(j)]
    _need(sum(sizes) < len(data))
    sections += [[_one(line()) for _ in range(sum(sizes))], [_one(line()) for _ in range(f)]]
    ands = []
    for k in range(n_ands):
        if binary:
            own = 2 * (i + n_latches + 1 + k)
            deltas = []
            for _ in range(2):
                group, at = _group(data, at)
                deltas.append(group)
            large = own - deltas[0]
            _need(deltas[0] > 0 and large >= deltas[1])
            ands.append((own, large, large - deltas[1]))
        else:
            numbers = line()
            _need(len(numbers) == 3)
            ands.append(tuple(numbers))
    names, comment = _tail(data, at, dict(zip("ilobcjf", (i, n_latches, o, b, c, j, f), strict=True)))
    defined = [*inputs, *(latch[0] for latch in latches), *(row[0] for row in ands)]
    _need(len(set(defined)) == len(defined) and all(lit > 1 and not lit & 1 and lit <= 2 * m for lit in defined))
    known = {0, *(lit >> 1 for lit in defined)}
    uses = [lit for row in ands for lit in row[1:]] + [latch[1] for latch in latches] + list(chain(*sections))
    _need(all(lit >> 1 in known for lit in uses))
    _need(not _circular({row[0] >> 1: [lit >> 1 for lit in row[1:]] for row in ands}))
    return {
        "inputs": inputs,
        "latches": latches,
        "sections": sections,
        "sizes": sizes,
        "ands": ands,
        "names": names,
        "comment": comment,
    }


def _tail(data: bytes, at: int, counts: dict[str, int]) -> tuple[dict, bytes | None]:
    names = {}
    while at < len(data):
        if data[at : at + 2] == b"c\n":
            return names, data[at + 2 :]
        end = data.index(b"\n", at)
        found = re.fullmatch(rb"([ilobcjf])(\d{1,9}) (.+)", data[at:end], re.DOTALL)
        _need(found)
        place = found[1].decode(), int(found[2])
        _need(place not in names and place[1] < counts[place[0]])
        names[place], at = found[3], end + 1
    return names, None


def _one(numbers: list[int]) -> int:
    _need(len(numbers) == 1)
    return numbers[0]


def _group(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = data[at]
        value |= (byte & 127) << shift
        at, shift = at + 1, shift + 7
        if byte < 128:
            return value, at
        _need(shift <= 28)


def _circular(uses: dict[int, list[int]]) -> bool:
    waiting = dict(uses)
    while waiting:
        ready = [variable for variable, under in waiting.items() if not any(one in waiting for one in under)]
        if not ready:
            return True
        for variable in ready:
            del waiting[variable]
    return False


def plain_roots(plain: dict, leaves: list[int]) -> list[int]:
    """Return the roots of what `plainly_read` gave, in the order of `Circuit.roots`, for one bit a leaf."""
    own = [*plain["inputs"], *(latch[0] for latch in plain["latches"])]
    values = {0: 0, **{lit >> 1: bit for lit, bit in zip(own, leaves, strict=True)}}
    waiting = {row[0] >> 1: row[1:] for row in plain["ands"]}

    def value(lit: int) -> int:
        return values[lit >> 1] ^ lit & 1

    while waiting:
        for variable, pair in list(waiting.items()):
            if all(lit >> 1 in values for lit in pair):
                values[variable] = value(pair[0]) & value(pair[1])
                del waiting[variable]
    return [value(latch[1]) for latch in plain["latches"]] + [value(lit) for lit in chain(*plain["sections"])]
