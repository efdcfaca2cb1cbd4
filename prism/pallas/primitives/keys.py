"""Random keys and bits as JAX makes them from Threefry-2x32 (Salmon et al. 2011), the default generator.

A key is one 64-bit word, so that it has the shape that JAX gives it.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from prism.pallas.dtypes import Array, DType, Numeric
from prism.pallas.errors import UnsupportedError
from prism.pallas.machine import Machine
from prism.pallas.primitives.site import Site

_ROTATIONS = ((13, 15, 26, 6), (17, 29, 16, 24))
_PARITY = np.uint32(0x1BD11BDA)
_HIGH = np.uint64(32)


def threefry(k0: Numeric, k1: Numeric, x0: Numeric, x1: Numeric) -> tuple[Array, Array]:
    """Return the two words of the counters `x0, x1` under the keys `k0, k1`; all are uint32 and broadcast."""
    words = [np.asarray(k, np.uint32) for k in (k0, k1)]
    words.append(words[0] ^ words[1] ^ _PARITY)
    a, b = np.asarray(x0, np.uint32) + words[0], np.asarray(x1, np.uint32) + words[1]
    for turn in range(5):
        for rotation in _ROTATIONS[turn % 2]:
            a = a + b
            b = (b << np.uint32(rotation) | b >> np.uint32(32 - rotation)) ^ a
        a = a + words[(turn + 1) % 3]
        b = b + words[(turn + 2) % 3] + np.uint32(turn + 1)
    return a, b


def wrapped(words: Numeric) -> Array:
    """Return keys of pairs of uint32 words."""
    words = np.asarray(words).astype(np.uint64)
    return words[..., 0] << _HIGH | words[..., 1]


def unwrapped(keys: Numeric) -> Array:
    """Return the pairs of uint32 words of keys."""
    keys = np.asarray(keys, np.uint64)
    return np.stack([keys >> _HIGH, keys], axis=-1).astype(np.uint32)


def _seeded(seed: Numeric) -> Array:
    seed = np.asarray(seed)
    return seed.astype(np.uint64) if seed.dtype.itemsize == 8 else seed.astype(np.uint32).astype(np.uint64)


def _counted(keys: Numeric, shape: tuple[int, ...]) -> tuple[Array, Array]:
    """Return two words for each key and each element of a shape, which is counted in row-major order."""
    keys = np.asarray(keys, np.uint64)
    words = unwrapped(keys.reshape(keys.shape + (1,) * len(shape)))
    count = np.arange(int(np.prod(shape, dtype=np.int64)), dtype=np.uint64).reshape(shape)
    return threefry(words[..., 0], words[..., 1], (count >> _HIGH).astype(np.uint32), count.astype(np.uint32))


def split(keys: Numeric, shape: tuple[int, ...]) -> Array:
    """Return a `shape` of new keys for each key."""
    return wrapped(np.stack(_counted(keys, shape), axis=-1))


def folded(keys: Numeric, data: Numeric) -> Array:
    """Return keys that depend on data too."""
    words, more = unwrapped(keys), unwrapped(_seeded(data))
    return wrapped(np.stack(threefry(words[..., 0], words[..., 1], more[..., 0], more[..., 1]), axis=-1))


def bits(keys: Numeric, shape: tuple[int, ...], dtype: DType) -> Array:
    """Return random bits of an unsigned type, a `shape` of them for each key."""
    high, low = _counted(keys, shape)
    if dtype.itemsize == 8:
        return high.astype(np.uint64) << _HIGH | low
    return (high ^ low).astype(dtype)


def seed_generator(machine: Machine, *seeds: Numeric) -> None:
    """Seed the current core's generator with integers or keys, whose order matters; the bits are not a device's."""
    key = np.uint64(0)
    for seed in seeds:
        key = folded(key, np.asarray(seed))
    machine.draws[_lane(machine)] = key, 0


def draw(machine: Machine, shape: tuple[int, ...], dtype: DType) -> Array:
    """Return the next bits, of int32 or uint32, of the current core's generator.

    They are Threefry's, under the key folded with the number of the draw. A generator that nobody has seeded has key 0.
    """
    key, number = machine.draws.get(_lane(machine), (np.uint64(0), 0))
    machine.draws[_lane(machine)] = key, number + 1
    return bits(folded(key, np.uint64(number)), shape, np.dtype(np.uint32)).view(dtype)


def _lane(machine: Machine) -> int:
    return 0 if machine.lanes is None else machine.lanes.current


def _supported(site: Site) -> Site:
    if site.params["generator"] != "threefry2x32":
        raise UnsupportedError(site.params["generator"], site.place)
    return site


def emit_fold(site: Site) -> str:
    """Fold data into keys."""
    rank = len(site.outs[0].shape)
    return _supported(site).call(folded, *(site.broadcastable(k, rank) for k in range(2)))


def emit_bits(site: Site) -> str:
    """Draw random bits."""
    shape = tuple(int(n) for n in site.params["shape"])
    return _supported(site).call(bits, site.arg(0), repr(shape), site.dtype(site.outs[0].dtype))


def emit_threefry(site: Site) -> str:
    """Run the block function itself."""
    rank = len(site.outs[0].shape)
    return site.call(threefry, *(site.broadcastable(k, rank) for k in range(4)))


def emit_wrap(site: Site) -> str:
    """Make keys of words."""
    return _made(site, wrapped)


def emit_unwrap(site: Site) -> str:
    """Make words of keys."""
    return site.call(unwrapped, site.arg(0))


def emit_seed(site: Site) -> str:
    """Make a key of a seed."""
    return _made(site, _seeded)


def _made(site: Site, function: Callable[[Numeric], Array]) -> str:
    if site.params["generator"] == "the core's":
        return "np.uint64(0)"  # It stands for no key: the core has the state.
    return _supported(site).call(function, site.arg(0))


def emit_split(site: Site) -> str:
    """Make new keys of each key."""
    shape = tuple(int(n) for n in site.params["shape"])
    return _supported(site).call(split, site.arg(0), repr(shape))
