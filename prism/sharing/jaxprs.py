"""Jaxprs: each equation once, in the jaxpr and in those inside its equations."""

from __future__ import annotations

from typing import Any

import numpy as np
from jax.extend.core import ClosedJaxpr, DropVar, Jaxpr, JaxprEqn, Literal, Var

_Key = Any


def without_repetition(jaxpr: Any) -> Any:
    """Return an equivalent jaxpr in which equal equations are one; closed exactly if the given one is [CSE-3].

    Equal equations have one primitive, equal parameters, equal operands and no effects. Those of jaxprs in parameters
    (calls, loops, branches) are merged too; a jaxpr with effects is left as it is inside.
    """
    if isinstance(jaxpr, ClosedJaxpr):
        return jaxpr.replace(jaxpr=without_repetition(jaxpr.jaxpr))
    return _Merge(jaxpr).jaxpr()


class _Merge:
    """What became of the variables and equations of one jaxpr."""

    def __init__(self, jaxpr: Jaxpr) -> None:
        self.given = jaxpr
        self.became: dict[Var, Var] = {}
        self.equations: list[JaxprEqn] = []
        self.by_key: dict[_Key, int] = {}

    def jaxpr(self) -> Jaxpr:
        for equation in self.given.eqns:
            self._take(equation)
        outvars = [self._renamed(atom) for atom in self.given.outvars]
        return self.given.replace(eqns=self.equations, outvars=outvars)

    def _take(self, equation: JaxprEqn) -> None:
        invars = [self._renamed(atom) for atom in equation.invars]
        params = {name: _inside(value) for name, value in equation.params.items()}
        made = equation.replace(invars=invars, params=params)
        if equation.effects:
            self.equations.append(made)
            return
        key = (equation.primitive, repr(equation.ctx), _frozen(params), tuple(map(_atom_key, invars)))
        at = self.by_key.setdefault(key, len(self.equations))
        if at == len(self.equations):
            self.equations.append(made)
            return
        known = list(self.equations[at].outvars)
        for position, var in enumerate(equation.outvars):
            if isinstance(known[position], DropVar):
                known[position] = var
            elif not isinstance(var, DropVar):
                self.became[var] = known[position]
        self.equations[at] = self.equations[at].replace(outvars=known)

    def _renamed(self, atom: Any) -> Any:
        return atom if isinstance(atom, Literal) else self.became.get(atom, atom)


def _inside(value: Any) -> Any:
    """Return a parameter with the equations of its jaxprs merged."""
    if isinstance(value, ClosedJaxpr | Jaxpr):
        return value if value.effects else without_repetition(value)
    if type(value) is tuple and any(isinstance(one, ClosedJaxpr | Jaxpr) for one in value):
        return tuple(map(_inside, value))
    return value


def _atom_key(atom: Any) -> _Key:
    if isinstance(atom, Literal):
        return "literal", str(atom.aval), _frozen(np.asarray(atom.val))
    return atom


def _frozen(value: Any) -> _Key:
    """Return a key that two parameters have in common only if they are the same: by value, else by identity."""
    kind = type(value)
    if isinstance(value, dict):
        return kind, tuple((name, _frozen(one)) for name, one in sorted(value.items(), key=lambda item: str(item[0])))
    if isinstance(value, list | tuple):
        return kind, tuple(map(_frozen, value))
    if isinstance(value, np.ndarray | np.generic):
        # Bytes tell 0.0 from -0.0, and are equal for equal NaNs.
        return kind, str(value.dtype), value.shape, value.tobytes()
    if isinstance(value, float | complex):
        return kind, repr(value)
    if isinstance(value, ClosedJaxpr):
        return kind, _jaxpr_key(value.jaxpr), tuple(id(const) for const in value.consts)
    if isinstance(value, Jaxpr):
        return kind, _jaxpr_key(value)
    try:
        hash(value)
    except TypeError:
        return kind, id(value)
    return kind, value


def _jaxpr_key(jaxpr: Jaxpr) -> _Key:
    """Return the structure of a jaxpr, variables numbered as they come; of one with effects, the jaxpr itself."""
    if jaxpr.effects:
        return id(jaxpr)
    number: dict[Var, int] = {}

    def atom(one: Any) -> _Key:
        return _atom_key(one) if isinstance(one, Literal) else (number.setdefault(one, len(number)), str(one.aval))

    head = tuple(map(atom, [*jaxpr.constvars, *jaxpr.invars]))
    body = tuple(
        (
            equation.primitive,
            repr(equation.ctx),
            _frozen(equation.params),
            tuple(map(atom, equation.invars)),
            tuple(str(var.aval) if isinstance(var, DropVar) else atom(var) for var in equation.outvars),
        )
        for equation in jaxpr.eqns
    )
    return head, body, tuple(map(atom, jaxpr.outvars))
