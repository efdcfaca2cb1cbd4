"""A fast program: the generated function that runs a kernel over its whole grid."""

from __future__ import annotations

import builtins
import keyword
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from prism.codegen.texts import added, indented, times
from prism.pallas import analysis
from prism.pallas.arrays import in_place
from prism.pallas.call import Block, Memory
from prism.pallas.control import GridIndex, MeshIndex
from prism.pallas.dtypes import Numeric
from prism.pallas.errors import SuspectError
from prism.pallas.kernel import equations_in, primitives_in
from prism.pallas.launch import steps
from prism.pallas.numpy_source.layout import Layout, batched_layout, independent_axes, step_bytes
from prism.pallas.numpy_source.memory import emit_allocation
from prism.pallas.numpy_source.statements import emit
from prism.pallas.numpy_source.values import Context, Counter, Ramp, Refusal, RefVar, Value, constant_of
from prism.pallas.numpy_source.windows import start_texts, window_text
from prism.pallas.numpy_source.writer import Writer
from prism.pallas.plan import Plan


@dataclass(frozen=True, slots=True)
class NumpySource:
    """Generated source and what it needs to run.

    The function `name` takes the machine and the arrays in `arguments`' order. `tables` are the positions of operands
    whose window starts it takes as lists, `masked` and `contested` the outputs with shadows.
    """

    name: str
    source: str
    scope: dict[str, Numeric]
    layout: Layout
    tables: tuple[int, ...]
    refs: tuple[RefVar, ...]


@dataclass(frozen=True, slots=True)
class Attempt:
    """A layout, and the program in it or why there is none."""

    layout: Layout
    program: NumpySource | None
    refusal: Refusal | None


def attempts(plan: Plan, *, batch: bool) -> Iterator[Attempt]:
    """Yield layouts until one has a program or none is left.

    With `batch`, axes that turn out to matter to a construct which must run serially become loops. For example, of a
    grid (2, 4) whose kernel branches on the first index: both axes are batched, and the branch refuses axis 0; then
    axis 1 is batched within a loop over axis 0.
    """
    call, grid = plan.call, plan.grid
    candidates = []
    if batch:
        candidates = independent_axes(call, plan.tables, plan.uses, grid)
    while True:
        layout = batched_layout(grid, candidates, step_bytes(plan.tables))
        writer = _ProgramWriter(plan, layout)
        written = writer.write()
        refusal = next(iter(writer.context.refusals), None)
        yield Attempt(layout, written if refusal is None else None, refusal)
        if refusal is None or refusal.axes is None or not layout.batched:
            return
        refused = refusal.axes & writer.context.every or writer.context.every
        candidates = [axis for axis in candidates if axis not in refused]


def write_program(plan: Plan, *, batch: bool) -> NumpySource | None:
    """Return the program of a call, or None if only debug mode can run it."""
    *_, last = attempts(plan, batch=batch)
    return last.program


class _ProgramWriter:
    """Writes one program; the methods follow the order of the source."""

    def __init__(self, plan: Plan, layout: Layout) -> None:
        self.plan, self.layout, self.call = plan, layout, plan.call
        self.writer = Writer()
        self.kernel = plan.call.kernel
        self.names = self._ref_names()
        count = len(self.call.prefetched)
        self.blocks: tuple[Block, ...] = (*self.call.inputs, *self.call.outputs)
        self.block_names = self.names[count : count + len(self.blocks)]
        self.refs: dict[str, RefVar] = {}
        self.primitives = set(primitives_in(self.kernel))
        self.indices = self._indices()
        self.lists = tuple(k for k, table in enumerate(plan.tables) if table.slopes is None)
        self.levels = [self._level(k) for k in range(len(self.blocks))]

    def _ref_names(self) -> list[str]:
        given = [*self.call.prefetched, *self.call.inputs, *self.call.outputs, *self.call.scratch]
        names: list[str] = []
        # The program's own variables; the kernel's values must not take their names.
        self.writer.scope.update(dict.fromkeys(("m", "begin", "length", "lane")))
        for entry in given:
            name = "".join(c if c.isalnum() else "_" for c in entry.name)
            name = name if name.isidentifier() and name not in self.writer.scope else f"ref_{name}"
            while name in names:
                name += "_"
            names.append(name)
            self.writer.scope[name] = None
        return names

    def _indices(self) -> set[int]:
        """Return the grid axes whose index the kernel asks for; an axis may be asked for by name."""
        asked = [equation.control for equation in equations_in(self.kernel)]
        if any(isinstance(control, MeshIndex) for control in asked):
            return set(range(len(self.plan.grid)))
        return {self.call.visible_axes[control.axis] for control in asked if isinstance(control, GridIndex)}

    def _level(self, k: int) -> int:
        """Return the depth of the innermost serial loop that moves an operand's window; 0 is outside of all."""
        slopes = self.plan.tables[k].slopes
        if slopes is None:
            return len(self.layout.serial)
        moving = [depth + 1 for depth, axis in enumerate(self.layout.serial) if slopes[:, axis].any()]
        return max(moving, default=0)

    def _function_name(self) -> str:
        name = "".join(c if c.isalnum() else "_" for c in self.call.name) or "kernel"
        # The function stands in the scope of its own lines: it must hide nothing that they refer to.
        taken = name in self.writer.scope or name in vars(builtins) or keyword.iskeyword(name)
        name = name if name.isidentifier() and not taken else f"kernel_{name}"
        self.writer.scope[name] = None
        return name

    def write(self) -> NumpySource:
        name = self._function_name()
        self.context = self._context()
        if self.layout.batched:
            self._chunks()
        else:
            self._body()
        parameters = ", ".join(["m", *self._parameters()])
        notes = [f"# {b.name}: {b.dtype.name}{list(b.shape)} in blocks of {b.sizes}" for b in self.blocks]
        header = "\n".join([f"# {self.kernel.site}, grid {self.plan.grid}", *notes, f"def {name}({parameters}):"])
        source = self.writer.text(header)
        refs = tuple(self.refs[n] for n in self.names)
        return NumpySource(name, source, self.writer.scope, self.layout, self.lists, refs)

    def _parameters(self) -> list[str]:
        count = len(self.call.prefetched)
        outputs = self.block_names[len(self.call.inputs) :]
        return [
            *self.names[:count],
            *(f"{n}_all" for n in self.block_names),
            *(f"{n}_done_all" for n in outputs if self.refs[n].masked),
            *(f"{n}_lane_all" for n in outputs if self.refs[n].contested),
            *(f"{self.block_names[k]}_starts" for k in self.lists),
        ]

    def _context(self) -> Context:
        layout, grid = self.layout, self.plan.grid
        origins = tuple("begin" if k == 0 and layout.chunked else "0" for k in range(len(layout.batched)))
        named = {name: k for k, name in enumerate(self.call.axis_names)}
        context = Context(
            self.writer,
            layout.batched,
            named_axes=named,
            origins=origins,
            extents=layout.extents,
            lengths=tuple(grid[axis] for axis in layout.batched),
        )
        context.program = [(self._index(axis, context), grid[axis]) for axis in self.call.visible_axes]
        return context

    def _index(self, axis: int, context: Context) -> Value:
        """Return a grid index."""
        if axis in self.layout.batched:
            return Value(f"p{axis}", frozenset((axis,)), ramp=Ramp(0, ((axis, 1),)))
        if axis in self.layout.serial:
            return Value(f"p{axis}", counter=Counter(f"i{axis}", 0, max(self.plan.grid[axis] - 1, 0)))
        return constant_of(np.int32(0), context)

    def _chunks(self) -> None:
        layout, extent = self.layout, self.plan.grid[self.layout.batched[0]]
        if layout.chunked:
            with indented(self.writer, f"for begin in range(0, {extent}, {layout.chunk}):"):
                self.writer.line(f"length = min({layout.chunk}, {extent} - begin)")
                self._body()
        else:
            self._body()

    def _body(self) -> None:
        self._batched_indices()
        self._scratch()
        for name, memory in zip(self.names, self.call.prefetched, strict=False):
            use = self.plan.uses[self.names.index(name)]
            self.refs[name] = RefVar(name, memory.shape, memory.dtype, use)
        self._nest(0)

    def _batched_indices(self) -> None:
        for k, axis in enumerate(self.layout.batched):
            if axis not in self.indices:
                continue
            origin, extent = self.context.origins[k], self.context.extents[k]
            shape = ", ".join("-1" if j == k else "1" for j in range(len(self.layout.batched)))
            start = "" if origin == "0" else f"{origin}, {origin} + "
            self.writer.line(f"p{axis} = np.arange({start}{extent}, dtype=np.int32).reshape({shape})")

    def _scratch(self) -> None:
        offset = len(self.names) - len(self.call.scratch)
        for k, memory in enumerate(self.call.scratch):
            ref = self._scratch_ref(offset + k, memory)
            self.refs[ref.text] = ref
            emit_allocation(ref, self.context, zero=memory.semaphore)

    def _scratch_ref(self, position: int, memory: Memory) -> RefVar:
        use = self.plan.uses[position]
        proved = analysis.first_use(self.kernel, self.kernel.ins[position]) == "stored"
        tracked = not proved and not memory.semaphore and self._tracks_scratch()
        return RefVar(
            self.names[position],
            memory.shape,
            memory.dtype,
            use,
            axes=frozenset(self.layout.batched),
            tracked=tracked,
            masked=tracked and (use.partial or use.involved),
        )

    def _tracks_scratch(self) -> bool:
        # Batched steps have scratch of their own: what one step leaves to another must be noticed in any case.
        return self.plan.params.uninitialized != "nan" or bool(self.layout.batched)

    def _nest(self, depth: int) -> None:
        """Write the loop of one serial axis, with the windows that move with it."""
        opened = [k for k, level in enumerate(self.levels) if level == depth]
        for k in opened:
            self._window(k)
        if depth == len(self.layout.serial):
            self._step()
        else:
            axis = self.layout.serial[depth]
            with indented(self.writer, f"for i{axis} in {self._order(axis)}:"):
                if axis in self.indices:
                    self.writer.line(f"p{axis} = np.int32(i{axis})")
                self._nest(depth + 1)
        for k in opened:
            self._close(k)

    def _order(self, axis: int) -> str:
        order, extent = self.plan.params.grid_order, self.plan.grid[axis]
        if order == "sequential" or not self.call.parallel[axis]:
            return f"range({extent})"
        if order == "reversed":
            return f"range({extent - 1}, -1, -1)"
        one = replace(self.call, grid=(extent,), parallel=(True,))
        return repr(list(steps(one, (extent,), order)))

    def _step_number(self, axes: Sequence[int]) -> str:
        grid = self.plan.grid
        terms = []
        for axis in self.layout.serial:
            if axis in axes:
                stride = math.prod(grid[a] for a in axes if a > axis)
                terms.append(times(f"i{axis}", stride))
        return added(*terms)

    def _step(self) -> None:
        if any(ref.contested for ref in self.refs.values()):
            lanes = [axis for axis, parallel in enumerate(self.call.parallel) if parallel]
            self.writer.line(f"lane = {self._step_number(lanes)}")
        if any(ref.use.involved for ref in self.refs.values()) or "run_scoped" in self.primitives:
            step = (f"i{axis}, " if axis in self.layout.serial else "0, " for axis in range(len(self.plan.grid)))
            self.writer.line(f"m.step = ({''.join(step)})")
            self.writer.line(f"m.number = {self._step_number(range(len(self.plan.grid)))}")
        emit(self.kernel, [self.refs[n] for n in self.names], self.context)
        self.writer.site = None

    def _window(self, k: int) -> None:
        """Write an operand's window and its shadows."""
        name, table = self.block_names[k], self.plan.tables[k]
        ref = self._block_ref(k)
        self.refs[name] = ref
        if table.slopes is None:
            names = [f"{name}_{d}" for d in range(len(table.block.dims))]
            number = self._step_number(range(len(self.plan.grid)))
            self.writer.line(f"{', '.join(names)}{',' if len(names) == 1 else ''} = {name}_starts[{number}]")
            starts = names
        else:
            starts = start_texts(table, self.layout)
        for suffix, wanted in (("", True), ("_done", ref.masked), ("_lane", ref.contested)):
            if not wanted:
                continue
            # An input that is one memory with an output has its lanes.
            owner = self._shared()[k] if suffix == "_lane" and k < len(self.call.inputs) else k
            array = f"{self.block_names[owner]}{suffix}_all"
            text = window_text(array, table, starts, layout=self.layout if ref.axes else None, writer=self.writer)
            self.writer.line(f"{name}{suffix} = {text}")
        if ref.tracked:
            self.writer.line(f"{name}_set = False")

    def _block_ref(self, k: int) -> RefVar:
        table, block = self.plan.tables[k], self.blocks[k]
        position = len(self.call.prefetched) + k
        use = self.plan.uses[position]
        axes = frozenset(
            axis for axis in self.layout.batched if table.slopes is not None and table.slopes[:, axis].any()
        )
        ref = RefVar(self.block_names[k], block.ref_shape, block.dtype, use, axes)
        output = k - len(self.call.inputs)
        partner = self._shared().get(k)
        ref = replace(ref, shared=partner is not None)
        if output < 0:
            contested = partner is not None and self._contested(partner)
            return replace(ref, contested=contested, use=replace(use, involved=use.involved or contested))
        aliased = any(out == output for _, out in self.call.aliases)
        proved = analysis.first_use(self.kernel, self.kernel.ins[position]) == "stored"
        tracked = not aliased and not proved and self.plan.params.uninitialized != "nan"
        scattered = self._revisited(k) or (axes != frozenset(self.layout.batched))
        contested = self._contested(k)
        if contested and (use.read or partner is not None or self._has_masks()):
            # Reads and atomics meet stores in more ways than a last writer tells: reference objects watch them.
            ref = replace(ref, use=replace(use, involved=True))
        if contested and self.layout.batched and axes:
            self.context.refuse(self.context.every)
        return replace(
            ref,
            tracked=tracked,
            masked=tracked and (use.partial or use.involved or scattered),
            contested=contested and bool(self.layout.serial) and not self.layout.batched,
        )

    def _shared(self) -> dict[int, int]:
        """Return for each operand that is one memory with another which one that is."""
        first, inputs = len(self.call.prefetched), self.call.inputs
        pairs = [pair for pair in self.call.aliases if in_place(self.call, *pair)]
        one = [(position - first, len(inputs) + out) for position, out in pairs]
        return {**dict(one), **{b: a for a, b in one}}

    def _contested(self, k: int) -> bool:
        """Whether steps that may run in either order see one block of an output, in a program that can tell them."""
        visits = self.plan.visits[k - len(self.call.inputs)]
        return visits.contested and self.plan.params.races != "off"

    def _has_masks(self) -> bool:
        return "masked_swap" in self.primitives

    def _revisited(self, k: int) -> bool:
        """Whether a block's window may be made more than once."""
        slopes = self.plan.tables[k].slopes
        if slopes is None:
            return True
        outer = self.layout.serial[: self.levels[k]]
        return any(not slopes[:, axis].any() and self.plan.grid[axis] > 1 for axis in outer)

    def _close(self, k: int) -> None:
        ref = self.refs[self.block_names[k]]
        if not ref.tracked:
            return
        if ref.masked:
            self.writer.line(f"if {ref.text}_set: {ref.text}_done[...] = True")
        else:
            self.writer.line(f"if not {ref.text}_set: raise {self.writer.bind(SuspectError, 'Suspect')}")
