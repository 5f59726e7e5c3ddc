"""recurrent: LSTM, GRU and plain recurrence over a whole sequence, one op a layer and direction.

The products of the inputs are made outside, for all steps at once; what is left is the recurrence.
Rows are those of a packed sequence: step t has ``sizes[t]`` of them, the lengths never grow, and
row i of each step belongs to sequence i. A batch of equal lengths is the case of equal sizes.
``reverse`` goes from the last step to the first.

``*_backward`` gives the gradients of the gates; those of the weights are one product over all
steps. The steps are written once, over a namespace: over ``xp`` they are the forwards, over public
ops the second derivative (``composed.rule``).

Papers: Hochreiter & Schmidhuber, Neural Computation 9(8), 1997; Cho et al., arXiv:1406.1078.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ..op import FLOAT, HALF, op
from ..samples import Arr, call
from . import composed
from .joining import cat_arrays as cat
from .products import mm, swap
from .reduce import sum

_EVEN: Any = {"sizes": (2, 2, 2), "reverse": False}
_EVEN_BACK: Any = {"sizes": (2, 2), "reverse": True}
_RAGGED: Any = {"sizes": (3, 2, 1), "reverse": False}
_RAGGED_BACK: Any = {"sizes": (3, 1), "reverse": True}

# fmt: off
#: ``gates``: (rows, 4 H), in the order input, forget, cell, output; ``w``: (4 H, H).
lstm = op("lstm", lambda xp, gates, h0, c0, w, *, sizes, reverse:
              _lstm(composed.over(xp), gates, h0, c0, w, sizes, reverse),
          joint=lambda g, h0, c0, w, out, cell, acts, sizes, reverse, needs:
              _lstm_rule(g, h0, c0, w, out, cell, acts, sizes, reverse, needs),
          outputs=("out", "cell", "acts"), dtype=FLOAT, amp=HALF, method=False,
          samples=[s for rows, kw in ((6, _EVEN), (4, _EVEN_BACK), (6, _RAGGED), (4, _RAGGED_BACK))
                   for n in (kw["sizes"][0],)
                   for s in call(Arr((rows, 8)), Arr((n, 2)), Arr((n, 2)), Arr((8, 2)), **kw)])
lstm_backward = op("lstm_backward", lambda xp, acts, cell, c0, w, g_out=None, g_cell=None,
                       g_acts=None, *, sizes, reverse: _lstm_back(
                           composed.over(xp), acts, cell, c0, w, g_out, g_cell, g_acts, sizes,
                           reverse),
                   joint=lambda g, acts, cell, c0, w, g_out, g_cell, g_acts, sizes, reverse, needs:
                       composed.rule(_lstm_back, g, (acts, cell, c0, w, g_out, g_cell, g_acts),
                                     needs, sizes, reverse),
                   outputs=("g_gates", "g_h0", "g_c0"), dtype=FLOAT, method=False,
                   samples=call(Arr((4, 8)), Arr((4, 2)), Arr((2, 2)), Arr((8, 2)), Arr((4, 2)),
                                Arr((4, 2)), Arr((4, 8)), sizes=(2, 2), reverse=False)
                   + call(Arr((4, 8)), Arr((4, 2)), Arr((3, 2)), Arr((8, 2)), Arr((4, 2)), None,
                          None, **_RAGGED_BACK)
                   + call(Arr((4, 8)), Arr((4, 2)), Arr((3, 2)), Arr((8, 2)), None, Arr((4, 2)),
                          None, sizes=(3, 1), reverse=False))
#: ``gates``: (rows, 3 H), in the order reset, update, new; ``w``: (3 H, H), ``b``: (3 H,).
gru = op("gru", lambda xp, gates, h0, w, b=None, *, sizes, reverse:
             _gru(composed.over(xp), gates, h0, w, b, sizes, reverse),
         joint=lambda g, h0, w, out, acts, sizes, reverse, needs:
             _gru_rule(g, h0, w, out, acts, sizes, reverse, needs),
         outputs=("out", "acts"), dtype=FLOAT, amp=HALF, method=False,
         samples=call(Arr((6, 6)), Arr((2, 2)), Arr((6, 2)), Arr((6,)), **_EVEN)
         + call(Arr((4, 6)), Arr((2, 2)), Arr((6, 2)), None, **_EVEN_BACK)
         + call(Arr((6, 6)), Arr((3, 2)), Arr((6, 2)), Arr((6,)), **_RAGGED)
         + call(Arr((4, 6)), Arr((3, 2)), Arr((6, 2)), Arr((6,)), **_RAGGED_BACK))
#: The gradients of the gates as the inputs made them, and as the hidden state did.
gru_backward = op("gru_backward", lambda xp, acts, out, h0, w, g_out=None, g_acts=None, *, sizes,
                      reverse: _gru_back(composed.over(xp), acts, out, h0, w, g_out, g_acts, sizes,
                                         reverse),
                  joint=lambda g, acts, out, h0, w, g_out, g_acts, sizes, reverse, needs:
                      composed.rule(_gru_back, g, (acts, out, h0, w, g_out, g_acts), needs, sizes,
                                    reverse),
                  outputs=("g_gates", "g_hidden", "g_h0"), dtype=FLOAT, method=False,
                  samples=call(Arr((4, 8)), Arr((4, 2)), Arr((2, 2)), Arr((6, 2)), Arr((4, 2)),
                               Arr((4, 8)), **_EVEN_BACK)
                  + call(Arr((4, 8)), Arr((4, 2)), Arr((3, 2)), Arr((6, 2)), Arr((4, 2)), None,
                         sizes=(3, 1), reverse=False))
#: ``act(gates + h @ w.T)``; ``act``: "tanh" or "relu".
rnn = op("rnn", lambda xp, gates, h0, w, *, act, sizes, reverse:
             _rnn(composed.over(xp), gates, h0, w, act, sizes, reverse),
         joint=lambda g, h0, w, out, act, sizes, reverse, needs:
             _rnn_rule(g, h0, w, out, act, sizes, reverse, needs),
         dtype=FLOAT, amp=HALF, method=False,
         samples=call(Arr((6, 2)), Arr((2, 2)), Arr((2, 2)), act="tanh", **_EVEN)
         + call(Arr((4, 2)), Arr((3, 2)), Arr((2, 2)), act="tanh", **_RAGGED_BACK)
         + call(Arr((6, 2)), Arr((3, 2)), Arr((2, 2)), act="relu", **_RAGGED))
rnn_backward = op("rnn_backward", lambda xp, out, w, g_out, *, act, sizes, reverse:
                      _rnn_back(composed.over(xp), out, w, g_out, act, sizes, reverse),
                  joint=lambda g, out, w, g_out, act, sizes, reverse, needs:
                      composed.rule(_rnn_back, g, (out, w, g_out), needs, act, sizes, reverse),
                  outputs=("g_gates", "g_h0"), dtype=FLOAT, method=False,
                  samples=call(Arr((4, 2)), Arr((2, 2)), Arr((4, 2)), act="tanh", **_EVEN_BACK)
                  + call(Arr((4, 2), 0.1, 2), Arr((2, 2)), Arr((4, 2)), act="relu", sizes=(3, 1),
                         reverse=False))
# fmt: on


# -- walking along the steps ---------------------------------------------------------------------
def steps(sizes: Any, reverse: bool) -> list[tuple[int, int]]:
    """Where each step's rows begin and end, in the order of the recurrence."""
    spans = []
    start = 0
    for n in sizes:
        spans.append((start, start + n))
        start += n
    return spans[::-1] if reverse else spans


def _entered(m: Any, state: Any, first: Any, n: int) -> Any:
    """The state of n sequences: those that are over leave, those that begin bring ``first``."""
    have = state.shape[0]
    if have == n:
        return state
    return state[:n, :] if have > n else m.cat([state, first[have:n, :]], 0)


def _previous(m: Any, values: Any, first: Any, spans: list[tuple[int, int]]) -> Iterator[Any]:
    """For each step, the rows of ``values`` from the step before it."""
    before = first
    for start, stop in spans:
        yield _entered(m, before, first, stop - start)
        before = values[start:stop, :]


def _joined(m: Any, parts: list[Any], reverse: bool) -> Any:
    """The steps' rows in order of time."""
    return m.cat(parts[::-1] if reverse else parts, 0)


class _Carry:
    """Gradients that go from a step to the one before it, for as many sequences as run there."""

    def __init__(self, m: Any) -> None:
        self.m = m
        self.now: Any = None
        self.left: list[Any] = []

    def plus(self, g: Any, n: int) -> Any:
        """What arrives at a step of n sequences: ``g``, and what was carried to it."""
        now = self.now
        if now is None:
            return g
        have = now.shape[0]
        if have > n:  # these sequences began at the step after
            self.left.append(now[n:, :])
            return g + now[:n, :]
        return g + now if have == n else self.m.cat([g[:have, :] + now, g[have:, :]], 0)

    def all(self) -> Any:
        """What has reached the first states."""
        return self.now if not self.left else self.m.cat([self.now, *self.left[::-1]], 0)


def before(values: Any, first: Any, sizes: Any, reverse: bool) -> Any:
    """For each row the row of the step before; in one or two pieces if all sizes are equal."""
    n = sizes[0]
    if sizes[-1] == n:
        rest = values[n:, :] if reverse else values[: -n or None, :]
        return cat(rest, first, dim=0) if reverse else cat(first, rest, dim=0)
    spans = steps(sizes, reverse)
    parts = list(_previous(composed.PUBLIC, values, first, spans))
    return _joined(composed.PUBLIC, parts, reverse)


# -- LSTM ----------------------------------------------------------------------------------------
def _lstm(m: Any, gates: Any, h0: Any, c0: Any, w: Any, sizes: Any, reverse: bool) -> Any:
    h, c = h0, c0
    width = h0.shape[1]
    outs, cells, acts = [], [], []
    for start, stop in steps(sizes, reverse):
        h, c = _entered(m, h, h0, stop - start), _entered(m, c, c0, stop - start)
        a = gates[start:stop, :] + h @ w.T
        i, f = m.sigmoid(a[:, :width]), m.sigmoid(a[:, width : 2 * width])
        g, o = m.tanh(a[:, 2 * width : 3 * width]), m.sigmoid(a[:, 3 * width :])
        c = f * c + i * g
        h = o * m.tanh(c)
        outs.append(h)
        cells.append(c)
        acts.append(m.cat([i, f, g, o], 1))
    return tuple(_joined(m, parts, reverse) for parts in (outs, cells, acts))


def _lstm_rule(
    g: Any, h0: Any, c0: Any, w: Any, out: Any, cell: Any, acts: Any, sizes: Any, reverse: bool,
    needs: Any,
) -> Any:  # fmt: skip
    g_gates, g_h0, g_c0 = lstm_backward(acts, cell, c0, w, *g, sizes=sizes, reverse=reverse)
    g_w = mm(swap(g_gates), before(out, h0, sizes, reverse)) if needs[3] else None
    return (
        g_gates if needs[0] else None, g_h0 if needs[1] else None, g_c0 if needs[2] else None, g_w,
    )  # fmt: skip


def _lstm_back(
    m: Any, acts: Any, cell: Any, c0: Any, w: Any, g_out: Any, g_cell: Any, g_acts: Any,
    sizes: Any, reverse: bool,
) -> Any:  # fmt: skip
    width = cell.shape[1]
    spans = steps(sizes, reverse)
    previous = list(_previous(m, cell, c0, spans))
    to_h, to_c = _Carry(m), _Carry(m)
    parts = []
    for (start, stop), c_before in zip(spans[::-1], previous[::-1]):
        i, f, g, o = _quarters(acts[start:stop, :], width)
        t = m.tanh(cell[start:stop, :])
        gh = to_h.plus(t * 0.0 if g_out is None else g_out[start:stop, :], stop - start)
        inner = gh * o * (1.0 - t * t)
        gc = to_c.plus(inner if g_cell is None else inner + g_cell[start:stop, :], stop - start)
        of_acts = [gc * g, gc * c_before, gc * i, gh * t]
        if g_acts is not None:  # only in a second derivative
            given = _quarters(g_acts[start:stop, :], width)
            of_acts = [a + b for a, b in zip(of_acts, given)]
        g_i, g_f, g_g, g_o = of_acts
        parts.append(m.cat([g_i * i * (1.0 - i), g_f * f * (1.0 - f), g_g * (1.0 - g * g),
                            g_o * o * (1.0 - o)], 1))  # fmt: skip
        to_h.now, to_c.now = parts[-1] @ w, gc * f
    return _joined(m, parts, not reverse), to_h.all(), to_c.all()


def _quarters(a: Any, width: int) -> tuple[Any, ...]:
    return tuple(a[:, k * width : (k + 1) * width] for k in range(4))


# -- GRU -----------------------------------------------------------------------------------------
def _gru(m: Any, gates: Any, h0: Any, w: Any, b: Any, sizes: Any, reverse: bool) -> Any:
    h = h0
    width = h0.shape[1]
    outs, acts = [], []
    for start, stop in steps(sizes, reverse):
        h = _entered(m, h, h0, stop - start)
        a = gates[start:stop, :]
        own = h @ w.T if b is None else h @ w.T + b
        r = m.sigmoid(a[:, :width] + own[:, :width])
        z = m.sigmoid(a[:, width : 2 * width] + own[:, width : 2 * width])
        hidden = own[:, 2 * width :]
        n = m.tanh(a[:, 2 * width :] + r * hidden)
        h = n + z * (h - n)
        outs.append(h)
        acts.append(m.cat([r, z, n, hidden], 1))
    return _joined(m, outs, reverse), _joined(m, acts, reverse)


def _gru_rule(
    g: Any, h0: Any, w: Any, out: Any, acts: Any, sizes: Any, reverse: bool, needs: Any
) -> Any:
    g_gates, g_hidden, g_h0 = gru_backward(acts, out, h0, w, *g, sizes=sizes, reverse=reverse)
    return (
        g_gates if needs[0] else None,
        g_h0 if needs[1] else None,
        mm(swap(g_hidden), before(out, h0, sizes, reverse)) if needs[2] else None,
        sum(g_hidden, dim=(0,)) if needs[3] else None,
    )


def _gru_back(
    m: Any, acts: Any, out: Any, h0: Any, w: Any, g_out: Any, g_acts: Any, sizes: Any, reverse: bool
) -> Any:
    width = out.shape[1]
    spans = steps(sizes, reverse)
    previous = list(_previous(m, out, h0, spans))
    to_h = _Carry(m)
    parts, hidden_parts = [], []
    for (start, stop), h_before in zip(spans[::-1], previous[::-1]):
        r, z, n, hidden = _quarters(acts[start:stop, :], width)
        gh = to_h.plus(n * 0.0 if g_out is None else g_out[start:stop, :], stop - start)
        g_z, g_n = gh * (h_before - n), gh * (1.0 - z)
        g_acts_now = None
        if g_acts is not None:  # only in a second derivative
            g_acts_now = _quarters(g_acts[start:stop, :], width)
            g_z, g_n = g_z + g_acts_now[1], g_n + g_acts_now[2]
        g_n = g_n * (1.0 - n * n)
        g_r, g_own = g_n * hidden, g_n * r
        if g_acts_now is not None:
            g_r, g_own = g_r + g_acts_now[0], g_own + g_acts_now[3]
        pair = [g_r * r * (1.0 - r), g_z * z * (1.0 - z)]
        parts.append(m.cat([*pair, g_n], 1))
        hidden_parts.append(m.cat([*pair, g_own], 1))
        to_h.now = gh * z + hidden_parts[-1] @ w
    back = not reverse
    return _joined(m, parts, back), _joined(m, hidden_parts, back), to_h.all()


# -- plain ---------------------------------------------------------------------------------------
def _rnn(m: Any, gates: Any, h0: Any, w: Any, act: str, sizes: Any, reverse: bool) -> Any:
    h = h0
    outs = []
    for start, stop in steps(sizes, reverse):
        a = gates[start:stop, :] + _entered(m, h, h0, stop - start) @ w.T
        h = m.tanh(a) if act == "tanh" else m.relu(a)
        outs.append(h)
    return _joined(m, outs, reverse)


def _rnn_rule(
    g: Any, h0: Any, w: Any, out: Any, act: str, sizes: Any, reverse: bool, needs: Any
) -> Any:
    g_gates, g_h0 = rnn_backward(out, w, g, act=act, sizes=sizes, reverse=reverse)
    g_w = mm(swap(g_gates), before(out, h0, sizes, reverse)) if needs[2] else None
    return g_gates if needs[0] else None, g_h0 if needs[1] else None, g_w


def _rnn_back(m: Any, out: Any, w: Any, g_out: Any, act: str, sizes: Any, reverse: bool) -> Any:
    to_h = _Carry(m)
    parts = []
    for start, stop in steps(sizes, reverse)[::-1]:
        y = out[start:stop, :]
        gh = to_h.plus(g_out[start:stop, :], stop - start)
        parts.append(gh * (1.0 - y * y) if act == "tanh" else m.relu_backward(gh, y))
        to_h.now = parts[-1] @ w
    return _joined(m, parts, not reverse), to_h.all()
