"""What to say about a fault that the scanner found: expected, found, remedy."""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from typing import Final

from prism.errors import Location, ParseError
from prism.vm.term.ops import BY_NAME
from prism.vm.term.scan import SyntaxFault
from prism.vm.term.words import MAX_NUMERAL, MAX_WORD


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
    SyntaxFault.CHARACTER: "a parenthesis, a numeral or a name",
    SyntaxFault.WORD: "a numeral, or a name that starts with a letter or _",
    SyntaxFault.LONG_WORD: f"a word of at most {MAX_WORD} characters",
    SyntaxFault.NUMERAL: "a numeral of decimal digits alone",
    SyntaxFault.BIG_NUMERAL: f"a numeral of at most {MAX_NUMERAL}",
    SyntaxFault.NAME: "zero, a numeral or a defined name",
    SyntaxFault.HEAD: f"{', '.join(_HEADS)} or def after '('",
    SyntaxFault.BARE_OP: "an operand: zero, a numeral, a defined name or '('",
    SyntaxFault.EXTRA_OPERAND: "')' after operand {arity} of {arity} of {head}",
    SyntaxFault.MISSING_OPERAND: "operand {next} of {arity} of {head}",
    SyntaxFault.UNOPENED: "an expression",
    SyntaxFault.NESTED_DEFINITION: "an op: a definition stands outside every other expression",
    SyntaxFault.NAME_TO_DEFINE: "a name to define",
    SyntaxFault.RESERVED_NAME: "a name that is not a word of the language",
    SyntaxFault.REDEFINED: "a name that is not defined yet",
    SyntaxFault.UNCLOSED: "')'",
    SyntaxFault.ENCODING: "UTF-8 text",
}
"""What must hold, one line a fault."""

_REMEDY: Final = {
    SyntaxFault.CHARACTER: "write ASCII outside comments; a comment starts with ; or #",
    SyntaxFault.WORD: "numbers have no sign and no point",
    SyntaxFault.LONG_WORD: "separate words with spaces",
    SyntaxFault.NUMERAL: "a name starts with a letter or _, and numbers have no sign, point or exponent",
    SyntaxFault.BIG_NUMERAL: "build larger numbers, as in (mul 65536 65536)",
    SyntaxFault.BARE_OP: "apply it in parentheses, as in (suc zero)",
    SyntaxFault.EXTRA_OPERAND: "close the expression opened at {opened}",
    SyntaxFault.MISSING_OPERAND: "{head} takes {arity} operand{plural}",
    SyntaxFault.UNOPENED: "remove the parenthesis, or open it earlier",
    SyntaxFault.NESTED_DEFINITION: "move (def name expression) before the expression opened at {opened}",
    SyntaxFault.NAME_TO_DEFINE: "write (def name expression)",
    SyntaxFault.RESERVED_NAME: "choose another name",
    SyntaxFault.REDEFINED: "choose another name; a definition is final",
    SyntaxFault.UNCLOSED: "close the expression opened at {opened}",
    SyntaxFault.ENCODING: "save the file as UTF-8",
}
"""What to do, for the faults whose remedy does not depend on the word found."""


def complaint(fault: SyntaxFault, where: Location, context: Context) -> ParseError:
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


def _found(fault: SyntaxFault, found: bytes) -> str:
    if fault is SyntaxFault.ENCODING:
        return f"the byte 0x{found[0]:02x}"
    if fault is SyntaxFault.UNCLOSED or not found:
        return "the end of input"
    text = found.decode(errors="replace")
    if fault is SyntaxFault.CHARACTER:
        code = f"U+{ord(text[0]):04X}"
        return f"{text[0]!r} ({code})" if text[0].isprintable() else f"the character {code}"
    if fault is SyntaxFault.BIG_NUMERAL and len(text) > 20:
        return f"one of {len(text)} digits"
    return repr(text) if len(text) <= 40 else f"'{text[:40]}'..."


def _suggestion(fault: SyntaxFault, context: Context) -> str:
    word = context.found.decode(errors="replace")
    if fault is SyntaxFault.HEAD:
        if word in context.names or word.isdigit() or word in BY_NAME:
            return f"write {word} without parentheses"
        candidates: tuple[str, ...] = (*_HEADS, "def")
    else:
        candidates = (*BY_NAME, *context.names)
    candidates = tuple(name for name in candidates if name != word)
    close = difflib.get_close_matches(word.lower(), candidates, n=1)
    if close:
        return f"did you mean {close[0]}?"
    return "write an op after '('" if fault is SyntaxFault.HEAD else f"define it first: (def {word} ...)"
