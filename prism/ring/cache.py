"""A small cache of built things: least recently used out first, bounded in entries and bytes, counted [RING-14]."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from threading import Lock
from typing import Final, Generic, TypeVar

_Value = TypeVar("_Value")
PPM: Final = 1_000_000


@dataclass(slots=True)
class CacheMetrics:
    """What a cache did."""

    lookups: int = 0
    hits: int = 0
    puts: int = 0
    rejected_puts: int = 0
    evictions: int = 0
    evicted_bytes: int = 0

    @property
    def misses(self) -> int:
        """Lookups that found nothing."""
        return self.lookups - self.hits

    @property
    def hit_rate_ppm(self) -> int:
        """Hits in a million lookups, floor; 0 without lookups."""
        return self.hits * PPM // self.lookups if self.lookups else 0


class Cache(Generic[_Value]):
    """At most `entries` values of together at most `size` bytes; a limit of 0 keeps nothing. Safe among threads.

    Keys are compared whole. A value larger than the cache is not kept, and an older one under its key goes.
    """

    def __init__(self, entries: int, size: int) -> None:
        self._limit, self._size = entries, size
        self._held: OrderedDict[Hashable, tuple[_Value, int]] = OrderedDict()
        self._lock = Lock()
        self.metrics = CacheMetrics()
        self.cached_bytes = 0

    def __len__(self) -> int:
        return len(self._held)

    def __contains__(self, key: Hashable) -> bool:
        return key in self._held

    def get(self, key: Hashable) -> _Value | None:
        """Return the value of a key and make it the most recent; None where there is none."""
        with self._lock:
            self.metrics.lookups += 1
            if key not in self._held:
                return None
            self.metrics.hits += 1
            self._held.move_to_end(key)
            return self._held[key][0]

    def put(self, key: Hashable, value: _Value, size: int) -> bool:
        """Keep a value of `size` bytes, evicting the least recent; return whether it was kept."""
        with self._lock:
            if size > self._size or not self._limit:
                self.metrics.rejected_puts += 1
                self._evict(key)
                return False
            self.metrics.puts += 1
            if key in self._held:
                self.cached_bytes -= self._held.pop(key)[1]
            self._held[key] = value, size
            self.cached_bytes += size
            while len(self._held) > self._limit or self.cached_bytes > self._size:
                self._evict(next(iter(self._held)))
            return True

    def _evict(self, key: Hashable) -> None:
        if key in self._held:
            size = self._held.pop(key)[1]
            self.cached_bytes -= size
            self.metrics.evictions += 1
            self.metrics.evicted_bytes += size


def get_layered(layers: Sequence[Cache[_Value]], key: Hashable, size: int) -> _Value | None:
    """Return the value of a key from the first layer that has it, and keep it in the layers before [RING-16]."""
    for depth, layer in enumerate(layers):
        value = layer.get(key)
        if value is not None:
            for nearer in layers[:depth]:
                nearer.put(key, value, size)
            return value
    return None
