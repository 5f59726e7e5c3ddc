"""sobol: the engine that draws the points of a Sobol sequence.

A point is the exclusive or of those direction numbers that the Gray code of its index names, so
the next one takes one exclusive or (I. A. Antonov and V. M. Saleev, 1979). Scrambled points are
the same after a random lower triangular matrix of bits, and a random shift, in each dimension
(J. Matoušek, On the L2-discrepancy for anchored boxes, 1998).
"""

from __future__ import annotations

import operator
from typing import Any

import numpy as np

import anadrome as ad
from anadrome import Tensor

from .directions import BITS, DIMENSIONS, directions
from .scrambling import scrambled, source


class SobolEngine:
    """Draws the points of a Sobol sequence in order (PyTorch: ``torch.quasirandom.SobolEngine``).

    ``dimension``: up to ``MAXDIM``. ``scramble``: a random scrambling that keeps the points even.
    ``seed``: of the scrambling; the same seed gives PyTorch's points, without one the default
    generator is asked. Raises ValueError for a dimension that is out of range.

    >>> import anadrome as ad
    >>> points = ad.quasirandom.SobolEngine(2)
    >>> points.draw(3)
    tensor([[0.0000, 0.0000],
            [0.5000, 0.5000],
            [0.7500, 0.2500]])
    >>> points.num_generated
    3
    """

    MAXBIT = BITS
    MAXDIM = DIMENSIONS

    def __init__(self, dimension: int, scramble: bool = False, seed: int | None = None) -> None:
        if dimension > self.MAXDIM or dimension < 1:
            raise ValueError(
                f"Supported range of dimensionality for SobolEngine is [1, {self.MAXDIM}]"
            )
        self.dimension = operator.index(dimension)
        self.scramble = scramble
        self.seed = seed
        numbers = directions(self.dimension)
        shift = np.zeros(self.dimension, np.int64)
        if scramble:
            numbers, shift = scrambled(numbers, source(seed))
        self.sobolstate = ad.from_numpy(numbers)
        self.shift = ad.from_numpy(shift)
        self.reset()
        self._first_point = (self.shift / 2**BITS).reshape(1, -1)

    def reset(self) -> SobolEngine:
        """Back to the first point; returns self."""
        self.quasi = self.shift.clone()
        self.num_generated = 0
        return self

    def draw(self, n: int = 1, out: Tensor | None = None, dtype: Any = None) -> Tensor:
        """The next ``n`` points; shape (n, dimension), in [0, 1).

        ``dtype``: float32 or float64, by default the default dtype. ``out`` takes the result's
        shape.
        """
        dtype = ad.get_default_dtype() if dtype is None else dtype
        if self.num_generated == 0 and n == 1:
            result = self._first_point.to(dtype)
        elif self.num_generated == 0:
            result = ad.cat([self._first_point.to(dtype), self._next(n - 1, 0, dtype)])
        else:
            result = self._next(n, self.num_generated - 1, dtype)
        self.num_generated += n
        if out is not None:
            return out.resize_as_(result).copy_(result)
        return result

    def draw_base2(self, m: int, out: Tensor | None = None, dtype: Any = None) -> Tensor:
        """The next ``2**m`` points; ValueError unless their number comes to a power of two."""
        n = 2**m
        total = self.num_generated + n
        if total & (total - 1):
            raise ValueError(
                "The balance properties of Sobol' points require n to be a power of 2. "
                f"{self.num_generated} points have been previously generated, then: "
                f"n={self.num_generated}+2**{m}={total}. If you still want to do this, please use "
                "'SobolEngine.draw()' instead."
            )
        return self.draw(n, out, dtype)

    def fast_forward(self, n: int) -> SobolEngine:
        """Leave out ``n`` points; returns self."""
        start, steps = (0, n - 1) if self.num_generated == 0 else (self.num_generated - 1, n)
        if steps > 0:
            end = _checked(start + steps)
            change = start ^ start >> 1 ^ end ^ end >> 1  # of their Gray codes
            columns = [i for i in range(BITS) if change >> i & 1]
            quasi = self.quasi.numpy()
            quasi ^= np.bitwise_xor.reduce(self.sobolstate.numpy()[:, columns], axis=1)
        self.num_generated += n
        return self

    def __repr__(self) -> str:
        scramble = ", scramble=True" if self.scramble else ""
        seed = "" if self.seed is None else f", seed={self.seed}"
        return f"{type(self).__name__}(dimension={self.dimension}{scramble}{seed})"

    def _next(self, n: int, start: int, dtype: Any) -> Tensor:
        """The points after the one with index ``start``."""
        if dtype not in (ad.float32, ad.float64):
            raise ad.errors.UnsupportedError(
                f'"_sobol_engine_draw" not implemented for {dtype}; use float32 or float64, and '
                "Tensor.to"
            )
        if n < 0:
            shape = [n, self.dimension]
            raise ad.errors.ShapeError(
                f"Trying to create tensor with negative dimension {n}: {shape}"
            )
        steps = np.arange(start + 1, _checked(start + operator.index(n)) + 1)
        columns = np.frexp((steps & -steps).astype(np.float64))[1] - 1  # the lowest bit that is set
        points = np.empty((n + 1, self.dimension), np.int64)
        points[0] = self.quasi.numpy()
        np.take(np.ascontiguousarray(self.sobolstate.numpy().T), columns, 0, out=points[1:])
        np.bitwise_xor.accumulate(points, axis=0, out=points)
        self.quasi = ad.from_numpy(points[-1].copy())
        return ad.from_numpy(points[1:]).to(dtype) * 2.0**-BITS


def _checked(index: int) -> int:
    """The index of a point, if there is one."""
    if index >= 1 << BITS:
        raise ad.errors.RangeError(
            f"a Sobol sequence of {BITS} bits has 2**{BITS} points; call reset() to begin again"
        )
    return index
