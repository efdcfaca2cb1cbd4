"""How to launch: geometry, topology, mode and pressure as pure integer functions of what is queued [RING-17].

The thresholds are vyre-runtime's; the constants below are all of them. Shares are in basis points (bps).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Final

from prism.ring.errors import LaunchError
from prism.ring.layout import WORD_MASK

FULL: Final = 10_000
"""All of something, in bps."""
MIN_HIT_CAPACITY: Final = 1024
HIT_MULTIPLIER: Final = 2
SATURATED_WAVES: Final = 4
HOT_OPCODES: Final = 8
HOT_WINDOWS: Final = 4
FUSE_QUEUE: Final = 4096
AGED: Final = 32
SPARSE: Final = 500
DENSE: Final = 4000
MEMORY_PRESSURE: Final = 8500
FUSION_EDGES: Final = 65_536
SCRATCH_BYTES_PER_HIT: Final = 16
HYSTERESIS: Final = 250
DEFAULT_WORKERS: Final = 64
OCCUPANCY_DIVISOR: Final = 256
MAX_GROUPS: Final = 1024
LARGE_GROUP: Final = 4096
"""Invocations in a group from which a device gets DEFAULT_WORKERS at least."""
_SPARSE_FLOOR: Final = 32
_SHED: Final = 2500


class OutOfBudgetError(LaunchError):
    """A launch would take more device memory than its budget."""


class Pressure(Enum):
    """How much is queued against how much runs at once."""

    EMPTY = "Empty"
    LIGHT = "Light"
    BALANCED = "Balanced"
    SATURATED = "Saturated"


class Mode(Enum):
    """Whether opcodes are looked up, or one handler is fused into the worker."""

    INTERPRETED = "Interpreter"
    FUSED = "Jit"


class Topology(Enum):
    """The shape of the work that is queued."""

    EMPTY = "Empty"
    MEMORY = "MemoryConstrained"
    SPARSE = "SparseFrontier"
    FUSED_DENSE = "FusedDense"
    DENSE = "DenseFrontier"
    HYBRID = "HybridFrontier"


@dataclass(frozen=True, slots=True)
class Device:
    """What a device allows: workers in a group, groups in a launch, and invocations in a group."""

    group_size: int
    groups: int
    invocations: int


@dataclass(frozen=True, slots=True)
class Request:
    """What is to be launched; a 0 says that the caller does not know, and the policy infers it where it can.

    Counts are of items, graph_nodes and graph_edges of the queued work, density_bps and memory_bps are shares.
    """

    queue: int
    workers: int
    device: Device
    hit_capacity: int = 0
    hits_per_item: int = 1
    hot_opcodes: int = 0
    hot_windows: int = 0
    requeues: int = 0
    oldest: int = 0
    graph_nodes: int = 0
    graph_edges: int = 0
    density_bps: int = 0
    memory_bps: int = 0
    resident_bytes: int = 0
    budget_bytes: int = 0


@dataclass(frozen=True, slots=True)
class Grid:
    """A launch's geometry: groups of `group_size` workers, and as many slots as whole groups hold."""

    group_size: int
    slots: int
    groups: int
    workers: int


@dataclass(frozen=True, slots=True)
class Launch:
    """What the policy recommends, and why: its pressure, mode and topology."""

    grid: Grid
    hit_capacity: int
    pressure: Pressure
    mode: Mode
    topology: Topology
    promote_opcodes: bool
    promote_windows: bool
    age: bool
    peak_bytes: int
    budget_bytes: int


def workers_for(requested: int, device: Device) -> int:
    """Return how many groups work: as requested, or by what the device allows; raises LaunchError for a zero limit."""
    for name, limit in (
        ("group_size", device.group_size),
        ("groups", device.groups),
        ("invocations", device.invocations),
    ):
        if limit == 0:
            raise LaunchError(f"the device limit {name} must be at least 1, got 0; pass what the device reports")
    if not requested:
        requested = min(max(device.groups // OCCUPANCY_DIVISOR, 1), MAX_GROUPS)
        if device.invocations >= LARGE_GROUP:
            requested = max(requested, DEFAULT_WORKERS)
    return max(1, min(requested, device.groups))


def launch_grid(queue: int, requested: int, device: Device) -> Grid:
    """Return the geometry for a queue; raises LaunchError for a device limit of zero."""
    return _grid(queue, workers_for(requested, device), device)


def _grid(queue: int, workers: int, device: Device) -> Grid:
    group = min(workers, device.group_size)
    slots = max(1, -(-max(queue, 1) // group)) * group
    return Grid(group, slots, min(max(1, -(-slots // group)), workers, MAX_GROUPS), workers)


def density_of(request: Request) -> int:
    """Return the share of the graph's nodes that is queued, inferred where the caller gave none."""
    if request.density_bps or not request.graph_nodes:
        return request.density_bps
    return min(max(min(request.queue, request.graph_nodes) * FULL // request.graph_nodes, 1), FULL)


def memory_of(request: Request) -> int:
    """Return the share of the budget that is resident, inferred where the caller gave none."""
    if request.memory_bps or not request.budget_bytes:
        return request.memory_bps
    return min(request.resident_bytes * FULL // request.budget_bytes, FULL)


def topology_of(request: Request, previous: Topology | None = None) -> Topology:
    """Return the shape of the queued work; one that was there before stays for HYSTERESIS beyond its threshold."""
    density, memory = density_of(request), memory_of(request)
    # A share counts as past a threshold a little later than it did, in whichever direction it goes.
    ease = {shape: HYSTERESIS * (shape is previous) for shape in Topology}
    hold = HYSTERESIS * (previous is Topology.HYBRID)
    if not request.queue:
        return Topology.EMPTY
    if memory >= MEMORY_PRESSURE - ease[Topology.MEMORY]:
        return Topology.MEMORY
    if density <= SPARSE + ease[Topology.SPARSE] - hold:
        return Topology.SPARSE
    dense = DENSE + hold - max(ease[Topology.DENSE], ease[Topology.FUSED_DENSE])
    if density < dense:
        return Topology.HYBRID
    hot = request.hot_opcodes >= HOT_OPCODES or request.hot_windows >= HOT_WINDOWS
    fuse = hot and request.graph_nodes and request.graph_edges >= FUSION_EDGES
    return Topology.FUSED_DENSE if fuse else Topology.DENSE


def _shaped(workers: int, topology: Topology, request: Request) -> int:
    """Return how many groups of `workers` a topology keeps."""
    if topology is Topology.MEMORY:
        excess = min(max(memory_of(request) - MEMORY_PRESSURE, 0), FULL - MEMORY_PRESSURE)
        keep = FULL - (_SHED + excess * _SHED // (FULL - MEMORY_PRESSURE))
        return max(1, workers * keep // FULL)
    if topology is Topology.SPARSE and request.graph_nodes:
        return max(min(workers * density_of(request) // SPARSE, workers), min(workers, _SPARSE_FLOOR))
    return workers


def hit_capacity(request: Request) -> int:
    """Return the room for results: as requested, or from the queue; raises LaunchError above 32 bits."""
    if request.hit_capacity:
        return request.hit_capacity
    spare = 1 if memory_of(request) >= MEMORY_PRESSURE else HIT_MULTIPLIER
    hits = request.queue * max(1, request.hits_per_item) * spare
    if hits > WORD_MASK:
        raise LaunchError(f"the room for hits must fit 32 bits, got {hits}; split the queue or expect fewer hits")
    return max(MIN_HIT_CAPACITY, hits)


def pressure_of(request: Request, grid: Grid) -> Pressure:
    """Return how much is queued against the lanes of a grid."""
    lanes = grid.groups * grid.group_size
    if not request.queue:
        return Pressure.EMPTY
    if request.requeues or request.queue >= SATURATED_WAVES * lanes:
        return Pressure.SATURATED
    return Pressure.BALANCED if request.queue >= lanes else Pressure.LIGHT


def recommend(request: Request, previous: Topology | None = None) -> Launch:
    """Return how to launch; raises LaunchError, and OutOfBudgetError where the device's budget would not hold it."""
    workers = workers_for(request.workers, request.device)
    topology = topology_of(request, previous)
    grid = _grid(request.queue, _shaped(workers, topology, request), request.device)
    capacity = hit_capacity(request)
    peak = request.resident_bytes + SCRATCH_BYTES_PER_HIT * capacity
    if request.budget_bytes and peak > request.budget_bytes:
        raise OutOfBudgetError(
            f"a launch must fit its budget of {request.budget_bytes} bytes, got {peak}; split the queue or raise it"
        )
    opcodes, windows = request.hot_opcodes >= HOT_OPCODES, request.hot_windows >= HOT_WINDOWS
    fused = request.queue >= FUSE_QUEUE or opcodes or windows or topology is Topology.FUSED_DENSE
    return Launch(
        grid,
        capacity,
        pressure_of(request, grid),
        Mode.FUSED if fused else Mode.INTERPRETED,
        topology,
        opcodes,
        windows,
        request.requeues > 0 or request.oldest >= AGED,
        peak,
        request.budget_bytes,
    )


def route(executors: Sequence[str], measured: Mapping[str, float]) -> str:
    """Return the executor whose measured cost is least; the first, a resident worker, where none was measured."""
    known = [name for name in executors if name in measured]
    return min(known, key=lambda name: measured[name]) if known else executors[0]


def partition(items: int, backends: int) -> list[tuple[range, int]]:
    """Deal items out: ranges of `max(1, items // (4 * backends))`, and the back end of each in turn."""
    if not items or not backends:
        return []
    unit = max(1, items // (4 * backends))
    starts = range(0, items, unit)
    return [(range(start, min(start + unit, items)), place % backends) for place, start in enumerate(starts)]


def slot_bytes(total: int, slots: int) -> int | None:
    """Return the bytes of each of `slots` equal parts of a buffer; None where there are none or they are not whole."""
    return total // slots if slots and total % slots == 0 and total >= slots else None


def rate(size: int, ns: int) -> int:
    """Return bytes a second, floor, at most 2**64 - 1; 0 for no time."""
    return min(size * 1_000_000_000 // ns, (1 << 64) - 1) if ns else 0
