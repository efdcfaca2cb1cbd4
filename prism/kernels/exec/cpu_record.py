"""The record of a compiled launch: 64-bit words that hold everything a run reads, at places that its code knows.

One address is all that a call passes. Words, in order: what lanes (or blocks) to run, fuel, the lanes' state at the
start, the shape, scratch memory, room for a fault, then for each buffer its address and length, then each scalar.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from prism.kernels.exec import cpu_ops as ops
from prism.kernels.exec.faults import FaultKind
from prism.kernels.isa.program import Buffer, Program, Shared
from prism.kernels.isa.steps import Pool, Step
from prism.kernels.isa.table import SPECIAL
from prism.kernels.isa.types import BF16, F16, Type
from prism.kernels.isa.verify import Verified

LOW, HIGH, FUEL, CLASS, PHASE, GRID, BLOCK, SCRATCH, FAULT = 0, 1, 2, 3, 4, 5, 8, 11, 12
"""Words by name. LOW, HIGH: the first lane (or block) and the one after the last. SCRATCH: an address."""
FAULT_INDEX, FAULT_LANE, FAULT_VALUES, VALUES = FAULT + 1, FAULT + 2, FAULT + 3, 4
PARAMETERS: Final = FAULT_VALUES + VALUES


def words(program: Program) -> int:
    """Return how long a program's record is."""
    return PARAMETERS + 2 * len(program.buffers) + len(program.scalars)


def buffer_word(number: int) -> int:
    """Return the word of the address of a program's buffer, by number; its length in elements is the next one."""
    return PARAMETERS + 2 * number


def scalar_word(program: Program, number: int) -> int:
    """Return the word that holds a scalar's bits."""
    return PARAMETERS + 2 * len(program.buffers) + number


def fault(kind: FaultKind, index: int) -> str:
    """Return the text of a fault's kind and instruction in one word, typed: to Numba a literal is a type of its own."""
    return f"np.int64({index << 8 | kind})"


def variable(register: int, ty: Type) -> str:
    """Return the variable of a register that is read or written as a type."""
    return SPECIAL[register][0] if register in SPECIAL else f"r{register}_{ty.name}"


@dataclass(frozen=True, slots=True)
class Memory:
    """Where a program's memory is in generated code: buffers by pointer and length, the rest in scratch memory."""

    verified: Verified

    def pointer(self, memory: Buffer | Shared | Pool) -> str:
        """Return the variable that points at the first element."""
        if isinstance(memory, Pool):
            return f"q{memory.number}"
        return f"m_{memory.handle}" if isinstance(memory, Buffer) else f"s_{memory.handle}"

    def length(self, memory: Buffer | Shared | Pool) -> str:
        """Return the text of the number of elements."""
        if isinstance(memory, Buffer):
            return f"n_{memory.handle}"
        return f"np.uint64({memory.size // memory.type.size if isinstance(memory, Pool) else memory.length})"

    def load(self, step: Step, index: str) -> str:
        """Return the element at an index of the memory that a step is about."""
        assert step.memory is not None
        ty = step.memory.type
        if ty in (F16, BF16):
            return ops.from_bits(ty, f"_element({self.pointer(step.memory)}, {index}, np.uint16(0))")
        return f"_element({self.pointer(step.memory)}, {index}, {ops.typed(ty, '0')})"

    def store(self, step: Step, index: str, value: str) -> str:
        """Return the statement that stores an element."""
        assert step.memory is not None
        ty = step.memory.type
        given = ops.to_bits(ty, value) if ty in (F16, BF16) else value
        return f"_put({self.pointer(step.memory)}, {index}, {given})"

    def pools(self) -> list[tuple[str, int]]:
        """Return the variable of each pool of a lane, and where it lies in scratch memory, at a multiple of 8 bytes."""
        found, start = [], 0
        for pool in self.verified.pools:
            found.append((self.pointer(pool), start))
            start += -(-pool.size // 8) * 8
        return found

    def scratch_bytes(self) -> int:
        """Return how much scratch memory one lane at a time needs."""
        return sum(-(-pool.size // 8) * 8 for pool in self.verified.pools)
