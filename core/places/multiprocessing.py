"""multiprocessing: Python's own, as programs import it from PyTorch (``torch.multiprocessing``).

Tensors are copied to another process, not shared with it.
"""

from __future__ import annotations

import multiprocessing
import signal
import sys
import traceback
from collections.abc import Callable
from multiprocessing import *
from multiprocessing import connection
from typing import Any

_strategy = "file_descriptor"


def get_all_sharing_strategies() -> set[str]:
    """Their names (``torch.multiprocessing.get_all_sharing_strategies``)."""
    return {"file_descriptor", "file_system"}


def get_sharing_strategy() -> str:
    """What was set; nothing is shared (``torch.multiprocessing.get_sharing_strategy``)."""
    return _strategy


def set_sharing_strategy(new_strategy: str) -> None:
    """Keep the name of one (``torch.multiprocessing.set_sharing_strategy``)."""
    global _strategy
    if new_strategy not in get_all_sharing_strategies():
        raise ValueError(
            f"set_sharing_strategy() takes 'file_descriptor' or 'file_system', not {new_strategy!r}"
        )
    _strategy = new_strategy


class ProcessException(RuntimeError):
    """A process that failed: its number ``error_index``, its ``pid`` and ``msg``."""

    def __init__(self, msg: str, error_index: int, pid: int | None) -> None:
        super().__init__(msg)
        self.msg = msg
        self.error_index = error_index
        self.pid = pid


class ProcessRaisedException(ProcessException):
    """One that raised; the message has its traceback (PyTorch's name)."""


class ProcessExitedException(ProcessException):
    """One that ended with an ``exit_code``, or by a signal, ``signal_name`` (PyTorch's name)."""

    def __init__(
        self,
        msg: str,
        error_index: int,
        error_pid: int | None,
        exit_code: int,
        signal_name: str | None = None,
    ) -> None:
        super().__init__(msg, error_index, error_pid)
        self.exit_code = exit_code
        self.signal_name = signal_name


def _run(fn: Callable[..., Any], number: int, args: tuple[Any, ...], told: Any) -> None:
    try:
        fn(number, *args)
    except KeyboardInterrupt:
        pass
    except Exception:
        told.put(traceback.format_exc()[-_LONGEST:])
        sys.exit(1)


#: What fits into a pipe that nobody reads yet.
_LONGEST = 16_000


class ProcessContext:
    """Processes that were started (``torch.multiprocessing.ProcessContext``)."""

    def __init__(self, processes: list[Any], told: list[Any]) -> None:
        self.processes = processes
        self.sentinels = {process.sentinel: i for i, process in enumerate(processes)}
        self._told = told

    def pids(self) -> list[int]:
        """Their numbers in the system."""
        return [process.pid for process in self.processes]

    def join(self, timeout: float | None = None, grace_period: float | None = None) -> bool:
        """Wait for one of them, or more; True when all are done.

        Raises ``ProcessRaisedException`` or ``ProcessExitedException`` if one failed; the others
        are ended then.
        """
        if self.sentinels:
            done = connection.wait(list(self.sentinels), timeout)
            failed = None
            for sentinel in done:
                number = self.sentinels.pop(sentinel)  # type: ignore[call-overload]
                process = self.processes[number]
                process.join()
                if process.exitcode:
                    failed = number
                    break
            if failed is not None:
                self._end_all()
                raise self._failure(failed)
        if self.sentinels:
            return False
        for process in self.processes:
            process.join()
        return True

    def _end_all(self) -> None:
        for process in self.processes:
            if process.is_alive():
                process.terminate()
            process.join()

    def _failure(self, number: int) -> ProcessException:
        process, told = self.processes[number], self._told[number]
        if not told.empty():
            text = told.get()
            return ProcessRaisedException(
                f"\n\n-- Process {number} terminated with the following error:\n{text}",
                number,
                process.pid,
            )
        code = process.exitcode
        if code < 0:
            try:
                name = signal.Signals(-code).name
            except ValueError:
                name = f"<Unknown signal {-code}>"
            message = f"process {number} terminated with signal {name}"
            return ProcessExitedException(message, number, process.pid, code, name)
        message = f"process {number} terminated with exit code {code}"
        return ProcessExitedException(message, number, process.pid, code)


SpawnContext = ProcessContext


def spawn(
    fn: Callable[..., Any], args: tuple[Any, ...] = (), nprocs: int = 1, join: bool = True,
    daemon: bool = False, start_method: str = "spawn",
) -> Any:  # fmt: skip
    """Run ``fn(i, *args)`` in ``nprocs`` processes (``torch.multiprocessing.spawn``).

    They are forks of this one, where the platform has them. If one raises, so does this, with its
    traceback (``ProcessRaisedException``), and the others are ended. Returns a ``ProcessContext``
    if they are not to be joined.
    """
    methods = multiprocessing.get_all_start_methods()
    context: Any = multiprocessing.get_context("fork" if "fork" in methods else start_method)
    told = [context.SimpleQueue() for _ in range(nprocs)]
    started = [
        context.Process(target=_run, args=(fn, i, args, told[i]), daemon=daemon)
        for i in range(nprocs)
    ]
    for process in started:
        process.start()
    found = ProcessContext(started, told)
    if not join:
        return found
    while not found.join():
        pass
    return None


def start_processes(
    fn: Callable[..., Any], args: tuple[Any, ...] = (), nprocs: int = 1, join: bool = True,
    daemon: bool = False, start_method: str = "spawn",
) -> Any:  # fmt: skip
    """``spawn`` (``torch.multiprocessing.start_processes``)."""
    return spawn(fn, args, nprocs, join, daemon, start_method)
