"""The lists that the rules compare with, read from `policy/workflows.toml`."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Final

MIN_REASON: Final = 20
"""Characters below which a reason says nothing."""


@dataclass(frozen=True, slots=True)
class PinnedImage:
    """An image whose digest (SHA-256) a TOML file records as `digest`; `name` is the last part of the image's path."""

    name: str
    recipe: str


@dataclass(frozen=True, slots=True)
class Settings:
    """What the rules allow; labels, actions, workflows and tools compare in lower case, as the host compares them.

    tools: what fetches or interprets. variables: what tells a tool to run or load something first. scripts: the exact
    text of each script that may name a tool, with the reason.
    """

    trusted_branches: frozenset[str]
    self_hosted_labels: frozenset[str]
    hosted_labels: frozenset[str]
    actions: frozenset[str]
    reusable_workflows: frozenset[str]
    images: tuple[PinnedImage, ...]
    tools: frozenset[str]
    variables: frozenset[str]
    scripts: Mapping[str, str]


class SettingsError(ValueError):
    """The settings file does not hold exactly the lists that the rules need."""


def read(path: Path) -> Settings:
    """Read the settings.

    Raises: SettingsError when the file is missing or not TOML, or its keys are not exactly the fields of `Settings`.
    """
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise SettingsError(f"{path} must be a readable TOML file, got {error}") from error
    expected = {field.name for field in fields(Settings)}
    if set(table) != expected:
        raise SettingsError(f"{path} must have exactly the keys {sorted(expected)}, got {sorted(table)}")
    images = tuple(PinnedImage(**image) for image in table.pop("images"))
    scripts = {script["text"].strip(): script["reason"] for script in table.pop("scripts")}
    if unexplained := [text for text, reason in scripts.items() if len(reason) < MIN_REASON]:
        raise SettingsError(
            f"{path}: a listed script must have a reason in a sentence, got none for {unexplained[0]!r}"
        )
    branches = frozenset(table.pop("trusted_branches"))
    lowered = {key: frozenset(value.casefold() for value in values) for key, values in table.items()}
    return Settings(trusted_branches=branches, images=images, scripts=scripts, **lowered)
