"""Jobs on our own machines: which they are, what starts them, and what guards them."""

from __future__ import annotations

import pytest

from tests.unit.policy.trees import OWN, Check, workflow

pytestmark = pytest.mark.m5

GUARDS_THAT_FAIL = (
    "github.actor == github.repository_owner || true",
    "true || github.actor == github.repository_owner",
    "!(github.actor == github.repository_owner)",
    "!(github.actor != github.repository_owner)",
    "github.actor != github.repository_owner",
    "(github.actor == github.repository_owner || github.ref == 'refs/heads/main') && always()",
    "format('{0}', github.actor == github.repository_owner)",
    "contains('github.actor == github.repository_owner', github.actor)",
    "'github.actor == github.repository_owner'",
    "github.actor == github.repository_owner == false",
    "${{ github.actor == github.repository_owner }} && true",
    "${{ github.actor == github.repository_owner }} || true",
    "${{ github.actor == github.repository_owner }}${{ false }}",
    "github.triggering_actor == github.repository_owner",
    "github.actor == github.actor",
    "github.actor == 'github.repository_owner'",
    "github.actor == github['repository' ]",
    "github.actor == github.repository_owner &&",
    "github.actor == github.repository_owner # && true",
    "env.actor == github.repository_owner",
    "",
)
GUARDS_THAT_HOLD = (
    "github.actor == github.repository_owner",
    "${{ github.actor == github.repository_owner }}",
    "github.repository_owner==github.actor",
    "github.ref == 'refs/heads/main' && github.actor == github.repository_owner && !cancelled()",
    "((github.actor == github.repository_owner)) && (false || true)",
    "GitHub.Actor == github['repository_owner']",
)


@pytest.mark.clause("POLICY-4")
@pytest.mark.parametrize("guard", GUARDS_THAT_FAIL)
def test_a_guard_that_is_no_conjunct_is_found(check: Check, guard: str) -> None:
    """A condition that can be true for another actor guards nothing, however much it looks like the guard."""
    quoted = guard.replace("'", "''")
    text = workflow(f"runs-on: [self-hosted, gpu, local]\n    if: '{quoted}'\n    steps: [{{run: make}}]")
    assert check(ci=text) == ["self-hosted-guard"]


@pytest.mark.clause("POLICY-4")
@pytest.mark.parametrize("guard", GUARDS_THAT_HOLD)
def test_a_guard_that_is_a_conjunct_passes(check: Check, guard: str) -> None:
    """Order, brackets, letter case, index syntax and further operands do not matter."""
    quoted = guard.replace("'", "''")
    text = workflow(f"runs-on: [self-hosted, gpu, local]\n    if: '{quoted}'\n    steps: [{{run: make}}]")
    assert check(ci=text) == []


@pytest.mark.clause("POLICY-4")
@pytest.mark.parametrize(
    "on",
    [
        "push:",
        "push: {branches: ['**']}",
        "push: {branches: [main, feature]}",
        "push: {branches: []}",
        "push: {branches-ignore: [feature]}",
        "push: {branches: [main], tags: ['*']}",
        "push: {branches: [main]}\n  pull_request:",
        "push: {branches: [main]}\n  workflow_dispatch:",
        "pull_request_target: {branches: [main]}",
        "schedule: [{cron: '0 0 * * *'}]",
    ],
)
def test_any_event_but_a_trusted_push_is_found(check: Check, on: str) -> None:
    """Tags, globs, ignore lists, other branches and other events all let more through than a trusted push."""
    assert check(ci=workflow(f"{OWN}\n    steps: [{{run: make}}]", on=on)) == ["self-hosted-trigger"]


@pytest.mark.clause("POLICY-4")
@pytest.mark.parametrize("on", ["push", "[push, pull_request]"])
def test_an_unfiltered_event_is_found(check: Check, on: str) -> None:
    """A bare event word or list has no branches, so it is never limited to trusted ones."""
    text = f"on: {on}\npermissions: {{contents: read}}\njobs:\n  work:\n    {OWN}\n    steps: [{{run: make}}]\n"
    assert set(check(ci=text)) == {"self-hosted-trigger"}


RUNS_ON = {
    "ubuntu-24.04": [],
    "Ubuntu-24.04": [],
    "[ubuntu-24.04]": [],
    "{labels: ubuntu-24.04}": [],
    "${{ vars.RUNNER }}": ["runner-known"],
    "${{ matrix.os }}": ["runner-known"],
    "${{ github.event_name == 'push' && 'self-hosted' || 'ubuntu-24.04' }}": ["runner-known"],
    "[self-hosted, '${{ inputs.label }}']": ["runner-known"],
    "{group: '${{ vars.GROUP }}'}": ["runner-known"],
    "{}": ["runner-known"],
    "gpu": ["self-hosted-guard", "self-hosted-labels"],
    "[ubuntu-24.04, gpu]": ["self-hosted-guard", "self-hosted-labels"],
    "[]": ["self-hosted-guard", "self-hosted-labels"],
    "{group: ours}": ["self-hosted-guard", "self-hosted-labels"],
    "{group: ours, labels: [self-hosted, gpu, local]}": ["self-hosted-guard"],
    "[Self-Hosted, GPU, local]": ["self-hosted-guard"],
}


@pytest.mark.clause("POLICY-3")
@pytest.mark.clause("CHECKER-2")
@pytest.mark.parametrize("runs_on", RUNS_ON)
def test_every_form_of_runs_on_is_judged(check: Check, runs_on: str) -> None:
    """Words, lists, groups and expressions: what is not plainly hosted is ours, what nobody can know is a finding."""
    found = check(ci=workflow(f"runs-on: {runs_on}\n    steps: [{{run: make}}]"))
    assert sorted(found) == RUNS_ON[runs_on]


MATRICES = {
    "{os: [ubuntu-24.04, ubuntu-22.04]}": set(),
    "{os: [ubuntu-24.04], include: [{os: ubuntu-22.04, x: 1}]}": set(),
    "{os: [ubuntu-24.04], include: [{x: 1}]}": set(),
    "{include: [{os: ubuntu-24.04}]}": set(),
    "{os: [ubuntu-24.04, gpu]}": {"self-hosted-guard", "self-hosted-labels"},
    "{os: [ubuntu-24.04, [self-hosted, gpu, local]]}": {"self-hosted-guard"},
    "{os: [ubuntu-24.04], include: [{os: gpu}]}": {"self-hosted-guard", "self-hosted-labels"},
    "{os: '${{ fromJSON(vars.OS) }}'}": {"runner-known"},
    "{os: ['${{ vars.OS }}']}": {"runner-known"},
    "{os: [ubuntu-24.04], include: '${{ fromJSON(vars.OS) }}'}": {"runner-known"},
    "'${{ fromJSON(vars.M) }}'": {"runner-known"},
    "{include: [{os: ubuntu-24.04}, {x: 1}]}": {"runner-known"},
}


@pytest.mark.clause("POLICY-3")
@pytest.mark.clause("CHECKER-2")
@pytest.mark.parametrize("matrix", MATRICES)
def test_a_matrix_stands_for_each_value_that_the_file_lists(check: Check, matrix: str) -> None:
    """One self-hosted value makes the job ours; one value from outside the file makes it unknown."""
    job = f"strategy: {{matrix: {matrix}}}\n    runs-on: ${{{{ matrix.os }}}}\n    steps: [{{run: make}}]"
    assert set(check(ci=workflow(job))) == MATRICES[matrix]


@pytest.mark.clause("POLICY-3")
@pytest.mark.clause("CHECKER-2")
def test_a_nested_matrix_value_is_followed(check: Check) -> None:
    """`matrix.machine.labels` is looked up in each value of the axis."""
    matrix = "{machine: [{labels: ubuntu-24.04}, {labels: [self-hosted, gpu]}]}"
    job = f"strategy: {{matrix: {matrix}}}\n    runs-on: ${{{{ matrix.machine.labels }}}}\n    steps: [{{run: make}}]"
    assert set(check(ci=workflow(job))) == {"self-hosted-guard", "self-hosted-labels"}
