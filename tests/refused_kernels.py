"""Kernels outside the language: the line that is refused bears `#<`, after it words of the refusal.

python -m tests.refused_kernels

A line for each that is accepted, or refused elsewhere or in other words, then totals; then what a file that writes as
it is imported has written when its kernel is compiled, which must be nothing; 1 if anything was wrong.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from typing import Final

from prism.errors import ParseError
from prism.kernels.schema.inference import schema_of
from prism.kernels.schema.records import Kernel
from prism.kernels.schema.source import definitions_of

FILE: Final = Path(__file__).parent / "programs" / "kernels_refused.txt"
"""What every kernel imports; the head of `k`; bodies of `k`; whole kernels: parted by ===== and within by ===."""


def cases() -> list[tuple[str, int, str]]:
    """Return (source, the line that is refused, words of the refusal) for each kernel."""
    imports, head, bodies, whole = FILE.read_text(encoding="utf-8").split("\n=====\n")
    found = [
        f"{imports}\n{head}\n" + "".join(f"    {line}\n" for line in body.split("\n"))
        for body in bodies.split("\n===\n")
    ]
    found += [f"{imports}\n{text}\n" for text in whole.split("\n===\n")]
    return [(source, *_mark(source)) for source in found]


def _mark(source: str) -> tuple[int, str]:
    [(line, text)] = [(at, one) for at, one in enumerate(source.split("\n"), 1) if "#<" in one]
    return line, text.partition("#< ")[2]


def compiled(path: Path, source: str, name: str = "k") -> Kernel:
    """Return the records of a kernel in a file with this text, each type variable being the first of its types."""
    path.write_text(source, encoding="utf-8")
    definition = definitions_of(path)[name]
    return schema_of(definition, {one: types[0] for one, types in definition.type_variables().items()})


def misjudged(path: Path) -> list[str]:
    """Return what is wrong with the refusals of all cases, each compiled as the file `path`."""
    wrong = []
    for source, line, words in cases():
        try:
            compiled(path, source)
        except ParseError as error:
            if error.where.line != line or words not in str(error) or "^" not in str(error):
                wrong.append(f"{line} {words}: {error}")
        else:
            wrong.append(f"accepted: {source.splitlines()[line - 1]}")
    return wrong


def writes(folder: Path) -> bool:
    """Compile a kernel of a file that would write to the disk and leave Python as it is imported; tell if it did."""
    witness = folder / "written"
    source = (
        f"import pathlib\npathlib.Path({str(witness)!r}).write_text('ran')\nraise SystemExit\n"
        "from prism import kernel, DeviceArray, f32\nN = 4\n"
        "def decorate(f):\n    raise SystemExit\n"
        "@kernel\ndef k(a: DeviceArray[f32]):\n    a[N] = 1.0\n"
    )
    assert compiled(folder / "k.py", source).name == "k"
    return witness.exists()


def main() -> int:
    """Judge all cases."""
    with tempfile.TemporaryDirectory() as folder:
        wrong, wrote = misjudged(Path(folder) / "k.py"), writes(Path(folder))
    sys.stdout.writelines(f"{one}\n" for one in wrong)
    sys.stdout.write(f"{len(cases())} kernels outside the language: {len(wrong)} not refused at their line\n")
    sys.stdout.write(f"a file that writes as it is imported: compiled, {'but it ran' if wrote else 'nothing ran'}\n")
    return bool(wrong) or wrote


if __name__ == "__main__":
    sys.exit(main())
