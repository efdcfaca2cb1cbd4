"""docflow: normative documents as a checked dependency graph, with reviews that go stale."""

from __future__ import annotations

from typing import Final

__version__: Final = "0.2.0"
