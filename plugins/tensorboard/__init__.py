"""Records of a training for TensorBoard (PyTorch: `torch.utils.tensorboard`).

The files are written by the `tensorboard` package, which is imported when a name here is first
asked for. Reading order: `records` (values as its messages), `pictures`, `projector` (embeddings),
`graphs`, `writer`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from anadrome import hookimpl

ANADROME_API = (1, 1)


@hookimpl
def register_exports() -> Mapping[str, Any]:
    """PyTorch's names."""
    names = ("FileWriter", "RecordWriter", "SummaryWriter")
    return {f"utils.tensorboard.{n}": f"{__name__}.writer:{n}" for n in names}
