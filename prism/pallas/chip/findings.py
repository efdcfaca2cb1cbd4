"""What a rule looks at and what it tells: a call as the compiler of a chip meets it, and one finding."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from prism.pallas.call import Block, Call
from prism.pallas.chip.table import Chip
from prism.pallas.chip.target import Target, Window
from prism.pallas.errors import UNKNOWN_SITE, KernelSite
from prism.pallas.kernel import Equation, Kernel


@dataclass(frozen=True, slots=True)
class Subject:
    """A call as the compiler of a chip meets it."""

    call: Call
    target: Target
    chip: Chip

    @property
    def blocks(self) -> Iterator[tuple[Block, Window]]:
        """Every input and output block with its window."""
        return zip((*self.call.inputs, *self.call.outputs), self.target.windows, strict=True)


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that a compiler refuses: where, what it is, and what to do."""

    site: KernelSite
    problem: str
    remedy: str


Found = Iterator[Finding]


def located(kernel: Kernel, around: KernelSite) -> Iterator[tuple[Equation, KernelSite]]:
    """Yield every equation with the innermost place that is the user's."""
    for equation in kernel.equations:
        site = around if equation.site is UNKNOWN_SITE else equation.site
        yield equation, site
        for inner in equation.inner:
            yield from located(inner.kernel, site)
