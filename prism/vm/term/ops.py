"""The ops of the built-in theory, by name and code. Parser, printer, ledger, rules and Agda derive from them."""

from __future__ import annotations

from typing import Final

from prism.vm.theory.library import load
from prism.vm.theory.signature import NULL as _NULL
from prism.vm.theory.signature import Op

_SIGNATURE: Final = load("peano").signature

NULL: Final = _NULL
ZERO: Final = _SIGNATURE.by_name["zero"]
SUC: Final = _SIGNATURE.by_name["suc"]
ADD: Final = _SIGNATURE.by_name["add"]
MUL: Final = _SIGNATURE.by_name["mul"]

OPS: Final[tuple[Op, ...]] = (NULL, *_SIGNATURE.ops)
BY_CODE: Final = {op.code: op for op in OPS}
BY_NAME: Final = _SIGNATURE.by_name
"""The ops a program may name."""
