"""The activations that PyTorch calls otherwise."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

AS_IN_TORCH: dict[str, Callable[..., Any]] = {
    "elu": lambda x, alpha=1.0, scale=1.0, input_scale=1.0: torch.ops.aten.elu(
        x, alpha, scale, input_scale
    ),
    # PyTorch has no second derivative of hardsigmoid, and a sixth in float32.
    "hardsigmoid": lambda x: torch.clamp(x + 3, 0, 6) / 6,
    "prelu": lambda x, weight: torch.where(x > 0, x, x * weight),
}

OURS = {
    "pieces_backward": "only rules call it; through the op it belongs to",
    **dict.fromkeys(
        (
            "elu_backward",
            "softplus_backward",
            "hardswish_backward",
            "gated_backward",
        ),
        "only rules call it; through the op it belongs to",
    ),
    "gated": "through nn.functional.glu",
    "layer_norm_backward": "only rules call it; through the op it belongs to",
    "attention": "through nn.functional.scaled_dot_product_attention, which has a mask and dropout",
    "group_norm": "through anadrome.nn.functional, which has PyTorch's arguments",
    "group_norm_backward": "only rules call it; through the op it belongs to",
    "attention_backward": "only rules call it; through the op it belongs to",
    "rms_norm_backward": "only rules call it; through the op it belongs to",
    "rms_norm": "through anadrome.nn.functional, which has PyTorch's arguments",
}

OTHER_NAMES = {"hardsigmoid", "prelu"}
