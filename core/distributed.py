"""distributed: what a program asks before it trains in several processes; the answer is no.

There are no process groups yet. A program that asks (``is_available``, ``is_initialized``) goes on
alone; one that insists gets an error that says so.

>>> import anadrome as ad
>>> ad.distributed.is_available()
False
"""

from __future__ import annotations

from typing import Any, NoReturn

__all__ = [
    "destroy_process_group", "get_rank", "get_world_size", "init_process_group", "is_available",
    "is_initialized",
]  # fmt: skip


def is_available() -> bool:
    """Whether there are process groups (``torch.distributed.is_available``): no."""
    return False


def is_initialized() -> bool:
    """Whether one has been started (``torch.distributed.is_initialized``): no."""
    return False


def init_process_group(backend: str | None = None, *args: Any, **kwargs: Any) -> NoReturn:
    """Would start one (``torch.distributed.init_process_group``); raises RuntimeError."""
    raise RuntimeError(
        f"init_process_group({backend!r}): anadrome trains in one process; run the script without "
        "its launcher, so that it does not ask for a group"
    )


def get_world_size(group: Any = None) -> NoReturn:
    """Would count the processes (``torch.distributed.get_world_size``); raises RuntimeError."""
    raise RuntimeError(
        "Default process group has not been initialized, and cannot be: anadrome trains in one "
        "process; ask `distributed.is_initialized()` first"
    )


get_rank = destroy_process_group = get_world_size
