"""CI, pre-commit and the installed hooks run the same commands, and zizmor agrees with our workflows."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from policy import settings, tree
from tests.repo.source import ROOT

pytestmark = pytest.mark.m5

INSTALLER = ROOT / "scripts" / "install_policy_hooks.sh"
BASH = shutil.which("bash") or "bash"
CHECKS = {"make lint", "make test", "make proofs"}


def of_file(path: Path) -> set[str]:
    """Return the checks that a shell script runs; what is done with their output is left out."""
    lines = path.read_text(encoding="utf-8").splitlines()
    return {line.partition(" | ")[0] for line in lines if line.startswith("make ")}


def git(folder: Path, *arguments: str) -> None:
    """Run git in `folder`."""
    subprocess.run(["git", *arguments], cwd=folder, check=True, capture_output=True)


def install(folder: Path) -> subprocess.CompletedProcess[str]:
    """Run the installer in `folder`."""
    return subprocess.run([BASH, str(INSTALLER)], cwd=folder, capture_output=True, text=True, check=False)


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """Return an empty git repository."""
    git(tmp_path, "init", "--quiet")
    return tmp_path


@pytest.mark.clause("POLICY-11")
def test_hooks_and_ci_run_the_same_checks(repository: Path) -> None:
    """.ci/run, which ci.yml runs, the pre-commit configuration and the installed hooks run three targets of make."""
    assert of_file(ROOT / ".ci" / "run") == CHECKS

    loaded = tree.load(ROOT, settings.read(ROOT / "policy" / "workflows.toml"))
    [workflow] = [one for one in loaded.workflows if one.path.endswith("/ci.yml")]
    runs = [step.run.text.strip() for job in workflow.jobs for step in job.steps if step.run]
    assert runs == ["bash .ci/run"]

    configured = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text(encoding="utf-8"))
    hooks = [hook for repo in configured["repos"] for hook in repo["hooks"]]
    assert {hook["entry"] for hook in hooks} == CHECKS

    assert install(repository).returncode == 0
    installed = {name: of_file(repository / ".git" / "hooks" / name) for name in ("pre-commit", "pre-push")}
    pushed = {hook["entry"] for hook in hooks if hook.get("stages") == ["pre-push"]}
    assert installed == {"pre-commit": CHECKS - pushed, "pre-push": pushed}


@pytest.mark.clause("POLICY-11")
def test_installing_twice_is_installing_once(repository: Path) -> None:
    """The second run leaves the same bytes, executable, and nothing beside them."""
    hooks = repository / ".git" / "hooks"
    before = {path.name for path in hooks.glob("*")}
    first = install(repository)
    bytes_of = {name: (hooks / name).read_bytes() for name in ("pre-commit", "pre-push")}
    second = install(repository)
    assert (first.returncode, second.returncode, first.stdout) == (0, 0, second.stdout)
    assert {path.name for path in hooks.glob("*")} == before | set(bytes_of)
    assert all((hooks / name).read_bytes() == data for name, data in bytes_of.items())
    assert all((hooks / name).stat().st_mode & 0o111 == 0o111 for name in bytes_of)


@pytest.mark.clause("POLICY-11")
def test_a_foreign_hook_is_left_alone(repository: Path) -> None:
    """If either hook is somebody else's, neither is written and the message says what to do."""
    foreign = repository / ".git" / "hooks" / "pre-push"
    foreign.parent.mkdir(exist_ok=True)
    foreign.write_text("#!/bin/sh\nexit 0\n", encoding="utf-8")
    result = install(repository)
    assert result.returncode == 1
    assert "is not ours and stays; nothing was installed: move it away, then run this again" in result.stderr
    assert foreign.read_text(encoding="utf-8") == "#!/bin/sh\nexit 0\n"
    assert not (repository / ".git" / "hooks" / "pre-commit").exists()


@pytest.mark.clause("POLICY-11")
@pytest.mark.parametrize("status", [0, 1])
def test_an_installed_hook_stops_a_commit_when_a_command_fails(repository: Path, status: int) -> None:
    """Git runs the hook from the root; the commit lands if and only if the checks succeed."""
    install(repository)
    (repository / "Makefile").write_text(f"lint:\n\t@exit {status}\n", encoding="utf-8")
    identity = ["-c", "user.name=a", "-c", "user.email=a@example.org"]
    result = subprocess.run(
        ["git", *identity, "commit", "--allow-empty", "--message", "x"],
        cwd=repository,
        capture_output=True,
        check=False,
    )
    assert (result.returncode == 0) is (status == 0)


@pytest.mark.clause("POLICY-12")
def test_zizmor_has_no_finding() -> None:
    """The second opinion reads our workflows without the network and finds nothing."""
    zizmor = Path(sys.executable).with_name("zizmor")
    result = subprocess.run(
        [str(zizmor), "--offline", str(ROOT / ".github" / "workflows")], capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stdout


@pytest.mark.clause("POLICY-12")
def test_zizmor_is_pinned_and_does_find(tmp_path: Path) -> None:
    """It is pinned, and a workflow that it knows to be wrong fails it: silence is not blindness."""
    assert "\nzizmor==" in (ROOT / "constraints.txt").read_text(encoding="utf-8")
    path = tmp_path / "w.yml"
    path.write_text(
        "on: pull_request_target\njobs:\n  a:\n    runs-on: ubuntu-24.04\n    steps: [{uses: actions/checkout@v4}]\n",
        encoding="utf-8",
    )
    zizmor = Path(sys.executable).with_name("zizmor")
    result = subprocess.run([str(zizmor), "--offline", str(path)], capture_output=True, text=True, check=False)
    assert result.returncode != 0
    assert "dangerous-triggers" in result.stdout
