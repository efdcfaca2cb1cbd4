"""Numba modules by their source: compiled once, their machine code kept on disk from process to process."""

from __future__ import annotations

import hashlib
import importlib.util
import logging
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any, Final

import numpy as np

from prism.files import write_text

_CACHED: Final = "cache=True"
"""How a source asks Numba to keep its machine code; without it, the same source is compiled for this process alone."""

_log = logging.getLogger("prism")
_loaded: dict[tuple[Path, str], Callable[..., Any]] = {}


def load(directory: Path, source: str) -> Callable[..., Any]:
    """Return the function `kernel` of a module source; Numba finds its machine code next to it in `directory`.

    Where files there cannot be written or read, or are damaged, one warning is logged and the source is compiled for
    this process. Identity is the whole text: a file of another source under its name is written again.
    """
    key = (directory, source)
    if key not in _loaded:
        try:
            module = _imported(_stored(directory, source))
        except (OSError, RuntimeError) as error:  # RuntimeError: Numba found no place for its files
            _loaded[key] = _uncached(directory, source, error)
        else:
            _loaded[key] = _Kernel(directory, source, module.kernel)
    return _loaded[key]


def is_stored(directory: Path, source: str) -> bool:
    """Whether some process has compiled this source before."""
    path = path_of(directory, source)
    return path.exists() and any(_machine_code(path))


def path_of(directory: Path, source: str) -> Path:
    """Return the file under which a source is looked for."""
    return directory / f"k{hashlib.sha256(source.encode()).hexdigest()[:24]}.py"


def load_ufunc(directory: Path, source: str, arity: int) -> np.ufunc:
    """Return the ufunc of a module whose `kernel` is one for Numba, compiled for the types that it lists."""
    kernel: Any = load(directory, source)
    kernel(*[np.empty(0, np.float32)] * arity)
    compiled: Any = kernel.function if isinstance(kernel, _Kernel) else kernel
    return compiled.ufunc


class _Kernel:
    """A compiled function whose first call may find files that are damaged."""

    __slots__ = ("_directory", "_proven", "_source", "function")

    def __init__(self, directory: Path, source: str, function: Callable[..., Any]) -> None:
        self._directory, self._source, self.function = directory, source, function
        self._proven = False

    def __call__(self, *args: Any) -> Any:
        """Call the function. Numba reads its files before it runs: what fails at first has changed no argument."""
        if self._proven:
            return self.function(*args)
        try:
            answer = self.function(*args)
        except Exception as error:  # whatever unpickling a damaged file may raise
            again = _uncached(self._directory, self._source, error)
            answer = again(*args)
            for path in _machine_code(path_of(self._directory, self._source)):
                path.unlink(missing_ok=True)
            self.function = again
        self._proven = True
        return answer


def _machine_code(path: Path) -> list[Path]:
    """Return Numba's files of a module."""
    return list((path.parent / "__pycache__").glob(f"{path.stem}.kernel-*.nb*"))


def _uncached(directory: Path, source: str, error: Exception) -> Callable[..., Any]:
    """Return `kernel` compiled for this process alone, and say why."""
    why = " ".join(str(error).split()) or type(error).__name__
    _log.warning("compiled code is kept in %s, but not now: %s; it is compiled for this process alone", directory, why)
    scope: dict[str, Any] = {"__name__": f"prism_{path_of(directory, source).stem}_alone"}
    exec(compile(source.replace(_CACHED, "cache=False"), scope["__name__"], "exec"), scope)
    return scope["kernel"]


def _imported(path: Path) -> ModuleType:
    name = f"prism_{path.stem}"
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


def _stored(directory: Path, source: str) -> Path:
    """Return the file that holds the source, written atomically where it does not yet."""
    path = path_of(directory, source)
    try:
        if path.read_text(encoding="utf-8") == source:
            return path
    except (FileNotFoundError, UnicodeDecodeError):
        pass
    write_text(path, source)
    return path
