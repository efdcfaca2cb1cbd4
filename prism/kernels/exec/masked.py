"""The walk over a program's regions: lanes that part carry registers of their own, and meet by one choice for each.

Within a stretch no write looks at a mask: what a lane that is not here would see, nobody reads. Where lanes part,
each part goes on with its own registers; where they meet again, a choice by the mask joins what differs. Loops carry
what is written in them and still read.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import jax.numpy as jnp
import numpy as np
from jax import Array, lax

from prism.kernels.exec.affine import Affine
from prism.kernels.exec.faults import FaultKind
from prism.kernels.exec.lanes import FUEL, Held, Lanes, Left, TracedFault, no_fault
from prism.kernels.exec.liveness import (
    Slot,
    every_node,
    every_step,
    live_before,
    may_lose,
    memory_of,
    state_of,
    writes,
)
from prism.kernels.exec.masked_steps import Accesses, step_lanes
from prism.kernels.exec.space import EMPTY, Mask
from prism.kernels.isa.regions import Again, Block, If, Leave, Loop, Node, Run, Stop
from prism.kernels.isa.types import I64


def run_regions(state: Lanes, accesses: Accesses) -> None:
    """Run all lanes to their ends."""
    _Walk(state, accesses).sequence(state.verified.regions, state.alive)


@dataclass(slots=True)
class _Walk:
    state: Lanes
    accesses: Accesses

    def sequence(self, nodes: Sequence[Node], mask: Mask) -> Mask:
        """Run nodes for the lanes of a mask; return those that come to the end."""
        state = self.state
        for node in nodes:
            if mask.empty:
                return EMPTY
            match node:
                case Run(start, stop):
                    for at in range(start, stop):
                        mask = step_lanes(state, self.accesses, at, mask)
                case If(guard, then, other):
                    mask = self._choice(guard.predicate, (other, then) if guard.negated else (then, other), mask)
                case Block(label, body):
                    state.left[label] = []
                    ended = self.sequence(body, mask)
                    mask, state.held = state.join([*state.left.pop(label), (ended, state.held)])
                case Leave(label):
                    state.left[label].append((mask, state.held))
                    mask = EMPTY
                case Again(label, at):
                    mask = self._pay(at, mask, 1)
                    state.left[-1 - label].append((mask, state.held))
                    mask = EMPTY
                case Stop():
                    state.stop(mask)
                    mask = EMPTY
                case Loop():
                    mask = (self._counted if node.enter >= 0 else self._repeated)(node, mask)
        return mask

    def _choice(self, predicate: int, arms: tuple[Sequence[Node], Sequence[Node]], mask: Mask) -> Mask:
        """Run the arm of the lower steps first, as lanes move [ISA-17]: who waits there meets nobody from the other."""
        state, parts = self.state, []
        before = state.held
        pairs = zip(state.choose(predicate, mask), arms, strict=True)
        for part, arm in sorted(pairs, key=lambda pair: _first_step(pair[1])):
            state.held = dict(before)
            parts.append((self.sequence(arm, part), state.held))
        mask, state.held = state.join(parts)
        return mask

    def _pay(self, at: int, mask: Mask, amount: Any) -> Mask:
        """Take fuel from the lanes of a mask; those that have less fault."""
        state = self.state
        known, price = state.known(FUEL), np.int64(amount) if isinstance(amount, int) else amount
        if known is not None and isinstance(amount, int):
            if known.b < amount:
                mask = state.fail(FaultKind.FUEL, at, mask, np.True_)
            state.held[FUEL] = Held(I64, Affine(0, max(known.b - amount, 0)))
            return mask
        held = jnp.asarray(state.read(FUEL, mask))
        mask = state.fail(FaultKind.FUEL, at, mask, held < price)
        state.write(FUEL, I64, held - price, mask)
        return mask

    def _counted(self, node: Loop, mask: Mask) -> Mask:
        state = self.state
        register = state.steps[node.enter].instruction.operands[0]
        assert isinstance(register, int)
        known = state.known(register)
        fixed = known.b if known is not None and known.a == 0 else None
        count = state.read(register, mask) if fixed is None else np.int64(fixed)
        count = count.astype(np.int64)
        mask = self._pay(node.enter, mask, fixed if fixed is not None else count)
        if fixed == 0 or mask.empty:
            return mask
        loop = _Rounds(self, node, mask, node.label + 1)
        if np.ndim(count) == 0 and not may_lose(node.body, state.steps):
            return loop.all_together(count, fixed)
        count = state.full(count, mask, np.int64)
        ready = state.split(mask, count > 0)
        if fixed is not None:
            ready = (mask, EMPTY)
        ended = loop.some(ready[0], fixed, count)
        return state.union([ended, ready[1]])

    def _repeated(self, node: Loop, mask: Mask) -> Mask:
        return _Rounds(self, node, mask, node.label).some(mask, None, None)


class _Rounds:
    """A loop: what its rounds carry, and how lanes leave it."""

    def __init__(self, walk: _Walk, node: Loop, mask: Mask, header: int) -> None:
        self.walk, self.state, self.node, self.mask = walk, walk.state, node, mask
        steps = self.state.steps
        written = {slot[0] for step in every_step(node.body, steps) for slot in writes(step)}
        self.live, self.header, self.end = live_before(self.state.verified), header, self._end(header)
        self.always = state_of(node.body, steps)
        ends = {self.end, header} | {step.target for step in steps[header : self.end] if step.target >= 0}
        live = {slot for end in ends for slot in self.live[end]}
        self.slots: list[Slot] = sorted({one for one in live if one[0] in written} | self.always, key=_order)
        self.written = written | {slot[0] for slot in self.slots}
        self.memory = sorted(key for key in memory_of(node.body, steps) if key in self.state.memory)
        self.loses = may_lose(node.body, steps)
        self.again = -1 - node.label
        nodes = list(every_node(node.body))
        inner = {one.label for one in nodes if isinstance(one, Block)} | {self.again}
        inner |= {-1 - one.label for one in nodes if isinstance(one, Loop)}
        gone = {one.label for one in nodes if isinstance(one, Leave)}
        self.labels = sorted((gone | {-1 - one.label for one in nodes if isinstance(one, Again)}) - inner)

    def _end(self, header: int) -> int:
        """Return the step to which a lane comes that leaves the loop at its end."""
        steps, last = self.state.steps, header
        for node in every_node(self.node.body):
            last = max(last, node.stop if isinstance(node, Run) else node.step + 1 if isinstance(node, Again) else 0)
        loops = [at for at, step in enumerate(steps) if step.op == "loop" and step.target == header]
        return max([last, *(at + 1 for at in loops)])

    def _enter(self) -> Any:
        """Return what the first round starts with."""
        state, mask = self.state, self.mask
        arrays = []
        for key, ty in self.slots:
            held = state.held.get(key)
            dtype = np.dtype(bool) if ty is None else ty.dtype
            fits = held is not None and held.type is ty
            arrays.append(state.full(state.array(held, mask) if fits and held else 0, mask, dtype))
        if self.loses and state.fault is None:
            state.fault = no_fault()
        return arrays, {key: state.memory[key] for key in self.memory}, self._kept()

    def _kept(self) -> Any:
        state, fault = self.state, self.state.fault
        if not self.loses:
            return None, None
        alive = state.full(True if state.alive.bits is None else state.alive.bits, state.alive, bool)
        found = None if fault is None else (fault.lane, fault.kind, fault.step, fault.values)
        return found, alive if state.meets else None

    def _resume(self, carry: Any, at: int) -> None:
        """Set the state from what is carried, for lanes that come to a step."""
        state, (arrays, memory, (fault, alive)) = self.state, carry
        state.held = {key: held for key, held in state.held.items() if key not in self.written}
        for slot, array in zip(self.slots, arrays, strict=True):
            # A register may hold one type from round to round and another where lanes leave.
            if slot in self.live[at] or slot in self.always:
                state.held[slot[0]] = Held(slot[1], array=array, low=self.mask.low)
        state.memory = {**state.memory, **memory}
        if fault is not None:
            state.fault = TracedFault(*fault)
        if alive is not None:
            state.alive = Mask(state.alive.low, state.alive.high, alive)

    def _round(self, mask: Mask, carry: Any) -> tuple[Any, list[Left], dict[int, list[Left]]]:
        """Run the body; return what the next round starts with, who came to the end, and who left for where."""
        state, node = self.state, self.node
        self._resume(carry, self.header)
        outer = dict(state.left)
        places = [self.again, *self.labels]
        state.left = {**outer, **{label: [] for label in places}}
        ended = self.walk.sequence(node.body, mask)
        parts, left = [(ended, state.held)], {label: state.left[label] for label in places}
        state.left = outer
        arrays = list(carry[0])
        for part, held in [*parts, *(one for some in left.values() for one in some)]:
            if part.empty:
                continue
            bits = None if part is mask and mask.bits is None else state.space.member(part, self.mask)
            for k, (key, ty) in enumerate(self.slots):
                if key not in held or held[key].type is not ty:
                    continue
                values = state.full(state.array(held[key], self.mask), self.mask, held[key].dtype)
                arrays[k] = values if bits is None else lax.select(bits, values, arrays[k])
        return (arrays, {key: state.memory[key] for key in self.memory}, self._kept()), parts, left

    def all_together(self, count: Any, fixed: int | None) -> Mask:
        """Run so many rounds of a body that no lane leaves."""
        start = self._enter()
        if fixed is not None:
            carry, _ = lax.scan(lambda carry, _: (self._round(self.mask, carry)[0], None), start, None, length=fixed)
        else:
            carry = lax.fori_loop(0, count, lambda _, carry: self._round(self.mask, carry)[0], start)
        self._resume(carry, self.end)
        return self.mask

    def some(self, mask: Mask, fixed: int | None, count: Array | None) -> Mask:
        """Run rounds while lanes are in the loop; return those that came to its end."""
        state = self.state
        whole = self.mask

        def bits(mask: Mask) -> Array:
            found = state.space.member(mask, whole)
            return state.full(True if found is None else found, whole, bool)

        def gathered(parts: Sequence[Left]) -> Array:
            found = state.full(False, whole, bool)
            for part, _ in parts:
                found = found if part.empty else found | bits(part)
            return found

        def turn(carry: Any) -> Any:
            inside, rounds, out, done, data = carry
            data, ended, left = self._round(Mask(whole.low, whole.high, inside), data)
            here = gathered(ended)
            out = {label: out[label] | gathered(left[label]) for label in self.labels}
            if rounds is None:
                return gathered(left[self.again]), None, out, done | here, data
            rounds = rounds - here.astype(np.int64)
            more = rounds > 0
            return here & more, rounds, out, done | (here & ~more), data

        nobody = state.full(False, whole, bool)
        start = (bits(mask), count, dict.fromkeys(self.labels, nobody), nobody, self._enter())
        if fixed is not None:
            (_, _, out, done, data), _ = lax.scan(lambda carry, _: (turn(carry), None), start, None, length=fixed)
        else:
            _, _, out, done, data = lax.while_loop(lambda carry: state.space.some(carry[0]), turn, start)
        for label in self.labels:
            self._resume(data, label if label >= 0 else -1 - label)
            state.left[label].append((Mask(whole.low, whole.high, out[label]), state.held))
        self._resume(data, self.end)
        return Mask(whole.low, whole.high, done)


def _order(slot: Slot) -> tuple[int, int]:
    return slot[0], -1 if slot[1] is None else slot[1].code


def _first_step(nodes: Sequence[Node]) -> int:
    """Return the first step of regions, or -1 if they have none."""
    return next((node.start for node in every_node(nodes) if isinstance(node, Run)), -1)
