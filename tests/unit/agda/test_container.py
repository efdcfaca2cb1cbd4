"""The container check: the order of runtimes, its exit statuses, and that it can fail."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from agda.tools import container, image
from agda.tools.files import copy_sources, modules
from agda.tools.image import DriftError, Image
from agda.tools.runtimes import first_usable

pytestmark = [pytest.mark.m5, pytest.mark.clause("TRUSTED-5")]

LIMITED = """#!/bin/sh
case "$*" in
    *image\\ inspect*) echo '{layers}' ;;
    *"--runtime runc"*"--ulimit nofile"*) exit 0 ;;
    *) echo 'setrlimit: Operation not permitted' >&2; exit 126 ;;
esac
"""


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the one folder on PATH, empty; the store of images is empty as well."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))
    monkeypatch.setattr(image, "STORE", tmp_path / "store")
    return folder


def install(folder: Path, name: str, script: str) -> None:
    """Put a program on the path."""
    (folder / name).write_text(script, encoding="utf-8")
    (folder / name).chmod(0o755)


def test_without_a_runtime_it_does_not_run(programs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """With nothing installed the status is 3 and the message says so; it is never taken for success."""
    assert list(programs.iterdir()) == []
    assert container.main([]) == container.NOT_RUN
    said = capsys.readouterr().out
    assert said.startswith("agda: not run: no container (mmdebstrap must be installed and was not found")
    assert "pass --allow-host to use agda==2.7.0" in said


@pytest.mark.slow
def test_the_host_is_used_when_allowed(programs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """With --allow-host the proofs are checked by the PyPI package, and the last line says that it was no container."""
    assert list(programs.iterdir()) == []
    assert container.main(["--allow-host"]) == container.HOLDS
    last = capsys.readouterr().out.splitlines()[-1]
    assert last == f"agda: {len(modules())} modules checked in host agda==2.7.0, no container"


@pytest.mark.usefixtures("programs")
@pytest.mark.slow
def test_a_false_proof_fails(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A false statement among the proofs gives status 1 and Agda's own message."""
    source = copy_sources(tmp_path / "agda")
    with (source / "Prism" / "Nat" / "Properties.agda").open("a", encoding="utf-8") as stream:
        stream.write("\nfalsehood : 0 ≡ 1\nfalsehood = refl\n")
    assert container.main(["--allow-host", "--source", str(source)]) == container.FAILS
    said = capsys.readouterr().err
    assert "0 != 1 of type Nat" in said or "zero != 1 of type Nat" in said
    assert "agda: the check failed in host agda==2.7.0" in said


@pytest.mark.usefixtures("programs")
@pytest.mark.slow
def test_a_module_that_is_not_imported_fails(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A module that Everything does not import would go unchecked, so it is an error."""
    source = copy_sources(tmp_path / "agda")
    (source / "Prism" / "Lonely.agda").write_text("module Prism.Lonely where\n", encoding="utf-8")
    assert container.main(["--allow-host", "--source", str(source)]) == container.FAILS
    assert "Everything.agda must import every module, and lacks Prism.Lonely" in capsys.readouterr().err


@pytest.mark.usefixtures("programs")
def test_drift_has_its_own_status(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """Drift of the archive is reported with status 4, even where the host would be allowed."""

    def drifted(*_args: object, **_options: object) -> Image:
        raise DriftError("drift: expected X, built Y")

    monkeypatch.setattr(container, "pinned_image", drifted)
    assert container.main(["--allow-host"]) == container.DRIFT
    assert "drift: expected X, built Y" in capsys.readouterr().err


def test_podman_falls_back_to_runc_with_limits(programs: Path, tmp_path: Path) -> None:
    """Where podman's own runtime may not set limits, runc with explicit ones is used; docker is passed over by name."""
    held = Image(tmp_path / "image.tar", "a" * 64)
    install(programs, "podman", LIMITED.format(layers=json.dumps([f"sha256:{held.digest}"])))
    runtime, reasons = first_usable(held)
    assert runtime is not None
    assert runtime.name == "podman+runc"
    assert reasons == ["docker: not installed"]
    line = " ".join(runtime.command(tmp_path, ["true"]))
    for shut in ("--network=none", "--read-only", "--cap-drop=ALL", "--user=65534:65534", ":/proofs:ro"):
        assert shut in line


def test_an_engine_with_other_layers_is_refused(programs: Path, tmp_path: Path) -> None:
    """An engine whose image is not the pinned bytes is not used, whatever its tag says."""
    held = Image(tmp_path / "image.tar", "a" * 64)
    install(programs, "docker", '#!/bin/sh\ncase "$*" in *image\\ inspect*) echo \'["sha256:other"]\' ;; esac\n')
    runtime, reasons = first_usable(held, "docker")
    assert runtime is None
    assert reasons == [f"docker: it must hold the layer sha256:{'a' * 64} and holds ['sha256:other']"]
