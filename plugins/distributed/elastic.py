"""elastic: what a program marks for PyTorch's launcher (``torch.distributed.elastic``)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


def record(fn: Callable[..., Any], error_handler: Any = None) -> Callable[..., Any]:
    """The function itself: what it raises is raised (``...multiprocessing.errors.record``)."""
    return fn
