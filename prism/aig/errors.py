"""The error of a file that is not AIGER."""

from __future__ import annotations

from prism.errors import PrismError


class AigerError(PrismError):
    """A file is not AIGER 1.9, or is more than is held; carries the byte offset, and the line outside binary rows."""

    def __init__(self, file: str, offset: int, line: int | None, expected: str, found: str) -> None:
        self.file, self.offset, self.line = file, offset, line
        where = f"{file}, byte {offset}" if line is None else f"{file}:{line}, byte {offset}"
        super().__init__(f"{where}: expected {expected}, found {found}; mend the file, or write it again")
