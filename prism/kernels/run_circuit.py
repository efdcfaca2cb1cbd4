"""Run a lowered circuit on an executor: each stage is bound to the class memory, and launched in turn [CIRCUIT-13]."""

from __future__ import annotations

from collections.abc import Callable

from prism.kernels.circuit.emit import BLOCK, BUFFER, COUNT
from prism.kernels.circuit.lower import Lanes, Lowered
from prism.kernels.circuit.memory import Memory, require_fit
from prism.kernels.exec.launch import Launch, Shape, linear
from prism.kernels.exec.table import Executor
from prism.kernels.isa.verify import verify


def bind_circuit(lowered: Lowered, memory: Memory, n: int, executor: Executor) -> list[Callable[[], None]]:
    """Return the launches that do a circuit on `n` elements in place, to be called in order, as often as wanted.

    memory: uint8[96 * 12288], as `prism.kernels.circuit.memory.empty_memory` makes it. UsageError when vectors of that
    length leave the memory or overlap. Calling one raises FaultError where a lane faults.
    """
    require_fit(lowered.calls, n, lowered.type)
    bound = []
    for stage in lowered.stages:
        if stage.lanes is Lanes.EACH and not n:
            continue
        shape = linear(n) if stage.lanes is Lanes.EACH else Shape(block=(BLOCK, 1, 1))
        launch = Launch(
            verify(stage.program), shape, buffers={BUFFER: memory.view(stage.type.dtype)}, scalars={COUNT: n}
        )
        bound.append(executor.bind(launch))
    return bound


def run_circuit(lowered: Lowered, memory: Memory, n: int, executor: Executor) -> None:
    """Do a circuit on `n` elements of each vector, in place; see `bind_circuit`."""
    for launch in bind_circuit(lowered, memory, n, executor):
        launch()
