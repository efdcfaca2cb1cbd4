"""Check every proof in the pinned image, shut off from network and host; `scripts/check_agda_container.sh` runs this.

Exit: 0 all proofs hold, 1 a proof does not, 3 not run for want of a runtime or of the image's builder, 4 drift.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Final

from agda.tools import host
from agda.tools.files import AGDA_ROOT, copy_sources, modules, say
from agda.tools.image import DriftError, pinned_image, recipe
from agda.tools.runtimes import Runtime, first_usable

HOLDS, FAILS, NOT_RUN, DRIFT = 0, 1, 3, 4

_INSIDE: Final = (
    "mkdir agda && cp -r /proofs/Prism /proofs/Everything.agda /proofs/prism.agda-lib agda && cd agda && "
    f"agda --version && agda {' '.join(host.FLAGS)} Everything.agda"
)

_FALSEHOOD: Final = "\nopen import Prism.Logic.Base\n\nfalsehood : true ≡ false\nfalsehood = refl\n"


def main(arguments: list[str]) -> int:
    """Check the proofs and say where; the last line counts the modules."""
    parser = argparse.ArgumentParser(prog="scripts/check_agda_container.sh", description=__doc__)
    parser.add_argument("--runtime", choices=("docker", "podman", "bubblewrap"), help="use this runtime or none")
    parser.add_argument("--allow-host", action="store_true", help=f"without a container, use agda=={host.VERSION}")
    parser.add_argument("--accept-drift", action="store_true", help="use the image of today's archive if it changed")
    parser.add_argument("--source", type=Path, default=AGDA_ROOT, help="folder of the proofs")
    options = parser.parse_args(arguments)
    source = options.source.resolve()
    try:
        image = pinned_image(recipe(), accept_drift=options.accept_drift)
        runtime, reasons = first_usable(image, options.runtime)
        if runtime is not None:
            for reason in reasons:
                say(f"passed over {reason}")
            return _in_container(runtime, source, f"sha256:{image.digest}")
    except DriftError as error:
        say(error, error=True)
        return DRIFT
    except host.ToolMissingError as error:
        reasons = [str(error)]
    if options.allow_host:
        done = host.check_sources(source)
        where = f"host agda=={host.VERSION}, no container"
        return _verdict(f"{host.version()}\n{done.output}", done.accepted, source, where)
    say(f"agda: not run: no container ({'; '.join(reasons)}); pass --allow-host to use agda=={host.VERSION}")
    return NOT_RUN


def _in_container(runtime: Runtime, source: Path, digest: str) -> int:
    done, where = _check(runtime, source), f"{runtime.name} {digest}"
    verdict = _verdict(done.stdout + done.stderr, done.returncode == 0, source, where)
    if verdict == HOLDS and not _rejects_falsehood(runtime, source):
        say(f"agda: a planted falsehood was accepted in {where}; nothing that it accepts can be trusted", error=True)
        return FAILS
    return verdict


def _check(runtime: Runtime, source: Path) -> subprocess.CompletedProcess[str]:
    command = runtime.command(source, ["sh", "-euc", _INSIDE])
    return subprocess.run(command, capture_output=True, text=True, check=False)


def _rejects_falsehood(runtime: Runtime, source: Path) -> bool:
    """Return whether the same check fails for the reason it should when the proofs end in a false one."""
    with tempfile.TemporaryDirectory() as folder:
        copy = copy_sources(Path(folder) / "agda", source)
        with (copy / "Everything.agda").open("a", encoding="utf-8") as stream:
            stream.write(_FALSEHOOD)
        done = _check(runtime, copy)
    return done.returncode != 0 and "true != false" in done.stdout


def _verdict(output: str, accepted: bool, source: Path, where: str) -> int:
    version = next((line for line in output.splitlines() if line.startswith("Agda version")), "")
    say(f"runtime: {where}\n{version}")
    if not accepted:
        say(f"{output}\nagda: the check failed in {where}", error=True)
        return FAILS
    missed = sorted(set(modules(source)) - set(host.checked_modules(output)))
    if missed:
        say(f"agda: Everything.agda must import every module, and lacks {', '.join(missed)}", error=True)
        return FAILS
    say(f"agda: {len(modules(source))} modules checked in {where}")
    return HOLDS


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
