"""CNF-2 candidates: every site emits exactly two slots a cycle, enabled or not [STRATA-1].

Slot 2i is the local rewrite of site i, slot 2i + 1 its continuation. A local rewrite refers to rows that existed
before the cycle, a continuation to those and to local rewrites: two strata. The functions work on NumPy arrays and,
under `jax.jit`, on JAX arrays; `xp` is the array namespace.
"""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType
from typing import Any, NamedTuple, TypeAlias

from prism.vm.rewrite.cases import CASES, LOCAL, REF_CONTINUATION, REF_LOCAL, REFS, RESULT, CaseTable
from prism.vm.term.ops import NULL

Array: TypeAlias = Any
"""A NumPy or a JAX array."""


class Rows(NamedTuple):
    """A store of nodes: op uint8[n], a and b int32[n]."""

    op: Array
    a: Array
    b: Array


class Candidates(NamedTuple):
    """The slots of m sites.

    enabled: bool[2m]. op: uint8[2m]. a, b: int32[2m], refs. forward: int32[m], the ref that site i is replaced by,
    the site itself where no rule applies. A ref r >= 0 is a row from before the cycle; r < 0 is candidate slot ~r.
    """

    enabled: Array
    op: Array
    a: Array
    b: Array
    forward: Array


def emit(
    rows: Rows,
    sites: Array,
    stand: Callable[[Array], Array] = lambda ids: ids,
    *,
    xp: ModuleType,
    cases: CaseTable = CASES,
) -> Candidates:
    """Emit the candidates of rows `sites` (int32[m]) of a store; `stand` maps rows to those that stand for them.

    Rules match the heads of the rows that stand for the operands. What a variable matched is referred to by the row
    that stands for it if no rule can rewrite that one, else as it is stored, so that equal terms built in other cycles
    are equal rows. Reads rows, writes none. Cost: 21 gathers of m, 8 of `stand`.
    """
    op, a, b = rows
    heads = xp.asarray(cases.heads)

    def shown(ids: Array) -> Array:
        ends = stand(ids)
        return xp.where(heads[op[ends]], ids, ends)

    at_a, at_b = a[sites], b[sites]
    head_a, head_b = stand(at_a), stand(at_b)
    case = xp.asarray(cases.case)[op[sites], op[head_a], op[head_b]]
    rewrite = xp.asarray(cases.rewrites)[case]
    slot = 2 * xp.arange(sites.shape[0], dtype=xp.int32)
    refs = {
        "NULL": xp.zeros_like(sites),
        "ZERO": xp.ones_like(sites),
        "a": shown(at_a),
        "b": shown(at_b),
        "a.a": shown(a[head_a]),
        "a.b": shown(b[head_a]),
        "b.a": shown(a[head_b]),
        "b.b": shown(b[head_b]),
        REFS[REF_LOCAL]: ~slot,
        REFS[REF_CONTINUATION]: ~(slot + 1),
    }
    values = xp.stack([refs[name] for name in REFS], axis=1)
    node = rewrite[:, LOCAL:RESULT].reshape(-1, 2, 3)
    operands = xp.take_along_axis(values, node[:, :, 1:].reshape(-1, 4), axis=1).reshape(-1, 2)
    result = xp.take_along_axis(values, rewrite[:, RESULT:], axis=1)[:, 0]
    op = node[:, :, 0].reshape(-1)
    return Candidates(
        enabled=op != NULL.code,
        op=op.astype(xp.uint8),
        a=operands[:, 0],
        b=operands[:, 1],
        forward=xp.where(case == 0, sites, result),
    )
