"""JAX's own lowering of one call for a device that is not here: what it refuses, in its words, at the user's line."""

from __future__ import annotations

import traceback
from dataclasses import dataclass

import jax
from jax.experimental import pallas as pl

from prism.pallas import compat
from prism.pallas.call import Call
from prism.pallas.chip.findings import Finding, Found, Subject, located
from prism.pallas.chip.table import Chip
from prism.pallas.control import Inline
from prism.pallas.dtypes import Parameters
from prism.pallas.errors import UNKNOWN_SITE, KernelSite

_PLATFORM = {"tpu": "tpu", "gpu": "cuda"}


@dataclass(frozen=True, slots=True)
class Lowering:
    """What JAX's trace depends on while a call is lowered for a chip: no parameters of ours, and the chip."""

    chip: str


def primitives(subject: Subject) -> Found:
    """Find primitives that have no rule in the lowering."""
    known = compat.lowered_primitives(subject.target.lowering)
    for equation, site in located(subject.call.kernel, subject.call.kernel.site):
        called = isinstance(equation.control, Inline) or equation.name in _RENAMED
        if known and equation.name not in known and not called:
            yield Finding(
                site,
                f"the lowering for {subject.target.lowering} has no rule for the primitive {equation.name}",
                f"compute it by other means, or outside of the kernel; {_INSTEAD.get(equation.name, '')}".rstrip("; "),
            )


_RENAMED = frozenset(("prng_random_bits",))
"""Names that the reader gives to primitives that JAX calls otherwise."""
_INSTEAD = {
    "sort": "a bitonic network of rolls and selects sorts in vector memory",
    "top_k": "take the maximum k times",
    "gather": "jnp.take_along_axis along one of the last two axes is lowered",
    "scatter": "store to a reference at the computed place",
    "scatter-add": "add to a reference at the computed place, or multiply by a one-hot matrix",
    "dynamic_slice": "slice a reference by pl.ds",
    "dynamic_update_slice": "store to a slice of a reference by pl.ds",
}


def refused(call: Call, parameters: Parameters, chip: Chip) -> tuple[KernelSite, str] | None:
    """Return where and why the lowering for a chip refuses a call with these parameters, or None if it does not.

    Cost: one lowering, 10 to 500 ms; nothing is compiled and nothing is run.
    """
    shapes = [jax.ShapeDtypeStruct((), "int32")] * call.dynamic_bounds
    shapes += [jax.ShapeDtypeStruct(given.shape, given.dtype) for given in (*call.prefetched, *call.inputs)]
    given = {**parameters, "interpret": False}

    def bound(*operands: jax.Array) -> compat.JaxObject:
        return pl.pallas_call_p.bind(*operands, **given)

    with compat.force(Lowering(chip.name)):
        try:
            jax.jit(bound).trace(*shapes).lower(lowering_platforms=(_PLATFORM[chip.kind],))
        except Exception as error:
            return _place(error, call.kernel.site), _words(error)
    return None


def _place(error: Exception, site: KernelSite) -> KernelSite:
    """Return the innermost place of the user's among the equations that were being lowered, or the kernel's.

    JAX tells the innermost equation alone, which a function of its own may have traced; its frames hold those around.
    """
    for frame, _ in traceback.walk_tb(error.__traceback__):
        equation = frame.f_locals.get("eqn")
        if hasattr(equation, "source_info"):
            place = compat.site_of(equation)
            site = site if place is UNKNOWN_SITE else place
    return site


def _words(error: BaseException) -> str:
    text = str(error).partition("Please file an issue")[0].partition("\n")[0].strip().rstrip(".")
    return f"{type(error).__name__}: {text}" if text else f"{type(error).__name__} without words"
