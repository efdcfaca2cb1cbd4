"""What programs are told of the device while a chip is pretended: its kind, cores and platform, in this thread alone.

    with prism.pallas.interpret(chip="v5p"):
        pltpu.get_tpu_info()                  TpuInfo of a v5p
        jax.devices()[0].device_kind          "TPU v5p"
        jax.default_backend()                 "tpu"

JAX's own modules are told the kind and the number of cores, which choose what they trace, and never the platform, by
which they find what can run here. The chip is part of JAX's trace key, so that no trace of one serves another.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from types import FrameType

import jax

from prism.pallas.chip.table import CHIPS, Chip

_ALIASES = {"tpu": ("tpu",), "gpu": ("gpu", "cuda")}
_asked: list[Callable[[], object]] = []
"""What tells the parameters that are in force in this thread, once the pretence is installed."""


def current() -> Chip | None:
    """Return the chip that is pretended in this thread, or None."""
    return CHIPS.get(getattr(_asked[0](), "chip", None) or "") if _asked else None


def install(forced: Callable[[], object]) -> None:
    """Let devices, and what finds them, answer for the chip; without one they answer as before.

    `forced` returns the parameters in force in this thread, whose attribute `chip` is the chip's name.
    """
    if _asked:
        return
    _asked.append(forced)
    for name, fact in _FACTS.items():
        setattr(jax.Device, name, property(_answer(name, jax.Device.__dict__.get(name), fact)))
    jax.default_backend = _default_backend(jax.default_backend)
    jax.devices, jax.local_devices = _finder(jax.devices), _finder(jax.local_devices)


def _platform(chip: Chip) -> str | None:
    return None if _asked_by_jax(sys._getframe(2)) else chip.kind


_FACTS: dict[str, Callable[[Chip], str | int | None]] = {
    "device_kind": lambda chip: chip.device_kind,
    "num_cores": lambda chip: chip.cores if chip.kind == "tpu" else None,
    "compute_capability": lambda chip: chip.capability or None,
    "platform": _platform,
}
"""What a device says of the chip; None leaves the answer to the device itself."""


def _answer(name: str, stock: property | None, fact: Callable[[Chip], str | int | None]) -> Callable[[object], object]:
    def get(device: object) -> object:
        chip = current()
        told = None if chip is None else fact(chip)
        if told is not None:
            return told
        if stock is None:
            raise AttributeError(name)  # Python asks the device itself next, as before.
        return stock.__get__(device)

    return get


def _asked_by_jax(frame: FrameType) -> bool:
    return frame.f_globals.get("__name__", "").partition(".")[0] in ("jax", "jaxlib")


def _default_backend(stock: Callable[[], str]) -> Callable[[], str]:
    def default_backend() -> str:
        """Return the platform of the pretended chip, or JAX's default backend."""
        chip = current()
        return stock() if chip is None else chip.kind

    return default_backend


def _finder(stock: Callable[..., list[object]]) -> Callable[..., list[object]]:
    def find(*args: object, **named: object) -> list[object]:
        """Return JAX's devices; those of this machine stand for the pretended chip's platform."""
        chip = current()
        asked = named.get("backend", args[-1] if args else None)
        if chip is None or asked not in _ALIASES[chip.kind]:
            return stock(*args, **named)
        return stock(*args[:-1], **{**named, "backend": None}) if "backend" in named else stock(*args[:-1])

    return find
