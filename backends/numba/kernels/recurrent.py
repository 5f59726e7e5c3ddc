"""recurrent: an LSTM; sequences are shared among the cores, which never wait."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np

from anadrome import backend
from anadrome.ops.recurrent import steps

from .common import F32, Maker, enough, suits


@functools.cache
def sgemm() -> int:
    """The address of BLAS's product of float32 matrices; 0 if it is not known."""
    return backend.get("numpy").addresses.get("cblas_sgemm64", 0)


def _fits(sizes: Any, rows: Any, *arrays: Any) -> bool:
    """Whether all sequences are of one length (of others the rows come and go), there is much to
    do, and there is a product that compiled code can call."""
    even = bool(sizes) and sizes[0] == sizes[-1] > 0
    return even and enough(rows.size) and suits(rows, *arrays) and sgemm() != 0


def _lstm(before: Any, spread: Any) -> Any:
    def lstm(gates: Any, h0: Any, c0: Any, w: Any, *, sizes: Any, reverse: bool) -> Any:
        if not _fits(sizes, gates, h0, c0, w):
            return before(gates, h0, c0, w, sizes=sizes, reverse=reverse)
        from ..loops import recurrent

        width = h0.shape[1]
        out, cell = (np.empty((len(gates), width), F32) for _ in range(2))
        acts = np.empty_like(gates)
        wt = np.ascontiguousarray(w.T)
        starts = np.array([start for start, _ in steps(sizes, reverse)])

        def work(part: slice) -> None:
            recurrent.lstm(
                sgemm(), gates, acts, cell, out, h0, c0, wt, starts, part.start, part.stop
            )

        spread(work, sizes[0], gates.size, products=True)
        return out, cell, acts

    return lstm


def _lstm_backward(before: Any, spread: Any) -> Any:
    def lstm_backward(
        acts: Any, cell: Any, c0: Any, w: Any, g_out: Any = None, g_cell: Any = None,
        g_acts: Any = None, *, sizes: Any, reverse: bool,
    ) -> Any:  # fmt: skip
        given = [a for a in (cell, c0, w, g_out, g_cell) if a is not None]
        if g_acts is not None or not _fits(sizes, acts, *given):
            return before(acts, cell, c0, w, g_out, g_cell, g_acts, sizes=sizes, reverse=reverse)
        from ..loops import recurrent

        grads = np.empty_like(acts)
        of_h, of_c = np.zeros_like(c0), np.zeros_like(c0)
        nothing = np.empty((0, c0.shape[1]), F32)
        from_out, from_cell = (nothing if g is None else g for g in (g_out, g_cell))
        starts = np.array([start for start, _ in steps(sizes, reverse)[::-1]])

        def work(part: slice) -> None:
            recurrent.lstm_back(
                sgemm(), acts, cell, from_out, from_cell, grads, of_h, of_c, c0, w, starts,
                part.start, part.stop,
            )  # fmt: skip

        spread(work, sizes[0], acts.size, products=True)
        return grads, of_h, of_c

    return lstm_backward


MAKERS: dict[str, Maker] = {"lstm": _lstm, "lstm_backward": _lstm_backward}
