"""Steps: a program with its calls put in place and its loops entered explicitly, which is what executors run [ISA-8].

`call` is gone, `ret` is a branch to the end of the called body, and before a body of `loop` stands a step `enter`,
which reads the count. Every other step is an instruction of the table with its target resolved to a step.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

from prism.kernels.isa.errors import VerifyError
from prism.kernels.isa.program import Buffer, Instruction, Program, Shared
from prism.kernels.isa.types import Type

ENTER: Final = "enter"
"""The one step that is no instruction: counter := the count of the `loop` at `index`; spend as much fuel; to `target`
if it is 0."""
MOST_STEPS: Final = 1 << 16


@dataclass(frozen=True, slots=True)
class Pool:
    """The pool of one `pool.alloc` step: its number from 0 on, its bytes, the one type that it is accessed as."""

    number: int
    size: int
    type: Type

    @property
    def handle(self) -> int:
        """What `pool.alloc` returns."""
        return self.number + 1


@dataclass(frozen=True, slots=True)
class Step:
    """One step. index: its instruction in the program. target: for `bra`, `enter` and `loop` the step to go to; a
    branch whose target is the number of steps stops the lane. counter: for `enter` and `loop` which hidden counter.
    memory: what an access, atomic or pool step is about.
    """

    op: str
    index: int
    instruction: Instruction
    target: int = -1
    counter: int = -1
    memory: Buffer | Shared | Pool | None = None


def functions(program: Program) -> dict[int, int]:
    """Return where main (at 0) and each called function starts, and where it ends."""
    labels = dict(program.labels)
    calls = {labels[str(one.operands[0])] for one in program.instructions if one.op == "call"}
    starts = sorted({0, *calls})
    return dict(zip(starts, [*starts[1:], len(program.instructions)], strict=True))


class _Emitter:
    """Collects steps while calls are put in place; targets are step numbers from the start."""

    def __init__(self, program: Program) -> None:
        self.program = program
        self.labels = dict(program.labels)
        self.ends = functions(program)
        self.steps: list[Step] = []
        self.counters = 0
        self.calling: list[int] = []
        self.bodies: dict[int, list[int]] = {}
        for at, one in enumerate(program.instructions):
            if one.op == "loop":
                self.bodies.setdefault(self.labels[str(one.operands[1])], []).append(at)

    def emit(self, start: int) -> None:
        """Append the steps of the function at `start`."""
        stop, place = self.ends[start], {}
        waiting: list[tuple[int, int]] = []
        counter_of: dict[int, tuple[int, int]] = {}
        for at in range(start, stop):
            place[at] = len(self.steps)
            for loop in sorted(self.bodies.get(at, ()), reverse=True):
                counter_of[loop] = (self.counters, len(self.steps))
                self._append(Step(ENTER, loop, self.program.instructions[loop], counter=self.counters))
                self.counters += 1
            if self.program.instructions[at].op != "ret":
                self._instruction(at, waiting, counter_of)
            elif at + 1 < stop:
                waiting.append((len(self.steps), stop))
                self._append(Step("bra", at, Instruction("bra", (), (None, ""))))
        place[stop] = len(self.steps)
        for step, target in waiting:
            self.steps[step] = replace(self.steps[step], target=place[target])

    def _instruction(self, at: int, waiting: list[tuple[int, int]], counter_of: dict[int, tuple[int, int]]) -> None:
        one, here = self.program.instructions[at], len(self.steps)
        if one.op == "call":
            self._call(self.labels[str(one.operands[0])], at)
        elif one.op == "bra":
            waiting.append((here, self.labels[str(one.operands[1])]))
            self._append(Step("bra", at, one))
        elif one.op == "loop":
            counter, enter = counter_of[at]
            self._append(Step("loop", at, one, target=enter + 1, counter=counter))
            self.steps[enter] = replace(self.steps[enter], target=len(self.steps))
        else:
            self._append(Step(one.op, at, one))

    def _call(self, target: int, at: int) -> None:
        if target in self.calling:
            raise VerifyError("calls", at, "a function must not call itself, directly or through others; use a loop")
        if len(self.calling) >= 64:
            raise VerifyError("calls", at, "calls must nest at most 64 deep; put some of them in place")
        self.calling.append(target)
        self.emit(target)
        self.calling.pop()

    def _append(self, step: Step) -> None:
        if len(self.steps) >= MOST_STEPS:
            raise VerifyError(
                "size", step.index, f"a program with its calls put in place must have at most {MOST_STEPS} steps; loop"
            )
        self.steps.append(step)


def flatten(program: Program) -> list[Step]:
    """Return the steps of a program whose labels and bodies are in order.

    VerifyError for recursion and for too many steps. Cost: one visit of every instruction for each place it is called.
    """
    emitter = _Emitter(program)
    if program.instructions:
        emitter.emit(0)
    return _stop_early(emitter.steps)


def _stop_early(steps: list[Step]) -> list[Step]:
    """Let branches to an `exit` or past the last step stop the lane at once, so that others need not wait for it."""
    end = len(steps)
    stops = [False] * end + [True]
    for at in range(end - 1, -1, -1):
        step = steps[at]
        jumps = step.op == "bra" and step.instruction.operands[0] is None and step.target > at
        stops[at] = step.op == "exit" or (jumps and stops[step.target])
    return [replace(step, target=end) if step.op == "bra" and stops[step.target] else step for step in steps]
