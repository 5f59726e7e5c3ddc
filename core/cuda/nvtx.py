"""nvtx: marks for NVIDIA's profilers (``torch.cuda.nvtx``); accepted, and not passed on."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

__all__ = ["mark", "range", "range_end", "range_pop", "range_push", "range_start"]

_depth = [0]


def range_push(msg: str) -> int:
    """Begin a range; how many are open around it."""
    _depth[0] += 1
    return _depth[0] - 1


def range_pop() -> int:
    """End the innermost range; how many are open around it."""
    _depth[0] -= 1
    return _depth[0]


def range_start(msg: str) -> int:
    """Begin a range that ends anywhere."""
    return 0


def range_end(range_id: int) -> None:
    """End it."""


def mark(msg: str) -> None:
    """A mark."""


@contextlib.contextmanager
def range(msg: str, *args: object, **kwargs: object) -> Iterator[None]:
    """A range for as long as the ``with`` runs."""
    range_push(msg)
    try:
        yield
    finally:
        range_pop()
