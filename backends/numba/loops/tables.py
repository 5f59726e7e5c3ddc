"""tables: values added where an index names a place, which it may name more than once.

All flat: ``out`` (outer, length, width), ``source`` (outer, count, width). Threads have some of the
outer ones each or, if there is one, some of the columns, and never meet.
"""

from __future__ import annotations

import numpy as np

from .mathematics import compiled
from .team import share

_U = np.uint64


@compiled
def _add_rows(source, rows, out, length, width, outer, columns, factor):
    first, count = columns[0], _U(columns[1] - columns[0])
    for a in range(outer[0], outer[1]):
        for i in range(rows.size):
            to = _U((a * length + rows[i]) * width + first)
            start = _U((a * rows.size + i) * width + first)
            for j in range(count):
                out[to + j] += source[start + j] * factor


@compiled
def _add_rows_outer(source, rows, out, length, width, factor, outer, first, last):
    _add_rows(source, rows, out, length, width, (first, last), (0, width), factor)


@compiled
def _add_rows_columns(source, rows, out, length, width, factor, outer, first, last):
    _add_rows(source, rows, out, length, width, (0, outer), (first, last), factor)


@compiled
def add_rows(team, parts, source, rows, out, length, width, factor, outer):
    """``rows``: for each of ``count`` the row of ``out`` that it is added to, times ``factor``."""
    given = (source, rows, out, length, width, factor, outer)
    if outer > 1:
        share(team, _add_rows_outer, given, outer, parts, 2)
    else:
        share(team, _add_rows_columns, given, width, parts, 1)


@compiled
def _add_values(source, places, out, count, length, width, outer, columns):
    for a in range(outer[0], outer[1]):
        for i in range(count):
            start = _U((a * count + i) * width)
            for j in range(columns[0], columns[1]):
                row = places[start + _U(j)]
                out[_U((a * length + row) * width + j)] += source[start + _U(j)]


@compiled
def _add_values_outer(source, places, out, count, length, width, outer, first, last):
    _add_values(source, places, out, count, length, width, (first, last), (0, width))


@compiled
def _add_values_columns(source, places, out, count, length, width, outer, first, last):
    _add_values(source, places, out, count, length, width, (0, outer), (first, last))


@compiled
def add_values(team, parts, source, places, out, count, length, width, outer):
    """``places``: of ``source``'s shape, the row of each value."""
    given = (source, places, out, count, length, width, outer)
    if outer > 1:
        share(team, _add_values_outer, given, outer, parts, 2)
    else:
        share(team, _add_values_columns, given, width, parts, 1)
