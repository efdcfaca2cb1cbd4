"""JAX's own lowering of one call for a device that is not here: what it refuses, in its words, at the user's line."""

from __future__ import annotations

import traceback
from dataclasses import dataclass

import jax
from jax.experimental import pallas as pl

from prism.pallas import compat
from prism.pallas.chip.table import Chip
from prism.pallas.dtypes import Parameters
from prism.pallas.errors import KernelSite

_PLATFORM = {"tpu": "tpu", "gpu": "cuda"}


@dataclass(frozen=True, slots=True)
class Lowering:
    """What JAX's trace depends on while a call is lowered for a chip: no parameters of ours, and the chip."""

    chip: str


def refused(parameters: Parameters, chip: Chip, site: KernelSite) -> tuple[KernelSite, str] | None:
    """Return where and why the lowering for a chip refuses a call, or None if it does not; `site` is the kernel's.

    Cost: one lowering, 10 to 500 ms; nothing is compiled and nothing is run.
    """
    shapes = [jax.ShapeDtypeStruct(shape, dtype) for shape, dtype in compat.operands_of(parameters)]
    given = {**parameters, "interpret": False}

    def bound(*operands: jax.Array) -> compat.JaxObject:
        return pl.pallas_call_p.bind(*operands, **given)

    with compat.force(Lowering(chip.name)):
        try:
            jax.jit(bound).trace(*shapes).lower(lowering_platforms=(_PLATFORM[chip.kind],))
        except Exception as error:
            return _place(error, site), _words(error)
    return None


def _place(error: Exception, site: KernelSite) -> KernelSite:
    """Return the innermost place of the user's among the equations that were being lowered, or the kernel's.

    JAX tells the innermost equation alone, which a function of its own may have traced; its frames hold those around.
    """
    for frame, _ in traceback.walk_tb(error.__traceback__):
        equation = frame.f_locals.get("eqn")
        if hasattr(equation, "source_info"):
            place = compat.site_of(equation)
            site = site if compat.is_jaxs(place) else place
    return site


def _words(error: BaseException) -> str:
    text = str(error).partition("Please file an issue")[0].partition("\n")[0].strip().rstrip(".")
    return f"{type(error).__name__}: {text}" if text else f"{type(error).__name__} without words"
