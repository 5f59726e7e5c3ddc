"""memory_formats: the weights of convolutions in another order in memory (PyTorch's names)."""

from __future__ import annotations

from typing import Any

from ...layouts import check
from ..modules.module import Module


def convert_conv2d_weight_memory_format(module: Module, memory_format: Any) -> Module:
    """The module itself: the order of dimensions in memory has no effect here.

    (``torch.nn.utils.convert_conv2d_weight_memory_format``)
    """
    check("convert_conv2d_weight_memory_format", "memory_format", memory_format)
    return module


def convert_conv3d_weight_memory_format(module: Module, memory_format: Any) -> Module:
    """The module itself: see ``convert_conv2d_weight_memory_format``."""
    check("convert_conv3d_weight_memory_format", "memory_format", memory_format)
    return module
