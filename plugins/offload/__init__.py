"""Offloading: what the forward saves is kept elsewhere, and brought back for backward.

The second way, beside checkpointing, to pay for memory with time. Reading order: `hooks` (what both
places have in common), `host` (the host's memory), `disk` and `spool` (a file).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from anadrome import hookimpl

ANADROME_API = (1, 1)


@hookimpl
def register_exports() -> Mapping[str, Any]:
    """PyTorch's ``save_on_cpu``, and beside it the disk."""
    return {
        "autograd.graph.save_on_cpu": f"{__name__}.host:save_on_cpu",
        "autograd.graph.save_on_disk": f"{__name__}.disk:save_on_disk",
    }
