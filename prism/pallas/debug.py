"""Debug mode: a kernel's jaxpr evaluated equation by equation on NumPy arrays and stateful references.

It is the definition of what a kernel means; the other modes are tested against it.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from prism.pallas import compat, state
from prism.pallas.decode import STATE_PRIMITIVES, decode
from prism.pallas.errors import UNKNOWN_SITE, KernelSite, UnsupportedError
from prism.pallas.machine import Machine
from prism.pallas.memory import Ref
from prism.pallas.params import TraceEvent
from prism.pallas.primitives import TABLE, Aval, Site
from prism.pallas.races import watch_of
from prism.pallas.structure import IDLE, INLINED, dropped, used_variables

Values = list[Any]


@dataclass(slots=True)
class Environment:
    """What an evaluation may refer to besides its variables.

    `extents` and `indices` are of the visible grid axes, `axes` the names of grid axes. `watch` is called after every
    equation, `call` runs a Pallas call around which the equations stand. `compiled` has what was read of each jaxpr.
    """

    machine: Machine
    extents: tuple[int, ...] = ()
    indices: tuple[int, ...] = ()
    axes: dict[Any, int] = field(default_factory=dict)
    watch: Callable[[TraceEvent], None] | None = None
    call: Callable[[dict[str, Any], Values], Values] | None = None
    compiled: dict[Any, _Steps] = field(default_factory=dict)


Performer = Callable[[Values, Environment], Values]


@dataclass(frozen=True, slots=True)
class _Step:
    """One equation: the slots of its operands and results, what performs it, and its site if reports may name it."""

    equation: Any
    reads: tuple[int, ...]
    writes: tuple[int, ...]
    perform: Performer
    site: KernelSite | None


@dataclass(frozen=True, slots=True)
class _Steps:
    """A jaxpr read once. Its variables and literals have one slot each; `slots` holds the literals."""

    slots: Values
    steps: tuple[_Step, ...]
    results: tuple[int, ...]


def evaluate(jaxpr: Any, consts: Sequence[Any], args: Sequence[Any], env: Environment) -> Values:
    """Evaluate a jaxpr; references are `Ref`s and are changed in place."""
    known = env.compiled.get(jaxpr)
    if known is None:
        known = env.compiled[jaxpr] = _read(jaxpr, outside=env.call is not None)
    values = known.slots.copy()
    values[: len(consts) + len(args)] = (*consts, *args)
    for step in known.steps:
        if step.site is not None:
            env.machine.site = step.site
        results = step.perform([values[k] for k in step.reads], env)
        for k, result in zip(step.writes, results, strict=True):
            values[k] = result
        if env.watch is not None:
            _report(step.equation, results, env)
    return [values[k] for k in known.results]


def _read(jaxpr: Any, *, outside: bool) -> _Steps:
    reader = _Reader(outside=outside)
    places = {var: reader.slot() for var in (*jaxpr.constvars, *jaxpr.invars)}
    results = reader.read(jaxpr, places)
    return _Steps(reader.slots, tuple(reader.steps), results)


class _Reader:
    """Gives variables and literals their slots, and equations their steps.

    Outside of kernels, where nobody watches, a call is the equations that it calls.
    """

    def __init__(self, *, outside: bool) -> None:
        self.outside = outside
        self.slots: Values = []
        self.steps: list[_Step] = []
        # One jaxpr may be called many times.
        self._performers: dict[int, tuple[Performer, KernelSite | None]] = {}

    def slot(self, value: Any = None) -> int:
        """Return a new slot."""
        self.slots.append(value)
        return len(self.slots) - 1

    def read(self, jaxpr: Any, places: dict[Any, int]) -> tuple[int, ...]:
        """Add the steps of a jaxpr whose inputs have places, and return the slots of its results."""
        used = used_variables(jaxpr)
        for equation in jaxpr.eqns:
            reads, name = self._slots_of(equation.invars, places), equation.primitive.name
            if self.outside and name in INLINED:
                inner, consts = compat.open_jaxpr(equation.params[INLINED[name]])
                slots = (*(self.slot(np.asarray(const)) for const in consts), *reads)
                results = self.read(inner, dict(zip((*inner.constvars, *inner.invars), slots, strict=True)))
                places.update(zip(equation.outvars, results, strict=True))
                continue
            if id(equation) not in self._performers:
                self._performers[id(equation)] = _performer(equation, used, outside=self.outside)
            places.update((var, self.slot()) for var in equation.outvars)
            writes = self._slots_of(equation.outvars, places)
            self.steps.append(_Step(equation, reads, writes, *self._performers[id(equation)]))
        return self._slots_of(jaxpr.outvars, places)

    def _slots_of(self, atoms: Sequence[Any], places: dict[Any, int]) -> tuple[int, ...]:
        return tuple(self.slot(_literal(a)) if isinstance(a, compat.Literal) else places[a] for a in atoms)


def _performer(equation: Any, used: set[Any], *, outside: bool) -> tuple[Performer, KernelSite | None]:
    name = equation.primitive.name
    structured = _STRUCTURED.get(name)
    if structured is None and name not in STATE_PRIMITIVES:
        function, multiple = compile_equation(equation, outside=outside), equation.primitive.multiple_results
        return lambda operands, _: list(function(*operands)) if multiple else [function(*operands)], None
    site = compat.site_of(equation)
    # Equations of JAX's own making have no place: the one around them does.
    place = None if site is UNKNOWN_SITE else site
    if structured is not None:
        return lambda operands, env: structured(equation, operands, env), place
    access, unread = decode(equation), dropped(equation, used)
    return lambda operands, _: state.perform(access, operands, unread), place


def _literal(atom: Any) -> Any:
    return np.asarray(atom.val).astype(compat.element_type(atom.aval.dtype))[()]


def _report(equation: Any, results: Values, env: Environment) -> None:
    event = TraceEvent(compat.site_of(equation), env.machine.step, equation.primitive.name, tuple(results))
    assert env.watch is not None
    env.watch(event)


def compile_equation(equation: Any, *, outside: bool = False) -> Callable[..., Any]:
    """Return a function of one equation's operands, from the primitive table.

    Outside of kernels, a primitive without a rule is left to JAX.
    """
    rule = TABLE.get(equation.primitive.name)
    if rule is None and outside:
        return _by_jax(equation)
    if rule is None:
        raise UnsupportedError(f"the primitive {equation.primitive.name}", compat.site_of(equation))
    scope: dict[str, Any] = {"np": np}

    def bind(value: object, hint: str) -> str:
        name = f"_{hint}{len(scope)}"
        scope[name] = value
        return name

    names = tuple(f"x{k}" for k in range(len(equation.invars)))
    site = Site(equation.params, avals(equation.invars), avals(equation.outvars), names, bind)
    return eval(f"lambda {', '.join(names)}: {rule.emit(site)}", scope)


def _by_jax(equation: Any) -> Callable[..., Any]:
    """Return a function that lets JAX evaluate an equation on NumPy operands."""
    primitive = equation.primitive
    parameters = primitive.get_bind_params(equation.params)

    def function(*operands: Any) -> Any:
        results = primitive.bind(*operands, **parameters)
        return [np.asarray(r) for r in results] if primitive.multiple_results else np.asarray(results)

    return function


def avals(variables: Sequence[Any]) -> tuple[Aval, ...]:
    """Return shapes and element types of variables."""
    return tuple(Aval(compat.shape_of(v), compat.element_type(v.aval.dtype)) for v in variables)


def _inline(jaxpr: Any, operands: Values, env: Environment) -> Values:
    inner, consts = compat.open_jaxpr(jaxpr)
    return evaluate(inner, consts, operands, env)


def _call(parameter: str) -> Callable[[Any, Values, Environment], Values]:
    return lambda equation, operands, env: _inline(equation.params[parameter], operands, env)


def _cond(equation: Any, operands: Values, env: Environment) -> Values:
    which, *rest = operands
    branches = equation.params["branches"]
    return _inline(branches[min(max(int(which), 0), len(branches) - 1)], rest, env)


def _while(equation: Any, operands: Values, env: Environment) -> Values:
    parameters = equation.params
    for_cond, for_body = parameters["cond_nconsts"], parameters["body_nconsts"]
    cond_consts, body_consts = operands[:for_cond], operands[for_cond : for_cond + for_body]
    carry = operands[for_cond + for_body :]
    while bool(_inline(parameters["cond_jaxpr"], [*cond_consts, *carry], env)[0]):
        carry = _inline(parameters["body_jaxpr"], [*body_consts, *carry], env)
    return carry


def _scan(equation: Any, operands: Values, env: Environment) -> Values:
    parameters = equation.params
    for_consts, for_carry = compat.scan_parts(parameters)
    consts, carry = operands[:for_consts], operands[for_consts : for_consts + for_carry]
    rows = operands[for_consts + for_carry :]
    length = parameters["length"]
    stacked = [np.empty(compat.shape_of(v), compat.element_type(v.aval.dtype)) for v in equation.outvars[for_carry:]]
    for k in reversed(range(length)) if parameters["reverse"] else range(length):
        results = _inline(parameters["jaxpr"], [*consts, *carry, *(x[k] for x in rows)], env)
        carry = results[:for_carry]
        for into, value in zip(stacked, results[for_carry:], strict=True):
            into[k] = value
    return [*carry, *stacked]


def _run_scoped(equation: Any, operands: Values, env: Environment) -> Values:
    inner, _ = compat.open_jaxpr(equation.params["jaxpr"])
    axes = equation.params.get("collective_axes", ())
    shared = [_axis(name, equation, env) for name in (axes if isinstance(axes, tuple) else (axes,))]
    lanes = env.machine.lanes
    with nullcontext() if lanes is None else lanes.scope():
        refs = [_scoped(v, f"scratch{k}", shared, env) for k, v in enumerate(inner.invars)]
        return evaluate(inner, operands, refs, env)


def _scoped(var: Any, name: str, shared: Sequence[int], env: Environment) -> Ref:
    """Allocate for one step, or for all that share the allocation because they differ along the `shared` axes only."""
    machine, lanes = env.machine, env.machine.lanes
    if lanes is None:
        return scratch(var, name, machine)
    if not shared and compat.is_main_memory(var):
        return lanes.shared(id(var), None, lanes.count, lambda: scratch(var, name, machine))
    if not shared:
        return own_scratch(var, name, machine)
    group, sharers = lanes.group(machine.step, shared), math.prod(machine.grid[axis] for axis in shared)
    return lanes.shared(id(var), group, sharers, lambda: scratch(var, name, machine))


def own_scratch(var: Any, name: str, machine: Machine) -> Ref:
    """Allocate for one lane of several; its semaphores are known to the others."""
    lanes = machine.lanes
    if lanes is None or not compat.is_semaphore(var.aval.dtype):
        return scratch(var, name, machine)
    shape = (lanes.count, *compat.shape_of(var))
    peers = lanes.shared(id(var), None, lanes.count, lambda: Ref(name, np.zeros(shape, np.int32), machine)).data
    return Ref(name, peers[lanes.current, ...], machine, peers=peers)


def scratch(var: Any, name: str, machine: Machine) -> Ref:
    """Allocate a reference that nobody has written; semaphores start at 0."""
    dtype, shape = compat.element_type(var.aval.dtype), compat.shape_of(var)
    if compat.is_semaphore(var.aval.dtype):
        return Ref(name, np.zeros(shape, dtype), machine)
    watched = machine.lanes is not None and machine.params.races != "off"
    return Ref(
        name,
        np.full(shape, machine.poison(dtype), dtype),
        machine,
        written=np.zeros(shape, np.bool_),
        watch=watch_of(shape) if watched else None,
    )


def _program_id(equation: Any, operands: Values, env: Environment) -> Values:
    del operands
    return [np.int32(env.indices[equation.params["axis"]])]


def _num_programs(equation: Any, operands: Values, env: Environment) -> Values:
    del operands
    return [np.int32(env.extents[equation.params["axis"]])]


def _axis_index(equation: Any, operands: Values, env: Environment) -> Values:
    del operands
    name = equation.params["axis_name"]
    names = name if isinstance(name, tuple) else (name,)
    number = 0
    for part in names:
        axis = _axis(part, equation, env)
        number = number * env.extents[axis] + env.indices[axis]
    return [np.int32(number)]


def _axis(name: Any, equation: Any, env: Environment) -> int:
    if name not in env.axes:
        raise UnsupportedError(f"{equation.primitive.name} of the mesh axis {name!r}", compat.site_of(equation))
    return env.axes[name]


def _platform_index(equation: Any, operands: Values, env: Environment) -> Values:
    del operands, env
    return [np.int32(compat.cpu_position(equation.params["platforms"]))]


def _debug_print(equation: Any, operands: Values, env: Environment) -> Values:
    if env.machine.filler:
        return []  # The run repeats another one, to compare its outputs.
    sys.stdout.write(compat.format_debug(equation.params, _shown(operands)) + "\n")
    return []


def _debug_callback(equation: Any, operands: Values, env: Environment) -> Values:
    if env.machine.filler:
        return []
    return list(equation.params["callback"](*_shown(operands)) or ())


def _shown(operands: Values) -> Values:
    """Return what a callback sees: of a reference, what it holds."""
    return [v.load(()) if isinstance(v, Ref) else v for v in operands]


def _pallas_call(equation: Any, operands: Values, env: Environment) -> Values:
    if env.call is None:
        raise UnsupportedError("a pallas_call inside a kernel", compat.site_of(equation))
    return env.call(equation.params, operands)


def _nothing(equation: Any, operands: Values, env: Environment) -> Values:
    del equation, operands, env
    return []


_STRUCTURED: dict[str, Callable[[Any, Values, Environment], Values]] = {
    **{name: _call(parameter) for name, parameter in INLINED.items()},
    "cond": _cond,
    "while": _while,
    "scan": _scan,
    "run_scoped": _run_scoped,
    "program_id": _program_id,
    "num_programs": _num_programs,
    "axis_index": _axis_index,
    "platform_index": _platform_index,
    "pallas_call": _pallas_call,
    "debug_print": _debug_print,
    "debug_callback": _debug_callback,
    **dict.fromkeys(IDLE, _nothing),
    "commit_smem": _nothing,
    "commit_group": _nothing,
    "wait_smem_to_gmem": _nothing,
    "set_max_registers_p": _nothing,
}
