"""Standard handlers: an ISA program in a window, and terms brought to normal form [RING-14]."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, Final

import numpy as np

from prism.kernels.exec.launch import FUEL, Launch, Shape
from prism.kernels.exec.table import Executor
from prism.kernels.isa.program import Access
from prism.kernels.isa.verify import Verified
from prism.ring.errors import LaunchError
from prism.ring.layout import WORD, Words
from prism.ring.program import Arg, Handler, Span
from prism.vm.engines.api import Limits
from prism.vm.engines.table import open_engine
from prism.vm.term.graph import TermGraph
from prism.vm.term.ops import BY_CODE, NULL

NODE_WORDS: Final = 3
"""A node in a window: its op, and its operands as rows; rows 0 and 1 are NULL and ZERO and are not written."""
_GIVEN_ROWS: Final = 2


def isa_handler(
    opcode: int,
    verified: Verified,
    spans: Mapping[str, Span],
    executor: Executor,
    *,
    scalars: Mapping[str, Arg] | None = None,
    shape: Shape | None = None,
) -> Handler:
    """Return a handler that runs a verified ISA program on words of the tenant's window.

    spans: for each buffer of the program where it lies; what the program reads of it is copied in, what it writes is
    copied back, so its access is what the handler declares. scalars: the argument that holds each. shape: one lane
    unless given. A fault of the program is a FAULT of the slot. On the kernels' executor `cpu` its machine code is what
    the ring's compiled workers call, tenants side by side. Raises LaunchError where names do not agree.
    """
    named, program = dict(scalars or {}), verified.program
    for what, wanted, given in (
        ("buffer", {one.name for one in program.buffers}, set(spans)),
        ("scalar", {one.name for one in program.scalars}, set(named)),
    ):
        if wanted != given:
            raise LaunchError(
                f"each {what} of program {program.name!r} must be given its place, got {sorted(given)} for "
                f"{sorted(wanted)}; name exactly those"
            )
    read = [one for one in program.buffers if one.access is not Access.WRITE]
    written = [one for one in program.buffers if one.access is not Access.READ]

    def apply(args: Words, *blocks: Words) -> tuple[Words, ...]:
        held = {one.name: block.copy() for one, block in zip(read, blocks, strict=True)}
        for one in written:
            words = spans[one.name].words
            size = int(args[words.index]) if isinstance(words, Arg) else words
            held.setdefault(one.name, np.zeros(size, WORD))
        buffers = {one.name: held[one.name].view(one.type.dtype) for one in program.buffers}
        values = {name: int(args[arg.index]) for name, arg in named.items()}
        executor.bind(Launch(verified, shape or Shape(), buffers, values, FUEL))()
        return tuple(held[one.name] for one in written)

    reads, writes = (tuple(spans[one.name] for one in listed) for listed in (read, written))
    twin = _twin(verified, spans, named, executor, shape or Shape())
    return Handler(opcode, program.name, apply, reads, writes, on_host=True, twin=twin)


def _twin(
    verified: Verified, spans: Mapping[str, Span], scalars: Mapping[str, Arg], executor: Executor, shape: Shape
) -> Callable[[Any], Callable[..., int]] | None:
    """Return what makes a program's twin; None for a program that has none, or that another executor shall run."""
    if executor.name != "cpu":
        return None
    # Only who asks for machine code pays for importing a compiler.
    from prism.kernels.exec.cpu import CpuExecutor
    from prism.ring.exec.cpu_isa import has_twin, isa_twin

    if not isinstance(executor, CpuExecutor) or not has_twin(verified, spans):
        return None
    return partial(isa_twin, executor, verified, dict(spans), scalars, shape)


def normalise_handler(opcode: int, engine: str = "ledger", limits: Limits | None = None) -> Handler:
    """Return a handler that brings terms of the tenant's window to normal form.

    Arguments: 0, 1 first word and number of words of the nodes; 2, 3 of the roots, which are rows; 4, 5 of the room for
    the answer. The answer begins with the stop code of each root (an index into `STOPS`), its row, and the number of
    rows, 0 and 1 included; then the nodes. What does not fit, or is no graph of terms, is a FAULT.
    """
    bounds = limits or Limits(capacity=1 << 16)

    def apply(_args: Words, nodes: Words, roots: Words, room: Words) -> Words:
        outcome = open_engine(engine, bounds).normalise(_graph(nodes, roots))
        result = outcome.result
        rows = np.stack([result.op, result.a, result.b], axis=1).astype(WORD)[_GIVEN_ROWS:]
        answer = np.concatenate([outcome.stop, result.roots, [len(result)], rows.reshape(-1)]).astype(WORD)
        after = room.copy()
        after[: len(answer)] = answer  # Too little room does not broadcast: the slot is a FAULT.
        return after

    spans = tuple(Span(Arg(start), Arg(start + 1)) for start in (0, 2, 4))
    return Handler(opcode, "normalise", apply, spans, spans[2:], on_host=True)


def _graph(nodes: Words, roots: Words) -> TermGraph:
    """Return the terms that a window holds; raises ValueError where it holds none."""
    rows = nodes.reshape(-1, NODE_WORDS).tolist()
    for row, (op, *operands) in enumerate(rows, start=_GIVEN_ROWS):
        arity = BY_CODE[op].arity
        if op == NULL.code or any(not 0 < operand < row for operand in operands[:arity]) or any(operands[arity:]):
            raise ValueError
    if roots.size and int(roots.max()) >= len(rows) + _GIVEN_ROWS:
        raise ValueError
    columns = np.array([[0, 0, 0], [1, 0, 0], *rows])
    op, a, b = columns.T
    return TermGraph(op.astype(np.uint8), a.astype(np.int32), b.astype(np.int32), roots.astype(np.int32))
