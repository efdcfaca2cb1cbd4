"""Conformance of the instruction set and of all kernels: checks by area, deviations by rule [ISA-21]."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

import numpy as np

from prism.conform import Case, Check, Deviation, Mismatch, Verdict, judge, require_equal
from prism.errors import PrismError, UsageError
from prism.kernels.circuit import conform as circuit
from prism.kernels.exec.faults import FaultError, FaultKind
from prism.kernels.exec.launch import Launch, Shape, linear
from prism.kernels.exec.machine import UNSET, Machine
from prism.kernels.exec.numpy import NumpyExecutor, advance
from prism.kernels.isa.address import UNITY, label_class, mirror, neighbours, phi_coordinate, phi_encode, points_at
from prism.kernels.isa.assemble import assemble
from prism.kernels.isa.build import Builder, element_wise_binary, element_wise_unary
from prism.kernels.isa.codec import encode
from prism.kernels.isa.errors import VerifyError
from prism.kernels.isa.program import (
    BufferOffset,
    Guard,
    Instruction,
    PhiCoordinate,
    Program,
    RegisterIndirect,
    RegisterIndirectComputed,
)
from prism.kernels.isa.show import show_address, show_instruction
from prism.kernels.isa.table import OPS, Kind, Op
from prism.kernels.isa.types import BY_NAME, F32, TYPES, U32, Type
from prism.kernels.isa.types import Kind as Of
from prism.kernels.isa.verify import verify
from prism.kernels.schema import conform as schema

FORMAT: Final = "hologram_vectors/1"
_FAULTS: Final = {
    FaultKind.BOUNDS: "BufferOutOfBounds",
    FaultKind.DIVISION: "DivisionByZero",
    FaultKind.CLASS: "class",
    FaultKind.POOL: "pool",
    FaultKind.FUEL: "fuel",
}
_BY_NAME: Final = {op.name: op for op in OPS}
_ADDRESSES: Final[Mapping[str, Callable[..., Any]]] = {
    "BufferOffset": lambda handle, offset: BufferOffset(handle, offset),
    "PhiCoordinate": lambda **at: PhiCoordinate(at["class"], at["page"], at["byte"]),
    "RegisterIndirect": lambda base, offset: RegisterIndirect(_register(base), offset),
    "RegisterIndirectComputed": lambda handle_reg, offset_reg: RegisterIndirectComputed(
        _register(handle_reg), _register(offset_reg)
    ),
}
_PREDICATE_HELP: Final = 249
"""A register that sets predicates before a case's instruction."""


def _register(given: Any) -> int:
    return given if isinstance(given, int) else int(re.sub(r"^r(\d+).*", r"\1", given))


def _value(ty: Type, given: Any) -> Any:
    """Return a value of a file as an element: numbers, or names such as "nan"."""
    number = float(given) if isinstance(given, str) and ty.kind is Of.FLOAT else given
    return ty.dtype.type(number)


def _state(case: Case) -> Machine:
    """Run the one instruction of a case on the definition; return the lane afterwards."""
    given, text = case.data["input"].get("registers", {}), case.data["input"]["instr"]
    builder, values = Builder("case"), {}
    before = []
    for name, value in given.items():
        if name[0] == "p" and name != "phase":
            before += [f"mov_imm.u32 r{_PREDICATE_HELP}, {int(value)}", f"setne.u32 {name}, r{_PREDICATE_HELP}, r250"]
        elif name[0] == "r":
            ty = BY_NAME[value[0]]
            builder.scalar(name, ty, int(name[1:]))
            values[name] = _value(ty, value[1])
    lines = ["mov_imm.u32 r250, 0", *before, text] if before else [text]
    parsed = assemble("\n".join(lines))
    program = Program("case", parsed.instructions, scalars=builder.program().scalars)
    started = {"phase": given.get("phase", 0), "lane_class": given.get("current_class", 0)}
    machine = Machine(Launch(verify(program), Shape(), {}, values, **started), 0, 1, None)
    with np.errstate(all="ignore"):
        while advance(machine):
            pass
    if machine.fault is not None:
        raise machine.fault.error()
    return machine


def _require_close(ty: Type, expected: Any, got: Any, case: Case, what: str) -> None:
    wanted = _value(ty, expected)
    if ty.kind is not Of.FLOAT:
        require_equal(int(wanted), int(got), what)
        return
    a, b = float(wanted), float(got)
    stated = re.search(r"tolerance ([0-9.e-]+)", case.data.get("note", ""))
    op = next((op for op in OPS if re.match(rf"{re.escape(op.mnemonic)}\.", case.data["input"]["instr"])), None)
    ulp = (op.ulp if op else 0) * float(np.spacing(np.abs(wanted)).astype(np.float64)) if math.isfinite(a) else 0.0
    allowed = max(float(stated[1]) if stated else 0.0, ulp)
    if not (a == b or (math.isnan(a) and math.isnan(b)) or abs(a - b) <= allowed):
        raise Mismatch(f"{what} must be {a!r}, got {b!r}")


def _isa(case: Case) -> None:
    expected = case.data["expected"]
    if expected.keys() & {"error", "panic"}:
        _require_refused(lambda: _state(case), expected.get("error"))
        return
    machine = _state(case)
    for name, value in expected.items():
        if name == "phase":
            require_equal(value, int(machine.phase[0]), name)
        elif name[0] == "p":
            require_equal(value, bool(machine.predicates[int(name[1:]), 0]), name)
        else:
            register, ty = int(name[1:]), BY_NAME[value[0]]
            code = machine.held[register, 0]
            require_equal(ty.name, "nothing" if code == UNSET else TYPES[code].name, f"the type of {name}")
            _require_close(ty, value[1], machine.registers[register, ty][0], case, name)


def _require_refused(call: Callable[[], Any], name: str | None) -> None:
    """Call something that must refuse, or fault, with a name in what it says; any refusal where there is no name."""
    try:
        got = call()
    except FaultError as error:
        said = f"{_FAULTS.get(error.kind, '')} {error}"
    except VerifyError as error:
        said = f"{error.kind} {error}"
    except PrismError as error:
        said = str(error)
    else:
        raise Mismatch(f"it must be refused, got {got}")
    if name is not None and name not in said:
        raise Mismatch(f"it must be refused with {name!r}, got {said!r}")


def _address(case: Case) -> None:
    given, expected = case.data["input"], case.data["expected"]
    if "error" in expected:
        _require_refused(lambda: _pointed(given), expected["error"])
        return
    got = _pointed(given)
    if isinstance(got, PhiCoordinate):
        require_equal(expected, {"class": got.cls, "page": got.page, "byte": got.byte})
    else:
        require_equal(expected, dict(zip(("handle", "offset"), got, strict=True)))


def _pointed(given: Mapping[str, Any]) -> PhiCoordinate | tuple[int, int]:
    if "class" in given:
        return phi_coordinate(given["class"], given["offset"])
    ((kind, fields),) = given.items()
    held = {_register(text): int(text.split()[-1]) for text in fields.values() if isinstance(text, str)}
    return points_at(_ADDRESSES[kind](**fields), held)


def _field(op: Op, name: str, kind: Kind, fields: Mapping[str, Any]) -> Any:
    value = fields.get(name)
    if kind is Kind.ADDRESS and isinstance(value, dict):
        ((mode, inner),) = value.items()
        return _ADDRESSES[mode](**inner)
    if kind is Kind.GUARD:
        return None if value is None else Guard(_register(value))
    if value is None:
        raise Mismatch(f"{op.name} must have a field {name!r}, got {sorted(fields)}")
    return value.lower() if kind in (Kind.CONDITION, Kind.SCOPE) else value


def _display(case: Case) -> None:
    ((name, fields),) = case.data["input"].items()
    if name in _ADDRESSES:
        require_equal(case.data["expected"], show_address(_ADDRESSES[name](**fields)))
        return
    op = _BY_NAME[name]
    words = {"CVT": ("dst_ty", "src_ty")}.get(op.name, ("ty",))[: len(op.types)]
    types = tuple(BY_NAME[fields[word].lower()] for word in words)
    operands = tuple(_field(op, one.name, one.kind, fields) for one in op.operands)
    require_equal(case.data["expected"], show_instruction(Instruction(op.mnemonic, types, operands)))


def _launch(case: Case) -> None:
    given, expected = case.data["input"], case.data["expected"]
    match given:
        case {"linear": [total, block]}:
            shape = linear(total, block)
            got = {"grid": list(shape.grid), "block": list(shape.block), "total_lanes": shape.lanes}
            got["shared_bytes"] = shape.shared_bytes
        case {"grid": grid, "block": block, "block_idx": at, "lane_idx": lane}:
            shape = Shape(tuple(grid), tuple(block))
            rows = _linear(at, shape.grid), _linear(lane, shape.block)
            got = {"block_linear": rows[0], "lane_linear": rows[1]}
            got["global_lane"] = rows[0] * (shape.lanes // shape.blocks) + rows[1]
        case {"grid": grid, "block": block}:
            shape = Shape(tuple(grid), tuple(block), given.get("shared", 0))
            got = {"total_blocks": shape.blocks, "total_lanes": shape.lanes}
        case {"lane_idx": [x, y, _]}:
            got = {"page": x % 48, "byte": y % 256}
        case _:
            raise Mismatch(f"a launch case must ask for something known, got {given!r}")
    for name, value in expected.items():
        require_equal(value, got.get(name), name)


def _linear(at: list[int], size: tuple[int, int, int]) -> int:
    return at[0] + size[0] * (at[1] + size[1] * at[2])


def _element_wise(given: Mapping[str, Any], inputs: int) -> Program:
    op, ty = _BY_NAME[given["op"]], BY_NAME[given["ty"].lower()]
    if inputs == 1:

        def one(src, dst):
            return Instruction(op.mnemonic, (ty,), (dst, src))

        return element_wise_unary(given["a"], given["c"], ty, one)

    def two(a, b, dst):
        return Instruction(op.mnemonic, (ty,), (dst, a, b))

    return element_wise_binary(given["a"], given["b"], given["c"], ty, two)


def _program(case: Case) -> None:
    given, expected = case.data["input"], case.data["expected"]
    match given:
        case {"create_element_wise_unary": fields} | {"create_element_wise_binary": fields}:
            program = _element_wise(fields, 1 if "create_element_wise_unary" in given else 2)
            got = {"length": len(program.instructions), "labels": dict(program.labels)}
            got["instructions"] = [show_instruction(one) for one in program.instructions]
            for name, value in expected.items():
                require_equal(value, got.get(name), name)
            verify(program)
        case {"type_size_shift": name}:
            require_equal(expected, BY_NAME[name.lower()].shift)
        case {"execute": _, "a": a, "b": b, "launch": at}:
            _execute(a, b, at, expected)
        case {"BRA": label, "at": at}:
            before = (Instruction("exit"),) * at
            branch = Program("p", (*before, Instruction("bra", (), (None, label))))
            _require_refused(lambda: verify(branch), expected["error"])
        case {"label": label, "target": target, "length": length}:
            exits = (Instruction("exit"),) * length
            _require_refused(lambda: verify(Program("p", exits, ((label, target),))), expected["error"])
        case {"duplicate_label": label, "at": at}:
            _require_refused(lambda: _twice(label, at), expected["error"])
        case {"cache": keys}:
            made = [
                encode(element_wise_unary(*_handles(key), F32, lambda a, d: Instruction("abs", (F32,), (d, a))))
                for key in keys
            ]
            require_equal(expected, {"creations": len(set(made)), "entries": len(set(made))})
        case {"translate": _} if "program" in circuit.CHECKS:
            circuit.CHECKS["program"](case)
        case _:
            raise Mismatch(f"a program case must ask for something known, got {given!r}")


def _handles(key: list[Any]) -> tuple[int, int]:
    """Return two handles that are different for different keys of one operation."""
    (param,) = key[1]
    return param, param + 1000


def _twice(label: str, at: int) -> None:
    builder = Builder("p")
    builder.label(label)
    for _ in range(at):
        builder.emit("exit")
    builder.label(label)


def _execute(a: list[float], b: list[float], at: Mapping[str, Any], expected: Mapping[str, Any]) -> None:
    """Add two vectors twice, each time with a program built anew: equal programs are one."""
    known: set[Program] = set()
    got = np.zeros(len(a), np.float32)
    for _ in range(2):
        program = element_wise_binary(1, 2, 3, F32, lambda x, y, d: Instruction("add", (F32,), (d, x, y)))
        known.add(program)
        buffers = {"a": np.array(a, np.float32), "b": np.array(b, np.float32), "c": got}
        NumpyExecutor().bind(Launch(verify(program), Shape(tuple(at["grid"]), tuple(at["block"])), buffers))()
    require_equal([float(x) for x in expected["c"]], got.tolist(), "c")
    require_equal(expected.get("cache_len_after_two_calls", 1), len(known), "the programs in the cache")


def _graph(case: Case) -> None:
    given, expected = case.data["input"], case.data["expected"]
    if "class" in given:
        cls = given["class"]
        near = neighbours(cls)
        got: Any = {"mirror": mirror(cls), "degree": len(near), "neighbors_sorted": list(near), "unity": cls in UNITY}
    elif "phi_encode" in given:
        got = {"u32": phi_encode(**given["phi_encode"])}
    else:
        got = {"class": label_class(given["r96_classify_byte"])}
    require_equal(expected, got)


def _rounds(case: Case) -> None:
    """Check that a loop of count c runs its body c times."""
    count = case.data["input"]["loop"]["counter_register_u32"]
    text = ".scalar n u32 r1\nmov_imm.u32 r2, 0\nmov_imm.u32 r3, 1\nbody: add.u32 r2, r2, r3\nloop r1, @body"
    machine = Machine(Launch(verify(assemble(text)), Shape(), {}, {"n": count}), 0, 1, None)
    while advance(machine):
        pass
    require_equal(count, int(machine.registers[2, U32][0]), "the runs of the body")


def _converted(case: Case) -> None:
    """Check that a conversion beyond the plan's pairs rounds to nearest, or saturates."""
    ((to, of),) = re.findall(r"cvt\.(\w+)\.(\w+)", case.data["input"]["instr"])
    machine = _state(case)
    (given,) = (value[1] for value in case.data["input"]["registers"].values())
    exact, ty = float(_value(BY_NAME[of], given)), BY_NAME[to]
    if ty.kind is not Of.FLOAT:
        info = np.iinfo(ty.dtype)
        exact = (
            min(max(int(exact), info.min), info.max) if BY_NAME[of].kind is Of.FLOAT else int(given) % (1 << ty.bits)
        )
    (register,) = (int(one) for one in re.findall(r"^\S+ r(\d+)", case.data["input"]["instr"]))
    got = machine.registers[register, ty][0]
    require_equal(True, bool(got == np.array(exact).astype(ty.dtype)), "the conversion")


def _runs(case: Case) -> None:
    """Check that the instruction runs where the plan has no such type."""
    _state(case)


def _expects(case: Case, *errors: str) -> bool:
    expected = case.data["expected"]
    return case.area == "isa" and isinstance(expected, dict) and expected.get("error") in errors


def _says(case: Case, pattern: str) -> bool:
    return re.match(pattern, case.data["input"].get("instr", "")) is not None


CHECKS: Final[Mapping[str, Check]] = {
    **circuit.CHECKS,
    **schema.CHECKS,
    "isa": _isa,
    "address": _address,
    "display": _display,
    "launch": _launch,
    "program": _program,
    "atlas_graph": _graph,
}
"""The check of each area that kernels answer for."""
DEVIATIONS: Final = (
    *circuit.DEVIATIONS,
    *schema.DEVIATIONS,
    Deviation(
        *("a loop runs its body as often as its count says", "ISA-9"),
        *(lambda case: case.area == "program" and "loop" in case.data["input"], _rounds),
    ),
    Deviation(
        *("every type converts to every other", "ISA-14"),
        *(lambda case: _expects(case, "UnsupportedOperation") and _says(case, r"cvt\."), _converted),
    ),
    Deviation(
        *("instructions compute in all the types of the table", "ISA-2"),
        *(lambda case: _expects(case, "UnsupportedOperation") and not _says(case, r"cvt\.|set\w+u\."), _runs),
    ),
    Deviation(
        *("the least integer has itself as absolute value and negation", "ISA-13"),
        *(
            lambda case: case.area == "isa" and bool(case.data["expected"].get("panic")) and _says(case, "abs|neg"),
            _runs,
        ),
    ),
)
"""Where kernels answer otherwise, by rule."""


def recognises(data: Any) -> bool:
    """Whether a file's data are cases about kernels."""
    return isinstance(data, dict) and data.get("format") == FORMAT


def verdicts(data: Any) -> Iterator[Verdict]:
    """Yield the verdict on each case of a file, in order; UsageError where the data have no cases."""
    rows = data.get("cases")
    shaped = isinstance(rows, list) and all(isinstance(row, dict) and {"id", "area"} <= row.keys() for row in rows)
    if not shaped:
        raise UsageError("a file of cases must have a list `cases` of objects with id and area, got another shape")
    cases = (Case(str(row["id"]), str(row["area"]), row) for row in rows)
    return judge(cases, CHECKS, DEVIATIONS)
