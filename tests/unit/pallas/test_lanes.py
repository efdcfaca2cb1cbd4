"""Cores and threads of one device that run at the same time: who waits, who races, and who never goes on."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.experimental import pallas as pl
from jax.experimental.pallas import mosaic_gpu as plgpu
from jax.experimental.pallas import tpu as pltpu

import prism.pallas
from prism.pallas import DeadlockError, OutOfBoundsError, RaceError, UnsupportedError
from prism.pallas.errors import UNKNOWN_SITE
from prism.pallas.flights import Flights
from prism.pallas.lanes import Lanes
from prism.pallas.machine import Machine
from prism.pallas.memory import Ref
from prism.pallas.params import InterpretParams

pytestmark = [pytest.mark.m6, pytest.mark.filterwarnings("ignore:.*is deprecated:DeprecationWarning")]

INT = np.dtype(np.int32)
ROW = jax.ShapeDtypeStruct((4,), INT)
READY = pltpu.SemaphoreType.REGULAR


def _on_two_cores(kernel, *scratch, **params):
    mesh = pltpu.create_tensorcore_mesh("core", num_cores=2)
    with prism.pallas.interpret(**params):
        call: Any = pl.kernel(kernel, out_type=ROW, mesh=mesh, scratch_types=list(scratch))
        return call()


def _on_threads(kernel, count, scratch, *args, **params):
    with prism.pallas.interpret(**params):
        call = plgpu.kernel(kernel, out_type=ROW, scratch_types=scratch, num_threads=count, thread_name="thread")
        return call(*args)


@pytest.mark.clause("PALLAS-15")
@pytest.mark.parametrize("order", ["sequential", "reversed"])
def test_cores_meet_at_a_semaphore(order) -> None:
    """Each core signals both and waits for two signals, which no order of running one after the other can do."""

    def kernel(o_ref, ready):
        me = jax.lax.axis_index("core")
        o_ref[me] = me
        for core in range(2):
            pl.semaphore_signal(ready, 1, core_index=core)
        pl.semaphore_wait(ready, 2)
        o_ref[me + 2] = o_ref[1 - me] + 10

    assert _on_two_cores(kernel, READY, grid_order=order).tolist() == [0, 1, 11, 10]


@pytest.mark.clause("PALLAS-15")
def test_every_core_has_scratch_of_its_own() -> None:
    """What one core leaves in its scratch memory the other does not find, but shared main memory it does."""

    def kernel(o_ref, mine, ready):
        me = jax.lax.axis_index("core")
        mine[0] = me

        def body(shared):
            @pl.when(me == 0)
            def _():
                shared[0] = 7
                pl.semaphore_signal(ready, 1, core_index=1)

            @pl.when(me == 1)
            def _():
                pl.semaphore_wait(ready, 1)
                o_ref[1] = shared[0]
                o_ref[3] = 3

            o_ref[me * 2] = mine[0]

        pl.run_scoped(body, pltpu.HBM((1,), INT))

    assert _on_two_cores(kernel, pltpu.SMEM((1,), INT), READY).tolist() == [0, 7, 1, 3]


@pytest.mark.clause("PALLAS-15")
def test_cores_that_wait_for_each_other_are_a_deadlock() -> None:
    """If nobody can go on, the first to wait is reported at its line, and nothing hangs."""

    def kernel(o_ref, ready):
        me = jax.lax.axis_index("core")
        o_ref[pl.ds(2 * me, 2)] = jnp.zeros(2, jnp.int32)
        pl.semaphore_wait(ready, 1)
        pl.semaphore_signal(ready, 1, core_index=1 - me)

    with pytest.raises(
        DeadlockError, match=r"test_lanes\.py:\d+ .*ready holds 0 and a signal of 1 is waited for"
    ) as caught:
        _on_two_cores(kernel, READY)
    line = caught.value.site.line
    assert f"it never comes; another waits at {__file__}:{line} in" in str(caught.value)


@pytest.mark.clause("PALLAS-15")
def test_a_signal_to_a_core_that_is_not_there() -> None:
    """The core's number is checked like any index."""

    def kernel(o_ref, ready):
        pl.semaphore_signal(ready, 1, core_index=2)
        o_ref[...] = jnp.zeros(4, jnp.int32)

    with pytest.raises(OutOfBoundsError, match="a signal to core 2 of ready, and there are 2 cores"):
        _on_two_cores(kernel, READY)


@pytest.mark.clause("PALLAS-12")
@pytest.mark.parametrize("waits", [True, False])
@pytest.mark.parametrize("second", ["writes", "reads"])
def test_an_element_is_handed_over_by_a_signal(second, waits) -> None:
    """To write, or to read, what another core wrote is a race unless a signal came in between."""

    def kernel(o_ref, ready):
        me = jax.lax.axis_index("core")

        @pl.when(me == 0)
        def _():
            o_ref[...] = jnp.zeros(4, jnp.int32)
            if waits:
                pl.semaphore_signal(ready, 1, core_index=1)

        @pl.when(me == 1)
        def _():
            if waits:
                pl.semaphore_wait(ready, 1)
            if second == "writes":
                o_ref[3] = 5
            else:
                jax.debug.print("{}", o_ref[3])

    if waits:
        assert _on_two_cores(kernel, READY)[3] == (5 if second == "writes" else 0)
        return
    message = {
        "writes": r"grid steps \(0,\) and \(1,\) both write element \(3,\) of o_ref, and may run in either order",
        "reads": r"grid step \(1,\) reads element \(3,\) of o_ref, which \(0,\) writes, without waiting, and may",
    }
    with pytest.raises(RaceError, match=message[second]):
        _on_two_cores(kernel, READY)


@pytest.mark.clause("PALLAS-12")
@pytest.mark.parametrize("waits", [True, False])
def test_a_copy_in_flight_is_not_to_be_read(waits) -> None:
    """What an asynchronous copy writes belongs to who waited for it."""

    def kernel(x_ref, o_ref, copy_ref, barrier):
        plgpu.copy_gmem_to_smem(x_ref, copy_ref, barrier)
        if waits:
            plgpu.barrier_wait(barrier)
        o_ref[...] = copy_ref[...]

    x, scratch = np.arange(4, dtype=np.int32), [plgpu.SMEM((4,), np.int32), plgpu.Barrier()]
    if waits:
        np.testing.assert_array_equal(_on_threads(kernel, 1, scratch, x), x)
        return
    with pytest.raises(RaceError, match=r"grid step \(0,\) uses element \(0,\) of scratch0, which a copy in flight"):
        _on_threads(kernel, 1, scratch, x)


@pytest.mark.clause("PALLAS-12")
@pytest.mark.parametrize("mode", ["debug", "fast"])
@pytest.mark.parametrize("slot", [0, 1])
def test_a_copy_is_used_before_the_wait(slot, mode) -> None:
    """In a plain kernel too: the slot that is being filled is not to be read, and the other one may be."""

    def kernel(x_ref, o_ref, slots, done):
        slots[...] = jnp.zeros((2, 4), jnp.int32)
        copy = pltpu.make_async_copy(x_ref, slots.at[0], done)
        copy.start()
        early = slots[slot]
        copy.wait()
        o_ref[...] = early + slots[0]

    scratch = [pltpu.VMEM((2, 4), INT), pltpu.SemaphoreType.DMA]
    specs = [pl.BlockSpec(memory_space=pl.ANY)]
    call = pl.pallas_call(kernel, out_shape=ROW, in_specs=specs, scratch_shapes=scratch)
    x = np.arange(4, dtype=np.int32)
    if slot == 1:
        np.testing.assert_array_equal(prism.pallas.run(call, mode=mode)(x), x)
        return
    with pytest.raises(RaceError, match=r"test_lanes\.py:\d+ .*uses element \(0, 0\) of slots, which a copy in flight"):
        prism.pallas.run(call, mode=mode)(x)


@pytest.mark.clause("PALLAS-15")
def test_threads_hand_a_buffer_back_and_forth() -> None:
    """A producer and a consumer share one tiled buffer under two barriers, phase after phase."""

    def kernel(x_ref, o_ref, buffer, full, empty):
        me = jax.lax.axis_index("thread")

        @pl.when(me == 0)
        def _():
            for k in range(4):
                buffer[...] = jnp.full((16, 16), x_ref[k])
                plgpu.barrier_arrive(full)
                plgpu.barrier_wait(empty)

        @pl.when(me == 1)
        def _():
            for k in range(4):
                plgpu.barrier_wait(full)
                o_ref[k] = jnp.sum(buffer[7:9, 10])
                plgpu.barrier_arrive(empty)

    tiles = (plgpu.TilingTransform((8, 8)), plgpu.SwizzleTransform(32))
    scratch = [plgpu.SMEM((16, 16), np.int32, transforms=tiles), plgpu.Barrier(), plgpu.Barrier()]
    assert _on_threads(kernel, 2, scratch, np.arange(4, dtype=np.int32)).tolist() == [0, 2, 4, 6]


@pytest.mark.clause("PALLAS-15")
@pytest.mark.parametrize(
    ("arrivals", "waits", "message"),
    [
        (2, 0, "completes phase 2 before anyone waited for phase 1"),
        (1, 2, "is in phase 1 and phase 2 is waited for: it never comes"),
    ],
)
def test_a_barrier_counts_its_phases(arrivals, waits, message) -> None:
    """A phase that nobody waits for is lost, and one that nobody completes never comes."""

    def kernel(o_ref, barrier):
        for _ in range(arrivals):
            plgpu.barrier_arrive(barrier)
        for _ in range(waits):
            plgpu.barrier_wait(barrier)
        o_ref[...] = jnp.zeros(4, jnp.int32)

    with pytest.raises(DeadlockError, match=message):
        _on_threads(kernel, 1, [plgpu.Barrier()])


@pytest.mark.clause("PALLAS-15")
def test_a_thread_must_not_sleep_through_a_phase() -> None:
    """A barrier has no memory of phases: who comes for one that is over is reported."""

    def kernel(o_ref, barrier, go):
        me = jax.lax.axis_index("thread")

        @pl.when(me == 0)
        def _():
            plgpu.barrier_arrive(barrier)
            plgpu.barrier_wait(barrier)
            plgpu.barrier_arrive(barrier)
            plgpu.barrier_arrive(go)

        @pl.when(me == 1)
        def _():
            plgpu.barrier_wait(go)
            plgpu.barrier_wait(barrier)
            o_ref[...] = jnp.zeros(4, jnp.int32)

    with pytest.raises(DeadlockError, match="scratch0 is in phase 2 and phase 1, which is over, is waited for"):
        _on_threads(kernel, 2, [plgpu.Barrier(), plgpu.Barrier()])


@pytest.mark.clause("PALLAS-9")
@pytest.mark.parametrize(
    ("copy", "what"),
    [
        (lambda x, y, b: plgpu.copy_gmem_to_smem(x, y, b, collective_axes="block"), "a copy to several blocks of a"),
        (lambda x, y, _: plgpu.copy_smem_to_gmem(y, x, reduction_op="max"), "a copy that reduces by max"),
    ],
)
def test_copies_of_other_kinds_are_refused(copy, what) -> None:
    """A copy that is more than a copy, or to more than one place, is named."""

    def kernel(x_ref, _, copy_ref, barrier):
        copy(x_ref, copy_ref, barrier)

    scratch = [plgpu.SMEM((4,), INT), plgpu.Barrier()]
    call = plgpu.kernel(kernel, out_type=ROW, scratch_types=scratch, cluster=(2,), cluster_names=("block",))
    with prism.pallas.interpret(), pytest.raises(UnsupportedError, match=f"no rule for {what}"):
        call(np.zeros(4, np.int32))


@pytest.mark.clause("PALLAS-9")
def test_a_barrier_outside_of_a_mesh_is_refused() -> None:
    """A plain call has no threads that could meet."""

    def kernel(o_ref, barrier):
        plgpu.barrier_arrive(barrier)
        o_ref[...] = jnp.zeros(4, jnp.int32)

    call = pl.pallas_call(kernel, out_shape=ROW, scratch_shapes=[plgpu.Barrier()])
    with prism.pallas.interpret(), pytest.raises(UnsupportedError, match="no rule for a barrier outside of a mesh"):
        call()


@pytest.mark.clause("PALLAS-9")
def test_several_barriers_at_once_are_refused() -> None:
    """An access to a barrier names one."""

    def kernel(o_ref, barriers):
        plgpu.barrier_arrive(barriers)
        o_ref[...] = jnp.zeros(4, jnp.int32)

    with pytest.raises(UnsupportedError, match="no rule for an access to several barriers at once"):
        _on_threads(kernel, 1, [plgpu.Barrier(num_barriers=2)])


def test_shared_memory_is_freed_when_the_last_lane_leaves() -> None:
    """Two lanes share one allocation a visit, and what a semaphore in it knew is forgotten with it."""
    machine = Machine("k", InterpretParams(), site=UNKNOWN_SITE)
    lanes, made = Lanes(machine, np.arange(2), Flights("eager", 0)), []

    def make():
        made.append(Ref("ready", np.zeros(1, np.int32), machine))
        return made[-1]

    def body(_):
        for _visit in range(3):
            with lanes.scope():
                ready = lanes.shared("here", None, 2, make)
                ready.data += 1
                lanes.release(ready.data)
                lanes.wait(lambda ready=ready: ready.data[0] == 2)
                lanes.acquire(ready.data)

    lanes.run([0, 1], body)
    assert [ref.data.tolist() for ref in made] == [[2]] * 3
    assert not lanes._shared
    assert not lanes._clocks


def test_a_failure_ends_the_lanes_that_wait() -> None:
    """When one lane fails, those that wait are unwound, and their clean-up runs."""
    machine, ended = Machine("k", InterpretParams(), site=UNKNOWN_SITE), []
    lanes = Lanes(machine, np.arange(3), Flights("eager", 0))

    def body(steps):
        if steps == [2]:
            raise ValueError("lane 2 fails")
        try:
            lanes.wait(lambda: False)
        finally:
            ended.append(lanes.current)

    with pytest.raises(ValueError, match="lane 2 fails"):
        lanes.run([0, 1, 2], body)
    assert len(ended) == 2
