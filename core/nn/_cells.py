"""_cells: one step of a recurrent network (``torch.lstm_cell`` and its kin).

In one type it is a step of the op that the layers use. Of half precision on the CPU, and where the
types differ, as a state in float32 beside products in half precision within autocast, it is made
of PyTorch's operations, which round between them.
"""

from __future__ import annotations

from typing import Any

from ..composite import one
from ..halves import by_steps
from ..op import HALF
from ..ops import recurrent as ops
from ..refusals import refusing
from ..tensor import Tensor
from ._layers import linear
from ._recurrent import gru, lstm_step, summed


@refusing
@one(amp=HALF)
def lstm_cell(
    input: Tensor,
    hx: Any,
    w_ih: Tensor,
    w_hh: Tensor,
    b_ih: Tensor | None = None,
    b_hh: Tensor | None = None,
) -> tuple[Tensor, Tensor]:
    """One step of it (``torch.lstm_cell``): ``input`` (N, features) and the states h and c, (N, H)
    each, to the next."""
    h, c = hx
    if not by_steps(input):
        gates = linear(input, w_ih, summed(b_ih, b_hh))
        if gates.dtype is c.dtype:
            return ops.lstm(gates, h, c, w_hh, sizes=(len(input),), reverse=False)[:2]
    return lstm_step(linear(h, w_hh, b_hh) + linear(input, w_ih, b_ih), c)


@refusing
@one(amp=HALF)
def gru_cell(
    input: Tensor,
    hx: Tensor,
    w_ih: Tensor,
    w_hh: Tensor,
    b_ih: Tensor | None = None,
    b_hh: Tensor | None = None,
) -> Tensor:
    """One step of it (``torch.gru_cell``): ``input`` (N, features) and the state, (N, H), to the
    next."""
    gates = linear(input, w_ih, b_ih)
    if gates.dtype is hx.dtype and not by_steps(input):
        return gru(gates, hx, w_hh, b_hh, sizes=(len(input),), reverse=False)
    i_r, i_z, i_n = gates.chunk(3, 1)
    h_r, h_z, h_n = linear(hx, w_hh, b_hh).chunk(3, 1)
    n = (i_n + h_n * (h_r + i_r).sigmoid()).tanh()
    return (hx - n) * (h_z + i_z).sigmoid() + n


@refusing
@one(amp=HALF)
def rnn_tanh_cell(
    input: Tensor,
    hx: Tensor,
    w_ih: Tensor,
    w_hh: Tensor,
    b_ih: Tensor | None = None,
    b_hh: Tensor | None = None,
) -> Tensor:
    """One step of it (``torch.rnn_tanh_cell``): ``input`` (N, features) and the state, (N, H), to
    the next."""
    return _plain("tanh", input, hx, w_ih, w_hh, b_ih, b_hh)


@refusing
@one(amp=HALF)
def rnn_relu_cell(
    input: Tensor,
    hx: Tensor,
    w_ih: Tensor,
    w_hh: Tensor,
    b_ih: Tensor | None = None,
    b_hh: Tensor | None = None,
) -> Tensor:
    """One step of it (``torch.rnn_relu_cell``): ``input`` (N, features) and the state, (N, H), to
    the next."""
    return _plain("relu", input, hx, w_ih, w_hh, b_ih, b_hh)


def _plain(act: str, input: Tensor, h: Tensor, w_ih: Any, w_hh: Any, b_ih: Any, b_hh: Any) -> Any:
    if not by_steps(input):
        gates = linear(input, w_ih, summed(b_ih, b_hh))
        if gates.dtype is h.dtype:
            return ops.rnn(gates, h, w_hh, act=act, sizes=(len(input),), reverse=False)
    out = linear(h, w_hh, b_hh) + linear(input, w_ih, b_ih)
    return out.tanh() if act == "tanh" else out.relu()
