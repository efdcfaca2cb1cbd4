"""Imports and other reaches follow policy/layers.toml, as the syntax trees show."""

from __future__ import annotations

import ast
from collections.abc import Iterator

import networkx
import pytest

from tests.repo.source import PRODUCTION, Module, dotted, modules, strings, table

pytestmark = [pytest.mark.m1, pytest.mark.clause("REPO-1")]

RULES = table("policy/layers.toml")
COMPUTED = "prism.<computed>"


def imports(module: Module) -> Iterator[tuple[int, str]]:
    """Yield the line and the dotted name of everything that `module` imports, lazily or not, by name or by string."""
    package = module.name.split(".") if module.path.endswith("__init__.py") else module.name.split(".")[:-1]
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = package[: len(package) - node.level + 1] if node.level else []
            base = ".".join([*above, *([node.module] if node.module else [])])
            yield from ((node.lineno, f"{base}.{alias.name}") for alias in node.names)
        elif isinstance(node, ast.Call) and dotted(node.func) in ("importlib.import_module", "__import__"):
            given = node.args[0]
            yield node.lineno, str(given.value) if isinstance(given, ast.Constant) else COMPUTED


def layer(name: str) -> str:
    """Return the part of prism, or its room, that a dotted name belongs to: the longest entry that it lies under."""
    if name == COMPUTED:
        return name
    parts = name.split(".")[1:]
    above = (".".join(parts[:length]) for length in range(len(parts), 0, -1))
    return next((one for one in above if one in RULES["layers"]), "__init__")


def may_import(importer: str, imported: str) -> bool:
    """Tell whether one layer of prism may import another."""
    if importer == imported or imported == "__init__":
        return True
    if imported in RULES["roots"]["names"]:
        return importer in RULES["roots"]["imported_by"].get(imported, [])
    allowed = RULES["layers"][importer]
    return "*" in allowed or imported in allowed


@pytest.mark.slow
def test_each_part_of_prism_is_a_layer() -> None:
    """A new package or top-level module has to say what it may know."""
    unplaced = [
        module.path
        for module in modules("prism")
        if not module.path.endswith("/__init__.py") and layer(module.name) == "__init__"
    ]
    assert unplaced == []


def test_the_layers_form_no_cycle() -> None:
    """Data flows one way: the allowed imports of the layers, roots left out, have a topological order."""
    left = {name: {x for x in allowed if x != "*"} for name, allowed in RULES["layers"].items()}
    while ready := {name for name, allowed in left.items() if not allowed & set(left)}:
        left = {name: allowed for name, allowed in left.items() if name not in ready}
    assert left == {}


KNOWN_CIRCLES: tuple[set[str], ...] = ()
"""Files that import one another, to be untied; this list only shrinks."""


def circles() -> list[set[str]]:
    """Return the sets of files of one package that import one another, lazy and typing imports included."""
    files = {module.name: module for module in modules(*PRODUCTION)}
    above = networkx.DiGraph()
    for name, module in files.items():
        for _, imported in imports(module):
            target = imported if imported in files else imported.rpartition(".")[0]
            if target in files and not files[target].path.endswith("/__init__.py"):
                above.add_edge(name, target)
    return [circle for circle in networkx.strongly_connected_components(above) if len(circle) > 1]


def test_no_files_import_one_another_in_a_circle() -> None:
    """A reader follows lazy and typing imports too: only the circles that are listed stand, and all of those do."""
    found = circles()
    assert [circle for circle in found if circle not in KNOWN_CIRCLES] == []
    assert [known for known in KNOWN_CIRCLES if known not in found] == [], "untied: take it off the list"


def test_prism_imports_follow_the_layers() -> None:
    """Each import between parts of prism is one that the table allows; nobody imports a root."""
    wrong = [
        f"{module.path}:{line}: {layer(module.name)} must not import {name}"
        for module in modules("prism")
        for line, name in imports(module)
        if name.split(".")[0] == "prism" and not may_import(layer(module.name), layer(name))
    ]
    assert wrong == []


def test_packages_do_not_know_each_other() -> None:
    """prism, docflow and policy stand alone, and no production code imports tests or scripts."""
    ours = {*PRODUCTION, "tests", "scripts"}
    wrong = [
        f"{module.path}:{line}: {package} must not import {name}"
        for package, allowed in RULES["packages"].items()
        for module in modules(package)
        for line, name in imports(module)
        if name.split(".")[0] in ours - {package, *allowed}
    ]
    assert wrong == []


def is_listed(path: str, place: str) -> bool:
    """Tell whether the table lists `path`, itself or by its folder, for `place`."""
    return any(path == one or (one.endswith("/") and path.startswith(one)) for one in RULES["places"][place])


def reaches(module: Module, place: str) -> Iterator[int]:
    """Yield the lines at which `module` does what only the listed files of `place` may do."""
    attributes = {
        "environment": {"os.environ", "os.getenv", "os.putenv"},
        "jit": {"jax.jit"},
        "private_jax": {"jax._src"},
    }
    if place == "milestones":
        yield from (1 for text in strings(module.tree) if "milestones" in text.split("/")[0].split())
        return
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Attribute) and dotted(node) in attributes[place]:
            yield node.lineno
    for line, name in imports(module):
        if any(name == wanted or name.startswith(wanted + ".") for wanted in attributes[place]):
            yield line


@pytest.mark.parametrize("place", sorted(RULES["places"]))
@pytest.mark.slow
def test_only_listed_files_reach_out(place: str) -> None:
    """The environment, jit, private JAX and the milestones are touched in the listed places alone."""
    wrong = [
        f"{module.path}:{line}"
        for module in modules("prism", "docflow", "policy")
        if not is_listed(module.path, place)
        for line in reaches(module, place)
    ]
    assert wrong == []


@pytest.mark.parametrize(
    ("source", "place"),
    [
        ("import os\nos.environ['X']", "environment"),
        ("from os import environ", "environment"),
        ("import jax\nf = jax.jit(g)", "jit"),
        ("from jax import jit", "jit"),
        ("from jax._src import core", "private_jax"),
        ("import jax\njax._src.core", "private_jax"),
        ("open('milestones/m1.toml')", "milestones"),
        ("ROOT / 'milestones'", "milestones"),
    ],
)
def test_each_reach_is_seen(source: str, place: str) -> None:
    """The scan sees a reach in every spelling, so that an empty result means something."""
    assert list(reaches(Module("prism/x.py", ast.parse(source)), place))


@pytest.mark.parametrize(
    ("source", "name"),
    [
        ("import prism.vm.engines.api", "prism.vm.engines.api"),
        ("from prism.vm.engines import api", "prism.vm.engines.api"),
        ("from ..engines import api", "prism.vm.engines.api"),
        ("from . import x", "prism.vm.term.x"),
        ("def f():\n  from prism import vm", "prism.vm"),
        ("import importlib\nimportlib.import_module('prism.vm')", "prism.vm"),
    ],
)
def test_each_import_is_seen(source: str, name: str) -> None:
    """Absolute, relative, lazy and computed imports are resolved to one dotted name."""
    found = [imported for _, imported in imports(Module("prism/vm/term/a.py", ast.parse(source)))]
    assert name in found


def test_layers_tell_right_from_wrong() -> None:
    """The ledger may import terms but no engine; nobody but cli imports bench."""
    assert may_import("vm.ledger", "vm.term")
    assert not may_import("vm.term", "vm.engines")
    assert may_import("cli", "bench")
    assert not may_import("vm.engines", "bench")
    assert not may_import("bench", "cli")


def test_a_computed_import_may_be_anything() -> None:
    """Only a layer that may import everything may compute what it imports."""
    module = Module("prism/vm/term/a.py", ast.parse("import importlib\nimportlib.import_module(name)"))
    assert COMPUTED in [imported for _, imported in imports(module)]
    assert may_import("cli", layer(COMPUTED))
    assert not may_import("vm.term", layer(COMPUTED))
