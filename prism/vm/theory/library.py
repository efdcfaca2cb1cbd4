"""The library: theories by name or path, those that ship with Prism among them."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Final

from prism.errors import UsageError
from prism.vm.theory.model import Theory
from prism.vm.theory.read import read_file

_SHIPPED: Final = Path(__file__).parent / "shipped"
_SUFFIX: Final = ".theory"
_MOST_BASES: Final = 16


def shipped() -> list[str]:
    """Return the names of the theories that ship with Prism."""
    return sorted(path.stem for path in _SHIPPED.glob(f"*{_SUFFIX}"))


def load(source: str | Path) -> Theory:
    """Return the theory called `source`, or the one in the file of that path.

    A word without `/` and `.theory` is the name of one that ships with Prism. A theory may extend another by its name,
    or by a path from its own folder. ParseError at the first fault of a file; UsageError when there is none, or when
    theories extend one another in a circle.
    """
    return _load(str(source), Path(), ())


def _load(source: str, folder: Path, above: tuple[Path, ...]) -> Theory:
    if "/" not in source and not source.endswith(_SUFFIX):
        if source not in shipped():
            raise UsageError(
                f"a theory must be a file or one of {', '.join(shipped())}, got {source!r}; write ./{source} for a file"
            )
        return _named(source)
    return _from_file(folder / source, above)


def _from_file(path: Path, above: tuple[Path, ...] = ()) -> Theory:
    path = path.expanduser()
    place = path.resolve()
    if place in above or len(above) > _MOST_BASES:
        raise UsageError(f"a theory must not extend itself, nor through {_MOST_BASES} others, got {str(path)!r}")
    return read_file(path, lambda name: _load(name, path.parent, (*above, place)))


@cache
def _named(name: str) -> Theory:
    return _from_file(_SHIPPED / f"{name}{_SUFFIX}")
