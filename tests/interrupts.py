"""Interrupts at random times: whatever an engine is at, start-up included, it ends at once by the signal.

`python -m tests.interrupts [TIMES] [ENGINE...]` sends SIGINT and SIGTERM in turn, 200 times to each engine unless told
otherwise. A shell shows such an end as 130 and 143.
"""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path
from random import Random

PROGRAM = "(add 1 2)\n(mul 40000 40000)\n"
"""A term that is done at once, and one that takes longer than any test."""
ENGINES = ("ledger", "baseline", "bsp")
LATEST_SECONDS = 4.0


def ended(engine: str, number: signal.Signals, after: float) -> list[str]:
    """Return what was wrong with the end of a run that got a signal after so many seconds; none if nothing was."""
    command = [sys.executable, "-m", "prism", "run", "-", "--engine", engine]
    root = Path(__file__).resolve().parents[1]
    run = subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=root
    )
    assert run.stdin is not None
    run.stdin.write(PROGRAM)
    run.stdin.close()
    run.stdin = None
    time.sleep(after)
    run.send_signal(number)
    began = time.monotonic()
    try:
        _, errors = run.communicate(timeout=60)
    except subprocess.TimeoutExpired:
        run.kill()
        _, errors = run.communicate()
    took = time.monotonic() - began
    found = [] if run.returncode == -number else [f"it ended with {run.returncode}"]
    found += ["it printed a traceback"] if "Traceback" in errors else []
    found += [f"it took {took:.1f} s"] if took > 1 else []
    return [f"{engine}, {number.name} after {after:.3f} s: {what}" for what in found]


def main() -> None:
    """Send the signals, say what was wrong, and end with 1 if anything was."""
    times = int(sys.argv[1]) if len(sys.argv) > 1 else 200
    # A script that a shell runs in the background ignores interrupts, and so would what it starts.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    random, wrong = Random(0), 0
    for engine in sys.argv[2:] or ENGINES:
        for index in range(times):
            # Before its first line runs, an interpreter has Python's own handler: the first 50 ms are its start.
            after = random.uniform(0.05, LATEST_SECONDS)
            found = ended(engine, (signal.SIGINT, signal.SIGTERM)[index % 2], after)
            wrong += len(found)
            sys.stdout.write("".join(f"{line}\n" for line in found))
        sys.stdout.write(f"{engine}: {times} signals sent\n")
    sys.exit(wrong > 0)


if __name__ == "__main__":
    main()
