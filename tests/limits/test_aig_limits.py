"""Damaged AIGER files: refused with their place, or read as a plain reading does, never in much time or memory."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from random import Random

import pytest

from prism.aig.circuit import Circuit
from prism.aig.errors import AigerError
from prism.aig.read import read
from prism.aig.strash import simplify
from prism.aig.write import write
from prism.cli.main import main
from tests.aigs import NotAigerError, evaluate, plain_roots, plainly_read, random_circuit, shuffled_ascii

pytestmark = [pytest.mark.m7, pytest.mark.clause("AIG-2")]

CASES = 2400
NUMBERS = (0, 1, 2, 3, 7, 12, 10**6, 2**27 - 1, 10**9, 2**31)
_PLACE = re.compile(r"^f(:\d+)?, byte \d+: expected .+, found .+; mend the file, or write it again$")
_LIMIT_BYTES = 2 << 30
_PEAK = """
import sys
from pathlib import Path
from prism.aig.errors import AigerError
from prism.aig.read import read
from prism.aig.strash import simplify
for path in sorted(Path(sys.argv[1]).iterdir()):
    try:
        simplify(read(path.read_bytes(), path.name))
    except AigerError:
        pass
# Not ru_maxrss: a process begins with that of the one that started it.
print(*(line.split()[1] for line in open("/proc/self/status") if line.startswith("VmHWM")))
"""


def damaged(seed: int) -> bytes:
    """Return a file with one to three faults: bytes changed, lost, doubled or cut off, numbers replaced."""
    random = Random(seed)
    circuit = random_circuit(random, max_leaves=4, max_ands=12)
    data = bytearray(
        shuffled_ascii(circuit, random) if random.random() < 0.5 else write(circuit, binary=random.random() < 0.7)
    )
    for _ in range(random.randint(1, 3)):
        at = random.randrange(len(data)) if data else 0
        numbers = list(re.finditer(rb"\d+", data))
        match random.randrange(6):
            case 0 if data:
                data[at] = random.choice((random.randrange(256), 0x0A, 0x20, 0x30 + random.randrange(10)))
            case 1:
                del data[at : at + random.randint(1, 4)]
            case 2:
                data[at:at] = data[at : at + random.randint(1, 6)]
            case 3:
                del data[random.randrange(at, len(data) + 1) :]
            case _ if numbers:
                one = random.choice(numbers[: random.choice((9, len(numbers)))])
                data[one.start() : one.end()] = b"%d" % random.choice(
                    (0, 1, 2, 3, 7, 12, 10**6, 2**27 - 1, 2**31, 10**9)
                )
    return bytes(data)


def judged(data: bytes) -> Circuit | None:
    """Return the circuit of a file, None if it is refused with its place."""
    try:
        return read(data, "f")
    except AigerError as refusal:
        error = refusal
    assert _PLACE.match(str(error)), error
    assert 0 <= error.offset <= len(data)
    assert error.line is None or error.line == data[: error.offset].count(b"\n") + 1
    return None


@pytest.mark.parametrize("part", range(8))
@pytest.mark.slow
def test_damaged_files(part: int) -> None:
    """A damaged file is refused exactly if a plain reading refuses it; else it has the roots of that reading."""
    accepted = refused = 0
    for seed in range(part, CASES, 8):
        data = damaged(seed)
        circuit = judged(data)
        try:
            plain = plainly_read(data)
        except NotAigerError:
            assert circuit is None, data
            refused += 1
            continue
        assert circuit is not None, data
        accepted += 1
        leaves = circuit.interface.leaves
        for bits in {0, -1, seed} if leaves < 1000 else ():
            pattern = [bits >> k & 1 for k in range(leaves)]
            assert evaluate(simplify(circuit), pattern) == plain_roots(plain, pattern)
    assert min(accepted, refused) > 10


@pytest.mark.slow
def test_memory_is_bounded(tmp_path: Path) -> None:
    """Reading and simplifying every damaged file takes less than 2 GB, whatever their headers say."""
    files = tmp_path / "files"
    files.mkdir()
    for seed in range(CASES):
        (files / f"{seed}").write_bytes(damaged(seed))
    (files / "inputs").write_bytes(b"aig 4194304 4194304 0 0 0\n")
    (files / "sparse").write_bytes(b"aag 134217727 2 0 1 1\n268435454\n2\n4\n4 2 268435454\n")
    done = subprocess.run([sys.executable, "-c", _PEAK, str(files)], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) * 1024 < _LIMIT_BYTES


@pytest.mark.parametrize("command", ["stats", "strash", "simplify"])
def test_commands_refuse_with_a_place(command: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Each command ends with code 2 and one line that says where; nothing is written."""
    path, out = tmp_path / "bad.aag", tmp_path / "out.aag"
    path.write_bytes(b"aag 1 1 0 1 0\n2\n4\n")
    with pytest.raises(SystemExit) as end:
        main(["aig", command, str(path), *(["-o", str(out)] if command != "stats" else [])])
    err = capsys.readouterr().err
    assert end.value.code == 2
    assert re.fullmatch(r"error: .*bad\.aag:3, byte 16: expected a number of at most 3, found '4'; .*\n", err)
    assert not out.exists()
