"""A kernel's jaxpr as scalar loops for Numba: array expressions are fused into the loops that need them.

A value is lazy: it knows the expression of one element. It becomes an array (or a variable, if it is a scalar) where
it is needed more than once, or where memory may change before it is needed.
"""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from prism.pallas import compat, structure
from prism.pallas.access import Index, Load, Operand, Span, Store
from prism.pallas.debug import avals
from prism.pallas.decode import decode
from prism.pallas.loop_rules import LOOP_RULES, Lazy, NoLoopFormError, cast, typed
from prism.pallas.structure import INLINED, Use, dropped, used_variables

Texts = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class LoopRef:
    """A reference in the loops: `array` is indexed by `offsets + index`; a squeezed dimension has only its offset.

    `mask` names the array of what was written, if that is followed, and `flag` a boolean that says all of it was.
    """

    array: str
    offsets: Texts
    squeezed: tuple[bool, ...]
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    use: Use
    flag: str | None = None
    mask: str | None = None

    def at(self, index: Texts, array: str | None = None) -> str:
        """Return the expression of one element."""
        own = iter(index)
        places = [o if gone else _sum(o, next(own)) for o, gone in zip(self.offsets, self.squeezed, strict=True)]
        return f"{array or self.array}[{', '.join(places) or '()'}]"


Bound = Lazy | LoopRef


def _sum(a: str, b: str) -> str:
    if a == "0":
        return b
    return a if b == "0" else f"{a} + {b}"


@dataclass(slots=True)
class LoopWriter:
    """Collects the statements of the compiled function."""

    program: list[tuple[str, int]]
    named_axes: dict[Any, int]
    lines: list[str] = field(default_factory=list)
    depth: int = 1
    _count: Any = field(default_factory=itertools.count)

    def line(self, text: str) -> None:
        """Add a line."""
        self.lines.append("    " * self.depth + text)

    def name(self, prefix: str = "v") -> str:
        """Return a fresh name."""
        return f"{prefix}{next(self._count)}"

    def nest(self, shape: Sequence[int], body: Callable[[Texts], None]) -> None:
        """Write loops over a shape around `body`, which gets the index names."""
        index = tuple(self.name("k") for _ in shape)
        for k, n in zip(index, shape, strict=True):
            self.line(f"for {k} in range({n}):")
            self.depth += 1
        body(index)
        self.depth -= len(index)

    def settle(self, value: Lazy) -> Lazy:
        """Return a value held in a variable or an array."""
        if value.settled:
            return value
        name = self.name()
        if not value.shape:
            self.line(f"{name} = {value.at(())}")
            return Lazy((), value.dtype, lambda _: name, settled=True)
        self.line(f"{name} = np.empty({value.shape}, {typed(value.dtype)})")
        self.nest(value.shape, lambda index: self.line(f"{name}[{', '.join(index)}] = {value.at(index)}"))
        return array(name, value.shape, value.dtype)


def array(name: str, shape: tuple[int, ...], dtype: np.dtype[Any]) -> Lazy:
    """Return the value of an array variable."""
    return Lazy(shape, dtype, lambda index: f"{name}[{', '.join(index)}]", settled=True, name=name)


def emit(jaxpr: Any, consts: Sequence[Any], args: Sequence[Bound], writer: LoopWriter) -> list[Lazy]:
    """Write the statements of a jaxpr and return its results."""
    if consts:
        raise NoLoopFormError
    env: dict[Any, Bound] = dict(zip((*jaxpr.constvars, *jaxpr.invars), args, strict=True))
    uses = Counter(v for e in jaxpr.eqns for v in e.invars if not isinstance(v, compat.Literal))
    uses.update(v for v in jaxpr.outvars if not isinstance(v, compat.Literal))
    used = used_variables(jaxpr)

    def read(atom: Any) -> Bound:
        return constant(atom) if isinstance(atom, compat.Literal) else env[atom]

    for equation in jaxpr.eqns:
        operands = [read(v) for v in equation.invars]
        results = _emit_equation(equation, operands, dropped(equation, used), writer)
        for var, value in zip(equation.outvars, results, strict=True):
            env[var] = writer.settle(value) if uses[var] > 1 and not value.cheap else value
    results = [read(v) for v in jaxpr.outvars]
    return [r for r in results if isinstance(r, Lazy)]


def constant(atom: Any) -> Lazy:
    """Return a literal scalar."""
    dtype = compat.element_type(atom.aval.dtype)
    if np.ndim(atom.val):
        raise NoLoopFormError
    item: Any = np.asarray(atom.val).astype(dtype).item()
    if isinstance(item, float) and not np.isfinite(item):
        text = cast(dtype, "np.nan" if np.isnan(item) else "np.inf" if item > 0 else "-np.inf")
    else:
        text = repr(item) if dtype == np.bool_ else cast(dtype, repr(item))
    return Lazy((), dtype, lambda _: text, settled=True, known=int(item) if dtype.kind in "iu" else None)


def _emit_equation(equation: Any, operands: list[Bound], unused: list[bool], writer: LoopWriter) -> list[Lazy]:
    name = equation.primitive.name
    if name in ("get", "swap", "addupdate"):
        return _access(equation, operands, unused, writer)
    if name in INLINED:
        inner, consts = compat.open_jaxpr(equation.params[INLINED[name]])
        return emit(inner, consts, operands, writer)
    structured = _STRUCTURED.get(name)
    if structured is not None:
        return structured(equation, operands, writer)
    rule = LOOP_RULES.get(name)
    if rule is None:
        raise NoLoopFormError
    values = [v for v in operands if isinstance(v, Lazy)]
    if len(values) != len(operands):
        raise NoLoopFormError
    return rule(equation, values, avals(equation.outvars), writer)


# Memory


def _access(equation: Any, operands: list[Bound], unused: list[bool], writer: LoopWriter) -> list[Lazy]:
    access, ref = decode(equation), operands[0]
    if not isinstance(ref, LoopRef) or not isinstance(access, Load | Store) or len(access.place.transforms) > 1:
        raise NoLoopFormError
    transform = access.place.transforms[0] if access.place.transforms else None
    items = transform.items if isinstance(transform, Index) else tuple(Span(0, n) for n in ref.shape)
    shape, places = _places(items, ref, operands, writer)
    if isinstance(access, Load):
        _note_read(ref, shape, places, writer)
        value = Lazy(shape, ref.dtype, lambda index: ref.at(places(index)), cheap=not ref.use.written)
        return [writer.settle(value) if ref.use.written else value]
    value = operands[access.value.position]
    if not isinstance(value, Lazy) or access.combine not in ("set", "add"):
        raise NoLoopFormError
    results: list[Lazy] = []
    if access.combine == "add" or not all(unused):
        _note_read(ref, shape, places, writer)
    if access.combine == "set":
        old = Lazy(shape, ref.dtype, lambda index: ref.at(places(index)))
        results = [old if all(unused) else writer.settle(old)]
    if ref.use.read and not value.cheap and shape:
        value = writer.settle(value)
    operator = "+=" if access.combine == "add" else "="
    whole = all(isinstance(i, Span) and i == Span(0, n) for i, n in zip(items, ref.shape, strict=True))

    def put(index: Texts) -> None:
        writer.line(f"{ref.at(places(index))} {operator} {value.at(index)}")
        if ref.mask and not (whole and ref.flag):
            writer.line(f"{ref.at(places(index), ref.mask)} = True")

    writer.nest(shape, put)
    if whole and ref.flag:
        writer.line(f"{ref.flag} = True")
    return results


def _note_read(ref: LoopRef, shape: tuple[int, ...], places: Callable[[Texts], Texts], writer: LoopWriter) -> None:
    if ref.mask is None:
        return
    mask = ref.mask
    writer.line(f"if not {ref.flag or False}:")
    writer.depth += 1
    writer.nest(shape, lambda index: writer.line(f"if not {ref.at(places(index), mask)}: unsure = True"))
    writer.depth -= 1


def _places(
    items: Sequence[Any], ref: LoopRef, operands: list[Bound], writer: LoopWriter
) -> tuple[tuple[int, ...], Callable[[Texts], Texts]]:
    """Return the shape that an index selects and the map from an element of it to an element of the reference."""
    starts: list[tuple[str, int | None]] = []
    for item, extent in zip(items, ref.shape, strict=True):
        start = item.start if isinstance(item, Span) else item
        size = item.size if isinstance(item, Span) else 1
        if not isinstance(size, int):
            raise NoLoopFormError
        stride = item.stride if isinstance(item, Span) else 1
        length = (size - 1) * stride + 1 if size else 0
        starts.append((_start(start, extent - length, operands, writer), stride if isinstance(item, Span) else None))
    shape = tuple(i.size for i in items if isinstance(i, Span) and isinstance(i.size, int))

    def places(index: Texts) -> Texts:
        own = iter(index)
        return tuple(
            start if stride is None else _sum(start, next(own) if stride == 1 else f"{stride} * {next(own)}")
            for start, stride in starts
        )

    return shape, places


def _start(start: Any, greatest: int, operands: list[Bound], writer: LoopWriter) -> str:
    value = operands[start.position] if isinstance(start, Operand) else None
    known = start if isinstance(start, int) else value.known if isinstance(value, Lazy) else None
    if known is not None:
        if not 0 <= known <= greatest:
            writer.line("if True: return 1")
        return str(max(0, min(known, greatest)))
    if not isinstance(value, Lazy) or value.shape:
        raise NoLoopFormError
    name = writer.name("i")
    writer.line(f"{name} = np.int64({value.at(())})")
    if value.bounds is None or value.bounds[0] < 0 or value.bounds[1] > greatest:
        writer.line(f"if not 0 <= {name} <= {greatest}: return 1")
    return name


# Control flow


def _enter(values: Sequence[Lazy], writer: LoopWriter) -> list[Lazy]:
    """Give carried values variables of their own."""
    entered = []
    for value in values:
        name = writer.name("c")
        if value.shape:
            held = writer.settle(value)
            writer.line(f"{name} = {held.name}")
            entered.append(array(name, value.shape, value.dtype))
        else:
            writer.line(f"{name} = {value.at(())}")
            entered.append(Lazy((), value.dtype, _text(name), settled=True, name=name))
    return entered


def _text(name: str) -> Callable[[Texts], str]:
    return lambda _: name


def _leave(carry: Sequence[Lazy], results: Sequence[Lazy], writer: LoopWriter) -> None:
    held = [writer.settle(r) for r in results]
    pairs = [(c.name, h.name if h.shape else h.at(())) for c, h in zip(carry, held, strict=True)]
    pairs = [(a, b) for a, b in pairs if a != b]
    if pairs:
        writer.line(f"{', '.join(str(a) for a, _ in pairs)} = {', '.join(str(b) for _, b in pairs)}")


def _lazies(values: Sequence[Bound]) -> list[Lazy]:
    lazies = [v for v in values if isinstance(v, Lazy)]
    if len(lazies) != len(values):
        raise NoLoopFormError
    return lazies


def _scan(equation: Any, operands: list[Bound], writer: LoopWriter) -> list[Lazy]:
    parameters = equation.params
    for_consts, for_carry = compat.scan_parts(parameters)
    if len(operands) != for_consts + for_carry or len(equation.outvars) != for_carry:
        raise NoLoopFormError
    inner, consts = compat.open_jaxpr(parameters["jaxpr"])
    fixed = [writer.settle(v) if isinstance(v, Lazy) and not v.cheap else v for v in operands[:for_consts]]
    carry = _enter(_lazies(operands[for_consts:]), writer)
    writer.line(f"for _ in range({parameters['length']}):")
    writer.depth += 1
    _leave(carry, emit(inner, consts, [*fixed, *carry], writer), writer)
    writer.line("pass")
    writer.depth -= 1
    return carry


def _while(equation: Any, operands: list[Bound], writer: LoopWriter) -> list[Lazy]:
    parameters = equation.params
    for_cond, for_body = parameters["cond_nconsts"], parameters["body_nconsts"]
    fixed = [writer.settle(v) if isinstance(v, Lazy) and not v.cheap else v for v in operands[: for_cond + for_body]]
    carry = _enter(_lazies(operands[for_cond + for_body :]), writer)
    cond, cond_consts = compat.open_jaxpr(parameters["cond_jaxpr"])
    body, body_consts = compat.open_jaxpr(parameters["body_jaxpr"])
    writer.line("while True:")
    writer.depth += 1
    test = emit(cond, cond_consts, [*fixed[:for_cond], *carry], writer)[0]
    writer.line(f"if not ({test.at(())}): break")
    _leave(carry, emit(body, body_consts, [*fixed[for_cond:], *carry], writer), writer)
    writer.depth -= 1
    return carry


def _cond(equation: Any, operands: list[Bound], writer: LoopWriter) -> list[Lazy]:
    which, *args = operands
    branches = equation.params["branches"]
    if not isinstance(which, Lazy):
        raise NoLoopFormError
    fixed = [writer.settle(v) if isinstance(v, Lazy) and not v.cheap else v for v in args]
    chosen = writer.name("b")
    writer.line(f"{chosen} = np.int64({which.at(())})")
    names = [writer.name("c") for _ in equation.outvars]
    for k, branch in enumerate(branches):
        header = f"if {chosen} <= 0:" if k == 0 else "else:" if k == len(branches) - 1 else f"elif {chosen} == {k}:"
        writer.line(header)
        writer.depth += 1
        inner, consts = compat.open_jaxpr(branch)
        for name, result in zip(names, emit(inner, consts, fixed, writer), strict=True):
            held = writer.settle(result)
            # Branches may hand out memory of their operands: each result owns its array.
            writer.line(f"{name} = {f'{held.name}.copy()' if held.shape else held.at(())}")
        writer.line("pass")
        writer.depth -= 1
    results = []
    for name, aval in zip(names, avals(equation.outvars), strict=True):
        scalar = Lazy((), aval.dtype, _text(name), settled=True, name=name)
        results.append(array(name, aval.shape, aval.dtype) if aval.shape else scalar)
    return results


def _program_id(equation: Any, operands: list[Bound], writer: LoopWriter) -> list[Lazy]:
    del operands
    text, extent = writer.program[equation.params["axis"]]
    shown = cast(np.dtype(np.int32), text)
    return [Lazy((), np.dtype(np.int32), lambda _: shown, settled=True, bounds=(0, max(extent - 1, 0)))]


def _num_programs(equation: Any, operands: list[Bound], writer: LoopWriter) -> list[Lazy]:
    del operands
    extent = writer.program[equation.params["axis"]][1]
    return [Lazy((), np.dtype(np.int32), lambda _: f"np.int32({extent})", settled=True, known=extent)]


_STRUCTURED: dict[str, Callable[[Any, list[Bound], LoopWriter], list[Lazy]]] = {
    "scan": _scan,
    "while": _while,
    "cond": _cond,
    "program_id": _program_id,
    "num_programs": _num_programs,
}

PRIMITIVES = frozenset((*_STRUCTURED, *LOOP_RULES, *INLINED, "get", "swap", "addupdate"))


def expressible(jaxpr: Any) -> bool:
    """Whether every primitive of a kernel has a loop form; some uses of them may still have none."""
    return PRIMITIVES.issuperset(structure.primitives_in(jaxpr))
