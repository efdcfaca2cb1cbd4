"""The options of engine `bsp`: every documented combination gives the expected result or says what is wrong with it."""

from __future__ import annotations

import json
from itertools import product
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from prism.bench.records import record
from prism.cli.main import main, prism
from prism.vm.arena.run import HostRun, View

pytestmark = pytest.mark.m3

PROGRAMS = Path(__file__).parents[2] / "programs"
GOLDEN = {"add_cache": ["2", "2", "2"], "nested_right": ["4"], "mul_of_redex": ["4"]}
"""Programs of the seed's kind, and what they print."""

SEED = {
    "--mode bsp --cycles 3": "add_cache",
    "--mode bsp --no-sort": "add_cache",
    "--mode bsp --morton": "add_cache",
    "--mode bsp --block-size 256": "add_cache",
    "--mode bsp": "nested_right",
    "--engine baseline": "add_cache",
    "": "mul_of_redex",
}
"""The run commands of the seed's README: options, and a program that stands for its own."""

ORDERS = {
    "": ["", "--morton"],
    "--no-sort": [""],
    "--block-size 2": ["", "--morton"],
    "--block-size 256": ["", "--morton"],
    "--l2 8": ["", "--morton", "--no-global", "--no-global --morton"],
    "--l1 16": ["", "--morton", "--no-global", "--no-global --morton"],
    "--l2 8 --l1 16": ["", "--morton", "--no-global", "--no-global --morton"],
}
SWIZZLES = ["", "--swizzle-backend host"]
CYCLES = ["", "--cycles 100", "--cycles 1"]
WATCHES = ["", "--check", "--telemetry {}", "--check --telemetry {}"]
VALID = [
    " ".join(filter(None, parts))
    for order, variants in ORDERS.items()
    for parts in product([order], variants, SWIZZLES, CYCLES, WATCHES)
]

CONTRADICTIONS = {
    "--no-sort --morton": "--no-sort excludes --morton, which is an order; leave one out",
    "--no-sort --block-size 8 --l2 8": "--no-sort excludes --block-size, --l2, which is an order; leave one out",
    "--no-sort --l1 8": "--no-sort excludes --l1, which is an order; leave one out",
    "--no-global": "--no-global ends a hierarchy early, but there is none; give --l2 or --l1 as well",
    "--no-global --block-size 8": "--no-global ends a hierarchy early, but there is none; give --l2 or --l1 as well",
    "--block-size 3": "block must be a power of two from 2 to 1073741824, or 0, got 3",
    "--l2 1": "l2 must be a power of two from 2 to 1073741824, or 0, got 1",
    "--l1 6": "l1 must be a power of two from 2 to 1073741824, or 0, got 6",
    "--l2 64 --l1 8": "l1 must hold whole l2 blocks, got l2=64, l1=8; raise l1 or lower l2",
    "--block-size 8 --l2 8": "block=8 excludes the hierarchy l2=8, l1=0; give one or the other",
    "--block-size 8 --l2 8 --l1 8": "block=8 excludes the hierarchy l2=8, l1=8; give one or the other",
    **{
        f"--engine {engine} {flag}": f"{flag.split()[0]}: only the engine bsp has a layout, got {engine}"
        for engine in ("ledger", "baseline")
        for flag in ("--cycles 3", "--no-sort", "--morton", "--block-size 8", "--l2 8", "--l1 8", "--no-global")
    },
    "--engine ledger --check": "--check: only the engine bsp has a layout, got ledger",
    "--engine ledger --telemetry x": "--telemetry: only the engine bsp has a layout, got ledger",
    "--engine ledger --swizzle-backend jax": "--swizzle-backend: only the engine bsp has a layout, got ledger",
}


def run(options: str, program: str, out: Path | None = None, **env: str) -> Result:
    """Run `prism run` on a golden program."""
    arguments = ["run", *options.format(out).split(), str(PROGRAMS / f"{program}.prism")]
    return CliRunner().invoke(prism, arguments, env=env)


@pytest.mark.parametrize(("options", "program"), SEED.items(), ids=lambda text: text.replace(" ", "") or "default")
def test_the_run_commands_of_the_seed(options: str, program: str) -> None:
    """Each prints the normal forms."""
    result = run(options, program)
    assert (result.exit_code, result.stdout.split()) == (0, GOLDEN[program])


@pytest.mark.slow
def test_the_swizzle_variable_of_the_seed() -> None:
    """PRISM_SWIZZLE_BACKEND=triton works without a GPU, an option outranks it, an unknown name is refused."""
    for options in ("--mode bsp --morton", "--mode bsp --morton --swizzle-backend host"):
        result = run(options, "add_cache", PRISM_SWIZZLE_BACKEND="triton")
        assert (result.exit_code, result.stdout.split()) == (0, GOLDEN["add_cache"])
    wrong = run("--mode bsp --morton", "add_cache", PRISM_SWIZZLE_BACKEND="cuda")
    message = "a swizzle must be one of host, jax, pallas, triton, got 'cuda'; choose one of them"
    assert str(wrong.exception) == message


@pytest.mark.parametrize("options", ["--swizzle-backend jax", "--swizzle-backend pallas --block-size 2 --check"])
@pytest.mark.slow
def test_swizzles_on_a_device(options: str) -> None:
    """The swizzles that trace a program give what the host gives."""
    result = run(f"--engine bsp {options}", "mul_of_redex")
    assert (result.exit_code, result.stdout.split()) == (0, GOLDEN["mul_of_redex"])


@pytest.mark.clause("ARENA-1")
@pytest.mark.slow
def test_every_combination_of_options(tmp_path: Path) -> None:
    """All valid ones print the normal form, or say that a bound of cycles stopped them; telemetry is a record."""
    assert len(VALID) == len(set(VALID)) == 19 * 2 * 3 * 4
    path = tmp_path / "record.json"
    for options in VALID:
        path.unlink(missing_ok=True)
        result = run(f"--engine bsp {options}", "mul_of_redex", path)
        if "--cycles 1 " in f"{options} ":
            assert result.exit_code == 5, options
            assert "raise --max-steps, or leave out --cycles" in result.stderr
        else:
            assert (result.exit_code, result.stdout.split()) == (0, GOLDEN["mul_of_redex"]), options
        assert path.exists() == ("--telemetry" in options), options
        if path.exists():
            cycles = record.read(path)["edges"]
            assert (len(cycles) == 1) == ("--cycles 1 " in f"{options} "), options


@pytest.mark.parametrize(("options", "message"), CONTRADICTIONS.items(), ids=list(CONTRADICTIONS))
def test_contradictions_are_usage_errors(options: str, message: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Options that exclude one another, and those of `bsp` given to another engine, end with 2 and say so."""
    engine = [] if "--engine" in options else ["--engine", "bsp"]
    with pytest.raises(SystemExit) as end:
        main(["run", *engine, *options.split(), str(PROGRAMS / "add_cache.prism")])
    assert end.value.code == 2
    assert message in capsys.readouterr().err


@pytest.mark.parametrize("options", ["--cycles -1", "--cycles x", "--swizzle-backend cuda", "--block-size -2"])
def test_values_out_of_range_are_usage_errors(options: str) -> None:
    """Click refuses them with code 2."""
    result = run(f"--engine bsp {options}", "add_cache")
    assert result.exit_code == 2
    assert "Invalid value" in result.stderr


@pytest.mark.clause("ARENA-4")
def test_a_record_says_what_each_cycle_met(tmp_path: Path) -> None:
    """A damage record has a figure for each cycle, its tile is the layout's smallest block."""
    for options, tile in (("", 256), ("--block-size 4", 4), ("--l2 8 --l1 16", 8), ("--l1 16", 16)):
        path = tmp_path / "r.json"
        assert run(f"--engine bsp --telemetry {{}} {options}", "mul_of_redex", path).exit_code == 0
        seen = json.loads(path.read_text())
        assert (seen["kind"], seen["tile"]) == ("damage", tile)
        assert len({len(seen[key]) for key in ("hot", "edges", "crossing", "entropy")}) == 1
        assert seen["hot"][0] > 0


@pytest.mark.clause("ARENA-6")
def test_check_names_the_cycle_that_broke_a_promise(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A defect in a cycle ends the run with code 4, before any wrong result is printed."""
    view = HostRun.view

    def wrong(run: HostRun) -> View:
        seen = view(run)
        return seen._replace(sites=seen.sites[:0]) if seen.cycles == 1 else seen

    monkeypatch.setattr(HostRun, "view", wrong)
    with pytest.raises(SystemExit) as end:
        main(["run", "--engine", "bsp", "--check", str(PROGRAMS / "mul_of_redex.prism")])
    out, err = capsys.readouterr()
    assert (end.value.code, out) == (4, "")
    assert "after cycle 1 the arena must keep its promises, but: row " in err
    assert "must be in the frontier, for it is a live redex" in err
    assert "this is a defect of the engine, please report it with the program" in err


@pytest.mark.clause("TERMS-9")
def test_an_output_file_that_cannot_be_written_is_refused_before_the_run(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """No result is printed before `--telemetry` is found to be no file; an old record outlives a failed run."""
    (tmp_path / "file").write_text("old")
    program = PROGRAMS / "add_cache.prism"
    for path in (tmp_path, tmp_path / "file" / "below"):
        with pytest.raises(SystemExit) as end:
            main(["run", "--engine", "bsp", "--telemetry", str(path), str(program)])
        out, err = capsys.readouterr()
        assert (end.value.code, out) == (2, "")
        assert f"{path} must be readable or writable as asked, but: " in err or f"{str(path)!r} is a directory" in err
    (tmp_path / "bad.prism").write_text("(add 1")
    with pytest.raises(SystemExit):
        main(["run", "--engine", "bsp", "--telemetry", str(tmp_path / "file"), str(tmp_path / "bad.prism")])
    assert (tmp_path / "file").read_text() == "old"
