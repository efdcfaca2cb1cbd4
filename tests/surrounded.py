"""Commands, users and folders for `tests.surroundings`."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import BinaryIO, Final

import numpy as np

ROOT: Final = Path(__file__).resolve().parents[1]
NOBODY: Final = 65534
OUT: Final = "OUT"
"""Stands for the output in a command line."""
LIMIT_S: Final = 240
KERNEL: Final = """
import prism
from prism import DeviceArray, f32, i32, get_global_id


@prism.kernel
def double(a: DeviceArray[f32], c: DeviceArray[f32], n: i32):
    i = get_global_id()
    if i < n:
        c[i] = a[i] + a[i]
"""


@dataclass(frozen=True, slots=True)
class Command:
    """A command line; `endless` is one that cannot end by itself, and must refuse an output before it begins.

    is_same: whether two runs write the same bytes. is_folder: whether the output is a folder.
    """

    name: str
    arguments: tuple[str, ...]
    endless: tuple[str, ...] = ()
    is_same: bool = True
    is_folder: bool = False


def _w(text: str) -> tuple[str, ...]:
    return tuple(text.split())


WRITING: Final = (
    Command("compile", _w("compile k.py::double -o OUT"), _w("compile fifo.json -o OUT")),
    Command("compile artefact", _w("compile k.py::double --emit artefact -o OUT"), _w("compile fifo.json -o OUT")),
    Command("show", _w("show p.prism -o OUT"), _w("show fifo -o OUT")),
    Command("show program", _w("show p.prism --program -o OUT"), _w("show - --program -o OUT")),
    Command("circuit svg", _w("circuit show copy@c00->c01 --svg -o OUT"), _w("circuit show @fifo --svg -o OUT")),
    Command("circuit png", _w("circuit show copy@c00->c01 --png -o OUT"), _w("circuit show @fifo --png -o OUT")),
    Command("circuit run", _w("circuit run copy@c00->c01 c00=1,2 --save c01=OUT")),
    Command("isa asm", _w("isa asm k.isa -o OUT"), _w("isa asm fifo -o OUT")),
    Command("isa dis", _w("isa dis k.isa -o OUT"), _w("isa dis fifo -o OUT")),
    Command("theory complete", _w("theory complete group -o OUT"), _w("theory complete fifo -o OUT")),
    Command("aig strash", _w("aig strash and.aag -o OUT"), _w("aig strash fifo -o OUT")),
    Command("aig simplify", _w("aig simplify and.aag --ascii -o OUT"), _w("aig simplify fifo -o OUT")),
    Command("kernel run", _w("kernel run k.py::double a=@a.npy c=@OUT n=4")),
    Command(
        "run telemetry",
        _w("run p.prism --engine bsp --telemetry OUT"),
        _w("run fifo --engine bsp --telemetry OUT"),
        is_same=False,
    ),
    Command(
        "bench compare",
        _w("bench compare --workloads expr_small --runs 1 --out OUT"),
        _w("bench compare --runs 100000 --out OUT"),
        is_same=False,
    ),
    Command(
        "telemetry host",
        _w("telemetry host p.prism --iterations 1 --json-out OUT"),
        _w("telemetry host fifo --json-out OUT"),
        is_same=False,
    ),
    Command(
        "telemetry memory",
        _w("telemetry memory p.prism --iterations 1 --json-out OUT"),
        _w("telemetry memory fifo --json-out OUT"),
        is_same=False,
    ),
    Command("telemetry damage", _w("telemetry damage --base records --out OUT")),
    Command("telemetry baselines", _w("telemetry baselines --base records --out OUT")),
    Command("telemetry host summary", _w("telemetry host --base records --out OUT")),
    Command("build", _w("build k.py --out OUT"), _w("build fifo.isa --out OUT"), is_folder=True),
    Command("telemetry unpack", _w("telemetry unpack --zip z.zip --out-dir OUT"), is_folder=True),
)
"""Commands that write a file or a folder."""

PRINTING: Final = (
    *(Command(f"run {engine}", _w(f"run p.prism --engine {engine}")) for engine in ("ledger", "baseline", "bsp")),
    Command("run json", _w("run large.prism --format json --stats"), is_same=False),
    Command("run theory", _w("run g.prism --theory group --max-steps 99 --explain")),
    Command("repl", _w("repl")),
    Command("compile", _w("compile k.py::double")),
    Command("kernel run", _w("kernel run k.py::double a=@a.npy c=@c.npy n=4")),
    Command("show", _w("show p.prism")),
    Command("aig stats", _w("aig stats and.aag")),
    Command("aig strash", _w("aig strash and.aag -o -")),
    Command("aig same", _w("aig same and.aag and.aag")),
    Command("circuit canon", _w("circuit canon copy@c00->c01")),
    Command("circuit run", _w("circuit run copy@c00->c01 c00=1,2")),
    Command("circuit show", _w("circuit show copy@c00->c01 --isa")),
    Command("cache ls", _w("cache ls")),
    Command("cache verify", _w("cache verify")),
    Command("cache prune", _w("cache prune")),
    Command("bench intern", _w("bench intern --n 100 --runs 1"), is_same=False),
    Command("bench normalise", _w("bench normalise --workload sum --runs 1 --json"), is_same=False),
    Command("theory list", _w("theory list")),
    Command("theory rules", _w("theory rules peano")),
    Command("theory check", _w("theory check peano")),
    Command("theory complete", _w("theory complete group")),
    Command("isa table", _w("isa table")),
    Command("isa dis", _w("isa dis k.isa")),
    Command("isa verify", _w("isa verify k.isa")),
    Command("isa run", _w("isa run k.isa -b a=1,2,3,4 -b c=zeros:4 -s n=4 --grid 4")),
    Command("isa step", _w("isa step k.isa --trace -b a=1,2,3,4 -b c=zeros:4 -s n=4 --grid 4")),
    Command("conform", _w("conform cases.json")),
    Command("ring stress", _w("ring stress --jobs 1000 --kills 0 --workers 1 --tenants 1"), is_same=False),
    Command("ring top", _w("ring top nosuch")),
    Command("ring serve", _w("ring serve nosuch")),
    Command("help", _w("--help")),
)
"""Commands that print, ends on purpose among them."""
COMPILED: Final = (
    Command("run", _w("run large.prism")),
    Command("aig stats", _w("aig stats and.aag")),
    Command("show", _w("show p.prism --program")),
    Command("isa run", _w("isa run k.isa -e cpu -b a=1,2,3,4 -b c=zeros:4 -s n=4 --grid 4")),
)
"""Commands that keep compiled code from run to run, in Numba's cache or in Prism's own."""
FAST: Final = frozenset({"compile", "run telemetry", "build", "isa verify", "run ledger"})


@dataclass(frozen=True, slots=True)
class Ended:
    """How a run ended."""

    code: int
    out: bytes
    errors: str


@dataclass(frozen=True, slots=True)
class User:
    """Who runs commands, and what comes before them on the command line."""

    name: str
    before: tuple[str, ...]
    uid: int


def users() -> list[User]:
    """Return whoever runs this, and where that is root somebody who may write nothing but his own files."""
    found = [User("root" if os.getuid() == 0 else "user", (), os.getuid())]
    tool = shutil.which("setpriv")
    if os.getuid() == 0 and tool:
        # The interpreter may lie where only root may look: nobody is given the right to read, none to write.
        rights = ("--inh-caps=+dac_read_search", "--ambient-caps=+dac_read_search")
        found.append(
            User("nobody", (tool, f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups", *rights), NOBODY)
        )
    return found


class Place:
    """A folder of a user's own, with what the commands read."""

    def __init__(self, folder: Path, user: User) -> None:
        self.folder, self.user = folder, user
        (folder / "home").mkdir()
        (folder / "records").mkdir()
        texts = {
            "p.prism": "(def x (mul 3 4))\n(add x x) ; 24\n(suc zero)\n",
            "large.prism": "(mul 100 100)\n(add 1 2)\n",
            "g.prism": "(symbols a b)\n(m (i a) (m a b))\n",
            "k.py": KERNEL,
            "and.aag": "aag 3 2 0 1 1\n2\n4\n6\n6 2 4\n",
            "cases.json": json.dumps({"constants": {"SLOT_WORDS": 16}}),
        }
        for name, text in texts.items():
            (folder / name).write_text(text)
        np.save(folder / "a.npy", np.arange(4, dtype=np.float32))
        os.mkfifo(folder / "fifo")
        for name in ("fifo.json", "fifo.isa"):
            (folder / name).symlink_to(folder / "fifo")
        with zipfile.ZipFile(folder / "z.zip", "w") as archive:
            archive.writestr("page.md", "# page\n")
        self.give()
        done = self.run(_w("compile k.py::double -o k.isa"))
        assert done.code == 0, done.errors

    def give(self) -> None:
        """Make everything here the user's."""
        for path in (self.folder, *self.folder.rglob("*")):
            os.chown(path, self.user.uid, self.user.uid, follow_symlinks=False)

    def run(
        self,
        arguments: Sequence[str],
        *,
        stdout: int | None = None,
        out: str = "",
        limit_s: float = LIMIT_S,
        env: Mapping[str, str] = MappingProxyType({}),
    ) -> Ended:
        """Run a command here; OUT in its line becomes `out`. Standard input is a pipe that stays open if it is read."""
        line = [argument.replace(OUT, out) for argument in arguments]
        with tempfile.TemporaryFile() as said, _pipe_of(self.user) as (reading, writing):
            run = subprocess.Popen(
                [*self.user.before, sys.executable, "-m", "prism", *line],
                cwd=self.folder,
                env={
                    "PATH": os.environ["PATH"],
                    "PYTHONPATH": str(ROOT),
                    "HOME": str(self.folder / "home"),
                    "JAX_PLATFORMS": "cpu",
                    **env,
                },
                stdin=subprocess.PIPE if "-" in line else subprocess.DEVNULL,
                stdout=writing if stdout is None else stdout,
                stderr=said,
            )
            os.close(writing)
            got = list[bytes]()
            reader = threading.Thread(target=lambda: got.append(reading.read()), daemon=True)
            reader.start()
            try:
                run.wait(limit_s)
            except subprocess.TimeoutExpired:
                run.kill()
                run.wait()
                return Ended(-signal.SIGALRM, b"", f"it did not end within {limit_s:.0f} s")
            finally:
                if run.stdin is not None:
                    run.stdin.close()
                reader.join()
            said.seek(0)
            return Ended(run.returncode, got[0], said.read().decode(errors="replace"))


@contextmanager
def _pipe_of(user: User) -> Iterator[tuple[BinaryIO, int]]:
    """Yield both ends of a pipe that is a user's own, so that he may open /dev/stdout; the caller closes the second."""
    reading, writing = os.pipe()
    os.fchown(writing, user.uid, user.uid)
    with os.fdopen(reading, "rb") as stream:
        yield stream, writing
