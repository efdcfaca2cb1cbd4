"""Kernels that misuse asynchronous copies, each with the twin that does not; `wrong` chooses, and a mark has the line.

All copy four chunks of eight rows out of main memory, or into it; a program returns the output and what it should be.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.experimental import pallas as pl
from jax.experimental.pallas import tpu as pltpu

from prism.pallas import DeadlockError, KernelError, RaceError, SemaphoreError
from tests.planted.bug import MARK

Program = Callable[[bool], tuple[Callable[[], Any], Any]]
X = np.arange(32 * 128, dtype=np.float32).reshape(32, 128)
CHUNK = (8, 128)
BUFFER, SEM = pltpu.VMEM(CHUNK, jnp.float32), pltpu.SemaphoreType.DMA
copy = pltpu.make_async_copy


@dataclass(frozen=True, slots=True)
class Hazard:
    """A fault and its twin: the program and the error."""

    program: Program
    error: type[KernelError]

    @property
    def name(self) -> str:
        """The program's name with spaces."""
        return self.program.__name__.strip("_").replace("_", " ")

    @property
    def place(self) -> tuple[str, int]:
        """File name and line of the program's only line that bears the mark."""
        lines, first = inspect.getsourcelines(self.program)
        (offset,) = (number for number, line in enumerate(lines) if MARK in line)
        return Path(inspect.getsourcefile(self.program) or "").name, first + offset


HAZARDS: list[Hazard] = []


def _planted(error: type[KernelError]) -> Callable[[Program], Program]:
    def keep(program: Program) -> Program:
        HAZARDS.append(Hazard(program, error))
        return program

    return keep


def _rows(ref, k, n=8):
    return ref.at[pl.ds(k * 8, n)]


def _into(kernel, want, *scratch, rows=8, **named):
    """Return a call whose input stays in main memory and whose output is a block."""
    main = pl.BlockSpec(memory_space=pl.ANY)
    out = jax.ShapeDtypeStruct((rows, 128), jnp.float32)
    call = pl.pallas_call(kernel, in_specs=[main], out_shape=out, scratch_shapes=scratch, **named)
    return lambda: call(X), want


@_planted(RaceError)
def _read_before_the_wait(wrong):
    def kernel(x_ref, o_ref, a_ref, sem):
        one = copy(_rows(x_ref, 1), a_ref, sem)
        one.start()
        if not wrong:
            one.wait()
        o_ref[...] = a_ref[...]  # BUG
        if wrong:
            one.wait()

    return _into(kernel, X[8:16], BUFFER, SEM)


@_planted(RaceError)
def _two_copies_on_one_semaphore(wrong):
    def kernel(x_ref, o_ref, a_ref, b_ref, sem):
        one, two = copy(_rows(x_ref, 0), a_ref, sem), copy(_rows(x_ref, 1), b_ref, sem)
        one.start()
        two.start()
        one.wait()
        if not wrong:
            two.wait()
        o_ref[...] = a_ref[...]  # BUG
        if wrong:
            two.wait()
        o_ref[...] += b_ref[...]

    return _into(kernel, X[:8] + X[8:16], BUFFER, BUFFER, SEM)


@_planted(RaceError)
def _the_other_semaphore(wrong):
    def kernel(x_ref, o_ref, a_ref, b_ref, sems):
        one, two = copy(_rows(x_ref, 0), a_ref, sems.at[0]), copy(_rows(x_ref, 1), b_ref, sems.at[1])
        one.start()
        two.start()
        (two if wrong else one).wait()
        o_ref[...] = a_ref[...]  # BUG
        (one if wrong else two).wait()
        o_ref[...] += b_ref[...]

    return _into(kernel, X[:8] + X[8:16], BUFFER, BUFFER, pltpu.SemaphoreType.DMA((2,)))


def _out_of(kernel, want, *scratch, rows=32, **named):
    """Return a call whose output stays in main memory and whose input is a block."""
    main = pl.BlockSpec(memory_space=pl.ANY)
    out = jax.ShapeDtypeStruct((rows, 128), jnp.float32)
    call = pl.pallas_call(kernel, out_specs=main, out_shape=out, scratch_shapes=scratch, **named)
    return lambda: call(X), want


@_planted(RaceError)
def _the_source_changes_in_flight(wrong):
    def kernel(x_ref, o_ref, a_ref, sem):
        a_ref[...] = x_ref[:8]
        one = copy(a_ref, o_ref, sem)
        one.start()
        if not wrong:
            one.wait()
        a_ref[...] = jnp.zeros_like(a_ref)  # BUG
        if wrong:
            one.wait()

    return _out_of(kernel, X[:8], BUFFER, SEM, rows=8)


@_planted(RaceError)
def _the_target_is_written_in_flight(wrong):
    def kernel(x_ref, o_ref, a_ref, sem):
        one = copy(_rows(x_ref, 2), a_ref, sem)
        one.start()
        if not wrong:
            one.wait()
        a_ref[0:1, :] = jnp.zeros((1, 128))  # BUG
        if wrong:
            one.wait()
        o_ref[...] = a_ref[...]

    want = X[16:24].copy()
    want[0] = 0
    return _into(kernel, want, BUFFER, SEM)


@_planted(RaceError)
def _two_copies_to_one_target(wrong):
    def kernel(x_ref, o_ref, a_ref, sems):
        one, two = copy(_rows(x_ref, 0), a_ref, sems.at[0]), copy(_rows(x_ref, 1), a_ref, sems.at[1])
        one.start()
        if not wrong:
            one.wait()
        two.start()  # BUG
        if wrong:
            one.wait()
        two.wait()
        o_ref[...] = a_ref[...]

    return _into(kernel, X[8:16], BUFFER, pltpu.SemaphoreType.DMA((2,)))


@_planted(SemaphoreError)
def _a_copy_nobody_waits_for(wrong):
    def kernel(x_ref, o_ref, a_ref, sems):
        copy(_rows(x_ref, 0), a_ref.at[0], sems.at[0]).start()
        copy(_rows(x_ref, 1), a_ref.at[1], sems.at[1]).start()  # BUG
        copy(_rows(x_ref, 0), a_ref.at[0], sems.at[0]).wait()
        if not wrong:
            copy(_rows(x_ref, 1), a_ref.at[1], sems.at[1]).wait()
        o_ref[...] = a_ref[0]

    return _into(kernel, X[:8], pltpu.VMEM((2, 8, 128), jnp.float32), pltpu.SemaphoreType.DMA((2,)))


@_planted(RaceError)
def _the_other_slot_of_a_double_buffer(wrong):
    def kernel(x_ref, o_ref, a_ref, sems):
        def chunk(k):
            slot = lax.rem(k, 2)
            return copy(x_ref.at[pl.ds(k * 8, 8)], a_ref.at[slot], sems.at[slot])

        o_ref[...] = jnp.zeros_like(o_ref)
        chunk(0).start()

        @pl.loop(0, 4)
        def _(k):
            @pl.when(k < 3)
            def _():
                chunk(k + 1).start()

            chunk(k).wait()
            o_ref[...] += a_ref[lax.rem(k + 1, 2) if wrong else lax.rem(k, 2)]  # BUG

    want = X.reshape(4, 8, 128).sum(0)
    return _into(kernel, want, pltpu.VMEM((2, 8, 128), jnp.float32), pltpu.SemaphoreType.DMA((2,)))


@_planted(DeadlockError)
def _waits_twice(wrong):
    def kernel(x_ref, o_ref, a_ref, sem):
        one = copy(_rows(x_ref, 0), a_ref, sem)
        one.start()
        one.wait()
        if wrong:
            one.wait()  # BUG
        o_ref[...] = a_ref[...]

    return _into(kernel, X[:8], BUFFER, SEM)


@_planted(DeadlockError)
def _waits_for_what_was_never_started(wrong):
    def kernel(x_ref, o_ref, a_ref, sem):
        one = copy(_rows(x_ref, 0), a_ref, sem)
        pl.when(pl.program_id(0) < (0 if wrong else 1))(one.start)
        one.wait()  # BUG
        o_ref[...] = a_ref[...]

    return _into(kernel, X[:8], BUFFER, SEM, grid=(1,))


@_planted(DeadlockError)
def _waits_for_more_bytes(wrong):
    def kernel(x_ref, o_ref, a_ref, sem):
        copy(_rows(x_ref, 0), _rows(a_ref, 0), sem).start()
        rows = 16 if wrong else 8
        copy(_rows(x_ref, 0, rows), _rows(a_ref, 0, rows), sem).wait()  # BUG
        o_ref[...] = a_ref[:8]

    return _into(kernel, X[:8], pltpu.VMEM((16, 128), jnp.float32), SEM)


@_planted(RaceError)
def _waits_for_fewer_bytes(wrong):
    def kernel(x_ref, o_ref, a_ref, sem):
        copy(_rows(x_ref, 0), a_ref, sem).start()
        part = a_ref.at[pl.ds(0, 4 if wrong else 8)]
        copy(part, part, sem).wait()
        o_ref[...] = a_ref[...]  # BUG
        if wrong:
            copy(part, part, sem).wait()

    return _into(kernel, X[:8], BUFFER, SEM)


@_planted(RaceError)
def _a_buffer_is_filled_again(wrong):
    def kernel(x_ref, o_ref, a_ref, sem):
        @pl.loop(0, 4)
        def _(k):
            if wrong:
                pl.when(k > 1)(copy(a_ref, o_ref.at[pl.ds(0, 8)], sem).wait)
            else:
                pl.when(k > 0)(copy(a_ref, o_ref.at[pl.ds(0, 8)], sem).wait)
            a_ref[...] = x_ref[pl.ds(k * 8, 8)]  # BUG
            copy(a_ref, o_ref.at[pl.ds(k * 8, 8)], sem).start()

        for _ in range(2 if wrong else 1):
            copy(a_ref, o_ref.at[pl.ds(0, 8)], sem).wait()

    return _out_of(kernel, X, BUFFER, SEM)


@_planted(RaceError)
def _a_copy_of_what_is_still_coming(wrong):
    def kernel(x_ref, o_ref, a_ref, b_ref, sems):
        one, two = copy(_rows(x_ref, 3), a_ref, sems.at[0]), copy(a_ref, b_ref, sems.at[1])
        one.start()
        if not wrong:
            one.wait()
        two.start()  # BUG
        if wrong:
            one.wait()
        two.wait()
        o_ref[...] = b_ref[...]

    return _into(kernel, X[24:], BUFFER, BUFFER, pltpu.SemaphoreType.DMA((2,)))


@_planted(RaceError)
def _a_wait_in_one_step_alone(wrong):
    def kernel(x_ref, o_ref, a_ref, sem):
        step = pl.program_id(0)
        one = copy(x_ref.at[pl.ds(step * 8, 8)], a_ref, sem)
        one.start()
        pl.when(step < (1 if wrong else 4))(one.wait)
        o_ref[...] = a_ref[...]  # BUG
        pl.when(step >= (1 if wrong else 4))(one.wait)

    spec = pl.BlockSpec((8, 128), lambda i: (i, 0))
    return _into(kernel, X, BUFFER, SEM, rows=32, grid=(4,), out_specs=spec)


@_planted(SemaphoreError)
def _a_prefetch_beyond_the_last_step(wrong):
    def kernel(x_ref, o_ref, a_ref, sems):
        step = pl.program_id(0)

        def chunk(k):
            slot = lax.rem(k, 2)
            return copy(x_ref.at[pl.ds(lax.rem(k, 4) * 8, 8)], a_ref.at[slot], sems.at[slot])

        pl.when(step == 0)(lambda: chunk(step).start())
        pl.when(step < (4 if wrong else 3))(lambda: chunk(step + 1).start())  # BUG
        chunk(step).wait()
        o_ref[...] = a_ref[lax.rem(step, 2)]

    spec = pl.BlockSpec((8, 128), lambda i: (i, 0))
    scratch = pltpu.VMEM((2, 8, 128), jnp.float32), pltpu.SemaphoreType.DMA((2,))
    return _into(kernel, X, *scratch, rows=32, grid=(4,), out_specs=spec)


@_planted(RaceError)
def _the_last_row_of_a_copy(wrong):
    def kernel(x_ref, o_ref, a_ref, sem):
        a_ref[8:] = jnp.zeros((8, 128))
        one = copy(_rows(x_ref, 0), _rows(a_ref, 0), sem)
        one.start()
        o_ref[...] = a_ref[7:15] if wrong else a_ref[8:16]  # BUG
        one.wait()

    return _into(kernel, np.zeros(CHUNK), pltpu.VMEM((16, 128), jnp.float32), SEM)


@_planted(SemaphoreError)
def _a_signal_nobody_waits_for(wrong):
    def kernel(x_ref, o_ref, a_ref, sem, ready):
        pltpu.sync_copy(_rows(x_ref, 0), a_ref)
        copy(_rows(x_ref, 1), a_ref, sem).start()
        pl.semaphore_signal(ready, 2)  # BUG
        copy(_rows(x_ref, 1), a_ref, sem).wait()
        pl.semaphore_wait(ready, 1 if wrong else 2)
        o_ref[...] = a_ref[...]

    return _into(kernel, X[8:16], BUFFER, SEM, pltpu.SemaphoreType.REGULAR)


@_planted(SemaphoreError)
def _a_scope_ends_before_its_copy(wrong):
    def kernel(x_ref, o_ref, a_ref):
        def scope(sem):
            one = copy(_rows(x_ref, 0), a_ref, sem)
            one.start()  # BUG
            if not wrong:
                one.wait()

        pl.run_scoped(scope, SEM)
        o_ref[...] = jnp.zeros_like(o_ref) if wrong else a_ref[...]

    return _into(kernel, X[:8], BUFFER)


@_planted(RaceError)
def _one_wait_too_few(wrong):
    def kernel(x_ref, o_ref, a_ref, sem):
        def chunk(k):
            return copy(x_ref.at[pl.ds(k * 8, 8)], a_ref.at[k], sem)

        pl.loop(0, 4)(lambda k: chunk(k).start())
        pl.loop(0, 3 if wrong else 4)(lambda k: chunk(k).wait())
        o_ref[...] = a_ref[0] + a_ref[2]  # BUG
        if wrong:
            chunk(3).wait()

    return _into(kernel, X[:8] + X[16:24], pltpu.VMEM((4, 8, 128), jnp.float32), SEM)


@_planted(RaceError)
def _the_next_chunk_on_the_same_semaphore(wrong):
    def kernel(x_ref, o_ref, a_ref, sems):
        def chunk(k):
            slot = lax.rem(k, 2)
            return copy(x_ref.at[pl.ds(k * 8, 8)], a_ref.at[slot], sems.at[0 if wrong else slot])

        o_ref[...] = jnp.zeros_like(o_ref)
        chunk(0).start()

        @pl.loop(0, 4)
        def _(k):
            pl.when(k < 3)(lambda: chunk(k + 1).start())
            chunk(k).wait()
            o_ref[...] += a_ref[lax.rem(k, 2)]  # BUG

    want = X.reshape(4, 8, 128).sum(0)
    return _into(kernel, want, pltpu.VMEM((2, 8, 128), jnp.float32), pltpu.SemaphoreType.DMA((2,)))
