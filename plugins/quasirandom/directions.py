"""directions: the direction numbers of Sobol sequences, by S. Joe and F. Y. Kuo.

A dimension is made from a primitive polynomial over the field of two elements and from as many odd
numbers, its first direction numbers, as the polynomial has degrees; a recurrence gives the others.
``joe_kuo.bin`` holds both for dimensions 2 to 21,201, packed without what is always the same: of a
polynomial the inner coefficients, of the odd number ``m_j < 2**j`` the bits above the last.

The numbers are those of criterion D(6): S. Joe and F. Y. Kuo, Constructing Sobol sequences with
better two-dimensional projections, SIAM J. Sci. Comput. 30, 2635-2654 (2008).
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

BITS = 30
DIMENSIONS = 21201

#: How many dimensions have a polynomial of each degree, from degree 1.
_OF_DEGREE = (1, 1, 2, 2, 6, 6, 18, 16, 48, 60, 176, 144, 630, 756, 1800, 2048, 7710, 7776)


def directions(dimensions: int) -> Any:
    """Direction numbers as integers below ``2**BITS``; shape (dimensions, BITS), int64."""
    out = np.empty((dimensions, BITS), np.int64)
    out[0] = 1  # the first dimension reverses the bits of a number
    bits = np.unpackbits(np.fromfile(Path(__file__).with_name("joe_kuo.bin"), np.uint8))
    first, at = 1, 0
    for degree, count in enumerate(_OF_DEGREE, 1):
        if first >= dimensions:
            break
        count = min(count, dimensions - first)
        width = degree - 1 + degree * (degree - 1) // 2
        packed = bits[at : at + count * width].reshape(count, width)
        _recur(out[first : first + count], packed, degree)
        first, at = first + count, at + count * width
    return out << np.arange(BITS - 1, -1, -1)


def _recur(out: Any, packed: Any, degree: int) -> None:
    """Fill the numbers ``m_j`` of the dimensions whose polynomials have one degree."""
    inner, at = packed[:, : degree - 1].astype(np.int64), degree - 1
    for j in range(degree):
        out[:, j] = packed[:, at : at + j] @ (1 << np.arange(j, 0, -1)) + 1
        at += j
    for j in range(degree, BITS):
        value = out[:, j - degree] ^ (out[:, j - degree] << degree)
        for i in range(1, degree):
            value ^= inner[:, i - 1] * (out[:, j - i] << i)
        out[:, j] = value
