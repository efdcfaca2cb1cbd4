"""The arrays of a run in any mode: what is copied or padded, how outputs begin, and what is cut off their ends."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from prism.pallas.call import Block, Call
from prism.pallas.dtypes import Array, Numeric
from prism.pallas.machine import Machine


def grid_and_arrays(call: Call, args: Sequence[Numeric]) -> tuple[tuple[int, ...], list[Array]]:
    """Return the concrete grid and the arrays among a call's operands."""
    dynamic = call.dynamic_bounds
    bounds = map(int, args[:dynamic])
    cells = tuple(next(bounds) if n is None else n for n in call.grid)
    return cells, [np.asarray(a) for a in args[dynamic:]]


def padded(array: Array, block: Block | None, machine: Machine) -> Array:
    """Return a writable copy with poison around it, if its blocks reach beyond it."""
    if block is None or not block.has_padding:
        return np.array(array)
    out = np.full(block.padded_shape, machine.poison(array.dtype), array.dtype)
    out[block.interior] = array
    return out


def in_place(call: Call, source: int, target: int) -> bool:
    """Whether an input, counted with the prefetched, and the output aliased to it are one memory.

    They always are on a GPU, and on a TPU where the kernel sees main memory itself.
    """
    position = source - len(call.prefetched)
    if position < 0:
        return False
    one, other = call.inputs[position], call.outputs[target]
    main = any(name in one.space.lower() for name in ("any", "hbm"))
    return one.whole and other.whole and (call.shares_aliases or main)


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
            operands[position] = padded(operands[position], block, machine)
        return operands, [output.begin(given, operands, machine) for output in self.outputs]

    def end(self, outputs: Sequence[Array]) -> list[Array]:
        """Return the results of a run."""
        return [output.cut(array) for output, array in zip(self.outputs, outputs, strict=True)]


def arrays_of(call: Call, owned: Sequence[bool], filled: Sequence[bool]) -> Arrays:
    """Return the arrays of a call.

    `owned` says of each prefetched and input array whether a run needs it in memory of its own, `filled` of each output
    whether what was not written must be told by its poison.
    """
    sources = {out: position for position, out in call.aliases}
    shared = {position for position, out in call.aliases if in_place(call, position, out)}
    blocks = [*(None for _ in call.prefetched), *call.inputs]
    copied = tuple(
        (k, block)
        for k, (block, own) in enumerate(zip(blocks, owned, strict=True))
        if own or k in shared or (block is not None and block.has_padding)
    )
    outputs = tuple(
        Output(
            block,
            block.padded_shape,
            sources.get(k),
            sources.get(k) in shared,
            fill,
            block.interior if block.has_padding else None,
        )
        for k, (block, fill) in enumerate(zip(call.outputs, filled, strict=True))
    )
    return Arrays(copied, outputs, any(block.has_padding for block in call.inputs))
