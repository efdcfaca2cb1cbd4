"""The repository settings are judged from an answer, recorded or fetched; no answer is a failure."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from policy import posture, settings

pytestmark = [pytest.mark.m5, pytest.mark.clause("POLICY-10")]

ROOT = Path(__file__).parents[3]
FIXTURES = ROOT / "policy" / "fixtures"
SETTINGS = settings.read(ROOT / "policy" / "workflows.toml")
GOOD = FIXTURES / "posture-selected" / "good.json"

each_rule = pytest.mark.parametrize("rule", posture.POSTURE_RULES, ids=lambda rule: rule.id)


@each_rule
def test_the_good_answer_passes_and_the_bad_one_is_found_once(rule: posture.PostureRule) -> None:
    """The good recording of a rule has no finding at all, the bad one exactly one, with its remedy."""
    folder = FIXTURES / rule.id
    assert posture.check(posture.recorded(folder / "good.json"), SETTINGS, "good") == []
    [found] = posture.check(posture.recorded(folder / "bad.json"), SETTINGS, "bad")
    assert (found.rule, found.clause, found.remedy, found.path) == (rule.id, "POLICY-10", rule.remedy, "bad")


@each_rule
def test_the_mutant_of_each_rule_is_killed_by_its_bad_answer(rule: posture.PostureRule) -> None:
    """With this rule blinded the bad recording passes: no other rule stands in for it."""
    table = tuple(replace(one, check=lambda *_: iter(())) if one is rule else one for one in posture.POSTURE_RULES)
    assert posture.check(posture.recorded(FIXTURES / rule.id / "bad.json"), SETTINGS, "bad", table) == []


def test_an_empty_answer_breaks_every_rule() -> None:
    """A setting that the answer lacks is not assumed to be safe."""
    found = posture.check({name: {} for name in posture.ENDPOINTS}, SETTINGS, "empty")
    assert {finding.rule for finding in found} == {rule.id for rule in posture.POSTURE_RULES}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "must be a recorded JSON answer, got"),
        ("[]", "must hold the answers ['permissions', 'selected_actions', 'workflow'], each an object"),
        ('{"permissions": {}}', "must hold the answers"),
        ('{"permissions": {}, "selected_actions": [], "workflow": {}}', "must hold the answers"),
    ],
)
def test_a_file_that_is_no_recording_is_refused(tmp_path: Path, text: str, message: str) -> None:
    """Three objects under their names make a recording; anything else is refused, as is a missing file."""
    path = tmp_path / "answer.json"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(posture.PostureError) as refused:
        posture.recorded(path)
    assert message in str(refused.value)
    with pytest.raises(posture.PostureError, match="must be a recorded JSON answer"):
        posture.recorded(tmp_path / "missing.json")


@pytest.fixture
def host() -> Iterator[str]:
    """Serve the good recording as the host's API would, to one token only; yield its address."""
    answers = json.loads(GOOD.read_text(encoding="utf-8"))
    bodies = {f"/repos/me/it/actions/permissions{end}": answers[name] for name, end in posture.ENDPOINTS.items()}
    bodies |= {f"/repos/me/list/actions/permissions{end}": [] for end in posture.ENDPOINTS.values()}

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            known = self.path in bodies and self.headers["Authorization"] == "Bearer right"
            self.send_response(200 if known else 404)
            self.end_headers()
            if known:
                self.wfile.write(json.dumps(bodies[self.path]).encode())

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class names it
            """Stay silent."""

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_fetched_answer_is_what_a_recording_holds(host: str) -> None:
    """The three endpoints are asked with the token, and give the recording."""
    assert posture.fetched("me/it", "right", host) == posture.recorded(GOOD)


@pytest.mark.slow
@pytest.mark.parametrize(("repository", "token"), [("me/it", "wrong"), ("me/other", "right"), ("me/list", "right")])
def test_an_answer_that_cannot_be_had_is_a_failure(host: str, repository: str, token: str) -> None:
    """A refused token, an unknown repository and an answer of another shape raise, with the address."""
    with pytest.raises(posture.PostureError, match=r"actions/permissions must answer with a JSON object, got"):
        posture.fetched(repository, token, host)
