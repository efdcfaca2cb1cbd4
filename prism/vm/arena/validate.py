"""Validate an arena and its cycles on the host: list what breaks their promises [ARENA-6]."""

from __future__ import annotations

import numpy as np

from prism.vm.arena.store import Arena
from prism.vm.ledger.optable import ARITY, NO_OP
from prism.vm.rewrite.candidates import emit
from prism.vm.rewrite.commit import followed, place, project
from prism.vm.rewrite.validate import broken, strata_violations
from prism.vm.term.ops import NULL, ZERO


def violations(arena: Arena) -> list[str]:
    """Return a sentence for each kind of broken promise, with the first slot that breaks it; none if all hold."""
    op, a, b, roots = (np.asarray(array) for array in (arena.op, arena.a, arena.b, arena.roots))
    n, used = len(op), int(arena.used)
    found = [f"the number of slots must be a power of two, got {n}"] if n & (n - 1) else []
    if (op[0], op[1]) != (NULL.code, ZERO.code):
        found.append(f"slots 0 and 1 must hold NULL and ZERO, got ops {op[0]} and {op[1]}")
    slot = np.arange(n)
    arity = ARITY[op]
    is_known = arity != NO_OP
    found += broken("hold an op of the table", ~is_known, op, got="")
    found += broken("be free from `used` on", (slot >= used) & (op != NULL.code), op, got="")
    for name, operand, takes in (("a", a, is_known & (arity >= 1)), ("b", b, is_known & (arity >= 2))):
        inside = (operand >= 0) & (operand < n)
        found += broken(f"have operand {name} 0 if its op takes none", ~takes & (operand != 0), operand, got="")
        live = inside & (op[np.where(inside, operand, 0)] != NULL.code)
        found += broken(f"have a slot in use as operand {name} if its op takes one", takes & ~live, operand, got="")
    inside = (roots >= 0) & (roots < n)
    dead = ~inside | ((roots != 0) & (op[np.where(inside, roots, 0)] == NULL.code))
    if dead.any():
        found.append(f"every root must be a slot in use, got {int(roots[dead.argmax()])} for root {int(dead.argmax())}")
    return found


def cycle_violations(met: Arena, after: Arena) -> list[str]:
    """Return what a cycle did wrong that met one arena and left another: its strata, its nodes, its pointers.

    Every slot must hold what it held, or the enabled candidate that was placed there, and follow the replaced sites.
    """
    n = len(met.op)
    found = emit(met.op, met.a, met.b, np.arange(n, dtype=np.int32), xp=np)
    q, _ = place(found.enabled, met.used, xp=np)
    forward = followed(project(found.forward, q, xp=np))
    rows, replaced = q[found.enabled], forward != np.arange(n)
    after = Arena(*map(np.asarray, after))
    violations = strata_violations(found, n)
    built = (found.op, project(found.a, q, xp=np), project(found.b, q, xp=np))
    for name, old, new, got in zip(("op", "a", "b"), met, built, after, strict=False):
        must = np.where(replaced, 0, old)
        must[rows] = new[found.enabled]
        must = must if name == "op" else forward[must]
        violations += broken(f"hold the {name} that the cycle's rules give it", must != got, got, got="")
    violations += broken("follow its site", forward[met.roots] != after.roots, after.roots, what="root", got="")
    return violations
