from __future__ import annotations

import numpy as np
import pytest

from prism.aig.circuit import UNKNOWN, Symbol
from prism.aig.errors import AigerError
from prism.aig.read import read
from prism.aig.write import write

pytestmark = [pytest.mark.m7, pytest.mark.clause("AIG-2")]

TOGGLE = b"aag 7 2 1 2 4\n2\n4\n6 8\n6\n7\n8 4 10\n10 13 15\n12 2 6\n14 3 7\n"
TOGGLE += b"i0 enable\ni1 reset\nl0 q\no0 Q\no1 not Q\nc\nx\n"
ALL = b"aag 2 1 1 1 0 1 1 2 1\n2\n4 5 4\n2\n3\n4\n1\n2\n5\n4\n2\n0\nb0 bad\nc0 good\nj1 often\nf0 fair\n"


@pytest.mark.clause("AIG-1")
def test_a_toggle_flip_flop() -> None:
    """The toggle flip-flop of the format's description is read, its ANDs moved behind their operands."""
    circuit = read(TOGGLE, "toggle")
    assert (circuit.interface.inputs, circuit.interface.latches, circuit.interface.outputs) == (2, 1, 2)
    assert circuit.rows.tolist() == [[2, 6], [3, 7], [9, 11], [4, 12]]
    assert circuit.section("l").tolist() == [14]
    assert circuit.section("o").tolist() == [6, 7]
    assert circuit.symbols[-1] == Symbol("o", 1, b"not Q")
    assert circuit.comment == b"x\n"
    assert (circuit.name("o", 0), circuit.name("b", 3)) == ("Q", "b3")


@pytest.mark.clause("AIG-1")
def test_every_section_is_kept() -> None:
    """Bad states, constraints, justice, fairness and a latch that starts unknown come back byte for byte."""
    circuit = read(ALL, "all")
    assert circuit.interface.justice == (1, 2)
    assert [circuit.section(letter).tolist() for letter in "lobcjf"] == [[5], [2], [3], [4], [5, 4, 2], [0]]
    assert circuit.resets.tolist() == [UNKNOWN]
    assert write(circuit, binary=False) == ALL
    assert write(read(write(circuit, binary=True), "binary"), binary=False) == ALL


@pytest.mark.clause("AIG-1")
def test_a_binary_file_byte_by_byte() -> None:
    """A half adder is the bytes that the format's description works out by hand."""
    data = b"aig 5 2 0 2 3\n10\n6\n" + bytes([2, 2, 3, 2, 1, 2])
    circuit = read(data, "half adder")
    assert circuit.rows.tolist() == [[4, 2], [5, 3], [9, 7]]
    assert write(circuit, binary=True) == data


@pytest.mark.clause("AIG-1")
def test_large_deltas() -> None:
    """Deltas of one to four groups of 7 bits are written and read; one of six is refused."""
    for inputs in (60, 10_000, 2_000_000):
        data = b"aig %d %d 0 1 1\n%d\n" % (inputs + 1, inputs, 2 * inputs + 2) + _deltas(inputs)
        circuit = read(data, "x")
        assert circuit.rows.tolist() == [[2 * inputs, 3]]
        assert write(circuit, binary=True) == data
    with pytest.raises(AigerError, match="byte 14: expected a delta that leads to an earlier literal of AND 4, found"):
        read(b"aig 2 1 0 0 1\n" + b"\x80\x80\x80\x80\x80\x01\x01", "x")


def _deltas(inputs: int) -> bytes:
    """Return the binary row `2 inputs + 2 = (2 inputs) and 3`."""
    out, parts = 2 * inputs - 3, [2]
    while out >= 128:
        parts.append(out & 127 | 128)
        out >>= 7
    return bytes([*parts, out])


REFUSED = {
    b"": "f:1, byte 0: expected a header `aag M I L O A` or `aig M I L O A`, with up to four numbers",
    b"aag 1 1 0 0\n2\n": "f:1, byte 0: expected a header",
    b"aag 1 1 0 1 1\n2\n2\n4 2 2\n": "f:1, byte 4: expected M to be at least I [+] L [+] A = 2, found '1 1 0 1 1'",
    b"aig 3 1 0 0 1\n\x02\x00": "f:1, byte 4: expected M to be exactly I [+] L [+] A = 2",
    b"aag 134217728 0 0 0 0\n": "expected at most 134217727 variables, whose literals fit the ledger",
    b"aig 4194305 4194305 0 0 0\n": "expected at most 4194304 inputs and latches",
    b"aag 100000 0 0 100000 0\n0\n": "byte 24: expected at least 200000 bytes after this header, found 2",
    b"aig 100000 0 0 0 100000\n\x01\x00": "expected at least 200000 bytes after this header, found 2",
    b"aag 0 0 0 0 0 0 0 3 0\n9\n9\n9\n": "f:5, byte 28: expected 27 literals of justice properties, found the end",
    b"aag 0 0 0 0 0 0 0 1 0\n99\n": "f:2, byte 22: expected a number of at most 25, found '99'",
    b"aag 1 1 0 1 0\n2\nx\n": "f:3, byte 16: expected a number, found 'x'",
    b"aag 1 1 0 1 0\n2\n 2\n": "f:3, byte 16: expected a number, found ' 2'",
    b"aag 1 1 0 1 0\n2\n4\n": "f:3, byte 16: expected a number of at most 3, found '4'",
    b"aag 1 1 0 1 0\n2\n2 2\n": "f:3, byte 17: expected the end of the line, found ' 2'",
    b"aag 1 1 0 1 0\n2\n2\r\n": "f:3, byte 17: expected the end of the line, found '.r'",
    b"aag 2 1 1 0 0\n2\n4\nl0 x\n": "f:3, byte 17: expected a space and another number, found the end of the line",
    b"aag 2 1 1 0 0\n2\n4 2 2\n": "f:3, byte 16: expected a latch to start at 0, at 1 or at itself, found '4 2 2'",
    b"aag 2 2 0 0 0\n2\n2\n": "f:3, byte 16: expected a positive literal that nothing defined before, found '2'",
    b"aag 2 1 0 0 1\n2\n5 2 2\n": "f:3, byte 16: expected a positive literal that nothing defined",
    b"aag 2 1 0 0 1\n2\n0 2 2\n": "f:3, byte 16: expected a positive literal that nothing defined",
    b"aag 3 1 0 1 1\n2\n6\n4 2 2\n": "f:3, byte 16: expected a literal that is defined, found '6'",
    b"aag 3 1 0 0 1\n2\n4 2 6\n": "f:3, byte 16: expected operands that are defined, found '4 2 6'",
    b"aag 3 1 0 0 2\n2\n4 2 6\n6 2 4\n": "f:4, byte 22: expected an AND that does not need itself, found '6 2 4'",
    b"aag 3 1 0 0 0 0 0 1\n2\n1\n6\n": "f:4, byte 24: expected a literal that is defined, found '6'",
    b"aig 2 1 0 0 1\n\x80\x01": "f, byte 14: expected a delta that leads to an earlier literal of AND 4",
    b"aig 2 1 0 0 1\n\x00\x02": "f, byte 14: expected a delta that leads to an earlier literal of AND 4",
    b"aig 2 1 0 0 1\n\x02\x03": "f, byte 15: expected a delta that leads to an earlier literal of AND 4",
    b"aig 2 1 0 0 1\n\x02\x80": "f, byte 16: expected another byte of a delta of AND 4, found the end of the file",
    b"aig 2 1 0 0 1\n\x02\x00x": "f, byte 16: expected a symbol such as `i0 name`, a line `c` before a comment, or",
    b"aag 1 1 0 0 0\n2\ni1 x\n": "f:3, byte 16: expected a symbol of one of 1 inputs, found 'i1 x'",
    b"aag 1 1 0 0 0\n2\ni0 x\ni0 y\n": "f:4, byte 21: expected one symbol for i0, found 'i0 y'",
    b"aag 1 1 0 0 0\n2\ni0 x": "f:3, byte 16: expected a symbol such as",
    b"aag 1 1 0 0 0\n2\ni0 \n": "f:3, byte 16: expected a symbol such as",
}


@pytest.mark.parametrize("data", REFUSED, ids=repr)
def test_refusals_say_where(data: bytes) -> None:
    """What is no AIGER is refused with its byte, its line outside binary rows, what was expected and what was found."""
    with pytest.raises(AigerError, match=REFUSED[data]) as refused:
        read(data, "f")
    assert str(refused.value).endswith("; mend the file, or write it again")


def test_a_large_number_is_not_an_array() -> None:
    """A file that names a variable near the limit is read, in time and memory for the variables it has."""
    circuit = read(b"aag 134217727 1 0 1 0\n268435454\n268435455\n", "sparse")
    assert circuit.roots.tolist() == [3]
    assert circuit.rows.dtype == np.uint32
