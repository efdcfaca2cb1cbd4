"""Random kernels inside the language, as source text, with the arguments to run them on.

Every kernel is accepted and never faults: indices are taken modulo lengths, divisors are odd, loops are bounded. Of
floats only operations that are rounded once are used, so that results are equal to the bit.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from random import Random
from typing import Any

import numpy as np

from prism.kernels.schema.arithmetic import convert, dtype
from prism.kernels.schema.types import ELEMENTS, FLOATS, INTEGERS, bounds

LANES = 5
LENGTH = 8
SLOTS = 3

HEAD = """\
from prism import *

@kernel(inline=True)
def mix(p: {0}, q: {0}) -> {0}:
    if p < q:
        return q - p
    r = p
    for t in range(3):
        r = r + q
        if r > p:
            break
    return r

@kernel
def k({1}):
    i = get_global_id()
"""


@dataclass
class Maker:
    """Writes one kernel; `scope` holds the variables that have a value here, by type."""

    random: Random
    types: list[str]
    scope: list[tuple[str, str]] = field(default_factory=list)
    fixed: set[str] = field(default_factory=set)
    count: int = 0
    loops: int = 0

    def pick(self, *options: Any) -> Any:
        """Return one of some options."""
        return self.random.choice(options)

    def fresh(self) -> str:
        """Return a new name."""
        self.count += 1
        return f"v{self.count}"

    def literal(self, ty: str) -> str:
        """Return a number of the source that fits a type."""
        if ty in FLOATS:
            return self.pick("0.5", "2.0", "-1.25", "3", "0.1", "1e4", "-0.0")
        low, high = bounds(ty)
        return self.pick("0", "1", "2", "7", str(high), str(low) if low else "5")

    def value(self, ty: str, depth: int) -> str:
        """Return an expression that surely has a type."""
        known = [name for name, of in self.scope if of == ty]
        if depth <= 0:
            return self.pick(*known) if known and self.random.random() < 0.7 else f"{ty}({self.literal(ty)})"
        kind = self.random.randrange(14)
        if kind < 5:
            left, right = self.value(ty, depth - 1), self.pick(self.value(ty, depth - 1), self.literal(ty))
            return self.arithmetic(ty, left, right)
        if kind == 5 and known:
            return self.pick(*known)
        if kind == 6:
            return f"({self.value(ty, depth - 1)} if {self.condition(depth - 1)} else {self.value(ty, depth - 1)})"
        if kind == 7:
            other = self.pick(*self.types)
            return f"{ty}({self.pick(self.value(other, depth - 1), self.condition(depth - 1))})"
        if kind == 8 and ty in self.types:
            return self.pick(f"a_{ty}[{self.index(LENGTH)}]", f"m_{ty}[{self.index(2)}, {self.index(4)}]")
        if kind == 9 and ty == self.types[0]:
            return f"mix({self.value(ty, depth - 1)}, {self.value(ty, depth - 1)})"
        return self.function(ty, depth)

    def index(self, length: int) -> str:
        """Return an index below a length."""
        integers = [one for one in self.types if one in INTEGERS]
        return f"u32({self.value(self.pick(*integers), 0)}) % {length}" if integers else f"i % {length}"

    def arithmetic(self, ty: str, left: str, right: str) -> str:
        """Return an operator on two expressions, in either order."""
        if ty in FLOATS:
            return f"({left} {self.pick('+', '-', '*', '/', '+', '*', '//', '%')} {right})"
        op = self.pick("+", "-", "*", "&", "|", "^", "<<", ">>", "//", "%")
        if op in ("//", "%"):
            return f"({left} {op} ({ty}({right}) | 1))"
        return f"({left} {op} {right})"

    def function(self, ty: str, depth: int) -> str:
        """Return a unary operator or a function of expressions."""
        one, two = self.value(ty, depth - 1), self.value(ty, depth - 1)
        found = [f"(-{one})", f"(+{one})", f"abs({one})", f"min({one}, {two})", f"max({one}, {two})", f"({one} ** 3)"]
        if ty in FLOATS:
            found += [f"{name}({one})" for name in ("sqrt", "floor", "ceil", "trunc")]
            found.append(f"({one} ** -2)")
        else:
            found += [f"(~{one})", f"({one} ** 2)"]
        return self.pick(*found)

    def condition(self, depth: int) -> str:
        """Return a condition."""
        ty = self.pick(*self.types)
        one, two = self.value(ty, depth - 1), self.value(ty, depth - 1)
        compare = f"{one} {self.pick('<', '<=', '>', '>=', '==', '!=')} {two}"
        if depth <= 0:
            return f"({compare})"
        return self.pick(
            f"({compare})",
            f"({one} < {two} <= {self.value(ty, depth - 1)})",
            f"({compare} and {self.condition(depth - 1)})",
            f"({compare} or {self.condition(depth - 1)})",
            f"(not {self.condition(depth - 1)})",
        )

    def block(self, indent: str, depth: int, size: int) -> list[str]:
        """Return statements; what they define is in scope among them only."""
        outer = list(self.scope)
        lines = [line for _ in range(size) for line in self.statement(indent, depth)]
        self.scope = outer
        return lines

    def statement(self, indent: str, depth: int) -> list[str]:
        """Return one statement."""
        ty = self.pick(*self.types)
        kind = self.random.randrange(10)
        mutable = [one for one in self.scope if one[0] not in self.fixed]
        if kind < 2 or not mutable:
            name = self.fresh()
            value = self.value(ty, 3)
            self.scope.append((name, ty))
            return [f"{indent}{name}{self.pick('', f': {ty}')} = {value}"]
        name, of = self.pick(*mutable)
        if kind < 5:
            op = self.pick("+", "-", "*")
            return [
                f"{indent}{name} {op}= {self.value(of, 2)}" if kind < 4 else f"{indent}{name} = {self.value(of, 3)}"
            ]
        if kind == 5 or depth <= 0:
            return [f"{indent}o_{ty}[i * {SLOTS} + {self.random.randrange(SLOTS)}] = {self.value(ty, 3)}"]
        if kind == 6:
            return self.choice(indent, depth)
        if kind == 7 and self.loops < 2:
            return self.counted(indent, depth)
        if kind == 8 and self.loops < 2:
            return self.conditional_loop(indent, depth)
        return [f"{indent}atomic_add(counts, {self.index(4)}, {self.value('i32', 1) if 'i32' in self.types else 1})"]

    def choice(self, indent: str, depth: int) -> list[str]:
        """Return an if, perhaps with elif and else."""
        inner = indent + "    "
        lines = [f"{indent}if {self.condition(2)}:", *self.block(inner, depth - 1, 2)]
        if self.random.random() < 0.4:
            lines += [f"{indent}elif {self.condition(1)}:", *self.block(inner, depth - 1, 1)]
        if self.random.random() < 0.6:
            lines += [f"{indent}else:", *self.block(inner, depth - 1, 2)]
        return lines

    def counted(self, indent: str, depth: int) -> list[str]:
        """Return a for loop, perhaps with a break or a continue."""
        name, inner = self.fresh(), indent + "    "
        over = self.pick("range(4)", "range(1, 9, 3)", "range(3, -4, -2)", "range(5, 2)", "range(u32(i % 3))")
        ty = "u32" if "u32" in over else "i32"
        outer = list(self.scope)
        self.loops += 1
        if ty in self.types:
            self.scope.append((name, ty))
        lines = [f"{indent}for {name} in {over}:", *self.block(inner, depth - 1, 2)]
        if self.random.random() < 0.5:
            lines += [f"{inner}if {self.condition(1)}:", f"{inner}    {self.pick('break', 'continue')}"]
            lines += self.block(inner, depth - 1, 1)
        self.loops -= 1
        self.scope = outer
        return lines

    def conditional_loop(self, indent: str, depth: int) -> list[str]:
        """Return a while loop that a counter ends."""
        name, inner = self.fresh(), indent + "    "
        self.loops += 1
        lines = [f"{indent}{name} = 0", f"{indent}while {name} < 4 and {self.condition(1)}:", f"{inner}{name} += 1"]
        lines += self.block(inner, depth - 1, 2)
        if self.random.random() < 0.3:
            lines += [f"{inner}if {self.condition(1)}:", f"{inner}    {self.pick('break', 'continue', 'return')}"]
        self.loops -= 1
        return lines


def kernel_source(seed: int) -> tuple[str, list[str]]:
    """Return the text of kernel number `seed`, and the types of its arrays."""
    random = Random(seed)
    types = random.sample(sorted(ELEMENTS), 3)
    maker = Maker(random, types, [(f"x_{one}", one) for one in types], {f"x_{one}" for one in types})
    if "u32" in types:
        maker.scope.append(("i", "u32"))
        maker.fixed.add("i")
    params = [f"{prefix}_{one}: DeviceArray[{one}]" for one in types for prefix in ("a", "m", "o")]
    params += [f"x_{one}: {one}" for one in types] + ["counts: DeviceArray[i32]"]
    lines = [line for _ in range(6) for line in maker.statement("    ", 2)]
    lines += [f"    o_{one}[i * {SLOTS}] = {maker.value(one, 3)}" for one in types]
    return HEAD.format(types[0], ", ".join(params)) + "\n".join(lines) + "\n", types


def arguments(seed: int, types: list[str]) -> dict[str, Any]:
    """Return random arguments for kernel number `seed`, edge values among them."""
    random = np.random.default_rng(seed)
    given: dict[str, Any] = {"counts": np.zeros(4, np.int32)}
    for one in types:
        given[f"a_{one}"] = _numbers(random, one, LENGTH)
        given[f"m_{one}"] = _numbers(random, one, LENGTH).reshape(2, 4)
        given[f"o_{one}"] = np.zeros(LANES * SLOTS, dtype(one))
        given[f"x_{one}"] = _numbers(random, one, 1)[0]
    return given


def _numbers(random: np.random.Generator, element: str, count: int) -> np.ndarray:
    if element in FLOATS:
        edges = [0.0, -0.0, 1.0, float("inf"), float("nan"), 1e30, -3.5, 0.1]
        drawn = [float(random.choice(edges)) if random.random() < 0.2 else random.normal() * 10 for _ in range(count)]
        return np.array([convert(one, element) for one in drawn], dtype(element))
    low, high = bounds(element)
    edges = [low, high, 0, 1]
    drawn = [int(random.choice(np.arange(4))) for _ in range(count)]
    small = random.integers(0, 50, count)
    values = [edges[at] if random.random() < 0.2 else int(one) for at, one in zip(drawn, small, strict=True)]
    return np.array([convert(one, element) for one in values], dtype(element))


def same(left: np.ndarray, right: np.ndarray) -> bool:
    """Tell whether two arrays are equal to the bit, any NaN being like any other."""
    if left.dtype.kind in "iu":
        return bool(np.array_equal(left, right))
    a, b = left.astype(np.float64), right.astype(np.float64)
    nan = np.isnan(a)
    return bool(np.array_equal(nan, np.isnan(b)) and np.array_equal(a[~nan].view(np.int64), b[~nan].view(np.int64)))
