"""Assembly texts that several tests read."""

from __future__ import annotations

from prism.kernels.isa.program import BufferOffset, Guard, Instruction, Program
from prism.kernels.isa.show import show_program
from prism.kernels.isa.table import OPS, Kind


def _every() -> Program:
    """Return a program with each instruction of the table in each of its types, which no verifier would pass."""
    found = []
    for op in OPS:
        values = {
            Kind.GUARD: Guard(3, negated=True),
            Kind.LABEL: "here",
            Kind.ADDRESS: BufferOffset(7, 16),
            Kind.CONDITION: "le",
            Kind.SCOPE: "block",
            Kind.FLOAT: 0.25,
            Kind.INTEGER: 5,
            Kind.REGISTER: 4,
            Kind.PREDICATE: 2,
        }
        operands = tuple(values[one.kind] for one in op.operands)
        pairs = [()] if not op.types else [(ty, *(op.types[1:] and (op.types[1][-1],))) for ty in op.types[0]]
        found += [
            Instruction(op.mnemonic, types, operands) for types in pairs if op.mnemonic not in ("call", "ret", "loop")
        ]
    return Program("every", tuple(found), (("here", 1),))


EVERY = show_program(_every())
"""Every instruction but calls and loops, in every type."""
