"""`prism bench compare` and `prism bench suite`: engines and layouts against each other."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import click

from prism.cli.options import parse_sizes
from prism.vm.engines.schedule import MAX_COUNT

_F = TypeVar("_F", bound=Callable[..., Any])
_Path = click.Path(path_type=Path)


def _names(_context: click.Context, _parameter: click.Parameter, text: str | None) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split(",")) if text else ()


_MATRIX = (
    click.option("--runs", default=3, show_default=True, type=click.IntRange(1), help="Timed runs of each mode."),
    click.option("--cycles", default=3, show_default=True, type=click.IntRange(1, MAX_COUNT), help="Cycles of bsp."),
    click.option("--workloads", callback=_names, help="Names with commas between; all by default."),
    click.option("--swizzle-backends", callback=_names, help="Of host, jax, pallas, triton; bsp's own if unset."),
    click.option("--block-sizes", default="256", show_default=True, callback=parse_sizes),
    click.option(
        "--arena-counts", callback=parse_sizes, help="Nodes in the arena workloads; each in its own size if unset."
    ),
    click.option(
        "--hierarchy-l1-mult", default=4, show_default=True, type=click.IntRange(1), help="l1 in units of l2."
    ),
    click.option("--hierarchy-no-global", is_flag=True, help="End hierarchies at l1."),
    click.option("--hierarchy-morton", is_flag=True, help="Add Morton order inside hierarchies."),
    click.option("--hierarchy-workload-l2", default=256, show_default=True, type=click.IntRange(2)),
    click.option("--hierarchy-workload-l1", default=1024, show_default=True, type=click.IntRange(2)),
)


def _matrix_options(command: _F) -> _F:
    for option in reversed(_MATRIX):
        command = option(command)
    return command


@click.command()
@_matrix_options
@click.option("--platform", type=click.Choice(["cpu", "gpu", "tpu"]), help="Where JAX runs; its own choice if unset.")
@click.option("--out", type=_Path, default=Path("out/compare.csv"), show_default=True)
def compare(runs: int, cycles: int, platform: str | None, out: Path, **options: Any) -> None:
    """Time workloads by engine, layout, swizzle and size, as CSV.

    Writes one line for each run.
    """
    if platform is not None:
        _use(platform)
    from prism.bench.compare import Matrix, to_csv
    from prism.bench.compare import compare as timings
    from prism.files import require_writable, write_text

    require_writable(out)
    matrix = Matrix(
        workloads=options["workloads"],
        block_sizes=options["block_sizes"],
        arena_counts=options["arena_counts"],
        swizzles=options["swizzle_backends"],
        l1_mult=options["hierarchy_l1_mult"],
        whole=not options["hierarchy_no_global"],
        hierarchy_morton=options["hierarchy_morton"],
        workload_l2=options["hierarchy_workload_l2"],
        workload_l1=options["hierarchy_workload_l1"],
    )
    with _bar() as tick:
        lines = list(timings(matrix, runs=runs, cycles=cycles, tick=tick))
    write_text(out, to_csv(lines))
    click.echo(f"wrote {len(lines)} runs to {out}")


@click.command()
@_matrix_options
@click.option("--out-dir", type=_Path, default=Path("out/suite"), show_default=True)
def suite(out_dir: Path, **options: Any) -> None:
    """Compare on every platform; write CSV, a report and plots.

    Platforms are the CPU, and a GPU if there is one; all files go into one folder.
    """
    from prism.bench.suite import run_suite
    from prism.files import require_writable

    arguments = []
    for name, value in options.items():
        flag = f"--{name.replace('_', '-')}"
        if value is True:
            arguments.append(flag)
        elif value not in (False, ()):
            arguments += [flag, ",".join(map(str, value)) if isinstance(value, tuple) else str(value)]
    require_writable(out_dir / "report.md")
    for path in run_suite(out_dir, arguments, tick=lambda text: click.echo(text, err=True)):
        click.echo(f"wrote {path}")


def _use(platform: str) -> None:
    """Make JAX run on a platform; a usage error when it has no such device."""
    import jax

    if platform == "cpu":
        jax.config.update("jax_platforms", "cpu")
        return
    try:
        jax.devices(platform)
    except RuntimeError as error:
        raise click.UsageError(f"--platform {platform} needs such a device, but JAX finds none: {error}") from error


@contextmanager
def _bar() -> Iterator[Callable[[str, float], None]]:
    """Yield what to call with the work at hand and the share done; on a terminal it shows a bar and an estimate."""
    if not sys.stderr.isatty():
        yield lambda _text, _share: None
        return
    from rich.console import Console
    from rich.progress import Progress

    with Progress(console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("comparing", total=1.0)
        yield lambda text, share: progress.update(task, description=text, completed=share)
