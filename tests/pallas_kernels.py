"""Random small Pallas kernels for property tests, with a bound on how far two correct interpreters may differ."""

from __future__ import annotations

import functools
import itertools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from hypothesis import assume
from hypothesis import strategies as st
from jax import lax
from jax.experimental import pallas as pl
from jax.experimental.pallas import tpu as pltpu

from tests.pallas_operations import DTYPES, LARGEST, OPERATIONS, Kind, fits, result, rounding


@dataclass(frozen=True, slots=True)
class Source:
    """An input: which grid axes choose its block's row and column (None: always 0), and how the kernel reads it."""

    dtype: str
    axes: tuple[int | None, int | None]
    read: str
    seed: int


@dataclass(frozen=True, slots=True)
class RandomKernel:
    """A drawn kernel. `ops` are (name, argument numbers) over the inputs' values; `outputs` number the results.

    `fault` plants a mistake, which may or may not show on the drawn grid: see `FAULTS`.
    """

    grid: tuple[int, ...]
    block: tuple[int, int]
    sources: tuple[Source, ...]
    ops: tuple[tuple[str, tuple[int, ...]], ...]
    outputs: tuple[tuple[int, Kind, str], ...]
    accumulates: bool
    ragged: int
    fault: str = ""

    @property
    def operands(self) -> tuple[np.ndarray[Any, Any], ...]:
        return tuple(_integers(source, self._array_shape(source)) for source in self.sources)

    def build(self, interpret: Any = False) -> Callable[..., Any]:
        """Return a new function of the operands; its result is a tuple of arrays."""
        return pl.pallas_call(
            self._kernel,
            grid=self.grid,
            in_specs=[self._in_spec(source) for source in self.sources],
            out_specs=[self._out_spec() for _ in self.outputs],
            out_shape=[jax.ShapeDtypeStruct(self._out_shape(), kind.dtype) for _, kind, _ in self.outputs],
            scratch_shapes=[pltpu.VMEM(self.block, jnp.float32)],
            interpret=interpret,
        )

    def agree(self, ours: Sequence[Any], theirs: Sequence[Any]) -> None:
        """Assert that two results are equal within each output's bound."""
        for (_, kind, _), x, y in zip(self.outputs, ours, theirs, strict=True):
            x, y = np.asarray(x), np.asarray(y)
            assert (x.shape, x.dtype) == (y.shape, y.dtype)
            steps = self.grid[-1] if self.accumulates else 1
            summed = rounding(kind.dtype, kind.size * steps, not kind.exact) if kind.floating else 0.0
            atol = 2 * steps * (kind.error + summed)
            np.testing.assert_allclose(x.astype(np.float64), y.astype(np.float64), rtol=0, atol=atol)

    def same(self, ours: Sequence[Any], theirs: Sequence[Any]) -> None:
        """Assert that two results have the same bits, NaNs being alike."""
        for x, y in zip(ours, theirs, strict=True):
            x, y = np.asarray(x), np.asarray(y)
            assert (x.shape, x.dtype) == (y.shape, y.dtype)
            np.testing.assert_array_equal(x, y)
            if self.outputs and x.dtype.kind == "f":
                np.testing.assert_array_equal(np.signbit(x), np.signbit(y))

    def _read_shape(self, source: Source) -> tuple[int, int]:
        rows, columns = self.block
        return {"window": (rows + 2, columns), "strided": (2 * rows, columns)}.get(source.read, self.block)

    def _array_shape(self, source: Source) -> tuple[int, int]:
        row, column = (1 if axis is None else self.grid[axis] for axis in source.axes)
        rows, columns = self._read_shape(source)
        return row * rows, column * columns - (self.ragged if source.axes[1] is not None else 0)

    def _in_spec(self, source: Source) -> pl.BlockSpec:
        row, column = source.axes
        return pl.BlockSpec(
            self._read_shape(source),
            lambda *steps: (0 if row is None else steps[row], 0 if column is None else steps[column]),
        )

    def _kept(self) -> tuple[int, ...]:
        return self.grid[:-1] if self.accumulates else self.grid

    def _out_shape(self) -> tuple[int, ...]:
        kept, (rows, columns) = self._kept(), self.block
        if not kept:
            return self.block
        return (*kept[:-1], rows, kept[-1] * columns - self.ragged)

    def _out_spec(self) -> pl.BlockSpec:
        kept = self._kept()
        lead = (None,) * max(len(kept) - 1, 0)
        return pl.BlockSpec(
            (*lead, *self.block),
            lambda *steps: (*steps[: len(lead)], 0, self._folded(steps[len(kept) - 1]) if kept else 0),
        )

    def _folded(self, step: Any) -> Any:
        return step % 2 if self.fault == "folded map" else step

    def _kernel(self, *refs: Any) -> None:
        step = sum((pl.program_id(axis) for axis in range(len(self.grid))), jnp.int32(0))
        late = 2 if self.fault == "late window" else 0
        values = [
            _read(source.read, ref, self.block, step, late=late)
            for source, ref in zip(self.sources, refs, strict=False)
        ]
        for name, arguments in self.ops:
            values.append(OPERATIONS[name].apply(step, *(values[k] for k in arguments)))
        scratch = refs[-1]
        for (number, _, write), ref in zip(self.outputs, refs[len(self.sources) : -1], strict=True):
            value = jnp.broadcast_to(values[number], self.block)
            if self.accumulates:
                _accumulate(ref, value, axis=len(self.grid) - 1)
            elif self.fault == "skipped store":
                pl.when(step != 1)(functools.partial(_write, write, ref, value, step, scratch))
            elif self.fault == "unset scratch" and value.dtype == jnp.float32:
                pl.when(step > 0)(functools.partial(scratch.__setitem__, ..., value))
                ref[...] = scratch[...]
            else:
                _write(write, ref, value, step, scratch)


def _integers(source: Source, shape: tuple[int, int]) -> np.ndarray[Any, Any]:
    rng = np.random.default_rng(source.seed)
    low = 0 if source.dtype in ("uint8", "bool") else -4
    return rng.integers(low, 2 if source.dtype == "bool" else 5, shape).astype(jnp.dtype(source.dtype))


def _read(how: str, ref: Any, block: tuple[int, int], step: Any, *, late: int) -> Any:
    rows, columns = block
    match how:
        case "window":
            return ref[pl.ds(step % 3 + late, rows), :]
        case "strided":
            return ref[pl.ds(0, rows, stride=2), :]
        case "gather":
            return ref[(jnp.arange(rows) + 1) % rows, :]
        case "scalar":
            return jnp.broadcast_to(ref[step % rows, columns - 1], block)
        case "rows":
            start = jnp.zeros(block, ref.dtype)
            return lax.fori_loop(
                0, rows, lambda i, x: lax.dynamic_update_slice_in_dim(x, ref[pl.ds(i, 1), :], i, 0), start
            )
        case _:
            return ref[...]


def _write(how: str, ref: Any, value: Any, step: Any, scratch: Any) -> None:
    match how:
        case "rows":

            def row(i: Any, carry: Any) -> Any:
                ref[pl.ds(i, 1), :] = lax.dynamic_slice_in_dim(value, i, 1)
                return carry

            lax.fori_loop(0, value.shape[0], row, 0)
        case "when":
            for parity in range(2):
                pl.when(step % 2 == parity)(functools.partial(ref.__setitem__, ..., value))
        case "scratch" if value.dtype == jnp.float32:
            scratch[...] = value
            ref[...] = scratch[...]
        case _:
            ref[...] = value


def _accumulate(ref: Any, value: Any, *, axis: int) -> None:
    @pl.when(pl.program_id(axis) == 0)
    def _start() -> None:
        ref[...] = jnp.zeros_like(ref)

    ref[...] += value


FAULTS = ("late window", "unset scratch", "skipped store", "folded map")
"""A window that starts two rows late; scratch read at step 0 though nobody set it; step 1 leaves its store out; an
index map that returns to earlier blocks."""


def faulty_kernels() -> st.SearchStrategy[RandomKernel]:
    """Draw a kernel with a mistake in it."""
    return st.builds(lambda kernel, fault: replace(kernel, fault=fault), kernels(), st.sampled_from(FAULTS))


@st.composite
def kernels(draw: st.DrawFn) -> RandomKernel:
    """Draw a kernel of up to three inputs, eight operations and two outputs on a grid of rank 0 to 3."""
    grid = tuple(draw(st.lists(st.integers(1, 3), max_size=3)))
    block = draw(st.sampled_from([(2, 4), (4, 8), (1, 8), (4, 2), (3, 5)]))
    accumulates = bool(grid) and draw(st.booleans())
    kept = grid[:-1] if accumulates else grid
    ragged = draw(st.integers(0, 1)) if kept else 0
    sources = tuple(draw(st.lists(_sources(len(grid), len(kept), bool(ragged)), min_size=1, max_size=3)))
    kinds = [Kind(source.dtype, block, 1.0 if source.dtype == "bool" else 4.0) for source in sources]
    ops = []
    names = [name for name, operation in OPERATIONS.items() if not (ragged and operation.mixes)]
    for name in draw(st.lists(st.sampled_from(names), max_size=8)):
        recent = range(max(0, len(kinds) - 5), len(kinds))
        choices = itertools.product(recent, repeat=OPERATIONS[name].arity)
        fitting = [numbers for numbers in choices if fits(name, tuple(kinds[k] for k in numbers))]
        if fitting:
            ops.append((name, draw(st.sampled_from(fitting))))
            kinds.append(result(name, tuple(kinds[k] for k in ops[-1][1])))
    storable = [k for k, kind in enumerate(kinds) if not accumulates or _summable(kind)]
    assume(storable)
    results = draw(st.lists(st.sampled_from(storable[-4:]), min_size=1, max_size=2))
    writes = st.sampled_from(["whole", "rows", "when", "scratch"])
    outputs = tuple((k, kinds[k], draw(writes)) for k in results)
    return RandomKernel(grid, block, sources, tuple(ops), outputs, accumulates, ragged)


def _summable(kind: Kind) -> bool:
    return kind.number and 3 * kind.size <= LARGEST.get(kind.dtype, math.inf)


def _sources(rank: int, kept: int, ragged: bool) -> st.SearchStrategy[Source]:
    axes = st.sampled_from([None, *range(rank)])
    # A ragged column belongs to the output's last axis alone, and its padding is never read as a scalar.
    columns = st.sampled_from([None, kept - 1]) if ragged else axes
    reads = ["whole", "window", "strided", "gather", "rows"] + ([] if ragged else ["scalar"])
    return st.builds(
        Source, st.sampled_from(DTYPES), st.tuples(axes, columns), st.sampled_from(reads), st.integers(0, 99)
    )
