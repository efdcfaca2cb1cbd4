"""Which calls the interpreter gets, how, and what reaches the caller."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import export
from jax.experimental import pallas as pl
from jax.experimental.pallas import tpu as pltpu
from jax.experimental.pallas import triton as plt_triton
from jax.sharding import Mesh, PartitionSpec

import prism.pallas
from prism.pallas import InterpretParams, OutOfBoundsError
from tests.unit.pallas.kernels import REACH_LINE, double, reach_beyond

pytestmark = pytest.mark.m6

X = np.arange(8, dtype=np.float32)


def _runs(function, *args):
    before = prism.pallas.kernels_run()
    result = jax.block_until_ready(function(*args))
    return prism.pallas.kernels_run() - before, result


@pytest.mark.clause("PALLAS-2")
@pytest.mark.parametrize("interpret", [False, True, InterpretParams(), pltpu.InterpretParams()])
def test_every_call_inside_the_context_is_ours(interpret) -> None:
    """The call's own `interpret` does not matter."""
    with prism.pallas.interpret():
        runs, result = _runs(lambda x: double(x, interpret), X)
    assert runs == 1
    np.testing.assert_array_equal(result, 2 * X)


@pytest.mark.clause("PALLAS-2")
def test_transformations() -> None:
    """jit, vmap, jvp and shard_map reach the interpreter, alone and in a larger program."""
    mesh = Mesh(np.array(jax.devices()[:1]), "d")
    spec = PartitionSpec("d")
    sharded = jax.shard_map(double, mesh=mesh, in_specs=spec, out_specs=spec, check_vma=False)
    with prism.pallas.interpret():
        for function in (jax.jit(double), jax.jit(lambda x: double(x + 0.0)), jax.jit(sharded)):
            runs, result = _runs(function, X)
            assert runs == 1
            np.testing.assert_array_equal(result, 2 * X)
        runs, result = _runs(jax.vmap(double), np.stack([X, -X]))
        assert runs == 1
        np.testing.assert_array_equal(result, np.stack([2 * X, -2 * X]))
        runs, (_, tangent) = _runs(lambda x: jax.jvp(double, (x,), (x,)), jnp.asarray(X))
        assert runs == 1
        np.testing.assert_array_equal(tangent, 2 * X)
        with jax.disable_jit():
            assert _runs(double, X)[0] == 1


@pytest.mark.clause("PALLAS-2")
def test_outside_of_the_context_nothing_changes() -> None:
    """A function that was traced inside is stock's again outside; without interpret mode stock still refuses."""
    function = jax.jit(lambda x: double(x, True))
    with prism.pallas.interpret():
        assert _runs(function, X)[0] == 1
    assert _runs(function, X)[0] == 0
    with pytest.raises(ValueError, match="interpret mode"):
        double(X)


@pytest.mark.clause("PALLAS-2")
def test_one_call_may_ask_for_it() -> None:
    """`interpret=InterpretParams(...)` needs no context, eagerly and in a compiled program."""
    params = InterpretParams(mode="debug")
    assert _runs(lambda x: double(x, params), X)[0] == 1
    assert _runs(jax.jit(lambda x: double(x, params) - 1.0), X)[0] == 1


@pytest.mark.clause("PALLAS-3")
def test_an_eager_call_compiles_nothing(monkeypatch) -> None:
    """No XLA program is built for a call on concrete arrays, nor for `run` of a larger function."""

    def refuse(*_, **__):
        raise AssertionError("XLA was asked to compile")

    monkeypatch.setattr("jax._src.compiler.backend_compile_and_load", refuse)
    with prism.pallas.interpret():
        np.testing.assert_array_equal(double(X, block=2), 2 * X)
    np.testing.assert_allclose(prism.pallas.run(lambda x: jnp.sin(double(x)))(X), np.sin(2 * X), rtol=1e-6)


@pytest.mark.clause("PALLAS-13")
@pytest.mark.parametrize("wrap", [lambda f: f, jax.jit, lambda f: jax.jit(lambda x: f(x) + 1.0), prism.pallas.run])
def test_a_report_keeps_its_type_and_its_line(wrap) -> None:
    """Also out of a compiled program; the first line of the message is the kernel's file and line, then its text."""
    with prism.pallas.interpret(), pytest.raises(OutOfBoundsError) as info:
        jax.block_until_ready(wrap(reach_beyond)(X[:8]))
    first, text = str(info.value).splitlines()[:2]
    assert f"kernels.py:{REACH_LINE} in reach_beyond" in first
    assert text.strip() == "o_ref[...] = x_ref[pl.ds(start, 4)]"
    assert (info.value.step, info.value.ref, info.value.shape) == ((1,), "x_ref", (8,))


@pytest.mark.clause("PALLAS-13")
def test_a_report_is_logged_only_where_nobody_waits_for_it(caplog) -> None:
    """Inside the context the caller gets the error and JAX logs nothing; a program taken outside logs it."""
    program = jax.jit(lambda x: reach_beyond(x) + 1.0)
    with prism.pallas.interpret():
        with pytest.raises(OutOfBoundsError):
            program(X[:8])
        assert not caplog.records
        compiled = program.lower(X[:8]).compile()
    with pytest.raises(jax.errors.JaxRuntimeError, match="is outside of x_ref"):
        jax.block_until_ready(compiled(X[:8]))
    assert "is outside of x_ref" in caplog.text


@pytest.mark.clause("PALLAS-2")
def test_a_program_for_another_machine_is_left_alone() -> None:
    """What is exported for an accelerator holds the kernel itself, of any shape, and no callback of this process."""
    shapes = export.symbolic_shape("n, 128")
    spec = pl.BlockSpec((8, 128), lambda i: (i, 0))

    def f(x):
        grid = (x.shape[0] // 8,)
        return pl.pallas_call(_copy, grid=grid, in_specs=[spec], out_specs=spec, out_shape=jax.typeof(x))(x)

    with prism.pallas.interpret():
        exported = export.export(jax.jit(f), platforms=["tpu"])(jax.ShapeDtypeStruct(shapes, np.float32))
    assert "tpu_custom_call" in exported.mlir_module()
    assert "callback" not in exported.mlir_module()


def _copy(x_ref, o_ref):
    o_ref[...] = x_ref[...]


@pytest.mark.clause("PALLAS-16")
def test_the_callers_arrays_never_change() -> None:
    """A kernel that stores into its inputs stores into a copy."""
    from jax.experimental import pallas as pl

    def kernel(x_ref, o_ref):
        x_ref[0] = 9.0
        o_ref[...] = x_ref[...]

    call = pl.pallas_call(kernel, out_shape=jax.ShapeDtypeStruct((8,), np.float32))
    for mode in ("debug", "fast", "compiled"):
        x = X.copy()
        assert prism.pallas.run(call, mode=mode)(x)[0] == 9.0
        np.testing.assert_array_equal(x, X)


@pytest.mark.clause("PALLAS-12")
def test_gpu_parameters_make_every_axis_parallel() -> None:
    """What is legal accumulation without parameters is a race under Triton's; an atomic is none."""
    from jax.experimental import pallas as pl

    def store(x_ref, o_ref):
        o_ref[0] = x_ref[0]

    def add(x_ref, _, o_ref):
        plt_triton.atomic_add(o_ref, (0,), x_ref[0])

    def call(kernel, **options):
        shape = jax.ShapeDtypeStruct((1,), np.float32)
        return prism.pallas.run(pl.pallas_call(kernel, grid=(3,), out_shape=shape, **options))

    assert call(store)(X)[0] == 0.0
    triton = plt_triton.CompilerParams()
    with pytest.raises(prism.pallas.RaceError, match=r"steps \(0,\) and \(1,\) both write element \(0,\) of o_ref"):
        call(store, compiler_params=triton)(X)
    zero = np.zeros(1, np.float32)
    assert call(add, compiler_params=triton, input_output_aliases={1: 0})(X + 1, zero)[0] == 3.0


@pytest.mark.clause("PALLAS-13")
def test_a_kernel_of_a_backward_pass_is_named_by_its_own_line() -> None:
    """JAX gives what a backward rule traces the lines of the forward call; a kernel's are its own."""

    @jax.custom_vjp
    def doubled(x):
        return double(x)

    doubled.defvjp(lambda x: (double(x), None), lambda _, g: (reach_beyond(g),))
    with prism.pallas.interpret(), pytest.raises(OutOfBoundsError) as caught:
        jax.grad(lambda x: doubled(x).sum())(jnp.arange(8, dtype=jnp.float32))
    assert caught.value.site.line == REACH_LINE
