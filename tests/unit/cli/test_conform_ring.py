"""`prism conform` on a file of the ring's."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from prism.cli.main import prism

pytestmark = [pytest.mark.m9, pytest.mark.clause("RING-16")]


@pytest.mark.parametrize(
    ("expect", "tail", "code"),
    [(128, "1 passed, 0 failed, 0 declared deviations", 0), (127, "0 passed, 1 failed, 0 declared deviations", 1)],
)
def test_a_file_of_the_ring_is_judged(tmp_path: Path, expect: int, tail: str, code: int) -> None:
    """The command finds the ring by the constants of the file, counts its verdicts, and fails if a case does."""
    file = tmp_path / "vectors.json"
    case = {"id": "two slots", "fn": "ring_byte_len", "n": 2, "expect": expect}
    file.write_text(json.dumps({"constants": {"SLOT_WORDS": 16}, "byte_lengths": [case]}), encoding="utf-8")
    result = CliRunner().invoke(prism, ["conform", str(file)])
    assert result.output.strip().splitlines()[-1] == tail
    assert result.exit_code == code
