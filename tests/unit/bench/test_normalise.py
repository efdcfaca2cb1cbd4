"""The bench of normalisation: its workloads mean what they say, and its rows hold every contender."""

from __future__ import annotations

import json
from dataclasses import fields

import pytest
from click.testing import CliRunner

from prism.bench.harness import Row
from prism.bench.normalise import normalise_bench
from prism.bench.workloads import WORKLOADS
from prism.cli.bench import bench
from prism.errors import UsageError
from prism.vm.engines.api import Limits
from prism.vm.engines.table import ENGINES, open_engine
from prism.vm.term.denote import denote
from prism.vm.term.graph import numerals
from prism.vm.term.parse import read_text

pytestmark = pytest.mark.m1

LARGEST = {
    "product": 64 * 64,
    "products": 144,
    "shared-zero": 0,
    "shared-one": 1 << 12,
    "chain": 1000,
    "sum": 2000,
    "same": 16,
}


@pytest.mark.parametrize("name", WORKLOADS)
def test_a_workload_is_the_program_that_its_name_says(name) -> None:
    """Each parses, is worth what it says, and the default engine agrees with what it denotes."""
    terms = read_text(WORKLOADS[name].text()).graph
    values = denote(terms)
    assert max(values) == LARGEST.get(name, max(values))
    result = open_engine("ledger", Limits()).normalise(terms).result
    assert numerals(result)[result.roots].tolist() == values


@pytest.mark.clause("BENCH-1")
@pytest.mark.clause("BENCH-6")
def test_json_rows_hold_every_engine_and_peer() -> None:
    """One workload gives one line for each contender, with the keys that the design states."""
    arguments = ["normalise", "--workload", "shared-zero", "--runs", "1", "--json"]
    result = CliRunner().invoke(bench, arguments, catch_exceptions=False)
    rows = [json.loads(line) for line in result.stdout.splitlines()]
    assert all(list(row) == [field.name for field in fields(Row)] for row in rows)
    assert [row["impl"] for row in rows] == [
        *(f"prism {engine}" for engine in ENGINES),
        *("egglog", "egglog, terms loaded before"),
        *("prism run (process)", "maude (process)", "swi-prolog (process)"),
    ]
    assert {row["case"] for row in rows} == {"shared-zero"}


def test_an_unknown_workload_is_refused_with_the_names() -> None:
    """A misspelt workload is a usage error that lists what there is."""
    with pytest.raises(UsageError, match=r"a workload must be one of balanced, .*, got sums; choose among them"):
        list(normalise_bench(["sums"], 1))
