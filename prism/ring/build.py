"""Build programs: start from one of three, refine by combinators, and share what is equal [RING-14].

shared(once(interpreted(handler, order=Order.PRIORITY)))
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from prism.ring.cache import Cache
from prism.ring.program import Handler, Order, Program, Report, Workspace

TEMPLATES: Final = 64
"""Programs that `shared` keeps."""


def interpreted(*handlers: Handler, order: Order = Order.DIRECT) -> Program:
    """Return a persistent program that looks each opcode up: the builtin ones and those of `handlers`."""
    return Program(order=order, handlers=handlers)


def fused(payload: Handler, *, order: Order = Order.DIRECT) -> Program:
    """Return a persistent program with one payload for every opcode but SHUTDOWN, BATCH_FENCE and PACKED_SLOT.

    The payload's own opcode names it and nothing else.
    """
    return Program(order=order, payload=payload)


def prioritised(program: Program, *, bands: bool = False) -> Program:
    """Return the program with levels: by the priority word, or by the bands of the ring."""
    return replace(program, order=Order.BANDS if bands else Order.PRIORITY)


def once(program: Program) -> Program:
    """Return the program finite: a launch takes each slot at most once and ends."""
    return replace(program, once=True)


def reporting_control(program: Program) -> Program:
    """Return the program with the least to copy back: the control buffer, which says how many slots ended."""
    return replace(program, report=Report.CONTROL)


def self_loading(program: Program, *, patience: int | None = None) -> Program:
    """Return the program with LOAD_MISS, which asks for a read and waits at most `patience` steps."""
    return replace(program, self_loading=True, io_patience=program.io_patience if patience is None else patience)


def polling_io(program: Program) -> Program:
    """Return the program that wakes the slots whose reads ended, and recycles their io slots."""
    return replace(program, io_polling=True)


def with_workspace(program: Program, workspace: Workspace) -> Program:
    """Return the program with memory that its handlers share, prepared before each slot."""
    return replace(program, workspace=workspace)


_templates: Final[Cache[Program]] = Cache(TEMPLATES, TEMPLATES)


def shared(program: Program) -> Program:
    """Return the one program that is equal to this: what was compiled for it serves every equal one.

    Equal means equal in every field, handlers as the same functions. The TEMPLATES last used are kept.
    """
    found = _templates.get(program)
    if found is None:
        _templates.put(program, program, 1)
    return found or program
