"""Peers of `prism bench theory`: Maude, egglog and SymPy, each given the same rules and terms in its own way."""

from __future__ import annotations

import shutil
import signal
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from types import FrameType
from typing import Any, Final

from prism.bench.harness import Contender, Missing
from prism.bench.theory_workloads import DERIVATIVES, Workload
from prism.errors import PrismError, UsageError
from prism.vm.theory.rule import Pattern

LIMIT_S: Final = 5.0
"""Peers that take longer are missing."""
_CHUNK: Final = 50
"""A term is given to a peer in named parts of about so many applications, for their parsers are slow on deep text."""
_READY: Final = "ready"


class _SlowError(PrismError):
    """A peer was not ready within LIMIT_S."""


def peers(work: Workload, symbols: Sequence[str]) -> list[Contender | Missing]:
    """Return every peer on one workload; missing are those that are not installed, cannot do it, or take too long."""
    return [
        maude(work, symbols, has_memo=False),
        maude(work, symbols, has_memo=True),
        egglog(work, symbols),
        sympy(work),
    ]


def named_parts(terms: Sequence[Pattern]) -> Iterator[tuple[str, Pattern]]:
    """Yield parts of terms with names for them, each over the names before: shared parts, long ones, the terms.

    The last are named t0, t1, ... in the order of `terms`.
    """
    uses = Counter(id(part) for part in _distinct(terms) if isinstance(part, tuple) for part in part[1:])
    names: dict[int, Pattern] = {}
    sizes: dict[int, int] = {}
    for part in _distinct(terms):
        if not isinstance(part, tuple):
            names[id(part)] = part
            continue
        flat = (part[0], *(names[id(operand)] for operand in part[1:]))
        size = 1 + sum(sizes.get(id(operand), 0) for operand in part[1:])
        if size >= _CHUNK or (uses[id(part)] > 1 and size > 1):
            yield f"p{len(sizes)}", flat
            flat, size = f"p{len(sizes)}", 0
        names[id(part)], sizes[id(part)] = flat, size
    yield from ((f"t{at}", names[id(term)]) for at, term in enumerate(terms))


def _distinct(terms: Sequence[Pattern]) -> list[Pattern]:
    """Return every part of terms once, by identity, operands first."""
    found: dict[int, Pattern] = {}
    for term in terms:
        waiting = [term]
        while waiting:
            part = waiting[-1]
            missing = [one for one in part[1:] if id(one) not in found] if isinstance(part, tuple) else []
            if missing:
                waiting += missing
                continue
            found.setdefault(id(part), part)
            waiting.pop()
    return list(found.values())


def maude(work: Workload, symbols: Sequence[str], *, has_memo: bool) -> Contender | Missing:
    """Return Maude with its rules and terms loaded: only `red` and what it prints are timed.

    has_memo: every op remembers its normal forms, which is Maude's way to share work.
    """
    name = "maude, memo" if has_memo else "maude"
    command = shutil.which("maude")
    if command is None:
        return Missing(name, "the command maude is not installed; install it")
    program = maude_program(work, symbols, has_memo=has_memo)
    asked = "".join(f"red t{at} .\n" for at in range(len(work.terms)))

    def prepare() -> Callable[[], list[str]]:
        options = [command, "-no-banner", "-no-wrap", "-no-advise", "-interactive"]
        process = subprocess.Popen(options, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        _answers(process, program, 1)

        def run() -> list[str]:
            found = _answers(process, asked, len(work.terms))
            process.kill()
            process.communicate()
            return found

        return run

    return _in_time(name, prepare)


def _answers(process: subprocess.Popen[str], text: str, wanted: int) -> list[str]:
    """Send commands and return what Maude reduced them to."""
    found: list[str] = []
    timer = threading.Timer(LIMIT_S, process.kill)
    timer.start()
    feeder = threading.Thread(target=_feed, args=(process, text), daemon=True)
    feeder.start()
    try:
        for line in process.stdout or ():
            _, is_result, answer = line.partition("result S: ")
            if is_result:
                found.append(answer.strip())
            if len(found) == wanted:
                return found
    finally:
        is_slow = not timer.is_alive()
        timer.cancel()
        feeder.join()
    process.communicate()
    if is_slow:
        raise _SlowError(f"it did not end within {LIMIT_S:.0f} s")
    raise PrismError(
        f"maude must reduce {wanted} terms, but reduced {len(found)}; run `prism bench theory` without it, "
        "or see what it says of the rules"
    )


def _feed(process: subprocess.Popen[str], text: str) -> None:
    try:
        if process.stdin:
            process.stdin.write(text)
            process.stdin.flush()
    except BrokenPipeError:
        pass  # it was stopped, or ended; the reader says so


def _in_time(name: str, prepare: Callable[[], Callable[[], Any]]) -> Contender | Missing:
    """Return a contender, or a missing one if a first try takes too long."""
    try:
        prepare()()
    except _SlowError as error:
        return Missing(name, str(error))
    return Contender(name, prepare, warm=False)


def maude_program(work: Workload, symbols: Sequence[str], *, has_memo: bool = False) -> str:
    """Return a Maude module of a theory and its terms, and a first `red`; UsageError for literals and guards."""
    signature = work.theory.signature
    if signature.has_literals:
        raise UsageError(f"a theory must be without literals to be written for a peer, got {work.theory.name!r}")
    lines = [f"set {what} off ." for what in ("include BOOL", "show command", "show stats")]
    lines += ["fmod T is", "sort S .", f"op {_READY} : -> S ."]
    for op in signature.ops:
        words = ["comm"] * op.commutes + ["memo"] * (has_memo and op.arity > 0)
        lines.append(f"op {op.name} : {'S ' * op.arity}-> S{f' [{chr(32).join(words)}]' if words else ''} .")
    lines += [f"op {name} : -> S ." for name in symbols]
    lines += [f"eq {_maude(rule.lhs, 'V:S')} = {_maude(rule.rhs, 'V:S')} ." for rule in work.theory.rules]
    for name, part in named_parts(work.terms):
        lines += [f"op {name} : -> S{' [memo]' * has_memo} .", f"eq {name} = {_maude(part)} ."]
    return "\n".join([*lines, "endfm", f"red {_READY} .", ""])


def _maude(term: Pattern, mark: str = "") -> str:
    """Return a term in Maude's syntax; what is no application gets a mark, which makes it a variable."""
    if not isinstance(term, tuple):
        return f"{term}{mark}"
    name, *operands = term
    return f"{name}({','.join(_maude(part, mark) for part in operands)})" if operands else name


def egglog(work: Workload, symbols: Sequence[str]) -> Contender | Missing:
    """Return egglog, saturating the rules over the terms and extracting the smallest term equal to each.

    It keeps every equal term, which is more than a normal form; a constant is the smallest.
    """
    name = "egglog"
    if find_spec("egglog") is None:
        return Missing(name, "egglog is not installed; install prism-vm[bench]")
    program = egglog_program(work, symbols)
    command = [sys.executable, "-c", _EGGLOG_TRIAL]
    try:
        done = subprocess.run(command, input=program, capture_output=True, text=True, timeout=LIMIT_S, check=False)
    except subprocess.TimeoutExpired:
        return Missing(name, f"it did not end within {LIMIT_S:.0f} s")
    if done.returncode != 0:
        return Missing(name, f"it failed: {done.stderr.strip().splitlines()[-1:]}")
    names = {_egglog_name(op.name): op.name for op in work.theory.signature.ops}

    def prepare() -> Callable[[], list[str]]:
        from egglog.bindings import EGraph  # pyright: ignore[reportMissingImports] (extra `bench`)

        graph = EGraph()
        commands = graph.parse_program(program)

        def run() -> list[str]:
            found = graph.run_program(*commands)[-len(work.terms) :]
            return [names[one.termdag.to_string(one.term).strip("() ")] for one in found]

        return run

    return Contender(name, prepare, warm=False)


_EGGLOG_TRIAL: Final = """
import sys
from egglog.bindings import EGraph
graph = EGraph()
graph.run_program(*graph.parse_program(sys.stdin.read()))
"""


def egglog_program(work: Workload, symbols: Sequence[str]) -> str:
    """Return an egglog program: a datatype, a rewrite for each rule and commuting op, the terms, their extraction."""
    signature = work.theory.signature
    ops = " ".join(f"({_egglog_name(op.name)}{' S' * op.arity})" for op in signature.ops)
    lines = [f"(datatype S {ops} (Free String))"]
    commuting = [_egglog_name(op.name) for op in signature.ops if op.commutes]
    lines += [f"(rewrite ({name} x y) ({name} y x))" for name in commuting]
    lines += [f"(rewrite {_egglog(rule.lhs, {})} {_egglog(rule.rhs, {})})" for rule in work.theory.rules]
    free = {name: f'(Free "{name}")' for name in symbols}
    for name, part in named_parts(work.terms):
        lines.append(f"(let ${name} {_egglog(part, free)})")
        free[name] = f"${name}"
    lines.append("(run-schedule (saturate (run)))")
    lines += [f"(extract $t{at})" for at in range(len(work.terms))]
    return "\n".join(lines)


def _egglog_name(name: str) -> str:
    return f"Op{name}"


def _egglog(term: Pattern, free: dict[str, str]) -> str:
    if not isinstance(term, tuple):
        return free.get(str(term), str(term))
    return f"({' '.join([_egglog_name(term[0]), *(_egglog(part, free) for part in term[1:])])})"


def sympy(work: Workload) -> Contender | Missing:
    """Return SymPy's `diff`, which is what it has of the rules of derivatives; other rules it does not run."""
    name = "SymPy diff"
    if work.theory != DERIVATIVES:
        return Missing(name, "SymPy differentiates; it has no engine for rules of the user's")
    if find_spec("sympy") is None:
        return Missing(name, "SymPy is not installed; install prism-vm[bench]")
    import sympy as library

    variable = library.Symbol("x")
    make = {
        "x": lambda: variable,
        "zero": lambda: library.Integer(0),
        "one": lambda: library.Integer(1),
        "add": lambda one, two: library.Add(one, two, evaluate=False),
        "mul": lambda one, two: library.Mul(one, two, evaluate=False),
    }

    def prepare() -> Callable[[], list[str]]:
        inner = [term[1][1] for term in work.terms]  # type: ignore[index]  # (at (d term))
        made: dict[int, Any] = {}
        for part in _distinct(inner):
            made[id(part)] = make[part[0]](*(made[id(one)] for one in part[1:]))  # type: ignore[index]
        expressions = [made[id(one)] for one in inner]

        def run() -> list[str]:
            values = [one.diff(variable).subs(variable, 1) for one in expressions]
            return ["one" if value % 2 else "zero" for value in values]

        return run

    try:
        with _alarm():
            prepare()()
    except (RecursionError, _SlowError) as error:
        return Missing(name, str(error))
    return Contender(name, prepare, warm=False)


@contextmanager
def _alarm() -> Iterator[None]:
    """Raise _SlowError in the main thread after LIMIT_S."""

    def ring(_number: int, _frame: FrameType | None) -> None:
        raise _SlowError(f"it did not end within {LIMIT_S:.0f} s")

    before = signal.signal(signal.SIGALRM, ring)
    # Again and again: an exception that arises in the callback of a weak reference goes no further.
    signal.setitimer(signal.ITIMER_REAL, LIMIT_S, LIMIT_S)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
