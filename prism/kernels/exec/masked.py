"""Lanes under masks on JAX arrays: the state of a run, and the walk over its regions."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import prod
from typing import Any, Final

import jax.numpy as jnp
from jax import Array, lax

from prism.kernels.exec.faults import FaultKind
from prism.kernels.exec.launch import Shape
from prism.kernels.exec.machine import special_registers
from prism.kernels.isa.flow import registers_of
from prism.kernels.isa.regions import Again, Block, If, Leave, Loop, Node, Run, Stop
from prism.kernels.isa.steps import ENTER, Step
from prism.kernels.isa.table import PREDICATES, SPECIAL
from prism.kernels.isa.types import BY_NAME, U32, U64, Type
from prism.kernels.isa.verify import Verified

_VALUES: Final = 4
Affine = tuple[int, int]
"""(a, b): in every lane that may read the register it holds a * global lane id + b."""


class Masked:
    """The lanes of a launch. `data` is everything that runs change, as one tree of arrays that loops can carry."""

    def __init__(
        self, verified: Verified, shape: Shape, buffers: dict[str, Any], scalars: dict[str, Any], fuel: int, start: Any
    ) -> None:
        self.verified, self.shape, self.steps = verified, shape, verified.steps
        self.block = prod(shape.block)
        self.lanes, self.blocks = shape.lanes, shape.blocks
        self.lane_class = start[0]
        self.affine: dict[tuple[int, Type], Affine] = {(255, U64): (1, 0)}
        program = verified.program
        registers: dict[tuple[int, int], Array] = {}
        for step in self.steps:
            for register, ty, _ in registers_of(step.instruction):
                registers[register, ty.code] = jnp.zeros(self.lanes, ty.dtype)
        for register, values in special_registers(shape, 0, shape.blocks).items():
            registers[register, BY_NAME[SPECIAL[register][1]].code] = jnp.asarray(values)
        for scalar in program.scalars:
            value = scalars[scalar.name]
            registers[scalar.register, scalar.type.code] = jnp.full(self.lanes, jnp.asarray(value, scalar.type.dtype))
            if not isinstance(value, Array) and scalar.type in (U32, U64):
                self.affine[scalar.register, scalar.type] = (0, int(value))
        for size in program.sizes:
            number = buffers[size.buffer].size
            registers[size.register, U64.code] = jnp.full(self.lanes, number, jnp.uint64)
            self.affine[size.register, U64] = (0, number)
        memory = {one.handle: jnp.asarray(buffers[one.name]).reshape(-1) for one in program.buffers}
        memory |= {one.handle: jnp.zeros(self.blocks * one.length, one.type.dtype) for one in program.shared}
        no = jnp.zeros(self.lanes, bool)
        self.data: dict[str, Any] = {
            "registers": registers,
            "predicates": dict.fromkeys(range(PREDICATES), no),
            "memory": memory,
            "pools": [jnp.zeros(self.lanes * (one.size // one.type.size), one.type.dtype) for one in verified.pools],
            "allocated": [no for _ in verified.pools],
            "fuel": jnp.full(self.lanes, fuel, jnp.int64),
            "phase": jnp.full(self.lanes, start[1], jnp.uint32),
            "alive": jnp.ones(self.lanes, bool),
            "left": dict.fromkeys(_labels(verified.regions), no),
            "kind": jnp.zeros(self.lanes, jnp.int32),
            "step": jnp.zeros(self.lanes, jnp.int32),
            "values": [jnp.zeros(self.lanes, jnp.uint64) for _ in range(_VALUES)],
        }

    @property
    def memory(self) -> dict[int, Array]:
        """Buffers and shared memory by handle, flat."""
        return self.data["memory"]

    @property
    def faults(self) -> dict[str, Array]:
        """What faulted, for each lane."""
        values = jnp.stack(self.data["values"], axis=1)
        return {"kind": self.data["kind"], "step": self.data["step"], "values": values}

    def read(self, register: int, ty: Type) -> Array:
        """Return a register of all lanes."""
        return self.data["registers"][register, ty.code]

    def write(self, register: int, ty: Type, values: Array, mask: Array) -> None:
        """Set a register of the lanes of a mask."""
        old = self.data["registers"][register, ty.code]
        self.data["registers"][register, ty.code] = jnp.where(mask, values, old)
        for key in [key for key in self.affine if key[0] == register]:
            del self.affine[key]

    def fail(self, kind: FaultKind, step: int, mask: Array, wrong: Array) -> Array:
        """Stop the lanes of a mask that are wrong; return the others."""
        from prism.kernels.exec.lanewise import as_bits

        now = mask & wrong
        data = self.data
        data["kind"] = jnp.where(now, jnp.int32(kind), data["kind"])
        data["step"] = jnp.where(now, jnp.int32(step), data["step"])
        reads = [(r, ty) for r, ty, writes in registers_of(self.steps[step].instruction) if not writes][:_VALUES]
        for k, (register, ty) in enumerate(reads):
            data["values"][k] = jnp.where(now, as_bits(ty, self.read(register, ty)), data["values"][k])
        data["alive"] = data["alive"] & ~now
        return mask & ~now


def _labels(nodes: Sequence[Node]) -> set[int]:
    found: set[int] = set()
    for node in nodes:
        match node:
            case Block(label, body):
                found |= {label} | _labels(body)
            case Loop(label, _, body):
                found |= {-1 - label} | _labels(body)
            case If(_, then, other):
                found |= _labels(then) | _labels(other)
    return found


def run_regions(state: Masked) -> None:
    """Run all lanes to their ends."""
    _sequence(state, state.verified.regions, state.data["alive"])


def _sequence(state: Masked, nodes: Sequence[Node], mask: Array) -> Array:
    """Run nodes for the lanes of a mask; return those that come to the end."""
    from prism.kernels.exec.masked_steps import step_lanes

    for node in nodes:
        match node:
            case Run(start, stop):
                for at in range(start, stop):
                    mask = step_lanes(state, at, mask)
            case If(guard, then, other):
                chosen = state.data["predicates"][guard.predicate] != guard.negated
                known = dict(state.affine)
                ended = _sequence(state, then, mask & chosen)
                after, state.affine = state.affine, dict(known)
                mask = ended | _sequence(state, other, mask & ~chosen)
                state.affine = {k: v for k, v in state.affine.items() if after.get(k) == v}
            case Block(label, body):
                state.data["left"][label] = jnp.zeros_like(mask)
                mask = _sequence(state, body, mask) | state.data["left"][label]
            case Leave(label):
                state.data["left"][label] = state.data["left"][label] | mask
                mask = jnp.zeros_like(mask)
            case Again(label, at):
                mask = state.fail(FaultKind.FUEL, at, mask, state.data["fuel"] < 1)
                state.data["fuel"] = state.data["fuel"] - mask.astype(jnp.int64)
                state.data["left"][-1 - label] = state.data["left"][-1 - label] | mask
                mask = jnp.zeros_like(mask)
            case Stop():
                state.data["alive"] = state.data["alive"] & ~mask
                mask = jnp.zeros_like(mask)
            case Loop(label, enter, body):
                _forget(state, body)
                loop = _counted if enter >= 0 else _repeated
                mask = loop(state, node, mask)
                _forget(state, body)
    return mask


def _written(steps: Sequence[Step], nodes: Sequence[Node]) -> set[int]:
    found: set[int] = set()
    for node in nodes:
        match node:
            case Run(start, stop):
                found |= {r for step in steps[start:stop] for r, _, writes in registers_of(step.instruction) if writes}
            case If(_, then, other):
                found |= _written(steps, then) | _written(steps, other)
            case Block(_, body) | Loop(_, _, body):
                found |= _written(steps, body)
    return found


def _forget(state: Masked, body: Sequence[Node]) -> None:
    written = _written(state.steps, body)
    state.affine = {key: value for key, value in state.affine.items() if key[0] not in written}


def _carried(state: Masked, run: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """Wrap a body that changes `state.data` as one from carry to carry; (data, rest) is what is carried."""

    def body(carry: Any) -> Any:
        known = dict(state.affine)
        state.data = _copied(carry[0])
        rest = run(carry[1])
        state.affine = known
        return state.data, rest

    return body


def _copied(data: dict[str, Any]) -> dict[str, Any]:
    kinds = {dict: dict, list: list}
    return {name: kinds[type(value)](value) if type(value) in kinds else value for name, value in data.items()}


def _repeated(state: Masked, node: Loop, mask: Array) -> Array:
    again = -1 - node.label

    def run(rest: tuple[Array, Array]) -> tuple[Array, Array]:
        inside, out = rest
        state.data["left"][again] = jnp.zeros_like(inside)
        out = out | _sequence(state, node.body, inside)
        return state.data["left"][again], out

    start = (_copied(state.data), (mask, jnp.zeros_like(mask)))
    state.data, (_, out) = lax.while_loop(lambda carry: carry[1][0].any(), _carried(state, run), start)
    state.data = _copied(state.data)
    return out


def _counted(state: Masked, node: Loop, mask: Array) -> Array:
    register = state.steps[node.enter].instruction.operands[0]
    assert state.steps[node.enter].op == ENTER
    assert isinstance(register, int)
    count = state.read(register, U32).astype(jnp.int64)
    fixed = state.affine.get((register, U32))
    mask = state.fail(FaultKind.FUEL, node.enter, mask, state.data["fuel"] < count)
    state.data["fuel"] = state.data["fuel"] - jnp.where(mask, count, 0)

    def run(rest: tuple[Array, Array, Array]) -> tuple[Array, Array, Array]:
        inside, left, out = rest
        ended = _sequence(state, node.body, inside)
        left = left - ended.astype(jnp.int64)
        return ended & (left > 0), left, out | (ended & (left == 0))

    start = (_copied(state.data), (mask & (count > 0), count, mask & (count == 0)))
    body = _carried(state, run)
    if fixed is not None and fixed[0] == 0:
        (state.data, rest), _ = lax.scan(lambda carry, _: (body(carry), None), start, None, length=fixed[1])
    else:
        state.data, rest = lax.while_loop(lambda carry: carry[1][0].any(), body, start)
    state.data = _copied(state.data)
    return rest[2]
