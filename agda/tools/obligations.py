"""Turn what Python did into equations that Agda must accept by computation alone."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from agda.tools.model import BUILT_IN_ROWS, Program, Trace

_HEADER = """\
{-# OPTIONS --safe --without-K #-}

module Obligations where

open import Prism.List.Base
open import Prism.Logic.Base
open import Prism.Model.Base
"""


def obligations(traces: Iterable[tuple[Program, Trace]]) -> str:
    """Return the module `Obligations`: for every program the model gives the rows and keys of Python.

    For one of the built-in theory the values too.
    """
    return "\n".join([_HEADER, *(_equations(program, trace) for program, trace in traces)])


def _equations(program: Program, trace: Trace) -> str:
    batches = _list([_list([_numbers(node) for node in batch]) for batch in program.batches])
    rows = _list([_numbers(row) for row in (*trace.rows, trace.keys)])
    keys, values = _numbers(trace.keys), _numbers(trace.values)
    is_built_in = program.ops == BUILT_IN_ROWS
    ops = "built-in" if is_built_in else _list([_numbers(list(map(int, row))) for row in program.ops])
    interned = f"_ : interns {ops} {program.bits} {program.capacity} {batches} ≡ {rows}\n_ = refl\n"
    return interned + (f"\n_ : values {program.bits} {keys} ≡ {values}\n_ = refl\n" if is_built_in else "")


def _numbers(numbers: Sequence[int]) -> str:
    return _list([str(number) for number in numbers])


def _list(items: Sequence[str]) -> str:
    return f"({' ∷ '.join([*items, '[]'])})"
