"""`prism bench`: measurements of Prism and its peers, one subcommand a subject."""

from __future__ import annotations

import click

from prism.bench.harness import report, watching
from prism.cli.compare import compare, suite
from prism.cli.options import parse_sizes

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


bench.add_command(compare)
bench.add_command(suite)
