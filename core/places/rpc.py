"""rpc: calls into other processes (``torch.distributed.rpc``), as built without them."""

from __future__ import annotations


def is_available() -> bool:
    """False: there are no other processes."""
    return False
