"""recurrent: an LSTM; sequences are shared among the cores, which never wait."""

from __future__ import annotations

from typing import Any

import numpy as np

from anadrome.ops.recurrent import steps

from .common import F32, Maker, enough, suits


def _fits(team: Any, sizes: Any, rows: Any, *arrays: Any) -> bool:
    """Whether all sequences are of one length (of others the rows come and go), there is much to
    do, and there is a product that compiled code can call."""
    even = bool(sizes) and sizes[0] == sizes[-1] > 0
    return even and enough(rows.size) and suits(rows, *arrays) and team.has_blas


def _lstm(before: Any, team: Any) -> Any:
    def lstm(gates: Any, h0: Any, c0: Any, w: Any, *, sizes: Any, reverse: bool) -> Any:
        if not _fits(team, sizes, gates, h0, c0, w):
            return before(gates, h0, c0, w, sizes=sizes, reverse=reverse)
        from ..loops import recurrent

        width = h0.shape[1]
        out, cell = (np.empty((len(gates), width), F32) for _ in range(2))
        acts = np.empty_like(gates)
        wt = np.ascontiguousarray(w.T)
        starts = np.array([start for start, _ in steps(sizes, reverse)])
        with team.outside:
            recurrent.lstm(
                *team(gates.size), *team.blas, gates, acts, cell, out, h0, c0, wt, starts
            )
        return out, cell, acts

    return lstm


def _lstm_backward(before: Any, team: Any) -> Any:
    def lstm_backward(
        acts: Any, cell: Any, c0: Any, w: Any, g_out: Any = None, g_cell: Any = None,
        g_acts: Any = None, *, sizes: Any, reverse: bool,
    ) -> Any:  # fmt: skip
        given = [a for a in (cell, c0, w, g_out, g_cell) if a is not None]
        if g_acts is not None or not _fits(team, sizes, acts, *given):
            return before(acts, cell, c0, w, g_out, g_cell, g_acts, sizes=sizes, reverse=reverse)
        from ..loops import recurrent

        grads = np.empty_like(acts)
        of_h, of_c = np.zeros_like(c0), np.zeros_like(c0)
        nothing = np.empty((0, c0.shape[1]), F32)
        from_out, from_cell = (nothing if g is None else g for g in (g_out, g_cell))
        starts = np.array([start for start, _ in steps(sizes, reverse)[::-1]])
        with team.outside:
            recurrent.lstm_back(
                *team(acts.size), *team.blas, acts, cell, from_out, from_cell, grads, of_h, of_c,
                c0, w, starts,
            )  # fmt: skip
        return grads, of_h, of_c

    return lstm_backward


MAKERS: dict[str, Maker] = {"lstm": _lstm, "lstm_backward": _lstm_backward}
