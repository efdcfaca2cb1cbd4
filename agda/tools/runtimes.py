"""Container runtimes, and the one command line with which each runs a program shut in an image."""

from __future__ import annotations

import json
import shutil
import subprocess
import tarfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from agda.tools.image import STORE, Image

_NOBODY: Final = "65534"
_ENVIRONMENT: Final = {"HOME": "/tmp", "Agda_datadir": "/usr/share/agda", "LC_ALL": "C.UTF-8", "PATH": "/usr/bin:/bin"}


class RuntimeUnusableError(Exception):
    """A runtime is absent, or cannot run the image here."""


@dataclass(frozen=True, slots=True)
class Runtime:
    """A runtime that holds the image: `command(source, program)` runs a program with `source` read-only at /proofs.

    Inside there is no network, no capability, no privilege to gain, the user is nobody, and only /tmp can be written.
    """

    name: str
    command: Callable[[Path, list[str]], list[str]]


def first_usable(image: Image, wanted: str | None = None) -> tuple[Runtime | None, list[str]]:
    """Return the first runtime that runs `true` in the image, in order of preference, and why others did not."""
    reasons: list[str] = []
    for name, prepare in _PREPARE.items():
        if wanted not in (None, name):
            continue
        try:
            return _probed(name, prepare(image)), reasons
        except RuntimeUnusableError as error:
            reasons.append(f"{name}: {error}")
    return None, reasons


def _probed(name: str, candidates: Iterator[Runtime]) -> Runtime:
    complaint = "not installed"
    for runtime in candidates:
        done = subprocess.run(runtime.command(Path("/usr"), ["true"]), capture_output=True, text=True, check=False)
        if done.returncode == 0:
            return runtime
        complaint = _last_line(done.stderr) or f"exit {done.returncode}"
    raise RuntimeUnusableError(f"{complaint} ({name} cannot run `true` in the image)")


def _last_line(text: str) -> str:
    return (text.strip().splitlines() or [""])[-1]


def _docker(image: Image) -> Iterator[Runtime]:
    docker = _require("docker")
    yield Runtime("docker", _engine([docker, "run"], [], _held(docker, image)))


def _podman(image: Image) -> Iterator[Runtime]:
    podman = _require("podman")
    tag = _held(podman, image)
    yield Runtime("podman", _engine([podman, "run"], [], tag))
    # Where crun may not raise limits or finds old control groups, runc with limits of its own works.
    limits = ["--ulimit", "nofile=1024:1024", "--ulimit", "nproc=1024:1024"]
    yield Runtime("podman+runc", _engine([podman, "--runtime", "runc", "run"], limits, tag))


def _held(engine: str, image: Image) -> str:
    """Return the tag under which the engine holds the image, importing it if need be; its one layer is checked."""
    tag = f"localhost/prism-agda:{image.digest[:16]}"
    layers = [f"sha256:{image.digest}"]
    if _layers(engine, tag) != layers:
        done = subprocess.run([engine, "import", str(image.archive), tag], capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise RuntimeUnusableError(_last_line(done.stderr))
        if _layers(engine, tag) != layers:
            raise RuntimeUnusableError(f"it must hold the layer {layers[0]} and holds {_layers(engine, tag)}")
    return tag


def _layers(engine: str, tag: str) -> list[str]:
    command = [engine, "image", "inspect", "--format", "{{json .RootFS.Layers}}", tag]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return json.loads(done.stdout) if done.returncode == 0 else []


def _engine(run: list[str], limits: list[str], tag: str) -> Callable[[Path, list[str]], list[str]]:
    shut = [
        *("--rm", "--network=none", "--read-only", "--cap-drop=ALL", "--security-opt=no-new-privileges"),
        *("--pull=never", f"--user={_NOBODY}:{_NOBODY}", "--tmpfs=/tmp", "--workdir=/tmp"),
        *(f"--env={name}={value}" for name, value in _ENVIRONMENT.items()),
    ]
    return lambda source, program: [*run, *shut, *limits, f"--volume={source}:/proofs:ro", tag, *program]


def _bubblewrap(image: Image) -> Iterator[Runtime]:
    bwrap = _require("bwrap")
    root = _unpacked(image)
    shut = [
        *("--unshare-all", "--die-with-parent", "--new-session", "--clearenv", "--cap-drop", "ALL"),
        *("--uid", _NOBODY, "--gid", _NOBODY, "--ro-bind", str(root), "/", "--proc", "/proc", "--dev", "/dev"),
        *("--tmpfs", "/tmp", "--chdir", "/tmp"),
        *(word for name, value in _ENVIRONMENT.items() for word in ("--setenv", name, value)),
    ]
    yield Runtime(
        "bubblewrap", lambda source, program: [bwrap, *shut, "--ro-bind", str(source), "/proofs", "--", *program]
    )


def _unpacked(image: Image) -> Path:
    """Return the image as a folder, unpacked anew from the checked archive if it is not there."""
    root = STORE / image.digest
    if not root.exists():
        partial = STORE / f"{image.digest}.partial"
        shutil.rmtree(partial, ignore_errors=True)
        with tarfile.open(image.archive) as archive:
            members = [member for member in archive if not member.isdev()]
            archive.extractall(partial, members=members, filter="tar")
        partial.rename(root)
    return root


def _require(name: str) -> str:
    found = shutil.which(name)
    if found is None:
        raise RuntimeUnusableError("not installed")
    return found


_PREPARE: Final[dict[str, Callable[[Image], Iterator[Runtime]]]] = {
    "docker": _docker,
    "podman": _podman,
    "bubblewrap": _bubblewrap,
}
