"""What registers hold where: definite types and known handles, by data flow over steps [ISA-7].

A state is the set of (register, type) pairs and predicates that hold on every way to a step, as the bits of one
integer, beside the registers whose value every way makes the same constant. Where ways meet, sets intersect.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final

from prism.kernels.isa.errors import VerifyError
from prism.kernels.isa.program import (
    CLASS_MEMORY,
    Access,
    Address,
    Buffer,
    BufferOffset,
    Guard,
    Instruction,
    PhiCoordinate,
    Program,
    RegisterIndirect,
    RegisterIndirectComputed,
    Shared,
)
from prism.kernels.isa.steps import ENTER, Pool, Step
from prism.kernels.isa.table import BY_MNEMONIC, SPECIAL, Effect, Kind, fixed_type
from prism.kernels.isa.types import F64, TYPES, U8, U64, Type

RESIDUES: Final = "residues"
"""The buffer that `res.accum` adds to."""
_SLOTS: Final = len(TYPES)
_PREDICATE_BITS: Final = 256 * _SLOTS
_POOL: Final = 1 << 64
"""Constants from here on are pools, by number: handles of pools and of buffers never mix."""


@dataclass(slots=True)
class _State:
    held: int
    known: dict[int, int]

    def copy(self) -> _State:
        return _State(self.held, dict(self.known))

    def meet(self, other: _State) -> bool:
        """Keep what both hold; whether that is less than before."""
        held = self.held & other.held
        known = {reg: value for reg, value in self.known.items() if other.known.get(reg) == value}
        less = held != self.held or len(known) != len(self.known)
        self.held, self.known = held, known
        return less

    def write(self, register: int, ty: Type, value: int | None = None) -> None:
        field = ((1 << _SLOTS) - 1) << (register * _SLOTS)
        self.held = (self.held & ~field) | 1 << (register * _SLOTS + ty.code)
        self.known.pop(register, None)
        if value is not None:
            self.known[register] = value

    def types(self, register: int) -> list[Type]:
        return [ty for ty in TYPES if self.held >> (register * _SLOTS + ty.code) & 1]


def registers_of(one: Instruction) -> Iterator[tuple[int, Type, bool]]:
    """Yield (register, type, whether written) of an instruction, addresses too, in the order of its operands."""
    op = BY_MNEMONIC[one.op]
    for declared, given in zip(op.operands, one.operands, strict=True):
        if declared.kind is Kind.REGISTER:
            assert isinstance(given, int)
            ty = one.types["tu".index(declared.type)] if declared.type in ("t", "u") else fixed_type(declared.type)
            yield given, ty, declared.writes
        elif isinstance(given, RegisterIndirect):
            yield given.base, U64, False
        elif isinstance(given, RegisterIndirectComputed):
            yield given.handle, U64, False
            yield given.offset, U64, False
    if one.op.startswith("reduce."):
        base, count = one.operands[1:]
        assert isinstance(base, int)
        assert isinstance(count, int)
        yield from ((base + k, one.types[0], False) for k in range(1, count))


def _predicates(one: Instruction) -> Iterator[tuple[int, bool]]:
    for declared, given in zip(BY_MNEMONIC[one.op].operands, one.operands, strict=True):
        if declared.kind is Kind.PREDICATE:
            assert isinstance(given, int)
            yield given, declared.writes
        elif isinstance(given, Guard):
            yield given.predicate, False


class Flow:
    """The analysis of one program."""

    def __init__(self, program: Program, steps: Sequence[Step]) -> None:
        self.program, self.steps = program, steps
        sites = [at for at, step in enumerate(steps) if step.op == "pool.alloc"]
        self.pools = {at: number for number, at in enumerate(sites)}
        self.at: dict[int, _State] = {}

    def _start(self) -> _State:
        state = _State(0, {})
        for register, (_, ty) in SPECIAL.items():
            state.write(register, fixed_type(ty))
        for scalar in self.program.scalars:
            state.write(scalar.register, scalar.type)
        for size in self.program.sizes:
            state.write(size.register, U64)
        return state

    def solve(self) -> None:
        """Find the state before every step that can run.

        Cost: each stretch again whenever its start loses something.
        """
        ways = {step.target for step in self.steps} | {k + 1 for k, step in enumerate(self.steps) if step.target >= 0}
        leaders = {0, len(self.steps)} | ways
        waiting = [0] if self.steps else []
        entry = {0: self._start()}
        while waiting:
            at = waiting.pop()
            state = entry[at].copy()
            while True:
                self.at[at] = state.copy()
                nexts = self._after(at, state)
                if len(nexts) != 1 or nexts[0] in leaders:
                    break
                at = nexts[0]
            for target in nexts:
                if target >= len(self.steps):
                    continue
                if target not in entry:
                    entry[target] = state.copy()
                    waiting.append(target)
                elif entry[target].meet(state):
                    waiting.append(target)

    def _after(self, at: int, state: _State) -> list[int]:
        """Apply a step to the state before it; return the steps that may be next."""
        step = self.steps[at]
        if step.op == ENTER or step.op == "loop":
            return [at + 1, step.target]
        if step.op == "exit":
            return []
        if step.op == "bra":
            return [step.target] if step.instruction.operands[0] is None else [at + 1, step.target]
        value = self._value(at, step, state)
        for register, ty, writes in registers_of(step.instruction):
            if writes:
                state.write(register, ty, value)
        for predicate, writes in _predicates(step.instruction):
            if writes:
                state.held |= 1 << (_PREDICATE_BITS + predicate)
        return [at + 1]

    def _value(self, at: int, step: Step, state: _State) -> int | None:
        """Return the constant that a step writes, if it is one."""
        one = step.instruction
        if one.types == (U64,) and one.op == "mov_imm":
            assert isinstance(one.operands[1], int)
            return one.operands[1]
        if one.types == (U64,) and one.op == "mov":
            assert isinstance(one.operands[1], int)
            return state.known.get(one.operands[1])
        return _POOL + self.pools[at] if one.op == "pool.alloc" else None

    def check_reads(self) -> None:
        """Raise VerifyError at the first step that reads what is not held."""
        for at, step in enumerate(self.steps):
            state = self.at.get(at)
            if state is None or step.op == "loop":
                continue
            reads = [(r, ty) for r, ty, writes in registers_of(step.instruction) if not writes]
            for register, ty in reads:
                _check_read(state, register, ty, step)
            for predicate, writes in _predicates(step.instruction):
                if not writes and not state.held >> (_PREDICATE_BITS + predicate) & 1:
                    raise VerifyError(
                        "UninitializedPredicate",
                        step.index,
                        f"p{predicate} must be set on every way to here; set it before",
                    )

    def resolved(self) -> list[Step]:
        """Return the steps with the memory that each is about; VerifyError where that is not known or not allowed."""
        pools = self._pools()
        return [self._resolve(at, step, pools) for at, step in enumerate(self.steps)]

    def _pools(self) -> list[Pool]:
        types: dict[int, Type] = {}
        for at, step in enumerate(self.steps):
            if step.op in ("pool.load", "pool.store") and at in self.at:
                number, ty = self._pool_number(at, step), step.instruction.types[0]
                if types.setdefault(number, ty) is not ty:
                    raise VerifyError(
                        "TypeMismatch",
                        step.index,
                        f"a pool must be of one type, got {types[number].name} and {ty.name}",
                    )
        found = []
        for at, number in self.pools.items():
            ty, size = types.get(number, U8), self.steps[at].instruction.operands[1]
            assert isinstance(size, int)
            if size < 1 or size % ty.size:
                raise VerifyError(
                    "pools", self.steps[at].index, f"a pool must have whole elements of {ty.name}, got {size} bytes"
                )
            found.append(Pool(number, size, ty))
        return found

    def _pool_number(self, at: int, step: Step) -> int:
        place = 1 if step.op == "pool.load" else 0
        register = step.instruction.operands[place]
        assert isinstance(register, int)
        value = self.at[at].known.get(register, 0)
        if value < _POOL:
            raise VerifyError(
                "handles", step.index, f"r{register} must hold the handle of one known pool on every way to here"
            )
        return value - _POOL

    def _resolve(self, at: int, step: Step, pools: list[Pool]) -> Step:
        if at not in self.at or step.op in (ENTER, "loop"):
            return step
        if step.op == "pool.alloc":
            return replace(step, memory=pools[self.pools[at]])
        if step.op.startswith("pool."):
            return replace(step, memory=pools[self._pool_number(at, step)])
        if step.op == "res.accum":
            return replace(step, memory=self._residues(step))
        addresses = [one for one in step.instruction.operands if isinstance(one, Address)]
        return replace(step, memory=self._memory(at, step, addresses[0])) if addresses else step

    def _residues(self, step: Step) -> Buffer:
        for one in self.program.buffers:
            if one.name == RESIDUES and one.type is F64 and one.access is Access.READWRITE:
                return one
        raise VerifyError(
            "handles", step.index, f"res.accum must have a buffer {RESIDUES} f64 readwrite to add to; declare it"
        )

    def _memory(self, at: int, step: Step, address: Address) -> Buffer | Shared:
        match address:
            case BufferOffset(handle, _):
                known: int | None = handle
            case PhiCoordinate():
                known = CLASS_MEMORY
            case RegisterIndirect(base, _):
                known = self.at[at].known.get(base)
            case RegisterIndirectComputed(register, _):
                known = self.at[at].known.get(register)
        if known is None:
            raise VerifyError(
                "handles", step.index, "a handle must be one known number on every way to here; use mov_imm"
            )
        memory = next((one for one in (*self.program.buffers, *self.program.shared) if one.handle == known), None)
        if (
            memory is None
            or (step.op in ("lds", "sts") and not isinstance(memory, Shared))
            or (step.op in ("ldg", "stg") and not isinstance(memory, Buffer))
        ):
            what = {"lds": "shared memory", "sts": "shared memory", "ldg": "a buffer", "stg": "a buffer"}.get(
                step.op, "memory"
            )
            raise VerifyError(
                "handles", step.index, f"handle {known} must be of {what} that the program declares; declare it"
            )
        _check_access(step, memory, address)
        return memory


def _check_read(state: _State, register: int, ty: Type, step: Step) -> None:
    types = state.types(register)
    if not types:
        raise VerifyError(
            "UninitializedRegister",
            step.index,
            f"UninitializedRegister({register}): r{register} must hold {ty.name} on every way to here; write it before",
        )
    if ty not in types:
        raise VerifyError(
            "TypeMismatch",
            step.index,
            f"TypeMismatch: r{register} must hold {ty.name}, got {types[0].name}; convert it with cvt",
        )


def _check_access(step: Step, memory: Buffer | Shared, address: Address) -> None:
    ty, effect = step.instruction.types[0], BY_MNEMONIC[step.op].effect
    if memory.type is not ty:
        raise VerifyError(
            "TypeMismatch",
            step.index,
            f"TypeMismatch: {memory.name!r} must be accessed as {memory.type.name}, got {ty.name}",
        )
    if isinstance(address, BufferOffset | RegisterIndirect) and address.offset % ty.size:
        raise VerifyError(
            "address", step.index, f"a byte offset must be a multiple of {ty.size} for {ty.name}, got {address.offset}"
        )
    allowed = {
        Effect.LOAD: (Access.READ, Access.READWRITE),
        Effect.STORE: (Access.WRITE, Access.READWRITE),
        Effect.ATOMIC: (Access.READWRITE,),
    }[effect]
    if isinstance(memory, Buffer) and memory.access not in allowed:
        raise VerifyError(
            "access",
            step.index,
            f"{memory.name!r} must be declared {allowed[-1].value} for {step.op}, got {memory.access.value}",
        )
