"""What a kernel does with its variables: how each reference is used, and which values and operands outlive a use."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from prism.pallas.access import Copy, Inspect, Load, Store
from prism.pallas.control import Branch, CallBack, Loop, Print
from prism.pallas.kernel import Equation, Kernel, Var, equations_in


def last_store(kernel: Kernel, var: Var) -> Equation | None:
    """Return the last equation, nested ones included, that may write to a reference, or None."""
    for equation in reversed(kernel.equations):
        if not any(v is var for v in equation.ins):
            continue
        nested = equation.inner
        for inner in nested:
            mine = inner.inside(var)
            found = None if mine is None else last_store(inner.kernel, mine)
            if found is not None:
                return found
        if not nested and not isinstance(equation.access, Load | Inspect) and equation.control is None:
            return equation
    return None


def used_variables(kernel: Kernel) -> set[Var]:
    """Return the variables of a kernel that an equation or a result reads."""
    used = {v for v in kernel.outs if isinstance(v, Var)}
    return used.union(*(equation.variables for equation in kernel.equations))


def dropped(equation: Equation, used: set[Var]) -> list[bool]:
    """Return for each result of an equation whether nobody reads it."""
    return [v not in used for v in equation.outs]


First = Literal["stored", "used", "untouched"]


def first_use(kernel: Kernel, var: Var) -> First:
    """Return whether every run of a kernel stores the whole reference before it uses it in another way."""
    used = used_variables(kernel)
    for equation in kernel.equations:
        if not any(v is var for v in equation.ins):
            continue
        use = _first_use_of(equation, var, used)
        if use != "untouched":
            return use
    return "untouched"


def _first_use_of(equation: Equation, var: Var, used: set[Var]) -> First:
    nested = equation.inner
    if not nested:
        return "stored" if _stores_whole(equation, var, used) else "used"
    uses = {first_use(inner.kernel, mine) for inner in nested if (mine := inner.inside(var)) is not None}
    if uses == {"untouched"}:
        return "untouched"
    control = equation.control
    always = not isinstance(control, Loop) or bool(control.length)
    complete = not isinstance(control, Branch) or all(inner.inside(var) is not None for inner in nested)
    return "stored" if always and complete and uses == {"stored"} else "used"


def _stores_whole(equation: Equation, var: Var, used: set[Var]) -> bool:
    if equation.name != "swap" or equation.ins[0] is not var:
        return False
    if any(v is var for v in equation.ins[1:]) or not all(dropped(equation, used)):
        return False
    return isinstance(equation.access, Store) and equation.access.place.whole


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


def use_of(kernel: Kernel, var: Var) -> Use:
    """Return how a kernel, nested ones included, uses a reference."""
    use, used = Use(), used_variables(kernel)
    for equation in kernel.equations:
        if not any(v is var for v in equation.ins):
            continue
        nested = equation.inner
        for inner in nested:
            mine = inner.inside(var)
            if mine is not None:
                use |= use_of(inner.kernel, mine)
        if not nested:
            use |= _use_in(equation, var, used)
    return use


def _use_in(equation: Equation, var: Var, used: set[Var]) -> Use:
    access = equation.access
    if isinstance(access, Load | Store):
        plain = access.place.plain
        if isinstance(access, Load):
            return Use(read=True, involved=not plain)
        read = access.combine != "set" or not all(dropped(equation, used))
        if access.mask is not None:
            return Use(read=read, written=True, partial=True, involved=not plain or read or access.atomic)
        plain = plain and access.combine in ("set", "add") and not access.atomic
        return Use(read=read, written=True, partial=not (plain and access.place.whole), involved=not plain)
    if isinstance(access, Copy):
        source, target = (equation.ins[p.ref.position] is var for p in (access.source, access.target))
        if source and not target:
            return Use(read=True, involved=True)
    return _ANY_USE


def lasting_loads(kernel: Kernel) -> set[int]:
    """Return the positions of loads whose result may outlive the loaded memory, so that it must be copied."""
    positions = set()
    for k, equation in enumerate(kernel.equations):
        if equation.name == "get" and not _consumed_at_once(kernel, k):
            positions.add(k)
    return positions


def _consumed_at_once(kernel: Kernel, position: int) -> bool:
    """Whether every use of a load computes a new array before anything may store to the reference."""
    ref, result = kernel.equations[position].ins[0], kernel.equations[position].outs[0]
    if any(v is result for v in kernel.outs):
        return False
    stored = False
    for equation in kernel.equations[position + 1 :]:
        used = any(v is result for v in equation.ins)
        if used and (stored or not _is_fresh(equation)):
            return False
        stored = stored or (any(v is ref for v in equation.ins) and equation.name != "get")
    return True


def _is_fresh(equation: Equation) -> bool:
    """Whether the result of an equation shares no memory with its operands."""
    name = equation.name
    return name in _FRESH or name.startswith("reduce_") or (name == "select_n" and len(equation.ins) > 2)


_FRESH = frozenset(
    ("add", "div", "dot_general", "eq", "exp", "ge", "gt", "le", "log", "lt", "max", "min", "mul", "ne", "neg", "sub")
)


def spent_operands(kernel: Kernel) -> list[set[Var]]:
    """Return for each equation the operands whose memory nobody reads after it.

    An equation of this kernel made them, and all their readers copy what they read.
    """
    owned = {v for equation in kernel.equations if _is_fresh(equation) for v in equation.outs}
    last: dict[Var, int] = {}
    for position, equation in enumerate(kernel.equations):
        read = equation.variables
        if not _is_fresh(equation) and equation.name not in ("swap", "addupdate"):
            owned.difference_update(read)
        last.update(dict.fromkeys(read, position))
    owned.difference_update(v for v in kernel.outs if isinstance(v, Var))
    spent: list[set[Var]] = [set() for _ in kernel.equations]
    for var in owned.intersection(last):
        spent[last[var]].add(var)
    return spent


def tested_conditions(kernel: Kernel) -> set[int]:
    """Return the positions of conversions of a condition to a number that only chooses one of two branches."""
    chooses: dict[Var, bool] = {v: False for v in kernel.outs if isinstance(v, Var)}
    for equation in kernel.equations:
        for k, v in enumerate(equation.ins):
            if isinstance(v, Var):
                two = k == 0 and isinstance(equation.control, Branch) and len(equation.inner) == 2
                chooses[v] = two and chooses.get(v, True)
    return {
        k
        for k, equation in enumerate(kernel.equations)
        if equation.name == "convert_element_type"
        and isinstance(equation.ins[0], Var)
        and not equation.ins[0].shape
        and equation.ins[0].dtype == np.bool_
        and chooses.get(equation.outs[0], False)
    }


def has_effects(kernel: Kernel) -> bool:
    """Whether a kernel prints or calls back, so that its steps must keep their order."""
    return any(isinstance(equation.control, Print | CallBack) for equation in equations_in(kernel))
