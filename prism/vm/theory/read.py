"""Read theory files [THEORY-1]: declarations and rules in order, each fault with its place."""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

from prism.errors import UsageError
from prism.vm.theory.model import EMPTY, MAX_DEPTH, NO_CLAIMS, Claims, Theory, check_rule, coded, theory_of
from prism.vm.theory.rule import ARITHMETIC, COMPARISONS, Equation, Guard, Pattern, Rule
from prism.vm.theory.sexpr import Node, Source, decoded, read_groups
from prism.vm.theory.signature import DIGIT, MAX_ARITY, UNIT, Op, Signature

_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_.'-]*\Z")
_NUMBER: Final = re.compile(r"-?[0-9]{1,19}\Z")
_TAKEN: Final = ("def", "symbols", "null")

FindTheory = Callable[[str], Theory]
"""What finds the theory that another one extends, by the name or path written there."""


def no_base(name: str) -> Theory:
    """Refuse to extend: what reads a text alone knows no other theory."""
    raise UsageError(f"a text may extend only what its reader can find, got {name!r}; load it from a file")


@dataclass
class _Draft:
    """A theory in the making."""

    source: Source
    find: FindTheory
    name: str = ""
    base: Theory | None = None
    clause: str = ""
    ops: list[Op] = field(default_factory=list)
    variables: set[str] = field(default_factory=set)
    literals: set[str] = field(default_factory=set)
    words: Signature = EMPTY
    rules: list[Rule] = field(default_factory=list)
    equations: list[Equation] = field(default_factory=list)
    claims: Claims = NO_CLAIMS
    known: dict[str, Op] = field(default_factory=dict)
    rule_names: set[str] = field(default_factory=set)
    _signature: Signature | None = None

    @property
    def has_literals(self) -> bool:
        """Whether numbers are literals, in this theory or in the one that it extends."""
        return self.words.has_literals or (self.base is not None and self.base.signature.has_literals)

    def signature(self) -> Signature:
        """Return the signature so far."""
        if self._signature is None:
            self._signature = self.finished(()).signature
        return self._signature

    def changed(self, **words: Any) -> None:
        """Say that the words have changed."""
        self.words, self._signature = replace(self.words, **words), None

    def finished(self, rules: tuple[Rule, ...]) -> Theory:
        return theory_of(self.name, self.ops, rules, base=self.base, words=self.words, claims=self.claims)


def read_theory(data: bytes, file: str, find: FindTheory = no_base) -> Theory:
    """Return the theory that a file holds; ParseError at its first fault. Cost: linear in the file."""
    source = decoded(data, file)
    draft = _Draft(source, find)
    for node in read_groups(source):
        if not (node.items and not node.items[0].is_group):
            source.refuse(node, f"a declaration: one of {' '.join(_ITEMS)}", "write (rule NAME LEFT RIGHT)")
        head = node.items[0]
        if head.text not in _ITEMS:
            source.refuse(head, f"one of {' '.join(_ITEMS)}", _suggestion(head.text, _ITEMS))
        if (head.text == "theory") == bool(draft.name):
            source.refuse(head, "(theory NAME) once, before all else", "move or remove it")
        try:
            _ITEMS[head.text](draft, node, node.items[1:])
        except UsageError as error:
            source.fail(node.at, "a declaration that means something", f"this: {error}", "")
    if not draft.name:
        source.fail(len(source.text), "(theory NAME)", "the end of the file", "name the theory first")
    try:
        theory = draft.finished(tuple(draft.rules))
        return replace(theory, equations=(*theory.equations, *draft.equations))
    except UsageError as error:
        source.fail(len(source.text), "a theory that means something", f"this: {error}", "")


def _theory(draft: _Draft, node: Node, items: tuple[Node, ...]) -> None:
    draft.name = _name(draft, _only(draft, node, items, 1, "(theory NAME)")[0])


def _extends(draft: _Draft, node: Node, items: tuple[Node, ...]) -> None:
    word = _only(draft, node, items, 1, "(extends NAME)")[0]
    if draft.base or draft.ops or word.is_group:
        draft.source.refuse(word, "one theory to extend, before any op", "move (extends NAME) up")
    draft.base = draft.find(word.text.strip('"'))
    draft.known = dict(draft.base.signature.by_name)
    draft.rule_names = {rule.name for rule in draft.base.rules}
    draft.changed()


def _op(draft: _Draft, node: Node, items: tuple[Node, ...]) -> None:
    usage = "(op NAME ARITY [commutes] [(code N)])"
    if len(items) < 2:
        draft.source.refuse(node, usage, "give the op a name and its number of operands")
    name, arity = _fresh(draft, items[0]), _number(draft, items[1], 0, MAX_ARITY)
    if name in ARITHMETIC and draft.has_literals:
        draft.source.refuse(items[0], "an op not called like arithmetic on literals", "rename it")
    commutes, code, doc = False, None, ""
    for item in items[2:]:
        if item.text == "commutes" and not commutes:
            commutes = True
        elif item.is_group and len(item.items) == 2 and item.items[0].text == "code" and code is None:
            code = _number(draft, item.items[1], UNIT, DIGIT - 1)
        elif item.text.startswith('"') and not doc:
            doc = item.text[1:-1]
        else:
            draft.source.refuse(item, usage, "remove it")
    if commutes and arity != 2:
        draft.source.refuse(items[1], "2 operands of an op that commutes", "leave out `commutes`")
    made = coded(draft.known.values(), name, arity, commutes, doc)
    if code is not None:
        made = replace(made, code=code)
    Signature((*draft.known.values(), made))
    draft.ops.append(made)
    draft.known[name] = made
    draft.changed()


def _numerals(draft: _Draft, node: Node, items: tuple[Node, ...]) -> None:
    zero, suc = _only(draft, node, items, 2, "(numerals ZERO SUCCESSOR)")
    for item, arity in ((zero, 0), (suc, 1)):
        if item.text not in draft.known or draft.known[item.text].arity != arity:
            draft.source.refuse(item, f"an op of {arity} operands", "declare it first")
    if draft.words.has_literals or draft.words.numerals:
        draft.source.refuse(node, "one meaning of numbers", "remove this one")
    draft.changed(numerals=(zero.text, suc.text))


def _literals(draft: _Draft, node: Node, items: tuple[Node, ...]) -> None:
    _only(draft, node, items, 0, "(literals)")
    if draft.words.numerals:
        draft.source.refuse(node, "one meaning of numbers", "remove this one")
    clash = next((name for name in draft.known if name in ARITHMETIC), None)
    if clash is not None:
        draft.source.refuse(node, f"no op called like arithmetic on literals, as {clash} is", "rename that op")
    draft.changed(has_literals=True)


def _symbols(draft: _Draft, _: Node, items: tuple[Node, ...]) -> None:
    names = tuple(_fresh(draft, item) for item in items)
    draft.changed(has_symbols=True, symbols=(*draft.words.symbols, *names))


def _var(draft: _Draft, _: Node, items: tuple[Node, ...]) -> None:
    draft.variables |= {_fresh(draft, item) for item in items}


def _int(draft: _Draft, node: Node, items: tuple[Node, ...]) -> None:
    if not (draft.words.has_literals or (draft.base and draft.base.signature.has_literals)):
        draft.source.refuse(node, "(literals) before variables of literals", "declare (literals)")
    names = {_fresh(draft, item) for item in items}
    draft.variables |= names
    draft.literals |= names


def _clause(draft: _Draft, node: Node, items: tuple[Node, ...]) -> None:
    draft.clause = _only(draft, node, items, 1, "(clause ID)")[0].text


def _rule(draft: _Draft, node: Node, items: tuple[Node, ...]) -> None:
    usage = "(rule NAME LEFT RIGHT [(when (COMPARISON A B) ...)])"
    if not 3 <= len(items) <= 4:
        draft.source.refuse(node, usage, "give a name, a left and a right side")
    name = _name(draft, items[0])
    if name in draft.rule_names:
        draft.source.refuse(items[0], "a name that no other rule has", "choose another name")
    if not items[1].is_group and items[1].text not in draft.known:
        draft.source.refuse(items[1], "a left side that applies an op", "write (op ...)")
    lhs, rhs = _pattern(draft, items[1], computes=False), _pattern(draft, items[2], computes=True)
    guards: tuple[Guard, ...] = ()
    if len(items) == 4:
        when = items[3]
        if len(when.items) < 2 or when.items[0].text != "when":
            draft.source.refuse(when, "(when (COMPARISON A B) ...)", "write a guard, or leave it out")
        guards = tuple(_guard(draft, item) for item in when.items[1:])
    rule = Rule(name, lhs, rhs, draft.clause, guards, frozenset(draft.literals))
    check_rule(draft.signature(), rule)
    draft.rule_names.add(name)
    draft.rules.append(replace(rule, literals=rule.literals & _words(items[1])))


def _equation(draft: _Draft, node: Node, items: tuple[Node, ...]) -> None:
    name, left, right = _only(draft, node, items, 3, "(equation NAME LEFT RIGHT)")
    sides = _pattern(draft, left, computes=False), _pattern(draft, right, computes=False)
    draft.equations.append(Equation(_name(draft, name), *sides))


def _claim(draft: _Draft, node: Node, items: tuple[Node, ...]) -> None:
    usage = "(claim terminating), (claim confluent) or (claim complete OP...)"
    what = items[0].text if items else ""
    if what in ("terminating", "confluent") and len(items) == 1:
        draft.claims = replace(draft.claims, **{what: True})
    elif what == "complete" and len(items) > 1:
        for item in items[1:]:
            if item.text not in draft.known:
                draft.source.refuse(item, "an op of the theory", _suggestion(item.text, draft.known))
        draft.claims = replace(draft.claims, complete=tuple(item.text for item in items[1:]))
    else:
        draft.source.refuse(node, usage, "write one of them")


def _guard(draft: _Draft, node: Node) -> Guard:
    if len(node.items) != 3 or node.items[0].text not in COMPARISONS:
        draft.source.refuse(node, f"a comparison: one of {' '.join(COMPARISONS)} of two", "write (< n 0)")
    first, second = (_pattern(draft, item, computes=True) for item in node.items[1:])
    return node.items[0].text, first, second


def _pattern(draft: _Draft, node: Node, *, computes: bool, depth: int = 0) -> Pattern:
    """Return the pattern that a node writes; recursion stops at MAX_DEPTH."""
    source, known = draft.source, draft.known
    if depth > MAX_DEPTH:
        source.refuse(node, f"at most {MAX_DEPTH} nested expressions", "split the rule")
    if not node.is_group:
        return _leaf(draft, node)
    if not node.items or node.items[0].is_group:
        source.refuse(node, "an op after '('", "write (op operand...)")
    head, *operands = node.items
    has_numbers = draft.words.has_literals or bool(draft.base and draft.base.signature.has_literals)
    if computes and has_numbers and head.text in ARITHMETIC and head.text not in known:
        arity = 2
    elif head.text in known:
        arity = known[head.text].arity
    else:
        source.refuse(head, "an op of the theory", _suggestion(head.text, known))
    if arity == 0 or len(operands) != arity:
        at = operands[arity] if len(operands) > arity > 0 else node
        must = f"{arity} operand{'s' * (arity != 1)} of {head.text}" if arity else f"{head.text} without parentheses"
        source.fail(at.at, must, f"{len(operands)}", "give it as many as it takes")
    return (head.text, *(_pattern(draft, item, computes=computes, depth=depth + 1) for item in operands))


def _leaf(draft: _Draft, node: Node) -> Pattern:
    source, known = draft.source, draft.known
    if _NUMBER.match(node.text):
        signature = draft.signature()
        if signature.has_literals:
            return _number(draft, node, -(1 << 63), (1 << 63) - 1)
        if signature.numerals:
            pattern: Pattern = (signature.numerals[0],)
            for _ in range(_number(draft, node, 0, MAX_DEPTH)):
                pattern = (signature.numerals[1], pattern)
            return pattern
        source.refuse(node, "a name: the theory has no numbers", "declare (literals) or (numerals ZERO SUCCESSOR)")
    if node.text in draft.variables:
        return node.text
    if node.text in known:
        if known[node.text].arity:
            source.refuse(node, "a variable or a constant", f"apply it in parentheses: ({node.text} ...)")
        return (node.text,)
    suggestion = _suggestion(node.text, {**dict.fromkeys(draft.variables), **known})
    return source.refuse(node, "a declared variable, a constant or a number", suggestion)


def _words(node: Node) -> frozenset[str]:
    found, waiting = set(), [node]
    while waiting:
        item = waiting.pop()
        found.add(item.text)
        waiting += item.items
    return frozenset(found)


def _only(draft: _Draft, node: Node, items: tuple[Node, ...], count: int, usage: str) -> tuple[Node, ...]:
    if len(items) != count:
        draft.source.refuse(node, usage, "write it so")
    return items


def _name(draft: _Draft, node: Node) -> str:
    if not _NAME.match(node.text):
        draft.source.refuse(node, "a name, which starts with a letter or _", "use letters, digits and _ - . '")
    return node.text


def _fresh(draft: _Draft, node: Node) -> str:
    """Return a name that is not in use yet."""
    name = _name(draft, node)
    symbols = (*draft.words.symbols, *(draft.base.signature.symbols if draft.base else ()))
    if name in draft.known or name in draft.variables or name in symbols or name in _TAKEN:
        draft.source.refuse(node, "a name that is not in use", "choose another name")
    return name


def _number(draft: _Draft, node: Node, least: int, most: int) -> int:
    if not _NUMBER.match(node.text) or not least <= int(node.text) <= most:
        draft.source.refuse(node, f"a number from {least} to {most}", "write it in decimal")
    return int(node.text)


def _suggestion(word: str, names: dict) -> str:
    close = difflib.get_close_matches(word, list(names), n=1)
    return f"did you mean {close[0]}?" if close else "declare it first"


_ITEMS: Final[dict[str, Callable[[_Draft, Node, tuple[Node, ...]], None]]] = {
    "theory": _theory,
    "extends": _extends,
    "op": _op,
    "numerals": _numerals,
    "literals": _literals,
    "symbols": _symbols,
    "var": _var,
    "int": _int,
    "clause": _clause,
    "rule": _rule,
    "equation": _equation,
    "claim": _claim,
}
"""What a theory file may hold."""


def read_file(path: Path, find: FindTheory = no_base) -> Theory:
    """Return the theory in a file; UsageError when it cannot be read."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise UsageError(
            f"a theory must be in a file that can be read, got {str(path)!r}: {error.strerror}; name another"
        ) from error
    return read_theory(data, str(path), find)
