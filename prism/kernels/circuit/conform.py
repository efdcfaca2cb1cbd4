"""Conformance of the circuit room: a check for each area that it answers for, and where it answers otherwise."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import product
from typing import Any, Final

from prism.conform import Case, Check, Deviation, Mismatch, require_equal
from prism.errors import ParseError, PrismError, UsageError
from prism.kernels.circuit import classes as cl
from prism.kernels.circuit.arrays import canonical_arrays
from prism.kernels.circuit.calls import calls
from prism.kernels.circuit.classes import Coordinates, Transform, coordinates
from prism.kernels.circuit.evaluate import literal, words
from prism.kernels.circuit.gate_words import canonical_gates
from prism.kernels.circuit.gate_words import words as gate_words
from prism.kernels.circuit.gates import BY_LETTER, IDENTITY_CIRCUIT
from prism.kernels.circuit.lower import lower
from prism.kernels.circuit.memory import classes_for, element_at, elements_in_class
from prism.kernels.circuit.parse import parse
from prism.kernels.circuit.phrase import Phrase
from prism.kernels.circuit.push import pushed
from prism.kernels.circuit.report import Canonical
from prism.kernels.isa.program import CLASSES
from prism.kernels.isa.show import show_instruction
from prism.kernels.isa.types import BY_NAME, F32


def _require_fields(expected: Mapping[str, Any], got: Mapping[str, Any]) -> None:
    for name, value in expected.items():
        require_equal(value, got.get(name), name)


def _refused(text: str) -> ParseError:
    """Return the error with which a text is refused; Mismatch when it is read."""
    try:
        read = parse(text)
    except ParseError as error:
        return error
    raise Mismatch(f"{text!r} must be refused, got {read}")


def _is_error(expected: Any) -> bool:
    return isinstance(expected, dict) and "error" in expected


def _class(case: Case) -> None:
    given, expected = case.data["input"], case.data["expected"]
    match given:
        case {"byte": byte}:
            _require_fields(expected, _described(cl.class_of_byte(byte)))
        case {"class": number}:
            _require_fields(expected, _described(number))
        case {"equivalence_class_of": byte}:
            require_equal(expected["bytes"], list(cl.bytes_of_class(cl.class_of_byte(byte))))
        case {"equivalent": [one, other]}:
            require_equal(expected, cl.class_of_byte(one) == cl.class_of_byte(other))
        case {"decode_class": number}:
            _require_out_of_range(lambda: coordinates(number))
        case {"histogram": _}:
            sizes = [len(cl.bytes_of_class(number)) for number in range(CLASSES)]
            counts = {"classes_with_4_bytes": sizes.count(4), "classes_with_2_bytes": sizes.count(2)}
            require_equal(expected, {**counts, "total": sum(sizes)})
        case _:
            raise Mismatch(f"a class case must ask for something known, got {given!r}")


def _described(number: int) -> dict[str, int]:
    at = coordinates(number)
    return {"class": number, "h2": at.h2, "d": at.d, "l": at.l, "canonical_byte": at.byte}


def _require_out_of_range(call: Any) -> None:
    try:
        got = call()
    except UsageError as error:
        if "out of range" in str(error):
            return
        raise
    raise Mismatch(f"the number must be refused, got {got}")


def _transform(case: Case) -> None:
    given, expected = case.data["input"], case.data["expected"]
    match given:
        case {"transform": amounts}:
            moves = Transform(amounts.get("R", 0), amounts.get("D", 0), amounts.get("T", 0), amounts.get("M", False))
            _require_fields(expected, _described(moves.of(Coordinates(given["h2"], given["d"], given["l"]).number)))
        case {"class": number, "D": turn}:
            require_equal(expected["class"], Transform(triality=turn).of(number))
        case {"triality_orbit_of": number}:
            require_equal(expected, list(cl.triality_orbit(number)))
        case {"scope": amount}:
            number = cl.scope(Coordinates(given["h2"], given["d"], given["l"]).number, amount)
            _require_fields(expected, _described(number))
        case {"count": "triality orbits"}:
            require_equal(expected, len({cl.triality_orbit(number) for number in range(CLASSES)}))
        case {"count": _}:
            require_equal(expected, len(_nominal_automorphisms()))
        case _:
            raise Mismatch(f"a transform case must ask for something known, got {given!r}")


def _nominal_automorphisms() -> set[tuple[int, ...]]:
    """Return the permutations that ring rotations, mirrors, twists and scopes compose to."""
    return {
        tuple(
            cl.scope(Transform(twist=ring + twist, mirror=is_mirrored).of(number), amount) for number in range(CLASSES)
        )
        for ring, is_mirrored, twist, amount in product(range(8), (False, True), range(8), range(16))
    }


def _belt(case: Case) -> None:
    given, expected = case.data["input"], case.data["expected"]
    if "address" in given:
        _require_out_of_range(lambda: cl.page_and_byte(given["address"]))
    elif _is_error(expected):
        _require_out_of_range(lambda: cl.belt_address(given["page"], given["byte"]))
    else:
        require_equal(expected["address"], cl.belt_address(given["page"], given["byte"]))


def _memory(case: Case) -> None:
    given, expected = case.data["input"], case.data["expected"]
    match given:
        case {"start_class": start, "f32_elements": n}:
            taken = classes_for(start, n, F32)
            _require_fields(expected, {"num_classes": taken, "end_class": start + taken - 1})
        case {"start_class": start, "element": element, "type": name}:
            number, offset = element_at(start, element, BY_NAME[name])
            require_equal(expected, {"class": number, "byte_offset": offset})
        case {"max_elements_per_class": name}:
            require_equal(expected, elements_in_class(BY_NAME[name]))
        case _:
            raise Mismatch(f"a memory case must ask for something known, got {given!r}")


def _literal(case: Case) -> None:
    text, expected = case.data["input"]["expr"], case.data["expected"]
    if _is_error(expected):
        require_equal("the number is out of range", _refused(text).remedy)
        return
    got = literal(parse(text))
    if "bytes" in expected:
        require_equal(expected, {"bytes": list(got.bytes), "addresses": list(got.addresses) or None})
    else:
        require_equal(expected, {"byte_count": len(got.bytes), "address_count": len(got.addresses)})


def _words(case: Case) -> None:
    require_equal(case.data["expected"]["words"], list(words(parse(case.data["input"]["expr"]))))


def _parse(case: Case) -> None:
    text = case.data["input"]["expr"]
    if case.data["expected"]["ok"]:
        phrase = parse(text)
        require_equal(phrase, parse(str(phrase)), "what is read again")
    else:
        _refused(text)


def _compile(case: Case) -> None:
    text, expected = case.data["input"]["circuit"], case.data["expected"]
    if not _is_error(expected):
        require_equal(expected["calls"], [one.as_json() for one in calls(parse(text))])
        return
    try:
        got = calls(parse(text))
    except PrismError as error:
        if expected["error"] in str(error):
            return
        raise Mismatch(f"the refusal must say {expected['error']!r}, got {error}") from error
    raise Mismatch(f"{text!r} must be refused, got {got}")


def _gates(case: Case) -> None:
    for letter, text in case.data["expected"].items():
        if text is None:
            require_equal(False, letter in BY_LETTER, f"whether {letter} is a gate")
        else:
            require_equal((letter,), gate_words(parse(text)), "the word")


def _program(case: Case) -> None:
    """Compare the instructions of a circuit lowered as written, the stages one after the other."""
    stages = lower(calls(parse(case.data["input"]["translate"]["circuit"])), F32).stages
    lines = [show_instruction(one) for stage in stages for one in stage.program.instructions]
    require_equal(case.data["expected"]["instructions"], lines, "instructions")


def _canonicalize(case: Case) -> None:
    expected, got = case.data["expected"], _canonical(case)
    require_equal(str(parse(expected["canonical"])), str(got.phrase), "canonical")
    _require_fields(
        {name: expected[name] for name in ("original_ops", "canonical_ops")},
        {"original_ops": got.original_ops, "canonical_ops": got.canonical_ops},
    )
    require_equal(expected["reduction_pct"], round(got.reduction_pct, 4), "reduction_pct")


def _canonical(case: Case) -> Canonical:
    return canonical_of(parse(case.data["input"]["circuit"]))


def canonical_of(phrase: Phrase) -> Canonical:
    """Return the canonical form of a circuit, read as gates where it is one of gates, else as an array program."""
    try:
        gate_words(phrase)
    except ParseError:
        return canonical_arrays(phrase)
    return canonical_gates(phrase)


CHECKS: Final[Mapping[str, Check]] = {
    "class": _class,
    "transform": _transform,
    "belt": _belt,
    "memory": _memory,
    "literal": _literal,
    "words": _words,
    "parse": _parse,
    "compile": _compile,
    "canonicalize": _canonicalize,
    "gates": _gates,
    "program": _program,
}
"""The check of each area."""


def _says_why(case: Case) -> bool:
    return case.area == "parse" and "message_contains" in case.data["expected"]


def _own_words(case: Case) -> None:
    error = _refused(case.data["input"]["expr"])
    if not (error.expected and error.found and "^" in str(error)):
        raise Mismatch(f"a refusal must name its place, what was expected and what was found, got {error}")


def _is_loose(case: Case) -> bool:
    text = case.data["input"].get("expr", "") if case.area == "parse" else ""
    return case.data["expected"] != {"ok": False} and ("$" in text or " | " in text)


def _is_larger_language(case: Case) -> bool:
    text = case.data["input"].get("expr", "") if case.area == "parse" else ""
    return text.startswith(("D", "reduce_"))


def _is_mirrored_range(case: Case) -> bool:
    return case.area == "compile" and "~@" in (text := case.data["input"]["circuit"]) and "c[" in text


def _exact_image(case: Case) -> None:
    """Require the classes of the calls to be the images of those of the range, each once."""
    text = case.data["input"]["circuit"]
    ((operation,),) = parse(text).branches
    images = operation.operands.images(parse(text).transform)  # type: ignore[union-attr]
    got = [number for one in calls(parse(text)) for number in range(one.classes[0], one.classes[1] + 1)]
    require_equal(sorted(images), got, "the classes")


def _is_transformed(case: Case) -> bool:
    return case.area == "canonicalize" and case.data["input"]["circuit"].startswith(("R", "D", "T", "~"))


def _transforms_first(case: Case) -> None:
    """Require the form of a circuit under a transform to be that of the circuit with the transform pushed in."""
    phrase = pushed(parse(case.data["input"]["circuit"]))
    require_equal(str(canonical_of(phrase).phrase), str(_canonical(case).phrase), "canonical")


def _is_better(case: Case) -> bool:
    """Whether the original counted a group as one operation, or stopped short of a normal form."""
    return case.area == "canonicalize" and _differs(case)


def _differs(case: Case) -> bool:
    try:
        _canonicalize(case)
    except Mismatch:
        return True
    return False


def _no_worse(case: Case) -> None:
    """Require a form of the same meaning in no more operations than the original's, and reached again from that."""
    got, again = _canonical(case), canonical_of(parse(case.data["expected"]["canonical"]))
    require_equal(got.identity, again.identity, "identity")
    require_equal(str(got.phrase), str(again.phrase), "canonical form of the original's answer")
    if got.canonical_ops > again.original_ops:
        raise Mismatch(f"the form must have at most {again.original_ops} operations, got {got.canonical_ops}")


def _is_other_gate_set(case: Case) -> bool:
    return case.area == "gates" and "rules.rs" not in case.data["input"].get("set", "")


def _own_gates(case: Case) -> None:
    """Require the gates of another set to differ from ours, and ours to be a group in which H twice is nothing."""
    require_equal((IDENTITY_CIRCUIT,), (str(canonical_gates(parse(" . ".join([BY_LETTER["H"].circuit] * 2))).phrase),))
    if all(BY_LETTER[letter].circuit == text for letter, text in case.data["expected"].items() if letter in BY_LETTER):
        raise Mismatch("a gate set that is ours must pass as such")


def _is_translation(case: Case) -> bool:
    return case.area == "program" and "translate" in case.data["input"]


def _does_something(case: Case) -> None:
    """Require a circuit that changes memory to be lowered to programs that store, and its canonical form too."""
    text = case.data["input"]["translate"]["circuit"]
    for phrase in (parse(text), canonical_arrays(parse(text)).phrase):
        stores = [one.op for stage in lower(calls(phrase), F32).stages for one in stage.program.instructions]
        if "stg" not in stores:
            raise Mismatch(f"{phrase} must be lowered to programs that store, got {stores}")


DEVIATIONS: Final = (
    Deviation("mark changes memory, and gates are no programs", "CIRCUIT-11", _is_translation, _does_something),
    Deviation("transforms go to the classes first", "CIRCUIT-8", _is_transformed, _transforms_first),
    Deviation("operations are counted one by one, and forms are normal", "CIRCUIT-12", _is_better, _no_worse),
    Deviation("there is one gate set", "CIRCUIT-10", _is_other_gate_set, _own_gates),
    Deviation("refusals are in Prism's own words, with their place", "CIRCUIT-5", _says_why, _own_words),
    Deviation(
        "what is outside the grammar is refused, not skipped",
        "CIRCUIT-5",
        _is_loose,
        lambda case: _own_words(case),
    ),
    Deviation(
        "D and reductions are part of the language",
        "CIRCUIT-5",
        _is_larger_language,
        lambda case: _parse(Case(case.name, case.area, {**case.data, "expected": {"ok": True}})),
    ),
    Deviation("a transformed range is the image of each of its classes", "CIRCUIT-8", _is_mirrored_range, _exact_image),
)
"""Where the circuit room answers otherwise than the original, by rule."""
