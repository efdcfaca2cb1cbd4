"""prism.kernels.conform: each area is answered by its rule, and a wrong case fails."""

from __future__ import annotations

from typing import Any

import pytest

from prism.conform import Outcome
from prism.errors import UsageError
from prism.kernels.conform import FORMAT, recognises, verdicts

pytestmark = [pytest.mark.m8, pytest.mark.clause("ISA-21")]


def instr(text: str, **registers: Any) -> dict[str, Any]:
    """Return the input of a case of area isa."""
    return {"instr": text, "registers": registers}


UNSUPPORTED = {"error": "UnsupportedOperation"}
COMPUTED = {"RegisterIndirectComputed": {"handle_reg": "r1=u64 3", "offset_reg": "r2=u64 8"}}
LDG = {"LDG": {"ty": "F32", "dst": 1, "addr": {"RegisterIndirect": {"base": 10, "offset": -32}}}}
AT = {"block_idx": [1, 1, 1], "lane_idx": [1, 0, 0], "grid": [2, 3, 4], "block": [4, 1, 1]}
BINARY = {"create_element_wise_binary": {"a": 1, "b": 2, "c": 3, "ty": "I16", "op": "SUB"}}
AS_STATED: list[tuple[str, Any, Any]] = [
    ("isa", instr("sub.i8 r3, r1, r2", r1=["i8", -128], r2=["i8", 1]), {"r3": ["i8", 127]}),
    ("isa", instr("mad.f32 r4, r1, r2, r3", r1=["f32", 2], r2=["f32", 3], r3=["f32", 1]), {"r4": ["f32", 7]}),
    ("isa", instr("sel.i32 r3, p2, r1, r2", p2=True, r1=["i32", 1], r2=["i32", 2]), {"r3": ["i32", 1]}),
    ("isa", instr("max.f32 r3, r1, r2", r1=["f32", "nan"], r2=["f32", -1.5]), {"r3": ["f32", -1.5]}),
    ("isa", instr("tanh.f32 r2, r1", r1=["f32", 0.5]), {"r2": ["f32", 0.46211715]}),
    ("isa", instr("cvt.i32.f32 r2, r1", r1=["f32", "nan"]), {"r2": ["i32", 0]}),
    ("isa", instr("rem.i32 r3, r1, r2", r1=["i32", 1], r2=["i32", 0]), {"error": "DivisionByZero"}),
    ("isa", instr("phase.adv 767", phase=2), {"phase": 1}),
    ("isa", instr("setgtu.f32 p0, r1, r2", r1=["f32", 1], r2=["f32", 2]), {"panic": True}),
    ("address", {"class": 2, "offset": 300}, {"class": 2, "page": 1, "byte": 44}),
    ("address", {"class": 2, "offset": 12288}, {"error": "offset < 12288"}),
    ("address", COMPUTED, {"handle": 3, "offset": 8}),
    ("display", {"PoolAlloc": {"size": 4096, "dst": 0}}, "pool.alloc r0, 4096"),
    ("display", {"SETcc": {"ty": "I32", "cond": "LT", "dst": 0, "src1": 1, "src2": 2}}, "setlt.i32 p0, r1, r2"),
    ("display", {"BRA": {"target": "a", "pred": 3}}, "bra.p3 @a"),
    ("display", {"CVT": {"src_ty": "F32", "dst_ty": "I32", "dst": 2, "src": 1}}, "cvt.i32.f32 r2, r1"),
    ("display", {"MemFence": {"scope": "Block"}}, "memfence.block"),
    ("display", LDG, "ldg.f32 r1, [r10 - 32]"),
    ("launch", {"linear": [10, 4]}, {"grid": [3, 1, 1], "block": [4, 1, 1], "total_lanes": 12, "shared_bytes": 0}),
    ("launch", {"lane_idx": [49, 257, 0]}, {"page": 1, "byte": 1}),
    ("launch", AT, {"block_linear": 9, "lane_linear": 1, "global_lane": 37}),
    ("program", {"type_size_shift": "F64"}, 3),
    ("atlas_graph", {"class": 3}, {"mirror": 0, "degree": 5, "neighbors_sorted": [4, 9, 15, 27, 51], "unity": False}),
    ("atlas_graph", {"phi_encode": {"page": 1, "byte": 2}}, {"u32": 131073}),
    ("atlas_graph", {"r96_classify_byte": 0b1111111}, {"class": 93}),
    ("program", {"BRA": "gone", "at": 1}, {"error": "undefined label 'gone' referenced in instruction 1"}),
    ("program", {"duplicate_label": "a", "at": 2}, {"error": "duplicate label 'a' at instruction 2"}),
    ("program", {"cache": [["test", [1]], ["test", [1]]]}, {"creations": 1, "entries": 1}),
    ("program", BINARY, {"length": 10, "labels": {}}),
]
DEVIATE: list[tuple[str, Any, Any]] = [
    ("program", {"loop": {"counter_register_u32": 0, "layout": "body then LOOP"}}, {"body_executions": 1}),
    ("isa", instr("cvt.f64.i32 r2, r1", r1=["i32", -3]), UNSUPPORTED),
    ("isa", instr("cvt.i8.f64 r2, r1", r1=["f64", 300.5]), UNSUPPORTED),
    ("isa", instr("add.f16 r3, r1, r2", r1=["f16", 1], r2=["f16", 2]), UNSUPPORTED),
    ("isa", instr("abs.i32 r2, r1", r1=["i32", -(1 << 31)]), {"panic": True}),
]
WRONG: list[tuple[str, Any, Any]] = [
    ("isa", instr("add.i32 r3, r1, r2", r1=["i32", 1], r2=["i32", 1]), {"r3": ["i32", 3]}),
    ("isa", instr("add.i32 r3, r1, r2", r1=["i32", 1], r2=["i32", 1]), {"r3": ["i64", 2]}),
    ("isa", instr("add.i32 r3, r1, r2", r1=["i32", 1], r2=["i32", 1]), {"error": "TypeMismatch"}),
    ("isa", instr("exp.f32 r2, r1", r1=["f32", 1.0]), {"r2": ["f32", 2.718]}),
    ("display", {"RET": {}}, "return"),
    ("display", {"EXP": {"ty": "F32", "dst": 1}}, "exp.f32 r1, r1"),
    ("launch", {"moon": 1}, {}),
    ("program", {"moon": 1}, {}),
    ("address", {"class": 2, "offset": 300}, {"class": 2, "page": 1, "byte": 45}),
    ("nowhere", {}, {}),
    ("atlas_graph", {"phi_encode": {"page": 1, "byte": 2}}, {"u32": 1}),
]


def judged(rows: list[tuple[str, Any, Any]]) -> list[Outcome]:
    """Return the outcomes of cases of a file."""
    names = ("area", "input", "expected")
    cases = [{"id": str(k), **dict(zip(names, row, strict=True))} for k, row in enumerate(rows)]
    data = {"format": FORMAT, "cases": cases}
    assert recognises(data)
    return [one.outcome for one in verdicts(data)]


def test_cases_of_each_form_pass_deviate_by_rule_or_fail() -> None:
    """As the file says, or as a declared rule says; anything else fails."""
    assert judged(AS_STATED) == [Outcome.PASSED] * len(AS_STATED)
    assert judged(DEVIATE) == [Outcome.DEVIATES] * len(DEVIATE)
    assert judged(WRONG) == [Outcome.FAILED] * len(WRONG)


def test_data_of_another_shape_are_refused() -> None:
    """Another format is not recognised; a file without cases is refused."""
    assert not any(recognises(data) for data in ([], {"format": "ring"}))
    with pytest.raises(UsageError, match="a file of cases must have a list `cases`"):
        verdicts({"format": FORMAT, "cases": [1]})
