"""What stands around a worker, by example: policy, speculation, recovery, caches, tenants, tasks and accounts."""

from __future__ import annotations

import threading
from dataclasses import replace

import pytest

from prism.ring import policy, tasks, tenants
from prism.ring.cache import Cache, get_layered
from prism.ring.errors import DeviceLostError
from prism.ring.ingest import IngestAccounts, IngestFinding, IngestPath
from prism.ring.policy import Device, Mode, Pressure, Request, Topology
from prism.ring.recovery import Cure, cure_for, launch
from prism.ring.speculation import Sample, Verdict, verdict

pytestmark = pytest.mark.m9

DEVICE = Device(256, 128, 1024)
DENSE = Request(9000, 64, DEVICE, graph_nodes=9000, graph_edges=70_000, density_bps=5000, hot_opcodes=8)


@pytest.mark.clause("RING-17")
@pytest.mark.parametrize(
    ("request_", "previous", "expected"),
    [
        (replace(DENSE, queue=0), None, Topology.EMPTY),
        (DENSE, None, Topology.FUSED_DENSE),
        (replace(DENSE, hot_opcodes=7), None, Topology.DENSE),
        (replace(DENSE, hot_opcodes=0, hot_windows=4), None, Topology.FUSED_DENSE),
        (replace(DENSE, density_bps=3999), None, Topology.HYBRID),
        (replace(DENSE, density_bps=3751), Topology.FUSED_DENSE, Topology.FUSED_DENSE),
        (replace(DENSE, density_bps=3749), Topology.FUSED_DENSE, Topology.HYBRID),
        (replace(DENSE, density_bps=4249), Topology.HYBRID, Topology.HYBRID),
        (replace(DENSE, density_bps=500), None, Topology.SPARSE),
        (replace(DENSE, memory_bps=8500), None, Topology.MEMORY),
        (replace(DENSE, memory_bps=8250), Topology.MEMORY, Topology.MEMORY),
        (replace(DENSE, memory_bps=8249), Topology.MEMORY, Topology.FUSED_DENSE),
    ],
)
def test_the_topology_follows_its_thresholds(request_: Request, previous: Topology | None, expected: Topology) -> None:
    """Each threshold is where it is said to be, and a topology stays a little longer than it would come."""
    assert policy.topology_of(request_, previous) is expected


@pytest.mark.clause("RING-17")
def test_a_launch_says_why() -> None:
    """Pressure and mode follow the queue: full waves saturate, a long queue or hot opcodes fuse, age ages."""
    light = policy.recommend(Request(10, 4, DEVICE))
    assert (light.pressure, light.mode, light.age) == (Pressure.LIGHT, Mode.INTERPRETED, False)
    assert policy.recommend(Request(0, 4, DEVICE)).pressure is Pressure.EMPTY
    assert policy.recommend(Request(16, 4, DEVICE)).pressure is Pressure.BALANCED
    assert policy.recommend(Request(64, 4, DEVICE)).pressure is Pressure.SATURATED
    assert policy.recommend(Request(4096, 64, DEVICE)).mode is Mode.FUSED
    assert policy.recommend(Request(10, 4, DEVICE, oldest=32)).age
    assert policy.recommend(Request(10, 4, DEVICE, hot_windows=4)).promote_windows


@pytest.mark.clause("RING-17")
def test_the_measured_executor_wins() -> None:
    """Work goes to the executor that was measured cheapest, to the first where none was."""
    assert policy.route(("cpu", "device"), {"device": 3.0, "cpu": 4.0}) == "device"
    assert policy.route(("cpu", "device"), {}) == "cpu"
    assert [list(part) for part, _ in policy.partition(3, 2)] == [[0], [1], [2]]
    assert policy.slot_bytes(10, 4) is None
    assert policy.rate(7, 3) == 2_333_333_333


@pytest.mark.clause("RING-17")
@pytest.mark.parametrize(
    ("base", "variant", "compile_ns", "expected"),
    [
        ((7, 100), (8, 1), 0, Verdict.KEEP_RACING),
        ((8, 100), (8, 85), 0, Verdict.ADOPT),
        ((8, 100), (8, 86), 0, Verdict.KEEP_RACING),
        ((8, 100), (8, 50), 400, Verdict.REJECT),
        ((8, 0), (8, 0), 0, Verdict.KEEP_RACING),
    ],
)
def test_a_variant_earns_its_place(
    base: tuple[int, int], variant: tuple[int, int], compile_ns: int, expected: Verdict
) -> None:
    """Too few launches decide nothing, compilation counts, and only a clear saving is adopted."""
    assert verdict(Sample(*base), Sample(*variant), compile_ns) is expected


@pytest.mark.clause("RING-17")
def test_a_lost_device_is_rebuilt_once() -> None:
    """A loss is known by class or by the driver's words; after one rebuild and one more launch a failure counts."""
    assert cure_for(DeviceLostError("gone")) is Cure.REBUILD
    assert cure_for("VK_ERROR_DEVICE_LOST") is Cure.REBUILD
    assert cure_for(ValueError("shape")) is Cure.NONE
    failures = [DeviceLostError("gone"), DeviceLostError("again")]
    rebuilds: list[int] = []

    def attempt() -> str:
        raise failures.pop(0)

    with pytest.raises(DeviceLostError, match="again"):
        launch(attempt, lambda: rebuilds.append(1))
    assert rebuilds == [1]
    assert launch(lambda: "ok", lambda: rebuilds.append(1)).launches == 1


@pytest.mark.clause("RING-14")
def test_a_cache_keeps_its_bounds_among_threads() -> None:
    """Whoever puts what, entries and bytes stay within the bounds and are those of the values held."""
    cache: Cache[int] = Cache(5, 40)

    def put(start: int) -> None:
        for i in range(start, start + 200):
            cache.put(i % 11, i, i % 13)
            cache.get(i % 7)

    threads = [threading.Thread(target=put, args=(start,)) for start in (0, 3, 7)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(cache) <= 5
    assert cache.cached_bytes <= 40
    assert cache.metrics.lookups == 600
    far: Cache[int] = Cache(1, 1)
    near: Cache[int] = Cache(1, 1)
    far.put("a", 1, 1)
    assert get_layered((near, far), "a", 1) == 1
    assert "a" in near
    assert get_layered((near, far), "b", 1) is None


@pytest.mark.clause("RING-6")
def test_a_tenant_has_its_opcodes_and_its_share() -> None:
    """Windows of opcodes do not overlap; a cap of 0 counts as 1; who conflicts with nobody runs."""
    first, second = tenants.opcode_window(1), tenants.opcode_window(2)
    assert first.opcode(tenants.OPCODES - 1) + 1 == second.opcode(0)
    held = tenants.Outstanding(cap=0)
    held.reserve()
    with pytest.raises(tenants.BackpressureError):
        held.reserve()
    held.drained += 1
    held.quiesce(1)
    assert (held.quiesce_calls, held.quiesce_timeouts) == (1, 0)
    assert tenants.select_tenants([4, 5, 6], [0, 1, 0, 0, 0, 0, 0, 1, 0]) == [4, 6]
    assert [tenants.quiesce_park_us(poll) for poll in (0, 65, 1 << 40)] == [2, 4, 50]


@pytest.mark.clause("RING-1")
def test_a_task_carries_its_continuation() -> None:
    """A paused task resumes with what it saved, and is schedulable again."""
    task = tasks.task(9, 1, 2, 77)
    waiting = tasks.paused(task, 5, 6, 8)
    assert not tasks.is_schedulable(waiting)
    resumed = tasks.resumed(waiting)
    assert tasks.is_schedulable(resumed)
    assert resumed[7:10].tolist() == [5, 6, 8]
    assert tasks.completed(tasks.requeued(resumed, 1, 2, 4))[0] == tasks.TaskState.DONE


@pytest.mark.clause("RING-13")
def test_accounts_of_an_ingest_name_what_is_wrong() -> None:
    """The first thing wrong is named, bounce bytes before all."""
    good = IngestAccounts(8, 8, 2, 2, 2)
    assert good.finding(IngestPath.REGISTERED) is IngestFinding.OK
    assert (
        replace(good, cpu_bounce_bytes=1, failed_completions=1).finding(IngestPath.REGISTERED) is IngestFinding.BOUNCED
    )
    assert replace(good, completed_bytes=7).finding(IngestPath.REGISTERED) is IngestFinding.BYTES
    assert replace(good, failed_completions=1).finding(IngestPath.REGISTERED) is IngestFinding.FAILED
    assert good.finding(IngestPath.GPUDIRECT) is IngestFinding.PATH
