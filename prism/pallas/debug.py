"""Debug mode: a kernel evaluated equation by equation on NumPy arrays and stateful references.

It is the definition of what a kernel means; the other modes are tested against it.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field

import numpy as np

from prism.pallas import control, state
from prism.pallas.analysis import dropped, used_variables
from prism.pallas.call import Memory
from prism.pallas.dtypes import Numeric
from prism.pallas.errors import UNKNOWN_SITE, CheckError, KernelSite, UnsupportedError
from prism.pallas.kernel import Atom, Constant, Equation, Kernel, Var
from prism.pallas.machine import Machine
from prism.pallas.memory import Ref
from prism.pallas.params import TraceEvent
from prism.pallas.primitives import keys
from prism.pallas.primitives.site import Aval, Site
from prism.pallas.primitives.table import TABLE
from prism.pallas.races import watch_of

Values = list[Numeric]


@dataclass(slots=True)
class Environment:
    """What an evaluation may refer to besides its variables.

    `extents` and `indices` are of the visible grid axes, `axes` the names of grid axes. `watch` is called after every
    equation, `call` runs a Pallas call around which the equations stand. `ready` has what was made
    ready of each kernel.
    """

    machine: Machine
    extents: tuple[int, ...] = ()
    indices: tuple[int, ...] = ()
    axes: dict[Numeric, int] = field(default_factory=dict)
    watch: Callable[[TraceEvent], None] | None = None
    call: Callable[..., Values] | None = None
    ready: Ready = field(default_factory=dict)


Performer = Callable[[Values, Environment], Values]


@dataclass(frozen=True, slots=True)
class _Step:
    """One equation: the slots of its operands and results, what performs it, and its site if reports may name it."""

    equation: Equation
    reads: tuple[int, ...]
    writes: tuple[int, ...]
    perform: Performer
    site: KernelSite | None


@dataclass(frozen=True, slots=True)
class Steps:
    """A kernel made ready to run: its variables and constants have one slot each; `slots` holds the constants."""

    slots: Values
    steps: tuple[_Step, ...]
    results: tuple[int, ...]


Ready = dict[Kernel, Steps]


def evaluate(kernel: Kernel, args: Sequence[Numeric], env: Environment) -> Values:
    """Evaluate a kernel; references are `Ref`s and are changed in place."""
    known = env.ready.get(kernel)
    if known is None:
        known = env.ready[kernel] = _ready(kernel, outside=env.call is not None)
    values = known.slots.copy()
    values[: len(args)] = args
    for step in known.steps:
        if step.site is not None:
            env.machine.site = step.site
        results = step.perform([values[k] for k in step.reads], env)
        for k, result in zip(step.writes, results, strict=True):
            values[k] = result
        if env.watch is not None:
            _report(step.equation, results, env)
    return [values[k] for k in known.results]


def _ready(kernel: Kernel, *, outside: bool) -> Steps:
    slots = _Slots(outside=outside)
    places: dict[Atom, int] = {var: slots.add() for var in kernel.ins}
    results = slots.place(kernel, places)
    return Steps(slots.values, tuple(slots.steps), results)


class _Slots:
    """Gives variables and constants their slots, and equations their steps.

    Outside of kernels, where nobody watches, a call is the equations that it calls.
    """

    def __init__(self, *, outside: bool) -> None:
        self.outside = outside
        self.values: Values = []
        self.steps: list[_Step] = []
        # One kernel may be called many times.
        self._performers: dict[Equation, tuple[Performer, KernelSite | None]] = {}

    def add(self, value: Numeric = None) -> int:
        """Return a new slot."""
        self.values.append(value)
        return len(self.values) - 1

    def place(self, kernel: Kernel, places: dict[Atom, int]) -> tuple[int, ...]:
        """Add the steps of a kernel whose inputs have places, and return the slots of its results."""
        places.update((var, self.add(const)) for var, const in kernel.consts)
        used = used_variables(kernel)
        for equation in kernel.equations:
            reads = self._slots_of(equation.ins, places)
            if self.outside and isinstance(equation.control, control.Inline):
                called = equation.body
                results = self.place(called, dict(zip(called.ins, reads, strict=True)))
                places.update(zip(equation.outs, results, strict=True))
                continue
            if equation not in self._performers:
                self._performers[equation] = _performer(equation, used)
            places.update((var, self.add()) for var in equation.outs)
            writes = self._slots_of(equation.outs, places)
            self.steps.append(_Step(equation, reads, writes, *self._performers[equation]))
        return self._slots_of(kernel.outs, places)

    def _slots_of(self, atoms: Sequence[Atom], places: dict[Atom, int]) -> tuple[int, ...]:
        return tuple(self.add(a.value) if isinstance(a, Constant) else places[a] for a in atoms)


def _performer(equation: Equation, used: set[Var]) -> tuple[Performer, KernelSite | None]:
    asked, access = equation.control, equation.access
    # Equations of JAX's own making have no place: the one around them does.
    place = None if equation.site is UNKNOWN_SITE else equation.site
    if asked is not None:
        perform = _CONTROL[type(asked)]
        return lambda operands, env: perform(equation, asked, operands, env), place
    if access is not None:
        unread = dropped(equation, used)
        return lambda operands, _: state.perform(access, operands, unread), place
    function = compile_equation(equation)
    if equation.several:
        return lambda operands, _: list(function(*operands)), None
    return lambda operands, _: [function(*operands)], None


def _report(equation: Equation, results: Values, env: Environment) -> None:
    event = TraceEvent(equation.site, env.machine.step, equation.name, tuple(results))
    assert env.watch is not None
    env.watch(event)


def compile_equation(equation: Equation) -> Callable[..., Numeric]:
    """Return a function of one equation's operands, from the primitive table.

    Outside of kernels, a primitive without a rule is left to JAX.
    """
    rule = TABLE.get(equation.name)
    if rule is None and equation.by_jax is not None:
        return equation.by_jax
    if rule is None:
        raise UnsupportedError(f"the primitive {equation.name}", equation.site)
    scope: dict[str, Numeric] = {"np": np}

    def bind(value: object, hint: str) -> str:
        name = f"_{hint}{len(scope)}"
        scope[name] = value
        return name

    names = tuple(f"x{k}" for k in range(len(equation.ins)))
    site = Site(equation.params, avals(equation.ins), avals(equation.outs), names, bind, place=equation.site)
    return eval(f"lambda {', '.join(names)}: {rule.numpy(site)}", scope)


def avals(atoms: Sequence[Atom]) -> tuple[Aval, ...]:
    """Return shapes and element types of variables and constants."""
    return tuple(Aval(atom.shape, atom.dtype) for atom in atoms)


def _inline(equation: Equation, _: control.Inline, operands: Values, env: Environment) -> Values:
    return evaluate(equation.body, operands, env)


def _branch(equation: Equation, _: control.Branch, operands: Values, env: Environment) -> Values:
    return evaluate(equation.chosen(int(operands[0])), operands[1:], env)


def _loop(equation: Equation, loop: control.Loop, operands: Values, env: Environment) -> Values:
    test, (for_test, for_body, carry, rows) = equation.test, loop.parts(operands)
    stacked = [np.empty(v.shape, v.dtype) for v in equation.outs[loop.carry :]]
    for k in loop.numbers():
        if test is not None and not evaluate(test, [*for_test, *carry], env)[0]:
            break
        results = evaluate(equation.body, [*for_body, *carry, *(x[k] for x in rows)], env)
        carry = results[: loop.carry]
        for into, value in zip(stacked, results[loop.carry :], strict=True):
            into[k] = value
    return [*carry, *stacked]


def _scope(equation: Equation, scope: control.Scope, operands: Values, env: Environment) -> Values:
    shared = [_axis(name, equation, env) for name in scope.shared]
    lanes = env.machine.lanes
    with nullcontext() if lanes is None else lanes.scope():
        allocated = equation.body.ins[len(operands) :]
        refs = [_scoped(v, f"scratch{k}", shared, env) for k, v in enumerate(allocated)]
        return evaluate(equation.body, [*operands, *refs], env)


def _scoped(var: Var, name: str, shared: Sequence[int], env: Environment) -> Ref:
    """Allocate for one step, or for all that share the allocation because they differ along the `shared` axes only."""
    machine, lanes = env.machine, env.machine.lanes
    if lanes is None:
        return scratch(var, name, machine)
    if not shared and var.space == "main":
        return lanes.shared(id(var), None, lanes.count, lambda: scratch(var, name, machine))
    if not shared:
        return own_scratch(var, name, machine)
    group, sharers = lanes.group(machine.step, shared), math.prod(machine.grid[axis] for axis in shared)
    return lanes.shared(id(var), group, sharers, lambda: scratch(var, name, machine))


def own_scratch(var: Var, name: str, machine: Machine) -> Ref:
    """Allocate for one lane of several; its semaphores are known to the others."""
    lanes = machine.lanes
    if lanes is None or not var.semaphore:
        return scratch(var, name, machine)
    shape = (lanes.count, *var.shape)
    peers = lanes.shared(id(var), None, lanes.count, lambda: Ref(name, np.zeros(shape, np.int32), machine)).data
    return Ref(name, peers[lanes.current, ...], machine, peers=peers)


def scratch(var: Var | Memory, name: str, machine: Machine) -> Ref:
    """Allocate a reference that nobody has written; semaphores start at 0."""
    dtype, shape = var.dtype, var.shape
    if var.semaphore:
        return Ref(name, np.zeros(shape, dtype), machine)
    watched = machine.lanes is not None and machine.params.races != "off"
    return Ref(
        name,
        np.full(shape, machine.poison(dtype), dtype),
        machine,
        written=np.zeros(shape, np.bool_),
        watch=watch_of(shape) if watched else None,
    )


def _grid_index(_: Equation, index: control.GridIndex, __: Values, env: Environment) -> Values:
    return [np.int32(env.indices[index.axis])]


def _grid_extent(_: Equation, extent: control.GridExtent, __: Values, env: Environment) -> Values:
    return [np.int32(env.extents[extent.axis])]


def _mesh_index(equation: Equation, index: control.MeshIndex, _: Values, env: Environment) -> Values:
    number = 0
    for name in index.names:
        axis = _axis(name, equation, env)
        number = number * env.extents[axis] + env.indices[axis]
    return [np.int32(number)]


def _axis(name: Numeric, equation: Equation, env: Environment) -> int:
    if name not in env.axes:
        raise UnsupportedError(f"{equation.name} of the mesh axis {name!r}", equation.site)
    return env.axes[name]


def _print(_: Equation, shown: control.Print, operands: Values, env: Environment) -> Values:
    if not env.machine.filler:  # Such a run repeats another one, to compare its outputs.
        sys.stdout.write(shown.text(_shown(operands)) + "\n")
    return []


def _call_back(_: Equation, called: control.CallBack, operands: Values, env: Environment) -> Values:
    return [] if env.machine.filler else list(called.function(*_shown(operands)) or ())


def _check(_: Equation, check: control.Check, operands: Values, env: Environment) -> Values:
    failure = check.failure(operands)
    if failure:
        remedy = "the kernel's own check does not hold: see what it was given"
        raise env.machine.problem(CheckError, f"check failed: {failure}", "", (), (), remedy=remedy)
    return []


def _seed(_: Equation, __: control.Seed, operands: Values, env: Environment) -> Values:
    keys.seed_generator(env.machine, *operands)
    return []


def _draw(equation: Equation, _: control.Draw, __: Values, env: Environment) -> Values:
    return [keys.draw(env.machine, equation.outs[0].shape, equation.outs[0].dtype)]


def _shown(operands: Values) -> Values:
    """Return what a callback sees: of a reference, what it holds."""
    return [v.load(()) if isinstance(v, Ref) else v for v in operands]


def _nested(equation: Equation, _: control.Nested, operands: Values, env: Environment) -> Values:
    if env.call is None:
        raise UnsupportedError("a pallas_call inside a kernel", equation.site)
    return env.call(equation.params, operands)


_CONTROL: dict[type[control.Control], Callable[[Equation, Numeric, Values, Environment], Values]] = {
    control.Inline: _inline,
    control.Branch: _branch,
    control.Loop: _loop,
    control.Scope: _scope,
    control.GridIndex: _grid_index,
    control.GridExtent: _grid_extent,
    control.MeshIndex: _mesh_index,
    control.Print: _print,
    control.CallBack: _call_back,
    control.Check: _check,
    control.Seed: _seed,
    control.Draw: _draw,
    control.Nested: _nested,
    control.Idle: lambda *_: [],
}
