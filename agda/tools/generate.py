"""Write the generated modules from the Python tables, which are the one source of every constant."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from itertools import product

from click import echo

from agda.tools.files import AGDA_ROOT
from prism.files import write_text
from prism.kernels.circuit.gates import AXES, GATES, minimal_rules, shortest
from prism.ring.layout import ACTIVE, RUNNABLE, TERMINAL, TRANSITIONS, SlotStatus
from prism.status import Status
from prism.vm.ledger.key import LAYOUTS
from prism.vm.ledger.mixing import FIRST, FIRST_UNDONE, SECOND, SECOND_UNDONE, SHIFT
from prism.vm.rewrite.rules import RULES
from prism.vm.term.ops import OPS
from prism.vm.theory.rule import Pattern, Rule
from prism.vm.theory.signature import NULL, UNIT

TARGET = AGDA_ROOT / "Prism" / "Generated.agda"
GATES_TARGET = AGDA_ROOT / "Prism" / "Gates" / "Generated.agda"
RING_TARGET = AGDA_ROOT / "Prism" / "Ring" / "Generated.agda"

_HEADER = """\
{-# OPTIONS --safe --without-K #-}

-- Generated from the tables of prism/vm and prism/status.py by `python -m agda.tools.generate`; do not edit.

module Prism.Generated where

open import Prism.List.Base using (List; []; _∷_)
open import Prism.Logic.Base using (true; false)
open import Prism.Nat.Base using (Nat)
open import Prism.Signature.Base
"""


def generated() -> str:
    """Return the text of the generated module."""
    return "\n".join([_HEADER, _ops(), _layouts(), _mixing(), _statuses(), _join(), _rules()])


_GATES_HEADER = """\
{-# OPTIONS --safe --without-K #-}

-- Generated from the tables of prism/kernels/circuit/gates.py by `python -m agda.tools.generate`; do not edit.

module Prism.Gates.Generated where

open import Prism.List.Base using (List; []; _∷_)
open import Prism.Logic.Base
"""


def generated_gates() -> str:
    """Return the text of the generated module about gates."""
    letters = " ".join(gate.letter for gate in GATES)
    turns = "\n".join(
        f"turn {gate.letter} {axis} = {AXES[to]}" for gate in GATES for axis, to in zip(AXES, gate.turn, strict=True)
    )
    parts = [
        _GATES_HEADER,
        f"data Gate : Set where\n  {letters} : Gate\n\ngates : List Gate\ngates = {_word(letters.split())}\n",
        "-- The axes of the Bloch sphere, and where a gate takes each.",
        f"data Axis : Set where\n  {' '.join(AXES)} : Axis\n",
        f"axes : List Axis\naxes = {_word(AXES)}\n",
        f"turn : Gate → Axis → Axis\n{turns}\n",
        "-- The first word of each class of words.\nshortest : List (List Gate)\nshortest =",
        _list([f"({_word(word)})" for word in shortest().values()]),
        "gateRules : List (List Gate × List Gate)\ngateRules =",
        _list([f"({_word(rule.left)} , {_word(rule.right)})" for rule in minimal_rules()]),
    ]
    return "\n".join(parts).replace("=\n\n", "=\n")


_RING_HEADER = """\
{-# OPTIONS --safe --without-K #-}

-- Generated from the tables of prism/ring/layout.py by `python -m agda.tools.generate`; do not edit.

module Prism.Ring.Generated where

open import Prism.List.Base using (List; []; _∷_)
open import Prism.Logic.Base using (Bool; true; false)
"""


def generated_ring() -> str:
    """Return the text of the generated module about the ring."""
    names = [_status_name(status) for status in SlotStatus]
    after = "\n".join(
        f"successors {_status_name(status)} = {_word(_status_name(to) for to in sorted(TRANSITIONS[status]))}"
        for status in SlotStatus
    )
    sets = {
        "active": (ACTIVE, "Submitted, and not ended."),
        "terminal": (TERMINAL, "Ended."),
        "runnable": (RUNNABLE, "A worker may claim it."),
    }
    parts = [
        _RING_HEADER,
        f"data SlotStatus : Set where\n  {' '.join(names)} : SlotStatus\n",
        f"slotStatuses : List SlotStatus\nslotStatuses = {_word(names)}\n",
        f"-- The statuses that may follow.\nsuccessors : SlotStatus → List SlotStatus\n{after}\n",
    ]
    for name, (members, words) in sets.items():
        rows = "\n".join(f"{name} {_status_name(one)} = {str(one in members).lower()}" for one in SlotStatus)
        parts.append(f"-- {words}\n{name} : SlotStatus → Bool\n{rows}\n")
    return "\n".join(parts)


def _status_name(status: SlotStatus) -> str:
    return status.name.lower().replace("_", "-")


def _word(letters: Iterable[str]) -> str:
    return " ∷ ".join([*letters, "[]"])


def _list(items: list[str]) -> str:
    return "\n".join(f"  {item} ∷" for item in items) + "\n  []\n"


def _ops() -> str:
    table = _list([f"op {op.code} {op.arity} {str(op.commutes).lower()}" for op in OPS])
    reserved = [_constant(NULL.name, NULL.code), _constant("unit", UNIT)]
    codes = [_constant(op.name, op.code) for op in OPS if op.code > UNIT]
    constants = "\n".join(["-- The nodes of every ledger.", *reserved, "-- The built-in signature.", *codes])
    return f"{constants}\n-- Code, arity, whether the operands commute.\nops : Signature\nops =\n{table}"


def _constant(name: str, code: int) -> str:
    return f"{name}-code : Nat\n{name}-code = {code}\n"


def _layouts() -> str:
    named = "\n".join(
        f"{name} : Layout\n{name} = layout {layout.id_bits} {layout.max_id}\n" for name, layout in LAYOUTS.items()
    )
    return f"-- Bits of an id, largest id.\n{named}\nlayouts : List Layout\nlayouts =\n{_list(list(LAYOUTS))}"


def _mixing() -> str:
    numbers = {
        "shift": SHIFT,
        "first": FIRST,
        "second": SECOND,
        "first-undone": FIRST_UNDONE,
        "second-undone": SECOND_UNDONE,
    }
    names = " ".join(f"mix-{name}" for name in numbers)
    rows = "\n".join(f"mix-{name} = {number}" for name, number in numbers.items())
    return f"-- The numbers of the mixing of keys.\n{names} : Nat\n{rows}\n"


def _statuses() -> str:
    names = [status.name.lower() for status in Status]
    codes = "\n".join(f"statusCode {status.name.lower()} = {status.value}" for status in Status)
    return f"data Status : Set where\n  {' '.join(names)} : Status\n\nstatusCode : Status → Nat\n{codes}\n"


def _join() -> str:
    rows = [f"{x.name.lower()} ⊔ {y.name.lower()} = {max(x, y).name.lower()}" for x, y in product(Status, Status)]
    return "infixl 6 _⊔_\n\n-- The status of a union.\n_⊔_ : Status → Status → Status\n" + "\n".join(rows) + "\n"


def _rules() -> str:
    return "rules : List Rule\nrules =\n" + _list([_rule(rule) for rule in RULES])


def _rule(rule: Rule) -> str:
    names: dict[str, int] = {}
    return f"rule {_pattern(rule.lhs, names)} {_pattern(rule.rhs, names)}"


def _pattern(pattern: Pattern, names: dict[str, int]) -> str:
    """Return a pattern as an Agda term; variables are numbered in the order in which they occur."""
    if not isinstance(pattern, tuple):
        return f"(var {names.setdefault(pattern, len(names))})"
    name, *operands = pattern
    if not operands:
        return name
    return f"({name} {' '.join(_pattern(operand, names) for operand in operands)})"


def main(arguments: list[str]) -> int:
    """Write the modules; with `--check`, only report which are not current (exit 1 if any)."""
    texts = {TARGET: generated(), GATES_TARGET: generated_gates(), RING_TARGET: generated_ring()}
    if arguments != ["--check"]:
        for target, text in texts.items():
            write_text(target, text)
        return 0
    stale = [target for target, text in texts.items() if target.read_text(encoding="utf-8") != text]
    for target in stale:
        name = target.relative_to(AGDA_ROOT)
        echo(f"{name} is not what the Python tables give; run `python -m agda.tools.generate`", err=True)
    return int(bool(stale))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
