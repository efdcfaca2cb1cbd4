"""How far a kernel may hide what it computes from unwritten memory, so that NaN alone does not show it.

Taint spreads from references that may hold unwritten elements to all that is computed from them. For example, with a
scratch reference `s` that is read before it is written:

    a = s[0]          a is tainted, and a float: NaN in it would show in the output
    b = a > 0         b is tainted and no float: whatever `s` held, `b` looks like any truth value
    o[0] = b          so the output must be compared between runs that fill `s` otherwise: three fillers for an order
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from prism.pallas import dtypes
from prism.pallas.access import Load
from prism.pallas.analysis import Use
from prism.pallas.call import Block, Call, Memory
from prism.pallas.control import Branch, Loop, Scope
from prism.pallas.kernel import Equation, Kernel, Var

_ORDERED, _EQUAL = 3, 4
"""Fillers that tell apart what an order and what a test for equality make of an unknown value."""

# What hides NaN though its results may hold one, or tells but a single value; so does all whose results hold none.
_HIDING = {**dict.fromkeys(("eq", "ne"), _EQUAL), **dict.fromkeys(("sign", "sort", "top_k", "clamp"), _ORDERED)}


def fillers_for(call: Call, uses: Sequence[Use], primitives: frozenset[str]) -> int:
    """Return how many fillers tell whether outputs depend on unwritten memory; 0 if NaN shows it in any case.

    `uses` are of the kernel's references, `primitives` the names of all that it calls.
    """
    kernel = call.kernel
    memories: list[Block | Memory] = [*call.prefetched, *call.inputs, *call.outputs, *call.scratch]
    first_output = len(call.prefetched) + len(call.inputs)
    unknown: set[Var] = set()
    needed = 0
    for k, (memory, var, use) in enumerate(zip(memories, kernel.ins, uses, strict=True)):
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


def _spread(kernel: Kernel, unknown: set[Var]) -> int:
    """Add to `unknown` what equations compute from it; return how many fillers show all of what they hide."""
    needed = 0
    for equation in kernel.equations:
        if equation.inner:
            needed = max(needed, _spread_nested(equation, unknown))
        elif _makes_unknown(equation) or not unknown.isdisjoint(equation.variables):
            unknown.update(equation.outs)
            # What is stored makes its memory unknown in turn.
            unknown.update(v for v in equation.variables if v.is_ref)
            needed = max(needed, _needed(equation))
    return needed


def _spread_nested(equation: Equation, unknown: set[Var]) -> int:
    needed = 0
    for inner in equation.inner:
        kernel = inner.kernel
        if isinstance(equation.control, Scope):
            scratch = kernel.ins[len(inner.operands) :]
            needed = needed if all(dtypes.is_float(var.dtype) for var in scratch) else _ORDERED
            unknown.update(scratch)
        pairs = [(mine, outer) for mine, outer in inner.pairs if isinstance(outer, Var)]
        unknown.update(mine for mine, outer in pairs if outer in unknown)
        needed = max(needed, _spread(kernel, unknown))
        unknown.update(outer for mine, outer in pairs if mine in unknown and outer.is_ref)
        results = [k for k, v in enumerate(kernel.outs) if v in unknown]
        if len(kernel.outs) == len(equation.outs):
            unknown.update(equation.outs[k] for k in results)
            unknown.update(v for k in results for v in _carried(equation, k))
    if isinstance(equation.control, Branch) and equation.ins[0] in unknown:
        unknown.update(equation.outs)
    return needed


def _carried(equation: Equation, result: int) -> Iterator[Var]:
    """Yield the inner variables that a loop's result becomes in the next iteration."""
    loop = equation.control
    if isinstance(loop, Loop) and result < loop.carry:
        yield equation.body.ins[loop.body + result]
        if equation.test is not None:
            yield equation.test.ins[loop.test + result]


def _makes_unknown(equation: Equation) -> bool:
    """Whether an equation gives unknown values by itself: a masked load without a value for the lanes that are off."""
    access = equation.access
    return isinstance(access, Load) and access.mask is not None and access.other is None


def _needed(equation: Equation) -> int:
    narrow = any(not dtypes.is_float(v.dtype) for v in equation.outs)
    return max(_HIDING.get(equation.name, 0), _ORDERED if narrow else 0)
