"""CI, pre-commit and the installed hooks run the same commands, and zizmor agrees with our workflows."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from policy import settings, tree
from policy.shell import Script, parse
from tests.repo.source import ROOT

pytestmark = pytest.mark.m5

INSTALLER = ROOT / "scripts" / "install_policy_hooks.sh"
RUNNERS = (".venv/bin/", "scripts/", "make")
PROOFS = "scripts/check_agda_container.sh"
BASH = shutil.which("bash") or "bash"


def commands(script: Script) -> Iterator[str]:
    """Yield each command of a script that runs a tool of the project; how the proofs fall back is left out."""
    for pipeline in script:
        for command in pipeline:
            words = [word.text for word in command.words]
            if words[0].startswith(RUNNERS):
                yield PROOFS if words[0] == PROOFS else " ".join(words)


def of_file(path: Path) -> set[str]:
    """Return the commands of a shell script."""
    return set(commands(parse(path.read_text(encoding="utf-8"))))


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
def test_hooks_and_ci_run_the_same_commands(repository: Path) -> None:
    """The command sets of .ci/run, of ci.yml, of the pre-commit configuration and of the installed hooks are equal."""
    ci = of_file(ROOT / ".ci" / "run")
    assert len(ci) >= 8

    loaded = tree.load(ROOT, settings.read(ROOT / "policy" / "workflows.toml"))
    [workflow] = [one for one in loaded.workflows if one.path.endswith("/ci.yml")]
    runs = [step.run.text.strip() for job in workflow.jobs for step in job.steps if step.run]
    assert runs == ["bash .ci/run"]

    configured = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text(encoding="utf-8"))
    assert {
        one for repo in configured["repos"] for hook in repo["hooks"] for one in commands(parse(hook["entry"]))
    } == ci

    assert install(repository).returncode == 0
    hooks = repository / ".git" / "hooks"
    assert of_file(hooks / "pre-commit") | of_file(hooks / "pre-push") == ci


@pytest.mark.clause("POLICY-11")
def test_both_kinds_of_hooks_split_the_commands_alike(repository: Path) -> None:
    """What pre-commit runs before a push is what the installed pre-push hook runs."""
    configured = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text(encoding="utf-8"))
    hooks = [hook for repo in configured["repos"] for hook in repo["hooks"]]
    install(repository)
    pushed = {one for hook in hooks if hook.get("stages") == ["pre-push"] for one in commands(parse(hook["entry"]))}
    assert pushed == of_file(repository / ".git" / "hooks" / "pre-push")


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
    """Git runs the hook from the root; the commit lands if and only if every command succeeds."""
    install(repository)
    tools = repository / ".venv" / "bin"
    tools.mkdir(parents=True)
    for name in ("ruff", "pyright", "python", "zizmor", "docflow"):
        (tools / name).write_text(f"#!/bin/sh\nexit {status if name == 'docflow' else 0}\n", encoding="utf-8")
        (tools / name).chmod(0o755)
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
