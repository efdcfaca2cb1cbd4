"""What a worker knows: its handlers, its order of slots, and what it does beside running them [RING-14]."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, Final

from prism.ring import layout as at
from prism.ring.errors import LaunchError
from prism.ring.opcodes import is_system


class Order(Enum):
    """Which runnable slot a worker takes next; the value is the word that reports print."""

    DIRECT = "direct"
    """By index, from where it took the last; no levels, and no fairness counters."""
    PRIORITY = "priority"
    """By the level in the slot's priority word."""
    BANDS = "bands"
    """By the level of the band of the ring in which the slot lies, as `PRIORITY_OFFSETS` says."""


class Memory(Enum):
    """What a span is a part of."""

    CONTROL = "control"
    """The tenant's window of the control buffer."""
    WORKSPACE = "workspace"
    """The words that handlers share."""
    ARGS = "args"
    """The slot's own arguments: what a handler writes there it finds when the slot is claimed again."""


class Report(Enum):
    """What a launch gives back to the host."""

    ALL = "all"
    CONTROL = "control"
    """The control buffer alone: enough to see how many slots ended, and the least to copy."""


@dataclass(frozen=True, slots=True)
class Arg:
    """The argument word `index` of the slot."""

    index: int


@dataclass(frozen=True, slots=True)
class Span:
    """Words that a handler reads or writes.

    start: an `Arg` holds an absolute word; an int counts from the begin of the tenant's window, the workspace or the
    arguments. words: a fixed number, or an `Arg` that holds it, which only a handler on the host may declare.
    """

    start: int | Arg
    words: int | Arg
    memory: Memory = Memory.CONTROL


@dataclass(frozen=True, slots=True)
class Handler:
    """What answers for an opcode, and all that it may touch.

    apply: `apply(args, *blocks) -> blocks`: the 12 arguments and one block for each span of `reads`, to one block for
    each span of `writes`; all uint32, and a pure function of arrays, so that NumPy and JAX both run it. Where
    `answers_status`, the first thing it returns is the status in which it leaves the slot: DONE, YIELD, REQUEUE or
    FAULT. on_host: it is not traceable, and runs where NumPy does. native: the same function compiled for an executor
    that compiles, `native(args, control, start, words) -> Reason`, on the window alone. twin: makes such a function
    that only this process can call, of the locks of windows (`cpu_isa`), for workers compiled for the processor.
    """

    opcode: int
    name: str
    apply: Callable[..., Any]
    reads: tuple[Span, ...] = ()
    writes: tuple[Span, ...] = ()
    answers_status: bool = False
    on_host: bool = False
    native: Callable[..., int] | None = None
    twin: Callable[[Any], Callable[..., int]] | None = None

    @property
    def traceable(self) -> bool:
        """Whether JAX can trace it: not bound to the host, and every span of fixed length."""
        return not self.on_host and all(isinstance(span.words, int) for span in (*self.reads, *self.writes))


@dataclass(frozen=True, slots=True)
class Workspace:
    """Memory that handlers share, and what a worker does to it before each slot.

    before: `before(workspace) -> workspace`, uint32 of that many words each, a pure function of arrays; None does
    nothing.
    """

    name: str
    words: int
    before: Callable[[Any], Any] | None = None


IO_PATIENCE: Final = 1 << 20
"""Steps that a slot waits for a read before it is a FAULT, where a program does not say."""


@dataclass(frozen=True, slots=True)
class Program:
    """A worker's program: build one by the functions of `prism.ring.build`; raises LaunchError.

    handlers: by opcode, ascending. payload: the one handler of a fused program, for every opcode but SHUTDOWN,
    BATCH_FENCE and PACKED_SLOT. once: a launch takes each slot at most once and ends; otherwise it runs until SHUTDOWN.
    self_loading: LOAD_MISS asks for a read and waits. io_polling: the worker wakes and recycles what reads ended.
    """

    order: Order = Order.DIRECT
    handlers: tuple[Handler, ...] = ()
    payload: Handler | None = None
    once: bool = False
    self_loading: bool = False
    io_polling: bool = False
    io_patience: int = IO_PATIENCE
    report: Report = Report.ALL
    workspace: Workspace | None = None
    _table: dict[int, Handler] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if self.payload and self.handlers:
            raise LaunchError(
                f"a fused program has one payload and no handlers, got {len(self.handlers)} beside it; "
                "drop one or the other"
            )
        table = {handler.opcode: handler for handler in self.handlers}
        if len(table) != len(self.handlers):
            repeated = [handler.opcode for handler in self.handlers]
            twice = next(opcode for opcode in repeated if repeated.count(opcode) > 1)
            raise LaunchError(f"one handler answers for an opcode, got two for {twice:#x}; remove or renumber one")
        for handler in self.handlers:
            if is_system(handler.opcode):
                raise LaunchError(
                    f"handler {handler.name!r} must take an opcode from 8 on, below 0x80000000 and outside 0xfff0 to "
                    f"0xffff, got {handler.opcode:#x}; renumber it"
                )
        for handler in (*self.handlers, *((self.payload,) if self.payload else ())):
            self._check_spans(handler)
        object.__setattr__(self, "handlers", tuple(sorted(self.handlers, key=lambda handler: handler.opcode)))
        object.__setattr__(self, "_table", table)

    def _check_spans(self, handler: Handler) -> None:
        limits = {Memory.ARGS: at.ARGS_PER_SLOT, Memory.WORKSPACE: self.workspace.words if self.workspace else 0}
        for span in (*handler.reads, *handler.writes):
            named = [part.index for part in (span.start, span.words) if isinstance(part, Arg)]
            if any(not 0 <= index < at.ARGS_PER_SLOT for index in named):
                raise LaunchError(f"handler {handler.name!r} names an argument outside 0 to 11 in {span}; correct it")
            fixed = isinstance(span.start, int) and isinstance(span.words, int)
            if fixed and span.memory in limits and span.start + span.words > limits[span.memory]:  # pyright: ignore
                raise LaunchError(
                    f"handler {handler.name!r} declares {span}, beyond the {limits[span.memory]} words of "
                    f"{span.memory.value}; shorten it or give the program a larger workspace"
                )

    def handler(self, opcode: int) -> Handler | None:
        """Return what answers for an opcode of a handler; None where nothing does."""
        return self.payload or self._table.get(opcode)
