"""The table of generators: how each is written, which variants it has, what a variant computes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Final


class Form(Enum):
    """How the operands of a generator are written; the value shows it."""

    ONE = "c00"
    TO = "c00->c01"
    EXCHANGE = "c00<->c01"
    IN_CONTEXT = "c00[c01,c02]"
    RANGE = "c[0..9]"

    @property
    def n_operands(self) -> int:
        """The classes that the form names; a range names two, its ends."""
        return {Form.ONE: 1, Form.IN_CONTEXT: 3}.get(self, 2)


@dataclass(frozen=True, slots=True)
class Variant:
    """One operation that a generator can do: its name and how many operands it reads."""

    name: str
    arity: int


@dataclass(frozen=True, slots=True)
class Generator:
    """One generator: its name, its own form, its variants, the default first, and whether it takes a range."""

    name: str
    form: Form
    variants: tuple[Variant, ...] = ()
    has_default: bool = True
    takes_range: bool = False
    is_sigil: bool = True
    """Whether it may be written with one class alone, as the literal and operational evaluators read it."""
    by_name: Mapping[str, Variant] = field(init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "by_name", {variant.name: variant for variant in self.variants})

    @property
    def default(self) -> str:
        """The variant meant where none is written, "" if one must be."""
        return self.variants[0].name if self.variants and self.has_default else ""


def _variants(arity: int, *names: str) -> tuple[Variant, ...]:
    return tuple(Variant(name, arity) for name in names)


MERGES: Final = (
    *_variants(2, "add", "mul", "min", "max"),
    *_variants(1, "abs", "exp", "log", "sqrt", "sigmoid", "tanh", "gelu", "relu"),
)
SPLITS: Final = _variants(2, "sub", "div")
REDUCTIONS: Final = _variants(1, "sum", "min", "max")

GENERATORS: Final = (
    Generator("mark", Form.ONE, takes_range=True),
    Generator("copy", Form.TO),
    Generator("swap", Form.EXCHANGE),
    Generator("merge", Form.IN_CONTEXT, MERGES, takes_range=True),
    Generator("split", Form.IN_CONTEXT, SPLITS),
    Generator("quote", Form.ONE, takes_range=True),
    Generator("evaluate", Form.ONE, takes_range=True),
    Generator("reduce", Form.TO, REDUCTIONS, has_default=False, is_sigil=False),
    Generator("softmax", Form.TO, is_sigil=False),
)
BY_NAME: Final[Mapping[str, Generator]] = {generator.name: generator for generator in GENERATORS}
ALIASES: Final[Mapping[str, tuple[str, str]]] = {
    f"reduce_{variant.name}": ("reduce", variant.name) for variant in REDUCTIONS
}
"""Older names, each for a generator and its variant."""
