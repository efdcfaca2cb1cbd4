"""The campaign against docflow on this repository's own documents."""

from __future__ import annotations

import pytest

from tests import governance

pytestmark = pytest.mark.m5


@pytest.mark.clause("DOCFLOW-31")
@pytest.mark.slow
def test_edits_that_change_meaning_are_caught_and_harmless_ones_are_not() -> None:
    """Every edit of the campaign but two at most is an error, every other way is one, and no harmless edit is found."""
    outcomes = list(governance.run())
    edits = [(attack, found) for attack, found in outcomes if attack.kind == "edit" and not attack.is_harmless]
    manifest = [(attack.name, found) for attack, found in outcomes if attack.kind in {"theorem", "manifest"}]
    ways = [(attack.name, found) for attack, found in outcomes if attack.kind == "way"]
    assert (len(edits), len(manifest), len(ways), len(outcomes)) == (50, 19, 30, 50 + 19 + 30 + 4)
    assert [name for name, found in ways if not found] == []
    assert [name for name, found in manifest if "weakened_commitment" not in found] == []
    assert [attack.name for attack, found in outcomes if attack.is_harmless and found] == []
    assert sum(bool(found) for _, found in edits) >= governance.NEEDED, [one.name for one, found in edits if not found]
