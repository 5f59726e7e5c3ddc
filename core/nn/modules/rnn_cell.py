"""rnn_cell: one step of a recurrent layer (PyTorch: ``torch.nn.RNNCell`` and its kin)."""

from __future__ import annotations

import math
from typing import Any

from ... import creation
from ...errors import ShapeError
from ...tensor import Tensor
from .. import _cells, init
from ..parameter import Parameter
from .module import Module


class RNNCellBase(Module):
    """The parameters that the three cells share."""

    bias_ih: Parameter | None
    bias_hh: Parameter | None

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        bias: bool,
        num_chunks: int,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        self.input_size = input_size
        self.hidden_size = hidden_size
        self.bias = bias
        rows = num_chunks * hidden_size
        made = {"device": device, "dtype": dtype}
        self.weight_ih = Parameter(creation.empty((rows, input_size), **made))
        self.weight_hh = Parameter(creation.empty((rows, hidden_size), **made))
        for name in ("bias_ih", "bias_hh"):
            self.register_parameter(name, Parameter(creation.empty(rows, **made)) if bias else None)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """All parameters uniform within ``1 / sqrt(hidden_size)``."""
        bound = 1.0 / math.sqrt(self.hidden_size) if self.hidden_size > 0 else 0.0
        for weight in self.parameters():
            init.uniform_(weight, -bound, bound)

    def extra_repr(self) -> str:
        out = f"{self.input_size}, {self.hidden_size}"
        if self.bias is not True:
            out += f", bias={self.bias}"
        nonlinearity = self.__dict__.get("nonlinearity", "tanh")
        return out if nonlinearity == "tanh" else out + f", nonlinearity={nonlinearity}"

    @property
    def _weights(self) -> tuple[Any, ...]:
        return self.weight_ih, self.weight_hh, self.bias_ih, self.bias_hh

    def _rows(self, input: Tensor, states: tuple[Tensor, ...] | None) -> tuple[Tensor, ...]:
        """Input and states with a batch dimension, and of shapes that fit."""
        if input.ndim not in (1, 2):
            raise ValueError(
                f"{self._get_name()}: Expected input to be 1D or 2D, got {input.ndim}D instead"
            )
        count = 1 if input.ndim == 1 else input.shape[0]
        if input.shape[-1] != self.input_size:
            raise ShapeError(
                f"input has inconsistent input_size: got {input.shape[-1]} expected "
                f"{self.input_size}"
            )
        if states is None:
            zero = input.new_zeros((count, self.hidden_size))
            states = (zero, zero)
        out = [input if input.ndim == 2 else input.unsqueeze(0)]
        for i, state in enumerate(states):
            if state.ndim not in (1, 2):
                what = f"hx[{i}]" if isinstance(self, LSTMCell) else "hidden"
                raise ValueError(
                    f"{self._get_name()}: Expected {what} to be 1D or 2D, got {state.ndim}D instead"
                )
            state = state if state.ndim == 2 else state.unsqueeze(0)
            if state.shape[1] != self.hidden_size:
                raise ShapeError(
                    f"hidden{i} has inconsistent hidden_size: got {state.shape[1]}, expected "
                    f"{self.hidden_size}"
                )
            if state.shape[0] != count:
                raise ShapeError(
                    f"Input batch size {count} doesn't match hidden{i} batch size {state.shape[0]}"
                )
            out.append(state)
        return tuple(out)


class RNNCell(RNNCellBase):
    """``tanh(W_ih x + b_ih + W_hh h + b_hh)`` (PyTorch: ``torch.nn.RNNCell``).

    ``input``: (N, input_size) or (input_size,); ``hx`` and the result: (N, hidden_size) or
    (hidden_size,). ``nonlinearity``: "tanh" or "relu".
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        bias: bool = True,
        nonlinearity: str = "tanh",
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__(input_size, hidden_size, bias, 1, device, dtype)
        self.nonlinearity = nonlinearity

    def forward(self, input: Tensor, hx: Tensor | None = None) -> Tensor:
        """The next state."""
        if self.nonlinearity not in ("tanh", "relu"):
            raise RuntimeError(f"Unknown nonlinearity: {self.nonlinearity}")
        rows, h = self._rows(input, None if hx is None else (hx,))[:2]
        out = getattr(_cells, f"rnn_{self.nonlinearity}_cell")(rows, h, *self._weights)
        return out if input.ndim == 2 else out.squeeze(0)


class LSTMCell(RNNCellBase):
    """One step of an LSTM (PyTorch: ``torch.nn.LSTMCell``).

    ``input``: (N, input_size) or (input_size,); ``hx``, a pair (h, c), and the result, the next
    pair: (N, hidden_size) or (hidden_size,).

    >>> import anadrome as ad
    >>> h, c = ad.nn.LSTMCell(3, 5)(ad.zeros(2, 3))
    >>> h.shape, c.shape
    (anadrome.Size([2, 5]), anadrome.Size([2, 5]))
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        bias: bool = True,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__(input_size, hidden_size, bias, 4, device, dtype)

    def forward(
        self, input: Tensor, hx: tuple[Tensor, Tensor] | None = None
    ) -> tuple[Tensor, Tensor]:
        """The next state and the next cell state."""
        rows, h, c = self._rows(input, None if hx is None else (hx[0], hx[1]))
        h, c = _cells.lstm_cell(rows, (h, c), *self._weights)
        return (h, c) if input.ndim == 2 else (h.squeeze(0), c.squeeze(0))


class GRUCell(RNNCellBase):
    """One step of a GRU (PyTorch: ``torch.nn.GRUCell``).

    ``input``: (N, input_size) or (input_size,); ``hx`` and the result: (N, hidden_size) or
    (hidden_size,).
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        bias: bool = True,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__(input_size, hidden_size, bias, 3, device, dtype)

    def forward(self, input: Tensor, hx: Tensor | None = None) -> Tensor:
        """The next state."""
        rows, h = self._rows(input, None if hx is None else (hx,))[:2]
        out = _cells.gru_cell(rows, h, *self._weights)
        return out if input.ndim == 2 else out.squeeze(0)
