"""Pytest plugin: `--pallas-numpy` runs every test's kernels on NumPy, the fixture `pallas_numpy` one test's."""

from __future__ import annotations

from collections.abc import Iterator

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    """Declare the options."""
    group = parser.getgroup("prism.pallas")
    group.addoption("--pallas-numpy", action="store_true", help="run every Pallas kernel on Prism's NumPy interpreter")
    group.addoption(
        "--pallas-numpy-mode",
        choices=("auto", "debug", "fast", "compiled"),
        default="auto",
        help="how --pallas-numpy and the fixture pallas_numpy interpret kernels",
    )


@pytest.fixture
def pallas_numpy(request: pytest.FixtureRequest) -> Iterator[None]:
    """Run the test's Pallas kernels on NumPy; their mistakes fail it at the kernel's line."""
    # Importing it loads JAX and installs the rerouting: a session that does not ask for it must not pay.
    from prism.pallas import interpret

    with interpret(mode=request.config.getoption("--pallas-numpy-mode")):
        yield


@pytest.fixture(autouse=True)
def _pallas_numpy_everywhere(request: pytest.FixtureRequest) -> None:
    if request.config.getoption("--pallas-numpy"):
        request.getfixturevalue("pallas_numpy")
