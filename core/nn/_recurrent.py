"""_recurrent: layers and directions of a recurrent network over the rows of a packed sequence."""

from __future__ import annotations

from typing import Any

from ..ops import recurrent as ops
from ..ops.joining import cat, stack
from ..tensor import Tensor
from ._layers import dropout, linear


def run(
    mode: str,
    rows: Tensor,
    sizes: tuple[int, ...],
    hx: tuple[Tensor, ...] | None,
    weights: list[dict[str, Tensor | None]],
    *,
    directions: int,
    drop: float,
) -> tuple[Tensor, tuple[Tensor, ...]]:
    """The last layer's rows, and the final states, each (layers * directions, N, H).

    ``rows``: (sum of sizes, features). ``weights``: for each layer, and each direction in it, the
    parameters by what they are called without the layer's number. ``hx``: the first states, h and
    (of an LSTM) c; None for zeros.
    """
    finals: list[tuple[Tensor, ...]] = []
    for layer in range(0, len(weights), directions):
        outs = []
        for direction in range(directions):
            given = weights[layer + direction]
            first = _zeros(mode, rows, sizes[0], given)
            if hx is not None:
                first = tuple(x[layer + direction] for x in hx)
            reverse = direction == 1
            out, states = _directed(mode, rows, sizes, reverse, first, given)
            outs.append(out)
            finals.append(tuple(_final(x, sizes, reverse) for x in states))
        rows = outs[0] if directions == 1 else cat(outs, 1)
        if drop and layer + directions < len(weights):
            rows = dropout(rows, drop)
    return rows, tuple(stack(column) for column in zip(*finals))


def _zeros(mode: str, rows: Tensor, n: int, given: dict[str, Any]) -> tuple[Tensor, ...]:
    w = given["weight_hh"]
    h = rows.new_zeros((n, w.shape[1]))
    if mode != "LSTM":
        return (h,)
    width = w.shape[0] // 4
    return h, h if width == w.shape[1] else rows.new_zeros((n, width))


def _directed(
    mode: str,
    rows: Tensor,
    sizes: tuple[int, ...],
    reverse: bool,
    first: tuple[Tensor, ...],
    given: dict[str, Any],
) -> tuple[Tensor, tuple[Tensor, ...]]:
    """One layer in one direction: its rows, and the states at every row."""
    w_hh = given["weight_hh"]
    bias, b_hh = given.get("bias_ih"), given.get("bias_hh")
    how: dict[str, Any] = {"sizes": sizes, "reverse": reverse}
    if mode == "GRU":  # the reset gate takes the second bias too, so it cannot join the first
        gates = linear(rows, given["weight_ih"], bias)
        out = gru(gates, first[0], w_hh, b_hh, **how)
        return out, (out,)
    gates = linear(rows, given["weight_ih"], summed(bias, b_hh))
    if mode == "LSTM":
        if given.get("weight_hr") is not None:
            hidden, cell = first
            return _projected(gates, hidden, cell, w_hh, given["weight_hr"], **how)
        out, cell, _ = ops.lstm(gates, *first, w_hh, **how)
        return out, (out, cell)
    out = ops.rnn(gates, *first, w_hh, act="relu" if mode == "RNN_RELU" else "tanh", **how)
    return out, (out,)


def summed(a: Tensor | None, b: Tensor | None) -> Tensor | None:
    """Both biases as one."""
    if b is None:
        return a
    return b if a is None else a + b


def gru(gates: Tensor, h0: Tensor, w: Tensor, b: Tensor | None, **how: Any) -> Tensor:
    """All states, in the type of gates and first state, which weights may be wider than."""
    out = ops.gru(gates, h0, w, b, **how)[0]
    kind = gates.dtype
    return out.to(kind) if out.dtype is not kind and h0.dtype is kind else out


def _projected(
    gates: Tensor, h0: Tensor, c0: Tensor, w: Tensor, w_hr: Tensor, *, sizes: Any, reverse: bool
) -> tuple[Tensor, tuple[Tensor, ...]]:
    """An LSTM whose output is a product (arXiv:1402.1128), step by step."""
    outs, cells = [], []
    h, c = h0, c0
    for start, stop in ops.steps(sizes, reverse):
        n = stop - start
        h, c = (x[:n] if len(x) >= n else cat([x, x0[len(x) : n]]) for x, x0 in ((h, h0), (c, c0)))
        h, c = lstm_step(gates[start:stop] + linear(h, w), c)
        h = linear(h, w_hr)
        outs.append(h)
        cells.append(c)
    if reverse:
        outs.reverse()
        cells.reverse()
    out = cat(outs)
    return out, (out, cat(cells))


def lstm_step(gates: Tensor, c: Tensor) -> tuple[Tensor, Tensor]:
    """The states h and c after one step, from the gates before their activations."""
    i, f, g, o = gates.chunk(4, -1)
    c = f.sigmoid() * c + i.sigmoid() * g.tanh()
    return o.sigmoid() * c.tanh(), c


def _final(values: Tensor, sizes: tuple[int, ...], reverse: bool) -> Tensor:
    """Each sequence's row at its last step, or in reverse at its first."""
    if reverse:
        return values[: sizes[0]]
    if sizes[-1] == sizes[0]:
        return values[len(values) - sizes[0] :]
    parts = []
    have = 0
    for start, stop in ops.steps(sizes, True):
        if stop - start > have:  # these sequences end here
            parts.append(values[start + have : stop])
            have = stop - start
    return cat(parts)
