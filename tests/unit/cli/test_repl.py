from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pexpect
import pytest
from click.testing import CliRunner
from prompt_toolkit.completion import CompleteEvent
from prompt_toolkit.document import Document

from prism.cli.repl import completer, repl
from prism.cli.session import COMMANDS, Session
from prism.errors import ParseError, UsageError
from prism.vm.engines.api import Limits
from prism.vm.engines.table import ENGINES
from prism.vm.theory.library import load

pytestmark = pytest.mark.m1

_TELEMETRY = re.compile(r"  nodes \+(\d+) \(now (\d+)\), reused (\d+), rewrites (\d+), \d+ us")


@pytest.fixture
def session() -> Session:
    """Open a fresh session of the default engine."""
    return Session("ledger", Limits())


def _answer(session: Session, text: str) -> list[str]:
    return list(session.answer(text))


def test_each_line_is_answered_with_its_cost(session: Session) -> None:
    """An expression is answered with its number and telemetry; asked again, nothing is built."""
    value, cost = _answer(session, "(add 1 1)")
    assert value == "2"
    first = _TELEMETRY.fullmatch(cost)
    assert first
    assert int(first[1]) > 0
    again = _TELEMETRY.fullmatch(_answer(session, "(add 1 1)")[1])
    assert again
    assert (again[1], again[2], again[4]) == ("0", first[2], "0")


def test_definitions_live_as_long_as_the_session(session: Session) -> None:
    """A name defined on one line may be used on the next; :reset forgets it."""
    assert _answer(session, "(def x (mul 2 3))") == ["defined x"]
    assert _answer(session, "(add x x) x")[:2] == ["12", "6"]
    assert _answer(session, ":stats")[1] == "definitions: x"
    assert _answer(session, ":reset") == ["store, definitions and counts are empty"]
    with pytest.raises(ParseError, match="repl:1:1: expected zero, a numeral or a defined name, found 'x'"):
        _answer(session, "x")


def test_a_line_that_fails_changes_nothing(session: Session) -> None:
    """A fault undoes the definitions before it on its line, so that the line may be corrected and sent again."""
    with pytest.raises(ParseError):
        _answer(session, "(def y 2) (oops)")
    assert _answer(session, "(def y 3) y")[:2] == ["defined y", "3"]


@pytest.mark.clause("TERMS-12")
@pytest.mark.parametrize(("theory", "one", "other"), [("peano", "2", "3"), ("boolean", "true", "false")])
def test_a_name_may_be_defined_anew(theory: str, one: str, other: str, tmp_path: Path) -> None:
    """A definition of a known name says so and holds from then on; a file may be loaded again; a fault undoes it."""
    session = Session("ledger", Limits(), load(theory))
    assert _answer(session, f"(def x {one})") == ["defined x"]
    assert _answer(session, f"(def ; anew\n x {other}) (def y x)") == ["redefined x", "defined y"]
    assert not session.is_open(f"(def x {one})")
    assert _answer(session, "x")[0] == other
    with pytest.raises(ParseError):
        _answer(session, f"(def x {one}) (oops)")
    with pytest.raises(ParseError):
        _answer(session, f"(def z {one}) (def z {one})")
    assert _answer(session, "x y")[:2] == [other] * 2
    (tmp_path / "p.prism").write_text(f"(def x {one})\n")
    assert _answer(session, f":load {tmp_path / 'p.prism'}") == ["redefined x"]
    assert _answer(session, "x y")[:2] == [one, other]
    assert _answer(session, ":stats")[1] == "definitions: y x"


@pytest.mark.clause("TERMS-12")
def test_words_leave_and_prefixes_name_commands(session: Session) -> None:
    """`exit` and `quit` leave unless they are defined; the start of one command is that command."""
    for word in ("exit", " quit\n", ":q"):
        with pytest.raises(EOFError):
            _answer(session, word)
    assert _answer(session, "(def exit 4)") == ["defined exit"]
    assert _answer(session, "exit")[0] == "4"
    assert _answer(session, ":st")[1] == "definitions: exit"
    with pytest.raises(UsageError, match="a command must be one of :engine :explain, got :e; :help explains them"):
        _answer(session, ":e")


@pytest.mark.clause("TERMS-12")
@pytest.mark.parametrize(
    ("typed", "words"),
    [(":st", [":stats"]), ("(mu", ["(mul"]), ("(add tw", ["two"]), ("ze", ["zero"]), (":e", [":engine", ":explain"])],
)
def test_a_word_is_completed_by_what_is_known(typed: str, words: list[str], session: Session) -> None:
    """Commands, heads of expressions and the names defined so far complete the word at the cursor."""
    _answer(session, "(def two 2)")
    found = completer(session).get_completions(Document(typed), CompleteEvent())
    assert [one.text for one in found] == words


@pytest.mark.clause("TERMS-12")
def test_a_layout_may_be_chosen() -> None:
    """The REPL runs bsp in the layout that was asked for, and refuses one for an engine that has none."""
    answers = []
    for options in (["--engine", "bsp", "--morton", "--cycles", "2"], ["--morton"], ["--mode", "bsp", "--cycles", "0"]):
        done = CliRunner().invoke(repl, options, input="(add 9 9)\n")
        answers.append((done.stdout.splitlines()[:1], str(done.exception or "")))
    assert answers[0][0][0].startswith("timeout: ")
    assert "--morton: only the engine bsp has a layout, got ledger" in answers[1][1]
    assert answers[2][0][0].startswith("timeout: ")


def test_open_parentheses_continue(session: Session) -> None:
    """Input is open while a parenthesis is; a fault, a command or a closed expression is complete."""
    assert session.is_open("(add 1")
    assert session.is_open("(add 1 ; )\n")
    assert not session.is_open("(add 1\n 2)")
    assert not session.is_open("(oops")
    assert not session.is_open(":dot (")
    assert not session.is_open("")


def test_limits_are_explained() -> None:
    """A line that hits a limit is answered with what ran out and the remedy."""
    small = Session("ledger", Limits(capacity=20))
    assert _answer(small, "(mul 9 9)")[0].startswith("oom: the store must fit memory and 20 nodes")
    assert _answer(small, ":ledger")[0].endswith("status oom")


def test_every_command_answers(session: Session, tmp_path: Path) -> None:
    """Each command of the table does what :help says."""
    (tmp_path / "p.prism").write_text("(def a 4)\n(mul a a)\n")
    assert len(_answer(session, ":help")) == 1 + len(COMMANDS)
    with pytest.raises(UsageError, match=":dot draws the last expressions, but there are none yet"):
        _answer(session, ":dot")
    assert _answer(session, f":load {tmp_path / 'p.prism'}")[:2] == ["defined a", "16"]
    assert _answer(session, ":dot")[0].startswith("digraph terms {")
    assert _answer(session, f":dot {tmp_path / 'g.dot'}") == [f"wrote {tmp_path / 'g.dot'}"]
    assert (tmp_path / "g.dot").read_text().startswith("digraph")
    assert _answer(session, ":stats")[0].startswith("1 expressions, ")
    assert re.fullmatch(r"\d+ of 67108864 nodes, status ok", _answer(session, ":ledger")[0])
    assert _answer(session, ":engine") == [f"engine ledger, of {', '.join(ENGINES)}"]
    assert _answer(session, ":engine baseline") == [f"engine baseline, of {', '.join(ENGINES)}"]
    assert _answer(session, "(add a 1)")[0] == "5"
    with pytest.raises(EOFError):
        _answer(session, ":quit")


def test_wrong_commands_are_explained(session: Session) -> None:
    """An unknown command, a missing file and an unknown engine are refused with what would do."""
    with pytest.raises(UsageError, match=r"a command must be one of :help .* got :nope; :help explains them"):
        _answer(session, ":nope")
    with pytest.raises(UsageError, match=r":load needs a file that can be read, got 'missing.prism'"):
        _answer(session, ":load missing.prism")
    with pytest.raises(UsageError, match="an engine must be one of"):
        _answer(session, ":engine nosuch")


@pytest.mark.slow
def test_piped_input_ends_with_its_end() -> None:
    """Without a terminal lines are read from standard input, errors do not stop it, and its end ends the REPL."""
    source = "(add 1\n  1)\n(oops)\n:engine\n(suc\n"
    done = subprocess.run(
        [sys.executable, "-m", "prism", "repl"], input=source, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 2
    lines = done.stdout.splitlines()
    assert lines[0] == "2"
    assert _TELEMETRY.fullmatch(lines[1])
    assert lines[2].startswith("engine ledger")
    assert "error: repl:1:2: expected suc, add, mul or def after '(', found 'oops'" in done.stderr
    assert "found the end of input" in done.stderr
    assert "\x1b" not in done.stdout + done.stderr


@pytest.mark.slow
def test_piped_bytes_that_are_no_text_are_located() -> None:
    """A byte that is no UTF-8 is an error with its place, and the lines after it are answered."""
    done = subprocess.run(
        [sys.executable, "-m", "prism", "repl"], input=b"(add 1 \xff)\n(add 1 1)\n", capture_output=True, check=False
    )
    assert done.returncode == 2
    assert done.stdout.startswith(b"2\n")
    assert done.stderr.startswith(b"error: repl:1:8: expected UTF-8 text, found the byte 0xff\n")


def test_an_interrupt_keeps_the_definitions(session: Session) -> None:
    """What an interrupted evaluation left in the store is gone; names still mean what they meant."""
    assert _answer(session, "(def x (mul 2 3)) x")[:2] == ["defined x", "6"]
    session.interrupt()
    assert _answer(session, ":ledger")[0].startswith("2 of ")
    assert _answer(session, "x")[0] == "6"


def test_drawings_say_what_would_do(session: Session, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A drawing that is too large or has no folder is refused in words of the REPL, which has no options."""
    _answer(session, "(add 1 2)")
    with pytest.raises(UsageError, match=r"a picture must go to a file that can be written, .*; name one in a folder"):
        _answer(session, f":dot {tmp_path / 'no' / 'g.dot'}")
    monkeypatch.setattr("prism.cli.session._MAX_DRAWN", 3)
    with pytest.raises(UsageError, match="at most 3 nodes, got 4; evaluate a smaller one, or use `prism show`"):
        _answer(session, ":dot")


# Another test may have loaded JAX into this process; the child only executes the program.
@pytest.mark.filterwarnings(r"ignore:os\.fork\(\) was called:RuntimeWarning")
@pytest.mark.slow
def test_a_terminal_has_prompt_history_and_continuation(tmp_path: Path) -> None:
    """On a terminal a line continues while open, history survives, and end of input leaves with code 0."""
    env = {"PATH": "/usr/bin:/bin", "HOME": str(tmp_path), "XDG_STATE_HOME": str(tmp_path), "TERM": "xterm"}
    child = pexpect.spawn(
        sys.executable, ["-m", "prism", "repl"], env=env, timeout=60, encoding="utf-8", dimensions=(24, 160)
    )
    child.expect("λ>")
    child.send("(add 20\r")
    child.send("22)\r")
    child.expect(r"42\r?\n")
    child.expect(r"reused \d+, rewrites \d+, \d+ us")
    child.expect("λ>")  # an end of input sent before the next prompt is there would be lost
    child.sendeof()
    child.expect(pexpect.EOF)
    child.close()
    assert child.exitstatus == 0
    assert "+(add 20\n+22)" in (tmp_path / "prism" / "history").read_text()


# Another test may have loaded JAX into this process; the child only executes the program.
@pytest.mark.filterwarnings(r"ignore:os\.fork\(\) was called:RuntimeWarning")
@pytest.mark.slow
def test_a_terminal_survives_an_interrupt_and_a_history_that_cannot_be_kept(tmp_path: Path) -> None:
    """An interrupt gives the prompt back, and a session needs no place for its history."""
    (tmp_path / "prism").touch()
    env = {"PATH": "/usr/bin:/bin", "HOME": str(tmp_path), "XDG_STATE_HOME": str(tmp_path), "TERM": "xterm"}
    child = pexpect.spawn(
        sys.executable,
        ["-m", "prism", "repl", "--engine", "baseline"],
        env=env,
        timeout=60,
        encoding="utf-8",
        dimensions=(24, 160),
    )
    child.expect("history must be kept in .*history, but: ")
    child.expect("λ>")
    child.send("(def x 20) (mul 5000 5000)\r")
    child.expect("defined x")
    child.sendintr()
    child.expect("interrupted: the store is empty again, what was defined stays")
    child.expect("λ>")
    child.send("(add x 22)\r")
    child.expect(r"42\r?\n")
    child.expect("λ>")
    child.sendeof()
    child.expect(pexpect.EOF)
    child.close()
    assert child.exitstatus == 0
