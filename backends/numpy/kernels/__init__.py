"""NumPy's own forwards, keyed by op name; one file a family."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from . import elementwise

KERNELS: dict[str, Callable[..., Any]] = {**elementwise.KERNELS}
OUT_KERNELS: dict[str, Callable[..., Any]] = {**elementwise.OUT_KERNELS}
