"""recurrent: an LSTM, step by step; sequences are shared among the cores, which never wait.

A step is one small product by BLAS, and one pass that does the rest.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from anadrome.ops.recurrent import steps

from .common import F32, Maker, enough, suits


def _even(sizes: Any) -> bool:
    """Whether all sequences are of one length; of others the rows come and go."""
    return bool(sizes) and sizes[0] == sizes[-1] > 0


def _lstm(before: Any, spread: Any) -> Any:
    def lstm(gates: Any, h0: Any, c0: Any, w: Any, *, sizes: Any, reverse: bool) -> Any:
        if not (_even(sizes) and enough(gates.size) and suits(gates, h0, c0, w)):
            return before(gates, h0, c0, w, sizes=sizes, reverse=reverse)
        from ..loops import recurrent

        width = h0.shape[1]
        out, cell = (np.empty((len(gates), width), F32) for _ in range(2))
        acts = np.empty_like(gates)
        wt = np.ascontiguousarray(w.T)

        def work(part: slice) -> None:
            h, c = h0[part], c0[part]
            for start, _ in steps(sizes, reverse):
                rows = slice(start + part.start, start + part.stop)
                a, now, value = acts[rows], cell[rows], out[rows]
                np.matmul(h, wt, out=a)
                recurrent.lstm_step(gates[rows], a, c, now, value)
                h, c = value, now

        spread(work, sizes[0], gates.size, products=True)
        return out, cell, acts

    return lstm


def _lstm_backward(before: Any, spread: Any) -> Any:
    def lstm_backward(
        acts: Any, cell: Any, c0: Any, w: Any, g_out: Any = None, g_cell: Any = None,
        g_acts: Any = None, *, sizes: Any, reverse: bool,
    ) -> Any:  # fmt: skip
        given = [a for a in (acts, cell, c0, w, g_out, g_cell) if a is not None]
        if g_acts is not None or not (_even(sizes) and enough(acts.size) and suits(*given)):
            return before(acts, cell, c0, w, g_out, g_cell, g_acts, sizes=sizes, reverse=reverse)
        from ..loops import recurrent

        grads = np.empty_like(acts)
        of_h, of_c = np.zeros_like(c0), np.zeros_like(c0)
        spans = steps(sizes, reverse)[::-1]
        earlier = [start for start, _ in spans[1:]]

        def work(part: slice) -> None:
            gh, gc = of_h[part], of_c[part]
            for i, (start, _) in enumerate(spans):
                rows = slice(start + part.start, start + part.stop)
                if g_out is not None:
                    gh += g_out[rows]
                if g_cell is not None:
                    gc += g_cell[rows]
                if i < len(earlier):
                    c = cell[earlier[i] + part.start : earlier[i] + part.stop]
                else:
                    c = c0[part]
                recurrent.lstm_step_back(acts[rows], c, cell[rows], gh, gc, grads[rows])
                np.matmul(grads[rows], w, out=gh)

        spread(work, sizes[0], acts.size, products=True)
        return grads, of_h, of_c

    return lstm_backward


MAKERS: dict[str, Maker] = {"lstm": _lstm, "lstm_backward": _lstm_backward}
