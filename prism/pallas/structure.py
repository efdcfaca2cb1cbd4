"""How a kernel's jaxpr nests: which inner variable stands for which outer operand, and what a reference is used for."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from prism.pallas import compat
from prism.pallas.access import Copy, Index, Load, Store
from prism.pallas.decode import STATE_PRIMITIVES, decode

INLINED = {
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


IDLE = ("delay", "debug_barrier_p", "trace_value")
"""Primitives that take time or leave a mark on a device, and do nothing here."""


@dataclass(frozen=True, slots=True)
class Inner:
    """A jaxpr inside an equation; `operands` are the outer atoms of its inputs, None where it has no outer one."""

    jaxpr: Any
    operands: tuple[Any, ...]


def inner_jaxprs(equation: Any) -> list[Inner]:
    """Return the jaxprs that an equation runs, with their inputs named from outside."""
    name, parameters, atoms = equation.primitive.name, equation.params, tuple(equation.invars)
    if name in INLINED:
        return [Inner(parameters[INLINED[name]], atoms)]
    if name == "cond":
        return [Inner(branch, atoms[1:]) for branch in parameters["branches"]]
    if name == "while":
        for_cond, for_body = parameters["cond_nconsts"], parameters["body_nconsts"]
        carry = atoms[for_cond + for_body :]
        return [
            Inner(parameters["cond_jaxpr"], (*atoms[:for_cond], *carry)),
            Inner(parameters["body_jaxpr"], (*atoms[for_cond : for_cond + for_body], *carry)),
        ]
    if name == "scan":
        return [Inner(parameters["jaxpr"], atoms)]
    if name == "run_scoped":
        return [Inner(parameters["jaxpr"], atoms)]
    return []


def inner_variables(inner: Inner) -> tuple[Any, ...]:
    """Return the variables of an inner jaxpr that stand for `inner.operands`."""
    jaxpr, consts = compat.open_jaxpr(inner.jaxpr)
    # The references that `run_scoped` closes over are constants of its jaxpr, and operands of its equation.
    return tuple(jaxpr.constvars) if jaxpr.constvars and not consts else tuple(jaxpr.invars)


def inside(inner: Inner, var: Any) -> Any:
    """Return the inner variable that stands for an outer one, or None."""
    for mine, outer in zip(inner_variables(inner), inner.operands, strict=False):
        if outer is var:
            return mine
    return None


def last_store(jaxpr: Any, var: Any) -> Any:
    """Return the last equation, nested ones included, that may write to a reference, or None."""
    jaxpr, _ = compat.open_jaxpr(jaxpr)
    for equation in reversed(jaxpr.eqns):
        if not any(v is var for v in equation.invars):
            continue
        nested = inner_jaxprs(equation)
        for inner in nested:
            mine = inside(inner, var)
            found = None if mine is None else last_store(inner.jaxpr, mine)
            if found is not None:
                return found
        if not nested and equation.primitive.name not in _READING:
            return equation
    return None


_READING = frozenset(("get", "masked_load", "semaphore_read", "debug_print", "debug_callback"))


def used_variables(jaxpr: Any) -> set[Any]:
    """Return the variables of a jaxpr that an equation or a result reads."""
    used = {v for v in jaxpr.outvars if not isinstance(v, compat.Literal)}
    for equation in jaxpr.eqns:
        used.update(v for v in equation.invars if not isinstance(v, compat.Literal))
    return used


def dropped(equation: Any, used: set[Any]) -> list[bool]:
    """Return for each result of an equation whether nobody reads it."""
    return [v not in used for v in equation.outvars]


First = Literal["stored", "used", "untouched"]


def first_use(jaxpr: Any, var: Any) -> First:
    """Return whether every run of a jaxpr stores the whole reference before it uses it in another way."""
    jaxpr, _ = compat.open_jaxpr(jaxpr)
    used = used_variables(jaxpr)
    for equation in jaxpr.eqns:
        if not any(v is var for v in equation.invars):
            continue
        use = _first_use_of(equation, var, used)
        if use != "untouched":
            return use
    return "untouched"


def _first_use_of(equation: Any, var: Any, used: set[Any]) -> First:
    nested = inner_jaxprs(equation)
    if not nested:
        return "stored" if _stores_whole(equation, var, used) else "used"
    uses = {first_use(inner.jaxpr, mine) for inner in nested if (mine := inside(inner, var)) is not None}
    if uses == {"untouched"}:
        return "untouched"
    name = equation.primitive.name
    always = name in INLINED or name in ("cond", "run_scoped") or (name == "scan" and equation.params["length"] > 0)
    complete = name != "cond" or all(inside(inner, var) is not None for inner in nested)
    return "stored" if always and complete and uses == {"stored"} else "used"


def _stores_whole(equation: Any, var: Any, used: set[Any]) -> bool:
    if equation.primitive.name != "swap" or equation.invars[0] is not var:
        return False
    if any(v is var for v in equation.invars[1:]) or not all(dropped(equation, used)):
        return False
    access = decode(equation)
    if not isinstance(access, Store):
        return False
    return all(isinstance(t, Index) and t.whole for t in access.place.transforms) and len(access.place.transforms) <= 1


@dataclass(frozen=True, slots=True)
class Use:
    """How a kernel uses one reference.

    `partial`: some store does not cover the whole of it; `involved`: some access is more than a plain index.
    """

    read: bool = False
    written: bool = False
    partial: bool = False
    involved: bool = False

    def __or__(self, other: Use) -> Use:
        return Use(
            self.read or other.read,
            self.written or other.written,
            self.partial or other.partial,
            self.involved or other.involved,
        )


_ANY_USE = Use(read=True, written=True, partial=True, involved=True)


def use_of(jaxpr: Any, var: Any) -> Use:
    """Return how a jaxpr, nested ones included, uses a reference."""
    jaxpr, _ = compat.open_jaxpr(jaxpr)
    use, used = Use(), used_variables(jaxpr)
    for equation in jaxpr.eqns:
        if not any(v is var for v in equation.invars):
            continue
        nested = inner_jaxprs(equation)
        for inner in nested:
            mine = inside(inner, var)
            if mine is not None:
                use |= use_of(inner.jaxpr, mine)
        if not nested:
            use |= _use_in(equation, var, used)
    return use


def _use_in(equation: Any, var: Any, used: set[Any]) -> Use:
    if equation.primitive.name not in STATE_PRIMITIVES:
        return _ANY_USE
    access = decode(equation)
    if isinstance(access, Load | Store):
        plain = len(access.place.transforms) <= 1
        plain = plain and all(isinstance(t, Index) for t in access.place.transforms)
        if isinstance(access, Load):
            return Use(read=True, involved=not plain)
        read = access.combine != "set" or not all(dropped(equation, used))
        if access.mask is not None:
            return Use(read=read, written=True, partial=True, involved=not plain or read or access.atomic)
        plain = plain and access.combine in ("set", "add") and not access.atomic
        whole = plain and all(isinstance(t, Index) and t.whole for t in access.place.transforms)
        return Use(read=read, written=True, partial=not whole, involved=not plain)
    if isinstance(access, Copy):
        source, target = (equation.invars[p.ref.position] is var for p in (access.source, access.target))
        if source and not target:
            return Use(read=True, involved=True)
    return _ANY_USE


def lasting_loads(jaxpr: Any) -> set[int]:
    """Return the positions of loads whose result may outlive the loaded memory, so that it must be copied."""
    positions = set()
    for k, equation in enumerate(jaxpr.eqns):
        if equation.primitive.name == "get" and not _consumed_at_once(jaxpr, k):
            positions.add(k)
    return positions


def _consumed_at_once(jaxpr: Any, position: int) -> bool:
    """Whether every use of a load computes a new array before anything may store to the reference."""
    ref, result = jaxpr.eqns[position].invars[0], jaxpr.eqns[position].outvars[0]
    if any(v is result for v in jaxpr.outvars):
        return False
    stored = False
    for equation in jaxpr.eqns[position + 1 :]:
        used = any(v is result for v in equation.invars)
        if used and (stored or not _is_fresh(equation)):
            return False
        stored = stored or (any(v is ref for v in equation.invars) and equation.primitive.name != "get")
    return True


def _is_fresh(equation: Any) -> bool:
    """Whether the result of an equation shares no memory with its operands."""
    name = equation.primitive.name
    return name in _FRESH or name.startswith("reduce_") or (name == "select_n" and len(equation.invars) > 2)


_FRESH = frozenset(
    ("add", "div", "dot_general", "eq", "exp", "ge", "gt", "le", "log", "lt", "max", "min", "mul", "ne", "neg", "sub")
)


def spent_operands(jaxpr: Any) -> list[set[Any]]:
    """Return for each equation the operands whose memory nobody reads after it.

    An equation of this jaxpr made them, and all their readers copy what they read.
    """
    owned = {v for equation in jaxpr.eqns if _is_fresh(equation) for v in equation.outvars}
    last: dict[Any, int] = {}
    for position, equation in enumerate(jaxpr.eqns):
        read = [v for v in equation.invars if not isinstance(v, compat.Literal)]
        if not _is_fresh(equation) and equation.primitive.name not in ("swap", "addupdate"):
            owned.difference_update(read)
        last.update(dict.fromkeys(read, position))
    owned.difference_update(v for v in jaxpr.outvars if not isinstance(v, compat.Literal))
    spent: list[set[Any]] = [set() for _ in jaxpr.eqns]
    for var in owned.intersection(last):
        spent[last[var]].add(var)
    return spent


def tested_conditions(jaxpr: Any) -> set[int]:
    """Return the positions of conversions of a condition to a number that only chooses one of two branches."""
    chooses: dict[Any, bool] = {v: False for v in jaxpr.outvars if not isinstance(v, compat.Literal)}
    for equation in jaxpr.eqns:
        for k, v in enumerate(equation.invars):
            if not isinstance(v, compat.Literal):
                two = k == 0 and equation.primitive.name == "cond" and len(equation.params["branches"]) == 2
                chooses[v] = two and chooses.get(v, True)
    return {
        k
        for k, equation in enumerate(jaxpr.eqns)
        if equation.primitive.name == "convert_element_type"
        and not isinstance(equation.invars[0], compat.Literal)
        and not compat.shape_of(equation.invars[0])
        and compat.element_type(equation.invars[0].aval.dtype) == np.bool_
        and chooses.get(equation.outvars[0], False)
    }


def equations_in(jaxpr: Any) -> Iterator[Any]:
    """Yield every equation of a jaxpr, nested ones included."""
    jaxpr, _ = compat.open_jaxpr(jaxpr)
    for equation in jaxpr.eqns:
        yield equation
        for inner in inner_jaxprs(equation):
            yield from equations_in(inner.jaxpr)


def primitives_in(jaxpr: Any) -> Iterator[str]:
    """Yield the name of every primitive in a jaxpr, nested ones included."""
    for equation in equations_in(jaxpr):
        yield equation.primitive.name
