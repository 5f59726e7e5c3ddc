"""rpc: calls into other processes (``torch.distributed.rpc``), as built without them.

Also serves ``torch.distributed.autograd``, the gradients of such calls.
"""

from __future__ import annotations


def is_available() -> bool:
    """False: there are no other processes."""
    return False
