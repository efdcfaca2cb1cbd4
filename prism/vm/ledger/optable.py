"""Op lookup: arity and commutativity of the ops of a signature as arrays indexed by op code."""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from prism.vm.theory.library import load
from prism.vm.theory.signature import Signature

NO_OP: Final = 255
"""A code that no op has, and the arity of every such code."""


class OpTable(NamedTuple):
    """arity: uint8[256], the operands of a node of each code, NO_OP where no op has it. commutes: bool[256]."""

    arity: NDArray[np.uint8]
    commutes: NDArray[np.bool_]


def last_code(ops: OpTable) -> int:
    """Return the largest code of an op."""
    return int(np.flatnonzero(ops.arity != NO_OP)[-1])


def op_table(signature: Signature) -> OpTable:
    """Return the lookup of a signature, read only."""
    arity = np.array([signature.arities.get(code, NO_OP) for code in range(256)], np.uint8)
    commutes = np.array([code in signature.commuting for code in range(256)])
    arity.flags.writeable = commutes.flags.writeable = False
    return OpTable(arity, commutes)


BUILT_IN: Final = op_table(load("peano").signature)
"""The ops of the built-in theory."""
ARITY, COMMUTES = BUILT_IN
