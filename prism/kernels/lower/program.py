"""A typed kernel as a program: parameters declared, dead instructions dropped, registers numbered, verified."""

from __future__ import annotations

from prism.kernels.isa.program import Access, Buffer, Guard, Instruction, Operand, Program, Scalar, Shared, Size
from prism.kernels.isa.table import BY_MNEMONIC, Effect
from prism.kernels.isa.types import U32
from prism.kernels.lower.emitter import Emitter, bits_of, type_of
from prism.kernels.lower.expressions import Memory
from prism.kernels.lower.registers import accesses, allocate
from prism.kernels.lower.statements import Statements, assigned
from prism.kernels.schema.records import Kernel

_FAULTING = frozenset({"div", "rem"})


def extent_name(array: str, axis: int) -> str:
    """Return the name of the scalar that holds the length of an array along an axis."""
    return f"{array}.shape{axis}"


def lower(kernel: Kernel) -> Program:
    """Return the program of a typed kernel: equal records give equal programs, to the byte.

    Arrays are buffers and scalars scalars under their own names; the lengths of an array of two or three dimensions
    that the program needs are scalars `a.shape1` and so on. CapacityError if too many values live at once.
    """
    code = Emitter()
    arrays = [one for one in kernel.params if one.rank]
    work = Statements(code, {one.name: one for one in kernel.inlines}, len(arrays) + 1)
    changed = set(assigned(kernel.body))
    scalars: dict[str, int] = {}
    for handle, one in enumerate(arrays, 1):
        work.arrays[one.name] = Memory(one.name, handle, type_of(one.element), one.rank)
    for one in kernel.params:
        if not one.rank:
            scalars[one.name] = work.variables[one.name] = code.register()
            if one.name in changed:
                work.variables[one.name] = code.move(type_of(one.element), code.register(), scalars[one.name])
    work.body(kernel)
    code.emit("exit")
    entry = {register: name for name, register in scalars.items()}
    entry |= {register: extent_name(*key) for key, register in work.extents.items()}
    entry |= {register: array for array, register in work.sizes.items()}
    lines, numbers = allocate(_tidy([*_constants(code), *code.lines], code), entry)
    elements = {one.name: type_of(one.element) for one in kernel.params}
    return _assemble(kernel, work, lines, _Entry(numbers, scalars, elements))


class _Entry:
    """The registers that a launch sets: their numbers, and which scalars they are."""

    def __init__(self, numbers: dict[int, int], scalars: dict[str, int], elements: dict) -> None:
        self.numbers, self.scalars, self.elements = numbers, scalars, elements


def _assemble(kernel: Kernel, work: Statements, lines: list[Instruction | str], entry: _Entry) -> Program:
    spare = iter(sorted(set(range(240)) - set(entry.numbers.values()), reverse=True))
    scalars = [
        Scalar(name, entry.elements[name], entry.numbers.get(register) or _unused(entry.numbers, register, spare))
        for name, register in entry.scalars.items()
    ]
    extents = sorted((extent_name(*key), register) for key, register in work.extents.items())
    scalars += [Scalar(name, U32, entry.numbers[register]) for name, register in extents if register in entry.numbers]
    sizes = [Size(name, entry.numbers[one]) for name, one in sorted(work.sizes.items()) if one in entry.numbers]
    access = {(True, False): Access.READ, (False, True): Access.WRITE, (True, True): Access.READWRITE}
    buffers = tuple(
        Buffer(one.name, type_of(one.element), access.get((h in work.read, h in work.written), Access.READ), h)
        for h, one in enumerate((one for one in kernel.params if one.rank), 1)
    )
    shared = tuple(Shared(one.name, one.ty, _length(one), one.handle) for one in work.shared)
    instructions, labels = _flat(lines)
    return Program(kernel.name, instructions, labels, buffers, shared, tuple(scalars), tuple(sizes))


def _unused(numbers: dict[int, int], register: int, spare: object) -> int:
    """Return the number of a scalar that nothing reads, or that got number 0."""
    return numbers[register] if register in numbers else next(spare)  # type: ignore[call-overload]


def _length(memory: Memory) -> int:
    found = 1
    for size in memory.shape:
        found *= size
    return found


def _constants(code: Emitter) -> list[Instruction | str]:
    """Return what sets the constants, in the order of their types and bits, so that equal kernels give equal bytes."""
    return [
        Instruction("mov_imm", (ty,), (register, bits_of(code.literal(register), ty)))
        for (ty, _), register in code.constants.items()
    ]


def _tidy(lines: list[Instruction | str], code: Emitter) -> list[Instruction | str]:
    """Drop instructions without effect whose result nothing reads, branches to the next line, and unused labels."""
    del code
    while True:
        read = {
            (kind, one) for line in lines if isinstance(line, Instruction) for kind, one, w in accesses(line) if not w
        }
        kept = [line for line in lines if isinstance(line, str) or not _dead(line, read)]
        kept = [line for at, line in enumerate(kept) if not _falls_to(kept, at)]
        kept = _reachable(kept)
        targets = {
            one for line in kept if isinstance(line, Instruction) for one in line.operands if isinstance(one, str)
        }
        kept = [line for line in kept if not isinstance(line, str) or line in targets]
        if len(kept) == len(lines):
            return kept
        lines = kept


def _dead(line: Instruction, read: set[tuple[str, int]]) -> bool:
    op = BY_MNEMONIC[line.op]
    writes = [(kind, one) for kind, one, written in accesses(line) if written]
    faults = line.op in _FAULTING and line.types[0].kind.name != "FLOAT"
    return op.effect is Effect.PURE and bool(writes) and not faults and not any(one in read for one in writes)


def _falls_to(lines: list[Instruction | str], at: int) -> bool:
    """Tell whether a line is a branch to a label that follows at once."""
    line = lines[at]
    if not isinstance(line, Instruction) or line.op != "bra":
        return False
    for after in lines[at + 1 :]:
        if not isinstance(after, str):
            return False
        if after == line.operands[1]:
            return True
    return False


def _reachable(lines: list[Instruction | str]) -> list[Instruction | str]:
    """Drop what stands after an unconditional branch or an exit and before the next label."""
    kept: list[Instruction | str] = []
    dead = False
    for line in lines:
        dead = dead and not isinstance(line, str)
        if not dead:
            kept.append(line)
        if isinstance(line, Instruction) and (line.op == "exit" or (line.op == "bra" and line.operands[0] is None)):
            dead = True
    return kept


def _flat(lines: list[Instruction | str]) -> tuple[tuple[Instruction, ...], tuple[tuple[str, int], ...]]:
    """Return instructions and labels; labels at one place become one, and are numbered in the order of their places."""
    instructions: list[Instruction] = []
    at: dict[str, int] = {}
    for line in lines:
        if isinstance(line, str):
            at[line] = len(instructions)
        else:
            instructions.append(line)
    first: dict[int, str] = {}
    for name, index in at.items():
        first.setdefault(index, name)
    names = {
        index: f"{name.rpartition('_')[0]}{number}" for number, (index, name) in enumerate(sorted(first.items()), 1)
    }
    renamed = tuple(
        Instruction(one.op, one.types, tuple(_target(operand, at, names) for operand in one.operands))
        if one.op in ("bra", "loop")
        else one
        for one in instructions
    )
    return renamed, tuple(sorted(((name, index) for index, name in names.items()), key=lambda one: (one[1], one[0])))


def _target(operand: Operand, at: dict[str, int], names: dict[int, str]) -> Operand:
    return operand if isinstance(operand, Guard) or not isinstance(operand, str) else names[at[operand]]
