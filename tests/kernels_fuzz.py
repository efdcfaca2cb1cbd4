"""Mutated programs, as bytes and as text: refused with a reason, or verified and run within their fuel [ISA-22].

The campaign: python -m tests.kernels_fuzz 10000 2000 (binaries, texts); it prints how many ended how, and the slowest.
"""

from __future__ import annotations

import random
import struct
import sys
import time
import zlib
from collections import Counter
from collections.abc import Callable

import numpy as np

from prism.errors import PrismError
from prism.kernels.exec.launch import Launch, Shape
from prism.kernels.exec.numpy import NumpyExecutor
from prism.kernels.isa.assemble import assemble
from prism.kernels.isa.codec import MAGIC, decode, encode
from prism.kernels.isa.program import Program
from prism.kernels.isa.verify import verify
from tests.kernels_programs import sample

_HEAD = struct.Struct("<8sHII")
_PIECES = ("", "r", "0", ".", "\n", "@", "[", "u32", "é", "-", "9")


def outcome(make: Callable[[], Program]) -> str:
    """Read, verify and run a program on small buffers; return how that ended, if not in an error that is a bug."""
    try:
        program = make()
        buffers = {one.name: np.zeros(32, one.type.dtype) for one in program.buffers}
        scalars = {one.name: 0 for one in program.scalars}
        NumpyExecutor().bind(Launch(verify(program), Shape((1, 1, 1), (2, 1, 1)), buffers, scalars, fuel=50))()
    except PrismError as error:
        return type(error).__name__
    return "ran"


def mutated_bytes(data: bytes, rng: random.Random) -> bytes:
    """Change, drop or add up to three bytes; nearly always under a checksum that fits."""
    payload = bytearray(data[_HEAD.size :])
    for _ in range(rng.randint(1, 3)):
        at, how = rng.randrange(len(payload)), rng.randrange(4)
        if how < 2:
            payload[at] = rng.randrange(256)
        elif how == 2:
            del payload[at]
        else:
            payload.insert(at, rng.randrange(256))
    head = _HEAD.pack(MAGIC, 1, len(payload), zlib.crc32(payload))
    return bytes(payload) if rng.random() < 0.05 else head + payload


def mutated_text(text: str, rng: random.Random) -> str:
    """Replace up to three short stretches."""
    letters = list(text)
    for _ in range(rng.randint(1, 3)):
        at = rng.randrange(len(letters))
        letters[at : at + rng.randint(0, 2)] = rng.choice(_PIECES)
    return "".join(letters)


def campaign(binaries: int, texts: int, seed: int = 1) -> tuple[Counter[str], float]:
    """Return how many mutations ended how, and the seconds of the slowest."""
    rng = random.Random(seed)
    sources = [sample(one).text for one in range(12)]
    encoded = [encode(assemble(text)) for text in sources]
    ends: Counter[str] = Counter()
    slowest = 0.0
    for k in range(binaries + texts):
        start = time.perf_counter()
        if k < binaries:
            data = mutated_bytes(rng.choice(encoded), rng)
            ends[f"binary {outcome(lambda data=data: decode(data))}"] += 1
        else:
            text = mutated_text(rng.choice(sources), rng)
            ends[f"text {outcome(lambda text=text: assemble(text))}"] += 1
        slowest = max(slowest, time.perf_counter() - start)
    return ends, slowest


if __name__ == "__main__":
    counted, longest = campaign(int(sys.argv[1]), int(sys.argv[2]))
    sys.stdout.write("".join(f"{number:6} {name}\n" for name, number in sorted(counted.items())))
    sys.stdout.write(f"slowest {longest:.2f} s\n")
