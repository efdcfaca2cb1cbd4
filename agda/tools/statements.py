"""Elaborated statements: the type that Agda itself gives to every exported name, and its hash."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

from agda.tools.files import AGDA_ROOT
from agda.tools.host import FLAGS, run_agda
from agda.tools.sources import code


class StatementError(Exception):
    """Agda could not tell the statements of a module."""


def statements(root: Path, modules: list[str]) -> dict[str, dict[str, str]]:
    """Return for every module the elaborated type of every exported name, implicit arguments shown.

    Cost: one run of Agda over everything.
    """
    entry = str(root / "Everything.agda")
    options = json.dumps([*FLAGS, "--show-implicit"])
    commands = [f'IOTCM "{entry}" None Direct (Cmd_load "{entry}" {options})']
    commands += [f'IOTCM "{entry}" None Direct (Cmd_show_module_contents_toplevel AsIs "{name}")' for name in modules]
    done = run_agda(["--interaction-json"], root, "\n".join(commands) + "\n")
    answers = list(_contents(done.stdout))
    if len(answers) != len(modules):
        raise StatementError(
            f"Agda must answer for {len(modules)} modules and answered for {len(answers)}; check that they load:\n"
            f"{done.stdout[-2000:]}"
        )
    return {name: _types(answer) for name, answer in zip(modules, answers, strict=True)}


def _contents(output: str) -> list[list[dict[str, Any]]]:
    lines = (line.removeprefix("JSON> ") for line in output.splitlines())
    infos = (json.loads(line).get("info") for line in lines if line.startswith("{"))
    return [info["contents"] for info in infos if isinstance(info, dict) and info.get("kind") == "ModuleContents"]


def _types(contents: list[dict[str, Any]]) -> dict[str, str]:
    return {item["name"]: " ".join(item["term"].split()) for item in contents}


def digest(statement: str) -> str:
    """Return the SHA-256 of a statement, in hexadecimal."""
    return hashlib.sha256(statement.encode()).hexdigest()


def definition_digest(module: str, root: Path = AGDA_ROOT) -> str:
    """Return the SHA-256 of a module's source without comments and blank space: what its names mean."""
    source = (root / f"{module.replace('.', '/')}.agda").read_text(encoding="utf-8")
    return digest("\n".join(line.rstrip() for line in code(source).splitlines() if line.strip()))
