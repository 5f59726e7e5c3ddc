"""cudnn: PyTorch's switches for a library that is not used here; accepted, without effect."""

from __future__ import annotations

enabled = True
benchmark = False
benchmark_limit = 10
deterministic = False
allow_tf32 = True


def is_available() -> bool:
    """False: convolutions on the GPU are made of CuPy's operations."""
    return False


def version() -> int | None:
    """None: see ``is_available``."""
    return None
