"""What the interpreter reports of a planted bug."""

from __future__ import annotations

import prism.pallas
from prism.pallas import KernelError
from prism.pallas.params import Mode
from tests.planted.bug import Bug


def bug_report(bug: Bug, mode: Mode) -> KernelError | None:
    """Return what the interpreter reports of a planted bug."""
    try:
        prism.pallas.run(lambda: bug.program(False), mode=mode)()
    except KernelError as error:
        return error
    return None
