"""undivided: a Ctrl-C that comes while weights are being written waits until they are whole."""

from __future__ import annotations

from _signal import SIGINT, getsignal, signal
from threading import get_ident, main_thread
from typing import Any


class undivided:
    """Inside, SIGINT is noted, and its handler (for Python, KeyboardInterrupt) called at the end.

    So who stops a training by Ctrl-C, and saves it, saves weights and state of one and the same
    step. Signals reach Python in the main thread only, and elsewhere this does nothing; nor where
    the handler is not Python's to call.
    """

    __slots__ = ("_came", "_handler")

    def __enter__(self) -> None:
        self._came: Any = None
        self._handler: Any = None
        if get_ident() != main_thread().ident:
            return
        handler: Any = getsignal(SIGINT)
        if callable(handler):
            self._handler = handler
            try:
                signal(SIGINT, self._note)
            except ValueError:  # a main thread, but of a subinterpreter
                self._handler = None

    def _note(self, *signal_and_frame: Any) -> None:
        self._came = signal_and_frame

    def __exit__(self, *exc: object) -> None:
        if self._handler is not None:
            signal(SIGINT, self._handler)
            if self._came is not None:
                self._handler(*self._came)
