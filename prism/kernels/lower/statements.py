"""Statements to instructions: variables, choices, loops, stores, calls put in place [KERNELS-10]."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from prism.kernels.isa.program import Operand
from prism.kernels.isa.types import U32, U64, Kind, Type
from prism.kernels.lower.emitter import Emitter, type_of
from prism.kernels.lower.expressions import Expressions, Memory
from prism.kernels.schema.operations import FUNCTIONS
from prism.kernels.schema.records import (
    Assign,
    Break,
    Call,
    Continue,
    Evaluate,
    For,
    If,
    Index,
    Kernel,
    Let,
    Literal,
    Return,
    Shared,
    Stmt,
    Var,
    While,
    walk,
)

_BITS = {"exchange": "exchange", "cas": "cas", "add": "add", "min": "min", "max": "max"}


def assigned(body: tuple[Stmt, ...]) -> list[str]:
    """Return the names that statements assign, once for each time."""
    nodes = walk(*body)
    return [name for one in nodes if (name := _target(one)) is not None]


def _target(node: Any) -> str | None:
    if isinstance(node, Let):
        return node.name
    if isinstance(node, For):
        return node.var
    return node.target.name if isinstance(node, Assign) and isinstance(node.target, Var) else None


class Statements(Expressions):
    """Lowers statements. inlines: the inline kernels by name. shared: the shared arrays met, with handles from `next`.

    loops: for each loop around, where continue and break go. end: where return goes, and the register of its value.
    """

    def __init__(self, code: Emitter, inlines: dict[str, Kernel], shared_handle: int) -> None:
        super().__init__(code)
        self.inlines, self.shared, self.next_handle = inlines, [], shared_handle
        self.loops: list[tuple[str, str]] = []
        self.counting: list[str] = []
        self.mutable: set[str] = set()
        self.end: tuple[str, int | None] = ("end", None)
        self.shared: list[Memory] = []

    def enter(self, body: tuple[Stmt, ...], given: set[str]) -> None:
        """Prepare for a function's body: a name assigned once is its value's register, others have one of their own."""
        names = [*assigned(body), *given]
        self.mutable = {name for name in names if names.count(name) > 1}

    def block(self, body: tuple[Stmt, ...]) -> None:
        """Lower statements in order."""
        for one in body:
            lower_one: Callable[[Any], None] = getattr(self, f"_do_{type(one).__name__.lower()}")
            lower_one(one)

    def _do_let(self, node: Let) -> None:
        self.assign(node.name, node.value)

    def assign(self, name: str, value: Any) -> None:
        """Give a variable a value."""
        if name in self.mutable:
            held = self.variables.setdefault(name, self.code.register())
            self.value(value, held)
            self.code.changed([held])
            return
        found = self.value(value)
        if isinstance(value, Var) and value.name in self.mutable:
            found = self.code.move(type_of(value.type), self.code.register(), found)
        self.variables[name] = found

    def _do_assign(self, node: Assign) -> None:
        if isinstance(node.target, Var):
            self.assign(node.target.name, node.value)
            return
        value = self.value(node.value)
        array = self.arrays[node.target.array]
        address, _ = self.address(node.target)
        self.written.add(array.handle)
        self.code.emit("sts" if array.shape else "stg", array.ty, address, value)
        self.code.changed([("memory", array.handle)])

    def _do_shared(self, node: Shared) -> None:
        memory = Memory(node.name, self.next_handle, type_of(node.element), len(node.shape), node.shape)
        self.next_handle += 1
        self.arrays[node.name] = memory
        self.shared.append(memory)

    def _do_if(self, node: If) -> None:
        other, end = self.code.label("else"), self.code.label("end")
        with self.code.scope():
            self.jump(node.condition, other, when=False)
            self.block(node.then)
        if node.other:
            self.code.branch(end)
        self.code.place(other)
        with self.code.scope():
            self.block(node.other)
        self.code.place(end)

    @contextmanager
    def loop(self, body: tuple[Stmt, ...], onward: str, end: str) -> Iterator[None]:
        """Lower a loop's body within: what it assigns, and all of memory, may differ at its start and after it."""
        changing = [self.variables.setdefault(one, self.code.register()) for one in set(assigned(body)) & self.mutable]
        changing_memory = [("memory", one.handle) for one in self.arrays.values()]
        self.code.changed([*changing, *changing_memory])
        self.loops.append((onward, end))
        with self.code.scope():
            yield
        self.loops.pop()
        self.code.changed([*changing, *changing_memory])

    def _do_while(self, node: While) -> None:
        head, end = self.code.label("while"), self.code.label("end")
        with self.loop(node.body, head, end):
            self.code.place(head)
            self.jump(node.condition, end, when=False)
            self.block(node.body)
            self.code.branch(head)
        self.code.place(end)

    def _do_for(self, node: For) -> None:
        ty = type_of(node.type)
        start, stop = self.value(node.start), self.value(node.stop)
        turns = self.turns(ty, start, stop, node.step)
        private = node.var not in self.counting and node.var not in assigned(node.body) and self._fresh(node.var)
        counter = self.code.register()
        self.code.move(ty, counter, start)
        before = self.variables.get(node.var)
        body, onward, end = (self.code.label(one) for one in ("for", "next", "end"))
        self.counting.append(node.var)
        if not private:
            self.variables.setdefault(node.var, self.code.register())
        with self.loop((node,), onward, end):
            self.code.changed([counter])
            left = self.head(body, turns, end, wide=ty.bits == 64)
            if private:
                self.variables[node.var] = counter
            else:
                self.code.move(ty, self.variables[node.var], counter)
            self.block(node.body)
            self.code.place(onward)
            self.code.emit("add", ty, counter, counter, self.code.constant(node.step, ty))
            if left is None:
                self.code.emit("loop", turns, body)
            else:
                self.code.emit("sub", U64, left, left, self.code.constant(1, U64))
                self.code.branch(body)
        self.code.place(end)
        self.counting.pop()
        if private and before is not None:
            self.variables[node.var] = before

    def _fresh(self, name: str) -> bool:
        """Tell whether only loops assign a name, so that its value is not read after them."""
        return name not in self.kept

    kept: frozenset[str] = frozenset()
    """Names that statements other than loops assign."""

    def head(self, body: str, turns: int, end: str, *, wide: bool) -> int | None:
        """Start a counted loop; return the register of the turns left if a 64-bit count is kept by hand."""
        if not wide:
            self.code.place(body)
            return None
        left = self.code.move(U64, self.code.register(), turns)
        self.code.place(body)
        self.code.branch(end, self.code.predicate("eq", U64, left, self.code.constant(0, U64)))
        return left

    def turns(self, ty: Type, start: int, stop: int, step: int) -> int:
        """Return the register of how often a range counts: u32, or u64 for bounds of 64 bits."""
        code, unsigned = self.code, U64 if ty.bits == 64 else U32
        low, high = (start, stop) if step > 0 else (stop, start)
        known = (code.literal(low), code.literal(high))
        if known[0] is not None and known[1] is not None:
            return code.constant(len(range(int(known[0]), int(known[1]), abs(step))), unsigned)
        wide = [one if ty is unsigned else code.pure("cvt", (unsigned, ty), one) for one in (low, high)]
        distance = code.pure("sub", (unsigned,), wide[1], wide[0])
        zero = code.constant(0, unsigned)
        if abs(step) != 1:
            one, by = code.constant(1, unsigned), code.constant(abs(step), unsigned)
            distance = code.pure("sub", (unsigned,), distance, one)
            distance = code.pure("add", (unsigned,), code.pure("div", (unsigned,), distance, by), one)
        elif known[0] is not None and int(known[0]) == 0 and ty.kind is Kind.UNSIGNED:
            return distance
        return code.select(unsigned, code.predicate("lt", ty, low, high), distance, zero)

    def _do_break(self, node: Break) -> None:  # noqa: ARG002
        self.code.branch(self.loops[-1][1])

    def _do_continue(self, node: Continue) -> None:  # noqa: ARG002
        self.code.branch(self.loops[-1][0])

    def _do_return(self, node: Return) -> None:
        label, result = self.end
        if node.value is not None and result is not None:
            self.value(node.value, result)
        self.code.branch(label)

    def _do_evaluate(self, node: Evaluate) -> None:
        self.call(node.call)

    def call(self, node: Call) -> int | None:
        """Lower an atomic, what lanes do together, or an inline kernel, whose body comes in place of the call."""
        function = FUNCTIONS.get(node.function)
        if function is None:
            return self.inline(node, self.inlines[node.function])
        if function.shared:
            found = self.together(node)
            self.code.changed([("memory", one.handle) for one in self.arrays.values()])
            return found
        place, *rest = node.args
        assert isinstance(place, Index)
        values = [self.value(one) for one in rest]
        array = self.arrays[place.array]
        address, _ = self.address(place)
        self.read.add(array.handle)
        self.written.add(array.handle)
        target = self.code.register()
        operands: list[Operand | Type] = [array.ty, target, address, *values]
        self.code.emit(f"atom.{node.function.removeprefix('atomic_')}", *operands)
        self.code.changed([("memory", array.handle)])
        return target

    def inline(self, node: Call, callee: Kernel) -> int | None:
        """Put a kernel's body here, its parameters being the registers and memories of the arguments."""
        saved = (
            self.variables,
            self.arrays,
            self.loops,
            self.counting,
            self.mutable,
            self.end,
            self.kept,
            self.inlines,
        )
        changed = set(assigned(callee.body))
        variables, arrays = {}, {}
        for param, given in zip(callee.params, node.args, strict=True):
            if param.rank:
                assert isinstance(given, Var)
                arrays[param.name] = self.arrays[given.name]
            elif param.name in changed:
                variables[param.name] = self.code.register()
                self.value(given, variables[param.name])
            else:
                variables[param.name] = self.value(given)
        self.variables, self.arrays, self.loops, self.counting = variables, arrays, [], []
        self.inlines = {one.name: one for one in callee.inlines}
        result = self.body(callee)
        self.variables, self.arrays, self.loops, self.counting, self.mutable, self.end, self.kept, self.inlines = saved
        return result

    def body(self, kernel: Kernel) -> int | None:
        """Lower a function's body and return the register of its result, if it has one."""
        self.enter(kernel.body, {one.name for one in kernel.params if not one.rank})
        loops = {one.var for one in walk(*kernel.body) if isinstance(one, For)}
        others = {_target(one) for one in walk(*kernel.body) if not isinstance(one, For)}
        scalars = {one.name for one in kernel.params}
        self.kept = frozenset(name for name in loops if name in others or name in scalars)
        *first, last = kernel.body or (Return(),)
        if isinstance(last, Return) and last.value is not None and not _returns(tuple(first)):
            self.block(tuple(first))
            return self.value(last.value)
        result = self.code.register() if kernel.returns else None
        self.end = (self.code.label("end"), result)
        with self.code.scope():
            self.block(kernel.body)
        self.code.place(self.end[0])
        return result


def _returns(body: tuple[Stmt, ...]) -> bool:
    return any(isinstance(one, Return) for one in walk(*body))


def is_literal(node: Any) -> bool:
    """Tell whether a node is a literal."""
    return isinstance(node, Literal)
