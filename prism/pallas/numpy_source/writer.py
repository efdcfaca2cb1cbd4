"""Python source under construction: lines, indentation, names, and the objects that the source refers to."""

from __future__ import annotations

import builtins
import itertools
import keyword
import linecache
import string
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import CodeType

import numpy as np

from prism.pallas.dtypes import DType, Numeric
from prism.pallas.errors import KernelSite

_PLAIN = (np.float32, np.float64, np.int32, np.int64, np.bool_)


@dataclass(slots=True)
class Writer:
    """Collects a function's lines; `scope` maps names to the objects that the source refers to."""

    lines: list[str] = field(default_factory=list)
    scope: dict[str, Numeric] = field(default_factory=lambda: {"np": np})
    depth: int = 1
    site: KernelSite | None = None
    _names: Iterator[str] = field(default_factory=lambda: _fresh_names())
    _bound: dict[int, str] = field(default_factory=dict)
    _marked: tuple[str, int] | None = None

    def line(self, text: str) -> None:
        """Add a line; the first line of each source line of the kernel says which."""
        site = self.site
        if site is not None and site.line and self._marked != (site.file, site.line):
            self._marked = (site.file, site.line)
            text = f"{text}  # {Path(site.file).name}:{site.line}"
        self.lines.append("    " * self.depth + text)

    def name(self) -> str:
        """Return a name not used before."""
        name = next(self._names)
        while name in self.scope:
            name = next(self._names)
        return name

    def bind(self, value: object, hint: str) -> str:
        """Return a name for an object; equal objects of the same identity share it."""
        known = self._bound.get(id(value))
        if known is not None:
            return known
        if isinstance(value, np.dtype):
            # Element types are compared by value: they are not always the same object.
            for name, other in self.scope.items():
                if isinstance(other, np.dtype) and other == value:
                    return name
        name = hint if hint.isidentifier() and not keyword.iskeyword(hint) else "k"
        if name in self.scope:
            name = next(f"{name}_{k}" for k in itertools.count(2) if f"{name}_{k}" not in self.scope)
        self.scope[name] = value
        self._bound[id(value)] = name
        return name

    def text(self, header: str) -> str:
        """Return the function's source."""
        return "\n".join([header, *(self.lines or ["    pass"]), ""])


def _fresh_names() -> Iterator[str]:
    for length in itertools.count(1):
        for letters in itertools.product(string.ascii_lowercase, repeat=length):
            name = "".join(letters)
            if not keyword.iskeyword(name) and name not in vars(builtins):
                yield name


def literal(value: Numeric, dtype: DType) -> str | None:
    """Return a Python literal that acts as an element of `dtype` next to arrays of that type, or None."""
    if dtype.type not in _PLAIN or np.ndim(value):
        return None
    item = np.asarray(value).astype(dtype).item()
    if isinstance(item, float) and not np.isfinite(item):
        return None
    return f"({item!r})" if isinstance(item, int | float) and not isinstance(item, bool) and item < 0 else repr(item)


def load_function(source: str, scope: dict[str, Numeric], name: str, code: Callable[[str, str], CodeType]) -> Numeric:
    """Return the function `name` that `source` defines; tracebacks and debuggers show its lines."""
    filename = f"<prism.pallas {name} {abs(hash(source)):x}>"
    linecache.cache[filename] = (len(source), None, source.splitlines(keepends=True), filename)
    exec(code(source, filename), scope)
    return scope[name]
