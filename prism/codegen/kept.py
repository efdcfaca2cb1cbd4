"""Numba's own cache, made harmless: what cannot be read is compiled again, what cannot be written is not kept."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from types import ModuleType
from typing import Any, Final

_CACHING: Final = "numba.core.caching"

_log = logging.getLogger("prism")


def guard_cache(compiling: Callable[[], None] = lambda: None) -> None:
    """Let a damaged, full or unwritable cache of Numba cost time, and one warning in a process, but no run.

    Numba itself lets whatever reading or writing its files raises reach the caller of a compiled function. Call it
    before Numba is imported, which it does not do; a second call, or one that comes too late, changes nothing.
    compiling: called once, before the first function is compiled that the cache lacks.
    """
    if _CACHING not in sys.modules and not any(isinstance(finder, _Finder) for finder in sys.meta_path):
        sys.meta_path.insert(0, _Finder(compiling))


class _Finder(MetaPathFinder):
    """Finds the one module, once, and hands it to `_guarded` when it is loaded."""

    def __init__(self, compiling: Callable[[], None]) -> None:
        self._compiling = compiling

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if fullname != _CACHING:
            return None
        sys.meta_path.remove(self)
        spec = PathFinder.find_spec(fullname, path, target)
        if spec is not None and spec.loader is not None:
            spec.loader = _GuardedLoader(spec.loader, self._compiling)
        return spec


class _GuardedLoader(Loader):
    def __init__(self, loader: Loader, compiling: Callable[[], None]) -> None:
        self._loader, self._compiling = loader, compiling

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        return self._loader.create_module(spec)

    def exec_module(self, module: ModuleType) -> None:
        self._loader.exec_module(module)
        _guarded(module, self._compiling)


def _guarded(caching: Any, compiling: Callable[[], None]) -> None:
    """Replace the reading, the writing and the making of a cache by ones that never raise."""
    load, save, place = caching.IndexDataCacheFile.load, caching.IndexDataCacheFile.save, caching.FunctionCache
    warned: list[str] = []
    awaited = [compiling]

    def warn(error: Exception) -> None:
        if not warned:
            warned.append(" ".join(str(error).split()) or type(error).__name__)
            _log.warning("Numba must keep compiled code in its cache, but: %s; what is not there is compiled", *warned)

    def load_or_compile(self: Any, key: object) -> Any:
        found = None
        try:
            found = load(self, key)
        except Exception as error:  # whatever unpickling a damaged file may raise
            warn(error)
            with suppress(OSError):
                self.flush()  # an index that names nothing: the next save writes the entry anew
        if found is None and awaited:
            awaited.pop()()
        return found

    def save_if_possible(self: Any, key: object, data: object) -> None:
        try:
            save(self, key, data)
        except Exception as error:  # as above: it reads the index first
            warn(error)

    def place_or_none(function: Any) -> Any:
        try:
            return place(function)
        except (OSError, RuntimeError) as error:  # RuntimeError: Numba found no place for its files
            warn(error)
            return caching.NullCache()

    caching.IndexDataCacheFile.load, caching.IndexDataCacheFile.save = load_or_compile, save_if_possible
    caching.FunctionCache = place_or_none
