"""planted: functions that do what no public one may, to see that the fuzz finds it."""

from __future__ import annotations

import os
import signal
from typing import Any

import numpy as np

from .surface import Target


def leaks(*args: Any, **keywords: Any) -> Any:
    """An array library's own error."""
    return np.ones(2) + np.ones(3)


def asserts(*args: Any, **keywords: Any) -> Any:
    """An assertion that says nothing."""
    raise AssertionError


def hangs(*args: Any, **keywords: Any) -> Any:
    """More time than there is."""
    while True:
        pass


def crashes(*args: Any, **keywords: Any) -> Any:
    """The end of the process."""
    os.kill(os.getpid(), signal.SIGSEGV)


def sleeps(*args: Any, **keywords: Any) -> Any:
    """A process that no alarm wakes."""
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGALRM])
    while True:
        signal.pause()


def swells(*args: Any, **keywords: Any) -> Any:
    """More memory than there is, though nobody asked for it."""
    return [np.empty(2**28) for _ in range(8)]


def targets() -> list[Target]:
    """All of them."""
    found = (leaks, asserts, hangs, crashes, sleeps, swells)
    return [Target(f"planted.{f.__name__}", "planted", f) for f in found]
