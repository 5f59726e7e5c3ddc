"""dropping: dropout, whose mask is drawn where it is used."""

from __future__ import annotations

from typing import Any

import numpy as np

from .common import F32, Maker, large


def _dropout(before: Any, team: Any) -> Any:
    def dropout(x: Any, *, p: float, key: Any, shape: Any = None) -> Any:
        if not large(x) or p >= 1 or (shape is not None and shape != x.shape):
            return before(x, p=p, key=key, shape=shape)
        from ..loops import philox

        out = np.empty_like(x)
        source, target = x.reshape(-1), out.reshape(-1)
        first, second = (np.uint64(k) for k in key)
        below, scale = np.uint64(round((1 - p) * 65536)), F32.type(1 / (1 - p))
        philox.dropout(*team(x.size), source, first, second, below, scale, target)
        return out

    return dropout


MAKERS: dict[str, Maker] = {"dropout": _dropout}
