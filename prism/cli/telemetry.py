"""`prism telemetry`: record one run, summarise records, unpack report archives."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from prism.bench.records import record
from prism.cli.options import SOURCE, opened
from prism.files import require_writable, write_text

if TYPE_CHECKING:
    from prism.vm.engines.schedule import Schedule

OUT = Path("out/telemetry")
_BUILT_IN = "(mul 64 64)"
_Path = click.Path(path_type=Path)
_SUMMARY = click.Path(path_type=Path, exists=True, dir_okay=False)
_F = TypeVar("_F", bound=Callable[..., Any])


@click.group()
def telemetry() -> None:
    """Record what a run did, and summarise records; nothing here passes or fails a run."""


def _measured(json_name: str, *, engine: str = "ledger") -> Callable[[_F], _F]:
    """Add the options that every recording command shares; `engine` is the default of one of them."""

    def decorate(command: _F) -> _F:
        for option in (
            click.argument("program", type=SOURCE, required=False),
            click.option("--engine", default=engine, show_default=True, help="Engine that evaluates the program."),
            click.option("--iterations", default=10, show_default=True, type=click.IntRange(1)),
            click.option("--warmup", default=1, show_default=True, type=click.IntRange(0)),
            click.option("--json-out", type=_Path, default=OUT / json_name, show_default=True),
        ):
            command = option(command)
        return command

    return decorate


@telemetry.command()
@_measured("host.json")
@click.option("--base", type=_Path, help="Summarise the records under this folder instead of measuring.")
@click.option("--out", type=_Path, default=OUT / "host.md", show_default=True, help="Where --base writes Markdown.")
def host(base: Path | None, out: Path, program: str | None, json_out: Path, **run: Any) -> None:
    """Time repeated runs of PROGRAM, or summarise such records.

    PROGRAM is a small product by default.
    """
    if base is not None:
        from prism.bench.records.collect import host_summary

        require_writable(out)
        _write(out, host_summary(base))
        return
    from prism.bench.records.measure import host_performance

    _record(json_out, program, run["engine"], lambda work: _repeat(host_performance, work, run))


@telemetry.command()
@_measured("memory.json")
def memory(program: str | None, json_out: Path, **run: Any) -> None:
    """Sample memory after each of repeated runs of PROGRAM."""
    from prism.bench.records.measure import memory_stability

    _record(json_out, program, run["engine"], lambda work: _repeat(memory_stability, work, run))


@telemetry.command()
@_measured("trace.json", engine="bsp")
@click.option("--out-dir", type=_Path, default=OUT / "trace", show_default=True, help="Where the profiler writes.")
def trace(program: str | None, json_out: Path, out_dir: Path, **run: Any) -> None:
    """Profile repeated runs of PROGRAM, and analyse the trace.

    The engine must run on JAX; bsp does here, also where it would otherwise run on the host.
    """
    require_writable(out_dir / "trace")
    from prism.bench.records.trace import analyse, capture
    from prism.vm.engines.schedule import Schedule

    def profile(work: Callable[[], object]) -> dict[str, Any]:
        return analyse(capture(work, out_dir, iterations=run["iterations"], warmup=run["warmup"]))

    _record(json_out, program, run["engine"], profile, schedule=Schedule(swizzle="jax"))


@telemetry.command("trace-analyze")
@click.argument("trace_dir", type=_Path, default=OUT / "trace")
@click.option("--report-only", is_flag=True, help="Accepted for older scripts; analysing never judges.")
@click.option("--json-out", type=_Path, default=OUT / "trace.json", show_default=True)
def trace_analyze(trace_dir: Path, report_only: bool, json_out: Path) -> None:
    """Say where the time of the newest trace in TRACE_DIR went."""
    del report_only
    require_writable(json_out)
    from prism.bench.records.trace import analyse, newest

    record.write(json_out, {**analyse(newest(trace_dir)), "host": record.host()})
    click.echo(f"wrote {json_out}")


@telemetry.command()
@click.option("--base", type=_Path, default=OUT, show_default=True)
@click.option("--out", type=_Path, default=OUT / "damage.md", show_default=True)
def damage(base: Path, out: Path) -> None:
    """Summarise the damage records of runs of engine bsp.

    `prism run --engine bsp --telemetry FILE` writes one; all under --base are read.
    """
    require_writable(out)
    from prism.bench.records.collect import damage_summary

    _write(out, damage_summary(base))


@telemetry.command()
@click.option("--base", type=_Path, default=OUT, show_default=True)
@click.option("--damage-summary", type=_SUMMARY)
@click.option("--host-summary", type=_SUMMARY)
@click.option("--out", type=_Path, default=OUT / "baselines.md", show_default=True)
def baselines(base: Path, damage_summary: Path | None, host_summary: Path | None, out: Path) -> None:
    """Put trace records and earlier summaries on one page.

    All trace records under --base are read.
    """
    require_writable(out)
    from prism.bench.records.collect import baselines as page

    _write(out, page(base, [path for path in (damage_summary, host_summary) if path is not None]))


@telemetry.command()
@click.option("--zip", "archive", type=click.Path(path_type=Path, exists=True, dir_okay=False), required=True)
@click.option("--out-dir", type=_Path, default=OUT / "report", show_default=True)
@click.option("--max-files", default=10_000, show_default=True, type=click.IntRange(1))
@click.option("--max-bytes", default=1 << 30, show_default=True, type=click.IntRange(1))
@click.option("--max-ratio", default=200, show_default=True, type=click.IntRange(1))
def unpack(archive: Path, out_dir: Path, max_files: int, max_bytes: int, max_ratio: int) -> None:
    """Unpack a report archive; a hostile one is refused whole.

    --out-dir must not exist yet.
    """
    from prism.bench.records.unpack import Bounds
    from prism.bench.records.unpack import unpack as extract

    files = extract(archive, out_dir, Bounds(max_files, max_bytes, max_ratio))
    click.echo(f"unpacked {len(files)} files into {out_dir}")


def _record(
    json_out: Path,
    program: str | None,
    engine: str,
    measure: Callable[[Callable[[], object]], dict[str, Any]],
    *,
    schedule: Schedule | None = None,
) -> None:
    """Measure runs of a program on an engine, on `schedule` if the engine follows one, and write the record."""
    from prism.vm.engines.api import Limits
    from prism.vm.engines.table import SCHEDULED, open_engine
    from prism.vm.term.parse import read_programs, read_text

    require_writable(json_out)
    name, programs = _BUILT_IN, [read_text(_BUILT_IN)]
    if program is not None:
        with opened(program) as (stream, name):
            programs = list(read_programs(stream, name))

    def work() -> None:
        session = open_engine(engine, Limits(), schedule if engine in SCHEDULED else None)
        for part in programs:
            session.normalise(part.graph)

    record.write(json_out, {**measure(work), "engine": engine, "workload": name, "host": record.host()})
    click.echo(f"wrote {json_out}")


def _repeat(measure: Callable[..., dict[str, Any]], work: Callable[[], object], run: dict[str, Any]) -> dict[str, Any]:
    return measure(work, iterations=run["iterations"], warmup=run["warmup"], progress=_shown)


def _shown(iterations: Iterable[int]) -> Iterable[int]:
    import sys

    if not sys.stderr.isatty():
        return iterations
    from rich.console import Console
    from rich.progress import track

    return track(list(iterations), "measuring", console=Console(stderr=True), transient=True)


def _write(out: Path, text: str) -> None:
    write_text(out, text)
    click.echo(f"wrote {out}")
