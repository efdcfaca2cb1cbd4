"""The ratchet: findings known beforehand are tolerated, new ones block, and the list can only shrink."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from docflow import files
from docflow.errors import ConfigError
from docflow.model import Fault, Finding
from docflow.rules import BASELINE_OUTDATED, finding

_HEADER: Final = "# docflow baseline: one tolerated finding a line (rule, path, subject). It may only shrink.\n"


NEVER: Final = frozenset({"unlocked_text", "unbumped", "rewritten_text", "lock_syntax"})
"""Rules whose findings no baseline tolerates: text that was never reviewed is locked all the same."""


@dataclass(frozen=True, slots=True)
class Judged:
    """Findings split into those that count and those that the baseline tolerates."""

    new: tuple[Finding, ...]
    known: tuple[Finding, ...]


def _key(one: Finding) -> str:
    return "\t".join(" ".join(part.split()) for part in (one.rule, one.path, one.subject))


def load(path: Path) -> Counter[str]:
    """Read a baseline. Errors: `ConfigError` if it is absent or a line has not three fields: it fails closed."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(
            f"the baseline {path} must be a readable file, but: {error}; write one with --write-baseline"
        ) from None
    known: Counter[str] = Counter()
    for number, line in enumerate(lines, 1):
        if line and not line.startswith("#"):
            if line.count("\t") != 2:
                raise ConfigError(
                    f"{path}:{number}: a baseline line must hold rule, path and subject between tabs, got {line[:60]!r}"
                )
            known[line] += 1
    return known


def judge(findings: Iterable[Finding], known: Counter[str], path: str) -> Judged:
    """Split findings by a baseline; an entry that nothing matches any more is a finding itself."""
    left, new, tolerated = known.copy(), [], []
    for one in findings:
        if left[_key(one)] > 0 and one.rule not in NEVER:
            left[_key(one)] -= 1
            tolerated.append(one)
        else:
            new.append(one)
    for key in sorted((+left).elements()):
        fault = Fault(
            path,
            1,
            key.replace("\t", " "),
            f"the baseline tolerates what is no longer found: {key.replace(chr(9), ' ')}",
        )
        new.append(finding(BASELINE_OUTDATED, fault, BASELINE_OUTDATED.severity))
    return Judged(tuple(new), tuple(tolerated))


def write(path: Path, findings: Sequence[Finding]) -> tuple[int, int]:
    """Write the blocking findings as baseline; return how many entries it had and has.

    An existing baseline only loses entries: what it did not hold before is not added.
    """
    present = Counter(_key(one) for one in findings if one.severity == "error" and one.rule not in NEVER)
    before = load(path) if path.exists() else present
    kept = present & before
    files.replace(path, (_HEADER + "".join(f"{key}\n" for key in sorted(kept.elements()))).encode())
    return before.total(), kept.total()
