"""Unmodified Pallas kernels on NumPy: fast, and with errors at the kernel's source line.

    with prism.pallas.interpret():
        y = kernel(x)

Importing this package installs the rerouting, so that `interpret=prism.pallas.InterpretParams()` works on one call.
"""

from __future__ import annotations

from prism.pallas import hooks
from prism.pallas.api import clear_caches as clear_caches
from prism.pallas.api import explain as explain
from prism.pallas.api import interpret as interpret
from prism.pallas.api import profile as profile
from prism.pallas.api import run as run
from prism.pallas.api import source as source
from prism.pallas.breakpoints import breakpoint_at as breakpoint_at
from prism.pallas.breakpoints import print_line as print_line
from prism.pallas.breakpoints import single_step as single_step
from prism.pallas.errors import CheckError as CheckError
from prism.pallas.errors import DeadlockError as DeadlockError
from prism.pallas.errors import KernelError as KernelError
from prism.pallas.errors import KernelSite as KernelSite
from prism.pallas.errors import LegalityError as LegalityError
from prism.pallas.errors import LegalityWarning as LegalityWarning
from prism.pallas.errors import OutOfBoundsError as OutOfBoundsError
from prism.pallas.errors import RaceError as RaceError
from prism.pallas.errors import RaceWarning as RaceWarning
from prism.pallas.errors import SemaphoreError as SemaphoreError
from prism.pallas.errors import UninitializedReadError as UninitializedReadError
from prism.pallas.errors import UninitializedWarning as UninitializedWarning
from prism.pallas.errors import UnsupportedError as UnsupportedError
from prism.pallas.execute import kernels_run as kernels_run
from prism.pallas.params import InterpretParams as InterpretParams
from prism.pallas.params import TraceEvent as TraceEvent

hooks.install()
