"""Run JAX's own Pallas tests through prism.pallas and print what passes, next to a stock run of the same tests.

Usage: python scripts/run_jax_pallas_tests.py PATH_TO_JAX_CHECKOUT [--files pallas_test ...] [--every N] [--json]

The checkout must be at the tag of the installed jax. Needs absl-py besides the test extra.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))
from tests.jax_suite import compare as jax_suite


def main() -> None:
    """Parse the command line, run each file stock and through us, and print the reports."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("checkout", type=Path, help="root of a JAX checkout at the installed version's tag")
    parser.add_argument("--files", nargs="*", default=(), help="test files without .py; all by default")
    parser.add_argument("--every", type=int, default=1, help="run each n-th test only")
    parser.add_argument("--timeout", type=float, default=3600.0, help="seconds for one file and interpreter")
    parser.add_argument("--params", type=json.loads, default={}, help='JSON for interpret(), e.g. {"mode": "debug"}')
    parser.add_argument("--json", action="store_true", help="one JSON line a file in place of the table")
    arguments = parser.parse_args()
    checkout = arguments.checkout.resolve()
    reports = []
    for file in arguments.files or jax_suite.files(checkout):
        selection = jax_suite.Selection(checkout, file, every=arguments.every, timeout_s=arguments.timeout)
        reports.append(jax_suite.examine(selection, arguments.params))
        if arguments.json:
            print(jax_suite.as_json(reports[-1]), flush=True)
    if not arguments.json:
        print(jax_suite.table(reports))


if __name__ == "__main__":
    main()
