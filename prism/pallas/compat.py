"""Every use of private JAX, for jax 0.10.2 and the 0.11 and 0.12 lines; nothing else in this package imports it."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import jax
import numpy as np
from jax._src import callback, config, debugging, pjit, source_info_util, state, traceback_util
from jax._src import core as jax_core
from jax._src import dtypes as jax_dtypes
from jax._src.indexing import Slice as Slice
from jax._src.interpreters import mlir, pxla
from jax._src.pallas import core as pallas_core
from jax._src.pallas import pallas_call
from jax._src.state.indexing import NDIndexer as NDIndexer
from jax._src.state.types import BitcastTransform as BitcastTransform
from jax._src.state.types import ReshapeTransform as ReshapeTransform
from jax._src.state.types import TransformedRef as TransformedRef
from jax._src.state.types import TransposeTransform as TransposeTransform

from prism.errors import PrismError
from prism.pallas.call import Block, BlockDim, Call, Memory
from prism.pallas.errors import UNKNOWN_SITE, KernelSite, UnsupportedError
from prism.pallas.params import InterpretParams

CALLBACK_LOGGER = callback.__name__
"""The logger to which JAX writes every exception of a callback."""
Literal = jax_core.Literal
_JAX = str(Path(jax.__file__).parent)
_SEMAPHORE_COUNT = np.dtype(np.int32)


def open_jaxpr(jaxpr: Any) -> tuple[Any, Sequence[Any]]:
    """Return a jaxpr with its constants; from 0.11 on, closed jaxprs are jaxprs."""
    inner = getattr(jaxpr, "jaxpr", jaxpr)
    return inner, getattr(jaxpr, "consts", ())


def is_ref(var: Any) -> bool:
    """Whether a variable is a reference to memory."""
    return isinstance(var.aval, state.AbstractRef)


def site_of(equation: Any) -> KernelSite:
    """Return where in the user's source an equation was traced."""
    frame = source_info_util.user_frame(equation.source_info.traceback)
    return UNKNOWN_SITE if frame is None else KernelSite(frame.file_name, frame.start_line, frame.function_name)


def function_site(jaxpr: Any) -> KernelSite:
    """Return where the function was defined of which a jaxpr is the trace, or its first line if JAX does not say."""
    inner, _ = open_jaxpr(jaxpr)
    text = inner.debug_info.func_src_info or ""
    name, _, place = text.rpartition(" at ")
    file, _, line = place.rpartition(":")
    if line.isdigit() and not file.startswith(_JAX):
        return KernelSite(file, int(line), name)
    sites = (site_of(equation) for equation in inner.eqns)
    return next((site for site in sites if site is not UNKNOWN_SITE), UNKNOWN_SITE)


def cpu_position(platforms: Sequence[Any]) -> int:
    """Return which branch of a platform-dependent choice serves the CPU; None is the default branch."""
    for position, group in enumerate(platforms):
        if group is None or "cpu" in group:
            return position
    return len(platforms) - 1


def format_debug(parameters: dict[str, Any], operands: Sequence[Any]) -> str:
    """Return the text of a `debug_print`."""
    text: list[str] = []

    def show(*args: Any, **named: Any) -> None:
        fmt, filled = parameters["fmt"], parameters["has_placeholders"]
        text.append(fmt.format(*args, **named) if filled else " ".join((fmt, *map(str, args))))

    debugging._make_flat_callback(parameters["in_tree"], show, parameters["static_args"])(*operands)
    return text[0]


def scan_parts(parameters: dict[str, Any]) -> tuple[int, int]:
    """Return the numbers of constants and of carried values of a `scan`."""
    if "num_consts" in parameters:
        return parameters["num_consts"], parameters["num_carry"]
    consts, carry, _ = parameters["ft_in"].unpack()
    return len(consts), len(carry)


def element_type(dtype: Any) -> np.dtype[Any]:
    """Return the NumPy type of an element; semaphores count in int32."""
    if isinstance(dtype, np.dtype):
        return dtype
    if is_semaphore(dtype):
        return _SEMAPHORE_COUNT
    if jax_dtypes.issubdtype(dtype, jax.dtypes.prng_key):
        return np.dtype(np.uint64)
    return np.dtype(dtype)


def is_semaphore(dtype: Any) -> bool:
    """Whether an element type is one of Pallas's semaphores, or a barrier of Mosaic GPU."""
    return isinstance(dtype, pallas_core.AbstractSemaphoreTy) or _is_barrier(dtype)


def _is_barrier(dtype: Any) -> bool:
    # Mosaic GPU's modules cannot be imported everywhere, and have come with whoever has a barrier.
    return getattr(dtype, "name", "") == "barrier"


def arrivals_of(var: Any) -> int:
    """Return how many arrivals complete a phase of a barrier."""
    return int(var.aval.dtype.num_arrivals)


def is_main_memory(var: Any) -> bool:
    """Whether a reference lies in memory that every core of the device sees."""
    return any(name in str(var.aval.memory_space).lower() for name in ("any", "hbm", "gmem"))


def shape_of(var: Any) -> tuple[int, ...]:
    """Return the shape of a variable, a literal or a reference; effects tokens and keys have none."""
    return getattr(var.aval, "shape", ())


def to_numpy(array: Any) -> Any:
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


def trace_key() -> Any:
    """Return what a trace depends on of JAX's settings."""
    return config.trace_context()


def type_key(leaf: Any) -> Any:
    """Return what a trace depends on of an argument."""
    if type(leaf) is np.ndarray:
        return leaf.shape, leaf.dtype, False
    aval = jax_core.typeof(leaf)
    return aval.shape, aval.dtype, getattr(aval, "weak_type", False)


def to_jax(array: Any, aval: Any) -> jax.Array:
    """Return a result as an uncommitted array of the default device, as `device_put` does at ten times the cost."""
    device = config.default_device.value or jax.local_devices()[0]
    if not isinstance(device, jax.Device):
        return jax.device_put(array)
    return pxla.batched_device_put(aval, jax.sharding.SingleDeviceSharding(device), [array], [device], committed=False)


def describe(parameters: dict[str, Any]) -> Call:
    """Return a `pallas_call` equation's parameters as a `Call`."""
    mapping, jaxpr = parameters["grid_mapping"], parameters["jaxpr"]
    kernel, _ = open_jaxpr(jaxpr)
    debug = kernel.debug_info
    names = _ref_names(kernel)
    prefetched = len(kernel.invars[mapping.slice_index_ops])
    blocks = [
        _block(names[prefetched + k], block, kernel.invars[prefetched + k], function_site(kernel))
        for k, block in enumerate(mapping.block_mappings)
    ]
    scratch = kernel.invars[mapping.slice_scratch_ops]
    grid = tuple(None if pallas_core.is_dynamic_dim(n) or not isinstance(n, int) else int(n) for n in mapping.grid)
    backend, parallel = _semantics(parameters, mapping)
    return Call(
        name=parameters.get("name") or debug.func_name,
        jaxpr=jaxpr,
        grid=grid,
        prefetched=tuple(_memory(name, var) for name, var in zip(names, kernel.invars[:prefetched], strict=False)),
        inputs=tuple(blocks[: mapping.num_inputs]),
        outputs=tuple(blocks[mapping.num_inputs :]),
        scratch=tuple(
            _memory(name, var) for name, var in zip(names[len(names) - len(scratch) :], scratch, strict=True)
        ),
        aliases=tuple(parameters["input_output_aliases"]),
        parallel=parallel,
        vmapped=tuple(mapping.vmapped_dims),
        axis_names=tuple(mapping.grid_names or ()),
        shares_aliases=backend == "gpu" or parameters.get("mesh") is not None,
        synchronises=_synchronises(parameters.get("mesh"), grid),
    )


def _synchronises(mesh: Any, grid: tuple[int | None, ...]) -> bool:
    """Whether a call's steps are cores, or blocks and threads, that may wait for one another."""
    return mesh is not None and ("mosaic_gpu" in type(mesh).__module__ or any(n != 1 for n in grid))


def _ref_names(kernel: Any) -> list[str]:
    names = list(kernel.debug_info.arg_names or ())
    return [str(names[k]) if k < len(names) and names[k] is not None else f"ref{k}" for k in range(len(kernel.invars))]


def _memory(name: str, var: Any) -> Memory:
    dtype = getattr(var.aval, "dtype", None)
    return Memory(name, shape_of(var), element_type(dtype), is_semaphore(dtype))


def _block(name: str, mapping: Any, var: Any, kernel: KernelSite) -> Block:
    aval = mapping.array_aval
    space = getattr(var.aval, "memory_space", None)
    return Block(
        name,
        tuple(int(n) for n in aval.shape),
        element_type(aval.dtype),
        tuple(_block_dim(dim) for dim in mapping.block_shape),
        mapping.index_map_jaxpr,
        str(space),
        # A block spec without an index map has none of the user's lines.
        kernel if (site := function_site(mapping.index_map_jaxpr)) is UNKNOWN_SITE else site,
    )


def _block_dim(dim: Any) -> BlockDim:
    match dim:
        case pallas_core.Squeezed():
            return BlockDim("squeezed", 1)
        case pallas_core.Element():
            low, high = dim.padding
            return BlockDim("element", int(dim.block_size), (int(low), int(high)))
        case pallas_core.Blocked():
            return BlockDim("blocked", int(dim.block_size))
        case _:
            raise UnsupportedError(f"the block dimension {type(dim).__name__}", UNKNOWN_SITE)


def _semantics(parameters: dict[str, Any], mapping: Any) -> tuple[str, tuple[bool, ...]]:
    """Return the kind of device that the call declares, and which grid axes run in any order."""
    rank, compiler = len(mapping.grid), parameters["compiler_params"]
    module = type(compiler).__module__
    if "triton" in module or "mosaic_gpu" in module:
        return "gpu", (True,) * rank
    if parameters.get("mesh") is not None:
        return "mesh", (True,) * rank
    declared = tuple(getattr(compiler, "dimension_semantics", None) or ())
    parallel = ["parallel" in str(getattr(kind, "value", kind)).lower() for kind in declared]
    seen = iter(parallel)
    # Semantics are declared for the axes the user wrote; a vmapped axis is parallel by construction.
    return "tpu", tuple(True if k in mapping.vmapped_dims else next(seen, False) for k in range(rank))


def active_params() -> InterpretParams | None:
    """Return the parameters of the innermost `interpret()` context of this thread."""
    value = config.pallas_tpu_interpret_mode_context_manager.value
    return value if isinstance(value, InterpretParams) else None


@contextlib.contextmanager
def force(params: InterpretParams) -> Iterator[None]:
    """Make `params` the interpret parameters of every call; they are part of JAX's trace and jit cache keys."""
    setting = config.pallas_tpu_interpret_mode_context_manager
    previous = setting.swap_local(params)
    try:
        yield
    finally:
        setting.set_local(previous)


def params_of(parameters: dict[str, Any]) -> InterpretParams | None:
    """Return the parameters under which a call is ours: of the context, or its own `interpret=`."""
    own = parameters["interpret"]
    return active_params() or (own if isinstance(own, InterpretParams) else None)


Handler = Callable[..., Any]


def install(eager: Handler, staged: Handler, edge: AbstractContextManager[Any]) -> None:
    """Route calls that are ours to `eager(params, call parameters, *arrays)` and `staged(...)`; others are untouched.

    `eager` gets concrete arrays, outside of any jit or in a jit that wraps nothing but the call; `staged` gets tracers
    of a program that is being lowered. A compiled program with calls of ours is run inside of `edge`.
    """
    stock_lowering, stock_call, stock_jit = (
        pallas_call._pallas_call_lowering,
        pallas_call._pallas_call_impl,
        pjit._pjit_call_impl_python,
    )

    def lower(ctx: Any, *nodes: Any, **parameters: Any) -> Any:
        params = params_of(parameters)
        if params is None:
            return stock_lowering(ctx, *nodes, **parameters)
        if "cpu" not in ctx.module_context.platforms and jax.default_backend() == "cpu":
            # An exported program runs on another machine, which has the accelerator.
            return stock_lowering(ctx, *nodes, **{**parameters, "interpret": False})
        rule = mlir.lower_fun(lambda *args: staged(params, parameters, *args), multiple_results=True)
        return rule(ctx, *nodes)

    def call(*args: Any, **parameters: Any) -> Any:
        params = params_of(parameters)
        if params is None or any(isinstance(a, jax_core.Tracer) for a in args):
            return stock_call(*args, **parameters)
        return eager(params, parameters, *args)

    def jit(*args: Any, **parameters: Any) -> Any:
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

    # A user's traceback shows the user's frames.
    traceback_util.register_exclusion(str(Path(__file__).parent))
    # `mpmd` (pl.kernel, core_map) looks the lowering up by attribute; `pallas_call` itself through the registry.
    pallas_call._pallas_call_lowering = lower
    mlir.register_lowering(pallas_call.pallas_call_p, lower)
    pallas_call.pallas_call_p.def_impl(call)
    pjit._pjit_call_impl_python = jit
    pallas_call._trace_kernel_to_jaxpr = _by_own_lines(pallas_call._trace_kernel_to_jaxpr)


def _by_own_lines(trace: Handler) -> Handler:
    """Let equations have the lines of the kernel in a backward pass too, where JAX gives them the forward call's."""

    def traced(*args: Any, **named: Any) -> Any:
        here = source_info_util._source_info_context
        given, here.context = here.context, source_info_util.new_source_info()
        try:
            return trace(*args, **named)
        finally:
            here.context = given

    return traced


def _evaluate(jaxpr: Any, consts: Sequence[Any], args: Sequence[Any], eager: Handler) -> list[Any]:
    """Evaluate a program that wraps a call of ours; JAX's own evaluator would bury our errors under its notes."""
    env: dict[Any, Any] = dict(zip((*jaxpr.constvars, *jaxpr.invars), (*consts, *args), strict=True))

    def read(atom: Any) -> Any:
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


def is_call(equation: Any) -> bool:
    """Whether an equation is a `pallas_call`."""
    return equation.primitive is pallas_call.pallas_call_p


def _is_ours(equation: Any) -> bool:
    return "interpret" in equation.params and params_of(equation.params) is not None


def _wraps_our_call(jaxpr: Any) -> bool:
    """Whether a jitted program is one Pallas call of ours and the reshapes around it: it then needs no XLA."""
    calls = [equation for equation in jaxpr.eqns if is_call(equation)]
    if len(calls) != 1 or not _is_ours(calls[0]):
        return False
    return all(is_call(e) or e.primitive.name in _AROUND_A_CALL for e in jaxpr.eqns)


def _holds_our_call(jaxpr: Any) -> bool:
    """Whether a Pallas call of ours is anywhere in a program."""
    return any(
        _is_ours(equation) or any(_holds_our_call(sub) for sub in jax_core.jaxprs_in_params(equation.params))
        for equation in jaxpr.eqns
    )


_AROUND_A_CALL = frozenset(
    ("reshape", "broadcast_in_dim", "transpose", "squeeze", "slice", "convert_element_type", "pjit", "jit", "moveaxis")
)
