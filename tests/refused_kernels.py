"""Kernels outside the language: the line that is refused bears `#<`, after it words of the refusal."""

from __future__ import annotations

from pathlib import Path
from typing import Final

FILE: Final = Path(__file__).parent / "programs" / "kernels_refused.txt"
"""What every kernel imports; the head of `k`; bodies of `k`; whole kernels: parted by ===== and within by ===."""


def cases() -> list[tuple[str, int, str]]:
    """Return (source, the line that is refused, words of the refusal) for each kernel."""
    imports, head, bodies, whole = FILE.read_text(encoding="utf-8").split("\n=====\n")
    found = [
        f"{imports}\n{head}\n" + "".join(f"    {line}\n" for line in body.split("\n"))
        for body in bodies.split("\n===\n")
    ]
    found += [f"{imports}\n{text}\n" for text in whole.split("\n===\n")]
    return [(source, *_mark(source)) for source in found]


def _mark(source: str) -> tuple[int, str]:
    [(line, text)] = [(at, one) for at, one in enumerate(source.split("\n"), 1) if "#<" in one]
    return line, text.partition("#< ")[2]
