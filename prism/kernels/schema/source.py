"""Where a kernel's text comes from, and what the names in it mean, without running any of it."""

from __future__ import annotations

import ast
import inspect
import linecache
import math
import textwrap
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from types import FunctionType, MappingProxyType, ModuleType
from typing import Any, Final, TypeVar

from prism.errors import Location, ParseError, UsageError
from prism.kernels.schema.language import BUILTINS, INTRINSICS, DeviceArray, shared
from prism.kernels.schema.values import TYPES

_PACKAGE: Final = Path(__file__).parents[2]
DECORATOR: Final = "kernel"
"""The name by which `prism` exports the decorator."""


@dataclass(frozen=True, slots=True)
class Text:
    """A text by its lines: `line` is where the first stands in `file`, `column` how far the text was dedented."""

    file: str
    lines: tuple[str, ...]
    line: int = 1
    column: int = 0

    def place(self, line: int, column: int) -> Location:
        """Return the place of a syntax node: `line` from 1 and `column` from 0 in bytes, both within this text."""
        shown = self.lines[line - 1] if line <= len(self.lines) else ""
        before = len(shown.encode()[:column].decode(errors="replace")) + self.column
        return Location(self.file, line + self.line - 1, before + 1, " " * self.column + shown)

    def at(self, node: ast.AST) -> Location:
        """Return the place of a syntax node."""
        return self.place(getattr(node, "lineno", 1), getattr(node, "col_offset", 0))


@dataclass(frozen=True, slots=True)
class Unknown:
    """A name that means nothing to a kernel; `what` says what it is instead."""

    what: str


@dataclass(frozen=True, eq=False)
class Definition:
    """A kernel before compilation: its syntax, its text, and what the names in it mean.

    lookup: the object that a name stands for; one that means nothing to kernels is for the reader to refuse.
    """

    node: ast.FunctionDef
    text: Text
    lookup: Callable[[str], Any]
    inline: bool = False

    @property
    def name(self) -> str:
        """The function's name."""
        return self.node.name

    def parameters(self) -> tuple[str, ...]:
        """Return the names of the parameters."""
        return self._parameters

    @cached_property
    def _parameters(self) -> tuple[str, ...]:
        return tuple(one.arg for one in self.node.args.args)

    def open_parameters(self) -> tuple[tuple[str, str], ...]:
        """Return (parameter, type variable) for each type variable in each annotation."""
        return self._open_parameters

    @cached_property
    def _open_parameters(self) -> tuple[tuple[str, str], ...]:
        known = self.type_variables()
        return tuple(
            (one.arg, node.id)
            for one in self.node.args.args
            for node in ast.walk(one.annotation or one)
            if isinstance(node, ast.Name) and node.id in known
        )

    def type_variables(self) -> Mapping[str, tuple[str, ...]]:
        """Return the type variables in the annotations, in their order, with the types each may stand for."""
        found: dict[str, tuple[str, ...]] = {}
        annotations = [a.annotation for a in self.node.args.args if a.annotation]
        for annotation in annotations:
            for node in ast.walk(annotation):
                meant = self.lookup(node.id) if isinstance(node, ast.Name) else None
                if isinstance(node, ast.Name) and isinstance(meant, TypeVar):
                    choices = tuple(one for one in TYPES if TYPES[one] in meant.__constraints__)
                    if not choices:
                        raise ParseError(
                            self.text.at(node),
                            "a type variable with the element types that it may stand for",
                            f"{node.id} without any",
                            f'write {node.id} = TypeVar("{node.id}", f32, f64)',
                        )
                    found[node.id] = choices
        return found


def definition_of(function: FunctionType, inline: bool = False) -> Definition:
    """Return the definition of a live function, from its source: a file, a notebook cell or a REPL that keeps lines.

    ParseError if its source is not one function; UsageError if it has no source that can be read.
    """
    file = function.__code__.co_filename
    try:
        lines, line = inspect.getsourcelines(function)
    except (OSError, TypeError) as error:
        raise UsageError(
            f"a kernel's source must be readable, but {file} has no line of {function.__name__}; "
            f"define it in a file, a notebook or a REPL that keeps its lines"
        ) from error
    raw = "".join(lines)
    dedented = textwrap.dedent(raw)
    column = len(lines[0]) - len(dedented.splitlines(keepends=True)[0])
    text = Text(file, tuple(dedented.splitlines()), line, column)
    tree = _parsed(dedented, text)
    nodes = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef) and node.name == function.__name__]
    if not nodes:
        raise ParseError(text.place(1, 0), "a function with `def`", "something else", "write the kernel as a function")
    return Definition(nodes[0], text, _live(function), inline)


def _parsed(source: str, text: Text) -> ast.Module:
    try:
        return ast.parse(source)
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        line, offset = getattr(error, "lineno", None) or 1, getattr(error, "offset", None) or 1
        # What Python's parser says of its own stack depends on its version.
        is_deep = isinstance(error, RecursionError | MemoryError)
        found = "an expression nested too deeply" if is_deep else getattr(error, "msg", None) or str(error)
        raise ParseError(text.place(min(line, len(text.lines) or 1), offset - 1), "Python", found) from error


def _live(function: FunctionType) -> Callable[[str], Any]:
    def lookup(name: str) -> Any:
        closed = inspect.getclosurevars(function).nonlocals if function.__closure__ else {}
        if name in closed:
            return closed[name]
        if name in function.__globals__:
            return function.__globals__[name]
        return BUILTINS.get(name, Unknown("a name that is not defined, or Python's own"))

    return lookup


def definitions_of(path: Path) -> Mapping[str, Definition]:
    """Return the kernels of a file by name, from its syntax: nothing in it runs.

    ParseError if it is not Python; OSError if it cannot be read.
    """
    linecache.checkcache(str(path))
    try:
        source = path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise UsageError(f"{path} must be UTF-8 text, but byte {error.start} is not; save it as UTF-8") from error
    text = Text(str(path), tuple(source.splitlines()))
    tree = _parsed(source, text)
    names: dict[str, Any] = dict(BUILTINS)
    found: dict[str, Definition] = {}
    for node in tree.body:
        _bind(node, names, found, text)
    return MappingProxyType(found)


def _bind(node: ast.stmt, names: dict[str, Any], found: dict[str, Definition], text: Text) -> None:
    """Record what a statement at the top of a file binds."""
    if isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
        for alias in node.names:
            if alias.name == "*":
                names.update(_PRISM if node.module == "prism" else {})
            else:
                names[alias.asname or alias.name] = _imported(node.module, alias.name)
    elif isinstance(node, ast.Import):
        for alias in node.names:
            names[alias.asname or alias.name.partition(".")[0]] = _imported(alias.name, "")
    elif isinstance(node, ast.FunctionDef):
        names[node.name] = Unknown("a function that is not an inline kernel")
        for decorator in node.decorator_list:
            called = decorator.func if isinstance(decorator, ast.Call) else decorator
            if resolve(called, names.get) is DECORATOR:
                definition = Definition(node, text, lambda name: names.get(name, _UNDEFINED), _is_inline(decorator))
                names[node.name] = found[node.name] = definition
    elif isinstance(node, ast.Assign | ast.AnnAssign) and node.value is not None:
        targets = node.targets if isinstance(node, ast.Assign) else [node.target]
        for target in targets:
            if isinstance(target, ast.Name):
                known = target.id in names and target.id not in BUILTINS
                names[target.id] = Unknown("a name that is assigned twice") if known else _constant(node.value, names)


_UNDEFINED: Final = Unknown("a name that this file does not define")


def _is_inline(decorator: ast.expr) -> bool:
    return isinstance(decorator, ast.Call) and any(
        one.arg == "inline" and isinstance(one.value, ast.Constant) and one.value.value is True
        for one in decorator.keywords
    )


def _imported(module: str, name: str) -> Any:
    """Return what an import gives, if it is one of Prism's: a kernel of its own is read like any other file's."""
    top = module.partition(".")[0]
    if (module, name) == ("typing", "TypeVar"):
        return TypeVar
    if module == "math":
        return (
            _MATH.get(name, Unknown("a function that takes Python's floats; import it from prism")) if name else _MATH
        )
    if top != "prism":
        return Unknown(f"a name from {module}, which kernels do not know")
    if not name:
        return _PRISM
    file = _PACKAGE.joinpath(*module.split(".")[1:]).with_suffix(".py")
    if module == "prism" or name in _PRISM or not file.is_file():
        return _PRISM.get(name, Unknown(f"a name that {module} does not have"))
    return definitions_of(file).get(name, Unknown(f"a name that {module} does not have"))


_MATH: Final[Mapping[str, Any]] = {name: getattr(math, name) for name in ("pi", "e", "tau", "inf", "nan")}
"""The constants of Python's math that kernels may name."""
_MATH_FUNCTION: Final = Unknown("a function on Python's own floats; import it from prism")
_PRISM: Final[Mapping[str, Any]] = {
    **{name: TYPES[name] for name in TYPES},
    **INTRINSICS,
    "DeviceArray": DeviceArray,
    "shared": shared,
    DECORATOR: DECORATOR,
}
"""What `prism` exports to kernels, by name; the decorator stands for itself."""


def _constant(value: ast.expr, names: Mapping[str, Any]) -> Any:
    """Return the constant that a top-level assignment gives: a number, a type variable, another name's object."""
    sign = 1
    if isinstance(value, ast.UnaryOp) and isinstance(value.op, ast.USub):
        value, sign = value.operand, -1
    if isinstance(value, ast.Constant) and isinstance(value.value, bool | int | float):
        return value.value if isinstance(value.value, bool) else sign * value.value
    if isinstance(value, ast.Name) and sign == 1:
        return names.get(value.id, _UNDEFINED)
    if isinstance(value, ast.Call) and resolve(value.func, names.get) is TypeVar and value.args:
        first, *rest = value.args
        choices = [resolve(one, names.get) for one in rest]
        if isinstance(first, ast.Constant) and all(one in TYPES.values() for one in choices):
            return TypeVar(str(first.value), *choices)  # type: ignore[misc]
    return Unknown("a name whose value is not a number in the source")


def resolve(node: ast.expr, lookup: Callable[[str], Any]) -> Any:
    """Return the object that a name or `prism.name` stands for, or Unknown."""
    if isinstance(node, ast.Name):
        found = lookup(node.id)
        return _UNDEFINED if found is None else found
    if isinstance(node, ast.Attribute):
        owner = resolve(node.value, lookup)
        if (isinstance(owner, ModuleType) and owner.__name__ == "prism") or owner is _PRISM:
            return _PRISM.get(node.attr, Unknown("a name that prism does not have"))
        if owner is math or owner is _MATH:
            return _MATH.get(node.attr, _MATH_FUNCTION)
    return Unknown("not a name that kernels know")
