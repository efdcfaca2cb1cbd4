"""Options of engine `bsp`: its layout, swizzle and cycles, and what to watch while it runs [ARENA-5]."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any, Final, TypeVar

import click

from prism.cli.options import OutputFile
from prism.errors import UsageError
from prism.vm.arena.layout import SWIZZLES, Layout
from prism.vm.engines.api import Engine, Limits
from prism.vm.engines.schedule import MAX_COUNT, Schedule
from prism.vm.engines.table import BUILT_IN, SCHEDULED, open_engine
from prism.vm.theory.library import load

_F = TypeVar("_F", bound=Callable[..., Any])
_SIZE = click.IntRange(0)
_SWIZZLE_VARIABLE: Final = "PRISM_SWIZZLE_BACKEND"

_OPTIONS: Final = {
    "cycles": click.option("--cycles", type=click.IntRange(0, MAX_COUNT), help="Stop after N cycles; all by default."),
    "no_sort": click.option("--no-sort", is_flag=True, help="Leave slots where they are; usually the fastest."),
    "morton": click.option("--morton", is_flag=True, help="Order within a rank by Morton code of the operands."),
    "block_size": click.option("--block-size", type=_SIZE, help="Sort inside blocks of N slots only."),
    "l2": click.option("--l2", type=_SIZE, help="Hierarchy: sort inside blocks of N slots first."),
    "l1": click.option("--l1", type=_SIZE, help="Hierarchy: then inside blocks of N slots."),
    "no_global": click.option("--no-global", is_flag=True, help="Hierarchy: stop there; do not sort the whole arena."),
    "swizzle_backend": click.option(
        "--swizzle-backend",
        type=click.Choice(SWIZZLES),
        help=f"What moves the slots: host without an accelerator, else jax; {_SWIZZLE_VARIABLE} sets it as well.",
    ),
    "check": click.option("--check", is_flag=True, help="Validate the arena and the strata after every cycle."),
    "telemetry": click.option("--telemetry", type=OutputFile(), help="Record locality into this file."),
}
"""The options, by parameter; none has a default, so that one given to another engine can be refused."""
_ORDERS: Final = frozenset({"morton", "block_size", "l2", "l1"})
_WATCHING: Final = frozenset({"check", "telemetry"})


def schedule_options(command: _F) -> _F:
    """Add the options of `bsp` to a command; `session_of` reads them."""
    for option in reversed(_OPTIONS.values()):
        command = option(command)
    return command


def layout_options(command: _F) -> _F:
    """Add the options of `bsp` to a command, but for those that watch a run; `schedule_of` reads them."""
    for name, option in reversed(_OPTIONS.items()):
        command = command if name in _WATCHING else option(command)
    return command


@contextmanager
def session_of(engine: str, limits: Limits, options: dict[str, Any]) -> Iterator[Engine]:
    """Yield a session of the engine that was asked for; what it was told to record is written at the end."""
    schedule = schedule_of(engine, options)
    if not (options["check"] or options["telemetry"]):
        yield open_engine(engine, limits, schedule)
        return
    from prism.cli.watch import DamageLog, check
    from prism.vm.arena.store import rules_of
    from prism.vm.engines.bsp import BspEngine, Watch

    schedule, theory = schedule or Schedule(), load(BUILT_IN)
    log = DamageLog(schedule.layout, rules_of(theory))
    watches: list[Watch] = [log] if options["telemetry"] else []
    if options["check"]:
        watches.append(partial(check, rules_of(theory)))
    yield BspEngine(limits, schedule, theory, watches)
    if options["telemetry"]:
        log.write(options["telemetry"])


def refuse_schedule(engine: str, options: dict[str, Any]) -> None:
    """Raise UsageError when options of a schedule are given to a run that follows none."""
    if engine in SCHEDULED:
        raise UsageError(f"the engine {engine} must run the built-in theory, and explains nothing; use the ledger")
    schedule_of(engine, options)


def schedule_of(engine: str, options: dict[str, Any]) -> Schedule | None:
    """Return the schedule that was asked for, None for an engine that follows none; UsageError if it was given one."""
    given = {name: options[name] for name in options.keys() & _OPTIONS.keys()}
    given = {name: value for name, value in given.items() if value is not None and value is not False}
    if engine not in SCHEDULED:
        if given:
            raise UsageError(
                f"{_flags(given)}: only the engine {', '.join(SCHEDULED)} has a layout, got {engine}; choose that one"
            )
        return None
    orders = given.keys() & _ORDERS
    if "no_sort" in given and orders:
        raise UsageError(f"--no-sort excludes {_flags(orders)}, which is an order; leave one out")
    if "no_global" in given and not given.keys() & {"l2", "l1"}:
        raise UsageError("--no-global ends a hierarchy early, but there is none; give --l2 or --l1 as well")
    layout = Layout(
        sort=not options["no_sort"],
        morton=options["morton"],
        block=options["block_size"] or 0,
        l2=options["l2"] or 0,
        l1=options["l1"] or 0,
        whole=not options["no_global"],
    )
    swizzle = options["swizzle_backend"] or os.environ.get(_SWIZZLE_VARIABLE)
    return Schedule(layout, swizzle, given.get("cycles", MAX_COUNT))


def _flags(names: Iterable[str]) -> str:
    return ", ".join(f"--{name.replace('_', '-')}" for name in sorted(names))
