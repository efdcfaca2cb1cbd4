"""A phrase as generator calls [CIRCUIT-8]."""

from __future__ import annotations

import pytest

from prism.errors import ParseError
from prism.kernels.circuit.calls import KINDS, call, calls
from prism.kernels.circuit.parse import parse

pytestmark = [pytest.mark.m8, pytest.mark.clause("CIRCUIT-8")]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("merge@c0[c1,c2]", [{"op": "Merge", "src_class": 0, "context_class": 1, "dst_class": 2, "variant": "Add"}]),
        (
            "split.div@c0[c1,c2]",
            [{"op": "Split", "src_class": 0, "context_class": 1, "dst_class": 2, "variant": "Div"}],
        ),
        ("reduce.max@c0->c1", [{"op": "ReduceMax", "src_class": 0, "dst_class": 1}]),
        ("softmax@c0->c1", [{"op": "Softmax", "src_class": 0, "dst_class": 1}]),
        (
            "R+1@ mark@c21 . copy@c5->c6",
            [{"op": "Mark", "class": 45}, {"op": "Copy", "src_class": 29, "dst_class": 30}],
        ),
        ("swap@c72<->c10", [{"op": "Swap", "class_a": 72, "class_b": 10}]),
        (
            "(mark@c0 || mark@c1) . evaluate@c2",
            [*({"op": "Mark", "class": n} for n in (0, 1)), {"op": "Evaluate", "class": 2}],
        ),
        ("merge.exp@c[1..3]", [{"op": "MergeRange", "start_class": 1, "end_class": 3, "variant": "Exp"}]),
    ],
)
def test_calls_are_left_to_right(text: str, expected: list[dict]) -> None:
    """Sequences and branches are said in source order, with the classes after their transforms."""
    assert [one.as_json() for one in calls(parse(text))] == expected


def test_the_image_of_a_range_is_exact() -> None:
    """A transformed range is the image of each of its classes, whatever runs they form."""
    assert [str(one) for one in calls(parse("~@ merge@c[0..9]"))] == ["merge@c[0..7]", "merge@c[16..17]"]
    assert [str(one) for one in calls(parse("mark@c[7..8]^T+1"))] == ["mark@c00", "mark@c09"]
    assert [str(one) for one in calls(parse("merge@c[7..8]^T+1"))] == ["merge@c00[c00,c00]", "merge@c09[c09,c09]"]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("copy@c[0..5]", "expected one class for each operand: copy is not supported on ranges"),
        ("mark@c0 . copy@c05", "expected all operands of copy, as in copy@c00->c01"),
        ("mark@c01@17", "expected whole classes: page 17 has only a literal reading"),
    ],
)
def test_what_has_no_effect_is_refused(text: str, words: str) -> None:
    """What only the literal reading understands is refused where calls are wanted, at its place."""
    with pytest.raises(ParseError, match=words) as caught:
        calls(parse(text))
    assert caught.value.where.column == text.rindex("copy" if "copy" in text else "mark") + 1
    assert caught.value.remedy == "complete it, or ask for its literal reading"


def test_there_are_fifteen_kinds() -> None:
    """Each kind has a name and a shape of its own, and a call is printed as the phrase that says it."""
    assert len({kind.name for kind in KINDS}) == len({(k.generator, k.form, k.variant) for k in KINDS}) == 15
    for one in (call("merge", 1, 2, 3, variant="mul"), call("reduce", 1, 2, variant="sum"), call("swap", 3, 4)):
        assert calls(parse(str(one))) == (one,)
