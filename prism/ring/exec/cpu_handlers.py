"""The handlers of a program, as a table of addresses that compiled workers call through."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numba import cfunc, njit, types
from numba.np.numpy_support import carray
from numpy.typing import NDArray

from prism.kernels.exec.cpu_lane import CpuLimitError
from prism.ring.exec.cpu_effects import (
    FUSED,
    POLLING,
    SELF_LOADING,
    TABLE_COUNT,
    TABLE_FLAGS,
    TABLE_PAYLOAD,
    TABLE_ROWS,
)
from prism.ring.layout import ARGS_PER_SLOT
from prism.ring.memory import LOCKS, WINDOW_LOCKS, Block
from prism.ring.program import Handler, Program

_WORDS = types.CPointer(types.uint32)
_SIGNATURE = types.uint64(_WORDS, _WORDS, types.uint32, types.uint32)


class Table:
    """A program's handlers for the compiled loop; keeps what it points to alive.

    words: (3 + 2 n,) uint64, as `cpu_effects` reads it. An address of 0 stands for a handler that needs Python. locks:
    those of the block, of which a job of a twin, or in Python, holds one while it runs, by where its window begins.
    """

    def __init__(self, program: Program, block: Block) -> None:
        self._compiled: list[Any] = []
        self.locks = block.words[WINDOW_LOCKS : WINDOW_LOCKS + LOCKS]
        self.words: NDArray[np.uint64] = np.zeros(TABLE_ROWS + 2 * len(program.handlers), np.uint64)
        flags = (SELF_LOADING if program.self_loading else 0) | (POLLING if program.io_polling else 0)
        if program.payload is not None:
            flags |= FUSED
            self.words[TABLE_PAYLOAD] = self._address(program.payload)
        self.words[TABLE_FLAGS], self.words[TABLE_COUNT] = flags, len(program.handlers)
        for row, handler in enumerate(program.handlers):
            at = TABLE_ROWS + 2 * row
            self.words[at], self.words[at + 1] = handler.opcode, self._address(handler)

    def _address(self, handler: Handler) -> int:
        native = handler.native
        if native is None and handler.twin is not None:
            try:
                native = handler.twin(self.locks)
            except CpuLimitError:  # Beyond what is compiled: Python runs it, and says so for each job.
                return 0
        if native is None:
            return 0
        compiled = _callable(native)
        self._compiled.append(compiled)
        return compiled.address


def _callable(native: Callable[..., int]) -> Any:
    """Compile a handler for calls by address: what it returns plus 1, so that 0 says that it raised."""
    function = native if hasattr(native, "py_func") else njit(nogil=True)(native)

    @cfunc(_SIGNATURE)
    def call(args: Any, control: Any, start: Any, words: Any) -> Any:
        answer = function(carray(args, ARGS_PER_SLOT), carray(control, start + words), start, words)
        return np.uint64(answer) + np.uint64(1)

    return call
