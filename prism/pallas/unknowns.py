"""How far a kernel may hide what it computes from unwritten memory, so that NaN alone does not show it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from prism.pallas import compat, dtypes
from prism.pallas.access import Load
from prism.pallas.call import Block, Call, Memory
from prism.pallas.decode import decode
from prism.pallas.structure import Inner, Use, inner_jaxprs, inner_variables

_ORDERED, _EQUAL = 3, 4
"""Fillers that tell apart what an order and what a test for equality make of an unknown value."""

# What hides NaN though its results may hold one, or tells but a single value; so does all whose results hold none.
_HIDING = {**dict.fromkeys(("eq", "ne"), _EQUAL), **dict.fromkeys(("sign", "sort", "top_k", "clamp"), _ORDERED)}


def fillers_for(call: Call, uses: Sequence[Use], primitives: frozenset[str]) -> int:
    """Return how many fillers tell whether outputs depend on unwritten memory; 0 if NaN shows it in any case.

    `uses` are of the kernel's references, `primitives` the names of all that it calls.
    """
    kernel, _ = compat.open_jaxpr(call.jaxpr)
    memories: list[Block | Memory] = [*call.prefetched, *call.inputs, *call.outputs, *call.scratch]
    first_output = len(call.prefetched) + len(call.inputs)
    unknown: set[Any] = set()
    needed = 0
    for k, (memory, var, use) in enumerate(zip(memories, kernel.invars, uses, strict=True)):
        blank = memory.has_padding if k < first_output and isinstance(memory, Block) else k >= first_output
        if use.read and blank and not (isinstance(memory, Memory) and memory.semaphore):
            unknown.add(var)
            needed = needed if dtypes.is_float(memory.dtype) else _ORDERED
    if not unknown and primitives.isdisjoint(("run_scoped", "masked_load")):
        return 0
    size = -1
    while size != len(unknown):
        size = len(unknown)
        needed = max(needed, _spread(kernel, unknown))
    return needed


def _spread(jaxpr: Any, unknown: set[Any]) -> int:
    """Add to `unknown` what equations compute from it; return how many fillers show all of what they hide."""
    jaxpr, _ = compat.open_jaxpr(jaxpr)
    needed = 0
    for equation in jaxpr.eqns:
        nested = inner_jaxprs(equation)
        if nested:
            needed = max(needed, _spread_nested(equation, nested, unknown))
        elif _makes_unknown(equation) or not unknown.isdisjoint(_variables(equation.invars)):
            unknown.update(equation.outvars)
            # What is stored makes its memory unknown in turn.
            unknown.update(v for v in _variables(equation.invars) if compat.is_ref(v))
            needed = max(needed, _needed(equation))
    return needed


def _spread_nested(equation: Any, nested: Sequence[Inner], unknown: set[Any]) -> int:
    needed = 0
    for inner in nested:
        jaxpr, _ = compat.open_jaxpr(inner.jaxpr)
        mine = inner_variables(inner)
        if equation.primitive.name == "run_scoped":
            for var in jaxpr.invars:
                needed = needed if dtypes.is_float(compat.element_type(var.aval.dtype)) else _ORDERED
            unknown.update(jaxpr.invars)
        pairs = [(a, b) for a, b in zip(mine, inner.operands, strict=False) if not isinstance(b, compat.Literal)]
        unknown.update(a for a, b in pairs if b in unknown)
        needed = max(needed, _spread(jaxpr, unknown))
        unknown.update(b for a, b in pairs if a in unknown and compat.is_ref(b))
        results = [k for k, v in enumerate(jaxpr.outvars) if not isinstance(v, compat.Literal) and v in unknown]
        if len(jaxpr.outvars) == len(equation.outvars):
            unknown.update(equation.outvars[k] for k in results)
            unknown.update(v for k in results for v in _carried(equation, nested, k))
    if equation.primitive.name == "cond" and equation.invars[0] in unknown:
        unknown.update(equation.outvars)
    return needed


def _carried(equation: Any, nested: Sequence[Inner], result: int) -> Iterator[Any]:
    """Yield the inner variables that a loop's result becomes in the next iteration."""
    if equation.primitive.name == "scan":
        consts, carry = compat.scan_parts(equation.params)
        if result < carry:
            yield compat.open_jaxpr(nested[0].jaxpr)[0].invars[consts + result]
    elif equation.primitive.name == "while":
        for inner, consts in zip(nested, ("cond_nconsts", "body_nconsts"), strict=True):
            yield compat.open_jaxpr(inner.jaxpr)[0].invars[equation.params[consts] + result]


def _variables(atoms: Sequence[Any]) -> Iterator[Any]:
    return (v for v in atoms if not isinstance(v, compat.Literal))


def _makes_unknown(equation: Any) -> bool:
    """Whether an equation gives unknown values by itself: a masked load without a value for the lanes that are off."""
    if equation.primitive.name != "masked_load":
        return False
    access = decode(equation)
    return isinstance(access, Load) and access.mask is not None and access.other is None


def _needed(equation: Any) -> int:
    narrow = any(not dtypes.is_float(compat.element_type(v.aval.dtype)) for v in equation.outvars)
    return max(_HIDING.get(equation.primitive.name, 0), _ORDERED if narrow else 0)
