"""mps: PyTorch's questions about Apple's GPUs, for which there is no backend."""

from __future__ import annotations


def is_available() -> bool:
    """False."""
    return False


def is_built() -> bool:
    """False."""
    return False
