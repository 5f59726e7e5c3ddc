"""indexing: rows by number, and their gradients."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ..random import Draws
from ..scatter import scatter_add
from .common import BLAS, declared
from .masking import where

#: Tables of up to this many rows: the gradient is a product with the one-hot matrix.
_FEW_ROWS = 128


def embedding(weight: Any, indices: Any, *, padding_idx: int | None = None) -> Any:
    """The rows of ``weight`` that the indices name."""
    if indices.size and (indices.min() < 0 or indices.max() >= weight.shape[0]):
        return declared("embedding")(weight, indices, padding_idx=padding_idx)  # raises
    return weight.take(indices, 0)


def embedding_backward(g: Any, indices: Any, *, shape: Any, padding_idx: int | None = None) -> Any:
    """The gradients of the rows, added up where a row occurs more than once."""
    rows = indices.reshape(-1)
    out = None
    if shape[0] <= _FEW_ROWS and len(shape) == 2 and g.dtype in BLAS and rows.size:
        hot = np.zeros((rows.size, shape[0]), g.dtype)
        hot[np.arange(rows.size), rows] = 1
        out = hot.T.dot(g.reshape(rows.size, shape[1]))
        if not np.isfinite(np.add.reduce(out, None)):  # zero times infinity spreads over all rows
            out = None
    if out is None:
        out = np.zeros(shape, g.dtype)
        scatter_add(out, (indices,), g)
    if padding_idx is not None:
        out[padding_idx] = 0
    return out


def dropout(x: Any, *, p: float, key: Any, shape: Any = None) -> Any:
    """Values scaled up, but for a share ``p`` that is zero."""
    if p >= 1 or x.dtype not in BLAS:
        return declared("dropout")(x, p=p, key=key, shape=shape)
    keep = Draws().keep_mask(key, x.shape if shape is None else shape, 1 - p)
    return where(keep, np.multiply(x, np.asarray(1 / (1 - p), x.dtype)), 0.0)


KERNELS: dict[str, Callable[..., Any]] = {
    "embedding": embedding,
    "embedding_backward": embedding_backward,
    "dropout": dropout,
}
