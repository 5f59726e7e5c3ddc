"""graph: nodes and saved values, under the names of ``torch.autograd.graph``."""

from __future__ import annotations

from ..graph import Node, RemovableHandle
from ..modes import saved_tensors_hooks

__all__ = ["Node", "RemovableHandle", "saved_tensors_hooks"]
