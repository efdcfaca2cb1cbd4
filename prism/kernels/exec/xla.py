"""The `xla` executor: a program as a pure JAX function, all lanes at once under masks, control as the regions say.

A choice runs both arms under masks; a loop is a `lax.while_loop` while any lane is in it, or a `lax.scan` where the
count is a constant, so that programs of floats without atomics and without other loops can be differentiated. An access
whose byte offset is the lane's number times the size plus a constant is a slice; others gather and scatter.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any, Final

import jax
import jax.numpy as jnp
import numpy as np

from prism.kernels.exec.faults import FaultError, FaultKind
from prism.kernels.exec.launch import Launch, Shape, scalar_value
from prism.kernels.exec.masked import Masked, run_regions
from prism.kernels.isa.flow import registers_of
from prism.kernels.isa.program import Access
from prism.kernels.isa.show import show_instruction
from prism.kernels.isa.verify import Verified

Array = jax.Array
Arrays = Mapping[str, Any]
_OPTIONS: Final = {"xla_allow_excess_precision": False}
"""Otherwise XLA keeps more than 16 bits between operations of f16 and bf16."""


def function(
    verified: Verified, shape: Shape, *, fuel: int, lane_class: int = 0, phase: int = 0
) -> Callable[[Arrays, Arrays], tuple[dict[str, Array], dict[str, Array]]]:
    """Return the program as a pure function of (buffers, scalars) to (written buffers, what faulted).

    It may be jitted, mapped and, for float programs without atomics, differentiated; it needs 64-bit types enabled
    while it is traced. Buffers are flat arrays; a scalar given as a Python or NumPy number while tracing is a constant.
    What faulted: for each lane `kind` (0 for none), `step` and the bits of up to four `values`.
    """

    def call(buffers: Arrays, scalars: Arrays) -> tuple[dict[str, Array], dict[str, Array]]:
        state = Masked(verified, shape, dict(buffers), dict(scalars), fuel, (lane_class, phase))
        run_regions(state)
        written = [one for one in verified.program.buffers if one.access is not Access.READ]
        return {one.name: state.memory[one.handle] for one in written}, state.faults

    return call


@lru_cache(maxsize=256)
def _compiled(verified: Verified, shape: Shape, fuel: int, start: tuple[int, int]) -> Any:
    call = function(verified, shape, fuel=fuel, lane_class=start[0], phase=start[1])
    return jax.jit(call, compiler_options=_OPTIONS)


class XlaExecutor:
    """Runs launches through XLA on JAX's default device; compiled once for each program, shape and sizes."""

    name: str = "xla"

    def bind(self, launch: Launch) -> Callable[[], None]:
        """Return what runs the launch."""
        program = launch.verified.program
        scalars = {one.name: scalar_value(one.type, launch.scalars[one.name], one.name) for one in program.scalars}
        call = _compiled(launch.verified, launch.shape, launch.fuel, (launch.lane_class, launch.phase))

        def run() -> None:
            with jax.enable_x64(True):
                given = {name: jnp.asarray(array.reshape(-1)) for name, array in launch.buffers.items()}
                written, faults = call(given, scalars)
            for name, array in written.items():
                launch.buffers[name].reshape(-1)[...] = np.asarray(array)
            _raise_lowest(launch.verified, {name: np.asarray(array) for name, array in faults.items()})

        return run


def _raise_lowest(verified: Verified, faults: dict[str, np.ndarray]) -> None:
    wrong = np.flatnonzero(faults["kind"])
    if not len(wrong):
        return
    lane = int(wrong[0])
    step = verified.steps[int(faults["step"][lane])]
    types = [ty for _, ty, writes in registers_of(step.instruction) if not writes][:4]
    bits = faults["values"][lane]
    values = tuple(bits[k : k + 1].astype(f"u{ty.size}").view(ty.dtype)[0].item() for k, ty in enumerate(types))
    kind = FaultKind(int(faults["kind"][lane]))
    raise FaultError(kind, step.index, lane, values, show_instruction(step.instruction))
