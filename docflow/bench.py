"""`docflow bench`: CPU seconds of a cold and a warm check, and of doorstop on the equivalent set, in one run."""

from __future__ import annotations

import importlib.util
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from docflow import cache, corpus, lock, review
from docflow.config import Config

_SECTIONS_A_DOCUMENT: Final = 20
_LINKS: Final = 2


@dataclass(frozen=True, slots=True)
class Row:
    """One measured case; no seconds means that it could not run, for the reason in `remark`."""

    case: str
    impl: str
    seconds: tuple[float, ...]
    n_sections: int
    remark: str = ""

    def as_dict(self) -> dict[str, Any]:
        """Return the row as every bench of the project prints it."""
        shared = {
            "bench": "docflow",
            "case": self.case,
            "impl": self.impl,
            "runs": len(self.seconds),
            "unit": "sections/s",
        }
        if not self.seconds:
            return shared | {"median_s": None, "min_s": None, "max_s": None, "rate": None, "remark": self.remark}
        middle = statistics.median(self.seconds)
        times = {"median_s": middle, "min_s": min(self.seconds), "max_s": max(self.seconds)}
        return shared | times | {"rate": self.n_sections / middle}


def run(n_sections: int, runs: int, *, with_doorstop: bool) -> Iterator[Row]:
    """Yield the rows. Times are user plus system CPU of whole processes, start-up included."""
    with tempfile.TemporaryDirectory(prefix="docflow-bench-") as name:
        root = Path(name)
        ours = root / "docflow"
        write_tree(ours, n_sections)
        command = [sys.executable, "-m", "docflow", "check", "--root", str(ours)]
        cold = tuple(
            _cpu_s(command, ours, before=lambda: shutil.rmtree(ours / cache.FOLDER, ignore_errors=True))
            for _ in range(runs)
        )
        yield Row("check cold", "docflow", cold, n_sections)
        yield Row("check warm", "docflow", tuple(_cpu_s(command, ours) for _ in range(runs)), n_sections)
        if not with_doorstop:
            return
        if importlib.util.find_spec("doorstop") is None:
            yield Row("check", "doorstop", (), n_sections, "doorstop is not installed; it comes with the bench extra")
            return
        theirs = root / "doorstop"
        write_doorstop_tree(theirs, n_sections)
        program = "import sys; from doorstop.cli.main import main; main(sys.argv[1:])"
        command = [sys.executable, "-c", program]
        for preparation in (["review", "all"], ["clear", "all"]):
            _cpu_s([*command, *preparation], theirs)
        yield Row("check", "doorstop", (_cpu_s([*command, "--quiet"], theirs),), n_sections)


def _cpu_s(command: Sequence[str], folder: Path, before: Callable[[], None] = lambda: None) -> float:
    before()
    start = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(command, cwd=folder, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    end = resource.getrusage(resource.RUSAGE_CHILDREN)
    return end.ru_utime + end.ru_stime - start.ru_utime - start.ru_stime


def _targets(number: int) -> list[int]:
    """Return the earlier sections that section `number` rests on: its predecessor and one farther back."""
    return sorted({number - 1, number // 2} - {number})[-_LINKS:] if number > 0 else []


def write_tree(root: Path, n_sections: int) -> None:
    """Write a tree of reviewed sections with two edges each, and its lock: every edge is ok."""
    root.mkdir(parents=True)
    for first in range(0, n_sections, _SECTIONS_A_DOCUMENT):
        numbers = range(first, min(first + _SECTIONS_A_DOCUMENT, n_sections))
        (root / _document(first)).write_text("\n".join(_document_lines(numbers)), encoding="utf-8")
    tree = corpus.load(root, Config())
    planned = review.adopt(tree)
    (root / lock.FILE_NAME).write_bytes(lock.render(planned.entries, planned.texts, {}))


def _document(number: int) -> str:
    return f"d{number // _SECTIONS_A_DOCUMENT:04}.md"


def _document_lines(numbers: range) -> Iterator[str]:
    own = _document(numbers[0])
    edges = {n: [f"{_document(t)}#s{t}" for t in _targets(n)] for n in numbers}
    refs = sorted({ref for targets in edges.values() for ref in targets if not ref.startswith(own)})
    yield from (
        "---",
        f"doc_id: {own[:-3]}",
        "doc_revision: 1",
        "doc_role: bench",
        "doc_scope: [bench]",
        "doc_authority: normative",
    )
    yield from ("doc_requires:", *(f"  - {ref}" for ref in refs)) if refs else ("doc_requires: []",)
    yield from ("doc_reviewed_as_of:", *(f"  {ref}: 1" for ref in refs))
    yield from ("doc_review_notes:", *(f'  {ref}: "{own}: compared with {ref}."' for ref in refs))
    yield from ("doc_sections:", *(f"  s{n}: 1" for n in numbers), "doc_section_requires:")
    for number, targets in edges.items():
        if targets:
            yield from (f"  s{number}:", *(f"    - {ref}" for ref in targets))
    yield "doc_section_reviews:"
    for number, targets in edges.items():
        if targets:
            yield f"  s{number}:"
        for ref in targets:
            yield from (
                f"    {ref}:",
                "      dep_version: 1",
                "      self_version_at_review: 1",
                "      outcome: no_change",
            )
            yield f'      note: "s{number} compared with {ref}: nothing to change."'
    yield "---"
    for number in numbers:
        named = " and ".join(edges[number]) or "nothing"
        yield from (
            f'<a id="s{number}"></a>',
            f"## Section {number}",
            f"Rests on {named}.",
            *["Some text that says something."] * 5,
            "",
        )


def write_doorstop_tree(root: Path, n_sections: int) -> None:
    """Write the same items and links for doorstop: half in a document REQ, half in its child TST.

    Its own `review all` and `clear all` make them reviewed.
    """
    (root / "req").mkdir(parents=True)
    (root / "tst").mkdir()
    subprocess.run(["git", "init", "--quiet", str(root)], check=True)
    half = n_sections // 2
    for prefix, parent in (("REQ", ""), ("TST", "  parent: REQ\n")):
        config = f"settings:\n  digits: 5\n{parent}  prefix: {prefix}\n  sep: ''\n"
        (root / prefix.lower() / ".doorstop.yml").write_text(config, encoding="utf-8")
    for number in range(n_sections):
        prefix, own = ("REQ", number) if number < half else ("TST", number - half)
        targets = sorted({own, own // 2})[-_LINKS:] if prefix == "TST" else []
        links = "".join(f"\n- REQ{target + 1:05}: null" for target in targets) or " []"
        text = "|\n" + "  Some text that says something.\n" * 5
        fields = (
            f"active: true\nderived: false\nheader: ''\nlevel: 1.{own + 1}\nlinks:{links}\nnormative: true\nref: ''\n"
            f"reviewed: null\ntext: {text}"
        )
        (root / prefix.lower() / f"{prefix}{own + 1:05}.yml").write_text(fields, encoding="utf-8")
