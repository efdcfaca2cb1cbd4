"""What each step reads and writes, as variables of generated code, and which variables are constants."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache

from prism.kernels.exec import cpu_ops as ops
from prism.kernels.exec.cpu_record import variable
from prism.kernels.isa.flow import registers_of
from prism.kernels.isa.program import Guard, Instruction
from prism.kernels.isa.steps import Step
from prism.kernels.isa.types import U64, Kind
from prism.kernels.isa.verify import Verified


def read_by(step: Step) -> set[str]:
    """Return the variables that a step reads, predicates included."""
    if step.op == "loop":
        return set()  # it counts down what its start has read
    found = {variable(register, ty) for register, ty, writes in registers_of(step.instruction) if not writes}
    found |= {f"p{one.predicate}" for one in step.instruction.operands if isinstance(one, Guard)}
    return found | ({f"p{step.instruction.operands[1]}"} if step.op == "sel" else set())


def written_by(step: Step) -> set[str]:
    """Return the variables that a step writes."""
    found = {variable(register, ty) for register, ty, writes in registers_of(step.instruction) if writes}
    return found | ({f"p{step.instruction.operands[step.op == 'set']}"} if step.op in ("set", "unity.test") else set())


@lru_cache(maxsize=64)
def constants(verified: Verified) -> Mapping[str, Instruction]:
    """Return the variables that one step alone writes, a `mov_imm`: that, by name."""
    writers: dict[str, list[Step]] = {}
    for step in verified.steps:
        for name in written_by(step):
            writers.setdefault(name, []).append(step)
    found: dict[str, Instruction] = {}
    for name, steps in writers.items():
        one = steps[0].instruction
        if len(steps) == 1 and one.op == "mov_imm":
            found[name] = one
    given = {variable(one.register, one.type) for one in verified.program.scalars}
    given |= {variable(one.register, U64) for one in verified.program.sizes}
    return {name: one for name, one in found.items() if name not in given}


def text_of(one: Instruction) -> str:
    """Return the value of a `mov_imm` as text."""
    assert isinstance(one.operands[1], int)
    return ops.constant(one.types[0], one.operands[1])


def number_of(one: Instruction) -> int | None:
    """Return the value of a `mov_imm` of a whole number; None for a float."""
    (ty,), number = one.types, one.operands[1]
    if ty.kind is Kind.FLOAT or not isinstance(number, int):
        return None
    low = number & ((1 << ty.bits) - 1)
    return low - (1 << ty.bits) if ty.kind is Kind.SIGNED and low >> (ty.bits - 1) else low
