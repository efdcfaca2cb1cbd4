"""Where lanes meet, as Numba source: what they give each other, and the faults of those that wait in vain [ISA-17]."""

from __future__ import annotations

from typing import Protocol

from prism.codegen.texts import Lines, indented
from prism.kernels.exec import cpu_ops as ops
from prism.kernels.exec import cpu_record as at
from prism.kernels.exec.cpu_state import STATUS, STOPPED, VALUE, WAITS, Slots
from prism.kernels.exec.cpu_turns import is_meeting
from prism.kernels.exec.faults import FaultKind
from prism.kernels.isa.steps import Step
from prism.kernels.isa.verify import Verified


class Group(Lines, Protocol):
    """A writer of what happens to a group of lanes."""

    verified: Verified
    slots: Slots


def write_lane(writer: Group) -> None:
    """Write where the state of lane k of the group lies."""
    writer.line(f"state = states + np.uint64(k * {8 * writer.slots.size})")
    writer.line("mine = _words(state)")


def write_divergence(writer: Group) -> None:
    """Write the faults of the lanes that wait where not all do."""
    kind = FaultKind.DIVERGENCE
    with indented(writer, "for k in range(each):"):
        write_lane(writer)
        with indented(writer, f"if (mine[{STATUS}] == {WAITS}) and not _later(mine, first):"):
            writer.line("lane, none = np.uint64(base + k), np.uint64(0)")
            for number, step in _sites(writer.verified):
                with indented(writer, f"if site == {number}:"):
                    writer.line(f"_fault(mine, {at.fault(kind, step.index)}, lane, mine[{VALUE}], none, none, none)")
            writer.line(f"mine[{STATUS}] = {STOPPED}")
            writer.line("_commit(record, mine)")


def _sites(verified: Verified) -> list[tuple[int, Step]]:
    return [(number, step) for number, step in enumerate(verified.steps) if is_meeting(step)]


def write_meetings(writer: Group) -> None:
    """Write what lanes give each other where they meet: a fold over them as a tree [ISA-20]."""
    for number, step in _sites(writer.verified):
        if not step.op.startswith("lane."):
            continue
        (ty,), dst = step.instruction.types, step.instruction.operands[0]
        assert isinstance(dst, int)
        change = step.op.removeprefix("lane.")
        fold = ops.binary(change, ty, ops.from_word(ty, "folded[k]"), ops.from_word(ty, "folded[k + half]"))
        with indented(writer, f"if site == {number}:"):
            writer.line("folded, half = _words(values), padded // 2")
            with indented(writer, "for k in range(padded):"):
                writer.line(f"folded[k] = {ops.word(ty, ops.start_of(change, ty))}")
            with indented(writer, "for k in range(each):"):
                write_lane(writer)
                with indented(writer, f"if mine[{STATUS}] == {WAITS}:"):
                    writer.line(f"folded[k] = mine[{VALUE}]")
            with indented(writer, "while half > 0:"):
                with indented(writer, "for k in range(half):"):
                    writer.line(f"folded[k] = {ops.word(ty, fold)}")
                writer.line("half //= 2")
            if at.variable(dst, ty) in writer.slots.word:
                with indented(writer, "for k in range(each):"):
                    write_lane(writer)
                    writer.line(f"mine[{writer.slots.word[at.variable(dst, ty)]}] = folded[0]")
