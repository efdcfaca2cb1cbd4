"""Ways round docflow that look like anything but an edit of a law: what hides text, empties tests, or is believed.

Each is a change that a hurried reader might pass; `python -m tests.governance` runs them after the plain edits.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from docflow import cache, corpus
from tests.attacks import LEDGER, MANIFEST, Attack, Edit, around_clause, both, load, reviewed, sub

TESTS: Final = "tests/laws/test_ledger.py"


def in_test(name: str, old: str, new: str) -> Edit:
    """Replace in the text of one test, from its first decorator to the next test, by a pattern."""

    def edit(root: Path) -> None:
        text = (root / TESTS).read_text(encoding="utf-8")
        found = re.search(rf"(?ms)^(?:@[^\n]*\n)+def {name}\(.*?(?=^(?:@|def |class )|\Z)", text)
        assert found, f"{TESTS} must hold {name}"
        changed = re.sub(old, new, found[0], count=1)
        assert changed != found[0], f"{name} must hold {old}"
        (root / TESTS).write_text(text.replace(found[0], changed), encoding="utf-8")

    return edit


def emptied(body: str) -> Edit:
    """Give the test of a commitment another body."""
    return in_test("test_append_only", r'(?s)("""A batch never.*?"""\n).*', rf"\1    {body}\n\n\n")


def marked(line: str) -> Edit:
    """Put a line above the decorators of that test."""
    return in_test("test_append_only", r"\A", f"{line}\n")


def at_end(path: str, line: str) -> Edit:
    """Put a line at the end of a file."""

    def edit(root: Path) -> None:
        text = (root / path).read_text(encoding="utf-8")
        (root / path).write_text(f"{text.rstrip()}\n\n\n{line}\n", encoding="utf-8")

    return edit


def at_head(path: str, line: str) -> Edit:
    """Put a line after the last import of a file of tests."""
    return sub(path, "pytestmark = ", f"{line}\n\npytestmark = ")


def other_tests(label: str) -> Edit:
    """Take a clause's mark from every test, and give it to one that says something else."""

    def edit(root: Path) -> None:
        for path in sorted((root / "tests").rglob("*.py")):
            text = path.read_text(encoding="utf-8")
            if f'clause("{label}")' in text:
                path.write_text(re.sub(rf'(?m)^.*clause\("{label}"\).*\n', "", text), encoding="utf-8")
        test = f'@pytest.mark.clause("{label}")\ndef test_sums() -> None:\n    """One."""\n    assert 1 + 1 == 2\n'
        (root / "tests/laws/test_sums.py").write_text(f"import pytest\n\n\n{test}", encoding="utf-8")

    return edit


def forged_cache(root: Path) -> None:
    """Change a law, and bring a cache along that says of the new bytes what was read from the old ones."""
    before = corpus._encode(load(root).documents[LEDGER])  # the very rows that a cache holds
    sub(LEDGER, " is ", " is not ")(root)
    tree = load(root)
    text = (root / LEDGER).read_bytes().decode("latin-1")
    settings = f"{cache._FORMAT}\n{corpus.cache_settings(tree.config)}"
    stored = {"settings": settings, "entries": {f"document:{LEDGER}": [text, before]}}
    (root / cache.FOLDER).mkdir(exist_ok=True)
    (root / cache.FOLDER / "cache.json").write_text(json.dumps(stored), encoding="utf-8")


def footnote(root: Path) -> None:
    """Make a clause one line of a note that nothing refers to."""
    text = (root / LEDGER).read_text(encoding="utf-8")
    found = re.search(r'<a id="ledger-4"></a>\n.*?(?=\n\n)', text, re.DOTALL)
    assert found
    (root / LEDGER).write_text(text.replace(found[0], "[^4]: " + found[0].replace("\n", " ")), encoding="utf-8")


def titled(root: Path) -> None:
    """Make a clause the title of a link that nothing uses."""
    text = (root / LEDGER).read_text(encoding="utf-8")
    found = re.search(r'<a id="ledger-4"></a>\n.*?(?=\n\n)', text, re.DOTALL)
    assert found
    (root / LEDGER).write_text(text.replace(found[0], f"[four]: # '{found[0]}'"), encoding="utf-8")


def _hiding() -> Iterator[Attack]:
    for what, before, after in (
        ("an element that is hidden", "<div hidden>\n\n", "\n\n</div>"),
        ("an element within a hidden one", "<div hidden><div></div>\n\n", "\n\n</div>"),
        ("an element of no display", '<div style="display: none">\n\n', "\n\n</div>"),
        ("a template", "<template>\n", "\n</template>"),
        ("a script of text", '<script type="text/plain">\n', "\n</script>"),
        ("text struck out", "<del>\n\n", "\n\n</del>"),
        ("an instruction", "<?law\n", "\n?>"),
        ("a section of characters", "<![CDATA[\n", "\n]]>"),
    ):
        edit = both(around_clause(LEDGER, "ledger-4", before, after), reviewed)
        yield Attack(f"a clause in {what}", edit, kind="way")
    yield Attack("a clause in a note at the foot", both(footnote, reviewed), kind="way")
    yield Attack("a clause in the title of a link", both(titled, reviewed), kind="way")
    turned = both(sub(LEDGER, " is ", " \u202eton\u202c is "), reviewed)
    yield Attack("a word that reads from the right", turned, kind="way")


def _idle_tests() -> Iterator[Attack]:
    for what, edit in (
        ("asserts what is true anyway", emptied("assert True")),
        ("is only words", emptied("pass")),
        ("returns at once", in_test("test_append_only", r'("""A batch never[^\n]*\n)', r"\1    return\n")),
        ("skips itself", in_test("test_append_only", r'("""A batch never[^\n]*\n)', r"\1    pytest.skip()\n")),
        ("is skipped", marked("@pytest.mark.skip")),
        ("may fail", marked('@pytest.mark.xfail(reason="slow")')),
        ("is skipped on a condition that holds", marked('@pytest.mark.skipif(True, reason="slow")')),
        ("is run over no case", marked('@pytest.mark.parametrize("raws", [])')),
        ("is bound to another name's value", at_end(TESTS, "test_append_only = None")),
        ("is defined again", at_end(TESTS, 'def test_append_only():\n    """Nothing."""\n    assert [] == []')),
        ("is deleted below", at_end(TESTS, "del test_append_only")),
        ("is in a file that is not tested", at_head(TESTS, "__test__ = False")),
        ("is in a file that is skipped", sub(TESTS, "pytestmark = pytest.mark.m1", "pytestmark = [pytest.mark.skip]")),
    ):
        yield Attack(f"a test of a commitment {what}", edit, kind="way")
    yield Attack("other tests for a clause", other_tests("LEDGER-5"), kind="way")


def _believed() -> Iterator[Attack]:
    yield Attack("a cache that says what was", forged_cache, kind="way")
    where = sub("docflow.toml", 'proofs = "agda"', 'proofs = "tests"')
    yield Attack("proofs looked for elsewhere", where, kind="way")
    what = f"{MANIFEST.removesuffix('commitments.toml')}promises.toml"
    yield Attack("promises instead of commitments", sub("docflow.toml", MANIFEST, what), kind="way")
    yield Attack("definitions under another hash", rehashed, kind="way")
    yield Attack(
        "definitions of another name", sub(MANIFEST, '"Prism.Strata.Base"', '"Prism.Strata.Basis"'), kind="way"
    )


def rehashed(root: Path) -> None:
    """Accept another text of the definitions that statements rest on."""
    text = (root / MANIFEST).read_text(encoding="utf-8")
    found = re.search(r'"Prism\.Strata\.Base" = "([0-9a-f]{64})"', text)
    assert found
    (root / MANIFEST).write_text(text.replace(found[1], found[1][::-1]), encoding="utf-8")


WAYS: Final = (*_hiding(), *_idle_tests(), *_believed())
