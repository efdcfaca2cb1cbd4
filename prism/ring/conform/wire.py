"""Vectors of the wire: encoders, publishing, readers, io queue, tasks and replay files."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, Final

import numpy as np

from prism.conform import Case, Check, Mismatch, require_equal
from prism.ring import codec, ioqueue, publish, replay, tasks, work
from prism.ring import layout as at
from prism.ring.conform.buffers import dense, ragged, require_error, require_words, ring_of
from prism.ring.errors import QueueFullError
from prism.ring.layout import WORD, Words
from prism.ring.opcodes import is_builtin, is_publishable, is_system
from prism.ring.publish import Place, Route
from prism.ring.state import band_offsets


def _control(case: Case) -> None:
    data = case.data
    got = codec.encode_control(data["shutdown"], data["tenant_count"], data["observable_slots"])
    require_words(dense(data["expect"]), got, "control buffer")


_LENGTHS: Final = {
    "control_byte_len": codec.control_bytes,
    "ring_byte_len": codec.ring_bytes,
    "debug_log_byte_len": codec.log_bytes,
}


def _length(case: Case) -> None:
    require_equal(case.data["expect"], _LENGTHS[case.data["fn"]](case.data["n"]))


def _published(case: Case, call: Callable[[Words, Mapping[str, Any]], object]) -> None:
    """Run a call that publishes, and compare the ring and what it returned."""
    ring = ring_of(case.data)
    consumed = call(ring, case.data)
    expected = case.data["expect"]
    require_words(np.array(expected["ring_words"], WORD), ring, "ring")
    if "consumed" in expected:
        require_equal(expected["consumed"], consumed, "slots taken")


def _publish(ring: Words, data: Mapping[str, Any]) -> object:
    return publish.publish(ring, Place(data["slot"], data["tenant"]), data["opcode"], data["args"])


def _packed(ring: Words, data: Mapping[str, Any]) -> object:
    return publish.publish_packed(ring, Place(data["slot"], data["tenant"]), data["ops"])


def _batch(ring: Words, data: Mapping[str, Any]) -> object:
    return publish.publish_batch(ring, Place(data["start"], data["tenant"]), data["items"], data["tag"])


def _window(ring: Words, data: Mapping[str, Any]) -> object:
    route = Route(data["ticket"], data["opcode"], data["required"], data["lookahead"])
    return publish.publish_window(ring, Place(data["start"], data["tenant"]), route)


def _items(data: Mapping[str, Any]) -> list[work.WorkItem]:
    return [work.WorkItem(*item) for item in data["items"]]


def _fill(ring: Words, data: Mapping[str, Any]) -> object:
    return work.fill(ring, data["tenant"], _items(data))


def _publish_items(ring: Words, data: Mapping[str, Any]) -> object:
    return work.publish_items(ring, Place(data["start"], data["tenant"]), _items(data))


def _work_items(case: Case) -> None:
    if "start" in case.data:
        return _published(case, _publish_items)
    ring = np.array(case.data["reuse_words"], WORD) if "reuse_words" in case.data else ring_of(case.data)
    _fill(ring, case.data)
    return require_words(np.array(case.data["expect"]["ring_words"], WORD), ring, "ring")


_REFUSED: Final[dict[str, Callable[[Words, Mapping[str, Any]], object]]] = {
    "publish": _publish,
    "packed": _packed,
    "batch": _batch,
    "window": _window,
    "work_items_ring": _fill,
    "work_items_publish": _publish_items,
    "encode_control": lambda _, data: codec.encode_control(False, 1, data["n"]),
    "encode_ring": lambda _, data: codec.encode_ring(data["n"]),
    "encode_empty_ring": lambda _, data: codec.encode_ring(data["n"]),
    "encode_debug_log": lambda _, data: codec.encode_log(data["n"]),
    "count_done": lambda ring, data: publish.count_done(ring, data["item_count"]),
}


def _error(case: Case) -> None:
    data = case.data
    holds_ring = "ring_words" in data or "slot_count" in data
    ring: np.ndarray = ring_of(data) if holds_ring else np.zeros(0, WORD)
    if data.get("extra_bytes"):
        ring = np.frombuffer(bytearray(ragged(ring, data["extra_bytes"])), np.uint8)
    if data.get("cut_bytes"):
        ring = np.frombuffer(bytearray(ring.tobytes()[: -data["cut_bytes"]]), np.uint8)
    require_error(data["expect_error"], lambda: _REFUSED[data["op"]](ring, data), ring)


def _opcode(case: Case) -> None:
    opcode = case.data["opcode"]
    got = {
        "is_system": is_system(opcode),
        "is_builtin": is_builtin(opcode),
        "user_ok": not is_system(opcode),
        "publish_ok": is_publishable(opcode),
    }
    require_equal(case.data["expect"], got)


def _equal_items(case: Case) -> None:
    equal = work.equal_items(_items(case.data))
    expected = case.data["expect"]
    require_equal([tuple(pair[:2]) for pair in expected["pairs"]], list(equal.repeated), "pairs")
    # A file lists what is left only where something was left out.
    kept = [list(item) for item in equal.kept] if equal.repeated else []
    require_equal(expected["kept"], kept, "kept")


def _load_miss(case: Case) -> None:
    got = publish.load_miss_slot(case.data["resource_id"], prefetch=case.data["prefetch"])
    require_words(np.array(case.data["expect"]["slot_words"], WORD), got, "slot")


def _obs(raw: bytes, data: Mapping[str, Any]) -> int:
    return codec.read_observable(raw, data["index"])


_READERS: Final[dict[str, Callable[[bytes, Mapping[str, Any]], Any]]] = {
    "done": lambda raw, _: codec.read_done_count(raw),
    "epoch": lambda raw, _: codec.read_epoch(raw),
    "obs": _obs,
    "metrics": lambda raw, _: [list(pair) for pair in codec.read_metrics(raw)],
    "metrics_lenient": lambda raw, _: [list(pair) for pair in codec.read_metrics(raw, whole=False)],
}


def _reader(case: Case) -> None:
    data = case.data
    call = partial(_READERS[data["fn"]], ragged(dense(data["control"]), data["extra_bytes"]), data)
    if "expect_error" in data:
        return require_error(data["expect_error"], call)
    return require_equal(data["expect"], call())


def _debug_log(case: Case) -> None:
    raw = ragged(dense(case.data["words"]), case.data["extra_bytes"])
    if "expect_error" in case.data:
        return require_error(case.data["expect_error"], lambda: codec.decode_log(raw))
    return require_equal(case.data["expect"]["records"], codec.decode_log(raw).tolist())


def _count_done(case: Case) -> None:
    ring = np.array(case.data["ring_words"], WORD)
    if "expect_error" in case.data:
        return require_error(case.data["expect_error"], lambda: publish.count_done(ring, case.data["item_count"]))
    return require_equal(case.data["expect"], publish.count_done(ring, case.data["item_count"]))


def _offsets(case: Case) -> None:
    require_equal(case.data["expect"], list(band_offsets(case.data["total_slots"])))


def _io_encode(case: Case) -> None:
    data = case.data

    def call() -> np.ndarray:
        if "slot_count" in data:
            return ioqueue.encode_queue(data["slot_count"])
        return ioqueue.queue_of(bytes(data["bytes"]))

    if "expect_error" in data:
        return require_error(data["expect_error"], call)
    got = call()
    return require_equal(data["expect"].get("byte_len", got.nbytes), got.nbytes, "bytes")


def _io_poke(queue: Words, slot: int, word: int, value: int) -> None:
    queue[slot, word] = value


def _ingest(queue: Words, slot: int, target: int, size: int, tag: int) -> None:
    ioqueue.submit(queue, ioqueue.Request(slot, at.IoOp.READ, 0, target, 0, size, tag))


def _dma(queue: Words, slot: int, source: int, target: int, size: int, tag: int) -> None:
    ioqueue.submit(queue, ioqueue.Request(slot, at.IoOp.READ, source, target, 0, size, tag))


def _completion(queue: Words, slot: int) -> str:
    found = ioqueue.completion(queue, slot)
    return "None" if found is None else f"Some({list(found)})"


_IO: Final[dict[str, Callable[..., Any]]] = {
    "publish": _ingest,
    "submit": _dma,
    "poke": _io_poke,
    "poll": ioqueue.published,
    "claim": lambda queue: [list(request) for request in ioqueue.claim(queue)],
    "complete": lambda queue, slot, ok: ioqueue.complete(queue, [(slot, bool(ok))]),
    "complete_batch": lambda queue, *ends: ioqueue.complete(queue, [(slot, bool(ok)) for slot, ok in ends]),
    "completion": _completion,
    "recycled": lambda queue, slot: str(ioqueue.is_recycled(queue, slot)).lower(),
}


def _io_queue(case: Case) -> None:
    queue = ioqueue.queue_of(ioqueue.encode_queue(case.data["slot_count"]))
    results = []
    for name, args in case.data["ops"]:
        try:
            answer = _IO[name](queue, *args)
        except QueueFullError:
            results.append("err QueueFull")
        else:
            results.append("ok" if answer is None else str(answer))
    require_equal(case.data["expect"]["results"], results, "results")
    require_words(np.array(case.data["expect"]["words"], WORD), queue.reshape(-1), "queue")


def _task(case: Case) -> None:
    begin = case.data["init"]
    handles = (begin["input"], begin["output"], begin["param"])
    words = tasks.task(begin["op_handle"], begin["tenant"], begin["priority"], begin["task_id"], handles)
    for name, args in case.data["transitions"]:
        words = getattr(tasks, name)(words, *args)
    require_words(np.array(case.data["expect"]["words"], WORD), words, "task")
    require_equal(case.data["expect"]["schedulable"], tasks.is_schedulable(words), "schedulable")


def _replay(case: Case) -> None:
    data = case.data
    entries = [
        replay.Entry(
            one["timestamp_ns"],
            *(one["slot_idx"], one["tenant_id"], one["opcode"]),
            tuple(one[f"arg{i}"] for i in range(4)),
            one["epoch"],
        )
        for one in data["records"]
    ]
    if "expect_error" in data:
        return require_error(data["expect_error"], lambda: replay.encode(data["capacity"], entries, version=1))
    file = replay.encode(data["capacity"], entries, version=1)
    if file.hex() != data["expect"]["hex"]:
        raise Mismatch("the replay file must have the bytes of the original")
    log = replay.decode(file)
    require_equal(data["expect"]["cursor"], log.cursor, "cursor")
    return require_equal(data["expect"]["replayed_slots"], [entry.slot for entry in log.entries], "order of replay")


CHECKS: Final[dict[str, Check]] = {
    "control_init": _control,
    "byte_lengths": _length,
    "encode_slot": lambda case: _published(case, _publish),
    "errors": _error,
    "opcode_classes": _opcode,
    "packed": lambda case: _published(case, _packed),
    "batch": lambda case: _published(case, _batch),
    "window": lambda case: _published(case, _window),
    "work_items": _work_items,
    "work_item_dedupe": _equal_items,
    "load_miss": _load_miss,
    "readers": _reader,
    "debug_log": _debug_log,
    "count_done": _count_done,
    "priority_offsets": _offsets,
    "io_queue_encode": _io_encode,
    "io_queue": _io_queue,
    "task": _task,
    "replay_log": _replay,
}
