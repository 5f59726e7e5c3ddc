"""resample: one dimension after the other mixed anew: interpolation, adaptive means, padding.

Along a dimension, output ``i`` is the sum over ``t`` of ``weights[t][i] * x[places[t][i]]``: its
*taps*. The transpose of such a map is again one, so the op is its own rule.
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable, Iterable
from typing import Any

from ..align import cast
from ..dtypes import float32, from_native, get_default_dtype
from ..op import op
from ..samples import Arr, Sample
from .products import product


class Taps:
    """A map along a dimension of length ``n``: for each output, (place, weight) of its terms."""

    def __init__(self, n: int, terms: Iterable[dict[int, float]]) -> None:
        self.n = n
        self.terms = tuple(terms)

    def __repr__(self) -> str:
        return f"Taps({self.n} to {len(self.terms)})"

    @functools.cached_property
    def rows(self) -> list[tuple[Any, list[float] | None]]:
        """A term of every output at a time: its places, and its weights unless all are one."""
        out: list[tuple[Any, list[float] | None]] = []
        each = [list(terms.items()) for terms in self.terms]
        for t in range(max(map(len, each), default=0)):
            # An output with fewer terms takes its first once more, times zero.
            row = [terms[t] if t < len(terms) else (next(iter(terms), (0,))[0], 0.0)
                   for terms in each]  # fmt: skip
            places = [place for place, _ in row]
            weights = [weight for _, weight in row]
            plain = all(w == 1.0 for w in weights)
            out.append((_slice(places) or places, None if plain else weights))
        return out

    @functools.cached_property
    def matrix(self) -> list[list[float]] | None:
        """Of full rows only, (n, outputs): then a product with it does no needless work."""
        if len(self.rows) < 8 or any(len(terms) < self.n for terms in self.terms):
            return None
        return [[terms[place] for terms in self.terms] for place in range(self.n)]

    @functools.cached_property
    def transposed(self) -> Taps:
        """The map that sends gradients back."""
        back: list[dict[int, float]] = [{} for _ in range(self.n)]
        for i, terms in enumerate(self.terms):
            for place, weight in terms.items():
                back[place][i] = weight
        out = Taps(len(self.terms), back)
        out.__dict__["transposed"] = self
        return out


def _slice(places: list[int]) -> slice | None:
    """The slice that the places are; slicing is faster than taking."""
    step = places[1] - places[0] if len(places) > 1 else 1
    if step <= 0 or any(b - a != step for a, b in itertools.pairwise(places)):
        return None
    return slice(places[0], places[-1] + 1, step)


Maps = tuple[tuple[int, Taps], ...]

_UP = Taps(3, [{0: 1.0}, {0: 0.5, 1: 0.5}, {1: 1.0}, {1: 0.25, 2: 0.75}, {2: 1.0}])
_DOWN = Taps(4, [{0: 0.5, 1: 0.5}, {3: 1.0}])
_FROM_ONE = Taps(1, [{0: 1.0}] * 9)

resample = op(
    "resample",
    lambda xp, x, *, maps: functools.reduce(lambda x, m: _along(xp, x, *m), maps, x),
    x=lambda g, maps: resample(g, maps=transposed(maps)),
    method=False,
    samples=[
        Sample((Arr((2, 3)),), {"maps": ((1, _UP),)}),
        Sample((Arr((2, 4, 3)),), {"maps": ((1, _DOWN), (2, _UP))}),
        Sample((Arr((2, 1)),), {"maps": ((-1, _FROM_ONE),)}),
    ],
)


def transposed(maps: Maps) -> Maps:
    """The maps that send gradients back."""
    return tuple((dim, taps.transposed) for dim, taps in reversed(maps))


def _along(xp: Any, x: Any, dim: int, taps: Taps) -> Any:
    dim %= x.ndim
    whole = from_native[x.dtype].category < float32.category
    if whole and any(weights for _, weights in taps.rows):
        x = cast(x, get_default_dtype())
    if taps.matrix is not None:
        matrix = xp.asarray(taps.matrix, dtype=x.dtype)
        return xp.moveaxis(product(xp, xp.moveaxis(x, dim, -1), matrix), -1, dim)
    total = None
    line = (-1,) + (1,) * (x.ndim - 1 - dim)
    for places, weights in taps.rows:
        if isinstance(places, slice):
            piece = x[(slice(None),) * dim + (places, ...)]
        else:
            piece = xp.take(x, xp.asarray(places, dtype=xp.int64), axis=dim)
        if weights is not None:
            factor = xp.reshape(xp.asarray(weights, dtype=x.dtype), line)
            piece = piece * factor
            if 0.0 in weights:  # infinity times zero is nothing here
                piece = xp.where(factor != 0, piece, xp.zeros((), dtype=x.dtype))
        total = piece if total is None else total + piece
    if total is None:
        shape = (*x.shape[:dim], len(taps.terms), *x.shape[dim + 1 :])
        return xp.zeros(shape, dtype=x.dtype)
    return xp.asarray(total, copy=True) if len(taps.rows) == 1 else total


def maps_of(x: Any, sizes: Iterable[int], taps: Callable[..., Taps], *extra: Iterable[Any]) -> Maps:
    """``taps(n, size, *extra)`` for each of the last dimensions, which become ``sizes``."""
    sizes = tuple(sizes)
    first = x.ndim - len(sizes)
    every = zip(x.shape[first:], sizes, *extra)
    return tuple((first + i, taps(*rest)) for i, rest in enumerate(every))
