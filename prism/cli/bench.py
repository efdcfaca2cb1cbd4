"""`prism bench`: measurements of Prism and its peers, one subcommand a subject."""

from __future__ import annotations

from pathlib import Path

import click

from prism.bench.harness import report, watching
from prism.cli.compare import compare, suite
from prism.cli.options import parse_sizes
from prism.files import require_writable

sizes_option = click.option(
    "--n", "sizes", default="1e5,1e6,1e7", show_default=True, callback=parse_sizes, help="Sizes, with commas between."
)
runs_option = click.option(
    "--runs", default=5, show_default=True, type=click.IntRange(1), help="Timed runs of each contender."
)
json_option = click.option("--json", "as_json", is_flag=True, help="Print one JSON object a line.")


@click.group()
def bench() -> None:
    """Measure Prism and its peers on equal work, in one process and in turn."""


@bench.command()
@sizes_option
@runs_option
@json_option
def intern(sizes: tuple[int, ...], runs: int, as_json: bool) -> None:
    """Intern random nodes, half of them duplicates."""
    from prism.bench.intern import intern_bench

    with watching() as tick:
        report(intern_bench(sizes, runs, tick=tick), as_json=as_json)


@bench.command()
@click.option("--sizes", default="1,64,4096,65536", show_default=True, callback=parse_sizes, help="Jobs at once.")
@click.option("--tenants", default="1,8,29", show_default=True, callback=parse_sizes, help="Tenants of the ring.")
@click.option("--impl", "only", multiple=True, help="Only this contender; may be given often. The default is all.")
@runs_option
@json_option
def ring(sizes: tuple[int, ...], tenants: tuple[int, ...], only: tuple[str, ...], runs: int, as_json: bool) -> None:
    """Drain tiny jobs through the ring, beside pools and queues."""
    from prism.bench.ring import ring_bench

    with watching() as tick:
        report(ring_bench(sizes, tenants, runs, only, tick=tick), as_json=as_json)


@bench.command()
@click.option("--workload", "names", multiple=True, help="Only this workload; may be given often. The default is all.")
@runs_option
@json_option
def normalise(names: tuple[str, ...], runs: int, as_json: bool) -> None:
    """Bring programs to normal form on every engine, and by egglog."""
    from prism.bench.normalise import normalise_bench

    with watching() as tick:
        report(normalise_bench(names, runs, tick=tick), as_json=as_json)


@bench.command()
@click.option("--kernel", "kernels", multiple=True, help="Only this kernel; may be given often. The default is all.")
@runs_option
@json_option
def pallas(kernels: tuple[str, ...], runs: int, as_json: bool) -> None:
    """Interpret Pallas kernels, beside stock and plain NumPy.

    Times the first call and the steady state of each kernel.
    """
    from prism.bench.pallas import pallas_bench, summary

    with watching() as tick:
        rows = list(pallas_bench(kernels, runs, tick=tick))
    report(rows, as_json=as_json)
    if not as_json:
        for name, ratio in summary(rows).items():
            click.echo(f"{name}: stock's time over ours, geometric mean {ratio:.3g}")


@bench.command()
@click.option(
    "--folder",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Binary AIGER files, such as a clone of the EPFL benchmarks; without it, a multiplier.",
)
@click.option("--circuit", "names", multiple=True, help="Only this file, without suffix; may be given often.")
@click.option("--copies", default="1,16", show_default=True, callback=parse_sizes, help="How many side by side.")
@runs_option
@json_option
def aig(folder: Path | None, names: tuple[str, ...], copies: tuple[int, ...], runs: int, as_json: bool) -> None:
    """Read and hash Boolean circuits, beside mockturtle and ABC.

    What comes out is checked by ABC's cec, where there is ABC.
    """
    from prism.bench.aig import aig_bench

    with watching() as tick:
        report(aig_bench(folder, names, copies, runs, tick=tick), as_json=as_json)


@bench.command()
@click.option(
    "--n", "sizes", default="1e3,1e4,1e5", show_default=True, callback=parse_sizes, help="Distinct nodes, with commas."
)
@runs_option
@json_option
def cse(sizes: tuple[int, ...], runs: int, as_json: bool) -> None:
    """Find common subexpressions, beside SymPy's own."""
    from prism.bench.cse import cse_bench

    with watching() as tick:
        report(cse_bench(sizes, runs, tick=tick), as_json=as_json)


@bench.command()
@click.option(
    "--workload",
    "names",
    multiple=True,
    help="Only this workload, or aig or cse; may be given often. The default is all.",
)
@click.option(
    "--folder",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Circuits, as for `prism bench aig`.",
)
@runs_option
@json_option
def theory(names: tuple[str, ...], folder: Path | None, runs: int, as_json: bool) -> None:
    """Normalise terms of users' theories.

    Beside Maude, egglog and SymPy; then come circuits and common subexpressions, as in `prism bench aig` and `cse`.
    A peer that is not installed, or takes over 5 s, is a row that says so.
    """
    from prism.bench.theory import theory_bench

    with watching() as tick:
        report(theory_bench(names, runs, folder=folder, tick=tick), as_json=as_json)


@bench.command()
@click.option("--case", "cases", multiple=True, help="Only this case; may be given often. The default is all.")
@click.option("--n", "sizes", callback=parse_sizes, help="Sizes, with commas between; 2^10 to 2^24 by default.")
@runs_option
@json_option
def isa(cases: tuple[str, ...], sizes: tuple[int, ...], runs: int, as_json: bool) -> None:
    """Launch programs: overhead, cold start and throughput.

    Peers are jax.jit on JAX's default device, Numba and NumPy.
    """
    from prism.bench.isa import SIZES, isa_bench

    with watching() as tick:
        report(isa_bench(cases, sizes or SIZES, runs, tick=tick), as_json=as_json)


@bench.command()
@click.option(
    "--case", "cases", type=click.Choice(["compile", "run"]), multiple=True, help="Only this; the default is both."
)
@click.option("--kernel", "names", multiple=True, help="Only this kernel; may be given often. The default is a dozen.")
@click.option("--executor", "executors", multiple=True, help="Only this executor; may be given often.")
@click.option("--n", "sizes", default="1e4,1e6", show_default=True, callback=parse_sizes, help="Sizes.")
@runs_option
@json_option
def kernels(
    cases: tuple[str, ...],
    names: tuple[str, ...],
    executors: tuple[str, ...],
    sizes: tuple[int, ...],
    runs: int,
    *,
    as_json: bool,
) -> None:
    """Run standard kernels, and compile one of thirty lines.

    Beside jax.jit, Numba, Warp and Taichi.
    """
    from prism.bench.kernel_compile import compile_bench
    from prism.bench.kernels import kernels_bench

    wanted = cases or (("run",) if names else ("compile", "run"))
    with watching() as tick:
        if "compile" in wanted:
            report(compile_bench(runs, tick=tick), as_json=as_json)
        if "run" in wanted:
            report(kernels_bench(names, sizes, runs, executors, tick=tick), as_json=as_json)


@bench.command()
@click.option(
    "--n", "sizes", default="1e4,1e5,1e6,1e7", show_default=True, callback=parse_sizes, help="Nodes, with commas."
)
@click.option("--out-dir", type=click.Path(path_type=Path), default=Path("out/sizes"), show_default=True)
def sizes(sizes: tuple[int, ...], out_dir: Path) -> None:
    """CPU time and peak memory of each engine by size, as CSV and plot."""
    from prism.bench.sizes import require_drawing, save, sizes_bench

    require_writable(out_dir / "sizes.csv")
    require_drawing()
    with watching() as tick:
        points = list(sizes_bench(sizes, tick=tick))
    for point in points:
        each = f"{1e9 * point.seconds / point.nodes:.0f} ns and {point.peak_bytes / point.nodes:.0f} bytes a node"
        click.echo(f"{point.engine:8}{point.nodes:>10} nodes  {point.seconds:8.3f} s  {each}")
    for path in save(points, out_dir):
        click.echo(f"wrote {path}")


bench.add_command(compare)
bench.add_command(suite)
