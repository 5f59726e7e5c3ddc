"""tables: gradients of rows that were looked up, added up where a row occurs more than once."""

from __future__ import annotations

from .mathematics import compiled


@compiled
def add_rows(grad, rows, out, first, last):
    """Only to the columns from ``first`` to ``last``, so that threads never meet."""
    for i in range(rows.size):
        row = rows[i]
        for j in range(first, last):
            out[row, j] += grad[i, j]
