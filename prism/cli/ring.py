"""`prism ring`: look at a shared ring, serve its metrics, and put one under stress."""

from __future__ import annotations

import json
import time
from typing import Any

import click
from rich.console import Console, Group
from rich.live import Live
from rich.table import Table

from prism.cli.options import parse_sizes
from prism.errors import UsageError
from prism.ring.memory import read_block
from prism.ring.metrics import Sample, sample
from prism.ring.segment import map_segment

name_argument = click.argument("name")
every_option = click.option(
    "--every", default=0.5, show_default=True, type=click.FloatRange(0.01, 3600), help="Seconds between two looks."
)


@click.group()
def ring() -> None:
    """Look at a ring that a runtime shares under a name, and test one."""


@ring.command()
@name_argument
@every_option
@click.option("--once", is_flag=True, help="Print one look and end.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object a look.")
def top(name: str, every: float, once: bool, as_json: bool) -> None:
    """Show what the shared ring NAME does, as it does it; ends when the ring does."""
    block = read_block(map_segment(name))
    if as_json or once:
        console, before = Console(), sample(block)
        while True:
            if once and not as_json:
                time.sleep(every)
            now = sample(block)
            click.echo(_line(now)) if as_json else console.print(_view(before, now, every))
            if once or now.shutdown:
                return
            time.sleep(every)
    with Live(auto_refresh=False, screen=False) as live:
        before = sample(block)
        while not before.shutdown:
            time.sleep(every)
            now = sample(block)
            live.update(_view(before, now, every), refresh=True)
            before = now


def _line(now: Sample) -> str:
    return json.dumps({"time": time.time(), **now.as_dict()})


def _view(before: Sample, now: Sample, seconds: float) -> Group:
    rate = ((now.ended - before.ended) & 0xFFFF_FFFF) / seconds
    slots = sum(now.statuses.values())
    flying = sum(tenant["in_flight"] for tenant in now.tenants)
    head = f"{rate:,.0f} jobs/s   {flying:,} in flight, {100 * flying / slots:.1f} % of {slots:,} slots"
    head += f"   {now.ended:,} ended"
    tenants = Table("tenant", "in flight", "done", "faulted", "held", box=None)
    for number, row in enumerate(now.tenants):
        cells = (row["in_flight"], row["done"], row["faulted"], row["held"])
        tenants.add_row(str(number), *(f"{cell:,}" for cell in cells))
    workers = Table("worker", "state", "jobs", box=None)
    for number, worker in enumerate(now.workers):
        workers.add_row(str(number), worker["state"], f"{worker['jobs']:,}")
    waits = sum(now.spans)
    tail = (
        "no waits yet"
        if not waits
        else f"waits: p50 under {_quantile(now.spans, 0.5)}, p99 under {_quantile(now.spans, 0.99)}"
    )
    faults = "  ".join(f"{reason} {count}" for reason, count in now.faults.items())
    return Group(head, tail, f"fault slots: {faults or 'none'}", tenants, workers)


def _quantile(spans: list[int], share: float) -> str:
    seen, wanted = 0, share * sum(spans)
    for power, count in enumerate(spans):
        seen += count
        if seen >= wanted:
            return f"{2**power} us" if power < 10 else f"{2**power / 1000:.3g} ms"
    return "?"


@ring.command()
@name_argument
@click.option("--port", default=9464, show_default=True, type=click.IntRange(0, 65535), help="Where to listen.")
@click.option("--host", default="127.0.0.1", show_default=True, help="On which address.")
def serve(name: str, port: int, host: str) -> None:
    """Serve the shared ring NAME: a live page at /, OpenMetrics at /metrics, one sample at /sample.json."""
    from prism.cli.ring_server import server

    block = read_block(map_segment(name))
    with server(block, host, port) as web:
        click.echo(f"http://{host}:{web.server_port}/  (metrics at /metrics; end with Ctrl-C)")
        web.serve_forever()


@ring.command()
@click.option(
    "--jobs", default="1e6", show_default=True, callback=parse_sizes, help="How many; with --feeders at least."
)
@click.option("--tenants", default=8, show_default=True, type=click.IntRange(1, 29))
@click.option("--workers", default=3, show_default=True, type=click.IntRange(1, 16))
@click.option("--processes", is_flag=True, help="Workers are processes, and are killed as processes are.")
@click.option("--feeders", is_flag=True, help="Tenants feed from processes of their own, and these are killed instead.")
@click.option("--kills", default=40, show_default=True, type=click.IntRange(0), help="How many are killed on the way.")
@click.option("--seed", default=0, show_default=True, type=int)
def stress(jobs: tuple[int, ...], seed: int, feeders: bool, **options: Any) -> None:
    """Feed a ring from all tenants while workers or feeders are killed, and account for every job; prints JSON."""
    from prism.bench.feeder_stress import run_feeder_stress
    from prism.bench.ring_stress import Plan, run_stress

    if len(jobs) != 1:
        raise UsageError(f"--jobs takes one number, got {len(jobs)}; pass one")
    if feeders:
        if options.pop("processes"):
            raise UsageError("a stress kills workers or feeders, got --processes beside --feeders; take one of them")
        found = run_feeder_stress(jobs[0], seed=seed, **options)
        click.echo(json.dumps(found.as_dict()))
        found.require_sound()
        return
    report = run_stress(Plan(jobs=jobs[0], seed=seed, **options))
    click.echo(json.dumps(report.as_dict()))
    if report.missed:
        click.echo(f"{report.missed} workers fewer were killed than asked for: the jobs were over first", err=True)
    report.require_sound()
