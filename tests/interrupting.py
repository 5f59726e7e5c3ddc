"""interrupting: a real Ctrl-C at the n-th line that our code runs, for every n.

Python runs a signal's handler between two instructions of the main thread. A trace function that
raises SIGINT at the n-th line in a file of ours is that, made exact: the handler that is installed
there and then is called, by default Python's, which raises KeyboardInterrupt.
"""

from __future__ import annotations

import dis
import functools
import signal
import sys
from collections.abc import Callable
from typing import Any

from anadrome import sites


class At:
    """Traces one call, and interrupts it at a line; ``place`` is where, ``lines`` how many ran."""

    def __init__(self, number: int = 0) -> None:
        self.number = number
        self.lines = 0
        self.place: tuple[str, str, int, bool] | None = None

    def __call__(self, frame: Any, event: str, argument: Any) -> Any:
        code = frame.f_code
        if not sites.is_internal(code.co_filename) or "contextlib" in code.co_filename:
            return None
        if event == "call":
            frame.f_trace_lines = True
        elif event == "line":
            if frame.f_lasti in leaving(code):
                return self
            self.lines += 1
            if self.lines == self.number:
                first = frame.f_lineno == first_line(code)
                self.place = (code.co_filename, code.co_name, frame.f_lineno, first)
                signal.raise_signal(signal.SIGINT)
        return self


def first_line(code: Any) -> int:
    """The line of a function's first statement."""
    return next((n for *_, n in code.co_lines() if n is not None and n > code.co_firstlineno), 0)


def run(function: Callable[[], Any], number: int = 0) -> tuple[At, bool]:
    """Call ``function``, interrupted at that line of ours; whether it raised KeyboardInterrupt."""
    at = At(number)
    before = sys.gettrace()
    sys.settrace(at)
    try:
        function()
        raised = False
    except KeyboardInterrupt:
        raised = True
    finally:
        sys.settrace(before)
    return at, raised


def lines(function: Callable[[], Any]) -> int:
    """How many lines of ours a call runs."""
    return run(function)[0].lines


@functools.cache
def leaving(code: Any) -> frozenset[int]:
    """Where a ``with`` block that ended well calls ``__exit__``.

    A trace function is called there, but Python handles no signal before that call is made.
    """
    found = []
    instructions = list(dis.get_instructions(code))
    for before, one, two, three in zip(*(instructions[i:] for i in range(4))):
        nothing = one.opname == "LOAD_CONST" and one.argval is None
        again = all(
            i.opname == "DUP_TOP" or (i.opname == "LOAD_CONST" and i.argval is None)
            for i in (two, three)
        )
        if nothing and again:
            swapped = before.opname in ("SWAP", "ROT_TWO")  # a value is being returned from inside
            found.append(before.offset if swapped else one.offset)
    return frozenset(found)
