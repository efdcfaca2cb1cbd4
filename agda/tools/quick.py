"""Pytest plugin of the mutation gate: a property that fails is failure enough and is not shrunk."""

from __future__ import annotations

import pytest
from hypothesis import Phase, settings


@pytest.hookimpl(trylast=True)
def pytest_configure() -> None:
    """Load the profile before any test is read."""
    settings.register_profile("quick", settings.get_profile("ci"), phases=[Phase.explicit, Phase.generate])
    settings.load_profile("quick")
