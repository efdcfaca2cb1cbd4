"""A verified program as a Numba module: `kernel(record)` runs a range of its lanes, one after the other.

    for global_lane_id in range(low, high):
        _lane(record, global_lane_id, ...)

Programs without control flow whose lanes touch elements at a fixed distance from each other have a second loop, without
checks, that LLVM vectorises; it runs where the checks of its first and last lane speak for all between [EXEC-2].
"""

from __future__ import annotations

from prism.codegen.machine import MACHINE
from prism.codegen.prelude import SHARED, library
from prism.kernels.exec import cpu_ops as ops
from prism.kernels.exec import cpu_record as at
from prism.kernels.exec.cpu_lane import LaneWriter, specials, variables
from prism.kernels.exec.cpu_state import MOST_ROW
from prism.kernels.exec.cpu_stream import stream_of, write_stream
from prism.kernels.exec.faults import FaultKind
from prism.kernels.isa.address import mirror, neighbours
from prism.kernels.isa.program import CLASSES
from prism.kernels.isa.types import U64
from prism.kernels.isa.verify import Verified

_ROWS = [[len(near := neighbours(cls)), *near, *[0] * (6 - len(near))] for cls in range(CLASSES)]

_OWN = f"""
_MIRROR = np.array({[mirror(cls) for cls in range(CLASSES)]}, np.uint8)


_NEIGHBOURS = np.array({_ROWS}, np.uint8)


@inner
def _fault(record, what, lane, a, b, c, d):
    # Lanes come in ascending order: the first fault is that of the lowest lane.
    if record[{at.FAULT}] == 0:
        record[{at.FAULT}] = what & 255
        record[{at.FAULT_INDEX}] = what >> 8
        record[{at.FAULT_LANE}] = lane
        record[{at.FAULT_VALUES}] = a
        record[{at.FAULT_VALUES + 1}] = b
        record[{at.FAULT_VALUES + 2}] = c
        record[{at.FAULT_VALUES + 3}] = d
    return 1


@inner
def _refused(record, what, outside, lane, a, b, c, d):
    # An access that is not aligned, or outside its memory, which comes first.
    return _fault(record, what if outside else what + {FaultKind.MISALIGNED - FaultKind.BOUNDS}, lane, a, b, c, d)


@inner
def _clear(memory, size):
    for k in range(size):
        _put(memory, k, np.uint8(0))


@numba.extending.intrinsic
def _row(_, like):
    # Room on the stack for a value of each lane of a row.
    def generate(context, builder, signature, args):
        with builder.goto_entry_block():
            room = builder.alloca(context.get_value_type(like), size=ir.Constant(ir.IntType(32), {MOST_ROW}))
        return builder.bitcast(room, ir.IntType(8).as_pointer())

    return types.CPointer(types.uint8)(like), generate
"""
FUNCTIONS = {**SHARED, **library(MACHINE, _OWN)}
"""What the source of a program may call besides its own functions."""

_FROM_LANE = {
    "lane_idx_x": "place % block_x",
    "lane_idx_y": "place // block_x % block_y",
    "lane_idx_z": "place // (block_x * block_y)",
    "block_idx_x": "block % grid_x",
    "block_idx_y": "block // grid_x % grid_y",
    "block_idx_z": "block // (grid_x * grid_y)",
    "block_dim_x": "block_x",
    "block_dim_y": "block_y",
    "block_dim_z": "block_z",
    "grid_dim_x": "grid_x",
    "grid_dim_y": "grid_y",
    "grid_dim_z": "grid_z",
}


def write_source(verified: Verified) -> str:
    """Return the module source of a program without meetings of lanes; CpuLimitError beyond what Python nests."""
    memory = at.Memory(verified)
    names = lane_names(verified)
    lane = LaneWriter(verified, memory)
    lane.write(verified.regions)
    kernel = [*read_record(verified), *_stream_lines(verified, memory), *_loop(verified, names)]
    return "\n".join(
        [
            "@inner",
            f"def _lane({', '.join(names)}):",
            *(f"    {line}" for line in _initial(verified, set(names))),
            *lane.lines,
            "    return 0",
            "",
            "",
            "def kernel(record):",
            *(f"    {line}" for line in kernel),
            f"    return np.int64(record[{at.FAULT}])",
            "",
        ]
    )


def lane_names(verified: Verified) -> list[str]:
    """Return what a lane is given: the record, its own number and place, memory, scalars and sizes."""
    program, memory = verified.program, at.Memory(verified)
    names = ["record", "fuel", "lane_class", "phase", "global_lane_id", *(name for name, _ in specials(verified))]
    for buffer in program.buffers:
        names += [memory.pointer(buffer), memory.length(buffer)]
    names += [at.variable(one.register, one.type) for one in program.scalars]
    names += [at.variable(one.register, U64) for one in program.sizes]
    names += [memory.pointer(one) for one in program.shared]
    return [*names, *(name for name, _ in memory.pools())]


def _initial(verified: Verified, given: set[str]) -> list[str]:
    """Return a first value for each variable: Numba wants one on every way, verification says that none is read."""
    lines = ["go = 0"]
    for name, ty in variables(verified).items():
        if name not in given:
            lines.append(f"{name} = {'False' if ty is None else ops.typed(ty, '0')}")
    lines += [f"live{pool.number} = False" for pool in verified.pools]
    return lines


def read_record(verified: Verified) -> list[str]:
    """Return the statements that read the record, scratch memory left out."""
    program, memory = verified.program, at.Memory(verified)
    lines = [
        f"low, high = record[{at.LOW}], record[{at.HIGH}]",
        f"fuel = np.int64(record[{at.FUEL}])",
        f"lane_class = np.uint8(record[{at.CLASS}])",
        f"phase = np.uint32(record[{at.PHASE}])",
    ]
    for number, buffer in enumerate(program.buffers):
        word = at.buffer_word(number)
        lines.append(f"{memory.pointer(buffer)} = _pointer(record[{word}])")
        lines.append(f"{memory.length(buffer)} = record[{word + 1}]")
    for number, scalar in enumerate(program.scalars):
        value = ops.from_word(scalar.type, f"record[{at.scalar_word(program, number)}]")
        lines.append(f"{at.variable(scalar.register, scalar.type)} = {value}")
    lengths = {buffer.name: memory.length(buffer) for buffer in program.buffers}
    lines += [f"{at.variable(size.register, U64)} = {lengths[size.buffer]}" for size in program.sizes]
    return lines


def _stream_lines(verified: Verified, memory: at.Memory) -> list[str]:
    stream = stream_of(verified)
    return [] if stream is None else write_stream(stream, verified, memory)


def _loop(verified: Verified, names: list[str]) -> list[str]:
    """Return the loop over all lanes, each with its place in the grid."""
    lines = [
        f"{name} = _pointer(record[{at.SCRATCH}] + np.uint64({start}))" for name, start in at.Memory(verified).pools()
    ]
    if specials(verified):
        for axis, k in zip("xyz", range(3), strict=True):
            lines += [f"block_{axis}, grid_{axis} = record[{at.BLOCK + k}], record[{at.GRID + k}]"]
        lines += ["each = block_x * block_y * block_z"]
    lines += ["for global_lane_id in range(low, high):"]
    if any(name.startswith(("lane_idx", "block_idx")) for name, _ in specials(verified)):
        lines += ["    block, place = global_lane_id // each, global_lane_id % each"]
    return [*lines, *(f"    {line}" for line in place_in_grid(verified)), f"    _lane({', '.join(names)})"]


def place_in_grid(verified: Verified) -> list[str]:
    """Return the statements that give a lane its special registers: from `block` and `place`, its numbers, as u64."""
    return [f"{name} = {text}" for name, text in places_of(verified, "")]


def places_of(verified: Verified, start: str | tuple[str, ...]) -> list[tuple[str, str]]:
    """Return the special registers that are read and whose names start so, each with its value in a lane."""
    return [(name, ops.typed(ty, _FROM_LANE[name])) for name, ty in specials(verified) if name.startswith(start)]
