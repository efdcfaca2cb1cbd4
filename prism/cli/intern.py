"""`prism intern`: give every node of large files its id."""

from __future__ import annotations

import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click

from prism.cli.options import theory_option
from prism.cli.progress import DELAY_SECONDS
from prism.errors import UsageError
from prism.files import require_writable
from prism.vm.engines.table import BUILT_IN
from prism.vm.ledger.api import Ledger
from prism.vm.ledger.checkpoint import MANIFEST, load
from prism.vm.ledger.columns import node_file
from prism.vm.ledger.key import LAYOUTS, WIDE
from prism.vm.ledger.open import open_ledger
from prism.vm.ledger.optable import op_table
from prism.vm.ledger.stream import IDS, Keeping, Plan, intern_files, resumed
from prism.vm.theory.library import load as load_theory


@click.command()
@click.argument("files", nargs=-1, required=True, metavar="FILE...", type=click.Path(exists=True, dir_okay=False))
@click.option("--out", required=True, type=click.Path(dir_okay=False), help="The .npy file of ids to write, int32.")
@click.option("--devices", type=click.IntRange(0), default=0, show_default=True, help="0: the host; else so many.")
@click.option("--batch", type=click.IntRange(1), default=1 << 20, show_default=True, help="Rows of a batch.")
@click.option("--rows", "by_row", is_flag=True, help="Operands from 2 on name rows: 2 is the first row of the input.")
@click.option(
    "--key-layout", type=click.Choice(list(LAYOUTS)), default=WIDE.name, show_default=True, help="Ids' width."
)
@click.option("--capacity", type=click.IntRange(2), help="Most nodes. [default: all that the layout holds]")
@click.option("--checkpoint", type=click.Path(file_okay=False), help="A folder to go on from after a stop.")
@click.option("--every", type=click.FloatRange(0), default=60.0, show_default=True, help="Seconds between checkpoints.")
@theory_option
def intern(files: tuple[str, ...], out: str, devices: int, **options: Any) -> None:
    """Give every node of FILE... its id: equal nodes get equal ids, on any number of devices.

    A file holds integer columns op, a and b, or uint64 keys: .npy (three columns, or fields, or one vector), .parquet,
    .arrow or .feather (extra `arrow`). Operands are ids that earlier batches gave, or with --rows rows of the input.
    Ids depend on the rows of each batch, so on --batch, and on nothing else. Files may be larger than memory.
    """
    layout = LAYOUTS[options["key_layout"]]
    if Path(out).suffix != ".npy":
        raise UsageError(f"{out}: ids are written as a .npy file, got {Path(out).suffix!r}; name one")
    require_writable(Path(out))
    plan = Plan(tuple(node_file(Path(file), layout) for file in files), options["batch"], options["by_row"])
    with _folder(options["checkpoint"], Path(out)) as folder:
        ids, done = resumed(plan, folder)
        if (folder / MANIFEST).exists():
            ledger = load(folder, devices=devices)
        else:
            ops = op_table(load_theory(options["theory_name"] or BUILT_IN).signature)
            ledger = open_ledger(layout, options["capacity"] or layout.max_id + 1, ops, devices=devices)
        keeping = Keeping(folder, options["every"]) if options["checkpoint"] else None
        start = time.monotonic()
        with _bar(plan.rows) as tick:
            intern_files(ledger, plan, ids, done=done, keeping=keeping, tick=tick)
        ids.flush()  # pyright: ignore[reportAttributeAccessIssue] (a mapped file)
        _put(folder / IDS, Path(out))
    click.echo(_summary(plan.rows, done, ledger, time.monotonic() - start))


def _summary(rows: int, done: int, ledger: Ledger, seconds: float) -> str:
    before = f" ({done} of them before)" if done else ""
    return f"{rows} rows{before}, {ledger.count} nodes, {seconds:.1f} s"


@contextmanager
def _folder(named: str | None, out: Path) -> Iterator[Path]:
    """Yield the folder that holds the ids while they grow: the checkpoint's, or one beside `out` that goes again."""
    if named is not None:
        yield Path(named)
        return
    with tempfile.TemporaryDirectory(prefix=f".{out.name}.", dir=out.resolve().parent) as folder:
        yield Path(folder)


def _put(ids: Path, out: Path) -> None:
    """Let `out` be a copy of the ids, whole or not at all."""
    with tempfile.TemporaryDirectory(prefix=f".{out.name}.", dir=out.resolve().parent) as folder:
        shutil.copyfile(ids, Path(folder) / out.name).replace(out.resolve())


@contextmanager
def _bar(rows: int) -> Iterator[Callable[[int], None]]:
    """Yield what is told how many rows are done; on a terminal, a bar on stderr shows it after a second."""
    if not sys.stderr.isatty():
        yield lambda _: None
        return
    from rich import progress as bars
    from rich.console import Console

    columns = (bars.TextColumn("interning"), bars.BarColumn(), bars.MofNCompleteColumn(), bars.TimeRemainingColumn())
    bar, begun = bars.Progress(*columns, console=Console(stderr=True), transient=True), time.monotonic()
    task = bar.add_task("", total=rows)

    def tick(done: int) -> None:
        if time.monotonic() - begun >= DELAY_SECONDS:
            bar.start()
        bar.update(task, completed=done)

    try:
        yield tick
    finally:
        bar.stop()
