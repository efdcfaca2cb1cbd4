"""A pretended chip: user code that asks for the device gets the chip's answers, in this thread and context alone."""

from __future__ import annotations

import functools
import threading

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.experimental import pallas as pl
from jax.experimental.pallas import tpu as pltpu

import prism.pallas
from prism.errors import UsageError

pytestmark = [pytest.mark.m6, pytest.mark.clause("CHIP-2")]
VALUES = np.arange(32 * 256, dtype=np.float32).reshape(32, 256)
ROWS = pl.BlockSpec((8, 256), lambda i: (i, 0))


def _doubled_by_pipeline(x):
    def inner(x_ref, o_ref):
        o_ref[...] = x_ref[...] * 2

    def kernel(x_ref, o_ref):
        pltpu.emit_pipeline(inner, grid=(4,), in_specs=[ROWS], out_specs=[ROWS])(x_ref, o_ref)

    main = pl.BlockSpec(memory_space=pl.ANY)
    return pl.pallas_call(kernel, in_specs=[main], out_specs=main, out_shape=jax.typeof(x))(x)


def _doubled_by_cores(x):
    mesh = pltpu.create_tensorcore_mesh("core")
    share = x.shape[0] // len(mesh.devices)

    @functools.partial(pl.kernel, out_type=jax.ShapeDtypeStruct(x.shape, x.dtype), mesh=mesh)
    def kernel(x_ref, o_ref):
        mine = pl.ds(jax.lax.axis_index("core") * share, share)

        def body(buffer):
            pltpu.sync_copy(x_ref.at[mine], buffer)
            buffer[...] = buffer[...] * 2
            pltpu.sync_copy(buffer, o_ref.at[mine])

        pl.run_scoped(body, pltpu.VMEM((share, x.shape[1]), jnp.float32))

    return kernel(x)


@pytest.mark.parametrize("chip", ["v4", "v5e", "v7x"])
@pytest.mark.parametrize("function", [_doubled_by_pipeline, _doubled_by_cores])
def test_kernels_that_ask_for_the_chip_run(chip, function) -> None:
    """`emit_pipeline` and `pl.kernel` on a mesh of the chip's cores run eagerly, under jit and under `run`."""
    x = jnp.asarray(VALUES)
    with prism.pallas.interpret(chip=chip):
        assert np.array_equal(function(x), 2 * VALUES)
        assert np.array_equal(jax.jit(function)(x), 2 * VALUES)
    assert np.array_equal(prism.pallas.run(function, chip=chip)(x), 2 * VALUES)


def test_without_a_chip_the_same_kernel_fails_as_it_did() -> None:
    """The pretence is what makes it run: a CPU has no tiling."""
    with prism.pallas.interpret(), pytest.raises(ValueError, match="Unsupported TPU device kind: cpu"):
        _doubled_by_pipeline(jnp.asarray(VALUES))


def test_user_code_is_told_of_the_chip_and_jax_runs_where_it_can() -> None:
    """Kind, platform and back end are the chip's; arrays still lie on the device of this machine."""
    with prism.pallas.interpret(chip="v6e"):
        device = jax.devices("tpu")[0]
        assert (device.device_kind, device.platform, device.num_cores) == ("TPU v6 lite", "tpu", 1)
        assert jax.default_backend() == "tpu"
        assert jax.local_devices(backend="tpu") == [device]
        assert float(jnp.sum(jnp.ones(4) + 1)) == 8.0
    with prism.pallas.interpret(chip="h100"):
        device = jax.devices("cuda")[0]
        assert (device.device_kind, device.platform) == ("NVIDIA H100 80GB HBM3", "gpu")
        assert (device.compute_capability, jax.default_backend()) == ("9.0", "gpu")


def test_the_pretence_ends_and_stays_in_its_thread() -> None:
    """Outside of the context, and in other threads inside of it, the device answers for itself."""
    stock = jax.devices()[0].device_kind, jax.devices()[0].platform, jax.default_backend()
    told = []
    with prism.pallas.interpret(chip="v5p"), prism.pallas.interpret(chip="v4"):
        assert pltpu.get_tpu_info().generation == 4
        other = threading.Thread(target=lambda: told.append(jax.devices()[0].device_kind))
        other.start()
        other.join()
    assert told == [stock[0]]
    assert (jax.devices()[0].device_kind, jax.devices()[0].platform, jax.default_backend()) == stock
    for name in ("num_cores", "compute_capability"):
        if stock[2] == "cpu":
            with pytest.raises(AttributeError):
                getattr(jax.devices()[0], name)


def test_two_chips_share_no_trace() -> None:
    """A jitted function is traced for each chip, so that none sees another's sizes."""

    @jax.jit
    def lanes(x):
        return x + pltpu.get_tpu_info().vmem_capacity_bytes

    for chip, size in (("v5e", 128), ("v5p", 64), ("v5e", 128)):
        with prism.pallas.interpret(chip=chip):
            assert int(lanes(0)) == size * 1024**2


def test_an_unknown_chip_is_refused() -> None:
    """The message lists the chips of the table."""
    with pytest.raises(UsageError, match=r"InterpretParams\.chip must be one of \(None, 'v2'.*got 'v99'"):
        prism.pallas.InterpretParams(chip="v99")
