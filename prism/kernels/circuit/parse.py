"""Read circuits: a text to a phrase, or an error at its place [CIRCUIT-5]."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from itertools import pairwise
from typing import Final

from lark import Lark, Token, UnexpectedCharacters, UnexpectedInput, UnexpectedToken, v_args
from lark.exceptions import VisitError
from lark.visitors import Transformer_NonRecursive

from prism.errors import Location, ParseError
from prism.kernels.circuit.classes import IDENTITY, Transform
from prism.kernels.circuit.generators import ALIASES, BY_NAME, Form, Generator
from prism.kernels.circuit.phrase import Operation, Phrase, Range, Sigil
from prism.kernels.isa.program import CLASSES, PAGES

MAX_DEPTH: Final = 100
"""How deep groups may stand in one another."""
MAX_DIGITS: Final = 9
"""The most digits of a number; no number of a circuit needs more than two, amounts wrap."""

_WORDS: Final = {
    "WORD": "a generator",
    "CLASS": "a class such as c05",
    "C": "a range such as c[0..9]",
    "LETTER": "R, D or T",
    "MIRROR": "'~'",
    "SIGN": "'+' or '-'",
    "INT": "a number",
    "LPAR": "'('",
    "RPAR": "')'",
    "LSQB": "'['",
    "RSQB": "']'",
    "AT": "'@'",
    "DOT": "'.'",
    "COMMA": "','",
    "CIRCUMFLEX": "'^'",
    "$END": "the end",
}
"""What the terminals of the grammar are called; one that is not here is shown as it stands."""
_REMEDIES: Final = (
    ("|", "branches are separated by ||"),
    ("#", "a comment starts with //"),
    (";", "a comment starts with //"),
    ("-", "write amounts as in R-1 and destinations as in c00->c01"),
    ("R", "a transform begins a phrase or a group, as in (R+1@ mark@c00)"),
    ("D", "a transform begins a phrase or a group, as in (D+1@ mark@c00)"),
    ("T", "a transform begins a phrase or a group, as in (T+1@ mark@c00)"),
    ("~", "a transform begins a phrase or a group, as in (~@ mark@c00), and a mirror comes last in it"),
)
_ORDER: Final = "RDT~"
_SHAPE: Final = "write an operation as in mark@c05"


class _Fault(Exception):  # noqa: N818 (becomes a ParseError, once its line is known)
    """A fault at a token, found while the tree is built."""

    def __init__(self, at: Token, expected: str, remedy: str, found: str = "") -> None:
        self.at, self.expected, self.remedy, self.found = at, expected, remedy, found or repr(str(at))
        super().__init__(expected)


def parse(text: str, file: str = "circuit") -> Phrase:
    """Return the phrase that `text` says; ParseError, with its place, for anything that is not one whole circuit.

    Cost: linear in the text, about 10 microseconds a token.
    """
    builder = _Builder(text, file)
    try:
        builder.refuse_deep_groups()
        return builder.transform(_lark().parse(text))
    except _Fault as fault:
        raise builder.refusal(fault) from None
    except VisitError as error:
        if isinstance(error.orig_exc, _Fault):
            raise builder.refusal(error.orig_exc) from None
        raise
    except UnexpectedInput as error:
        raise _complaint(builder, error) from None


def _complaint(builder: _Builder, error: UnexpectedInput) -> ParseError:
    if isinstance(error, UnexpectedCharacters):
        at, found, wanted = builder.location(error.line, error.column), error.char, error.allowed
    else:
        assert isinstance(error, UnexpectedToken), error  # LALR raises no other
        wanted = error.accepts or error.expected
        if error.token.type == "$END":
            return ParseError(builder.end(), _list(wanted), "the end of input", "complete the circuit")
        at, found = builder.where(error.token), str(error.token)
    remedy = next(
        (said for start, said in _REMEDIES if found.startswith(start)), "remove it, or complete what precedes"
    )
    return ParseError(at, _list(wanted), _shown(found), remedy)


def _shown(found: str) -> str:
    if len(found) > 40:
        return f"{found[:40]!r}..."
    return repr(found) if found.isprintable() else f"the character U+{ord(found[0]):04X}"


def _list(terminals: Iterable[str]) -> str:
    names = sorted({_WORDS.get(name, _literal(name)) for name in terminals} - {"'+' or '-'"} or {"a number"})
    return " or ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)


@cache
def _grammar() -> str:
    return files("prism.kernels.circuit").joinpath("grammar.lark").read_text(encoding="utf-8")


@cache
def _lark() -> Lark:
    return Lark(_grammar(), start="phrase", parser="lalr", maybe_placeholders=True)


def _literal(name: str) -> str:
    pattern = next((one.pattern.value for one in _lark().terminals if one.name == name), name)
    return repr(pattern)


class _Builder(Transformer_NonRecursive):
    """Builds the phrase of one text, bottom up, without climbing."""

    def __init__(self, text: str, file: str) -> None:
        super().__init__()
        self.text, self.file, self.lines = text, file, text.split("\n")

    def refuse_deep_groups(self) -> None:
        """Refuse groups that later passes would have to climb too far for, before a tree is built."""
        depth = 0
        if self.text.count("(") <= MAX_DEPTH:
            return
        for token in _lark().lex(self.text):
            depth += (token.type == "LPAR") - (token.type == "RPAR")
            if depth > MAX_DEPTH:
                raise _Fault(token, f"at most {MAX_DEPTH} groups in one another", "remove needless parentheses")

    def refusal(self, fault: _Fault) -> ParseError:
        return ParseError(self.where(fault.at), fault.expected, fault.found, fault.remedy)

    def location(self, line: int, column: int) -> Location:
        return Location(self.file, line, column, self.lines[line - 1])

    def where(self, token: Token) -> Location:
        return self.location(token.line or 1, token.column or 1)

    def end(self) -> Location:
        return self.location(len(self.lines), len(self.lines[-1]) + 1)

    # The rules of the grammar.

    def phrase(self, prefix: Transform | None, *branches: tuple[Operation | Phrase, ...]) -> Phrase:
        return Phrase(branches, prefix or IDENTITY)

    def sequence(self, *terms: Operation | Phrase) -> tuple[Operation | Phrase, ...]:
        return terms

    def group(self, phrase: Phrase) -> Phrase:
        return phrase

    def operation(self, word: Token, dotted: Token | None, target: _Target) -> Operation:
        generator, variant = _generator(word, dotted)
        _require_form(word, generator, target.form)
        if target.form is Form.IN_CONTEXT and generator.by_name[variant].arity == 1:
            _require_no_context(word, variant, target.operands)
        return Operation(generator.name, variant, target.form, target.operands, self.where(word))

    def one(self, sigil: Sigil) -> _Target:
        return _Target(Form.ONE, (sigil,))

    def to(self, source: Sigil, destination: Sigil) -> _Target:
        return _Target(Form.TO, (source, destination))

    def exchange(self, one: Sigil, other: Sigil) -> _Target:
        return _Target(Form.EXCHANGE, (one, other))

    def in_context(self, source: Sigil, context: Sigil, destination: Sigil) -> _Target:
        return _Target(Form.IN_CONTEXT, (source, context, destination))

    def range(self, first: Token, last: Token, transform: Transform) -> _Target:
        ends = [_number(end, CLASSES, "a class") for end in (first, last)]
        if ends[0] >= ends[1]:
            raise _Fault(last, f"a class after c{first}", "a range goes up, as in c[0..9]; write one class as c05")
        return _Target(Form.RANGE, Range(ends[0], ends[1], transform))

    def sigil(self, written: Token, transform: Transform, sign: Token | None, page: Token | None) -> Sigil:
        if sign is not None:
            raise _Fault(sign, f"a page, 0 to {PAGES - 1}", "pages have no sign")
        number = _number(written, CLASSES, "a class", skipped=1)
        return Sigil(number, transform, None if page is None else _number(page, PAGES, "a page"))

    def prefix(self, *amounts: _Amount | Token) -> Transform:
        return _transform(amounts)

    def postfix(self, *amounts: _Amount | Token | None) -> Transform:
        return _transform(amounts)

    def amount(self, letter: Token, sign: Token | None, digits: Token) -> _Amount:
        return _Amount(letter, str(letter), _signed(sign, digits))

    def twist(self, sign: Token | None, digits: Token) -> _Amount:
        return _Amount(sign or digits, "T", _signed(sign, digits))


v_args(inline=True)(_Builder)  # each rule takes the children of its node as its arguments


@dataclass(frozen=True, slots=True)
class _Target:
    form: Form
    operands: tuple[Sigil, ...] | Range


@dataclass(frozen=True, slots=True)
class _Amount:
    at: Token
    letter: str
    value: int


def _transform(given: Iterable[_Amount | Token | None]) -> Transform:
    """Return the transform that amounts in the order R, D, T, ~ say, each at most once."""
    amounts = [_Amount(one, "~", 1) if isinstance(one, Token) else one for one in given if one is not None]
    for before, one in pairwise(amounts):
        if _ORDER.index(before.letter) >= _ORDER.index(one.letter):
            raise _Fault(one.at, f"something after {before.letter} in R, D, T, ~", "give each once, in that order")
    values = {one.letter: one.value for one in amounts}
    return Transform(values.get("R", 0), values.get("D", 0), values.get("T", 0), "~" in values)


def _signed(sign: Token | None, digits: Token) -> int:
    return _number(digits, 10**MAX_DIGITS, "an amount") * (-1 if sign == "-" else 1)


def _number(token: Token, limit: int, what: str, skipped: int = 0) -> int:
    digits = str(token)[skipped:]
    if len(digits) > MAX_DIGITS or int(digits) >= limit:
        raise _Fault(token, f"{what}, 0 to {limit - 1}", "the number is out of range", _shown(str(token)))
    return int(digits)


def _generator(word: Token, dotted: Token | None) -> tuple[Generator, str]:
    """Return the generator that a word names and its variant."""
    name, alias = ALIASES.get(str(word), (str(word), ""))
    generator = BY_NAME.get(name)
    if generator is None:
        close = difflib.get_close_matches(name, BY_NAME, n=1)
        raise _Fault(word, f"a generator ({', '.join(BY_NAME)})", f"did you mean {close[0]}?" if close else _SHAPE)
    variant = alias or generator.default if dotted is None else str(dotted)
    if dotted is not None and (alias or variant not in generator.by_name):
        names = ", ".join(generator.by_name)
        expected = f"one of {names}" if names and not alias else f"'@': {word} has no variants"
        raise _Fault(dotted, expected, "write the variant after a dot, as in merge.mul")
    if generator.by_name and not variant:
        raise _Fault(word, f"a variant of {word} ({', '.join(generator.by_name)})", "write it after a dot: reduce.sum")
    return generator, variant


def _require_form(word: Token, generator: Generator, form: Form) -> None:
    """Refuse operands in a form that the generator never takes."""
    is_sigil = form is Form.ONE and generator.is_sigil
    # Ranges that have no meaning are refused where they get one, in calls: a literal reading needs none.
    is_range = form is Form.RANGE and generator.is_sigil
    if form is not generator.form and not is_sigil and not is_range:
        raise _Fault(word, f"operands like {generator.form.value} for {word}", f"write {word}@{generator.form.value}")


def _require_no_context(word: Token, variant: str, operands: tuple[Sigil, ...] | Range) -> None:
    source, context = tuple(operands)[:2] if isinstance(operands, tuple) else (None, None)
    if source != context:
        remedy = f"{variant} reads one class: name it twice, as in merge.{variant}@c00[c00,c02]"
        raise _Fault(word, f"{variant} with the source as its context", remedy, f"context {context}")
