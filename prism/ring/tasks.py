"""A task in the 16 words of a slot: a job that can be paused, resumed, requeued and continued elsewhere."""

from __future__ import annotations

from enum import IntEnum, IntFlag
from typing import Final

import numpy as np

from prism.ring import layout as at
from prism.ring.layout import RUNNABLE, SLOT_WORDS, WORD, SlotStatus, Words, columns

WORDS: Final = columns(
    "task",
    SLOT_WORDS,
    ("state", "a SlotStatus"),
    ("op_handle", "the opcode"),
    ("tenant_id", "who submitted"),
    ("priority", "a Priority"),
    ("input_handle", "registered input"),
    ("output_handle", "registered output"),
    ("param", "the caller's"),
    ("continuation_pc", "where to go on"),
    ("continuation_data", "with what; the code of a fault"),
    ("resume_epoch", "not before this epoch"),
    ("task_id", "who it is"),
    ("parent_task_id", "who spawned it"),
    ("age_ticks", "how long it has waited"),
    ("requeue_count", "how often it was requeued"),
    ("yield_count", "how often it yielded"),
    ("flags", "TaskFlag"),
)
_AT: Final = {field.name: field.start for field in WORDS.fields}


class TaskFlag(IntFlag):
    """What is pending for a task."""

    PAUSED = 1
    YIELDED = 2
    REQUEUE_REQUESTED = 4
    RESUME_READY = 8


class TaskState(IntEnum):
    """The statuses of a slot by the names that tasks give them."""

    READY = SlotStatus.PUBLISHED
    RUNNING = SlotStatus.CLAIMED
    DONE = SlotStatus.DONE
    PAUSED = SlotStatus.WAIT_IO
    YIELDED = SlotStatus.YIELD
    REQUEUED = SlotStatus.REQUEUE
    FAULTED = SlotStatus.FAULT


def task(op: int, tenant: int, priority: int, task_id: int, handles: tuple[int, int, int] = (0, 0, 0)) -> Words:
    """Return a READY task, (16,) words; `handles` are input, output and param."""
    words = np.zeros(SLOT_WORDS, WORD)
    words[: _AT["param"] + 1] = TaskState.READY, op, tenant, priority, *handles
    words[_AT["task_id"]] = task_id
    return words


def _changed(task: Words, add: int = 0, drop: int = 0, **values: int) -> Words:
    after = task.copy()
    for name, value in values.items():
        after[_AT[name]] = value & at.WORD_MASK
    after[_AT["flags"]] = (int(task[_AT["flags"]]) | add) & ~drop & at.WORD_MASK
    return after


def paused(task: Words, pc: int, data: int, epoch: int) -> Words:
    """Return the task waiting at a continuation until an epoch."""
    flags = {"add": TaskFlag.PAUSED, "drop": TaskFlag.RESUME_READY}
    return _changed(
        task, **flags, state=TaskState.PAUSED, continuation_pc=pc, continuation_data=data, resume_epoch=epoch
    )


def resumed(task: Words) -> Words:
    """Return the task ready to go on."""
    return _changed(task, TaskFlag.RESUME_READY, TaskFlag.PAUSED | TaskFlag.YIELDED, state=TaskState.READY)


def yielded(task: Words, pc: int, data: int) -> Words:
    """Return the task that lets others go first."""
    count = int(task[_AT["yield_count"]]) + 1
    pause = {"continuation_pc": pc, "continuation_data": data, "yield_count": count}
    return _changed(task, TaskFlag.YIELDED, state=TaskState.YIELDED, **pause)


def requeued(task: Words, pc: int, data: int, priority: int) -> Words:
    """Return the task back in line at another priority."""
    aged = {"requeue_count": int(task[_AT["requeue_count"]]) + 1, "age_ticks": int(task[_AT["age_ticks"]]) + 1}
    pause = {"continuation_pc": pc, "continuation_data": data, "priority": priority}
    return _changed(task, TaskFlag.REQUEUE_REQUESTED, state=TaskState.REQUEUED, **aged, **pause)


def completed(task: Words) -> Words:
    """Return the task done, nothing pending."""
    return _changed(task, drop=at.WORD_MASK, state=TaskState.DONE)


def faulted(task: Words, code: int) -> Words:
    """Return the task failed with a code; what was pending stays to be seen."""
    return _changed(task, state=TaskState.FAULTED, continuation_data=code)


def is_schedulable(task: Words) -> bool:
    """Whether a worker may claim the task."""
    return int(task[_AT["state"]]) in RUNNABLE
