"""Reductions, scans, sorting, scattering, diagonals and strided views."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

AS_IN_TORCH: dict[str, Callable[..., Any]] = {
    "max_all": torch.max,
    "min_all": torch.min,
    "median_dim": torch.median,
    "nanmedian_dim": torch.nanmedian,
    "norm_p": lambda x, p, dim=None, keepdim=False: torch.linalg.vector_norm(x, p, dim, keepdim),
    "scatter": lambda x, index, src, dim: torch.scatter(x, dim, index, src),
    "scatter_value": lambda x, index, dim, value: torch.scatter(x, dim, index, value),
    "scatter_add": lambda x, index, src, dim: torch.scatter_add(x, dim, index, src),
    "scatter_reduce": lambda x, index, src, dim, reduce, include_self=True: torch.scatter_reduce(
        x, dim, index, src, reduce, include_self=include_self
    ),
    "index_add": lambda x, index, source, dim, alpha=1: torch.index_add(
        x, dim, index, source, alpha=alpha
    ),
    "index_copy": lambda x, index, source, dim: torch.index_copy(x, dim, index, source),
    "index_put_accumulate": lambda x, value, index: x.index_put(
        (torch.tensor(index[0]),), value, accumulate=True
    ),
    "as_strided": lambda x, size, stride, offset=0: x.as_strided(size, stride, offset),
    "unfold": lambda x, dimension, size, step: x.unfold(dimension, size, step),
    "contiguous": lambda x: x.clone(),
    "amax": lambda x, dim=(), keepdim=False: torch.amax(x, dim, keepdim),
}

OURS = {
    "searchsorted": "its samples are not sorted; in tests/test_torch_sorting.py",
    **dict.fromkeys(
        (
            "linear_scan",
            "member",
            "spread",
            "last_put",
            "last_scattered",
            "as_strided_backward",
            "unfold_backward",
            "diagonal_backward",
            "in_order",
        ),
        "only rules or the framework call it; through the op it belongs to",
    ),
}

#: One op of ours stands for several of PyTorch's, or has a rule of its own.
OTHER_NAMES = {
    "scatter_value",
    "nanmedian",
    "nanmedian_dim",
    "median_dim",
    "index_put_accumulate",
}
