"""What is being done, on stderr: the tables go to stdout."""

from __future__ import annotations

import sys
import time


def begin(name: str) -> float:
    """Say what begins; the time, for `end`."""
    print(f"{name} ...", end=" ", file=sys.stderr, flush=True)
    return time.perf_counter()


def end(start: float) -> None:
    """Say how long it took."""
    say(f"{time.perf_counter() - start:.0f} s")


def say(text: str) -> None:
    """A line."""
    print(text, file=sys.stderr, flush=True)
