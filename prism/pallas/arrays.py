"""The arrays of a run: which operands are copied or padded, how outputs begin, and what is cut off their ends."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from prism.pallas.call import Block, Call
from prism.pallas.dtypes import Array
from prism.pallas.launch import in_place, padded
from prism.pallas.machine import Machine
from prism.pallas.plan import Plan


@dataclass(frozen=True, slots=True)
class Output:
    """How an output begins and ends.

    It begins as operand `source`, in the same memory if `shared`; without one as poison if `filled`, else as whatever
    is there. `shape` is padded; `interior` is what a caller sees of it, None if all.
    """

    block: Block
    shape: tuple[int, ...]
    source: int | None
    shared: bool
    filled: bool
    interior: tuple[slice, ...] | None

    def begin(self, given: Sequence[Array], operands: Sequence[Array], machine: Machine) -> Array:
        """Return the array before the first step."""
        if self.source is not None:
            return operands[self.source] if self.shared else padded(given[self.source], self.block, machine)
        array = np.empty(self.shape, self.block.dtype)
        if self.filled:
            array.fill(machine.poison(self.block.dtype))
        return array

    def cut(self, array: Array) -> Array:
        """Return the array, or a shadow of it, without padding."""
        return array if self.interior is None else array[self.interior]


@dataclass(frozen=True, slots=True)
class Arrays:
    """The arrays of a call, decided once a plan.

    `copied` are positions of operands that a run needs in memory of its own: with padding if they have a block.
    `padded`: some input has padding.
    """

    copied: tuple[tuple[int, Block | None], ...]
    outputs: tuple[Output, ...]
    padded: bool

    def begin(self, given: Sequence[Array], machine: Machine) -> tuple[list[Array], list[Array]]:
        """Return the prefetched and input arrays of a run, and its outputs."""
        operands = list(given)
        for position, block in self.copied:
            array = operands[position]
            operands[position] = np.array(array) if block is None else padded(array, block, machine)
        return operands, [output.begin(given, operands, machine) for output in self.outputs]

    def end(self, outputs: Sequence[Array]) -> list[Array]:
        """Return the results of a run."""
        return [output.cut(array) for output, array in zip(self.outputs, outputs, strict=True)]


def arrays_of(plan: Plan, read: Sequence[bool]) -> Arrays:
    """Return the arrays of a plan; `read` says of each output whether the kernel may read what it did not write."""
    call = plan.call
    sources = {out: position for position, out in call.aliases}
    shared = {position for position, out in call.aliases if _is_shared(call, position, out)}
    blocks = [*(None for _ in call.prefetched), *call.inputs]
    copied = tuple(
        (k, block)
        for k, (block, use) in enumerate(zip(blocks, plan.uses, strict=False))
        if use.written or k in shared or (block is not None and block.has_padding)
    )
    outputs = []
    for k, (block, may_read) in enumerate(zip(call.outputs, read, strict=True)):
        source = sources.get(k)
        # What no block covers, or no store reaches, is told from what was written by its poison.
        filled = may_read or not plan.covered or plan.params.uninitialized != "raise"
        interior = block.interior if block.has_padding else None
        outputs.append(Output(block, block.padded_shape, source, source in shared, filled, interior))
    return Arrays(copied, tuple(outputs), any(block.has_padding for block in call.inputs))


def _is_shared(call: Call, source: int, target: int) -> bool:
    position = source - len(call.prefetched)
    return position >= 0 and in_place(call, call.inputs[position], call.outputs[target])
