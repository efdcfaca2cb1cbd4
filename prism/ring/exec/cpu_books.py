"""What compiled loops enter into the books: whose a slot is, what is at fault, counts of a tenant."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

from prism.ring.exec import cpu_atomics as atomics
from prism.ring.exec.cpu_words import BOOKS_SLOT_WORDS, BOOKS_TENANT_WORDS, DETAIL
from prism.ring.layout import BOOKS_SLOTS_START, BOOKS_TENANTS_START
from prism.ring.memory import AT_BOOKS, AT_SHARE, AT_TENANTS


@njit(nogil=True, cache=True)
def tenant_of(words: Any, slot: Any) -> Any:
    """Return whose a slot is."""
    return min(np.int64(slot) // np.int64(words[AT_SHARE]), np.int64(words[AT_TENANTS]) - 1)


@njit(nogil=True, cache=True)
def refuse(words: Any, slot: Any, reason: Any, detail: Any) -> Any:
    """Note what is at fault, and return the reason."""
    at = np.int64(words[AT_BOOKS]) + BOOKS_SLOTS_START + BOOKS_SLOT_WORDS * slot + DETAIL
    words[at] = np.uint32(detail & 0xFFFF_FFFF)
    return reason


@njit(nogil=True, cache=True)
def count_tenant(words: Any, tenant: Any, counter: Any, count: Any) -> None:
    """Add to a counter of a tenant's books."""
    at = np.int64(words[AT_BOOKS]) + BOOKS_TENANTS_START + BOOKS_TENANT_WORDS * tenant + counter
    atomics.add(words, at, np.uint32(count))
