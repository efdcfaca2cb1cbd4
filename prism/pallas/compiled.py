"""Compiled mode: a kernel's scalar loops through Numba, kept on disk from process to process."""

from __future__ import annotations

import hashlib
import importlib.util
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from prism.files import write_text
from prism.pallas import compat, structure
from prism.pallas.call import Block
from prism.pallas.loop_prelude import PRELUDE
from prism.pallas.loop_rules import NoLoopFormError, has_loop_form, typed
from prism.pallas.loops import LoopRef, LoopWriter, emit, expressible
from prism.pallas.program import Plan

DIRECTORY = Path.home() / ".cache" / "prism" / "pallas"
"""Where generated sources and Numba's machine code are kept."""


def write_loops(plan: Plan) -> str | None:
    """Return the module source of a call's compiled form, or None if it has none.

    Its function `kernel` takes the arrays of prefetched operands, inputs, outputs and outputs' masks, and returns
    0 (in order), 1 (debug mode must judge) or 2 (unwritten memory was read).
    """
    call = plan.call
    kernel, consts = compat.open_jaxpr(call.jaxpr)
    memories = (*call.prefetched, *call.inputs, *call.outputs, *call.scratch)
    simple = all(t.slopes is not None for t in plan.tables) and not any(v.contested for v in plan.visits)
    # A lazy load is evaluated where it is used: its memory must not change under another name.
    simple = simple and not call.aliases
    simple = simple and all(has_loop_form(memory.dtype) for memory in memories)
    if not simple or not expressible(kernel) or any(use.involved for use in plan.uses) or call.axis_names:
        return None
    try:
        return _LoopProgram(plan, kernel, consts).write()
    except NoLoopFormError:
        return None


class _LoopProgram:
    """Writes the grid's loops around the kernel's."""

    def __init__(self, plan: Plan, kernel: Any, consts: Sequence[Any]) -> None:
        self.plan, self.call, self.kernel, self.consts = plan, plan.call, kernel, consts
        program = [(f"g{axis}", plan.grid[axis]) for axis in self.call.visible_axes]
        self.writer = LoopWriter(program, {})

    def write(self) -> str:
        call, writer = self.call, self.writer
        blocks: tuple[Block, ...] = (*call.inputs, *call.outputs)
        names = [f"p{k}" for k in range(len(call.prefetched))] + [f"x{k}" for k in range(len(blocks))]
        masks = [f"m{k}" for k in range(len(call.outputs))]
        writer.line("unsure = False")
        refs = [
            LoopRef(f"p{k}", ("0",) * len(memory.shape), (False,) * len(memory.shape), memory.shape, memory.dtype, use)
            for k, (memory, use) in enumerate(zip(call.prefetched, self.plan.uses, strict=False))
        ]
        refs += [self._block(k, block) for k, block in enumerate(blocks)]
        refs += self._scratch()
        for axis in range(len(self.plan.grid)):
            writer.line(f"for g{axis} in range({self.plan.grid[axis]}):")
            writer.depth += 1
        emit(self.kernel, self.consts, refs, writer)
        writer.line("pass")
        writer.depth -= len(self.plan.grid)
        writer.line("return 2 if unsure else 0")
        header = f"def kernel({', '.join([*names, *masks])}):"
        decorator = '@numba.njit(error_model="numpy", cache=True, nogil=True)'
        body = "\n".join(writer.lines)
        site = compat.function_site(self.kernel)
        start = f'"""Generated from {site.function}."""\n\nimport numba\nimport numpy as np\n'
        if "_multiply(" in body:
            start += _dot_import()
        return "\n".join([start, PRELUDE, "", decorator, header, body, ""])

    def _block(self, k: int, block: Block) -> LoopRef:
        table = self.plan.tables[k]
        assert table.slopes is not None
        offsets = []
        for d in range(len(block.dims)):
            terms = [f"g{axis} * {int(s)}" for axis, s in enumerate(table.slopes[d]) if s]
            base = int(table.starts[0][d])
            offsets.append(" + ".join([*([str(base)] if base or not terms else []), *terms]))
        use = self.plan.uses[len(self.call.prefetched) + k]
        ref = LoopRef(f"x{k}", tuple(offsets), block.squeezed, block.ref_shape, block.dtype, use)
        output = k - len(self.call.inputs)
        if output < 0 or not tracked_outputs(self.plan)[output]:
            return ref
        # The mask alone remembers what was written: a flag would have to follow the blocks.
        return replace(ref, mask=f"m{output}")

    def _scratch(self) -> list[LoopRef]:
        refs = []
        offset = len(self.kernel.invars) - len(self.call.scratch)
        for k, memory in enumerate(self.call.scratch):
            if memory.semaphore:
                raise NoLoopFormError
            name, rank = f"s{k}", len(memory.shape)
            self.writer.line(f"{name} = np.empty({memory.shape}, {typed(memory.dtype)})")
            use = self.plan.uses[offset + k]
            ref = LoopRef(name, ("0",) * rank, (False,) * rank, memory.shape, memory.dtype, use)
            if structure.first_use(self.kernel, self.kernel.invars[offset + k]) != "stored":
                self.writer.line(f"{name}_set = False")
                self.writer.line(f"{name}_done = np.zeros({memory.shape}, np.bool_)")
                ref = replace(ref, flag=f"{name}_set", mask=f"{name}_done")
            refs.append(ref)
        return refs


def _dot_import() -> str:
    # Numba notices a change of the generated module only: the loops that are linked into its code must show there.
    digest = hashlib.sha256(Path(__file__).with_name("dot_loops.py").read_bytes()).hexdigest()
    return f"from prism.pallas.dot_loops import multiply as _multiply  # {digest[:16]}\n"


def tracked_outputs(plan: Plan) -> tuple[bool, ...]:
    """Return for each output whether what is written of it must be followed."""
    kernel, _ = compat.open_jaxpr(plan.call.jaxpr)
    aliased = {out for _, out in plan.call.aliases}
    first = len(plan.call.prefetched) + len(plan.call.inputs)
    return tuple(
        k not in aliased and structure.first_use(kernel, kernel.invars[first + k]) != "stored"
        for k in range(len(plan.call.outputs))
    )


def load(source: str) -> Callable[..., int]:
    """Return the compiled function of a module source; Numba finds its machine code next to it on disk."""
    path = _stored(source)
    name = f"prism_pallas_{path.stem}"
    if name in sys.modules:
        return sys.modules[name].kernel
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module.kernel


def is_stored(source: str) -> bool:
    """Whether some process has compiled this source before."""
    path = _path(source)
    return path.exists() and any((path.parent / "__pycache__").glob(f"{path.stem}.kernel-*.nbi"))


def _path(source: str) -> Path:
    return DIRECTORY / f"k{hashlib.sha256(source.encode()).hexdigest()[:24]}.py"


def _stored(source: str) -> Path:
    """Return the file that holds the source, written atomically; a file of another source under its name is refused."""
    path = _path(source)
    if path.exists() and path.read_text(encoding="utf-8") == source:
        return path
    write_text(path, source)
    return path
