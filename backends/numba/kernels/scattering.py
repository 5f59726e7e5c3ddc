"""scattering: values added where an index says, which may name a place more than once."""

from __future__ import annotations

from typing import Any

import numpy as np

from .common import F32, Maker, large


def _embedding_backward(before: Any, spread: Any) -> Any:
    def embedding_backward(
        g: Any, indices: Any, *, shape: Any, padding_idx: int | None = None
    ) -> Any:
        flat = np.ascontiguousarray(indices.reshape(-1))
        known = flat.size and flat.dtype.kind == "i" and flat.min() >= 0 and flat.max() < shape[0]
        if len(shape) != 2 or not known or not large(g):
            return before(g, indices, shape=shape, padding_idx=padding_idx)
        from ..loops import tables

        out = np.zeros(shape, F32)
        grad = g.reshape(flat.size, shape[1])
        spread(
            lambda part: tables.add_rows(grad, flat, out, part.start, part.stop), shape[1], g.size
        )
        if padding_idx is not None:
            out[padding_idx] = 0
        return out

    return embedding_backward


MAKERS: dict[str, Maker] = {"embedding_backward": _embedding_backward}
