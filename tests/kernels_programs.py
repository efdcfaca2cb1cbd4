"""Random programs that pass verification, with the arrays to run them on: one a seed.

Every register of a program holds one type from the start, so any instruction may use any of them. Control flow nests
choices, counted loops, loops by backward branches and calls; a quarter of the programs are straight lines. Each lane
loads and stores elements of its own, reads tables, keeps pools, exchanges elements of shared arrays between barriers,
and shares others through atomics whose order does not show. Some lanes fault: accesses outside a table or a pool,
divisors of zero, pools kept, meetings that not all lanes come to, too little fuel.

The campaign: python -m tests.kernels_programs EXECUTOR FIRST LAST [PROCESSES] (seeds; any part may be run again).
"""

from __future__ import annotations

import random
import sys
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from contextlib import ExitStack
from dataclasses import dataclass
from multiprocessing import get_context
from typing import Any

import ml_dtypes
import numpy as np

from prism.kernels.exec.faults import FaultError
from prism.kernels.exec.launch import Launch, Shape
from prism.kernels.exec.table import open_executor
from prism.kernels.isa.assemble import assemble
from prism.kernels.isa.table import BY_MNEMONIC, OPS
from prism.kernels.isa.types import BY_NAME, FLOATS, INTEGERS, SIGNED, TYPES, UNSIGNED, Type
from prism.kernels.isa.verify import verify

SLOTS = 4
"""Registers of each type; the last of a float type holds inexact results, which nothing reads but its store."""
TABLE = 8
"""Elements of each table."""
TABLES, SHARED, POOLS = 200, 204, 210
"""First registers of handles: of tables, of shared arrays, of pools."""
_EXACT = ("add", "sub", "mul", "div", "min", "max")
_INEXACT = tuple(op.mnemonic for op in OPS if op.ulp and op.mnemonic != "pow")


@dataclass(frozen=True)
class Sample:
    """A program, where it runs, and on what."""

    text: str
    shape: Shape
    buffers: dict[str, np.ndarray]
    scalars: dict[str, Any]
    fuel: int

    def run(self, executor: str) -> tuple[dict[str, np.ndarray], tuple[Any, ...] | None]:
        """Return the buffers after a run, and the fault if there was one."""
        buffers = {name: array.copy() for name, array in self.buffers.items()}
        try:
            launch = Launch(verify(assemble(self.text)), self.shape, buffers, self.scalars, self.fuel)
            open_executor(executor).bind(launch)()
        except FaultError as fault:
            return buffers, (fault.kind, fault.index, fault.lane, fault.values)
        return buffers, None


class _Writer:
    def __init__(self, seed: int) -> None:
        self.rng = random.Random(seed)
        self.types = self.rng.sample(TYPES, self.rng.randint(1, 3))
        self.base = {ty: 20 + SLOTS * k for k, ty in enumerate(self.types)}
        self.functions: list[list[str]] = []
        self.labels = 0
        self.counters = 0
        self.pools = 0
        self.is_straight = self.rng.random() < 0.25
        self.lanes = self.rng.randint(1, 4)

    def label(self) -> str:
        self.labels += 1
        return f"l{self.labels}"

    def any(self, ty: Type, *, written: bool = False) -> str:
        """Return a register of a type; what is read is exact."""
        exact = SLOTS - 1 if ty in FLOATS else SLOTS
        assert written or exact
        return f"r{self.base[ty] + self.rng.randrange(exact)}"

    def statement(self, depth: int) -> list[str]:
        kinds = ["plain"] * 9 + ["table"]
        if not self.is_straight:
            kinds += ["pool"] + (["choice", "loop", "again", "call"] if depth < 3 else [])
        if depth and self.rng.random() < 0.05:
            return ["bar.sync 0"]  # where lanes may come apart
        return getattr(self, f"_{self.rng.choice(kinds)}")(depth)

    def body(self, depth: int) -> list[str]:
        return [line for _ in range(self.rng.randint(1, 4)) for line in self.statement(depth)]

    def _plain(self, _depth: int) -> list[str]:
        rng, ty = self.rng, self.rng.choice(self.types)
        n, dst, a, b, c = ty.name, self.any(ty, written=True), self.any(ty), self.any(ty), self.any(ty)
        forms = [f"{rng.choice(_EXACT)}.{n} {dst}, {a}, {b}", f"mad.{n} {dst}, {a}, {b}, {c}", f"mov.{n} {dst}, {a}"]
        forms.append(f"mov_imm.{n} {dst}, {rng.getrandbits(64)}")
        forms.append(f"reduce.{rng.choice(('add', 'min', 'max', 'mul'))}.{n} {dst}, r{self.base[ty]}, 3")
        other = rng.choice(self.types)
        forms.append(f"cvt.{n}.{other.name} {dst}, {self.any(other)}")
        if ty in SIGNED + FLOATS:
            forms.append(f"{rng.choice(('abs', 'neg'))}.{n} {dst}, {a}")
        if ty in INTEGERS:
            forms += [f"{rng.choice(('and', 'or', 'xor', 'rem'))}.{n} {dst}, {a}, {b}", f"not.{n} {dst}, {a}"]
            forms.append(f"{rng.choice(('shl', 'shr'))}.{n} {dst}, {a}, r252")
        if ty in FLOATS:
            odd = f"r{self.base[ty] + SLOTS - 1}"
            forms += [f"fma.{n} {dst}, {a}, {b}, {c}", f"{rng.choice(('floor', 'sqrt'))}.{n} {dst}, {a}"]
            forms += [f"{rng.choice(_INEXACT)}.{n} {odd}, {a}"] * 2
        picked = rng.choice(forms)
        if picked.startswith(("div", "rem")) and ty in INTEGERS and rng.random() < 0.9:
            one = f"mov_imm.{n} {b}, {rng.choice((1, 3, 7, 7, 0))}"
            return [one, f"{picked.split()[0]} {dst}, {a}, {b}"]
        test = f"set{rng.choice(('eq', 'ne', 'lt', 'le', 'gt', 'ge') + (('ltu', 'geu') if ty in UNSIGNED else ()))}"
        if rng.random() < 0.2:
            return [f"{test}.{n} p{rng.randrange(4)}, {a}, {b}", f"sel.{n} {dst}, p{rng.randrange(4)}, {a}, {b}"]
        return [picked]

    def _table(self, _depth: int) -> list[str]:
        """Read a table that all lanes share, at times outside it or between two elements."""
        ty = self.rng.choice(self.types)
        outside, between = self.rng.random() < 0.15, self.rng.random() < 0.1
        at = self.rng.randrange(TABLE, 2 * TABLE) if outside else self.rng.randrange(TABLE)
        place = [f"mov_imm.u64 r7, {ty.size * at + between}"]
        if self.rng.random() < 0.5:  # an element of the lane's own
            place = [f"mov_imm.u64 r7, {TABLE + (self.rng.random() < 0.15)}", "rem.u64 r7, r255, r7"]
            place += [f"mov_imm.u64 r6, {ty.size}", "mul.u64 r7, r7, r6"]
        return [*place, f"ldg.{ty.name} {self.any(ty, written=True)}, [r{TABLES + self.types.index(ty)} + r7]"]

    def _pool(self, _depth: int) -> list[str]:
        """Keep an element in a pool for a while, at times for ever or outside it."""
        ty, handle = self.rng.choice(self.types), f"r{POOLS + self.pools % 8}"
        self.pools += 1
        at = ty.size * self.rng.randrange(3 if self.rng.random() < 0.2 else 2)
        found = [f"pool.alloc {handle}, {2 * ty.size}", f"mov_imm.u64 r7, {at}"]
        found.append(f"pool.store.{ty.name} {handle}, r7, {self.any(ty)}")
        found.append(f"pool.load.{ty.name} {self.any(ty, written=True)}, {handle}, r7")
        return found + ([f"pool.free {handle}"] if self.rng.random() < 0.85 else [])

    def exchange(self) -> list[str]:
        """Return a turn in which each lane takes what the next one has, through a shared array between barriers."""
        ty = self.rng.choice(self.types)
        shared = f"r{SHARED + self.types.index(ty)}"
        place = ["cvt.u64.u32 r5, r252", f"mov_imm.u32 r6, {ty.shift}", "shl.u64 r7, r5, r6"]
        after = ["mov_imm.u64 r7, 1", "add.u64 r5, r5, r7", f"mov_imm.u64 r7, {self.lanes}", "rem.u64 r5, r5, r7"]
        given, taken = f"sts.{ty.name} [{shared} + r7], {self.any(ty)}", self.any(ty, written=True)
        after += ["shl.u64 r7, r5, r6", f"lds.{ty.name} {taken}, [{shared} + r7]", "bar.sync 1"]
        return [*place, given, "bar.sync 0", *after]

    def _test(self) -> list[str]:
        ty = self.rng.choice(self.types)
        return [f"set{self.rng.choice(('lt', 'ge', 'eq'))}.{ty.name} p0, {self.any(ty)}, {self.any(ty)}"]

    def _choice(self, depth: int) -> list[str]:
        other, end = self.label(), self.label()
        sign = self.rng.choice(("", "!"))
        then = self.body(depth + 1)
        if self.rng.random() < 0.5:
            return [*self._test(), f"bra.{sign}p0 @{end}", *then, f"{end}:"]
        return [
            *self._test(),
            f"bra.{sign}p0 @{other}",
            *then,
            f"bra @{end}",
            f"{other}:",
            *self.body(depth + 1),
            f"{end}:",
        ]

    def _loop(self, depth: int) -> list[str]:
        start, out = self.label(), self.label()
        self.counters += 1
        count = f"r{100 + self.counters}"
        inside = self.body(depth + 1)
        if self.rng.random() < 0.4:
            inside += [*self._test(), f"bra.p0 @{out}"]
        return [
            f"mov_imm.u32 {count}, {self.rng.randint(0, 3)}",
            f"{start}:",
            *inside,
            f"loop {count}, @{start}",
            f"{out}:",
        ]

    def _again(self, depth: int) -> list[str]:
        start = self.label()
        self.counters += 1
        count = f"r{100 + self.counters}"
        rounds = [f"mov_imm.u32 {count}, {self.rng.randint(1, 3)}", f"{start}:", *self.body(depth + 1)]
        return [*rounds, f"sub.u32 {count}, {count}, r2", f"setne.u32 p5, {count}, r3", f"bra.p5 @{start}"]

    def _call(self, depth: int) -> list[str]:
        if len(self.functions) > 1:
            return self._plain(depth)
        name = f"f{len(self.functions)}"
        self.functions.append([])
        at = len(self.functions) - 1
        self.functions[at] = [f"{name}:", *self.body(depth + 2), "ret"]
        return [f"call @{name}"]

    def meet(self) -> list[str]:
        """Return something that all lanes of a block do together."""
        ty = self.rng.choice(self.types)
        word = self.rng.choice(("add", "min", "max", "mul"))
        return ["bar.sync 0", f"lane.{word}.{ty.name} {self.any(ty, written=True)}, {self.any(ty)}"]


def sample(seed: int) -> Sample:
    """Return the program of a seed: at most two blocks of at most four lanes."""
    to = _Writer(seed)
    rng = to.rng
    shape = Shape((rng.randint(1, 2), 1, 1), (to.lanes, 1, 1))
    lines = ["mov_imm.u32 r2, 1", "mov_imm.u32 r3, 0", f"mov_imm.u64 r4, {SLOTS}", "mul.u64 r4, r255, r4"]
    lines += [f"seteq.u32 p{k}, r2, r3" for k in range(4)]
    head, loads, stores = [], [], []
    buffers: dict[str, np.ndarray] = {}
    scalars: dict[str, Any] = {}
    for k, ty in enumerate(to.types):
        head.append(f".buffer {ty.name} {ty.name} readwrite {k + 1}")
        head += [f".buffer table_{ty.name} {ty.name} read {k + 11}", f".shared own_{ty.name} {ty.name} 4 {k + 21}"]
        lines += [f"mov_imm.u64 r{TABLES + k}, {k + 11}", f"mov_imm.u64 r{SHARED + k}, {k + 21}"]
        buffers[ty.name], buffers[f"table_{ty.name}"] = (_drawn(rng, ty, n) for n in (SLOTS * shape.lanes, TABLE))
        if rng.random() < 0.5:
            head.append(f".scalar given_{ty.name} {ty.name} r{to.base[ty]}")
            scalars[f"given_{ty.name}"] = _drawn(rng, ty, 1)[0].item()
        step = [f"mov_imm.u64 r7, {ty.size}"]
        place = [f"mov_imm.u32 r5, {ty.shift}", "shl.u64 r6, r4, r5", *step]
        loads += [f"mov_imm.u64 r{10 + k}, {k + 1}", *place]
        stores += place
        for slot in range(SLOTS):
            if slot or f"given_{ty.name}" not in scalars:
                loads.append(f"ldg.{ty.name} r{to.base[ty] + slot}, [r{10 + k} + r6]")
            loads.append("add.u64 r6, r6, r7")
            stores += [f"stg.{ty.name} [r{10 + k} + r6], r{to.base[ty] + slot}", "add.u64 r6, r6, r7"]
    body: list[str] = []
    for _ in range(rng.randint(2, 5)):
        body += to.statement(0)
        if not to.is_straight and rng.random() < 0.2:
            body += rng.choice((to.meet, to.exchange))()
    if not to.is_straight:
        head.append(".buffer count u32 readwrite 9")
        word = rng.choice(("add", "min", "max", "and", "or", "xor"))
        body.append(f"atom.{word}.u32 r8, [buf9 + 0], r252")
        buffers["count"] = np.array([rng.getrandbits(32)], np.uint32)
    elif rng.random() < 0.8:
        head = [
            line for line in head if not line.startswith(".shared")
        ]  # arrays of a block keep a program from streaming
    functions = [line for one in to.functions for line in one]
    text = "\n".join([*head, *lines, *loads, *body, *stores, "exit", *functions])
    return Sample(text, shape, buffers, scalars, rng.choice((1000,) * 9 + (rng.randint(0, 6),)))


def _drawn(rng: random.Random, ty: Type, size: int) -> np.ndarray:
    """Return elements: any integers, floats that are multiples of a half."""
    raw = np.array([rng.getrandbits(64) for _ in range(size)], np.uint64)
    plain = np.array([rng.randint(-9, 9) / 2 for _ in range(size)])
    return plain.astype(ty.dtype) if ty in FLOATS else raw.astype(f"u{ty.size}").view(ty.dtype)


def ulps(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Return how far elements lie apart in units of the last place of the first; NaN equals NaN."""
    x, y = a.astype(np.float64), b.astype(np.float64)
    with np.errstate(all="ignore"):
        unit = np.spacing(np.abs(a)).astype(np.float64)
        away = np.abs(x - y) / unit
    return np.where((x == y) | (np.isnan(x) & np.isnan(y)), 0, away)


def _flushed(array: np.ndarray) -> np.ndarray:
    """Return floats with zeros for subnormal ones, which XLA may take them for [ISA-23]."""
    return np.where(np.abs(array) < ml_dtypes.finfo(array.dtype).tiny, array.dtype.type(0), array)


MOST_ULP = max(BY_MNEMONIC[name].ulp for name in _INEXACT)


def disagreement(sample: Sample, executor: str) -> str:
    """Return where an executor differs from the definition on a sample; nothing where it does not."""
    return compared(sample, executor)[0]


def compared(sample: Sample, executor: str) -> tuple[str, str]:
    """Return where an executor differs from the definition on a sample, and how the definition faults, if it does."""
    want, fault = sample.run("numpy")
    got, other = sample.run(executor)
    kind = fault[0].name if fault else ""
    if repr(fault) != repr(other):
        return f"fault {fault} became {other}", kind
    for name, array in want.items():
        if array.dtype.kind in "iu" or name not in BY_NAME:
            if array.tobytes() != got[name].tobytes():
                return f"{name} {array.tolist()} became {got[name].tolist()}", kind
            continue
        away = ulps(*((_flushed(one) if executor == "xla" else one) for one in (array, got[name]))).reshape(-1, SLOTS)
        if away[:, : SLOTS - 1].any() or not (away[:, SLOTS - 1] <= MOST_ULP).all():
            return f"{name} {array.tolist()} became {got[name].tolist()}", kind
    return "", kind


def _batch(executor: str, seeds: range) -> list[tuple[int, str, str]]:
    return [(seed, *compared(sample(seed), executor)) for seed in seeds]


def main(arguments: Sequence[str]) -> int:
    """Compare an executor with the definition on a range of seeds: EXECUTOR FIRST LAST [PROCESSES]."""
    executor, first, last = arguments[0], int(arguments[1]), int(arguments[2])
    processes = int(arguments[3]) if len(arguments) > 3 else 1
    batches = [range(at, min(at + 4, last)) for at in range(first, last, 4)]
    faults: Counter[str] = Counter()
    done, failed, start = 0, 0, time.perf_counter()
    with ExitStack() as stack:
        results: Iterable[list[tuple[int, str, str]]] = (_batch(executor, one) for one in batches)
        if processes > 1:
            # Processes of their own: JAX and compiled code keep threads, which a fork would not carry over.
            pool = stack.enter_context(ProcessPoolExecutor(processes, mp_context=get_context("spawn")))
            results = (one.result() for one in as_completed([pool.submit(_batch, executor, b) for b in batches]))
        for batch in results:
            for seed, found, fault in batch:
                done, failed = done + 1, failed + bool(found)
                faults.update([fault] if fault else [])
                if found:
                    sys.stdout.write(f"{seed}: {found}\n")
            sys.stderr.write(f"{done} of {last - first}, {failed} differ, {time.perf_counter() - start:.0f} s\n")
    told = ", ".join(f"{count} {name}" for name, count in sorted(faults.items())) or "none"
    sys.stdout.write(f"{done} programs, {failed} differ, {time.perf_counter() - start:.0f} s; faults: {told}\n")
    return bool(failed)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
