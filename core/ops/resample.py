"""resample: one dimension after the other mixed anew: interpolation, adaptive means, padding.

Along a dimension, output ``i`` is the sum over ``t`` of ``weights[t][i] * x[places[t][i]]``: its
*taps*. The transpose of such a map is again one, so the op is its own rule.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

from ..align import cast
from ..dtypes import float32, from_native, get_default_dtype
from ..errors import ShapeError
from ..op import op
from ..samples import Arr, Sample
from .products import product

#: The longest dimension whose places are listed one by one.
MOST_LISTED = 1 << 24


def listed(count: int) -> int:
    """A length of a dimension whose places can be listed; the error for one that cannot."""
    if not 0 <= count <= MOST_LISTED:
        raise ShapeError(f"a dimension of {count} is made here; it can have 0 to {MOST_LISTED}")
    return count


class Taps:
    """A map along a dimension of length ``n``: for each output, (place, weight) of its terms."""

    def __init__(self, n: int, terms: Iterable[dict[int, float]]) -> None:
        self.n = n
        self.terms = tuple(terms)

    def __repr__(self) -> str:
        return f"Taps({self.n} to {len(self.terms)})"

    @functools.cached_property
    def depth(self) -> int:
        """How many terms an output has at most."""
        return max(map(len, self.terms), default=0)

    @functools.cached_property
    def pieces(self) -> list[Piece]:
        """The terms, the first of each output before the second, and so on."""
        each = [list(terms.items()) for terms in self.terms]
        out: list[Piece] = []
        for t in range(self.depth):
            row = [(i, *terms[t]) for i, terms in enumerate(each) if t < len(terms)]
            runs = _runs(row)
            if len(runs) <= _FEW:
                out += [_run(run, t == 0) for run in runs]
                continue
            # An output with fewer terms takes its first once more, times zero.
            whole = [terms[t] if t < len(terms) else (next(iter(terms), (0,))[0], 0.0)
                     for terms in each]  # fmt: skip
            places = [place for place, _ in whole]
            out.append(Piece(slice(None), places, _weights(w for _, w in whole), t == 0))
        return out

    @functools.cached_property
    def matrix(self) -> list[list[float]] | None:
        """Of full rows only, (n, outputs): then a product with it does no needless work."""
        if self.depth < 8 or any(len(terms) < self.n for terms in self.terms):
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


class Piece(NamedTuple):
    """Some outputs, where in the input a term of each is, and its weight if not all are one."""

    outputs: slice
    places: slice | list[int]
    weights: list[float] | None
    first: bool


def _runs(row: list[tuple[int, int, float]]) -> list[list[tuple[int, int, float]]]:
    """The row cut where outputs or places change their step: slicing is faster than taking."""
    runs: list[list[tuple[int, int, float]]] = []
    for term in row:
        run = runs[-1] if runs else None
        if run is None or len(run) == 1:
            fits = run is not None and term[0] == run[0][0] + 1 and term[1] != run[0][1]
        else:
            fits = all(term[k] - run[-1][k] == run[1][k] - run[0][k] for k in (0, 1))
        if fits and run is not None:
            run.append(term)
        else:
            runs.append([term])
            if len(runs) > _FEW:
                return runs
    return runs


def _run(run: list[tuple[int, int, float]], first: bool) -> Piece:
    outputs = slice(run[0][0], run[-1][0] + 1)
    start, stop = run[0][1], run[-1][1]
    step = run[1][1] - start if len(run) > 1 else 1
    end = stop + (1 if step > 0 else -1)
    places = slice(start, None if end < 0 else end, step)
    return Piece(outputs, places, _weights(w for *_, w in run), first)


def _weights(values: Iterable[float]) -> list[float] | None:
    weights = list(values)
    return None if all(w == 1.0 for w in weights) else weights


#: So many slices are as fast as taking by an index.
_FEW = 6

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
    if whole and any(piece.weights for piece in taps.pieces):
        x = cast(x, get_default_dtype())
    if taps.matrix is not None:
        matrix = xp.asarray(taps.matrix, dtype=x.dtype)
        return xp.moveaxis(product(xp, xp.moveaxis(x, dim, -1), matrix), -1, dim)
    line = (-1,) + (1,) * (x.ndim - 1 - dim)
    before = (slice(None),) * dim
    shape = (*x.shape[:dim], len(taps.terms), *x.shape[dim + 1 :])
    complete = all(taps.terms)  # each output has a term
    out = (xp.empty if complete else xp.zeros)(shape, dtype=x.dtype)
    for outputs, places, weights, first in taps.pieces:
        if isinstance(places, slice):
            piece = x[(*before, places, ...)]
        else:
            piece = xp.take(x, xp.asarray(places, dtype=xp.int64), axis=dim)
        if weights is not None:
            factor = xp.reshape(xp.asarray(weights, dtype=x.dtype), line)
            piece = piece * factor
            if 0.0 in weights:  # infinity times zero is nothing here
                piece = xp.where(factor != 0, piece, xp.zeros((), dtype=x.dtype))
        if first:
            out[(*before, outputs, ...)] = piece
        else:
            out[(*before, outputs, ...)] += piece
    return out


def maps_of(x: Any, sizes: Iterable[int], taps: Callable[..., Taps], *extra: Iterable[Any]) -> Maps:
    """``taps(n, size, *extra)`` for each of the last dimensions, which become ``sizes``."""
    sizes = tuple(sizes)
    first = x.ndim - len(sizes)
    every = zip(x.shape[first:], sizes, *extra)
    return tuple((first + i, taps(*rest)) for i, rest in enumerate(every))
