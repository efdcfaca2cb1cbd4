"""Every use of private JAX, for jax 0.10.2 and the 0.11 and 0.12 lines; nothing else in this package imports it."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable, Hashable, Iterator, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import jax
import numpy as np
from jax._src import callback, checkify, config, debugging, pjit, source_info_util, state, traceback_util, xla_bridge
from jax._src import core as jax_core
from jax._src import dtypes as jax_dtypes
from jax._src.indexing import Slice as Slice
from jax._src.interpreters import mlir, pxla
from jax._src.pallas import core as pallas_core
from jax._src.pallas import pallas_call
from jax._src.pallas.core import Blocked as Blocked
from jax._src.pallas.core import Element as Element
from jax._src.pallas.core import Squeezed as Squeezed
from jax._src.pallas.core import is_dynamic_dim as is_dynamic_dim
from jax._src.state.indexing import NDIndexer as NDIndexer
from jax._src.state.types import BitcastTransform as BitcastTransform
from jax._src.state.types import ReshapeTransform as ReshapeTransform
from jax._src.state.types import TransformedRef as TransformedRef
from jax._src.state.types import TransposeTransform as TransposeTransform

from prism.errors import PrismError
from prism.pallas.dtypes import DType, Parameters
from prism.pallas.errors import UNKNOWN_SITE, KernelSite
from prism.pallas.params import InterpretParams

JaxObject = Any
"""An object of JAX's own whose type differs between its versions, or is private."""
CALLBACK_LOGGER = callback.__name__
"""The logger to which JAX writes every exception of a callback."""
Literal = jax_core.Literal
_JAX = str(Path(jax.__file__).parent)
_SEMAPHORE_COUNT = np.dtype(np.int32)


def open_jaxpr(jaxpr: JaxObject) -> tuple[JaxObject, Sequence[JaxObject]]:
    """Return a jaxpr with its constants; from 0.11 on, closed jaxprs are jaxprs."""
    inner = getattr(jaxpr, "jaxpr", jaxpr)
    return inner, getattr(jaxpr, "consts", ())


def is_ref(aval: JaxObject) -> bool:
    """Whether a variable of this type is a reference to memory."""
    return isinstance(aval, state.AbstractRef)


def site_of(equation: JaxObject) -> KernelSite:
    """Return where in the user's source an equation was traced."""
    frame = source_info_util.user_frame(equation.source_info.traceback)
    return UNKNOWN_SITE if frame is None else KernelSite(frame.file_name, frame.start_line, frame.function_name)


def function_site(jaxpr: JaxObject) -> KernelSite:
    """Return where the function was defined of which a jaxpr is the trace, or `UNKNOWN_SITE` if JAX does not say."""
    name, _, place = (jaxpr.debug_info.func_src_info or "").rpartition(" at ")
    file, _, line = place.rpartition(":")
    known = line.isdigit() and not file.startswith(_JAX)
    return KernelSite(file, int(line), name) if known else UNKNOWN_SITE


def cpu_position(platforms: Sequence[JaxObject]) -> int:
    """Return which branch of a platform-dependent choice serves the CPU; None is the default branch."""
    for position, group in enumerate(platforms):
        if group is None or "cpu" in group:
            return position
    return len(platforms) - 1


def format_debug(parameters: Parameters, operands: Sequence[JaxObject]) -> str:
    """Return the text of a `debug_print`."""
    text: list[str] = []

    def show(*args: JaxObject, **named: JaxObject) -> None:
        fmt, filled = parameters["fmt"], parameters["has_placeholders"]
        text.append(fmt.format(*args, **named) if filled else " ".join((fmt, *map(str, args))))

    debugging._make_flat_callback(parameters["in_tree"], show, parameters["static_args"])(*operands)
    return text[0]


def failed_check(parameters: Parameters, operands: Sequence[JaxObject]) -> str:
    """Return what a `check` that does not hold says, or ""; a debug check always holds unless they are enabled."""
    if parameters["debug"] and not pallas_core.debug_checks_enabled():
        return ""
    error = jax.tree.unflatten(parameters["err_tree"], [np.asarray(v) for v in operands])
    if not any(np.any(failed) for failed in error._pred.values()):
        return ""
    return error.get().partition(" (`check` failed)")[0]


def scan_parts(parameters: Parameters) -> tuple[int, int]:
    """Return the numbers of constants and of carried values of a `scan`."""
    if "num_consts" in parameters:
        return parameters["num_consts"], parameters["num_carry"]
    consts, carry, _ = parameters["ft_in"].unpack()
    return len(consts), len(carry)


def element_type(dtype: JaxObject) -> DType:
    """Return the NumPy type of an element; semaphores count in int32."""
    if isinstance(dtype, np.dtype):
        return dtype
    if is_semaphore(dtype):
        return _SEMAPHORE_COUNT
    if is_key(dtype):
        return np.dtype(np.uint64)
    return np.dtype(dtype)


def generator_of(aval: JaxObject) -> str:
    """Return the name of the generator of a type of keys."""
    return aval.dtype._impl.name


def is_key(dtype: JaxObject) -> bool:
    """Whether an element type is one of random keys."""
    return jax_dtypes.issubdtype(dtype, jax.dtypes.prng_key)


def is_semaphore(dtype: JaxObject) -> bool:
    """Whether an element type is one of Pallas's semaphores, or a barrier of Mosaic GPU."""
    return isinstance(dtype, pallas_core.AbstractSemaphoreTy) or _is_barrier(dtype)


def _is_barrier(dtype: JaxObject) -> bool:
    # Mosaic GPU's modules cannot be imported everywhere, and have come with whoever has a barrier.
    return getattr(dtype, "name", "") == "barrier"


def arrivals_of(dtype: JaxObject) -> int:
    """Return how many arrivals complete a phase of a barrier; 0 of what is none."""
    return int(dtype.num_arrivals) if _is_barrier(dtype) else 0


def is_main_memory(aval: JaxObject) -> bool:
    """Whether a reference lies in memory that every core of the device sees."""
    return any(name in str(aval.memory_space).lower() for name in ("any", "hbm", "gmem"))


def memory_space(aval: JaxObject) -> str:
    """Return the name of the memory in which a reference lies, in small letters; "" if its device chooses."""
    space = getattr(aval, "memory_space", None)
    name = "" if space is None else str(space).lower()
    return "" if name in ("default", "device") else name


def lowered_primitives(lowering: str) -> frozenset[str]:
    """Return the names of the primitives that a lowering of Pallas knows; empty if it does not keep a list."""
    if lowering == "tpu":
        from jax._src.pallas.mosaic import core
        from jax._src.pallas.mosaic import lowering as mosaic

        return frozenset(p.name for p in mosaic.lowering_rules[core.CoreType.TC])
    if lowering == "triton":
        from jax._src.pallas.triton import lowering as triton

        return frozenset(p.name for p in triton.triton_lowering_rules)
    return frozenset()


def to_numpy(array: JaxObject) -> JaxObject:
    """Return a host view of an array in JAX's type for it; keys become 64-bit words."""
    if type(array) is np.ndarray and array.dtype.itemsize < 8:
        return array  # JAX narrows 64-bit types alone.
    if isinstance(array, jax.Array):
        if jax_dtypes.issubdtype(array.dtype, jax.dtypes.extended):
            words = np.asarray(jax.random.key_data(array)).astype(np.uint64)
            return words[..., 0] << np.uint64(32) | words[..., 1]
        return np.asarray(array)
    host = np.asarray(array)
    return host.astype(jax.dtypes.canonicalize_dtype(host.dtype), copy=False)


def counts_bits() -> bool:
    """Whether random bits depend on a key and their places alone, and not on how many there are."""
    return config.threefry_partitionable.value


def trace_key() -> JaxObject:
    """Return what a trace depends on of JAX's settings."""
    return config.trace_context()


def type_key(leaf: JaxObject) -> JaxObject:
    """Return what a trace depends on of an argument."""
    if type(leaf) is np.ndarray:
        return leaf.shape, leaf.dtype, False
    aval = jax_core.typeof(leaf)
    return aval.shape, aval.dtype, getattr(aval, "weak_type", False)


def to_jax(array: JaxObject, aval: JaxObject) -> jax.Array:
    """Return a result as an uncommitted array of the default device, as `device_put` does at ten times the cost."""
    device = config.default_device.value or jax.local_devices()[0]
    if not isinstance(device, jax.Device):
        return jax.device_put(array)
    return pxla.batched_device_put(aval, jax.sharding.SingleDeviceSharding(device), [array], [device], committed=False)


def active_params() -> InterpretParams | None:
    """Return the parameters of the innermost `interpret()` context of this thread."""
    value = forced()
    return value if isinstance(value, InterpretParams) else None


def forced() -> Hashable:
    """Return what `force` set in this thread, or JAX's own parameters, or None."""
    return config.pallas_tpu_interpret_mode_context_manager.value


@contextlib.contextmanager
def force(params: Hashable) -> Iterator[None]:
    """Make `params` the interpret parameters of every call; they are part of JAX's trace and jit cache keys."""
    setting = config.pallas_tpu_interpret_mode_context_manager
    previous = setting.swap_local(params)
    try:
        yield
    finally:
        setting.set_local(previous)


def params_of(parameters: Parameters) -> InterpretParams | None:
    """Return the parameters under which a call is ours: of the context, or its own `interpret=`."""
    own = parameters["interpret"]
    return active_params() or (own if isinstance(own, InterpretParams) else None)


Handler = Callable[..., JaxObject]


def install(eager: Handler, staged: Handler, edge: AbstractContextManager[JaxObject]) -> None:
    """Route calls that are ours to `eager(params, call parameters, *arrays)` and `staged(...)`; others are untouched.

    `eager` gets concrete arrays, outside of any jit or in a jit that wraps nothing but the call; `staged` gets tracers
    of a program that is being lowered. A compiled program with calls of ours is run inside of `edge`.
    """
    stock_lowering, stock_call, stock_jit = (
        pallas_call._pallas_call_lowering,
        pallas_call._pallas_call_impl,
        pjit._pjit_call_impl_python,
    )

    def lower(ctx: JaxObject, *nodes: JaxObject, **parameters: JaxObject) -> JaxObject:
        params = params_of(parameters)
        if params is None:
            return stock_lowering(ctx, *nodes, **parameters)
        if "cpu" not in ctx.module_context.platforms and xla_bridge.default_backend() == "cpu":
            # An exported program runs on another machine, which has the accelerator.
            return stock_lowering(ctx, *nodes, **{**parameters, "interpret": False})
        rule = mlir.lower_fun(lambda *args: staged(params, parameters, *args), multiple_results=True)
        return rule(ctx, *nodes)

    def call(*args: JaxObject, **parameters: JaxObject) -> JaxObject:
        params = params_of(parameters)
        if params is None or any(isinstance(a, jax_core.Tracer) for a in args):
            return stock_call(*args, **parameters)
        return eager(params, parameters, *args)

    def jit(*args: JaxObject, **parameters: JaxObject) -> JaxObject:
        jaxpr, consts = open_jaxpr(parameters["jaxpr"])
        if _wraps_our_call(jaxpr):
            # No executable is returned, so that JAX's C++ dispatch does not remember this program.
            return _evaluate(jaxpr, consts, args, eager), None, None, []
        if not _holds_our_call(jaxpr):
            return stock_jit(*args, **parameters)
        with edge:
            results, _, profiler, const_args = stock_jit(*args, **parameters)
            jax.block_until_ready(results)
        return results, None, profiler, const_args

    stock_check = checkify.error_checks.get(pallas_call.pallas_call_p)

    def check(error: JaxObject, enabled: JaxObject, *args: JaxObject, **parameters: JaxObject) -> JaxObject:
        if params_of(parameters) is not None and checkify.FailedCheckError in enabled:
            parameters = {**parameters, "jaxpr": _checking(parameters["jaxpr"])}
        elif stock_check is not None:
            return stock_check(error, enabled, *args, **parameters)
        return error, pallas_call.pallas_call_p.bind(*args, **parameters)

    checkify.error_checks[pallas_call.pallas_call_p] = check
    # A user's traceback shows the user's frames.
    traceback_util.register_exclusion(str(Path(__file__).parent))
    # `mpmd` (pl.kernel, core_map) looks the lowering up by attribute; `pallas_call` itself through the registry.
    pallas_call._pallas_call_lowering = lower
    mlir.register_lowering(pallas_call.pallas_call_p, lower)
    pallas_call.pallas_call_p.def_impl(call)
    pjit._pjit_call_impl_python = jit
    pallas_call._trace_kernel_to_jaxpr = _by_own_lines(pallas_call._trace_kernel_to_jaxpr)


@functools.lru_cache(maxsize=64)
def _checking(jaxpr: JaxObject) -> JaxObject:
    """Return a kernel in which debug checks are checks, as they are wherever checkify transforms them."""

    def checked(value: JaxObject) -> JaxObject:
        if isinstance(value, tuple):
            return tuple(checked(part) for part in value)
        return _checking(value) if hasattr(value, "eqns") else value

    body, _ = open_jaxpr(jaxpr)
    equations = []
    for equation in body.eqns:
        params = {name: checked(value) for name, value in equation.params.items()}
        if equation.primitive is checkify.check_p:
            params["debug"] = False
        equations.append(equation.replace(params=params))
    new = body.replace(eqns=equations)
    return new if body is jaxpr else jaxpr.replace(jaxpr=new)


def _by_own_lines(trace: Handler) -> Handler:
    """Let equations have the lines of the kernel in a backward pass too, where JAX gives them the forward call's."""

    def traced(*args: JaxObject, **named: JaxObject) -> JaxObject:
        here = source_info_util._source_info_context
        given, here.context = here.context, source_info_util.new_source_info()
        try:
            return trace(*args, **named)
        finally:
            here.context = given

    return traced


def _evaluate(
    jaxpr: JaxObject, consts: Sequence[JaxObject], args: Sequence[JaxObject], eager: Handler
) -> list[JaxObject]:
    """Evaluate a program that wraps a call of ours; JAX's own evaluator would bury our errors under its notes."""
    env: dict[JaxObject, JaxObject] = dict(zip((*jaxpr.constvars, *jaxpr.invars), (*consts, *args), strict=True))

    def read(atom: JaxObject) -> JaxObject:
        return atom.val if isinstance(atom, Literal) else env[atom]

    for equation in jaxpr.eqns:
        operands = [read(v) for v in equation.invars]
        params = params_of(equation.params) if is_call(equation) else None
        if params is not None:
            try:
                results = eager(params, equation.params, *operands)
            except PrismError as error:
                raise error.with_traceback(None) from None
        else:
            results = equation.primitive.bind(*operands, **equation.primitive.get_bind_params(equation.params))
            results = results if equation.primitive.multiple_results else [results]
        env.update(zip(equation.outvars, results, strict=True))
    return [read(v) for v in jaxpr.outvars]


def is_call(equation: JaxObject) -> bool:
    """Whether an equation is a `pallas_call`."""
    return equation.primitive is pallas_call.pallas_call_p


def _is_ours(equation: JaxObject) -> bool:
    return "interpret" in equation.params and params_of(equation.params) is not None


def _wraps_our_call(jaxpr: JaxObject) -> bool:
    """Whether a jitted program is one Pallas call of ours and the reshapes around it: it then needs no XLA."""
    calls = [equation for equation in jaxpr.eqns if is_call(equation)]
    if len(calls) != 1 or not _is_ours(calls[0]):
        return False
    return all(is_call(e) or e.primitive.name in _AROUND_A_CALL for e in jaxpr.eqns)


def _holds_our_call(jaxpr: JaxObject) -> bool:
    """Whether a Pallas call of ours is anywhere in a program."""
    return any(
        _is_ours(equation) or any(_holds_our_call(sub) for sub in jax_core.jaxprs_in_params(equation.params))
        for equation in jaxpr.eqns
    )


_AROUND_A_CALL = frozenset(
    ("reshape", "broadcast_in_dim", "transpose", "squeeze", "slice", "convert_element_type", "pjit", "jit", "moveaxis")
)
