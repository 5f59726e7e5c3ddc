"""embedding: rows of a table by number, and their gradients."""

from __future__ import annotations

from typing import Any

from .. import backend as backends
from ..errors import RangeError
from ..op import KEEP, NONE, op
from ..samples import Arr, call
from ..tangents import transposing
from .arithmetic import where

# fmt: off
embedding = op("embedding", lambda xp, weight, indices, *, padding_idx=None:
                   _embed(xp, weight, indices),
               weight=lambda g, indices, weight_shape, padding_idx: embedding_backward(
                   g, indices, shape=tuple(weight_shape),
                   padding_idx=None if transposing() else padding_idx),
               indices=NONE, dtype=KEEP, method=False,
               samples=call(Arr((5, 3)), Arr((2, 4), 0, 5, "int"))
               + call(Arr((5, 3)), Arr((2,), 0, 4, "int"), padding_idx=4))
embedding_backward = op("embedding_backward", lambda xp, g, indices, *, shape, padding_idx=None:
                            _embed_back(xp, g, indices, shape, padding_idx),
                        g=lambda g, indices, padding_idx: _embed_masked(g, indices, padding_idx),
                        indices=NONE, dtype=KEEP, method=False,
                        samples=call(Arr((2, 3)), Arr((2,), 0, 5, "int"), shape=(5, 3)))
# fmt: on


def _checked(indices: Any, n: int) -> Any:
    backends.by_type[indices.__class__].require(
        (indices >= 0) & (indices < n),
        lambda: no_row(indices[(indices < 0) | (indices >= n)], n),
    )
    return indices


def no_row(wrong: Any, n: int) -> RangeError:
    """What is said of indices that are no rows of a table of ``n``."""
    return RangeError(
        f"index out of range in self: the embedding has rows 0 to {n - 1}, and an index is "
        f"{int(wrong[0])}"
    )


def _embed(xp: Any, weight: Any, indices: Any) -> Any:
    flat = xp.reshape(_checked(indices, weight.shape[0]), (-1,))
    return xp.reshape(xp.take(weight, flat, axis=0), (*indices.shape, *weight.shape[1:]))


def _embed_back(xp: Any, g: Any, indices: Any, shape: Any, padding_idx: int | None) -> Any:
    out = xp.zeros(shape, dtype=g.dtype)
    backends.by_type[out.__class__].scatter_add(out, (indices,), g)
    if padding_idx is not None:
        out[padding_idx, ...] = 0
    return out


def _embed_masked(g: Any, indices: Any, padding_idx: int | None) -> Any:
    out = embedding(g, indices)
    if padding_idx is None:
        return out
    mask = indices == padding_idx
    return where(mask[..., None], 0.0, out)
