"""The names that kernels use: element types, arrays, intrinsics. As plain Python they compute one lane's values."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextvars import ContextVar
from typing import Any, Final, Generic, Protocol, TypeVar

from prism.errors import UsageError
from prism.kernels.schema.types import FLOATS
from prism.kernels.schema.values import TYPES, Value, binary, f32, i32, meet, of, u32, unary

T = TypeVar("T")


class DeviceArray(Generic[T]):
    """An array parameter: `DeviceArray[f32]`; its dimensions are as many as its subscripts have."""

    shape: tuple[u32, ...]

    def __getitem__(self, index: Any) -> T:
        raise UsageError(_OUTSIDE.format("an array's element"))

    def __setitem__(self, index: Any, value: Any) -> None:
        raise UsageError(_OUTSIDE.format("an array's element"))


class Lane(Protocol):
    """What intrinsics ask of the lane that runs."""

    def position(self, name: str, axis: int | None) -> int:
        """Return an id or a size along an axis."""
        ...

    def shared(self, element: str, shape: tuple[int, ...]) -> Any:
        """Return a fresh shared array."""
        ...

    def together(self, name: str, value: Any) -> Any:
        """Return the value of what lanes of a block do together."""
        ...


LANE: Final[ContextVar[Lane | None]] = ContextVar("LANE", default=None)
"""The lane that plain Python runs now."""
_OUTSIDE: Final = "{} must be used by a lane that runs; call the kernel, or its `python` method"


def _lane(name: str) -> Lane:
    lane = LANE.get()
    if lane is None:
        raise UsageError(_OUTSIDE.format(f"{name}()"))
    return lane


def _position(name: str) -> Callable[..., u32]:
    def position(axis: int | None = None) -> u32:
        return u32(_lane(name).position(name, axis))

    position.__name__ = name
    position.__doc__ = f"`{name[4:]}` along an axis: 0 (x), 1 (y) or 2 (z); without one [KERNELS-8]."
    return position


def _math(name: str) -> Callable[[Any], Any]:
    def function(x: Any) -> Any:
        value = meet(float(x) if isinstance(x, int) else x)[0]
        return unary(name, value)

    function.__name__ = name
    function.__doc__ = f"Return `{name}` of a float, in its type."
    return function


def _atomic(name: str, change: Callable[..., Any]) -> Callable[..., Any]:
    def atomic(array: Any, index: Any, *values: Any) -> Any:
        before = array[index]
        array[index] = change(before, *values)
        return before

    atomic.__name__ = name
    atomic.__doc__ = "Change one element as a whole and return its value from before."
    return atomic


def _together(name: str) -> Callable[..., Any]:
    def together(*value: Any) -> Any:
        return _lane(name).together(name, meet(*value)[0] if value else None)

    together.__name__ = name
    together.__doc__ = "Act with every lane of the block at once."
    return together


get_global_id = _position("get_global_id")
get_local_id = _position("get_local_id")
get_block_id = _position("get_block_id")
get_block_size = _position("get_block_size")
get_grid_size = _position("get_grid_size")
exp, log, log2, log10 = _math("exp"), _math("log"), _math("log2"), _math("log10")
sqrt, rsqrt, sin, cos, tan = _math("sqrt"), _math("rsqrt"), _math("sin"), _math("cos"), _math("tan")
tanh, sigmoid, erf = _math("tanh"), _math("sigmoid"), _math("erf")
floor, ceil, trunc = _math("floor"), _math("ceil"), _math("trunc")
atomic_add = _atomic("atomic_add", lambda old, new: old + new)
atomic_exchange = _atomic("atomic_exchange", lambda _, new: new)
atomic_and = _atomic("atomic_and", lambda old, new: old & new)
atomic_or = _atomic("atomic_or", lambda old, new: old | new)
atomic_xor = _atomic("atomic_xor", lambda old, new: old ^ new)
atomic_cas = _atomic("atomic_cas", lambda old, expected, new: new if old == expected else old)
block_sum, block_min = _together("block_sum"), _together("block_min")
block_max, block_product = _together("block_max"), _together("block_product")
barrier = _together("barrier")


def minimum(a: Any, b: Any) -> Any:
    """Return the less of two values; in kernels it is called `min`."""
    return binary("min", a, b)


def maximum(a: Any, b: Any) -> Any:
    """Return the larger of two values; in kernels it is called `max`."""
    return binary("max", a, b)


atomic_min = _atomic("atomic_min", minimum)
atomic_max = _atomic("atomic_max", maximum)


def absolute(x: Any) -> Any:
    """Return a value without its sign; in kernels it is called `abs`."""
    return abs(x) if isinstance(x, Value) else unary("abs", x)


def pow(base: Any, exponent: Any) -> Any:  # noqa: A001 (the name in kernels)
    """Return a float to the power of a float."""
    a, b = meet(base, exponent)
    if a.element not in FLOATS:
        a, b = f32(a), f32(b)
    return binary("pow", a, b)


def fma(a: Any, b: Any, c: Any) -> Any:
    """Return a * b + c, rounded once."""
    from prism.kernels.schema.arithmetic import fma as compute

    x, y, z = meet(a, b, c)
    return of(x.element, compute(x.raw, y.raw, z.raw, x.element))


def shared(element: Any, *shape: int) -> DeviceArray[Any]:
    """Return a new array that the lanes of one block share."""
    return _lane("shared").shared(element.element, shape)


def counted(*bounds: Any) -> Iterator[Any]:
    """Yield the numbers of a range, in the type in which its bounds meet; in kernels it is called `range`."""
    start, stop, step = (0, *bounds, 1) if len(bounds) == 1 else (*bounds, 1) if len(bounds) == 2 else bounds
    first, last = meet(start, stop)
    for number in range(int(first), int(last), int(step)):
        yield TYPES[first.element](number)


INTRINSICS: Final[dict[str, Callable[..., Any]]] = {
    one.__name__: one
    for one in (
        *(get_global_id, get_local_id, get_block_id, get_block_size, get_grid_size),
        *(exp, log, log2, log10, sqrt, rsqrt, sin, cos, tan, tanh, sigmoid, erf, floor, ceil, trunc, pow, fma),
        *(atomic_add, atomic_min, atomic_max, atomic_exchange, atomic_and, atomic_or, atomic_xor, atomic_cas),
        *(block_sum, block_min, block_max, block_product, barrier),
    )
}
"""The intrinsics by name, `min`, `max` and `abs` aside, which are Python's own names."""
BUILTINS: Final[dict[str, Callable[..., Any]]] = {
    "min": minimum,
    "max": maximum,
    "abs": absolute,
    "range": counted,
    "int": i32,
    "float": f32,
}
"""What Python's own names mean in a kernel."""
