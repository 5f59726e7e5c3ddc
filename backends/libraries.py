"""libraries: PyTorch's switches for libraries that are not used here; accepted, without effect.

Serves ``torch.backends.mkl``, ``mkldnn``, ``openmp``, ``opt_einsum`` and others.
"""

from __future__ import annotations

import contextlib
import platform
from collections.abc import Iterator
from typing import Any

enabled = False
strategy: str | None = None
deterministic = False
allow_tf32 = True
VERBOSE_OFF, VERBOSE_ON, VERBOSE_ON_CREATION = 0, 1, 2


def is_available() -> bool:
    """False: array libraries bring their own."""
    return False


def get_cpu_capability() -> str:
    """The machine's kind; which instructions are used is the array library's business."""
    return platform.machine()


def set_flags(*args: Any, **keywords: Any) -> tuple[()]:
    """Accepted; what was set before, which is nothing."""
    return ()


@contextlib.contextmanager
def flags(*args: Any, **keywords: Any) -> Iterator[None]:
    """Accepted."""
    yield


class verbose(contextlib.nullcontext[None]):
    """Accepted: nothing is printed."""
