"""The expression language of workflow files, as far as a guard needs it: a parser, and the conjuncts of a condition.

Operators bind, from loose to tight: `||`, `&&`, `== !=`, `< <= > >=`, `!`. Names compare without regard to case.
"""

from __future__ import annotations

import re
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Literal:
    """A string, number, boolean or null; `text` is the string itself or the word as written."""

    text: str
    is_string: bool


@dataclass(frozen=True, slots=True)
class Access:
    """A context and the path into it: `github.actor` and `github['actor']` are equal; `*` is a filter."""

    path: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Opaque:
    """An access whose path only a run can know, such as `matrix[github.ref]` or `fromJSON(x).y`."""

    inner: tuple[Expression, ...]


@dataclass(frozen=True, slots=True)
class Call:
    """A function call; the name is in lower case."""

    name: str
    arguments: tuple[Expression, ...]


@dataclass(frozen=True, slots=True)
class Not:
    """`!operand`."""

    operand: Expression


@dataclass(frozen=True, slots=True)
class Binary:
    """`left operator right`."""

    operator: str
    left: Expression
    right: Expression


Expression = Literal | Access | Opaque | Call | Not | Binary

_TOKEN = re.compile(
    r"""\s*(?:
      (?P<string>'(?:[^']|'')*')
    | (?P<number>[-+]?(?:0x[0-9a-fA-F]+|0o[0-7]+|\d+(?:\.\d+)?(?:[eE][-+]?\d+)?)(?![\w.]))
    | (?P<name>[A-Za-z_][\w-]*)
    | (?P<symbol>\|\||&&|==|!=|<=|>=|[!<>()\[\].,*])
    )""",
    re.VERBOSE,
)
_WORDS = frozenset({"true", "false", "null", "nan", "infinity"})
_LEVELS = (("||",), ("&&",), ("==", "!="), ("<", "<=", ">", ">="))


class ExpressionError(ValueError):
    """A text is not an expression of this language."""


def parse(text: str) -> Expression:
    """Parse one expression without its `${{ }}`.

    Raises: ExpressionError with the column, what was expected and what was found.
    """
    parser = _Parser(text)
    tree = parser.binary(0)
    parser.expect_end()
    return tree


def condition(text: str) -> Expression | None:
    """Parse the text of an `if:`, bare or as one whole `${{ }}`; None when it can never be read as one expression.

    Text beside a `${{ }}` makes the host format a string, and a non-empty string is true: such a text guards nothing.
    A blank or the newline that ends a block counts.
    """
    if "${{" in text:
        if not (text.startswith("${{") and text.endswith("}}")):
            return None
        text = text[3:-2]
    try:
        return parse(text)
    except ExpressionError:
        return None


def conjuncts(tree: Expression) -> tuple[Expression, ...]:
    """Return the operands of the top-level `&&` chain: each must hold whenever the whole does."""
    if isinstance(tree, Binary) and tree.operator == "&&":
        return conjuncts(tree.left) + conjuncts(tree.right)
    return (tree,)


def is_equality(tree: Expression, left: tuple[str, ...], right: tuple[str, ...]) -> bool:
    """Tell whether `tree` is `left == right`, in either order."""
    if not (isinstance(tree, Binary) and tree.operator == "=="):
        return False
    return {tree.left, tree.right} == {Access(left), Access(right)}


class _Parser:
    """One pass over the tokens of one text."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._tokens = _tokenise(text)
        self._next = 0

    def binary(self, level: int) -> Expression:
        """Parse the operators of `level` and all that bind tighter; every operator associates to the left."""
        if level == len(_LEVELS):
            return self._unary()
        tree = self.binary(level + 1)
        while self._kind_text() in [("symbol", operator) for operator in _LEVELS[level]]:
            operator = self._take()
            tree = Binary(operator, tree, self.binary(level + 1))
        return tree

    def expect_end(self) -> None:
        """Refuse anything that follows the expression."""
        if self._next < len(self._tokens):
            raise self._error("the end of the expression")

    def _unary(self) -> Expression:
        if self._accept("!"):
            return Not(self._unary())
        return self._postfix(self._primary())

    def _primary(self) -> Expression:
        kind, text = self._kind_text()
        if kind == "string":
            self._take()
            return Literal(text[1:-1].replace("''", "'"), is_string=True)
        if kind == "number" or (kind == "name" and text.casefold() in _WORDS):
            return Literal(self._take(), is_string=False)
        if kind == "name":
            self._take()
            return Call(text.casefold(), self._arguments()) if self._accept("(") else Access((text.casefold(),))
        if self._accept("("):
            tree = self.binary(0)
            self._require(")")
            return tree
        raise self._error("a value")

    def _postfix(self, tree: Expression) -> Expression:
        while True:
            if self._accept("."):
                tree = _descend(tree, Literal(self._property(), is_string=True))
            elif self._accept("["):
                index = Literal(self._take(), is_string=True) if self._kind_text()[1] == "*" else self.binary(0)
                self._require("]")
                tree = _descend(tree, index)
            else:
                return tree

    def _property(self) -> str:
        if self._kind_text()[0] == "name" or self._kind_text() == ("symbol", "*"):
            return self._take()
        raise self._error("a property name")

    def _arguments(self) -> tuple[Expression, ...]:
        if self._accept(")"):
            return ()
        arguments = [self.binary(0)]
        while self._accept(","):
            arguments.append(self.binary(0))
        self._require(")")
        return tuple(arguments)

    def _kind_text(self) -> tuple[str, str]:
        return self._tokens[self._next][:2] if self._next < len(self._tokens) else ("end", "")

    def _take(self) -> str:
        self._next += 1
        return self._tokens[self._next - 1][1]

    def _accept(self, symbol: str) -> bool:
        found = self._kind_text() == ("symbol", symbol)
        self._next += found
        return found

    def _require(self, symbol: str) -> None:
        if not self._accept(symbol):
            raise self._error(f"{symbol!r}")

    def _error(self, expected: str) -> ExpressionError:
        at_end = self._next >= len(self._tokens)
        column = len(self._text) + 1 if at_end else self._tokens[self._next][2]
        found = "the end" if at_end else repr(self._tokens[self._next][1])
        return ExpressionError(f"column {column}: expected {expected}, found {found}")


def _descend(tree: Expression, index: Expression) -> Expression:
    if isinstance(tree, Access) and isinstance(index, Literal) and index.is_string:
        return Access((*tree.path, index.text.casefold()))
    return Opaque((tree, index))


def _tokenise(text: str) -> list[tuple[str, str, int]]:
    tokens: list[tuple[str, str, int]] = []
    at = 0
    end = len(text.rstrip())
    while at < end:
        match = _TOKEN.match(text, at)
        if match is None:
            column = at + 1 + len(text[at:]) - len(text[at:].lstrip())
            raise ExpressionError(f"column {column}: expected a token, found {text[column - 1]!r}")
        kind = match.lastgroup or ""
        tokens.append((kind, match[kind], match.start(kind) + 1))
        at = match.end()
    return tokens
