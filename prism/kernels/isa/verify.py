"""Verification: a program that passes runs on every executor without an undefined step [ISA-5]."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache

from prism.kernels.isa.check import MOST_POOL, check
from prism.kernels.isa.errors import VerifyError
from prism.kernels.isa.flow import Flow
from prism.kernels.isa.program import Program
from prism.kernels.isa.regions import Node, structure
from prism.kernels.isa.steps import ENTER, Pool, Step, flatten


@dataclass(frozen=True, slots=True)
class Verified:
    """A program that may run. steps: what steps through it runs; regions: the same as a tree; counters: how many hidden
    loop counters a lane has; pools: the lane's own memory, by number.
    """

    program: Program
    steps: tuple[Step, ...]
    regions: tuple[Node, ...]
    counters: int
    pools: tuple[Pool, ...]


@lru_cache(maxsize=1024)
def verify(program: Program) -> Verified:
    """Check a program and return what executors need.

    VerifyError at the first rule that it breaks: shape, labels, calls, regions, then reads, handles and accesses in the
    order of the steps. Steps that no lane can come to are left out. Cost: about linear in the steps; a program met
    before is answered from memory, by its full value.
    """
    check(program)
    steps = flatten(program)
    structure(steps)
    flow = Flow(program, steps)
    flow.solve()
    flow.check_reads()
    resolved = flow.resolved()
    entered = {step.counter for at, step in enumerate(resolved) if step.op == ENTER and at in flow.at}
    keep = [at in flow.at or (step.op == "loop" and step.counter in entered) for at, step in enumerate(resolved)]
    kept = _kept(resolved, keep)
    pools = tuple(step.memory for step in resolved if step.op == "pool.alloc" and isinstance(step.memory, Pool))
    if sum(pool.size for pool in pools) > MOST_POOL:
        raise VerifyError("pools", -1, f"the pools of a lane must have at most {MOST_POOL} bytes in all; use buffers")
    counters = sum(step.op == ENTER for step in resolved)
    return Verified(program, kept, structure(kept), counters, pools)


def _kept(steps: list[Step], keep: list[bool]) -> tuple[Step, ...]:
    """Leave steps out, with targets moved to where they lie then."""
    place, count = [], 0
    for one in keep:
        place.append(count)
        count += one
    place.append(count)
    return tuple(
        replace(step, target=place[step.target]) if step.target >= 0 else step
        for step, one in zip(steps, keep, strict=True)
        if one
    )
