"""One run of a kernel: its program and all but its arrays, and what kind of arrays they may be."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from prism.kernels.exec.table import Executor
    from prism.kernels.isa.verify import Verified

Dim = tuple[int, int, int]


@dataclass(frozen=True, slots=True)
class Run:
    """A program with all but its arrays.

    shape: grid and block.
    """

    verified: Verified
    executor: str
    shape: tuple[Dim, Dim]
    scalars: Mapping[str, Any]

    def bind(self, arrays: Mapping[str, Any]) -> Callable[[], None]:
        """Return what runs it on some NumPy arrays, as often as it is called; a grid without blocks does nothing."""
        from prism.kernels.exec.launch import Launch, Shape

        if 0 in self.shape[0]:
            return lambda: None
        return opened(self.executor).bind(Launch(self.verified, Shape(*self.shape), arrays, self.scalars))


@cache
def opened(executor: str) -> Executor:
    """Return the executor of a name, the same at every call."""
    from prism.kernels.exec.table import open_executor

    return open_executor(executor)


def is_jax(value: Any) -> bool:
    """Tell whether a value is one of JAX's, which need not be imported for that."""
    return type(value).__module__.partition(".")[0] in ("jax", "jaxlib")


def is_placed(value: Any) -> bool:
    """Tell whether a value is an array of JAX's that lies on a device."""
    return type(value).__name__ == "ArrayImpl" and is_jax(value)


def is_traced(value: Any) -> bool:
    """Tell whether a value is one of JAX's whose number is not known yet."""
    if not is_jax(value):
        return False
    from jax.core import Tracer

    return isinstance(value, Tracer)
