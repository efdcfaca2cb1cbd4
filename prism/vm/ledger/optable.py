"""Op lookup: the arity and commutativity of `prism.vm.term.ops` as arrays indexed by op code."""

from __future__ import annotations

from typing import Final

import numpy as np

from prism.vm.term.ops import BY_CODE

NO_OP: Final = 255
"""A code that no op has, and the arity of every such code."""

ARITY: Final = np.array([BY_CODE[code].arity if code in BY_CODE else NO_OP for code in range(256)], np.uint8)
COMMUTES: Final = np.array([code in BY_CODE and BY_CODE[code].commutes for code in range(256)])
ARITY.flags.writeable = COMMUTES.flags.writeable = False
