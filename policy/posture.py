"""The settings of the repository on the host: three API answers, live or recorded, and what they must say."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from policy.findings import Finding
from policy.settings import Settings

CLAUSE = "POLICY-10"

# The name of each answer in a recording, and its endpoint under /repos/OWNER/NAME/actions/permissions.
ENDPOINTS = {"permissions": "", "selected_actions": "/selected-actions", "workflow": "/workflow"}

Answers = dict[str, dict[str, Any]]


class PostureError(ValueError):
    """The settings could not be read: that is a failure, never a pass."""


@dataclass(frozen=True, slots=True)
class PostureRule:
    """A law over the answers; `check` yields what is wrong."""

    id: str
    law: str
    remedy: str
    check: Callable[[Answers, Settings], Iterator[str]]


def recorded(path: Path) -> Answers:
    """Read a recording: a JSON object with one API answer under each name of `ENDPOINTS`.

    Raises: PostureError when the file is not that.
    """
    try:
        answers = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise PostureError(f"{path} must be a recorded JSON answer, got {error}") from error
    if not isinstance(answers, dict) or not all(isinstance(answers.get(name), dict) for name in ENDPOINTS):
        raise PostureError(f"{path} must hold the answers {sorted(ENDPOINTS)}, each an object")
    return answers


def fetched(repository: str, token: str, api: str) -> Answers:
    """Ask the host for the settings of `repository` (OWNER/NAME), in the form of a recording.

    Raises: PostureError for any answer but 200 with a JSON object.
    """
    return {name: _get(f"{api}/repos/{repository}/actions/permissions{end}", token) for name, end in ENDPOINTS.items()}


def check(
    answers: Answers, settings: Settings, source: str, rules: tuple[PostureRule, ...] | None = None
) -> list[Finding]:
    """Return the findings of `rules` (default: all) about `answers`; `source` names where they came from."""
    return [
        Finding(source, 1, rule.id, message, CLAUSE, rule.remedy)
        for rule in (POSTURE_RULES if rules is None else rules)
        for message in rule.check(answers, settings)
    ]


def _get(url: str, token: str) -> dict[str, Any]:
    headers = {"Authorization": f"Bearer {token}", "Accept": "application/vnd.github+json"}
    try:
        with urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=30) as answer:
            body = json.load(answer)
    except (urllib.error.URLError, ValueError) as error:
        raise PostureError(f"{url} must answer with a JSON object, got {error}") from error
    if not isinstance(body, dict):
        raise PostureError(f"{url} must answer with a JSON object, got a {type(body).__name__}")
    return body


def _selected(answers: Answers, _: Settings) -> Iterator[str]:
    allowed = answers["permissions"].get("allowed_actions")
    if allowed != "selected":
        yield f"allowed_actions must be 'selected', got {allowed!r}"


def _no_blanket(answers: Answers, _: Settings) -> Iterator[str]:
    for key in ("github_owned_allowed", "verified_allowed"):
        if answers["selected_actions"].get(key) is not False:
            yield f"{key} must be false, got {answers['selected_actions'].get(key)!r}"


def _patterns(answers: Answers, settings: Settings) -> Iterator[str]:
    names = settings.actions | settings.reusable_workflows
    expected = {f"{name}@*" for name in names}
    given = answers["selected_actions"].get("patterns_allowed")
    if not isinstance(given, list) or {str(pattern).casefold() for pattern in given} != expected:
        yield f"patterns_allowed must be {sorted(expected)}, got {given!r}"


def _token_read(answers: Answers, _: Settings) -> Iterator[str]:
    level = answers["workflow"].get("default_workflow_permissions")
    if level != "read":
        yield f"default_workflow_permissions must be 'read', got {level!r}"


def _no_approval(answers: Answers, _: Settings) -> Iterator[str]:
    may = answers["workflow"].get("can_approve_pull_request_reviews")
    if may is not False:
        yield f"can_approve_pull_request_reviews must be false, got {may!r}"


POSTURE_RULES = (
    PostureRule(
        "posture-selected", "Only selected actions may run.", "Choose 'selected actions' in Settings.", _selected
    ),
    PostureRule(
        "posture-no-blanket",
        "No whole family of actions is allowed.",
        "Clear the boxes for actions of the host and of verified creators.",
        _no_blanket,
    ),
    PostureRule(
        "posture-patterns",
        "The allowed patterns are those of policy/workflows.toml.",
        "Make the two lists equal.",
        _patterns,
    ),
    PostureRule(
        "posture-token-read",
        "A workflow's token can only read unless it asks.",
        "Choose read permissions under Workflow permissions.",
        _token_read,
    ),
    PostureRule(
        "posture-no-approval",
        "No workflow approves a pull request.",
        "Clear the box that lets workflows approve pull requests.",
        _no_approval,
    ),
)
