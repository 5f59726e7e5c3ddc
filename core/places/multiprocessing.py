"""multiprocessing: Python's own, as programs import it from PyTorch (``torch.multiprocessing``).

Tensors are copied to another process, not shared with it.
"""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable
from multiprocessing import *
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


def spawn(
    fn: Callable[..., Any], args: tuple[Any, ...] = (), nprocs: int = 1, join: bool = True,
    daemon: bool = False, start_method: str = "spawn",
) -> Any:  # fmt: skip
    """Run ``fn(i, *args)`` in ``nprocs`` processes (``torch.multiprocessing.spawn``).

    They are forks of this one, where the platform has them. Raises RuntimeError if one fails;
    returns the processes if they are not to be joined.
    """
    methods = multiprocessing.get_all_start_methods()
    context: Any = multiprocessing.get_context("fork" if "fork" in methods else start_method)
    started = [context.Process(target=fn, args=(i, *args), daemon=daemon) for i in range(nprocs)]
    for process in started:
        process.start()
    if not join:
        return started
    for process in started:
        process.join()
    for i, process in enumerate(started):
        if process.exitcode:
            raise RuntimeError(f"process {i} terminated with exit code {process.exitcode}")
    return None


def start_processes(
    fn: Callable[..., Any], args: tuple[Any, ...] = (), nprocs: int = 1, join: bool = True,
    daemon: bool = False, start_method: str = "spawn",
) -> Any:  # fmt: skip
    """``spawn`` (``torch.multiprocessing.start_processes``)."""
    return spawn(fn, args, nprocs, join, daemon, start_method)
