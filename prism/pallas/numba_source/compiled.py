"""Compiled mode: a kernel's scalar loops through Numba, kept on disk from process to process."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from prism.codegen import modules
from prism.codegen.directory import cache_directory
from prism.codegen.prelude import prelude
from prism.codegen.texts import added, times
from prism.pallas import analysis, grid
from prism.pallas.analysis import Use
from prism.pallas.call import Block
from prism.pallas.dtypes import Array, DType
from prism.pallas.kernel import primitives_in
from prism.pallas.numba_source.equations import emit, inexpressible
from prism.pallas.numba_source.memory import LoopRef, blank
from prism.pallas.numba_source.values import NoLoopFormError, flat, has_loop_form, row_major
from prism.pallas.numba_source.writer import LoopWriter
from prism.pallas.plan import Plan

DIRECTORY = cache_directory("pallas")
"""Where generated sources and Numba's machine code are kept."""


@dataclass(frozen=True, slots=True)
class Written:
    """The module source of a call's compiled form, or "" and the reason why it has none."""

    source: str
    reason: str = ""


def written(plan: Plan) -> Written:
    """Return the module source of a call's compiled form, or why it has none.

    Its function `kernel` takes the arrays of prefetched operands, inputs, outputs and outputs' masks, then the arrays
    of `block_starts`, then an element of unwritten memory of each of `blank_types`; it returns 0 (in order), 1 (debug
    mode must judge) or 2 (nothing was read where nobody wrote but from outputs and by lanes that are off).
    """
    reason = _refusal(plan)
    if reason:
        return Written("", reason)
    try:
        return Written(_LoopProgram(plan).write())
    except NoLoopFormError as error:
        at = "its blocks" if error.equation is None else f"this use of {error.equation.name} at {error.equation.site}"
        return Written("", f"{at} has no form as loops")


def _refusal(plan: Plan) -> str:
    """Return why a call has no loops for certain, or ""."""
    call = plan.call
    memories = (*call.prefetched, *call.inputs, *call.outputs, *call.scratch)
    if plan.params.grid_order != "sequential":
        return "loops run in the order of the grid"
    # A lazy load is evaluated where it is used: its memory must not change under another name.
    if any(v.contested for v in plan.visits) or call.aliases or call.axis_names:
        return "its memory has several names, or steps that share it"
    if not all(has_loop_form(memory.dtype) for memory in memories):
        return "Numba has no element type for some of its memory"
    if any(use.involved for use in plan.uses):
        return "its memory is accessed by more than plain indices"
    equation = inexpressible(call.kernel)
    return "" if equation is None else f"{equation.name} at {equation.site} has no form as loops"


def _tabled(plan: Plan) -> list[int]:
    """Return the operands whose blocks are found in a table: no formula of the step gives them, or not in every run."""
    changing = grid.depends_on_memory(plan.call)
    return [k for k, table in enumerate(plan.tables) if changing or table.slopes is None]


def block_starts(plan: Plan) -> list[Array]:
    """Return where the blocks of tabled operands begin in flat memory, one place a step."""
    blocks: tuple[Block, ...] = (*plan.call.inputs, *plan.call.outputs)
    return [plan.tables[k].starts @ np.array(row_major(blocks[k].padded_shape), np.int64) for k in _tabled(plan)]


def blank_types(plan: Plan) -> tuple[DType, ...]:
    """Return the element types of which a kernel may load lanes that are off."""
    if "masked_load" not in primitives_in(plan.call.kernel):
        return ()
    memories = (*plan.call.prefetched, *plan.call.inputs, *plan.call.outputs, *plan.call.scratch)
    return tuple(np.dtype(name) for name in sorted({memory.dtype.name for memory in memories}))


class _LoopProgram:
    """Writes the grid's loops around the kernel's."""

    def __init__(self, plan: Plan) -> None:
        self.plan, self.call, self.kernel = plan, plan.call, plan.call.kernel
        self.tracked = tracked_outputs(plan)
        self.writer = LoopWriter([(f"g{axis}", plan.grid[axis]) for axis in self.call.visible_axes])
        self.names: list[str] = []
        self.views: list[str] = []

    def write(self) -> str:
        call, writer = self.call, self.writer
        blocks: tuple[Block, ...] = (*call.inputs, *call.outputs)
        refs = [
            self._ref(f"p{k}", memory.shape, memory.shape, memory.dtype, use)
            for k, (memory, use) in enumerate(zip(call.prefetched, self.plan.uses, strict=False))
        ]
        refs += [self._block(k, block) for k, block in enumerate(blocks)]
        refs += self._scratch()
        tabled = _tabled(self.plan)
        self.names += [f"m{k}_given" for k in range(len(call.outputs))] + [f"t{k}" for k in tabled]
        self.names += [blank(dtype) for dtype in blank_types(self.plan)]
        for axis, extent in enumerate(self.plan.grid):
            writer.line(f"for g{axis} in range({extent}):")
            writer.depth += 1
        strides = row_major(self.plan.grid)
        step = flat(tuple(f"g{axis}" for axis in range(len(strides))), strides)
        for k, block in enumerate(blocks):
            start = f"t{k}[{step}]" if k in tabled else self._start(k, block)
            writer.line(f"x{k}_start = {start}")
        emit(self.kernel, refs, writer)
        writer.depth -= len(self.plan.grid)
        writer.line("return 1 if stale else 2 if unsure else 0")
        return self._module()

    def _module(self) -> str:
        lines = [*self.views, "    stale = unsure = False", *self.writer.allocations(), *self.writer.lines]
        body = "\n".join(lines)
        title = f'"""Generated from {self.kernel.site.function}."""'
        start = f"{title}\n\nimport numba\nimport numpy as np\nfrom llvmlite import ir\n"
        if "_multiply(" in body:
            start += _dot_import()
        decorator = '@numba.njit(error_model="numpy", cache=True, nogil=True)'
        return "\n".join([start, prelude(body), "\n", decorator, f"def kernel({', '.join(self.names)}):", body, ""])

    def _ref(self, name: str, shape: tuple[int, ...], extents: tuple[int, ...], dtype: DType, use: Use) -> LoopRef:
        """Return a reference to an argument, which gets a flat view."""
        self.names.append(f"{name}_given")
        self._view(name, math.prod(extents))
        return LoopRef(name, "0", row_major(extents), shape, dtype, use)

    def _view(self, name: str, size: int) -> None:
        self.views.append(f"    {name} = {name}_given.reshape({size})")

    def _block(self, k: int, block: Block) -> LoopRef:
        use = self.plan.uses[len(self.call.prefetched) + k]
        ref = self._ref(f"x{k}", block.ref_shape, block.padded_shape, block.dtype, use)
        strides = tuple(s for s, gone in zip(ref.strides, block.squeezed, strict=True) if not gone)
        ref = replace(ref, base=f"x{k}_start", strides=strides)
        output = k - len(self.call.inputs)
        if output < 0 or not self.tracked[output]:
            return ref
        # The mask alone remembers what was written: a flag would have to follow the blocks.
        self._view(f"m{output}", math.prod(block.padded_shape))
        return replace(ref, mask=f"m{output}")

    def _start(self, k: int, block: Block) -> str:
        """Return where a block begins, in terms of the grid's indices."""
        table, strides = self.plan.tables[k], np.array(row_major(block.padded_shape), np.int64)
        assert table.slopes is not None
        base, slopes = int(table.starts[0] @ strides), table.slopes.T @ strides
        return added(*(times(f"g{axis}", int(slope)) for axis, slope in enumerate(slopes) if slope), str(base))

    def _scratch(self) -> list[LoopRef]:
        refs = []
        offset = len(self.kernel.ins) - len(self.call.scratch)
        for k, memory in enumerate(self.call.scratch):
            if memory.semaphore:
                raise NoLoopFormError
            name, size, strides = f"s{k}", math.prod(memory.shape), row_major(memory.shape)
            self.writer.buffer(name, size, memory.dtype)
            ref = LoopRef(name, "0", strides, memory.shape, memory.dtype, self.plan.uses[offset + k])
            if analysis.first_use(self.kernel, self.kernel.ins[offset + k]) != "stored":
                self.views.append(f"    {name}_set = False")
                self.views.append(f"    {name}_done = np.zeros({size}, np.bool_)")
                ref = replace(ref, flag=f"{name}_set", mask=f"{name}_done")
            refs.append(ref)
        return refs


def _dot_import() -> str:
    # Numba notices a change of the generated module only: the loops that are linked into its code must show there.
    digest = hashlib.sha256((Path(__file__).parents[1] / "dot_loops.py").read_bytes()).hexdigest()
    return f"from prism.pallas.dot_loops import multiply as _multiply  # {digest[:16]}\n\n"


def tracked_outputs(plan: Plan) -> tuple[bool, ...]:
    """Return for each output whether what is written of it must be followed."""
    kernel = plan.call.kernel
    aliased = {out for _, out in plan.call.aliases}
    first = len(plan.call.prefetched) + len(plan.call.inputs)
    return tuple(
        k not in aliased and analysis.first_use(kernel, kernel.ins[first + k]) != "stored"
        for k in range(len(plan.call.outputs))
    )


def load(source: str) -> Callable[..., int]:
    """Return the compiled function of a module source; Numba finds its machine code next to it on disk."""
    return modules.load(DIRECTORY, source)


def is_stored(source: str) -> bool:
    """Whether some process has compiled this source before."""
    return modules.is_stored(DIRECTORY, source)
