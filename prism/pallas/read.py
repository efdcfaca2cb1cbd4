"""The door: JAX's jaxprs and Pallas calls read once into the records of `kernel` and `call`."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from functools import partial
from typing import Final

import jax
import numpy as np

from prism.pallas import compat, control
from prism.pallas.call import Block, BlockDim, Call, Memory
from prism.pallas.compat import JaxObject
from prism.pallas.decode import STATE_PRIMITIVES, decode
from prism.pallas.dtypes import Array
from prism.pallas.errors import UNKNOWN_SITE, KernelSite, UnsupportedError
from prism.pallas.kernel import Atom, Constant, Equation, Inner, Kernel, Var

Parameters = Mapping[str, JaxObject]

_CALLED = {
    "jit": "jaxpr",
    "pjit": "jaxpr",
    "closed_call": "call_jaxpr",
    "core_call": "call_jaxpr",
    "remat2": "jaxpr",
    "checkpoint": "jaxpr",
    "custom_jvp_call": "call_jaxpr",
    "custom_vjp_call": "call_jaxpr",
    "custom_vjp_call_jaxpr": "fun_jaxpr",
}
"""Primitives that only call a jaxpr, and the parameter that holds it."""


def read(jaxpr: JaxObject, *, outside: bool = False) -> Kernel:
    """Return a jaxpr as a kernel; `outside` of Pallas kernels, JAX may be asked to evaluate an equation.

    Cost: about 10 us an equation. Errors: UnsupportedError for an access that no rule describes.
    """
    return _Reader(outside=outside).kernel(jaxpr)


def types_of(leaves: Sequence[JaxObject]) -> tuple[Hashable, ...]:
    """Return what a trace depends on: JAX's settings, and the types of the arguments."""
    return (compat.trace_key(), *map(compat.type_key, leaves))


def on_host(value: JaxObject) -> Array:
    """Return an argument as an array of the host, in JAX's type for it."""
    return compat.to_numpy(value)


class _Reader:
    """Reads one jaxpr; what it calls several times is one kernel."""

    def __init__(self, *, outside: bool) -> None:
        self._outside = outside
        self._known: dict[tuple[int, ...], Kernel] = {}

    def kernel(self, jaxpr: JaxObject, *, encloses: bool = False) -> Kernel:
        """Return a jaxpr's kernel; if it `encloses` its constants, they are variables of the body around it."""
        body, consts = compat.open_jaxpr(jaxpr)
        # JAX 0.11 keeps the outer tracers of such constants; the equation's operands are the same references.
        consts = () if encloses else consts
        key = (id(body), *map(id, consts))
        if key not in self._known:
            self._known[key] = self._read(body, consts)
        return self._known[key]

    def _read(self, body: JaxObject, consts: JaxObject) -> Kernel:
        names: dict[JaxObject, Atom] = {}

        def new(var: JaxObject) -> Var:
            names[var] = made = _var(var.aval)
            return made

        def atom(atom: JaxObject) -> Atom:
            return _constant(atom) if isinstance(atom, compat.Literal) else names[atom]

        held = [(new(var), _host(const)) for var, const in zip(body.constvars, consts, strict=False)]
        # The references that `run_scoped` closes over are constants without values: its first inputs.
        ins = [new(var) for var in (*body.constvars[len(held) :], *body.invars)]
        equations = []
        for equation in body.eqns:
            if equation.primitive.name == "platform_index":
                number = np.int32(compat.cpu_position(equation.params["platforms"]))
                names[equation.outvars[0]] = Constant(number, (), number.dtype)
                continue
            operands = tuple(atom(a) for a in equation.invars)
            equations.append(self._equation(equation, operands, tuple(new(v) for v in equation.outvars)))
        outs = tuple(atom(a) for a in body.outvars)
        site = compat.function_site(body)
        if site is UNKNOWN_SITE:
            site = next((e.site for e in equations if e.site is not UNKNOWN_SITE), UNKNOWN_SITE)
        return Kernel(tuple(ins), tuple(held), tuple(equations), outs, site)

    def _equation(self, equation: JaxObject, ins: tuple[Atom, ...], outs: tuple[Var, ...]) -> Equation:
        name, primitive, site = equation.primitive.name, equation.primitive, compat.site_of(equation)
        if name == "random_bits" and compat.generator_of(equation.invars[0].aval) == _STATEFUL:
            name, ins = "prng_random_bits", ()
        inner = tuple(
            Inner(self.kernel(jaxpr, encloses=name == "run_scoped"), operands)
            for jaxpr, operands in _bodies(name, equation.params, ins)
        )
        access = decode(equation) if name in STATE_PRIMITIVES else None
        asked = _control(name, equation.params, inner)
        own = access is None and asked in (None, control.Nested())
        return Equation(
            name,
            ins,
            outs,
            _of_keys(equation.params) if name in _KEYED else equation.params if own else {},
            site,
            inner,
            access,
            asked,
            several=primitive.multiple_results,
            by_jax=partial(_evaluate, primitive, equation.params) if self._outside else None,
        )


def _var(aval: JaxObject) -> Var:
    shape, dtype = getattr(aval, "shape", ()), getattr(aval, "dtype", None)
    if not compat.is_ref(aval):
        return Var(shape, compat.element_type(dtype))
    return Var(
        shape,
        compat.element_type(dtype),
        "main" if compat.is_main_memory(aval) else "own",
        compat.is_semaphore(dtype),
        compat.arrivals_of(dtype),
        compat.memory_space(aval),
    )


def _constant(literal: JaxObject) -> Constant:
    dtype = compat.element_type(literal.aval.dtype)
    return Constant(_host(literal.val).astype(dtype)[()], literal.aval.shape, dtype)


def _host(value: JaxObject) -> Array:
    return compat.to_numpy(value) if isinstance(value, jax.Array) else np.asarray(value)


def _bodies(name: str, given: Parameters, ins: tuple[Atom, ...]) -> list[tuple[JaxObject, tuple[Atom, ...]]]:
    """Return the jaxprs that an equation runs, with the outer atoms of their inputs."""
    if name in _CALLED:
        return [(given[_CALLED[name]], ins)]
    if name == "cond":
        return [(branch, ins[1:]) for branch in given["branches"]]
    if name == "while":
        test, body = given["cond_nconsts"], given["cond_nconsts"] + given["body_nconsts"]
        carry = ins[body:]
        return [(given["cond_jaxpr"], (*ins[:test], *carry)), (given["body_jaxpr"], (*ins[test:body], *carry))]
    return [(given["jaxpr"], ins)] if name in ("scan", "run_scoped") else []


def _control(name: str, given: Parameters, inner: tuple[Inner, ...]) -> control.Control | None:
    """Return what a control primitive asks for, None of what computes a value or accesses memory."""
    if name in _CALLED:
        return control.Inline()
    decoder = CONTROL.get(name)
    return None if decoder is None else decoder(given, inner)


def _while(given: Parameters, inner: tuple[Inner, ...]) -> control.Loop:
    return control.Loop(given["body_nconsts"], len(inner[1].kernel.outs), test=given["cond_nconsts"])


def _scan(given: Parameters, inner: tuple[Inner, ...]) -> control.Loop:
    (consts, carry), body = compat.scan_parts(given), inner[0].kernel
    counters = frozenset(k for k in range(carry) if _counts_by_one(body, consts + k, k))
    return control.Loop(consts, carry, length=given["length"], reverse=given["reverse"], counters=counters)


def _counts_by_one(kernel: Kernel, place: int, result: int) -> bool:
    """Whether a loop's body adds 1 to the carried integer that is its input at `place`; `fori_loop` has one."""
    var, last = kernel.ins[place], kernel.outs[result]
    made = next((e for e in kernel.equations if any(v is last for v in e.outs)), None)
    if made is None or made.name != "add" or made.ins[0] is not var:
        return False
    step = made.ins[1]
    return isinstance(step, Constant) and not step.shape and bool(step.value == 1)


def _names(given: JaxObject) -> tuple[Hashable, ...]:
    return given if isinstance(given, tuple) else (given,)


def _idle(*_: object) -> control.Idle:
    return control.Idle()


CONTROL: dict[str, Callable[[Parameters, tuple[Inner, ...]], control.Control]] = {
    "cond": lambda *_: control.Branch(),
    "while": _while,
    "scan": _scan,
    "run_scoped": lambda given, _: control.Scope(_names(given.get("collective_axes", ()))),
    "program_id": lambda given, _: control.GridIndex(given["axis"]),
    "num_programs": lambda given, _: control.GridExtent(given["axis"]),
    "axis_index": lambda given, _: control.MeshIndex(_names(given["axis_name"])),
    "debug_print": lambda given, _: control.Print(partial(compat.format_debug, given)),
    "debug_callback": lambda given, _: control.CallBack(given["callback"]),
    "check": lambda given, _: control.Check(partial(compat.failed_check, given)),
    "prng_seed": lambda *_: control.Seed(),
    "prng_random_bits": lambda *_: control.Draw(),
    "pallas_call": lambda *_: control.Nested(),
    **dict.fromkeys(("delay", "debug_barrier_p", "trace_value", "commit_smem", "commit_group"), _idle),
    **dict.fromkeys(("wait_smem_to_gmem", "set_max_registers_p"), _idle),
}


_STATEFUL: Final = "_pallas_internal_stateful"
"""JAX's name of the generator whose state a TPU's core holds: its keys say nothing."""


def _of_keys(given: Parameters) -> Parameters:
    """Return the parameters of a primitive of random keys with the name of their generator."""
    name = getattr(given.get("impl"), "name", "threefry2x32")
    if name == "threefry2x32":
        return {**given, "generator": name if compat.counts_bits() else "jax_threefry_partitionable=False"}
    if name == _STATEFUL:
        return {**given, "generator": "the core's"}
    return {**given, "generator": f"keys of the generator {name}"}


_KEYED = frozenset(("random_wrap", "random_seed", "random_split", "random_fold_in", "random_bits"))


def _evaluate(primitive: JaxObject, given: Parameters, *operands: JaxObject) -> JaxObject:
    """Let JAX evaluate a primitive on NumPy operands."""
    results = primitive.bind(*operands, **primitive.get_bind_params(given))
    return [np.asarray(r) for r in results] if primitive.multiple_results else np.asarray(results)


def read_call(parameters: Parameters) -> Call:
    """Return a `pallas_call` equation's parameters as a `Call`."""
    mapping, jaxpr = parameters["grid_mapping"], parameters["jaxpr"]
    kernel, body = read(jaxpr), compat.open_jaxpr(jaxpr)[0]
    refs, debug = kernel.ins, body.debug_info
    given = tuple(debug.arg_names or ())
    names = [str(n) if n is not None else f"ref{k}" for k, n in enumerate((*given, *[None] * len(refs))[: len(refs)])]
    memories = [Memory(name, v.shape, v.dtype, v.semaphore) for name, v in zip(names, refs, strict=True)]
    n_prefetched = len(refs[mapping.slice_index_ops])
    for block in mapping.block_mappings[mapping.num_inputs :]:
        if compat.is_key(block.array_aval.dtype):
            raise UnsupportedError(f"an output of random keys ({block.array_aval.dtype})", kernel.site)
    blocks = [
        _block(names[k], block, str(getattr(body.invars[k].aval, "memory_space", None)), kernel.site)
        for k, block in enumerate(mapping.block_mappings, n_prefetched)
    ]
    grid = tuple(None if compat.is_dynamic_dim(n) or not isinstance(n, int) else int(n) for n in mapping.grid)
    backend, parallel = _semantics(parameters, mapping)
    return Call(
        name=parameters.get("name") or debug.func_name,
        kernel=kernel,
        grid=grid,
        prefetched=tuple(memories[:n_prefetched]),
        inputs=tuple(blocks[: mapping.num_inputs]),
        outputs=tuple(blocks[mapping.num_inputs :]),
        scratch=tuple(memories[mapping.slice_scratch_ops]),
        aliases=tuple(parameters["input_output_aliases"]),
        parallel=parallel,
        vmapped=tuple(mapping.vmapped_dims),
        axis_names=tuple(mapping.grid_names or ()),
        shares_aliases=backend == "gpu" or parameters.get("mesh") is not None,
        synchronises=_synchronises(parameters.get("mesh"), grid),
    )


def _synchronises(mesh: JaxObject, grid: tuple[int | None, ...]) -> bool:
    """Whether a call's steps are cores, or blocks and threads, that may wait for one another."""
    return mesh is not None and ("mosaic_gpu" in type(mesh).__module__ or any(n != 1 for n in grid))


def _block(name: str, mapping: JaxObject, space: str, kernel: KernelSite) -> Block:
    aval, index_map = mapping.array_aval, read(mapping.index_map_jaxpr)
    return Block(
        name,
        tuple(int(n) for n in aval.shape),
        compat.element_type(aval.dtype),
        tuple(_block_dim(dim) for dim in mapping.block_shape),
        index_map,
        space,
        # A block spec without an index map has none of the user's lines.
        kernel if index_map.site is UNKNOWN_SITE else index_map.site,
    )


def _block_dim(dim: JaxObject) -> BlockDim:
    match dim:
        case compat.Squeezed():
            return BlockDim("squeezed", 1)
        case compat.Element():
            low, high = dim.padding
            return BlockDim("element", int(dim.block_size), (int(low), int(high)))
        case compat.Blocked():
            return BlockDim("blocked", int(dim.block_size))
        case _:
            raise UnsupportedError(f"the block dimension {type(dim).__name__}", UNKNOWN_SITE)


def _semantics(parameters: Parameters, mapping: JaxObject) -> tuple[str, tuple[bool, ...]]:
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
