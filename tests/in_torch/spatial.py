"""Convolution, pooling and resampling: ops of any number of dimensions, where PyTorch has three."""

from __future__ import annotations

OURS = dict.fromkeys(
    (
        "convolution",
        "conv_input",
        "conv_weight",
        "im2col",
        "col2im",
        "max_pool",
        "max_pool_backward",
        "max_pool_pick",
        "max_unpool",
        "adaptive_max_pool",
        "pool_scatter",
        "pool_gather",
        "avg_pool",
        "avg_pool_backward",
        "resample",
    ),
    "through anadrome.nn.functional, which has PyTorch's arguments; in test_torch_convolution, "
    "test_torch_pooling and test_torch_resampling",
)
