"""The decorator `prism.kernel` and what a decorated function can do: compile, run a lane, launch."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass
from types import FunctionType
from typing import TYPE_CHECKING, Any, overload

from prism.errors import UsageError
from prism.kernels.schema.language import LANE
from prism.kernels.schema.source import Definition, definition_of

if TYPE_CHECKING:
    from prism.kernels.calls import Plan
    from prism.kernels.exec.call import Calls
    from prism.kernels.interchange import Placed
    from prism.kernels.isa.program import Program
    from prism.kernels.schema.records import Kernel as Records

Size = int | tuple[int, ...]
"""A grid or a block: one to three sizes."""


@overload
def kernel(function: Callable[..., Any], /) -> Kernel: ...
@overload
def kernel(*, inline: bool = False) -> Callable[[Callable[..., Any]], Kernel]: ...
def kernel(function: Any = None, /, *, inline: bool = False) -> Any:
    """Make a kernel of a plain annotated function; `inline`: other kernels may call it, and it may return a number.

    The function is not run and not yet read: its source is read when it is first compiled. UsageError unless it is a
    function.
    """
    if function is None:
        return lambda given: kernel(given) if not inline else Kernel(_function(given), inline=True)
    return Kernel(_function(function), inline=False)


def _function(given: Any) -> FunctionType:
    if not isinstance(given, FunctionType):
        raise UsageError(f"a kernel must be a plain function, got {given!r}; put @prism.kernel on a def")
    return given


class Kernel:
    """A function in the kernel language.

    `k(a, b, out, n=...)` runs one lane for each element of the longest array; `k[grid, block](...)` runs as many as it
    says; `k.python(lane, ...)` runs one lane as plain Python. Types that the annotations leave open are those of the
    arrays.
    """

    def __init__(
        self, function: FunctionType | None, *, inline: bool = False, definition: Definition | None = None
    ) -> None:
        if function is not None:
            self.__doc__, self.__module__ = function.__doc__, function.__module__
        named = function if function is not None else definition
        self.__name__ = getattr(named, "__name__", None) or getattr(named, "name", "kernel")
        self.function, self.inline = function, inline
        self._definition = definition
        self._records: dict[tuple[tuple[str, str], ...], Records] = {}
        self._programs: dict[tuple[tuple[str, str], ...], Program] = {}
        self._plans: dict[tuple[tuple[str, str], ...], Plan] = {}
        self.calls: Calls = {}
        self.placed: dict[Hashable, Placed] = {}
        self._lanes: dict[tuple[tuple[str, str], ...], Callable[..., Any]] = {}

    def __repr__(self) -> str:
        return f"<kernel {self.__name__}>"

    @property
    def definition(self) -> Definition:
        """The kernel's syntax and names; read from its source once."""
        if self._definition is None:
            assert self.function is not None
            self._definition = definition_of(self.function, self.inline)
        return self._definition

    def schema(self, **types: str) -> Records:
        """Return the typed records, with an element type's name for each type variable; constants are read now.

        ParseError for what is outside the kernel language, UsageError for a type variable without a type.
        """
        key = tuple(sorted(types.items()))
        if key not in self._records:
            from prism.kernels.schema.inference import schema_of

            self._records[key] = schema_of(self.definition, bound(self.definition, types))
        return self._records[key]

    def program(self, **types: str) -> Program:
        """Return the program for some types; compiled once for each."""
        key = tuple(sorted(types.items()))
        if key not in self._programs:
            from prism.kernels.lower.program import lower

            if self.inline:
                raise UsageError(f"{self.__name__} is inline and has no program of its own; call it in a kernel")
            self._programs[key] = lower(self.schema(**types))
        return self._programs[key]

    def plan(self, types: Mapping[str, str]) -> Plan:
        """Return what calls for some types share; made once for each."""
        key = tuple(sorted(types.items()))
        if key not in self._plans:
            from prism.kernels.calls import Plan

            self._plans[key] = Plan(self.program(**types), self.schema(**types))
        return self._plans[key]

    def python(self, lane: int, /, *args: Any, grid: Size = 1, block: Size = 1, **more: Any) -> None:
        """Run one lane as plain Python on NumPy arrays, written in place, and numbers, by position or by name.

        lane: its number in the launch, x fastest. ZeroDivisionError and IndexError where a launch would fault;
        UsageError where lanes would meet.
        """
        from prism.kernels.calls import arguments, dim, open_types
        from prism.kernels.schema.lane import OneLane, run_lane

        given = arguments(self.definition, args, more)
        types = open_types(self.definition, given)
        place = OneLane(lane, dim(grid), dim(block))
        run_lane(self._lane(types), self.schema(**types), place, given)

    def _lane(self, types: Mapping[str, str]) -> Callable[..., Any]:
        from prism.kernels.schema.lane import converting, names_of

        key = tuple(sorted(types.items()))
        if key not in self._lanes:
            if self.function is None:
                raise UsageError(f"{self.__name__} was read from a file that did not run; import it to run it")
            self._lanes[key] = converting(self.definition, self.schema(**types), names_of(self.function))
        return self._lanes[key]

    def on(self, executor: str) -> Launcher:
        """Return this kernel on the executor of a name."""
        return Launcher(self, executor)

    def __getitem__(self, shape: Size | tuple[Size, Size]) -> Launcher:
        return Launcher(self)[shape]

    def __call__(self, *args: Any, **more: Any) -> Any:
        """Launch one lane for each element of the longest array; in a lane, run as a part of it."""
        if LANE.get() is not None:
            return self._inside(args, more)
        return Launcher(self)(*args, **more)

    def _inside(self, args: tuple[Any, ...], more: Mapping[str, Any]) -> Any:
        """Run as plain Python within the lane of a kernel that calls this one."""
        from prism.kernels.calls import arguments, open_types
        from prism.kernels.schema.lane import call_inline

        given = arguments(self.definition, args, more)
        types = open_types(self.definition, given)
        return call_inline(self._lane(types), self.schema(**types), given)


def bound(definition: Definition, types: Mapping[str, str]) -> dict[str, str]:
    """Return the type of each type variable; UsageError unless each has one that it may stand for."""
    found = definition.type_variables()
    if unknown := sorted(set(types) - set(found)):
        raise UsageError(f"{definition.name} has no type variable {unknown[0]}; it has {', '.join(found) or 'none'}")
    for name, choices in found.items():
        if types.get(name) not in choices:
            raise UsageError(
                f"{name} of {definition.name} must be one of {', '.join(choices)}, got {types.get(name)!r}; "
                f"pass arrays of such a type, or name it"
            )
    return dict(types)


@dataclass(frozen=True, slots=True)
class Launcher:
    """A kernel with a shape, or none yet, on an executor, or the default one."""

    kernel: Kernel
    executor: str = ""
    shape: tuple[Size, Size] | None = None

    def __getitem__(self, shape: Size | tuple[Size, Size]) -> Launcher:
        """Return this with a grid and a block, as `[grid, block]` or `[grid]`, where blocks have one lane."""
        grid, block = shape if isinstance(shape, tuple) and len(shape) == 2 else (shape, 1)
        return Launcher(self.kernel, self.executor, (_size(grid), _size(block)))

    def __call__(self, *args: Any, **more: Any) -> Any:
        """Launch. NumPy arrays are written in place; with JAX arrays the written arrays are returned.

        UsageError for arguments that do not fit, FaultError where a lane faults.
        """
        from prism.kernels.calls import launch

        return launch(self.kernel, self.executor, self.shape, args, more)


def _size(given: Any) -> Size:
    """Return an int, or a tuple of ints, as it was written in brackets."""
    return tuple(int(one) for one in given) if isinstance(given, tuple) else int(given)
