"""`prism compile` and `prism kernel run`, as a user types them."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result

from prism.cli.main import main, prism
from prism.kernels.isa.codec import decode, encode
from prism.kernels.lower.program import lower
from prism.kernels.schema.codec import loads
from tests.repo.source import ROOT

pytestmark = [pytest.mark.m8, pytest.mark.clause("KERNELS-15")]

ADD = str(ROOT / "examples" / "vector_add.py")
MIXED = """\
from typing import TypeVar
from prism import *
T = TypeVar("T", f32, f64)
@kernel
def one(a: DeviceArray[f32]):
    a[get_global_id()] = 1.0
@kernel
def open_type(a: DeviceArray[T], c: DeviceArray[T], n: u32):
    i = get_global_id()
    if i < n:
        c[i] = a[i] * a[i]
"""


def run(*args: str) -> Result:
    """Return what a command did, errors as they would leave the program."""
    return CliRunner().invoke(prism, args)


def refused(capsys: pytest.CaptureFixture[str], *args: str) -> str:
    """Return what a command that is refused writes to stderr; it ends with exit code 2."""
    with pytest.raises(SystemExit) as ended:
        main(list(args))
    assert ended.value.code == 2
    return capsys.readouterr().err


def test_every_stage_is_printed(tmp_path: Path) -> None:
    """Schema, circuit, calls, assembly and bytes of one kernel, each the next one's input."""
    schema = run("compile", f"{ADD}::vector_add", "--emit", "schema").output
    program = lower(loads(schema))
    assert run("compile", ADD, "--emit", "circuit").output == "merge.add@c00[c01,c02]\n"
    [call] = run("compile", ADD, "--emit", "calls").output.splitlines()
    assert json.loads(call) == {"op": "Merge", "src_class": 0, "context_class": 1, "dst_class": 2, "variant": "Add"}
    assert "add.f32" in run("compile", ADD).output
    out = tmp_path / "add.bin"
    said = run("compile", ADD, "--emit", "artefact", "-o", str(out))
    assert said.output.startswith(f"{out}: {len(encode(program))} bytes, sha256 ")
    assert decode(out.read_bytes()) == program
    (tmp_path / "add.json").write_text(schema)
    assert run("compile", str(tmp_path / "add.json"), "--emit", "artefact").stdout_bytes == encode(program)


@pytest.mark.parametrize(
    ("name", "circuit"),
    [
        ("sub", "split.sub@c00[c01,c02]"),
        ("gelu", "merge.gelu@c00[c00,c01]"),
        ("maximum", "merge.max@c00[c01,c02]"),
        ("fused", "merge.mul@c00[c01,c04] . merge.add@c04[c02,c05] . merge.sigmoid@c05[c05,c03]"),
    ],
)
def test_circuits_say_the_operation(name: str, circuit: str) -> None:
    """Each operation is said by its own variant; what lies in between has classes of its own."""
    file = ROOT / "prism" / "kernels" / "std" / "elementwise.py"
    variable = "F" if name in ("gelu", "fused") else "N"
    done = run("compile", f"{file}::{name}", "--emit", "circuit", "--type", f"{variable}=f32")
    assert done.output == circuit + "\n"


def test_all_kernels_of_a_file_are_compiled(tmp_path: Path) -> None:
    """Without a name every kernel is printed, type variables being given."""
    path = tmp_path / "mixed.py"
    path.write_text(MIXED)
    done = run("compile", str(path), "--type", "T=f64", "-o", str(tmp_path / "out.s"))
    assert done.exit_code == 0, done.output
    text = (tmp_path / "out.s").read_text()
    assert text.count(".program") == 2
    assert "mul.f64" in text


def test_a_kernel_runs_on_files(tmp_path: Path) -> None:
    """Arrays are read and written as .npy; a file that is not there yet is made, in the shape of the longest."""
    a, c = tmp_path / "a.npy", tmp_path / "c.npy"
    np.save(a, np.arange(5, dtype=np.float32))
    args = ["kernel", "run", ADD + "::vector_add", f"a=@{a}", f"b=@{a}", "n=5", f"c=@{c}", "--executor", "numpy"]
    done = run(*args)
    assert done.output == f"c: float32 (5,) -> {c}\n"
    assert np.load(c).tolist() == [0, 2, 4, 6, 8]
    args[args.index("n=5")] = "n=2"
    np.save(c, np.zeros(5, np.float32))
    assert run(*args, "--grid", "2", "--block", "4").exit_code == 0
    assert np.load(c).tolist() == [0, 2, 0, 0, 0]


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (["compile", "gone.py"], "gone.py must be a file with kernels, but there is none"),
        (["compile", ADD + "::nope"], "must have one kernel nope, it has vector_add; name it as FILE.py::NAME"),
        (["compile", ADD, "--type", "T"], "--type must be NAME=TYPE, such as T=f32, got 'T'"),
        (["compile", ADD, "--type", "T=f32"], "vector_add has no type variable T; it has none"),
        (["kernel", "run", ADD + "::vector_add", "a"], "an argument must be NAME=NUMBER or NAME=@FILE.npy"),
        (["kernel", "run", ADD + "::vector_add", "a=q"], "a must be a number or @FILE.npy, got 'q'"),
        (["kernel", "run", ADD + "::vector_add", "a=@gone.npy"], "gone.npy must be there, for a is read, but it is"),
        (["kernel", "run", ADD + "::vector_add", "c=@gone.npy"], "must be there, for no other array says its shape"),
        (["kernel", "run", ADD + "::vector_add", f"a=@{ADD}"], "must be a .npy file of numbers, but"),
        (["kernel", "run", ADD + "::vector_add", "--executor", "tpu"], "an executor must be one of"),
        (["kernel", "run", ADD + "::vector_add", "--block", "4"], "--block must go with --grid, which says how many"),
    ],
)
def test_what_cannot_be_done_is_said(capsys: pytest.CaptureFixture[str], args: list[str], words: str) -> None:
    """Files, names, types and arguments that do not fit are refused with what to do."""
    assert words in refused(capsys, *args)


def test_sizes_are_numbers() -> None:
    """A grid has one to three whole numbers."""
    done = run("kernel", "run", ADD + "::vector_add", "--grid", "1,x")
    assert done.exit_code == 2
    assert "expected one to three whole numbers with commas between" in done.output


@pytest.mark.clause("CIRCUIT-4")
def test_what_is_below_zero_replaced_by_zero_is_a_circuit() -> None:
    """`max(x, 0)` is relu, which is max(x, 0) in every executor; `max(0, x)` has another zero where x is -0.0."""
    relu = str(ROOT / "prism" / "kernels" / "std" / "elementwise.py") + "::relu"
    done = run("compile", relu, "--emit", "circuit", "--type", "N=f32")
    assert done.output.strip() == "merge.relu@c00[c00,c01]"


def test_what_circuits_cannot_say(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """A matrix kernel, a scalar: both go straight to instructions, and the refusal says so."""
    std = ROOT / "prism" / "kernels" / "std"
    matrix = refused(capsys, "compile", f"{std / 'arrays.py'}::gemm", "--emit", "circuit", "--type", "W=f32")
    assert "gemm must be made of what circuits can say for --emit circuit or calls, but has a kernel that is" in matrix
    scalar = refused(capsys, "compile", f"{std / 'elementwise.py'}::axpy", "--emit", "calls", "--type", "N=f32")
    assert "such a kernel goes straight to instructions: use --emit isa" in scalar
    empty = tmp_path / "empty.py"
    empty.write_text("x = 1\n")
    assert "must have a kernel, it has none; put @prism.kernel on a def" in refused(capsys, "compile", str(empty))
    mixed = tmp_path / "mixed.py"
    mixed.write_text(MIXED)
    several = refused(capsys, "compile", str(mixed), "--emit", "artefact", "--type", "T=f32", "-o", "x.bin")
    assert "an artefact must be of one kernel and go to a file; add ::NAME and -o FILE" in several
    assert "must have one kernel that is meant , it has".replace(" ,", ",") in refused(
        capsys, "kernel", "run", str(mixed)
    )


def test_a_kernel_from_a_file_has_no_python() -> None:
    """What was only read cannot be run as Python: nothing of the file ran."""
    from prism.errors import UsageError
    from prism.kernels.api import Kernel
    from prism.kernels.schema.source import definitions_of

    kernel = Kernel(None, definition=definitions_of(Path(ADD))["vector_add"])
    a = np.zeros(1, np.float32)
    with pytest.raises(UsageError, match="vector_add was read from a file that did not run; import it to run it"):
        kernel.python(0, a, a, a, 1)
