"""pieces: large arrays in blocks that fit the cache, for updates in place."""

from __future__ import annotations

import functools
import itertools
import math
from collections.abc import Iterator
from typing import Any

from .. import backend as backends
from ..dtypes import float32, from_native
from ..tensor import Tensor


def blocks(*arrays: Any, read: Any) -> Iterator[tuple[Any, ...]]:
    """Matching pieces of the ``arrays`` that are updated, and last of the one that is ``read``.

    The pieces are views, each small enough for the cache, so that the temporaries of an update
    never leave it; the size is the backend's ``block``, without one a piece is the whole. A loop
    writes into them in place, and leaves the last alone. An array may be None and stays so. Half
    precision comes as float32, and is rounded once, when the loop goes on.

    >>> import numpy as np
    >>> import anadrome as ad
    >>> total = np.zeros((300, 300))
    >>> for t, g in ad.optim.blocks(total, read=np.ones((300, 300))):
    ...     t += g
    >>> float(total.sum())
    90000.0
    """
    first = arrays[0]
    if isinstance(first, Tensor):
        yield (*arrays, read)
        return
    backend = backends.by_type[first.__class__]
    size = backend.block
    kind = from_native[first.dtype]
    if size is None or math.prod(first.shape) <= size:
        pieces: Any = ((*arrays, read),)
    else:
        indices = _indices(tuple(first.shape), size)
        pieces = (tuple(None if a is None else a[i] for a in (*arrays, read)) for i in indices)
    if kind.itemsize > 2:
        yield from pieces
        return
    xp = backend.xp
    wide = backend.dtype(float32)
    for narrow in pieces:
        lifted = tuple(None if a is None else xp.astype(a, wide) for a in narrow)
        yield lifted
        for a, result in zip(narrow[:-1], lifted):
            if a is not None:
                a[...] = xp.astype(result, a.dtype)


@functools.lru_cache(maxsize=256)
def _indices(shape: tuple[int, ...], size: int) -> tuple[tuple[Any, ...], ...]:
    """Indices that cut a shape into pieces of about ``size``: rows, or parts of long rows."""
    axis = 0
    rest = math.prod(shape[1:])
    while rest > size:
        axis += 1
        rest = math.prod(shape[axis + 1 :])
    step = max(size // rest, 1)
    cuts = [slice(i, i + step) for i in range(0, shape[axis], step)]
    return tuple(
        (*outer, cut) for outer in itertools.product(*map(range, shape[:axis])) for cut in cuts
    )
