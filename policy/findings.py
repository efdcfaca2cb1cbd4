"""What a rule says about a place, and the three ways to print it."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass


@dataclass(frozen=True, slots=True, order=True)
class Hit:
    """A place that breaks a law; `path` is relative to the root, `line` counts from 1."""

    path: str
    line: int
    message: str


@dataclass(frozen=True, slots=True, order=True)
class Finding:
    """A hit with the rule that it breaks, the clause behind the rule, and what to do."""

    path: str
    line: int
    rule: str
    message: str
    clause: str
    remedy: str


def as_text(findings: Iterable[Finding]) -> str:
    """Render two lines a finding: place, rule, clause and message, then the remedy."""
    return "".join(f"{f.path}:{f.line}: {f.rule} [{f.clause}]: {f.message}\n  {f.remedy}\n" for f in findings)


def as_json(findings: Iterable[Finding]) -> str:
    """Render one JSON object a line, with the fields of `Finding`."""
    return "".join(json.dumps(asdict(finding)) + "\n" for finding in findings)


def as_github(findings: Iterable[Finding]) -> str:
    """Render one annotation command a line, as the host's log viewer reads them."""
    return "".join(
        f"::error file={_escape(f.path, ',:')},line={f.line},title={_escape(f.rule, ',:')}::"
        f"{_escape(f'{f.message} [{f.clause}]. {f.remedy}')}\n"
        for f in findings
    )


FORMATS = {"text": as_text, "json": as_json, "github": as_github}


def _escape(text: str, also: str = "") -> str:
    return "".join(f"%{ord(letter):02X}" if letter in "%\r\n" + also else letter for letter in text)
