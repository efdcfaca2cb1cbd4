"""What lies where, what no file may name, and what is pinned."""

from __future__ import annotations

import re
import tomllib
from importlib.metadata import PackageNotFoundError, requires

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from docflow import config, corpus, rules
from docflow.read import split
from tests.repo.source import ROOT, files

pytestmark = pytest.mark.m1

REQUIRED = frozenset(
    {
        *(".ci", ".github", ".gitignore", ".pre-commit-config.yaml", ".pytest-milestone"),
        *("CHANGELOG.md", "CONTRIBUTING.md", "LICENSE", "Makefile", "POLICY_SEED.md", "README.md"),
        *("constraints.txt", "mise.toml", "pyproject.toml"),
        *("agda", "changelog.d", "docflow", "examples", "milestones", "policy", "prism", "scripts", "spec", "tests"),
    }
)
OPTIONAL = frozenset(
    {".gitattributes", ".pre-commit-hooks.yaml", "docflow.baseline", "docflow.lock", "docflow.toml", "out"}
)

# Spelt in pieces, so that this file does not name them.
HOSTS = tuple(
    "".join(parts)
    for parts in (
        ("pypi", ".org"),
        ("python", "hosted.org"),
        ("npm", "js.org"),
        ("npm", "js.com"),
        ("deb.", "debian.org"),
        ("storage.google", "apis.com"),
        ("conda", ".anaconda.org"),
        ("--index", "-url"),
        ("--extra-index", "-url"),
    )
)
MACHINE_PATH = re.compile(r"(?<![\w.$}/-])/(?:work\b|root\b|home/\w+|Users/\w+|tmp/\w)[\w./-]*")


@pytest.mark.clause("REPO-9")
def test_the_top_level_is_that_of_the_design() -> None:
    """Every entry of the design is there, and no other."""
    found = {path.partition("/")[0] for path in files()}
    assert found - OPTIONAL == REQUIRED


@pytest.mark.clause("DOCFLOW-32")
def test_documents_open_light() -> None:
    """Each governed document is light and has at most eight lines of frontmatter; one opens with its first sentence."""
    tree = corpus.load(ROOT, config.load(ROOT, rules.IDS))
    heads = {one.path: split((ROOT / one.path).read_bytes()).head or "" for one in tree.governed}
    assert len(heads) > 20
    assert all(document.is_light for document in tree.governed)
    assert {path: head for path, head in heads.items() if head.count("\n") + 3 > 8} == {}
    assert not (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8").startswith("---")


@pytest.mark.clause("REPO-9")
def test_changes_leave_fragments() -> None:
    """There are fragments, each is Markdown of one short paragraph without a heading."""
    fragments = [path for path in files() if path.startswith("changelog.d/")]
    texts = {path: (ROOT / path).read_text(encoding="utf-8").strip() for path in fragments}
    assert fragments
    wrong = [
        path
        for path, text in texts.items()
        if not path.endswith(".md") or not text or text.startswith("#") or len(text.split()) > 120
    ]
    assert wrong == []


def texts() -> list[tuple[str, str]]:
    """Return the path and text of every tracked file that is UTF-8."""
    found = []
    for path in files():
        try:
            found.append((path, (ROOT / path).read_bytes().decode("utf-8")))
        except UnicodeDecodeError:
            continue
    return found


@pytest.mark.clause("REPO-7")
def test_no_file_names_a_package_index() -> None:
    """Where packages come from is the installer's business: no host and no option that names one."""
    wrong = [f"{path}: {host}" for path, text in texts() for host in HOSTS if host in text]
    assert wrong == []


@pytest.mark.clause("REPO-7")
def test_no_file_names_a_path_of_one_machine() -> None:
    """No absolute path of a work tree, a home or a temporary folder is written down."""
    wrong = [
        f"{path}: {match[0]}"
        for path, text in texts()
        if path != "tests/repo/test_layout.py"
        for match in MACHINE_PATH.finditer(text)
    ]
    assert wrong == []


@pytest.mark.clause("REPO-7")
@pytest.mark.parametrize(
    ("text", "found"),
    [("cd /work/x", True), ("'/home/me/x'", True), ("=/tmp/a", True), ("a/tmp/b", False), ("/usr/bin/env", False)],
)
def test_machine_paths_are_seen(text: str, found: bool) -> None:
    """Absolute paths are told from relative ones and from those that every machine has."""
    assert bool(MACHINE_PATH.search(text)) is found


def constraints() -> dict[str, list[Requirement]]:
    """Return the pins of constraints.txt by name."""
    pins: dict[str, list[Requirement]] = {}
    for line in (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines():
        if line and not line.startswith("#"):
            pin = Requirement(line)
            pins.setdefault(canonicalize_name(pin.name), []).append(pin)
    return pins


@pytest.mark.clause("REPO-8")
@pytest.mark.parametrize("python", ["3.11", "3.12", "3.13"])
def test_each_pin_is_one_version(python: str) -> None:
    """On each supported Python a name has exactly one version, given by `==` and not by address."""
    for name, pins in constraints().items():
        here = [pin for pin in pins if pin.marker is None or pin.marker.evaluate({"python_version": python})]
        assert len(here) == 1, name
        assert re.fullmatch(r"==[\w.]+", str(here[0].specifier)), name
        assert here[0].url is None


@pytest.mark.clause("REPO-8")
def test_everything_that_is_installed_is_pinned() -> None:
    """The package's and its tests' requirements, and theirs in turn, are pinned for this Python."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    pending = [Requirement(line) for line in [*project["dependencies"], *project["optional-dependencies"]["test"]]]
    reached: set[tuple[str, frozenset[str]]] = set()
    while pending:
        wanted = pending.pop()
        key = (canonicalize_name(wanted.name), frozenset(wanted.extras))
        if key in reached:
            continue
        reached.add(key)
        try:
            further = [Requirement(line) for line in requires(wanted.name) or []]
        except PackageNotFoundError:
            further = []
        extras = wanted.extras or {""}
        pending += [
            one for one in further if one.marker is None or any(one.marker.evaluate({"extra": e}) for e in extras)
        ]
    assert {name for name, _ in reached} - set(constraints()) == set()
