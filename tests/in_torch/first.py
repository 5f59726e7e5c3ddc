"""The first ops: arithmetic, reductions, shapes, indexing, layers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

from anadrome.op import table

AS_IN_TORCH: dict[str, Callable[..., Any]] = {
    "pow_tensor": torch.pow,
    "pow_number": lambda x, exponent: x**exponent,
    "clamp": torch.clamp,
    "expand": lambda x, shape: x.expand(shape),
    "repeat": lambda x, repeats: x.repeat(repeats),
    "reshape": lambda x, shape: x.reshape(shape),
    "permute": lambda x, dims: x.permute(dims),
    "pad_constant": lambda x, padding, value=0.0: torch.nn.functional.pad(
        x, [n for pair in reversed(padding) for n in pair], value=value
    ),
    "sum": lambda x, dim=None, keepdim=False: torch.sum(x, dim, keepdim),
    "mean": lambda x, dim=None, keepdim=False: torch.mean(x, dim, keepdim),
    "prod": lambda x, dim=None, keepdim=False: (
        torch.prod(x) if dim is None else _each_dim(torch.prod, x, dim, keepdim)
    ),
    "amax": lambda x, dim=(), keepdim=False: torch.amax(x, dim, keepdim),
    "amin": lambda x, dim=(), keepdim=False: torch.amin(x, dim, keepdim),
    "max_dim": lambda x, dim, keepdim=False: torch.max(x, dim, keepdim),
    "min_dim": lambda x, dim, keepdim=False: torch.min(x, dim, keepdim),
    "sum_to_size": lambda x, size: x.sum_to_size(size),
    "norm2": lambda x, dim=None, keepdim=False: torch.linalg.vector_norm(x, 2, dim, keepdim),
    "cat": lambda *tensors, dim=0: torch.cat(tensors, dim),
    "stack": lambda *tensors, dim=0: torch.stack(tensors, dim),
    "getitem": lambda x, index: x[index],
    "masked_fill": lambda x, mask, value: x.masked_fill(mask, value),
    "gather": lambda x, index, dim: torch.gather(x, dim, index),
    "index_select": lambda x, index, dim: torch.index_select(x, dim, index),
    "embedding": lambda w, i, padding_idx=None: torch.nn.functional.embedding(
        i, w, padding_idx=padding_idx
    ),
    "linear": torch.nn.functional.linear,
    "to_dtype": lambda x, dtype: x.to(getattr(torch, dtype.name)),
    "logsigmoid": torch.nn.functional.logsigmoid,
    "round": lambda x, decimals=0: (
        torch.round(x, decimals=decimals) if decimals else torch.round(x)
    ),
    # PyTorch has no gradient of floor_divide; of this, which is the same function, it has.
    "floor_divide": lambda a, b: torch.div(a, b, rounding_mode="floor"),
    "logsumexp": torch.logsumexp,
    "index_put": lambda x, value, index: x.clone().index_put((torch.tensor(index[0]),), value),
    "copy": lambda x, src: (x * 1).copy_(src),
    "fill": lambda x, value: (x * 1).fill_(value),
    "where": torch.where,
    "softmax": torch.nn.functional.softmax,
    "log_softmax": torch.nn.functional.log_softmax,
    "real": torch.real,
}

#: Ops that PyTorch has no name for, and where they are compared instead.
OURS = {
    **dict.fromkeys(
        (
            "threshold_backward",
            "gelu_backward",
            "sigmoid_backward",
            "tanh_backward",
            "silu_backward",
            "softmax_backward",
            "log_softmax_backward",
            "index_backward",
            "write_region",
            "zero_region",
            "scatter_into",
            "select_backward",
            "embedding_backward",
            "to_device",
            "flat_gather",
            "dropout",
            "ctc_paths",
            "ctc_paths_backward",
        ),
        "only rules or the framework call it; through the op it belongs to",
    ),
    **dict.fromkeys(
        (
            n
            for n in table
            if n
            in (
                "batch_norm",
                "batch_norm_eval",
                "layer_norm",
                "standardise_backward",
                "mse_loss",
                "l1_loss",
                "smooth_l1_loss",
                "huber_loss",
                "nll_loss",
                "nll_backward",
                "cross_entropy",
                "cross_entropy_backward",
                "binary_cross_entropy",
                "binary_cross_entropy_with_logits",
            )
        ),
        "through anadrome.nn.functional, which has PyTorch's arguments",
    ),
}

#: Names that differ on purpose: one op of ours stands for several of PyTorch's.
OTHER_NAMES = {
    "floor_divide",
    "getitem",
    "index_put",
    "mean",
    "prod",
    "squeeze",
    "to_dtype",
    "linear",
    "masked_fill",
    "clamp",
    "matmul",
    "sum",
    "norm2",
    "real",
    "pad_constant",
    "copy",
    "max_dim",
    "min_dim",
    "reshape",
    "sum_to_size",
    "fill",
    "index_select",
    "var",
    "repeat",
    "where",
    "logsumexp",
    "roll",
}


def _each_dim(function: Any, x: Any, dim: Any, keepdim: bool) -> Any:
    """PyTorch's prod takes one dimension at a time."""
    for d in sorted(dim, reverse=True) if isinstance(dim, tuple) else (dim,):
        x = function(x, d, keepdim)
    return x
