"""The fixture that writes a small repository and checks it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.unit.policy.trees import Check, findings


@pytest.fixture
def check(tmp_path: Path) -> Check:
    """Write `files` under .github/workflows (or at a path with a slash), check them, return the ids of the rules."""

    def write_and_check(**files: str) -> list[str]:
        for name, text in files.items():
            path = (
                tmp_path / name.replace("__", "/") if "__" in name else tmp_path / ".github/workflows" / f"{name}.yml"
            )
            path = path.with_name(re.sub(r"_(yml|yaml|toml)$", r".\1", path.name))
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        return [finding.rule for finding in findings(tmp_path)]

    return write_and_check
