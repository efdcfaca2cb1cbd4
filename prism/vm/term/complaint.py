"""What to say about a fault that the scanner found: expected, found, remedy."""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from typing import Final

from prism.errors import Location, ParseError
from prism.vm.term.ops import BY_NAME
from prism.vm.term.scan import MAX_NUMERAL, MAX_WORD, Fault


@dataclass(frozen=True, slots=True)
class Context:
    """What surrounds a fault: the offending text, the innermost open expression, the names that may be used.

    `head` is "" and `opened` is None where no expression is open; `operands` counts those read so far.
    """

    found: bytes
    head: str
    arity: int
    operands: int
    opened: str
    names: tuple[str, ...]


_HEADS: Final = tuple(op.name for op in BY_NAME.values() if op.arity)

_EXPECTED: Final = {
    Fault.CHARACTER: "a parenthesis, a numeral or a name",
    Fault.WORD: "a numeral, or a name that starts with a letter or _",
    Fault.LONG_WORD: f"a word of at most {MAX_WORD} characters",
    Fault.NUMERAL: "a numeral of decimal digits alone",
    Fault.BIG_NUMERAL: f"a numeral of at most {MAX_NUMERAL}",
    Fault.NAME: "zero, a numeral or a defined name",
    Fault.HEAD: f"{', '.join(_HEADS)} or def after '('",
    Fault.BARE_OP: "an operand: zero, a numeral, a defined name or '('",
    Fault.EXTRA_OPERAND: "')' after operand {arity} of {arity} of {head}",
    Fault.MISSING_OPERAND: "operand {next} of {arity} of {head}",
    Fault.UNOPENED: "an expression",
    Fault.NESTED_DEFINITION: "an op: a definition stands outside every other expression",
    Fault.NAME_TO_DEFINE: "a name to define",
    Fault.RESERVED_NAME: "a name that is not a word of the language",
    Fault.REDEFINED: "a name that is not defined yet",
    Fault.UNCLOSED: "')'",
    Fault.ENCODING: "UTF-8 text",
}
"""What must hold, one line a fault."""

_REMEDY: Final = {
    Fault.CHARACTER: "write ASCII outside comments; a comment starts with ; or #",
    Fault.WORD: "numbers have no sign and no point",
    Fault.LONG_WORD: "separate words with spaces",
    Fault.NUMERAL: "a name starts with a letter or _, and numbers have no sign, point or exponent",
    Fault.BIG_NUMERAL: "build larger numbers, as in (mul 65536 65536)",
    Fault.BARE_OP: "apply it in parentheses, as in (suc zero)",
    Fault.EXTRA_OPERAND: "close the expression opened at {opened}",
    Fault.MISSING_OPERAND: "{head} takes {arity} operand{plural}",
    Fault.UNOPENED: "remove the parenthesis, or open it earlier",
    Fault.NESTED_DEFINITION: "move (def name expression) before the expression opened at {opened}",
    Fault.NAME_TO_DEFINE: "write (def name expression)",
    Fault.RESERVED_NAME: "choose another name",
    Fault.REDEFINED: "choose another name; a definition is final",
    Fault.UNCLOSED: "close the expression opened at {opened}",
    Fault.ENCODING: "save the file as UTF-8",
}
"""What to do, for the faults whose remedy does not depend on the word found."""


def complaint(fault: Fault, where: Location, context: Context) -> ParseError:
    """Return the error that reports `fault` at `where`."""
    words = {
        "head": context.head,
        "arity": context.arity,
        "next": context.operands + 1,
        "plural": "" if context.arity == 1 else "s",
        "opened": context.opened,
    }
    remedy = _REMEDY[fault].format_map(words) if fault in _REMEDY else _suggestion(fault, context)
    return ParseError(where, _EXPECTED[fault].format_map(words), _found(fault, context.found), remedy)


def _found(fault: Fault, found: bytes) -> str:
    if fault is Fault.ENCODING:
        return f"the byte 0x{found[0]:02x}"
    if fault is Fault.UNCLOSED or not found:
        return "the end of input"
    text = found.decode(errors="replace")
    if fault is Fault.CHARACTER:
        code = f"U+{ord(text[0]):04X}"
        return f"{text[0]!r} ({code})" if text[0].isprintable() else f"the character {code}"
    if fault is Fault.BIG_NUMERAL and len(text) > 20:
        return f"one of {len(text)} digits"
    return repr(text) if len(text) <= 40 else f"'{text[:40]}'..."


def _suggestion(fault: Fault, context: Context) -> str:
    word = context.found.decode(errors="replace")
    if fault is Fault.HEAD:
        if word in context.names or word.isdigit() or word in BY_NAME:
            return f"write {word} without parentheses"
        candidates: tuple[str, ...] = (*_HEADS, "def")
    else:
        candidates = (*BY_NAME, *context.names)
    candidates = tuple(name for name in candidates if name != word)
    close = difflib.get_close_matches(word.lower(), candidates, n=1)
    if close:
        return f"did you mean {close[0]}?"
    return "write an op after '('" if fault is Fault.HEAD else f"define it first: (def {word} ...)"
