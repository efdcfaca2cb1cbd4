"""Conformance of the circuit room: a check for each area that it answers for, and where it answers otherwise."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import product
from typing import Any, Final

from prism.conform import Case, Check, Deviation, Mismatch, require_equal
from prism.errors import ParseError, PrismError, UsageError
from prism.kernels.circuit import classes as cl
from prism.kernels.circuit.calls import calls
from prism.kernels.circuit.classes import Coordinates, Transform, coordinates
from prism.kernels.circuit.evaluate import literal, words
from prism.kernels.circuit.parse import parse


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
            sizes = [len(cl.bytes_of_class(number)) for number in range(cl.N_CLASSES)]
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
            require_equal(expected, len({cl.triality_orbit(number) for number in range(cl.N_CLASSES)}))
        case {"count": _}:
            require_equal(expected, len(_nominal_automorphisms()))
        case _:
            raise Mismatch(f"a transform case must ask for something known, got {given!r}")


def _nominal_automorphisms() -> set[tuple[int, ...]]:
    """Return the permutations that ring rotations, mirrors, twists and scopes compose to."""
    return {
        tuple(
            cl.scope(Transform(twist=ring + twist, mirror=mirror).of(number), amount) for number in range(cl.N_CLASSES)
        )
        for ring, mirror, twist, amount in product(range(8), (False, True), range(8), range(16))
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
    widths = {"u8": 1, "f32": 4, "i32": 4}
    match given:
        case {"start_class": start, "f32_elements": n}:
            taken = cl.span(n, widths["f32"])
            _require_fields(expected, {"num_classes": taken, "end_class": start + taken - 1})
        case {"start_class": start, "element": element, "type": name}:
            number, offset = cl.place(start, element, widths[name])
            require_equal(expected, {"class": number, "byte_offset": offset})
        case {"max_elements_per_class": name}:
            require_equal(expected, cl.elements_per_class(widths[name]))
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


CHECKS: Final[Mapping[str, Check]] = {
    "class": _class,
    "transform": _transform,
    "belt": _belt,
    "memory": _memory,
    "literal": _literal,
    "words": _words,
    "parse": _parse,
    "compile": _compile,
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


DEVIATIONS: Final = (
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
