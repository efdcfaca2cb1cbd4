"""The assembler: text to program, with the place and a caret in every refusal [ISA-13]."""

from __future__ import annotations

import math
from functools import cache
from typing import Any, Final

import numpy as np
from lark import Lark, Token, Tree
from lark.exceptions import UnexpectedCharacters, UnexpectedInput, UnexpectedToken

from prism.errors import Location, ParseError
from prism.kernels.isa.program import (
    Access,
    Buffer,
    BufferOffset,
    Guard,
    Instruction,
    PhiCoordinate,
    Program,
    RegisterIndirect,
    RegisterIndirectComputed,
    Scalar,
    Shared,
    Size,
)
from prism.kernels.isa.table import BY_MNEMONIC, CONDITIONS, SCOPES, Kind, Op
from prism.kernels.isa.table import Operand as Declared
from prism.kernels.isa.types import BY_NAME, Type
from prism.kernels.isa.types import Kind as Of

_WORDS: Final = {
    "REGISTER": "a register",
    "WORD": "a word",
    "NUMBER": "a whole number",
    "FLOAT": "a number",
    "BUFFER": "a buffer",
    "SIGN": "a sign",
    "DIRECTIVE": "a directive",
    "_NEWLINE": "the end of the line",
    "_PHI": "a coordinate",
    "COMMA": "','",
    "COLON": "':'",
    "AT": "'@'",
    "LSQB": "'['",
    "RSQB": "']'",
    "LPAR": "'('",
    "RPAR": "')'",
    "$END": "the end",
}
_MOST_DIGITS: Final = 20


@cache
def _grammar() -> Lark:
    return Lark.open_from_package(__package__ or "", "assembly.lark", parser="lalr", propagate_positions=True)


class _Assembler:
    """Reads the statements of one text."""

    def __init__(self, text: str, file: str) -> None:
        self.lines, self.file = text.split("\n"), file
        self.name = "main"
        self.buffers: list[Buffer] = []
        self.shared: list[Shared] = []
        self.scalars: list[Scalar] = []
        self.sizes: list[Size] = []
        self.instructions: list[Instruction] = []
        self.labels: dict[str, int] = {}

    def error(self, line: int, column: int, expected: str, found: str, remedy: str = "") -> ParseError:
        """Return a refusal at a place."""
        text = self.lines[line - 1].rstrip("\r") if line <= len(self.lines) else ""
        return ParseError(Location(self.file, line, column, text), expected, found, remedy)

    def refuse(self, token: Any, expected: str, remedy: str = "") -> ParseError:
        """Return a refusal of a token or a tree."""
        if isinstance(token, Token):
            return self.error(token.line or 1, token.column or 1, expected, repr(str(token)), remedy)
        line, column = token.meta.line, token.meta.column
        end = token.meta.end_column if token.meta.end_line == line else None
        return self.error(line, column, expected, repr(self.lines[line - 1][column - 1 : end and end - 1]), remedy)

    def take(self, tree: Tree[Token]) -> None:
        """Read one statement."""
        if tree.data == "label":
            (name,) = tree.children
            if str(name) in self.labels:
                raise self.refuse(name, "a label that stands once", "give one of them another name")
            self.labels[str(name)] = len(self.instructions)
        elif tree.data == "directive":
            self._directive(tree)
        else:
            self.instructions.append(self._instruction(tree))

    def _directive(self, tree: Tree[Token]) -> None:
        head, *words = tree.children
        assert isinstance(head, Token)
        forms = {
            ".program": ("name",),
            ".buffer": ("name", "type", "access", "number"),
            ".shared": ("name", "type", "number", "number"),
            ".scalar": ("name", "type", "register"),
            ".size": ("name", "register"),
        }
        form = forms[str(head)]
        if len(words) != len(form):
            raise self.refuse(head, f"{head} with {', '.join(form)}", f"give {len(form)} words")
        if str(head) != ".program" and self.instructions:
            raise self.refuse(head, "instructions", "put parameters before the first instruction")
        given: list[Any] = [self._word(kind, word) for kind, word in zip(form, words, strict=True)]
        match str(head):
            case ".program":
                self.name = given[0]
            case ".buffer":
                self.buffers.append(Buffer(*given))
            case ".shared":
                self.shared.append(Shared(*given))
            case ".scalar":
                self.scalars.append(Scalar(*given))
            case _:
                self.sizes.append(Size(*given))

    def _word(self, kind: str, word: Any) -> Any:
        text = str(word)
        if kind == "type":
            if text not in BY_NAME:
                raise self.refuse(word, f"one of {', '.join(BY_NAME)}")
            return BY_NAME[text]
        if kind == "access":
            if text not in {one.value for one in Access}:
                raise self.refuse(word, f"one of {', '.join(one.value for one in Access)}")
            return Access(text)
        if kind == "number":
            if word.type != "NUMBER":
                raise self.refuse(word, "a whole number")
            return self._whole(word)
        if kind == "register":
            if word.type != "REGISTER" or text[0] != "r":
                raise self.refuse(word, "a register r0 to r255")
            return self._whole(word, 1)
        return text

    def _whole(self, token: Token, skip: int = 0) -> int:
        text = str(token)[skip:]
        if len(text) > _MOST_DIGITS:
            raise self.refuse(token, f"a number of at most {_MOST_DIGITS} digits")
        return int(text, 16 if text[:2] in ("0x", "0X") else 10)

    def _instruction(self, tree: Tree[Token]) -> Instruction:
        head, *given = tree.children
        assert isinstance(head, Token)
        op, modifiers = self._mnemonic(head)
        types, fixed = self._modifiers(head, op, modifiers)
        declared = [one for one in op.operands if one.name not in fixed]
        if len(given) != len(declared):
            names = ", ".join(one.name for one in declared) or "nothing"
            raise self.refuse(tree, f"{op.mnemonic} with {names}", f"give {len(declared)} operands")
        read = iter([self._operand(one, token, types) for one, token in zip(declared, given, strict=True)])
        return Instruction(
            op.mnemonic, types, tuple(fixed[o.name] if o.name in fixed else next(read) for o in op.operands)
        )

    def _mnemonic(self, head: Token) -> tuple[Op, list[str]]:
        parts = str(head).split(".")
        for length in range(len(parts), 0, -1):
            word = ".".join(parts[:length])
            if word in BY_MNEMONIC:
                return BY_MNEMONIC[word], parts[length:]
            if length == 1 and word.startswith("set") and word[3:] in CONDITIONS:
                return BY_MNEMONIC["set"], [word[3:], *parts[1:]]
        raise self.refuse(head, "an instruction of the table", "`prism isa table` lists them")

    def _modifiers(self, head: Token, op: Op, words: list[str]) -> tuple[tuple[Type, ...], dict[str, Any]]:
        """Return the types and the operands that are joined to the mnemonic."""
        fixed: dict[str, Any] = {}
        rest = list(words)
        for one in op.operands:
            if one.kind is Kind.CONDITION:
                if not rest or rest[0] not in CONDITIONS:
                    raise self.refuse(head, f"set with one of {', '.join(CONDITIONS)}")
                fixed[one.name] = rest.pop(0)
            elif one.kind is Kind.SCOPE:
                if not rest or rest[0] not in SCOPES:
                    raise self.refuse(head, f"{op.mnemonic} with one of {', '.join(SCOPES)}")
                fixed[one.name] = rest.pop(0)
            elif one.kind is Kind.GUARD:
                fixed[one.name] = self._guard(head, rest.pop(0)) if rest else None
        if len(rest) != len(op.types) or any(word not in BY_NAME for word in rest):
            raise self.refuse(head, f"{op.mnemonic} with {len(op.types)} types, of {', '.join(BY_NAME)}")
        return tuple(BY_NAME[word] for word in rest), fixed

    def _guard(self, head: Token, word: str) -> Guard:
        digits = word.removeprefix("!").removeprefix("p")
        if not word.removeprefix("!").startswith("p") or not digits.isdecimal() or len(digits) > 2:
            raise self.refuse(head, "bra with a predicate p0 to p15, as in bra.p0 or bra.!p0")
        return Guard(int(digits), word.startswith("!"))

    def _operand(self, declared: Declared, given: Any, types: tuple[Type, ...]) -> Any:
        kind = declared.kind
        if kind in (Kind.REGISTER, Kind.PREDICATE):
            letter = "r" if kind is Kind.REGISTER else "p"
            if given.data != "register" or str(given.children[0])[0] != letter:
                raise self.refuse(given, f"{declared.name}, {kind.value}")
            return self._whole(given.children[0], 1)
        wanted = {Kind.LABEL: ("target",), Kind.ADDRESS: ("address", "phi")}.get(kind, ("number",))
        if given.data not in wanted:
            raise self.refuse(given, f"{declared.name}, {kind.value}")
        if kind is Kind.LABEL:
            return str(given.children[0])
        if kind is Kind.ADDRESS:
            return self._address(given)
        return self._number(declared, given, types)

    def _number(self, declared: Declared, given: Tree[Token], types: tuple[Type, ...]) -> int | float:
        *sign, token = given.children
        assert isinstance(token, Token)
        negative = bool(sign) and str(sign[0]) == "-"
        if declared.kind is Kind.FLOAT:
            value = float(str(token)) if token.type == "FLOAT" else float(self._whole(token))
            if not math.isfinite(value):
                raise self.refuse(given, f"{declared.name}, a finite number")
            return -value if negative else value
        if token.type == "FLOAT":
            if not types or types[0].kind is not Of.FLOAT or declared.bits != 64:
                raise self.refuse(given, f"{declared.name}, a whole number")
            value = np.asarray(-float(str(token)) if negative else float(str(token)))
            with np.errstate(over="ignore"):
                return int(value.astype(types[0].dtype).view(f"u{types[0].size}"))
        whole = self._whole(token)
        if negative:
            if declared.bits != 64 or not types or whole > 1 << (types[0].bits - 1):
                raise self.refuse(given, f"{declared.name}, a whole number that its type holds")
            return -whole & ((1 << types[0].bits) - 1)
        return whole

    def _address(self, given: Tree[Token]) -> Any:
        tokens = [token for token in given.children if isinstance(token, Token)]
        if given.data == "phi":
            return PhiCoordinate(*(self._whole(token) for token in tokens))
        base, *rest = tokens
        negative = bool(rest) and str(rest[0]) == "-"
        offset = rest[1] if rest else None
        if base.type == "BUFFER":
            if negative or (offset is not None and offset.type != "NUMBER"):
                raise self.refuse(given, "a buffer + a whole number")
            return BufferOffset(self._whole(base, 3), self._whole(offset) if offset is not None else 0)
        for token in (base, *([offset] if offset is not None and offset.type == "REGISTER" else [])):
            if str(token)[0] != "r":
                raise self.refuse(token, "a register r0 to r255")
        if offset is not None and offset.type == "REGISTER":
            if negative:
                raise self.refuse(given, "a register + a register")
            return RegisterIndirectComputed(self._whole(base, 1), self._whole(offset, 1))
        away = self._whole(offset) if offset is not None else 0
        return RegisterIndirect(self._whole(base, 1), -away if negative else away)

    def program(self) -> Program:
        """Return what was read."""
        return Program(
            name=self.name,
            instructions=tuple(self.instructions),
            labels=tuple(sorted(self.labels.items(), key=lambda one: (one[1], one[0]))),
            buffers=tuple(self.buffers),
            shared=tuple(self.shared),
            scalars=tuple(self.scalars),
            sizes=tuple(self.sizes),
        )


def assemble(text: str, file: str = "<text>") -> Program:
    """Return the program that a text says, unverified.

    ParseError at the first place where the text is none. Cost: linear in the text; nothing of it is executed.
    """
    reader = _Assembler(text, file)
    try:
        tree = _grammar().parse(text + "\n")
    except UnexpectedInput as error:
        raise _located(reader, error) from None
    for statement in tree.children:
        assert isinstance(statement, Tree)
        reader.take(statement)
    return reader.program()


def _located(reader: _Assembler, error: UnexpectedInput) -> ParseError:
    allowed = error.allowed if isinstance(error, UnexpectedCharacters) else getattr(error, "expected", None)
    names = sorted({_WORDS.get(name, name) for name in allowed or ()})
    found = "the end of the line"
    if isinstance(error, UnexpectedToken) and error.token.type != "_NEWLINE":
        found = repr(str(error.token))
    elif isinstance(error, UnexpectedCharacters):
        found = repr(error.char)
    line, column = max(error.line, 1), max(error.column, 1)
    return reader.error(line, column, " or ".join(names) or "a statement", found)
