"""The `xla` executor: a program as a pure JAX function, all lanes at once, control as the regions say.

What follows from the shape of a launch is decided while the function is traced: a guard that cuts lanes off makes the
arrays shorter, an access at a multiple of the lane's number is a slice, a bound that holds costs nothing. Only lanes
that really part are masked. A loop is a `lax.while_loop` while any lane is in it, or a `lax.scan` where the count is a
constant. One fault comes out, that of the lowest lane, or none where none can be.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any, Final

import jax
import jax.numpy as jnp
import numpy as np

from prism.errors import UsageError
from prism.kernels.exec.affine import Affine
from prism.kernels.exec.faults import FaultError, FaultKind
from prism.kernels.exec.lanes import Held, Lanes, own_memory
from prism.kernels.exec.launch import FUEL, Launch, Shape, scalar_value
from prism.kernels.exec.masked import run_regions
from prism.kernels.exec.masked_access import FlatAccesses
from prism.kernels.exec.space import NOBODY, Space
from prism.kernels.isa.flow import registers_of
from prism.kernels.isa.program import Access
from prism.kernels.isa.show import show_instruction
from prism.kernels.isa.types import Kind
from prism.kernels.isa.verify import Verified

Array = jax.Array
Arrays = Mapping[str, Any]
Ready = Callable[[list[Any], list[Any]], "tuple[list[Array], Faulted]"]
Make = Callable[..., Callable[[Arrays, Arrays], "tuple[Written, Faulted]"]]
Written = dict[str, Array]
Faulted = dict[str, Array] | None
"""`lane`, `kind`, `step` and the bits of up to four `values` of the lowest lane that faulted, NOBODY as lane where none
did; None where no lane can.
"""
_OPTIONS: Final = {"xla_allow_excess_precision": False}
"""Otherwise XLA keeps more than 16 bits between operations of f16 and bf16."""


def function(
    verified: Verified, shape: Shape, *, fuel: int = FUEL, lane_class: int = 0, phase: int = 0
) -> Callable[[Arrays, Arrays], tuple[Written, Faulted]]:
    """Return the program as a pure function of (buffers, scalars) to (written buffers, what faulted).

    It may be jitted, mapped and, for float programs without atomics, differentiated; it needs 64-bit types enabled
    while it is traced. Buffers are flat arrays; a scalar given as a Python or NumPy number while tracing is a constant,
    and a guard by it is decided then. UsageError for a shape of 2^31 lanes.
    """
    if shape.lanes > NOBODY:
        raise UsageError(f"a launch on xla must have at most {NOBODY} lanes, got {shape.lanes}; launch in parts")
    program = verified.program

    def call(buffers: Arrays, scalars: Arrays) -> tuple[Written, Faulted]:
        state = Lanes(verified, shape, Space(shape), scalars, fuel)
        given = {one.name: jnp.asarray(buffers[one.name]).reshape(-1) for one in program.buffers}
        state.memory = {one.handle: given[one.name] for one in program.buffers}
        lengths = {handle: array.size for handle, array in state.memory.items()}
        state.begin(lane_class, phase, lengths | {one.handle: one.length for one in program.shared})
        own = own_memory(verified, shape)
        for key, (each, length, ty) in own.items():
            state.memory[key] = jnp.zeros(shape.lanes // each * length, ty.dtype)
        run_regions(state, FlatAccesses({key: (each, length) for key, (each, length, _) in own.items()}))
        written = {one.name: state.memory[one.handle] for one in program.buffers if one.access is not Access.READ}
        fault = state.fault
        if fault is None:
            return written, None
        values = jnp.stack(fault.values)
        return written, {"lane": fault.lane, "kind": fault.kind, "step": fault.step, "values": values}

    return call


class DeviceLaunch:
    """A launch on arrays of JAX's: `f(buffers)` returns those that the program writes, as new arrays on the device.

    donate: the arrays of written buffers may be used up, and must not be read again. make: `function` here or
    another executor's. Compiled once for each program,
    shape and sizes; a scalar's value is a part of that only where it equals a size or cuts lanes off.
    """

    def __init__(
        self, verified: Verified, shape: Shape, scalars: Arrays, *, donate: bool = False, make: Make | None = None
    ) -> None:
        program = verified.program
        self.verified, self._shape, self._donate, self._start = verified, shape, donate, (FUEL, 0, 0)
        self._make = make or function
        self._scalars = {one.name: scalar_value(one.type, scalars[one.name], one.name) for one in program.scalars}
        names = [one.name for one in program.buffers]
        self._written = [one.name for one in program.buffers if one.access is not Access.READ]
        self._kept = [name for name in names if name not in self._written]
        self._ready: dict[Any, Ready] = {}

    @classmethod
    def of(cls, launch: Launch, make: Make | None = None) -> DeviceLaunch:
        """Return a checked launch as one on arrays of JAX's."""
        made = cls(launch.verified, launch.shape, launch.scalars, make=make)
        made._start = (launch.fuel, launch.lane_class, launch.phase)
        return made

    def run(self, buffers: Arrays) -> tuple[Written, Faulted]:
        """Return the written arrays, by name, and what faulted, without waiting for either."""
        used = [buffers[name] for name in self._written]
        kept = [buffers[name] for name in self._kept]
        forms = tuple((array.size, array.dtype) for array in (*used, *kept))
        ready = self._ready.get(forms)
        if ready is None:
            ready = self._ready[forms] = self.ready(buffers)
        written, faulted = ready(used, kept)
        return dict(zip(self._written, written, strict=True)), faulted

    @property
    def order(self) -> tuple[list[str], list[str]]:
        """The written buffers and the others, as `ready` takes them."""
        return self._written, self._kept

    def ready(self, buffers: Arrays) -> Ready:
        """Return the function of (written arrays, other arrays) for arrays like these, a call of `jax.jit`.

        UsageError for arrays of another type than the program says.
        """
        check_types(self.verified, buffers)
        sizes = {int(array.size) for array in buffers.values()}
        facts = _facts(self.verified, self._scalars, tuple(sorted({0, self._shape.lanes, *sizes})))
        with jax.enable_x64(True):
            given = tuple(
                jnp.asarray(self._scalars[name]) for name, (least, most) in facts if least is None or least != most
            )
        call = _compiled(self._make, self.verified, self._shape, self._start, facts, self._donate)

        def run(used: list[Any], kept: list[Any]) -> tuple[list[Array], Faulted]:
            with jax.enable_x64(True):
                return call(used, kept, given)

        return run

    def __call__(self, buffers: Arrays) -> Written:
        """Return the written arrays, by name; FaultError where a lane faults."""
        written, faulted = self.run(buffers)
        raise_fault(self.verified, faulted)
        return written


Fact = tuple[int | None, int | None]
"""The least and the most that a scalar may be; the same number twice where it is one."""
Facts = tuple[tuple[str, Fact], ...]


def _facts(verified: Verified, scalars: Mapping[str, np.generic], sizes: tuple[int, ...]) -> Facts:
    """Return between which sizes of a launch each whole scalar lies: on more a launch's form does not depend."""
    found: list[tuple[str, Fact]] = []
    for one in verified.program.scalars:
        if one.type.kind is Kind.FLOAT:
            found.append((one.name, (None, None)))
            continue
        value = int(scalars[one.name])
        below, above = [size for size in sizes if size <= value], [size for size in sizes if size >= value]
        found.append((one.name, (max(below, default=None), min(above, default=None))))
    return tuple(found)


@lru_cache(maxsize=256)
def _compiled(
    make: Make, verified: Verified, shape: Shape, start: tuple[int, int, int], facts: Facts, donate: bool
) -> Any:
    """Return the jitted function of (written arrays, other arrays, scalars that are no constants)."""
    program = verified.program
    call = make(verified, shape, fuel=start[0], lane_class=start[1], phase=start[2])
    types = {one.name: one.type for one in program.scalars}
    written = [one.name for one in program.buffers if one.access is not Access.READ]
    kept = [one.name for one in program.buffers if one.access is Access.READ]

    def placed(used: list[Any], others: list[Any], scalars: tuple[Any, ...]) -> tuple[list[Array], Faulted]:
        held: dict[str, Held] = {}
        given = iter(scalars)
        for name, (least, most) in facts:
            if least is not None and least == most:
                held[name] = Held(types[name], Affine(0, least))
            else:
                held[name] = Held(types[name], array=next(given), least=least, most=most)
        buffers = dict(zip([*written, *kept], [*used, *others], strict=True))
        made, faulted = call(buffers, held)
        return [made[name].reshape(buffers[name].shape) for name in written], faulted

    return jax.jit(placed, donate_argnums=(0,) if donate else (), compiler_options=_OPTIONS)


class XlaExecutor:
    """Runs launches through XLA on JAX's default device; `DeviceLaunch` is the same on arrays that lie there."""

    name: str = "xla"

    def bind(self, launch: Launch) -> Callable[[], None]:
        """Return what runs the launch: it copies arrays to the device and what was written back."""
        call = DeviceLaunch.of(launch)

        def run() -> None:
            with jax.enable_x64(True):
                written, faulted = call.run({name: jnp.asarray(array) for name, array in launch.buffers.items()})
            for name, array in written.items():
                launch.buffers[name][...] = np.asarray(array)
            raise_fault(launch.verified, faulted)

        return run


def check_types(verified: Verified, arrays: Arrays) -> None:
    """Refuse arrays of other types than the program declares; UsageError."""
    for one in verified.program.buffers:
        got = getattr(arrays.get(one.name), "dtype", None)
        if got != one.type.dtype:
            raise UsageError(f"buffer {one.name!r} must be an array of {one.type.name} for xla, got {got}; convert it")


def raise_fault(verified: Verified, faulted: Mapping[str, Any] | None) -> None:
    """Raise the FaultError that a run reports, if it reports one; waits for the run only if a lane may fault."""
    if faulted is None or int(faulted["lane"]) == NOBODY:
        return
    step = verified.steps[int(faulted["step"])]
    types = [ty for _, ty, writes in registers_of(step.instruction) if not writes][:4]
    bits = np.asarray(faulted["values"])
    values = tuple(bits[k : k + 1].astype(f"u{ty.size}").view(ty.dtype)[0].item() for k, ty in enumerate(types))
    kind = FaultKind(int(faulted["kind"]))
    raise FaultError(kind, step.index, int(faulted["lane"]), values, show_instruction(step.instruction))
