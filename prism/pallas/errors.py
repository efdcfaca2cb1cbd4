"""What the interpreter reports about a kernel: one exception type for each kind of mistake."""

from __future__ import annotations

import linecache
from dataclasses import dataclass

from prism.errors import PrismError


@dataclass(frozen=True, slots=True)
class KernelSite:
    """A place in a kernel's Python source; `line` counts from 1, 0 means unknown."""

    file: str
    line: int
    function: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line} in {self.function}"


UNKNOWN_SITE = KernelSite("<unknown>", 0, "<unknown>")


class KernelError(PrismError):
    """A kernel did what its call does not allow.

    `kernel` is the name of the kernel, `site` the place of the access in its source, `step` the grid indices of the
    step that made it, `ref` the name of the reference or "" if there is none, `index` the offending element or block
    index, and `shape` the shape of what was indexed.
    """

    def __init__(
        self,
        problem: str,
        *,
        kernel: str,
        site: KernelSite,
        step: tuple[int, ...],
        ref: str,
        index: tuple[object, ...],
        shape: tuple[int, ...],
        remedy: str,
    ) -> None:
        self.problem, self.kernel, self.site, self.step = problem, kernel, site, step
        self.ref, self.index, self.shape, self.remedy = ref, index, shape, remedy
        text = linecache.getline(site.file, site.line).strip()
        shown = f"\n    {text}" if text else ""
        accessed = f", {ref} of shape {shape}" if ref else ""
        super().__init__(f"{site}: {problem}{shown}\n  kernel {kernel}, grid step {step}{accessed}\n  {remedy}")


class OutOfBoundsError(KernelError, IndexError):
    """An index, a slice or a block lies outside of its reference [PALLAS-10]."""


class RaceError(KernelError):
    """Two grid steps that may run in either order wrote one element, or a finished block was opened again [PALLAS-12].

    `other_step` is the grid step of the earlier writer.
    """

    other_step: tuple[int, ...] = ()


class UninitializedReadError(KernelError):
    """An element was used that nobody had written, or an output element was never written [PALLAS-11]."""


class DeadlockError(KernelError):
    """A semaphore was waited for that nobody will signal [PALLAS-15]."""


class SemaphoreError(KernelError):
    """A semaphore still counts something when the kernel, or the scope that has it, ends [PALLAS-15]."""


class CheckError(KernelError, ValueError):
    """A `checkify.check` of a kernel does not hold, or a `pl.debug_check` where they are enabled [PALLAS-17]."""


class UnsupportedError(PrismError, NotImplementedError):
    """A primitive or a feature that the interpreter does not cover [PALLAS-9]."""

    def __init__(self, what: str, site: KernelSite) -> None:
        self.what, self.site = what, site
        super().__init__(
            f"{site}: prism.pallas has no rule for {what}\n"
            f"  report it to Prism's issue tracker as 'prism.pallas: no rule for {what}', with the kernel and this line"
        )


class LegalityError(PrismError):
    """The compiler of the pretended chip would refuse the kernel [CHIP-3].

    `site` is the place, `rule` the row of the table of rules that says so, `chip` the name of the chip.
    """

    site: KernelSite = UNKNOWN_SITE
    rule: str = ""
    chip: str = ""


class LegalityWarning(UserWarning):
    """What `legality="warn"` emits in place of `LegalityError`."""


class UninitializedWarning(UserWarning):
    """What `uninitialized="warn"` emits in place of `UninitializedReadError`."""


class RaceWarning(UserWarning):
    """What `races="warn"` emits in place of `RaceError`."""


class SuspectError(Exception):
    """Generated code met something that may be a mistake of the kernel; debug mode judges, and nobody else sees it."""
