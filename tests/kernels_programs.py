"""Random programs that pass verification, with the arrays to run them on: one a seed.

Every register of a program holds one type from the start, so any instruction may use any of them. Control flow nests
choices, counted loops, loops by backward branches and calls; lanes meet at the top level only. Each lane loads and
stores elements of its own, and shares others through atomics whose order does not show.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import Any

import numpy as np

from prism.kernels.exec.faults import FaultError
from prism.kernels.exec.launch import Launch, Shape
from prism.kernels.exec.table import open_executor
from prism.kernels.isa.assemble import assemble
from prism.kernels.isa.table import BY_MNEMONIC, OPS
from prism.kernels.isa.types import FLOATS, INTEGERS, SIGNED, TYPES, UNSIGNED, Type
from prism.kernels.isa.verify import verify

SLOTS = 4
"""Registers of each type; the last of a float type holds inexact results, which nothing reads but its store."""
_EXACT = ("add", "sub", "mul", "div", "min", "max")
_INEXACT = tuple(op.mnemonic for op in OPS if op.ulp and op.mnemonic != "pow")


@dataclass(frozen=True)
class Sample:
    """A program, where it runs, and on what."""

    text: str
    shape: Shape
    buffers: dict[str, np.ndarray]

    def run(self, executor: str) -> tuple[dict[str, np.ndarray], tuple[Any, ...] | None]:
        """Return the buffers after a run, and the fault if there was one."""
        buffers = {name: array.copy() for name, array in self.buffers.items()}
        try:
            open_executor(executor).bind(Launch(verify(assemble(self.text)), self.shape, buffers, fuel=1000))()
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

    def label(self) -> str:
        self.labels += 1
        return f"l{self.labels}"

    def any(self, ty: Type, *, written: bool = False) -> str:
        """Return a register of a type; what is read is exact."""
        exact = SLOTS - 1 if ty in FLOATS else SLOTS
        assert written or exact
        return f"r{self.base[ty] + self.rng.randrange(exact)}"

    def statement(self, depth: int) -> list[str]:
        kinds = ["plain"] * 8 + (["choice", "loop", "again", "call"] if depth < 3 else [])
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
            one = f"mov_imm.{n} {b}, {rng.choice((1, 3, 7))}"
            return [one, f"{picked.split()[0]} {dst}, {a}, {b}"]
        test = f"set{rng.choice(('eq', 'ne', 'lt', 'le', 'gt', 'ge') + (('ltu', 'geu') if ty in UNSIGNED else ()))}"
        if rng.random() < 0.2:
            return [f"{test}.{n} p{rng.randrange(4)}, {a}, {b}", f"sel.{n} {dst}, p{rng.randrange(4)}, {a}, {b}"]
        return [picked]

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
    shape = Shape((rng.randint(1, 2), 1, 1), (rng.randint(1, 4), 1, 1))
    lines = ["mov_imm.u32 r2, 1", "mov_imm.u32 r3, 0", f"mov_imm.u64 r4, {SLOTS}", "mul.u64 r4, r255, r4"]
    lines += [f"seteq.u32 p{k}, r2, r3" for k in range(4)]
    head, loads, stores = [], [], []
    buffers: dict[str, np.ndarray] = {}
    for k, ty in enumerate(to.types):
        head.append(f".buffer {ty.name} {ty.name} readwrite {k + 1}")
        loads += [f"mov_imm.u64 r{10 + k}, {k + 1}", f"mov_imm.u32 r5, {ty.shift}", "shl.u64 r6, r4, r5"]
        stores += [f"mov_imm.u32 r5, {ty.shift}", "shl.u64 r6, r4, r5"]
        step = [f"mov_imm.u64 r7, {ty.size}"]
        loads += step
        stores += step
        for slot in range(SLOTS):
            loads += [f"ldg.{ty.name} r{to.base[ty] + slot}, [r{10 + k} + r6]", "add.u64 r6, r6, r7"]
            stores += [f"stg.{ty.name} [r{10 + k} + r6], r{to.base[ty] + slot}", "add.u64 r6, r6, r7"]
        raw = np.array([rng.getrandbits(64) for _ in range(SLOTS * shape.lanes)], np.uint64)
        plain = np.array([rng.randint(-9, 9) / 2 for _ in range(SLOTS * shape.lanes)])
        whole = raw.astype(f"u{ty.size}").view(ty.dtype)
        buffers[ty.name] = plain.astype(ty.dtype) if ty in FLOATS else whole
    body: list[str] = []
    for _ in range(rng.randint(2, 5)):
        body += to.statement(0)
        if rng.random() < 0.2:
            body += to.meet()
    head.append(".buffer count u32 readwrite 9")
    word = rng.choice(("add", "min", "max", "and", "or", "xor"))
    body.append(f"atom.{word}.u32 r8, [buf9 + 0], r252")
    buffers["count"] = np.array([rng.getrandbits(32)], np.uint32)
    functions = [line for one in to.functions for line in one]
    return Sample("\n".join([*head, *lines, *loads, *body, *stores, "exit", *functions]), shape, buffers)


def ulps(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Return how far elements lie apart in units of the last place of the first; NaN equals NaN."""
    x, y = a.astype(np.float64), b.astype(np.float64)
    with np.errstate(all="ignore"):
        unit = np.spacing(np.abs(a)).astype(np.float64)
        away = np.abs(x - y) / unit
    return np.where((x == y) | (np.isnan(x) & np.isnan(y)), 0, away)


MOST_ULP = max(BY_MNEMONIC[name].ulp for name in _INEXACT)


def disagreement(sample: Sample, executor: str) -> str:
    """Return where an executor differs from the definition on a sample; nothing where it does not."""
    want, fault = sample.run("numpy")
    got, other = sample.run(executor)
    if repr(fault) != repr(other):
        return f"fault {fault} became {other}"
    for name, array in want.items():
        if array.dtype.kind in "iu":
            if array.tobytes() != got[name].tobytes():
                return f"{name} {array.tolist()} became {got[name].tolist()}"
            continue
        away = ulps(array, got[name]).reshape(-1, SLOTS)
        if away[:, : SLOTS - 1].any() or not (away[:, SLOTS - 1] <= MOST_ULP).all():
            return f"{name} {array.tolist()} became {got[name].tolist()}"
    return ""


def _campaign() -> None:
    """Compare an executor with the definition on a range of seeds: python -m tests.kernels_programs NAME FIRST LAST."""
    import sys

    name, first, last = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    wrong = [(seed, found) for seed in range(first, last) if (found := disagreement(sample(seed), name))]
    sys.stdout.write("".join(f"{seed}: {found}\n" for seed, found in wrong))
    sys.stdout.write(f"{last - first} programs, {len(wrong)} differ\n")
    sys.exit(bool(wrong))


if __name__ == "__main__":
    _campaign()
