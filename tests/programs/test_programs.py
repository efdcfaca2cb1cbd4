"""Golden programs: each file says in its comments what every expression is, or which error ends it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from prism.errors import ParseError
from prism.vm.engines.api import STOPS, Limits
from prism.vm.engines.program import evaluate
from prism.vm.engines.report import StopReason
from prism.vm.engines.table import ENGINES, open_engine
from prism.vm.term.parse import read_programs
from prism.vm.term.show import show_terms

pytestmark = pytest.mark.m1

PROGRAMS = sorted(Path(__file__).parent.glob("*.prism"))


def _lines(path: Path, engine: str, limits: Limits) -> list[str]:
    lines = []
    with path.open("rb") as stream:
        for done in evaluate(open_engine(engine, limits), read_programs(stream, path.name)):
            for i, stop in enumerate(STOPS[code] for code in done.outcome.stop):
                result = done.outcome.result
                root = type(result)(result.op, result.a, result.b, result.roots[i : i + 1])
                is_done = stop is StopReason.NORMAL_FORM
                lines.append(show_terms(root, as_numerals=True)[0] if is_done else stop.value)
    return lines


def _cases() -> list[tuple[Path, str]]:
    """Pair each program with the engines that its comment `; engines:` names, all without one."""
    named = {path: re.search(r"^; engines: (.*)$", path.read_text("utf-8"), re.MULTILINE) for path in PROGRAMS}
    return [(path, engine) for path, only in named.items() for engine in (only[1].split() if only else ENGINES)]


@pytest.mark.parametrize(("path", "engine"), _cases(), ids=lambda part: getattr(part, "stem", part))
@pytest.mark.slow
def test_program(path: Path, engine: str) -> None:
    """A golden program gives what its comments expect, on every engine, or on those it names."""
    text = path.read_text("utf-8")
    limits = Limits(**{key: int(value) for key, value in re.findall(r"^; limits: (\w+)=(\d+)$", text, re.MULTILINE)})
    error = re.search(r"; expect error: (.*)$", text, re.MULTILINE)
    if error:
        with pytest.raises(ParseError, match=re.escape(error[1])):
            _lines(path, engine, limits)
        return
    expected = re.findall(r"; expect: (\w+)", text)
    assert expected, f"{path.name} must expect something"
    assert _lines(path, engine, limits) == expected


@pytest.mark.parametrize("example", ["tour", "shared-tree"])
def test_examples_say_what_they_print(example: str, request: pytest.FixtureRequest) -> None:
    """The number at the head of a comment of the tour is what its line prints; the shared tree is 2^20."""
    path = request.config.rootpath / f"examples/{example}.prism"
    printed = _lines(path, "ledger", Limits())
    if example == "tour":
        comments = re.findall(r"^[^;#\n]+[;#] (?:\d+, together )?(\d+)", path.read_text("utf-8"), re.MULTILINE)
        assert printed == [number for number in comments if number not in {"12"}]
    else:
        assert printed == [str(1 << 20)]
