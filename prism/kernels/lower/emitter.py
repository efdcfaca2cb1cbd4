"""Instructions on unnumbered registers: constants shared, equal values computed once, constants folded [KERNELS-10].

A temporary is written once, where it dominates its uses; a variable's register is written again at each assignment,
and its version in keys keeps values apart that were computed from older contents.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from itertools import count
from typing import Any, Final

import numpy as np

from prism.kernels.isa.program import Guard, Instruction, Operand
from prism.kernels.isa.types import BY_NAME, U32, Kind, Type
from prism.kernels.schema import arithmetic

VIRTUAL: Final = 1000
"""Registers from here on have no number yet; those below are the ones that a launch sets."""
_FOLDED: Final = frozenset({"add", "sub", "mul", "div", "and", "or", "xor", "shl", "shr"})
_PYTHON: Final = {"and": "bit_and", "or": "bit_or", "xor": "bit_xor"}
_COMMUTE: Final = frozenset({"add", "mul", "and", "or", "xor"})


def bits_of(value: Any, ty: Type) -> int:
    """Return the bits of a scalar, as `mov_imm` takes them."""
    return int(np.asarray(value, ty.dtype).reshape(1).view(f"u{ty.size}")[0])


class Emitter:
    """Collects lines: an instruction, or a label as a string."""

    def __init__(self) -> None:
        self.lines: list[Instruction | str] = []
        self.constants: dict[tuple[Type, int], int] = {}
        self.scalars: dict[int, Any] = {}
        self._registers, self._predicates, self._labels = count(VIRTUAL), count(), count(1)
        self._versions: dict[Any, int] = {}
        self._clock = count(1)
        self._known: list[dict[tuple, int]] = [{}]

    def register(self) -> int:
        """Return a new register."""
        return next(self._registers)

    def label(self, what: str) -> str:
        """Return a new label; `what` says in listings what it is for."""
        return f"{what}_{next(self._labels)}"

    def place(self, label: str) -> None:
        """Let a label stand here."""
        self.lines.append(label)

    def emit(self, op: str, *operands: Operand | Type) -> None:
        """Append an instruction: its types first, then its operands."""
        types = tuple(one for one in operands if isinstance(one, Type))
        self.lines.append(Instruction(op, types, tuple(one for one in operands if not isinstance(one, Type))))

    @contextmanager
    def scope(self) -> Iterator[None]:
        """Forget, at the end, the values that were computed within: what follows may be reached another way."""
        self._known.append({})
        yield
        self._known.pop()

    def changed(self, what: Iterable[Any]) -> None:
        """Note that registers, or memories by name, hold something new from here on."""
        for one in what:
            self._versions[one] = next(self._clock)

    def _key(self, op: str, parts: tuple) -> tuple:
        return (op, *((one, self._versions.get(one, 0)) for one in parts))

    def known(self, key: tuple) -> int | None:
        """Return the register in which a value stands already."""
        return next((table[key] for table in reversed(self._known) if key in table), None)

    def constant(self, value: Any, ty: Type) -> int:
        """Return the register of a constant; all are set once, where the program starts."""
        scalar = arithmetic.convert(value, ty.name)
        key = (ty, bits_of(scalar, ty))
        if key not in self.constants:
            self.constants[key] = self.register()
            self.scalars[self.constants[key]] = scalar
        return self.constants[key]

    def literal(self, register: int) -> Any:
        """Return the scalar that a register holds as a constant, or None."""
        return self.scalars.get(register)

    def pure(self, op: str, types: tuple[Type, ...], *operands: int, into: int | None = None) -> int:
        """Return the register of `op` on registers, computed here unless it is known; `into` one that is given."""
        folded = self._fold(op, types, operands)
        if folded is None:
            ordered = tuple(sorted(operands)) if op in _COMMUTE else operands
            key = self._key(op, (*types, *ordered))
            folded = self.known(key)
            if folded is None:
                target = self.register() if into is None else into
                self.emit(op, *types, target, *operands)
                if into is None:
                    self._known[-1][key] = target
                return target
        return folded if into is None else self.move(types[0], into, folded)

    def move(self, ty: Type, target: int, source: int) -> int:
        """Copy a register into another one and return that."""
        self.emit("mov", ty, target, source)
        return target

    def memory(self, op: str, ty: Type, address: Operand, parts: tuple) -> int:
        """Return the register of a load, done here unless the same element is known; `parts` identify it."""
        key = self._key(op, (ty, *parts))
        found = self.known(key)
        if found is None:
            found = self.register()
            self.emit(op, ty, found, address)
            self._known[-1][key] = found
        return found

    def predicate(self, cond: str, ty: Type, a: int, b: int) -> int:
        """Return a predicate that holds whether a comparison does."""
        found = next(self._predicates)
        self.emit("set", ty, cond, found, a, b)
        return found

    def select(self, ty: Type, predicate: int, then: int, other: int, into: int | None = None) -> int:
        """Return the register of one of two values."""
        target = self.register() if into is None else into
        self.emit("sel", ty, target, predicate, then, other)
        return target

    def branch(self, label: str, predicate: int | None = None, when: bool = True) -> None:
        """Go to a label, always or when a predicate is as said."""
        self.emit("bra", None if predicate is None else Guard(predicate, not when), label)

    def _fold(self, op: str, types: tuple[Type, ...], operands: tuple[int, ...]) -> int | None:
        """Return the register of a value that is known now: a constant, or an operand that nothing changes."""
        values = [self.scalars.get(one) for one in operands]
        ty = types[0]
        if op == "cvt" and values[0] is not None:
            return self.constant(values[0], ty)
        if op in _FOLDED and None not in values and not (op == "div" and ty.kind is not Kind.FLOAT):
            a, b = values
            return self.constant(arithmetic.binary(_PYTHON.get(op, op), a, b, ty.name), ty)
        if ty.kind is Kind.FLOAT or len(operands) != 2:
            return None
        for kept, other in ((0, 1), (1, 0)):
            neutral = {"add": 0, "or": 0, "xor": 0, "mul": 1, "sub": 0, "shl": 0, "shr": 0}.get(op)
            there = neutral is not None and values[other] is not None and values[other] == neutral
            if there and (other == 1 or op in _COMMUTE):
                return operands[kept]
        return None


def type_of(name: str | None) -> Type:
    """Return the type of the register that holds a value of a type of records."""
    return U32 if name == "bool" else BY_NAME[name or ""]
