"""Errors pass from process to process with all that they carry."""

from __future__ import annotations

import importlib
import pickle
import pkgutil
from collections.abc import Iterator

import pytest

import prism
from prism.errors import Location, ParseError, PrismError
from prism.kernels.exec.faults import FaultError, FaultKind
from prism.pallas.errors import UNKNOWN_SITE, UnsupportedError

pytestmark = pytest.mark.m1


def _kinds(base: type[PrismError]) -> Iterator[type[PrismError]]:
    yield base
    for kind in base.__subclasses__():
        yield from _kinds(kind)


def test_every_error_survives_a_process_boundary() -> None:
    """Whatever a constructor takes, the copy is of the same class, says the same and has the same attributes."""
    for module in pkgutil.walk_packages(prism.__path__, "prism."):
        if module.name.rpartition(".")[2] in ("errors", "faults", "store"):
            importlib.import_module(module.name)
    kinds = set(_kinds(PrismError))
    assert len(kinds) > 20
    for kind in kinds:
        error = kind.__new__(kind, "what must hold")
        error.__dict__["place"] = (1, "x")
        copy = pickle.loads(pickle.dumps(error))
        assert (type(copy), copy.args, copy.__dict__) == (kind, error.args, {"place": (1, "x")})


@pytest.mark.parametrize(
    "error",
    [
        ParseError(Location("a.prism", 1, 2, "(ad"), "an operator", "'ad'", "write add"),
        FaultError(FaultKind.BOUNDS, 3, 7, (1, 2), "ldg.f32 r1, [r2]"),
        UnsupportedError("the primitive x", UNKNOWN_SITE),
    ],
)
def test_an_error_says_the_same_after_the_way(error: PrismError) -> None:
    """Errors whose text is made of parts keep both."""
    copy = pickle.loads(pickle.dumps(error))
    assert (str(copy), vars(copy)) == (str(error), vars(error))
