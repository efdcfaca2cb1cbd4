"""Vectors of what stands around a worker: launch policy, tenants, caches, ingest, speculation and recovery."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from prism.conform import Case, Check, Deviation, Mismatch, require_equal
from prism.ring import policy, tenants
from prism.ring.cache import Cache, CacheMetrics, get_layered
from prism.ring.conform.buffers import KINDS, require_error
from prism.ring.ingest import IngestAccounts, IngestPath
from prism.ring.recovery import Cure, cure_for, launch
from prism.ring.speculation import Sample, verdict


def _grid(grid: policy.Grid) -> dict[str, Any]:
    return {
        "workgroup_size_x": grid.group_size,
        "slot_count": grid.slots,
        "dispatch_grid": [grid.groups, 1, 1],
        "worker_groups": grid.workers,
    }


def _launch_grid(case: Case) -> None:
    data = case.data
    device = policy.Device(data["max_workgroup_size_x"], data["max_workgroups_per_dim"], data["max_invocations"])
    arguments = data["queue_len"], data["requested_worker_groups"], device
    if "expect_error" in data:
        return require_error(data["expect_error"], lambda: policy.launch_grid(*arguments))
    return require_equal(data["expect"], _grid(policy.launch_grid(*arguments)))


def _request(asked: Mapping[str, int]) -> policy.Request:
    return policy.Request(
        queue=asked["queue_len"],
        workers=asked["requested_worker_groups"],
        device=policy.Device(
            asked["max_workgroup_size_x"],
            asked["max_compute_workgroups_per_dimension"],
            asked["max_compute_invocations_per_workgroup"],
        ),
        hit_capacity=asked["requested_hit_capacity"],
        hits_per_item=asked["expected_hits_per_item"],
        hot_opcodes=asked["hot_opcode_count"],
        hot_windows=asked["hot_window_count"],
        requeues=asked["requeue_count"],
        oldest=asked["max_priority_age"],
        graph_nodes=asked["graph_node_count"],
        graph_edges=asked["graph_edge_count"],
        density_bps=asked["frontier_density_bps"],
        memory_bps=asked["memory_pressure_bps"],
        resident_bytes=asked["resident_device_bytes"],
        budget_bytes=asked["device_memory_budget_bytes"],
    )


def _launch_policy(case: Case) -> None:
    data = case.data
    request, before = _request(data["request"]), data["previous_topology"]
    previous = policy.Topology(before) if before else None
    if "expect_error" in data:
        return require_error(data["expect_error"], lambda: policy.recommend(request, previous))
    got = policy.recommend(request, previous)
    shown = _grid(got.grid) | {
        "hit_capacity": got.hit_capacity,
        "pressure": got.pressure.value,
        "execution_mode": got.mode.value,
        "topology": got.topology.value,
        "promote_hot_opcodes": got.promote_opcodes,
        "promote_hot_windows": got.promote_windows,
        "age_priority_work": got.age,
        "estimated_peak_device_bytes": got.peak_bytes,
        "device_memory_budget_bytes": got.budget_bytes,
    }
    return require_equal(data["expect"], shown)


def _speculation(case: Case) -> None:
    data = case.data
    base = Sample(data["baseline_dispatches"], data["baseline_mean_ns"])
    variant = Sample(data["speculative_dispatches"], data["speculative_mean_ns"])
    require_equal(data["expect"], verdict(base, variant, data["side_compile_cost_ns"]).value)


def _tenant(case: Case) -> None:
    data = case.data
    operation = data.get("op", "")
    if isinstance(operation, list) or operation == "register_with_backpressure(0)":
        return _outstanding(data, [operation] if isinstance(operation, str) else operation)
    if "expect_error" in data:
        tenant = int(operation.rpartition(" ")[2]) if operation.startswith("register id") else data.get("tenant_id", 1)
        return require_error(data["expect_error"], lambda: tenants.opcode_window(tenant).opcode(data.get("local", 0)))
    if operation == "register":
        return require_equal(data["expect"], {"tenant_id": tenants.FIRST_TENANT})
    window = tenants.opcode_window(data["tenant_id"])
    got = {"base_opcode": window.base, "cap": tenants.OPCODES, "publishable": window.publishable}
    return require_equal(data["expect"], got)


def _outstanding(data: Mapping[str, Any], operations: Sequence[str]) -> None:
    """Do what a case lists, in order; only the last may fail unless it says so itself."""
    held, caught = tenants.Outstanding(), None
    for operation in operations:
        name, _, rest = operation.partition(" ")
        if name.startswith("register"):
            held = tenants.Outstanding(int(rest.partition("=")[2] or 0))
            continue
        try:
            _do(held, name, rest)
        except tuple(kind for kinds in KINDS.values() for kind in kinds) as error:
            caught = error
    expected = data.get("expect_error")
    if expected and not isinstance(caught, KINDS[expected["kind"]]):
        raise Mismatch(f"the last operation must fail with {expected['kind']}, got {caught!r}")
    shown = {"outstanding": held.outstanding, "cap": held.cap, "max_outstanding_slots": held.cap, "ok": caught is None}
    facts = {**(expected or {}), **data.get("expect", {}), **data.get("after", {})}
    for name, value in facts.items():
        if name not in ("kind", "reason"):
            require_equal(value, shown[name] if name in shown else getattr(held, name), name)


def _do(held: tenants.Outstanding, name: str, rest: str) -> None:
    if name.startswith("quiesce"):
        held.quiesce(int(name[len("quiesce(") : -1]))
    elif name == "note_drained":
        held.drained += int(rest)
    elif name.startswith("publish"):
        held.reserve()
    else:
        raise Mismatch(f"no operation of a tenant is called {name!r}")


def _selection(case: Case) -> None:
    require_equal(case.data["expect"], tenants.select_tenants(case.data["active_ids"], case.data["conflicts"]))


def _quiesce(case: Case) -> None:
    require_equal(case.data["expect"], tenants.quiesce_park_us(case.data["poll"]))


def _partition(case: Case) -> None:
    parts = policy.partition(case.data["total_len"], case.data["backends"])
    require_equal(case.data["expect_ranges"], [[part.start, part.stop] for part, _ in parts], "ranges")
    require_equal(case.data["expect_backend_index"], [backend for _, backend in parts], "back ends")


def _ingest(case: Case) -> None:
    accounts = IngestAccounts(**case.data["telemetry"])
    require_equal(case.data["expect"], accounts.finding(IngestPath(case.data["path"])).value)


def _slot_bytes(case: Case) -> None:
    require_equal(case.data["expect"], policy.slot_bytes(case.data["total_len"], case.data["slots"]))


def _device_loss(case: Case) -> None:
    require_equal(case.data["expect"], cure_for(case.data["text"]) is Cure.REBUILD)


def _spelled_with_underscores(case: Case) -> bool:
    return case.area == "device_loss_classifier" and "device_lost" in case.data["text"].lower()


def _is_device_loss(case: Case) -> None:
    require_equal(True, cure_for(case.data["text"]) is Cure.REBUILD)


def _hit_rate(case: Case) -> None:
    metrics = CacheMetrics(lookups=case.data["lookups"], hits=case.data["hits"])
    require_equal(case.data["expect_hit_rate_ppm"], metrics.hit_rate_ppm)


def _lru(case: Case) -> None:
    data = case.data
    cache: Cache[str] = Cache(data["max_entries"], data["max_bytes"])
    for name, key, *size in data["ops"]:
        cache.put(key, key, *size) if name == "put" else cache.get(key)
    for key in data.get("expect_present", ()):
        require_equal(True, key in cache, f"{key} is there")
    for key in data.get("expect_absent", ()):
        require_equal(False, key in cache, f"{key} is there")
    metrics = cache.metrics
    shown = {"entries": len(cache), "cached_bytes": cache.cached_bytes}
    require_equal(data.get("expect_bytes", cache.cached_bytes), cache.cached_bytes, "bytes")
    for name, value in data.get("expect", {}).items():
        require_equal(value, shown[name] if name in shown else getattr(metrics, name), name)


def _layered(case: Case) -> tuple[list[Cache[str]], bool]:
    """Do what a case lists on layers of one byte a value; return them and whether the last lookup found something."""
    layers: list[Cache[str]] = [Cache(8, 8) for _ in range(case.data["layers"])]
    hit = False
    for name, *rest in case.data["ops"]:
        if name == "get":
            hit = get_layered(layers, rest[0], 1) is not None
        else:
            depth, key = (rest[0], rest[1]) if name == "put_layer" else (0, rest[0])
            layers[depth].put(key, key, 1)
    return layers, hit


def _cache(case: Case) -> None:
    if "layers" not in case.data:
        return _lru(case)
    layers, hit = _layered(case)
    for name, value in case.data["expect"].items():
        got = hit if name == "hit" else "a" in layers[int(name[len("layer") :].partition("_")[0])]
        require_equal(value, got, name)
    return None


def _hits_a_far_layer(case: Case) -> bool:
    return case.area == "cache_lru" and "layers" in case.data and case.data["expect"].get("hit", False)


def _promotes(case: Case) -> None:
    layers, hit = _layered(case)
    require_equal(True, hit, "hit")
    require_equal([True] * len(layers), ["a" in layer for layer in layers], "layers that hold it")


_RESIDENT: Final = "PersistentMegakernel"


def _routing(case: Case) -> None:
    """Without a measurement a plan goes to the resident worker, whatever its size."""
    require_equal(case.data["expect"], policy.route((_RESIDENT, "Launch"), {}))


def _throughput(case: Case) -> None:
    require_equal(case.data["expect_bytes_per_second"], policy.rate(case.data["bytes"], case.data["latency_ns"]))


def _recovery(case: Case) -> None:
    data = case.data
    answers: list[str] = [data["first_error"], data.get("second", "ok")]
    rebuilds: list[None] = []

    def attempt() -> str:
        answer = answers.pop(0)
        if answer != "ok":
            raise RuntimeError(answer)
        return answer

    expected = data["expect"]
    try:
        done = launch(attempt, lambda: rebuilds.append(None), retry=data.get("retry_device_loss_once", True))
    except RuntimeError as error:
        require_equal(expected.get("error"), str(error), "error")
    else:
        require_equal(expected.get("recovered", False), done.rebuilds > 0, "recovered")
        require_equal(expected["kernel_launches"], done.launches, "launches")
    require_equal(expected["recompiles"], len(rebuilds), "rebuilds")


CHECKS: Final[dict[str, Check]] = {
    "launch_grid": _launch_grid,
    "launch_policy": _launch_policy,
    "speculation": _speculation,
    "tenant_registry": _tenant,
    "tenant_selection": _selection,
    "quiesce_backoff_us": _quiesce,
    "work_partition": _partition,
    "ingest_telemetry": _ingest,
    "ingest_slot_partition": _slot_bytes,
    "device_loss_classifier": _device_loss,
    "cache_metrics": _hit_rate,
    "cache_lru": _cache,
    "routing": _routing,
    "throughput": _throughput,
    "recovery": _recovery,
}
DEVIATIONS: Final = (
    Deviation("a hit is kept in the nearer layers", "RING-16", _hits_a_far_layer, _promotes),
    Deviation("device loss is also spelled with underscores", "RING-16", _spelled_with_underscores, _is_device_loss),
)
