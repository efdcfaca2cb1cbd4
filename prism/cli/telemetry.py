"""`prism telemetry`: record one run, summarise records, unpack report archives."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, BinaryIO, TypeVar

import click

from prism.files import write_text
from prism.telemetry import record

OUT = Path("out/telemetry")
_BUILT_IN = "(mul 64 64)"
_Path = click.Path(path_type=Path)
_F = TypeVar("_F", bound=Callable[..., Any])


@click.group()
def telemetry() -> None:
    """Record what a run did, and summarise records; nothing here passes or fails a run."""


def _measured(json_name: str) -> Callable[[_F], _F]:
    """Add the options that every recording command shares."""

    def decorate(command: _F) -> _F:
        for option in (
            click.argument("program", type=click.File("rb"), required=False),
            click.option("--engine", default="ledger", show_default=True, help="Engine that evaluates the program."),
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
def host(base: Path | None, out: Path, program: BinaryIO | None, json_out: Path, **run: Any) -> None:
    """Time repeated runs of PROGRAM (a small product by default), or summarise such records."""
    if base is not None:
        from prism.telemetry.collect import host_summary

        _write(out, host_summary(base))
        return
    from prism.telemetry.measure import host_performance

    _record(json_out, program, run["engine"], lambda work: _repeat(host_performance, work, run))


@telemetry.command()
@_measured("memory.json")
def memory(program: BinaryIO | None, json_out: Path, **run: Any) -> None:
    """Sample memory after each of repeated runs of PROGRAM."""
    from prism.telemetry.measure import memory_stability

    _record(json_out, program, run["engine"], lambda work: _repeat(memory_stability, work, run))


@telemetry.command()
@_measured("trace.json")
@click.option("--out-dir", type=_Path, default=OUT / "trace", show_default=True, help="Where the profiler writes.")
def trace(program: BinaryIO | None, json_out: Path, out_dir: Path, **run: Any) -> None:
    """Profile repeated runs of PROGRAM on an engine that runs on JAX, and analyse the trace."""
    from prism.telemetry.trace import analyse, capture

    def profile(work: Callable[[], object]) -> dict[str, Any]:
        return analyse(capture(work, out_dir, iterations=run["iterations"], warmup=run["warmup"]))

    _record(json_out, program, run["engine"], profile)


@telemetry.command("trace-analyze")
@click.argument("trace_dir", type=_Path, default=OUT / "trace")
@click.option("--report-only", is_flag=True, help="Accepted for older scripts; analysing never judges.")
@click.option("--json-out", type=_Path, default=OUT / "trace.json", show_default=True)
def trace_analyze(trace_dir: Path, report_only: bool, json_out: Path) -> None:
    """Say where the time of the newest trace under TRACE_DIR went."""
    del report_only
    from prism.telemetry.trace import analyse, newest

    record.write(json_out, {**analyse(newest(trace_dir)), "host": record.host()})
    click.echo(f"wrote {json_out}")


@telemetry.command()
@click.option("--base", type=_Path, default=OUT, show_default=True)
@click.option("--out", type=_Path, default=OUT / "damage.md", show_default=True)
def damage(base: Path, out: Path) -> None:
    """Summarise the damage records that `prism run --engine bsp --telemetry FILE` wrote under --base."""
    from prism.telemetry.collect import damage_summary

    _write(out, damage_summary(base))


@telemetry.command()
@click.option("--base", type=_Path, default=OUT, show_default=True)
@click.option("--damage-summary", type=click.Path(path_type=Path, exists=True))
@click.option("--host-summary", type=click.Path(path_type=Path, exists=True))
@click.option("--out", type=_Path, default=OUT / "baselines.md", show_default=True)
def baselines(base: Path, damage_summary: Path | None, host_summary: Path | None, out: Path) -> None:
    """Put the trace records under --base and earlier summaries on one page."""
    from prism.telemetry.collect import baselines as page

    _write(out, page(base, [path for path in (damage_summary, host_summary) if path is not None]))


@telemetry.command()
@click.option("--zip", "archive", type=click.Path(path_type=Path, exists=True, dir_okay=False), required=True)
@click.option("--out-dir", type=_Path, default=OUT / "report", show_default=True)
@click.option("--max-files", default=10_000, show_default=True)
@click.option("--max-bytes", default=1 << 30, show_default=True)
@click.option("--max-ratio", default=200, show_default=True)
def unpack(archive: Path, out_dir: Path, max_files: int, max_bytes: int, max_ratio: int) -> None:
    """Unpack a report archive into a new folder; hostile archives are refused whole."""
    from prism.telemetry.unpack import Bounds
    from prism.telemetry.unpack import unpack as extract

    files = extract(archive, out_dir, Bounds(max_files, max_bytes, max_ratio))
    click.echo(f"unpacked {len(files)} files into {out_dir}")


def _record(
    json_out: Path, program: BinaryIO | None, engine: str, measure: Callable[[Callable[[], object]], dict[str, Any]]
) -> None:
    from prism.term.parse import read_programs, read_text
    from prism.vm.api import Limits
    from prism.vm.engines import open_engine

    name = _BUILT_IN if program is None else program.name
    programs = [read_text(_BUILT_IN)] if program is None else list(read_programs(program, program.name))

    def work() -> None:
        session = open_engine(engine, Limits())
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
