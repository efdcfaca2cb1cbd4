"""Which registers somebody may still read: what loops must carry from round to round, and what they need not."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import Final

from prism.kernels.exec.lanes import ALLOCATED, FUEL, PHASE, PREDICATE
from prism.kernels.isa.flow import registers_of
from prism.kernels.isa.program import Guard
from prism.kernels.isa.regions import Again, Block, If, Leave, Loop, Node, Run, Stop
from prism.kernels.isa.steps import Pool, Step
from prism.kernels.isa.table import BY_MNEMONIC, Effect, Kind
from prism.kernels.isa.types import I64, U32, Type
from prism.kernels.isa.verify import Verified

Slot = tuple[int, Type | None]
"""A register and the type that is read of it; None for a predicate."""


@lru_cache(maxsize=256)
def live_before(verified: Verified) -> tuple[frozenset[Slot], ...]:
    """Return what may be read after each step is come to and before it is written; one more for the end.

    Cost: a few passes over the steps, backwards.
    """
    steps = verified.steps
    live: list[frozenset[Slot]] = [frozenset()] * (len(steps) + 1)
    changed = True
    while changed:
        changed = False
        for at in range(len(steps) - 1, -1, -1):
            step = steps[at]
            follows = step.op != "exit" and not (step.op == "bra" and step.instruction.operands[0] is None)
            after = live[at + 1] if follows else frozenset[Slot]()
            if step.target >= 0:
                after |= live[step.target]
            gone = {register for register, _ in writes(step)}
            found = frozenset(one for one in after if one[0] not in gone) | frozenset(_reads(step))
            changed |= found != live[at]
            live[at] = found
    return tuple(live)


def _reads(step: Step) -> Iterator[Slot]:
    yield from ((register, ty) for register, ty, written in registers_of(step.instruction) if not written)
    for declared, given in zip(BY_MNEMONIC[step.instruction.op].operands, step.instruction.operands, strict=True):
        if isinstance(given, Guard):
            yield PREDICATE + given.predicate, None
        elif declared.kind is Kind.PREDICATE and not declared.writes:
            assert isinstance(given, int)
            yield PREDICATE + given, None


def writes(step: Step) -> Iterator[Slot]:
    """Yield what a step writes of registers and predicates."""
    yield from ((register, ty) for register, ty, written in registers_of(step.instruction) if written)
    for declared, given in zip(BY_MNEMONIC[step.instruction.op].operands, step.instruction.operands, strict=True):
        if declared.kind is Kind.PREDICATE and declared.writes:
            assert isinstance(given, int)
            yield PREDICATE + given, None


def state_of(nodes: Sequence[Node], steps: Sequence[Step]) -> set[Slot]:
    """Return what regions may write of a lane's fuel, phase and live pools."""
    found: set[Slot] = set()
    for node in every_node(nodes):
        if isinstance(node, Loop | Again):
            found.add((FUEL, I64))
    for step in every_step(nodes, steps):
        if step.op == "phase.adv":
            found.add((PHASE, U32))
        elif step.op in ("pool.alloc", "pool.free") and isinstance(step.memory, Pool):
            found.add((ALLOCATED + step.memory.number, None))
    return found


def memory_of(nodes: Sequence[Node], steps: Sequence[Step]) -> set[int]:
    """Return the memory that regions may write: handles, and -1 - the numbers of pools."""
    found: set[int] = set()
    for step in every_step(nodes, steps):
        if step.op in ("pool.alloc", "pool.store") and isinstance(step.memory, Pool):
            found.add(-1 - step.memory.number)
        elif BY_MNEMONIC[step.instruction.op].effect in (Effect.STORE, Effect.ATOMIC) and step.memory is not None:
            found.add(step.memory.handle)
    return found


def every_node(nodes: Sequence[Node]) -> Iterator[Node]:
    """Yield nodes and those in them."""
    for node in nodes:
        yield node
        match node:
            case If(_, then, other):
                yield from every_node(then)
                yield from every_node(other)
            case Block(_, body) | Loop(_, _, body):
                yield from every_node(body)


def every_step(nodes: Sequence[Node], steps: Sequence[Step]) -> Iterator[Step]:
    """Yield the steps of regions that are no control."""
    for node in every_node(nodes):
        if isinstance(node, Run):
            yield from steps[node.start : node.stop]


_FAULTS: Final = (Effect.LOAD, Effect.STORE, Effect.ATOMIC, Effect.SYNC)


def may_lose(nodes: Sequence[Node], steps: Sequence[Step]) -> bool:
    """Tell whether lanes that enter regions may stop in them, fault, spend fuel or leave them."""
    labels = {node.label for node in every_node(nodes) if isinstance(node, Block)}
    for node in every_node(nodes):
        if isinstance(node, Again | Stop | Loop) or (isinstance(node, Leave) and node.label not in labels):
            return True
    return any(
        BY_MNEMONIC[step.instruction.op].effect in _FAULTS
        or step.op in ("div", "rem", "mirror", "nbr.count", "nbr.get", "bound.map")
        or step.op.startswith("pool.")
        for step in every_step(nodes, steps)
    )
