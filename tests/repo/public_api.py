"""The public interface as text: what the packages export, and the commands with their options.

`python -m tests.repo.public_api` writes it to public_api.txt, for a change that means to change it [REPO-4].
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import click

from tests.repo.source import Module, modules

RECORD = Path(__file__).with_name("public_api.txt")


def lines() -> list[str]:
    """Return one line for each exported name, method, field, command, argument and option, in order."""
    return sorted(exports()) + sorted(commands())


def exports() -> Iterator[str]:
    """Yield what each package of prism and docflow exports from its `__init__`, read from the syntax tree."""
    by_name = {module.name: module for module in modules("prism", "docflow")}
    for module in by_name.values():
        if not module.path.endswith("/__init__.py"):
            continue
        for node in module.tree.body:
            if isinstance(node, ast.ImportFrom) and node.level == 0 and node.module in by_name:
                for alias in node.names:
                    yield from _described(
                        f"{module.name}.{alias.asname or alias.name}", alias.name, by_name[node.module]
                    )
            else:
                yield from (line for name in _bound(node) for line in _described(f"{module.name}.{name}", name, module))


def _bound(node: ast.stmt) -> list[str]:
    if isinstance(node, ast.FunctionDef | ast.ClassDef):
        names = [node.name]
    elif isinstance(node, ast.Assign | ast.AnnAssign):
        targets = node.targets if isinstance(node, ast.Assign) else [node.target]
        names = [target.id for target in targets if isinstance(target, ast.Name)]
    else:
        names = []
    return [name for name in names if not name.startswith("_")]


def _described(public: str, name: str, module: Module) -> Iterator[str]:
    definition = next((node for node in module.tree.body if name in _bound(node)), None)
    if isinstance(definition, ast.FunctionDef):
        yield f"{public}{_signature(definition)}"
    elif isinstance(definition, ast.ClassDef):
        yield f"{public}({', '.join(ast.unparse(base) for base in definition.bases)})"
        for node in definition.body:
            if isinstance(node, ast.FunctionDef) and (node.name == "__init__" or not node.name.startswith("_")):
                yield f"{public}.{node.name}{_signature(node)}"
            elif isinstance(node, ast.AnnAssign) and not ast.unparse(node.target).startswith("_"):
                yield f"{public}.{ast.unparse(node)}"
    else:
        yield public


def _signature(function: ast.FunctionDef) -> str:
    returns = f" -> {ast.unparse(function.returns)}" if function.returns else ""
    return f"({ast.unparse(function.args)}){returns}"


def commands() -> Iterator[str]:
    """Yield each command of the three programs with each of its parameters, as click knows them."""
    from docflow.cli import main as docflow
    from policy.__main__ import main as policy
    from prism.cli.main import prism

    for name, command in (("prism", prism), ("docflow", docflow), ("python -m policy", policy)):
        yield from _command(name, command)


def _command(path: str, command: click.Command) -> Iterator[str]:
    yield f"$ {path}"
    for parameter in command.params:
        if parameter.name != "help":
            spelt = "/".join([*parameter.opts, *parameter.secondary_opts])
            takes = "" if getattr(parameter, "is_flag", False) else f" {parameter.make_metavar(click.Context(command))}"
            yield f"$ {path} {spelt}{takes}"
    if isinstance(command, click.Group):
        context = click.Context(command)
        for name in command.list_commands(context):
            inner = command.get_command(context, name)
            if inner is not None:
                yield from _command(f"{path} {name}", inner)


if __name__ == "__main__":
    RECORD.write_text("\n".join(lines()) + "\n", encoding="utf-8")
