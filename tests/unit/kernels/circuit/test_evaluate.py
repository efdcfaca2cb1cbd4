"""The literal and the operational reading of a phrase [CIRCUIT-7]."""

from __future__ import annotations

import pytest

from prism.kernels.circuit.evaluate import literal, words
from prism.kernels.circuit.parse import parse

pytestmark = [pytest.mark.m8, pytest.mark.clause("CIRCUIT-7")]


@pytest.mark.parametrize(
    ("text", "values", "addresses"),
    [
        ("evaluate@c21 . copy@c05 || swap@c72", (0x2A, 0x0A, 0xC0), ()),
        ("mark@c42^+3~@17", (0x5A,), (4442,)),
        ("R+1@ (T-1 ~@ mark@c00)", (0x4E,), ()),
        ("~@ mark@c[7..9]", (0x0E, 0x20, 0x22), ()),
        ("merge@c01[c02,c03]", (0x02, 0x04, 0x06), ()),
        ("D+1@ (~@ mark@c08)", (0x00,), ()),
    ],
)
def test_each_class_named_gives_a_byte(text: str, values: tuple[int, ...], addresses: tuple[int, ...]) -> None:
    """Bytes come in source order after the transforms, inner ones first; an address for each page named."""
    got = literal(parse(text))
    assert (got.bytes, got.addresses) == (values, addresses)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("copy@c05 . evaluate@c40", ("phase[h2=1]", "evaluate", "copy[d=0]")),
        ("split@c20 || merge@c13 . swap@c72", ("begin", "split[l=4]", "sep", "swap", "merge[d=1]", "end")),
        (
            "R+1 D-1 T+2 ~@ quote@c00",
            (
                *("enter rho[1]", "enter delta[2]", "enter tau[2]", "enter mu", "quote[l=2]"),
                *("exit rho[1]", "exit delta[2]", "exit tau[2]", "exit mu"),
            ),
        ),
        ("mark@c[0..1]", ("mark", "mark")),
        ("merge.mul@c13[c14,c15] . reduce.sum@c00->c01", ("reduce.sum", "merge.mul[d=1]")),
        ("(R+1@ mark@c00) . mark@c01", ("mark", "enter rho[1]", "mark", "exit rho[1]")),
    ],
)
def test_words_announce_from_the_last_term(text: str, expected: tuple[str, ...]) -> None:
    """A sequence is announced backwards, branches in order, a transform on entry and on exit."""
    assert words(parse(text)) == expected
