"""Why a program is refused: errors that name the rule, the instruction and what to do."""

from __future__ import annotations

from prism.errors import PrismError


class VerifyError(PrismError):
    """A program breaks a rule of [ISA-5] to [ISA-9]. kind: the rule, one word; index: the instruction, -1 for none."""

    def __init__(self, kind: str, index: int, message: str) -> None:
        self.kind, self.index = kind, index
        super().__init__(f"instruction {index}: {message}" if index >= 0 else message)


class BinaryError(PrismError):
    """Bytes are not a program [ISA-12]."""
