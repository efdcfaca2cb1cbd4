"""The state of the lanes of some blocks, as arrays over lanes: registers, predicates, counters, memory, faults."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from typing import Any, Final

import numpy as np

from prism.kernels.exec.faults import FaultError, FaultKind
from prism.kernels.exec.launch import Launch, Shape, scalar_value
from prism.kernels.exec.races import Accesses, Shadow
from prism.kernels.isa.flow import registers_of
from prism.kernels.isa.program import Buffer, Shared
from prism.kernels.isa.show import show_instruction
from prism.kernels.isa.steps import Pool, Step
from prism.kernels.isa.table import PREDICATES, REGISTERS, SPECIAL
from prism.kernels.isa.types import BY_NAME, U64, Type

Array = np.ndarray
UNSET: Final = -1


def special_registers(shape: Shape, first_block: int, blocks: int) -> dict[int, Array]:
    """Return what the launch sets in the lanes of `blocks` blocks from `first_block` on, by register."""
    (gx, gy, _), (bx, by, _) = shape.grid, shape.block
    size = prod(shape.block)
    block, lane = np.divmod(np.arange(blocks * size, dtype=np.int64), size)
    block += first_block
    fixed = dict(zip(("block_dim_x", "block_dim_y", "block_dim_z"), shape.block, strict=True))
    fixed |= dict(zip(("grid_dim_x", "grid_dim_y", "grid_dim_z"), shape.grid, strict=True))
    found = {
        "lane_idx_x": lane % bx,
        "lane_idx_y": lane // bx % by,
        "lane_idx_z": lane // (bx * by),
        "block_idx_x": block % gx,
        "block_idx_y": block // gx % gy,
        "block_idx_z": block // (gx * gy),
        "global_lane_id": block * size + lane,
    } | {name: np.full(lane.shape, value) for name, value in fixed.items()}
    return {register: found[name].astype(BY_NAME[ty].dtype) for register, (name, ty) in SPECIAL.items()}


@dataclass(slots=True)
class Fault:
    """The fault of the lowest lane so far."""

    lane: int
    kind: FaultKind
    step: Step
    values: tuple[Any, ...]

    def error(self) -> FaultError:
        """Return the exception to raise."""
        return FaultError(self.kind, self.step.index, self.lane, self.values, show_instruction(self.step.instruction))


class Machine:
    """The lanes of `blocks` blocks from `first` on; position `pc` past the last step is a lane that has stopped."""

    def __init__(self, launch: Launch, first: int, blocks: int, shadows: dict[int, Shadow] | None) -> None:
        verified, shape = launch.verified, launch.shape
        self.launch, self.steps, self.blocks = launch, verified.steps, blocks
        self.block_size = prod(shape.block)
        self.lanes = blocks * self.block_size
        self.lane = np.arange(self.lanes, dtype=np.int64) + first * self.block_size
        self.block = self.lane // self.block_size
        self.row = self.block - first
        self.pc = np.zeros(self.lanes, np.int64)
        self.fuel = np.full(self.lanes, launch.fuel, np.int64)
        self.counters = np.zeros((verified.counters, self.lanes), np.int64)
        self.epoch = np.zeros(blocks, np.int64)
        self.phase = np.full(self.lanes, launch.phase, np.uint32)
        self.registers: dict[tuple[int, Type], Array] = {}
        self.held = np.full((REGISTERS, self.lanes), UNSET, np.int8)
        self.predicates = np.zeros((PREDICATES, self.lanes), bool)
        self.known = np.zeros((PREDICATES, self.lanes), bool)
        program = verified.program
        self.global_memory = {one.handle: launch.buffers[one.name].reshape(-1) for one in program.buffers}
        self.shared = {one.handle: np.zeros((blocks, one.length), one.type.dtype) for one in program.shared}
        self.pools = [np.zeros((self.lanes, one.size // one.type.size), one.type.dtype) for one in verified.pools]
        self.allocated = np.zeros((len(self.pools), self.lanes), bool)
        self.shadows = shadows
        self.shared_shadows = (
            {one.handle: Shadow(blocks * one.length) for one in program.shared} if shadows is not None else {}
        )
        self.fault: Fault | None = None
        self.watched = -1
        self.watched_fault: Fault | None = None
        everyone = np.arange(self.lanes)
        for register, values in special_registers(shape, first, blocks).items():
            self.write(register, BY_NAME[SPECIAL[register][1]], everyone, values)
        for scalar in program.scalars:
            value = scalar_value(scalar.type, launch.scalars[scalar.name], scalar.name)
            self.write(scalar.register, scalar.type, everyone, np.full(self.lanes, value))
        for size in program.sizes:
            self.write(size.register, U64, everyone, np.full(self.lanes, launch.buffers[size.buffer].size, np.uint64))

    def read(self, register: int, ty: Type, at: Array) -> Array:
        """Return a register of the lanes `at`."""
        return self.registers[register, ty][at]

    def write(self, register: int, ty: Type, at: Array, values: Array) -> None:
        """Set a register of the lanes `at`."""
        if (register, ty) not in self.registers:
            self.registers[register, ty] = np.zeros(self.lanes, ty.dtype)
        self.registers[register, ty][at] = values
        self.held[register, at] = ty.code

    def set_predicate(self, predicate: int, at: Array, values: Array) -> None:
        """Set a predicate of the lanes `at`."""
        self.predicates[predicate, at] = values
        self.known[predicate, at] = True

    def fail(self, kind: FaultKind, step: Step, at: Array, wrong: Array) -> Array:
        """Stop the lanes of `at` that are wrong; return the others."""
        if not wrong.any():
            return at
        stopped = at[wrong]
        self.pc[stopped] = len(self.steps)
        lowest = int(stopped.min())
        lane = int(self.lane[lowest])
        if self.fault is None or lane < self.fault.lane:
            self.fault = Fault(lane, kind, step, self.operand_values(step, lowest))
        if self.watched in stopped:
            watched = int(self.lane[self.watched])
            self.watched_fault = Fault(watched, kind, step, self.operand_values(step, self.watched))
        return at[~wrong]

    def operand_values(self, step: Step, lane: int) -> tuple[Any, ...]:
        """Return what a step reads in one lane, in the order of its operands."""
        reads = [(register, ty) for register, ty, writes in registers_of(step.instruction) if not writes]
        return tuple(self.registers[register, ty][lane].item() for register, ty in reads[:4])

    def accesses(self, at: Array) -> Accesses:
        """Say who makes an access now."""
        return Accesses(self.lane[at], self.block[at], self.epoch[self.row[at]])

    def place(self, memory: Buffer | Shared | Pool, at: Array, elements: Array) -> tuple[Array, Array]:
        """Return the flat array of a memory and the places in it of `elements` of the lanes `at`."""
        if isinstance(memory, Buffer):
            return self.global_memory[memory.handle], elements
        if isinstance(memory, Shared):
            return self.shared[memory.handle].reshape(-1), self.row[at] * memory.length + elements
        return self.pools[memory.number].reshape(-1), at * (memory.size // memory.type.size) + elements

    def length(self, memory: Buffer | Shared | Pool) -> int:
        """Return how many elements a memory has, of which a lane sees as many."""
        if isinstance(memory, Buffer):
            return len(self.global_memory[memory.handle])
        return memory.length if isinstance(memory, Shared) else memory.size // memory.type.size

    def shadow(self, memory: Buffer | Shared) -> Shadow | None:
        """Return the shadow of a memory, if conflicts are looked for."""
        if self.shadows is None:
            return None
        if isinstance(memory, Shared):
            return self.shared_shadows[memory.handle]
        if memory.handle not in self.shadows:  # made once: a shadow is as long as the buffer
            self.shadows[memory.handle] = Shadow(self.length(memory))
        return self.shadows[memory.handle]

    def next_group(self) -> tuple[int, Array] | None:
        """Return the lowest position and the lanes there, or None when all have stopped."""
        at = int(self.pc.min()) if self.lanes else len(self.steps)
        return None if at >= len(self.steps) else (at, np.flatnonzero(self.pc == at))
