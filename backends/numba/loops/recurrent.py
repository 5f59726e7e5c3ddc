"""recurrent: an LSTM over some sequences: at each step a product, and one pass that does the rest.

Rows are sequences, and of what holds all steps, step by step; ``acts`` holds the gates input,
forget, cell and output side by side. ``starts``: the first row of each step, in the order in which
they are taken. Each loop touches few arrays: of more, the compiler would not look whether they
overlap, and not vectorise.
"""

from __future__ import annotations

import numpy as np

from .mathematics import compiled, sigmoid, tanh, wide
from .products import alone, product, together
from .team import share

_ONE = np.float32(1)
_U = np.uint64


@compiled
def lstm_step(gates, acts, before, cell, out):
    """``acts``: the products with the state, replaced by the gates after their activations."""
    wide()
    width = _U(cell.shape[1])
    f, g, o, end = width, width * _U(2), width * _U(3), width * _U(4)
    for r in range(cell.shape[0]):
        for j in range(g):
            acts[r, j] = sigmoid(acts[r, j] + gates[r, j])
        for j in range(g, o):
            acts[r, j] = tanh(acts[r, j] + gates[r, j])
        for j in range(o, end):
            acts[r, j] = sigmoid(acts[r, j] + gates[r, j])
        for j in range(width):
            cell[r, j] = acts[r, f + j] * before[r, j] + acts[r, j] * acts[r, g + j]
        for j in range(width):
            out[r, j] = acts[r, o + j] * tanh(cell[r, j])


@compiled
def lstm_step_back(acts, before, cell, of_out, of_cell, grads):
    """``of_cell`` is replaced by what goes on to the cell of the step before."""
    wide()
    width = _U(cell.shape[1])
    f, g, o = width, width * _U(2), width * _U(3)
    for r in range(cell.shape[0]):
        for j in range(width):
            d, t, gh = acts[r, o + j], tanh(cell[r, j]), of_out[r, j]
            of_cell[r, j] += gh * d * (_ONE - t * t)
            grads[r, o + j] = gh * t * d * (_ONE - d)
        for j in range(width):
            gc, a, c = of_cell[r, j], acts[r, j], acts[r, g + j]
            grads[r, j] = gc * c * a * (_ONE - a)
            grads[r, g + j] = gc * a * (_ONE - c * c)
        for j in range(width):
            gc, b = of_cell[r, j], acts[r, f + j]
            grads[r, f + j] = gc * before[r, j] * b * (_ONE - b)
            of_cell[r, j] = gc * b


@compiled
def _lstm(blas, gates, acts, cell, out, h0, c0, wt, starts, first, last):
    """The sequences from ``first`` to ``last``."""
    h, c = h0[first:last], c0[first:last]
    for start in starts:
        a, b = start + first, start + last
        product(blas, h, wt, acts[a:b])
        lstm_step(gates[a:b], acts[a:b], c, cell[a:b], out[a:b])
        h, c = out[a:b], cell[a:b]


@compiled
def _lstm_back(blas, acts, cell, g_out, g_cell, grads, of_h, of_c, c0, w, starts, first, last):
    gh, gc = of_h[first:last], of_c[first:last]
    for i in range(len(starts)):
        a, b = starts[i] + first, starts[i] + last
        if len(g_out):
            gh += g_out[a:b]
        if len(g_cell):
            gc += g_cell[a:b]
        before = c0[first:last]
        if i + 1 < len(starts):
            before = cell[starts[i + 1] + first : starts[i + 1] + last]
        lstm_step_back(acts[a:b], before, cell[a:b], gh, gc, grads[a:b])
        product(blas, grads[a:b], w, gh)


@compiled
def lstm(team, parts, blas, cores, gates, acts, cell, out, h0, c0, wt, starts):
    """All sequences, ``len(h0)`` of them."""
    before = alone(cores)
    share(team, _lstm, (blas, gates, acts, cell, out, h0, c0, wt, starts), len(h0), parts, 1)
    together(cores, before)


@compiled
def lstm_back(
    team, parts, blas, cores, acts, cell, g_out, g_cell, grads, of_h, of_c, c0, w, starts
):
    """``g_out``, ``g_cell``: without rows where nothing arrives. ``of_h`` and ``of_c`` begin as
    zeros, and end as the gradients of the first states."""
    given = (blas, acts, cell, g_out, g_cell, grads, of_h, of_c, c0, w, starts)
    before = alone(cores)
    share(team, _lstm_back, given, len(c0), parts, 1)
    together(cores, before)
