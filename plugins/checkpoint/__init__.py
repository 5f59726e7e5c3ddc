"""Checkpointing: a segment of the forward keeps its inputs only, and is run again in backward.

Reading order: `checkpointing` (the two public functions), `segment` (one checkpointed call, the
values it owes and how it is run again), `inputs` (its arguments), `comparing` (the two runs),
`watching` (the modes that see its ops), `keeping`, `policies` and `budget` (results that are kept),
`reentrant` (the older form, a Function), `devices` (for Functions that do it themselves).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from anadrome import hookimpl

ANADROME_API = (1, 1)


@hookimpl
def register_exports() -> Mapping[str, Any]:
    """PyTorch's names, in PyTorch's place."""
    return {
        f"utils.checkpoint.{name}": f"{__name__}.{module}:{name}"
        for module, names in {
            "checkpointing": (
                "checkpoint",
                "checkpoint_sequential",
                "noop_context_fn",
                "set_checkpoint_debug_enabled",
                "set_checkpoint_early_stop",
            ),
            "comparing": ("CheckpointError",),
            "inputs": ("check_backward_validity", "detach_variable"),
            "devices": ("get_device_states", "set_device_states"),
            "policies": (
                "CheckpointPolicy",
                "SelectiveCheckpointContext",
                "create_selective_checkpoint_contexts",
            ),
        }.items()
        for name in names
    }
