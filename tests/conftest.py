"""What every test runs under: strict JAX promotion, one hypothesis profile, milestone selection."""

from __future__ import annotations

import os
import sys

from hypothesis import HealthCheck, settings

pytest_plugins = ["pytester", "tests.milestones"]

# Through the environment, so that a test which never needs JAX never pays for its import.
os.environ.setdefault("JAX_NUMPY_DTYPE_PROMOTION", "strict")
if "jax" in sys.modules:  # A plugin was faster: JAX has read its environment.
    sys.modules["jax"].config.update("jax_numpy_dtype_promotion", "strict")

settings.register_profile("prism", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("ci", parent=settings.get_profile("prism"), derandomize=True, print_blob=True)
# pytest --hypothesis-profile deep: twenty times the examples, by hand.
settings.register_profile("deep", parent=settings.get_profile("prism"), max_examples=2000)
settings.load_profile("ci" if "CI" in os.environ else "prism")
