"""Which opcodes the worker keeps for itself, and which a tenant may publish [RING-4]."""

from __future__ import annotations

from typing import Final

from prism.ring.layout import Opcode

SYSTEM_BIT: Final = 0x8000_0000
RESERVED: Final = range(0xFFF0, 0x1_0000)
BUILTIN: Final = frozenset(Opcode) - {Opcode.LOAD_MISS}
"""What every program answers for; LOAD_MISS only where a program loads by itself."""
SMALL: Final = frozenset(opcode for opcode in Opcode if opcode <= Opcode.BATCH_FENCE)
"""The opcodes that may stand in a packed slot beside those of handlers: an inner opcode is one byte."""


def is_system(opcode: int) -> bool:
    """Whether handlers may not take this opcode: the high bit, 0xFFF0 to 0xFFFF, and 0 to 7."""
    return bool(opcode & SYSTEM_BIT) or opcode in RESERVED or opcode in SMALL


def is_builtin(opcode: int) -> bool:
    """Whether every program answers for this opcode."""
    return opcode in BUILTIN


def is_publishable(opcode: int) -> bool:
    """Whether a tenant may publish this opcode: a builtin one, or one that a handler may take."""
    return is_builtin(opcode) or not is_system(opcode)
