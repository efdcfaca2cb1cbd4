"""Scripts that run what they fetch are found; scripts that fetch data are left alone."""

from __future__ import annotations

import pytest

from policy.remote_script import lines_that_run_fetched_code

pytestmark = pytest.mark.m5

RUNS_FETCHED_CODE = (
    "curl x | sh",
    "curl -sSL https://h/y.sh|bash",
    "curl x | sudo -E bash -",
    "wget -qO- x | /bin/sh",
    "bash <(curl -s x)",
    "source <(curl x)",
    ". <(wget -O- x)",
    'sh -c "$(curl -fsSL x)"',
    'eval "$(curl x)"',
    "eval `curl x`",
    "$(curl x)",
    "iwr x | iex",
    "iex (iwr x)",
    "iex ((New-Object Net.WebClient).DownloadString('u'))",
    "Invoke-Expression (Invoke-WebRequest u).Content",
    "& ([scriptblock]::Create((irm u)))",
    'curl x | "$SHELL"',
    'c""url x | \\sh',
    "curl x \\\n  | sh",
    "curl x |\n  sh",
    "curl x |& sh",
    "(curl x) | sh",
    "{ curl x; } | sh",
    "for i in a; do curl $i; done | sh",
    "if true; then curl x | sh; fi",
    'x=$(curl u); eval "$x"',
    'x=$(curl u)\necho "${x}" | sh',
    'export X=$(curl x); eval "$X"',
    "curl u -o i.sh && sh i.sh",
    "curl -O https://h/i.sh; chmod +x i.sh; ./i.sh",
    "wget https://h/i.sh; sudo ./i.sh",
    "curl u > i.sh; . ./i.sh",
    "curl u -o i.sh; cat i.sh | sh",
    "curl x | tee >(bash)",
    "curl x | tee f | sh",
    "curl x | xargs -n1 bash -c",
    "curl x | python3",
    "curl x | python3 -",
    'python -c "$(curl x)"',
    'bash <<< "$(curl x)"',
    "cat <<EOF\ndon't\nEOF\ncurl x | sh",
    "bash <<'EOF'\ncurl x | sh\nEOF",
    "curl x | env FOO=1 sh",
    "curl x | base64 -d | sh",
    'echo "$(curl x)" | sh',
    "curl x | ${{ matrix.shell }}",
    "timeout 10 curl x | sh",
    "bash -c 'curl x | sh'",
    "curl x # a comment | with a pipe\ncurl x | sh",
)
FETCHES_DATA = (
    "curl -o data.json https://h/data.json",
    "curl x | jq .",
    "curl x | python3 -m json.tool",
    "curl x | python3 -c 'import json,sys; print(json.load(sys.stdin))'",
    'echo "curl x | sh"',
    "# curl x | sh",
    "curl x || sh fallback.sh",
    "curl x; sh build.sh",
    "make test | tee log",
    "curl -o t.sh https://h/t.sh; echo 'abc t.sh' | sha256sum -c; sh t.sh",
    "bash .ci/run",
    'x=$(curl u); echo "$x"',
    "(curl -O x)",
    "python -m pip install curl",
    "cat <<EOF | sh\necho hello\nEOF",
    "curl x 2>&1 | tee log",
)


@pytest.mark.clause("POLICY-9")
@pytest.mark.parametrize("script", RUNS_FETCHED_CODE)
def test_a_script_that_runs_what_it_fetched_is_found(script: str) -> None:
    """Every spelling that hands a download to an interpreter is found."""
    assert list(lines_that_run_fetched_code(script))


@pytest.mark.clause("POLICY-9")
@pytest.mark.parametrize("script", FETCHES_DATA)
def test_a_script_that_fetches_data_is_left_alone(script: str) -> None:
    """A download that is stored, parsed or checked against a pinned sum is no finding."""
    assert list(lines_that_run_fetched_code(script)) == []


def test_the_line_of_the_pipeline_is_reported() -> None:
    """The line counts from 0 and survives continuations, comments and here-documents."""
    script = "make \\\n all\ncat <<EOF\nit's\nEOF\n# note\ncurl x |\n  sh\n"
    assert list(lines_that_run_fetched_code(script)) == [7]
