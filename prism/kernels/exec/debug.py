"""The stepping debugger: the block of one lane on the living definition, one step of that lane at a time [ISA-19]."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from prism.errors import UsageError
from prism.kernels.exec.faults import FaultError
from prism.kernels.exec.launch import Launch
from prism.kernels.exec.machine import UNSET, Machine
from prism.kernels.exec.numpy import advance
from prism.kernels.isa.flow import registers_of
from prism.kernels.isa.program import Guard
from prism.kernels.isa.show import show_instruction
from prism.kernels.isa.steps import ENTER, Step
from prism.kernels.isa.table import BY_MNEMONIC, SPECIAL, Effect, Kind
from prism.kernels.isa.types import TYPES


@dataclass(frozen=True, slots=True)
class Change:
    """One thing that a step of the lane read or changed, by its name in programs: a register, p0, phase, x[3]."""

    name: str
    value: Any


@dataclass(frozen=True, slots=True)
class Event:
    """One step of the lane: its instruction, what it read, what it changed, and the fault that ended it, if one did."""

    index: int
    text: str
    reads: tuple[Change, ...]
    changes: tuple[Change, ...]
    fault: FaultError | None = None


class Debugger:
    """Steps one lane; the other lanes of its block move as they would, those of other blocks do not run.

    UsageError for a lane that the launch does not have.
    """

    def __init__(self, launch: Launch, lane: int) -> None:
        size = launch.shape.lanes // launch.shape.blocks
        if not 0 <= lane < launch.shape.lanes:
            raise UsageError(f"a lane must be 0 to {launch.shape.lanes - 1}, got {lane}; make the launch larger")
        self.launch, self.lane, self.at = launch, lane, lane % size
        self.machine = Machine(launch, lane // size, 1, {})
        self.machine.watched = self.at

    def stopped(self) -> bool:
        """Whether the lane has stopped."""
        return bool(self.machine.pc[self.at] >= len(self.machine.steps))

    def step(self) -> Event | None:
        """Move until the lane has made one step; None once it has stopped."""
        machine = self.machine
        with np.errstate(all="ignore"):
            while not self.stopped():
                group = machine.next_group()
                assert group is not None
                position, lanes = group
                if self.at not in lanes:
                    advance(machine)
                    continue
                step = machine.steps[position]
                reads = self._reads(step)
                memory = self._memory(step)
                advance(machine)
                fault = machine.watched_fault.error() if machine.watched_fault else None
                changes = () if fault else (*self._writes(step), *self._changed(step, memory))
                prefix = f"{ENTER} " if step.op == ENTER else ""
                text = prefix + show_instruction(step.instruction)
                return Event(step.index, text, reads, changes, fault)
        return None

    def trace(self) -> Iterator[Event]:
        """Yield every step of the lane to its end."""
        while (event := self.step()) is not None:
            yield event

    def registers(self) -> list[Change]:
        """Return the registers that hold something, in order, then the predicates; those of the launch left out."""
        machine = self.machine
        codes = machine.held[:, self.at]
        found = [
            Change(f"r{k}:{TYPES[code].name}", machine.registers[k, TYPES[code]][self.at].item())
            for k, code in enumerate(codes)
            if code != UNSET and k not in SPECIAL
        ]
        known = np.flatnonzero(machine.known[:, self.at])
        return found + [Change(f"p{k}", bool(machine.predicates[k, self.at])) for k in known]

    def memory(self, name: str) -> np.ndarray:
        """Return the elements of a buffer or of the block's shared memory; UsageError when there is none so called."""
        program = self.launch.verified.program
        for one in program.buffers:
            if one.name == name:
                return self.machine.global_memory[one.handle]
        for one in program.shared:
            if one.name == name:
                return self.machine.shared[one.handle][0]
        names = [one.name for one in (*program.buffers, *program.shared)]
        raise UsageError(f"memory must be one of {', '.join(names) or 'none'}, got {name!r}; name one of them")

    def _reads(self, step: Step) -> tuple[Change, ...]:
        found = {}
        for register, ty, writes in registers_of(step.instruction):
            if not writes:
                found[f"r{register}"] = self.machine.registers[register, ty][self.at].item()
        for declared, given in zip(BY_MNEMONIC[step.instruction.op].operands, step.instruction.operands, strict=True):
            if isinstance(given, Guard):
                found[f"p{given.predicate}"] = bool(self.machine.predicates[given.predicate, self.at])
            elif declared.kind is Kind.PREDICATE and not declared.writes and isinstance(given, int):
                found[f"p{given}"] = bool(self.machine.predicates[given, self.at])
        return tuple(Change(name, value) for name, value in found.items())

    def _writes(self, step: Step) -> Iterator[Change]:
        if step.op == "loop" or step.op == ENTER:
            yield Change("rounds left", int(self.machine.counters[step.counter, self.at]))
            return
        for register, ty, writes in registers_of(step.instruction):
            if writes:
                yield Change(f"r{register}", self.machine.registers[register, ty][self.at].item())
        for declared, given in zip(BY_MNEMONIC[step.op].operands, step.instruction.operands, strict=True):
            if declared.kind is Kind.PREDICATE and declared.writes and isinstance(given, int):
                yield Change(f"p{given}", bool(self.machine.predicates[given, self.at]))
        if step.op == "phase.adv":
            yield Change("phase", int(self.machine.phase[self.at]))

    def _memory(self, step: Step) -> np.ndarray | None:
        """Return a copy of the memory that a step may change."""
        if step.memory is None or step.op == ENTER or BY_MNEMONIC[step.op].effect not in (Effect.STORE, Effect.ATOMIC):
            return None
        flat, _ = self.machine.place(step.memory, np.zeros(0, np.int64), np.zeros(0, np.int64))
        return flat.copy()

    def _changed(self, step: Step, before: np.ndarray | None) -> Iterator[Change]:
        """Yield the elements that a step of all lanes changed."""
        if before is None or step.memory is None:
            return
        flat, _ = self.machine.place(step.memory, np.zeros(0, np.int64), np.zeros(0, np.int64))
        same = before.view(np.uint8).reshape(len(flat), -1) == flat.view(np.uint8).reshape(len(flat), -1)
        name = getattr(step.memory, "name", f"pool {step.memory.handle}")
        for element in np.flatnonzero(~same.all(axis=1))[:16]:
            yield Change(f"{name}[{element}]", flat[element].item())
