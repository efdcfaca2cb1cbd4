"""THE instruction table: what instructions there are, what they take, and what each of them means [ISA-3].

Codec, assembler, verifier and executors derive from it or are tested against it; no instruction is declared elsewhere.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Final

from prism.kernels.isa.types import BY_NAME, F32, F64, FLOATS, I32, I64, INTEGERS, SIGNED, TYPES, U32, U64, Type

REGISTERS: Final = 256
PREDICATES: Final = 16
SPECIAL: Final = {
    240: ("lane_idx_y", "u32"),
    241: ("lane_idx_z", "u32"),
    242: ("block_idx_y", "u32"),
    243: ("block_idx_z", "u32"),
    244: ("block_dim_y", "u32"),
    245: ("block_dim_z", "u32"),
    246: ("grid_dim_x", "u32"),
    247: ("grid_dim_y", "u32"),
    248: ("grid_dim_z", "u32"),
    252: ("lane_idx_x", "u32"),
    253: ("block_idx_x", "u32"),
    254: ("block_dim_x", "u32"),
    255: ("global_lane_id", "u64"),
}
"""Registers that a launch sets and no program may write [ISA-4]: what each holds, and its type."""

CONDITIONS: Final = ("eq", "ne", "lt", "le", "gt", "ge", "ltu", "leu", "gtu", "geu")
"""Conditions of `set`; the last four are for unsigned types alone. A comparison with NaN is false, but for `ne`."""
SCOPES: Final = ("thread", "block", "device", "system")
"""How far a fence reaches."""


class Kind(Enum):
    """What an operand is; the value is how messages say it."""

    REGISTER = "a register r0 to r255"
    PREDICATE = "a predicate p0 to p15"
    GUARD = "a predicate, perhaps negated"
    LABEL = "a label"
    ADDRESS = "an address"
    CONDITION = "a condition"
    SCOPE = "a scope"
    INTEGER = "a whole number"
    FLOAT = "a number"


class Effect(Enum):
    """What an instruction touches besides its registers; the value is the word of documents."""

    PURE = "nothing"
    LOAD = "reads memory"
    STORE = "writes memory"
    ATOMIC = "changes memory as one step"
    CONTROL = "decides what runs next"
    SYNC = "meets the other lanes of the block"
    LANE = "the lane's own state"


@dataclass(frozen=True, slots=True)
class Operand:
    """One operand. type: for registers "t" or "u" (the first or second type of the instruction) or a type's name;
    bits: for whole numbers their width.
    """

    name: str
    kind: Kind
    writes: bool = False
    type: str = ""
    bits: int = 0


@dataclass(frozen=True, slots=True)
class Op:
    """One row of the table.

    code: its byte in binaries. name: the plan's name. mnemonic: its word in text, to which conditions, types and
    guards are joined. types: what each of its types may be. ulp: how far from the definition's result an executor's
    may lie, in units of the last place; 0 is equality.
    """

    code: int
    name: str
    mnemonic: str
    operands: tuple[Operand, ...]
    types: tuple[tuple[Type, ...], ...]
    effect: Effect
    doc: str
    ulp: int = 0


_KINDS: Final = {
    "pred": Kind.PREDICATE,
    "guard": Kind.GUARD,
    "label": Kind.LABEL,
    "address": Kind.ADDRESS,
    "condition": Kind.CONDITION,
    "scope": Kind.SCOPE,
    "float": Kind.FLOAT,
}


def _operand(text: str) -> Operand:
    """Read `name:what`, where `=` before it means that it is written."""
    name, _, what = text.lstrip("=").partition(":")
    writes = text.startswith("=")
    if what in _KINDS:
        return Operand(name, _KINDS[what], writes)
    if what.startswith("imm"):
        return Operand(name, Kind.INTEGER, bits=int(what[3:]))
    return Operand(name, Kind.REGISTER, writes, what)


def _op(code: int, names: str, operands: str, types: Sequence[Type], doc: str, **more: object) -> Op:
    name, mnemonic = names.split()
    effect, ulp = more.get("effect", Effect.PURE), more.get("ulp", 0)
    assert isinstance(effect, Effect)
    assert isinstance(ulp, int)
    given = tuple(_operand(one) for one in operands.split())
    two = any(one.type == "u" for one in given)
    sets = (tuple(types),) * (2 if two else 1) if types else ()
    return Op(code, name, mnemonic, given, sets, effect, doc, ulp)


_ARITH: Final = SIGNED + FLOATS
_WORDS: Final = (I32, U32, I64, U64)
_COUNTED: Final = (*_WORDS, F32, F64)

_DATA: Final = (
    _op(0x00, "LDG ldg", "=dst:t addr:address", TYPES, "dst := the element at addr.", effect=Effect.LOAD),
    _op(0x01, "STG stg", "addr:address src:t", TYPES, "The element at addr := src.", effect=Effect.STORE),
    _op(0x02, "LDS lds", "=dst:t addr:address", TYPES, "ldg of the block's shared memory.", effect=Effect.LOAD),
    _op(0x03, "STS sts", "addr:address src:t", TYPES, "stg of the block's shared memory.", effect=Effect.STORE),
    _op(0x04, "MOV mov", "=dst:t src:t", TYPES, "dst := src."),
    _op(0x05, "MOV_IMM mov_imm", "=dst:t value:imm64", TYPES, "dst := the low bits of value, for floats too."),
    _op(
        *(0x06, "CVT cvt", "=dst:t src:u", TYPES),
        "dst := src as another type, any pair. Whole to whole wraps; to float rounds to nearest, ties to even; "
        "float to whole cuts the fraction, saturates, and NaN is 0.",
    ),
)
_ARITHMETIC: Final = (
    _op(0x10, "ADD add", "=dst:t src1:t src2:t", TYPES, "dst := src1 + src2. Integers wrap; floats round once."),
    _op(0x11, "SUB sub", "=dst:t src1:t src2:t", TYPES, "dst := src1 - src2. Integers wrap; floats round once."),
    _op(0x12, "MUL mul", "=dst:t src1:t src2:t", TYPES, "dst := src1 * src2. Integers wrap; floats round once."),
    _op(
        *(0x13, "DIV div", "=dst:t src1:t src2:t", TYPES),
        "dst := src1 / src2. Integers cut towards zero, least / -1 wraps, a zero divisor faults; floats as IEEE 754.",
    ),
    _op(0x14, "MIN min", "=dst:t src1:t src2:t", TYPES, "dst := src2 if src1 is NaN or src2 < src1, else src1."),
    _op(0x15, "MAX max", "=dst:t src1:t src2:t", TYPES, "dst := src2 if src1 is NaN or src2 > src1, else src1."),
    _op(0x16, "MAD mad", "=dst:t a:t b:t c:t", TYPES, "dst := a * b, rounded, + c, rounded."),
    _op(0x17, "FMA fma", "=dst:t a:t b:t c:t", FLOATS, "dst := a * b + c, rounded once."),
    _op(0x18, "ABS abs", "=dst:t src:t", _ARITH, "dst := |src|; the least integer stays as it is."),
    _op(0x19, "NEG neg", "=dst:t src:t", _ARITH, "dst := -src; the least integer stays as it is."),
    _op(
        *(0x1A, "REM rem", "=dst:t src1:t src2:t", INTEGERS),
        "dst := src1 - (src1 / src2) * src2 with the quotient of div, so of the sign of src1; a zero divisor faults.",
    ),
    _op(0x1B, "FLOOR floor", "=dst:t src:t", FLOATS, "dst := the greatest whole number not above src."),
    _op(0x1C, "POW pow", "=dst:t src1:t src2:t", FLOATS, "dst := src1 to the power src2, as pow of C.", ulp=16),
)
_LOGIC: Final = (
    _op(0x20, "AND and", "=dst:t src1:t src2:t", INTEGERS, "dst := src1 and src2, bit by bit."),
    _op(0x21, "OR or", "=dst:t src1:t src2:t", INTEGERS, "dst := src1 or src2, bit by bit."),
    _op(0x22, "XOR xor", "=dst:t src1:t src2:t", INTEGERS, "dst := src1 xor src2, bit by bit."),
    _op(0x23, "NOT not", "=dst:t src:t", INTEGERS, "dst := src with every bit flipped."),
    _op(0x24, "SHL shl", "=dst:t src:t amount:u32", INTEGERS, "dst := src shifted left by amount modulo its width."),
    _op(
        *(0x25, "SHR shr", "=dst:t src:t amount:u32", INTEGERS),
        "dst := src shifted right by amount modulo its width; the sign of a signed src comes in.",
    ),
    _op(0x26, "SETcc set", "cond:condition =dst:pred src1:t src2:t", TYPES, "dst := whether src1 cond src2."),
    _op(
        0x27, "SEL sel", "=dst:t pred:pred src_true:t src_false:t", TYPES, "dst := src_true where pred, else src_false."
    ),
)
_CONTROL: Final = (
    _op(
        *(0x30, "BRA bra", "pred:guard target:label", ()),
        "Go to target, where the guard holds if there is one.",
        effect=Effect.CONTROL,
    ),
    _op(0x31, "CALL call", "target:label", (), "Run the function at target, then go on.", effect=Effect.CONTROL),
    _op(0x32, "RET ret", "", (), "Go back to after the call.", effect=Effect.CONTROL),
    _op(
        *(0x33, "LOOP loop", "count:u32 body:label", ()),
        "From its label up to here is a body, which runs as often as count says when control comes to the label, "
        "perhaps never.",
        effect=Effect.CONTROL,
    ),
    _op(0x34, "EXIT exit", "", (), "The lane stops.", effect=Effect.CONTROL),
)
_SYNC: Final = (
    _op(
        *(0x38, "BarSync bar.sync", "id:imm8", ()),
        "All lanes of the block that have not stopped meet here; each sees what the others stored before.",
        effect=Effect.SYNC,
    ),
    _op(0x39, "MemFence memfence", "scope:scope", (), "Loads and stores keep their order across it."),
)
_CLASSES: Final = (
    _op(0x40, "ClsGet cls.get", "=dst:u8", (), "dst := the class that the launch gave.", effect=Effect.LANE),
    _op(0x41, "MIRROR mirror", "=dst:u8 src:u8", (), "dst := the mirror class of src; src above 95 faults."),
    _op(
        *(0x42, "UnityTest unity.test", "=dst:pred epsilon:float", ()),
        "dst := whether the lane's class is a unity class (1 or 4); epsilon changes nothing.",
        effect=Effect.LANE,
    ),
    _op(0x43, "NbrCount nbr.count", "=dst:u8 class:u8", (), "dst := how many neighbours; a class above 95 faults."),
    _op(
        *(0x44, "NbrGet nbr.get", "=dst:u8 class:u8 index:imm8", ()),
        "dst := the neighbour at index in ascending order, 0 past the last; a class above 95 faults.",
    ),
    _op(
        *(0x45, "ResAccum res.accum", "class:u8 value:f64", ()),
        "Add value to element class of the buffer `residues` (f64), as one step; a class above 95 faults.",
        effect=Effect.ATOMIC,
    ),
    _op(0x46, "PhaseGet phase.get", "=dst:u32", (), "dst := the lane's phase.", effect=Effect.LANE),
    _op(0x47, "PhaseAdv phase.adv", "delta:imm16", (), "phase := (phase + delta) mod 768.", effect=Effect.LANE),
    _op(
        *(0x48, "BoundMap bound.map", "=dst:u64 class:u8 page:u8 byte:u8", ()),
        "dst := 12288 class + 256 page + byte; a class above 95 or a page above 47 faults.",
    ),
)
_REDUCE: Final = tuple(
    _op(
        *(code, f"Reduce{word} reduce.{word.lower()}", "=dst:t src_base:t count:imm8", TYPES),
        f"dst := {start} {word.lower()} each of the count registers from src_base on, in order.",
    )
    for code, word, start in (
        (0x50, "Add", "0"),
        (0x51, "Min", "the greatest value, or infinity,"),
        (0x52, "Max", "the least value, or -infinity,"),
        (0x53, "Mul", "1"),
    )
)
_TRANSCENDENTAL: Final = tuple(
    _op(code, f"{name} {name.lower()}", "=dst:t src:t", FLOATS, f"dst := {means}.", ulp=ulp)
    for code, name, means, ulp in (
        (0x60, "EXP", "e to the power src", 4),
        (0x61, "LOG", "the natural logarithm of src", 4),
        (0x62, "LOG2", "the binary logarithm of src", 4),
        (0x63, "LOG10", "the decimal logarithm of src", 4),
        (0x64, "SQRT", "the square root of src, rounded once", 0),
        (0x65, "RSQRT", "1 / the square root of src", 4),
        (0x66, "SIN", "the sine of src, in radians", 4),
        (0x67, "COS", "the cosine of src, in radians", 4),
        (0x68, "TAN", "the tangent of src, in radians", 8),
        (0x69, "TANH", "the hyperbolic tangent of src", 8),
        (0x6A, "SIGMOID", "1 / (1 + e to the power -src)", 8),
        (0x6B, "ERF", "the error function of src", 8),
    )
)
_POOL: Final = (
    _op(
        *(0x70, "PoolAlloc pool.alloc", "=dst:u64 size:imm64", ()),
        "dst := the handle of size bytes of the lane's own, zero at first; faults while the pool it made before "
        "is not freed.",
        effect=Effect.LANE,
    ),
    _op(0x71, "PoolFree pool.free", "handle:u64", (), "The pool ends; faults if it has.", effect=Effect.LANE),
    _op(
        *(0x72, "PoolLoad pool.load", "=dst:t pool:u64 offset:u64", TYPES),
        "dst := the element at byte offset of the pool; faults if it was freed.",
        effect=Effect.LOAD,
    ),
    _op(
        *(0x73, "PoolStore pool.store", "pool:u64 offset:u64 src:t", TYPES),
        "The element at byte offset of the pool := src; faults if it was freed.",
        effect=Effect.STORE,
    ),
)
_CROSS: Final = tuple(
    _op(
        *(code, f"Lane{word} lane.{word.lower()}", "=dst:t src:t", TYPES),
        f"dst := {word.lower()} over src of all lanes of the block that have not stopped, which meet here; "
        "in the order of a tree [ISA-20].",
        effect=Effect.SYNC,
    )
    for code, word in ((0x80, "Add"), (0x81, "Min"), (0x82, "Max"), (0x83, "Mul"))
)
_ATOMIC: Final = tuple(
    _op(
        *(code, f"Atom{word} atom.{word.lower()}", f"=dst:t addr:address {operands}", types),
        f"dst := the element at addr; it := {means}; as one step.",
        effect=Effect.ATOMIC,
    )
    for code, word, operands, types, means in (
        (0x88, "Add", "src:t", _COUNTED, "it + src"),
        (0x89, "Min", "src:t", _COUNTED, "it min src"),
        (0x8A, "Max", "src:t", _COUNTED, "it max src"),
        (0x8B, "And", "src:t", _WORDS, "it and src"),
        (0x8C, "Or", "src:t", _WORDS, "it or src"),
        (0x8D, "Xor", "src:t", _WORDS, "it xor src"),
        (0x8E, "Exchange", "src:t", _COUNTED, "src"),
        (0x8F, "Cas", "compare:t src:t", _WORDS, "src if it equals compare"),
    )
)

OPS: Final = (
    *_DATA,
    *_ARITHMETIC,
    *_LOGIC,
    *_CONTROL,
    *_SYNC,
    *_CLASSES,
    *_REDUCE,
    *_TRANSCENDENTAL,
    *_POOL,
    *_CROSS,
    *_ATOMIC,
)
"""All instructions, in the order of their codes."""
BY_MNEMONIC: Final = {one.mnemonic: one for one in OPS}
BY_CODE: Final = {one.code: one for one in OPS}
EXTENSIONS: Final = frozenset({"REM", "FLOOR", "POW", "ERF"} | {one.name for one in (*_CROSS, *_ATOMIC)})
"""Names of what is not of the plan's sixty."""


def fixed_type(name: str) -> Type:
    """Return the type that an operand names, as in "u64"."""
    return BY_NAME[name]
