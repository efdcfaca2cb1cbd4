"""The bench of the instruction set: every case runs, contenders agree, rows say what they are."""

from __future__ import annotations

import pytest

from prism.bench import isa, isa_programs
from prism.bench.harness import Row
from prism.errors import UsageError

pytestmark = [pytest.mark.m8, pytest.mark.slow]


def rows(case: str, *sizes: int) -> list[Row]:
    """Return the rows of one run of a case."""
    return list(isa.isa_bench([case], sizes, 1))


def test_contenders_of_a_stream_agree() -> None:
    """Ours, JAX's, Numba's and NumPy's results are equal, or the bench says that they are not."""
    found = rows("chain", 1000)
    assert [row.impl for row in found] == [
        "prism cpu",
        "prism xla cpu",
        "prism pallas",
        "jax.jit cpu",
        "numba",
        "numpy",
    ]
    timed = [row for row in found if row.impl != "prism pallas"]
    assert all(row.runs == 1 and row.unit == "B/s" for row in timed)
    assert [row.unit for row in found if row.runs == 0] == [
        "missing: without a GPU pallas checks programs in NumPy, which is not timed"
    ]


def test_sums_agree_below_and_above_a_stripe() -> None:
    """One launch for a short sum, two for a long one."""
    found = rows("reduce", 1000, 2 * isa_programs.STRIPE)
    assert [row.case for row in found[::4]] == ["reduce, n=1000", f"reduce, n={2 * isa_programs.STRIPE}"]


def test_launches_and_look_ups_are_counted() -> None:
    """A row of a thousand launches has a rate of launches; the graph is the first row."""
    found = rows("launch")
    assert found[0].impl == "prism graph"
    assert {row.unit for row in found} == {"launches/s", "look-ups/s"}
    assert all(row.rate is not None and row.rate > 1000 for row in found)


@pytest.mark.slow
def test_a_process_with_an_artefact_is_beside_its_peers() -> None:
    """Each process makes its launch and checks what it gave."""
    found = rows("cold")
    assert [row.impl for row in found[:3]] == ["prism from artefact", "prism compiling", "jax.jit"]
    assert all(row.runs == 1 for row in found)


def test_an_unknown_case_is_refused() -> None:
    """The message names the cases there are."""
    with pytest.raises(UsageError, match="no case of this bench is called 'speed'; choose among launch, cold"):
        rows("speed")
