"""One lane as Numba source: a verified program's regions as Python's own loops, its steps as statements."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from prism.codegen.texts import indented
from prism.errors import PrismError
from prism.kernels.exec import cpu_ops as ops
from prism.kernels.exec.cpu_record import Memory, fault, variable
from prism.kernels.exec.cpu_steps import WRITERS
from prism.kernels.exec.cpu_turns import restarts
from prism.kernels.exec.cpu_uses import constants, number_of
from prism.kernels.exec.faults import FaultKind
from prism.kernels.isa.address import phi_offset
from prism.kernels.isa.flow import registers_of
from prism.kernels.isa.program import Address, Instruction, PhiCoordinate, RegisterIndirectComputed
from prism.kernels.isa.regions import Again, Block, If, Leave, Loop, Node, Run
from prism.kernels.isa.steps import Step
from prism.kernels.isa.table import SPECIAL, fixed_type
from prism.kernels.isa.types import U32, U64, Kind, Type
from prism.kernels.isa.verify import Verified

DEEPEST: Final = 18
"""Loops in loops that Python compiles (20), less those around a lane."""


class CpuLimitError(PrismError):
    """A verified program is beyond what this executor compiles; another executor runs it."""


def variables(verified: Verified) -> dict[str, Type | None]:
    """Return the variables of a lane besides the ones that the launch sets: type by name, None for a predicate."""
    found: dict[str, Type | None] = {}
    for scalar in verified.program.scalars:
        found[variable(scalar.register, scalar.type)] = scalar.type
    for size in verified.program.sizes:
        found[variable(size.register, U64)] = U64
    for step in verified.steps:
        for register, ty, _ in registers_of(step.instruction):
            if register not in SPECIAL:
                found[variable(register, ty)] = ty
        if step.op in ("set", "unity.test"):
            found[f"p{step.instruction.operands[step.op == 'set']}"] = None
    return found


def specials(verified: Verified) -> list[tuple[str, Type]]:
    """Return the special registers that a program reads, by name, besides the lane's own number."""
    read = {register for step in verified.steps for register, _, _ in registers_of(step.instruction)}
    return [(name, fixed_type(ty)) for register, (name, ty) in SPECIAL.items() if register in read and register != 255]


def reads(step: Step) -> list[tuple[int, Type]]:
    """Return the registers that a fault of a step reports, at most four, in the order of its operands."""
    return [(register, ty) for register, ty, writes in registers_of(step.instruction) if not writes][:4]


@dataclass(slots=True)
class _Construct:
    """A Python loop being written; `escapes` are the jumps that leave it for one farther out."""

    name: int
    escapes: set[int] = field(default_factory=set)


@dataclass(slots=True)
class LaneWriter:
    """Collects a lane's statements."""

    verified: Verified
    memory: Memory
    lines: list[str] = field(default_factory=list)
    depth: int = 1
    _inside: list[_Construct] = field(default_factory=list)
    _constants: Mapping[str, Instruction] | None = None

    def line(self, text: str) -> None:
        """Add a line."""
        self.lines.append("    " * self.depth + text)

    def write(self, nodes: Sequence[Node]) -> None:
        """Write a sequence of regions."""
        for node in nodes:
            self._node(node)

    def _node(self, node: Node) -> None:
        match node:
            case Run(start, stop):
                for step in self.verified.steps[start:stop]:
                    self.step(step)
            case If(guard, then, other):
                with indented(self, f"if {'not ' if guard.negated else ''}p{guard.predicate}:"):
                    self.write(then)
                if other:
                    with indented(self, "else:"):
                        self.write(other)
            case Block(label, body):
                self._construct(_end(label), "while True:", lambda: self.write(body), "break")
            case Loop(label, enter, body):
                self._loop(label, enter, body)
            case Leave(label):
                self._jump(_end(label), "break")
            case Again(label, at):
                self._spend("np.int64(1)", self.verified.steps[at])
                self._jump(_start(label), "continue")
            case _:
                self.line("return 0")

    def _loop(self, label: int, enter: int, body: Sequence[Node]) -> None:
        if enter < 0:
            self._construct(_start(label), "while True:", lambda: self.write(body), "break")
        elif restarts(body, label):
            self._construct(_start(label), "while True:", lambda: self._counted(label, enter, body), "break")
        else:
            self._counted(label, enter, body)

    def _counted(self, label: int, enter: int, body: Sequence[Node]) -> None:
        """Write a loop that reads its count; no jump goes to its next turn."""
        self.turns(label, self.count(enter), body)

    def count(self, enter: int) -> str:
        """Write that a lane reads and pays a count; return its variable."""
        step = self.verified.steps[enter]
        register = step.instruction.operands[0]
        assert isinstance(register, int)
        count = f"c{step.counter}"
        self.line(f"{count} = np.int64({variable(register, U32)})")
        self._spend(count, step)
        return count

    def turns(self, label: int, count: str, body: Sequence[Node]) -> None:
        """Write a body that runs so often."""
        self._construct(-1 - label, f"for _ in range({count}):", lambda: self.write(body), "")

    def _spend(self, amount: str, step: Step) -> None:
        self.fault_if(f"fuel < {amount}", FaultKind.FUEL, step)
        self.line(f"fuel -= {amount}")

    def _construct(self, name: int, header: str, body: Callable[[], None], end: str) -> None:
        if len(self._inside) == DEEPEST:
            raise CpuLimitError(
                f"executor cpu must find loops and branches nested at most {DEEPEST} deep, got more in "
                f"{self.verified.program.name!r}; run it on numpy, or put the inner ones in a kernel of their own"
            )
        made = _Construct(name)
        self._inside.append(made)
        with indented(self, header):
            body()
            if end:
                self.line(end)
        self._inside.pop()
        for target in sorted(made.escapes):
            with indented(self, f"if go == {target}:"):
                self._go_on(target)

    def _go_on(self, target: int) -> None:
        outer = self._inside[-1]
        if outer.name == target:
            self.line("go = 0")
            self.line("continue" if target % 2 else "break")
        else:
            outer.escapes.add(target)
            self.line("break")

    def _jump(self, target: int, word: str) -> None:
        """Go to the end of a block (`break`) or the start of a loop (`continue`), out of others if need be.

        `go` names the target while one loop after the other is left; else it is 0.
        """
        if self._inside[-1].name == target:
            self.line(word)
            return
        self._inside[-1].escapes.add(target)
        self.line(f"go = {target}")
        self.line("break")

    def number(self, name: str) -> int | None:
        """Return what a variable is if it is one whole number all the time."""
        return number_of(self.constants()[name]) if name in self.constants() else None

    def constants(self) -> Mapping[str, Instruction]:
        """Return the program's constants; they are looked up once, for that takes a pass over the program."""
        if self._constants is None:
            self._constants = constants(self.verified)
        return self._constants

    def fault_if(self, condition: str, kind: FaultKind, step: Step) -> None:
        """Write that a lane faults where a condition holds."""
        with indented(self, f"if {condition}:"):
            self.line(f"return _fault(record, {fault(kind, step.index)}, global_lane_id, {self._reported(step)})")

    def _reported(self, step: Step) -> str:
        values = [ops.word(ty, variable(register, ty)) for register, ty in reads(step)]
        return ", ".join(values + ["np.uint64(0)"] * (4 - len(values)))

    def step(self, step: Step) -> None:
        """Write a step that is not control."""
        if step.op == "mem.fence":  # lanes of the block run one after the other
            return
        if step.op in WRITERS:
            WRITERS[step.op](self, step)
            return
        (ty,) = step.instruction.types
        dst, *given = (variable(one, ty) for one in step.instruction.operands if isinstance(one, int))
        if step.op in ops.BINARY:
            if step.op in ("div", "rem") and ty.kind is not Kind.FLOAT:
                self.fault_if(f"{given[1]} == 0", FaultKind.DIVISION, step)
            value = ops.binary(step.op, ty, *given)
        elif step.op in ops.UNARY:
            value = ops.unary(step.op, ty, *given)
        else:
            value = ops.ternary(step.op, ty, *given)
        self.line(f"{dst} = {value}")

    def place(self, step: Step, address: Address) -> str:
        """Write the checks of an access and return the index of its element."""
        assert step.memory is not None
        ty = step.memory.type
        length = self.memory.length(step.memory)
        if not isinstance(address, RegisterIndirectComputed):
            phi = isinstance(address, PhiCoordinate)
            at = phi_offset(address.cls, address.page, address.byte) if phi else address.offset
            index = f"np.uint64({at // ty.size})"
            self.fault_if(f"np.uint64({-(-at // ty.size)}) >= {length}", FaultKind.BOUNDS, step)
            if at % ty.size:
                self.fault_if("True", FaultKind.MISALIGNED, step)
            return index
        offset = variable(address.offset, U64)
        index = f"({offset} >> np.uint64({ty.shift}))"
        if ty.size == 1:
            self.fault_if(f"{index} >= {length}", FaultKind.BOUNDS, step)
            return index
        # An access whose first byte alone is inside is outside, whatever it is a multiple of.
        skew = f"({offset} & np.uint64({ty.size - 1}))"
        self.line(f"outside = {index} + np.uint64({skew} != 0) >= {length}")
        with indented(self, f"if outside | ({skew} != 0):"):
            what = fault(FaultKind.BOUNDS, step.index)
            self.line(f"return _refused(record, {what}, outside, global_lane_id, {self._reported(step)})")
        return index


def _start(label: int) -> int:
    """Return the name of a jump to the start of a loop: an odd number."""
    return 2 * label + 1


def _end(label: int) -> int:
    """Return the name of a jump to the end of a block: an even number, not 0."""
    return 2 * label + 2
