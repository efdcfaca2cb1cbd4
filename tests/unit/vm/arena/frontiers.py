"""Runs over small programs, for the tests of the arena."""

from __future__ import annotations

from prism.vm.arena.layout import BY_RANK, Layout
from prism.vm.arena.run import Bounds, HostRun
from prism.vm.arena.store import Rules, load, rules_of
from prism.vm.term.graph import TermGraph
from prism.vm.term.parse import read_text
from prism.vm.theory.library import load as load_theory

PEANO: Rules = rules_of(load_theory("peano"))
MOST = (1 << 30) - 1


def host_run(
    program: str | TermGraph, layout: Layout = BY_RANK, *, nodes: int = MOST, cycles: int = MOST, steps: int = MOST
) -> HostRun:
    """Start a run of the built-in theory on the host."""
    terms = read_text(program).graph if isinstance(program, str) else program
    return HostRun(load(terms, PEANO), PEANO, Bounds(nodes, cycles, steps), layout)
