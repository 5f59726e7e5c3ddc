"""tables: values added where an index names a place, which it may name more than once.

All flat: ``out`` (outer, length, width), ``source`` (outer, count, width). A call works on some of
the outer ones and some of the columns, so that threads never meet.
"""

from __future__ import annotations

import numpy as np

from .mathematics import compiled

_U = np.uint64


@compiled
def add_rows(source, rows, out, length, width, outer, columns, factor):
    """``rows``: for each of ``count`` the row of ``out`` that it is added to."""
    first, count = columns[0], _U(columns[1] - columns[0])
    for a in range(outer[0], outer[1]):
        for i in range(rows.size):
            to = _U((a * length + rows[i]) * width + first)
            start = _U((a * rows.size + i) * width + first)
            for j in range(count):
                out[to + j] += source[start + j] * factor


@compiled
def add_values(source, places, out, count, length, width, outer, columns):
    """``places``: of ``source``'s shape, the row of each value."""
    for a in range(outer[0], outer[1]):
        for i in range(count):
            start = _U((a * count + i) * width)
            for j in range(columns[0], columns[1]):
                row = places[start + _U(j)]
                out[_U((a * length + row) * width + j)] += source[start + _U(j)]
