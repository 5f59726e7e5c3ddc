"""recurrent: the steps of LSTM, GRU and plain recurrence, written into memory made once.

A step is one small product and a dozen passes over what stays in the cache. Sequences of unequal
length are rows at the front of the state, so a step of n sequences works on its first n rows.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from anadrome.ops.recurrent import steps

from .common import BLAS, HALVES, declared, in_float32

_add, _multiply, _subtract, _tanh = np.add, np.multiply, np.subtract, np.tanh


def _sigmoid(x: Any) -> None:
    """In place."""
    np.negative(x, x)
    np.exp(x, x)
    x += 1
    np.reciprocal(x, x)


def _slope(y: Any, out: Any) -> Any:
    """``y * (1 - y)``: the sigmoid's derivative at the result y."""
    _subtract(1, y, out)
    out *= y
    return out


def _transposed(w: Any, sizes: Any) -> Any:
    """BLAS multiplies faster by a matrix that lies the right way; for a few steps it is no gain."""
    return np.ascontiguousarray(w.T) if len(sizes) > 4 else w.T


def _like(rows: int, width: int, array: Any) -> Any:
    return np.empty((rows, width), array.dtype)


def _states(first: Any, values: Any, spans: list[tuple[int, int]]) -> list[Any]:
    """For each step the rows of the step before: views, or (where sequences begin) joined."""
    out = []
    last = first
    for start, stop in spans:
        n, have = stop - start, len(last)
        out.append(last[:n] if have >= n else (last, first[have:n]))
        last = values[start:stop]
    return [np.concatenate(s) if s.__class__ is tuple else s for s in out]


def lstm(gates: Any, h0: Any, c0: Any, w: Any, *, sizes: Any, reverse: bool) -> Any:
    """Outputs, cell states, gates after their activations."""
    if gates.dtype not in BLAS:
        if gates.dtype in HALVES:
            return in_float32(lstm, gates, h0, c0, w, sizes=sizes, reverse=reverse)
        return declared("lstm")(gates, h0, c0, w, sizes=sizes, reverse=reverse)
    width = h0.shape[1]
    out, cell = _like(len(gates), width, gates), _like(len(gates), width, gates)
    acts = np.empty_like(gates, order="C")
    wt = _transposed(w, sizes)
    fresh = np.empty_like(h0, order="C")
    h, c = h0, c0
    for start, stop in steps(sizes, reverse):
        n = stop - start
        if n != len(h):
            h, c = _grown(h, h0, n), _grown(c, c0, n)
        a, product = acts[start:stop], fresh[:n]
        np.matmul(h, wt, a)
        a += gates[start:stop]
        g = a[:, 2 * width : 3 * width]
        _tanh(g, product)
        _sigmoid(a)
        g[...] = product
        product *= a[:, :width]
        now = cell[start:stop]
        _multiply(a[:, width : 2 * width], c, now)
        now += product
        c = now
        h = out[start:stop]
        _tanh(c, h)
        h *= a[:, 3 * width :]
    return out, cell, acts


def _grown(state: Any, first: Any, n: int) -> Any:
    have = len(state)
    return state[:n] if have > n else np.concatenate((state, first[have:n]))


def lstm_backward(
    acts: Any, cell: Any, c0: Any, w: Any, g_out: Any = None, g_cell: Any = None,
    g_acts: Any = None, *, sizes: Any, reverse: bool,
) -> Any:  # fmt: skip
    """The gradients of the gates and of both first states."""
    given = [a for a in (acts, cell, c0, w, g_out, g_cell) if a is not None]
    mixed = any(a.dtype is not acts.dtype for a in given)
    if acts.dtype not in BLAS or g_acts is not None or mixed:
        return declared("lstm_backward")(
            acts, cell, c0, w, g_out, g_cell, g_acts, sizes=sizes, reverse=reverse
        )
    width = cell.shape[1]
    spans = steps(sizes, reverse)
    before = _states(c0, cell, spans)
    grads = np.empty_like(acts, order="C")
    # What is carried from step to step: of the sequences that are not running, what has arrived.
    all_h, all_c = np.zeros(c0.shape, acts.dtype), np.zeros(c0.shape, acts.dtype)
    space = np.empty((2, *c0.shape), acts.dtype)
    slopes = _like(len(c0), 2 * width, acts)
    for (start, stop), c_before in zip(spans[::-1], before[::-1]):
        n = stop - start
        gh, gc, t, u, s = all_h[:n], all_c[:n], space[0, :n], space[1, :n], slopes[:n]
        a, d = acts[start:stop], grads[start:stop]
        g, o = a[:, 2 * width : 3 * width], a[:, 3 * width :]
        d_g, d_o = d[:, 2 * width : 3 * width], d[:, 3 * width :]
        if g_out is not None:
            gh += g_out[start:stop]
        if g_cell is not None:
            gc += g_cell[start:stop]
        _tanh(cell[start:stop], t)
        _multiply(gh, o, u)
        _multiply(u, t, d_o)
        t *= t
        _subtract(1, t, t)
        t *= u
        gc += t
        _subtract(1, o, t)
        d_o *= t
        _multiply(gc, g, d[:, :width])
        _multiply(gc, c_before, d[:, width : 2 * width])
        d[:, : 2 * width] *= _slope(a[:, : 2 * width], s)
        _multiply(g, g, t)
        _subtract(1, t, t)
        t *= a[:, :width]
        _multiply(t, gc, d_g)
        gc *= a[:, width : 2 * width]
        np.matmul(d, w, gh)
    return grads, all_h, all_c


def gru(gates: Any, h0: Any, w: Any, b: Any = None, *, sizes: Any, reverse: bool) -> Any:
    """Outputs; the gates after their activations with the hidden part of the new one."""
    if gates.dtype not in BLAS:
        if gates.dtype in HALVES:
            return in_float32(gru, gates, h0, w, b, sizes=sizes, reverse=reverse)
        return declared("gru")(gates, h0, w, b, sizes=sizes, reverse=reverse)
    width = h0.shape[1]
    out, acts = _like(len(gates), width, gates), _like(len(gates), 4 * width, gates)
    wt = _transposed(w, sizes)
    hidden = _like(len(h0), 3 * width, gates)
    h = h0
    for start, stop in steps(sizes, reverse):
        n = stop - start
        if n != len(h):
            h = _grown(h, h0, n)
        a, x, own = acts[start:stop], gates[start:stop], hidden[:n]
        np.matmul(h, wt, own)
        if b is not None:
            own += b
        pair, new = a[:, : 2 * width], a[:, 2 * width : 3 * width]
        _add(own[:, : 2 * width], x[:, : 2 * width], pair)
        _sigmoid(pair)
        a[:, 3 * width :] = own[:, 2 * width :]
        _multiply(a[:, :width], own[:, 2 * width :], new)
        new += x[:, 2 * width :]
        _tanh(new, new)
        now = out[start:stop]
        _subtract(h, new, now)
        now *= a[:, width : 2 * width]
        now += new
        h = now
    return out, acts


def gru_backward(
    acts: Any, out: Any, h0: Any, w: Any, g_out: Any = None, g_acts: Any = None, *, sizes: Any,
    reverse: bool,
) -> Any:  # fmt: skip
    """The gradients of the gates as inputs made them and as the state did, and of the state."""
    unusual = acts.dtype not in BLAS or g_out is None or g_acts is not None
    if unusual or any(a.dtype is not acts.dtype for a in (out, h0, w, g_out)):
        return declared("gru_backward")(
            acts, out, h0, w, g_out, g_acts, sizes=sizes, reverse=reverse
        )
    width = out.shape[1]
    spans = steps(sizes, reverse)
    before = _states(h0, out, spans)
    grads, hidden = (_like(len(acts), 3 * width, acts) for _ in range(2))
    carried = np.zeros(h0.shape, acts.dtype)
    space = np.empty((2, *h0.shape), acts.dtype)
    for (start, stop), h_before in zip(spans[::-1], before[::-1]):
        n = stop - start
        gh, t, u = carried[:n], space[0, :n], space[1, :n]
        a, d, e = acts[start:stop], grads[start:stop], hidden[start:stop]
        r, z, new = a[:, :width], a[:, width : 2 * width], a[:, 2 * width : 3 * width]
        d_r, d_z, d_n = d[:, :width], d[:, width : 2 * width], d[:, 2 * width :]
        gh += g_out[start:stop]
        _subtract(h_before, new, d_z)
        d_z *= gh
        d_z *= _slope(z, t)
        _subtract(1, z, t)
        t *= gh
        _multiply(new, new, u)
        _subtract(1, u, u)
        _multiply(t, u, d_n)
        _multiply(d_n, a[:, 3 * width :], d_r)
        d_r *= _slope(r, t)
        e[:, : 2 * width] = d[:, : 2 * width]
        _multiply(d_n, r, e[:, 2 * width :])
        gh *= z
        np.matmul(e, w, t)
        gh += t
    return grads, hidden, carried


def rnn(gates: Any, h0: Any, w: Any, *, act: str, sizes: Any, reverse: bool) -> Any:
    """The outputs."""
    if gates.dtype not in BLAS:
        if gates.dtype in HALVES:
            return in_float32(rnn, gates, h0, w, act=act, sizes=sizes, reverse=reverse)
        return declared("rnn")(gates, h0, w, act=act, sizes=sizes, reverse=reverse)
    out = np.empty_like(gates, order="C")
    wt = _transposed(w, sizes)
    h = h0
    for start, stop in steps(sizes, reverse):
        n = stop - start
        if n != len(h):
            h = _grown(h, h0, n)
        now = out[start:stop]
        np.matmul(h, wt, now)
        now += gates[start:stop]
        if act == "tanh":
            _tanh(now, now)
        else:
            np.maximum(now, 0, out=now)
        h = now
    return out


KERNELS: dict[str, Callable[..., Any]] = {
    "lstm": lstm,
    "lstm_backward": lstm_backward,
    "gru": gru,
    "gru_backward": gru_backward,
    "rnn": rnn,
}
