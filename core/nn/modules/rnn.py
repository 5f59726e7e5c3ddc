"""rnn: recurrent layers (PyTorch: ``torch.nn.RNN``, ``LSTM``, ``GRU``)."""

from __future__ import annotations

import math
from typing import Any

from ... import creation, modes, sites
from ...overriding import overrides
from ...tensor import Tensor
from .. import _rnn_functions, init
from .._later import later
from .._recurrent import run
from ..parameter import Parameter
from ..utils.rnn import PackedSequence
from .module import Module

_GATES = {"LSTM": 4, "GRU": 3, "RNN_TANH": 1, "RNN_RELU": 1}


class RNNBase(Module):
    """What the three layers share: parameters, checks, and the way over a batch or packed rows."""

    def __init__(
        self,
        mode: str,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        proj_size: int = 0,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        _check_sizes(input_size, hidden_size, num_layers, bias, batch_first, dropout, proj_size)
        if mode not in _GATES:
            raise ValueError("Unrecognized RNN mode: " + mode)
        if dropout > 0 and num_layers == 1:
            sites.warn(
                "dropout option adds dropout after all but last recurrent layer, so non-zero "
                f"dropout expects num_layers greater than 1, but got dropout={dropout} and "
                f"num_layers={num_layers}",
            )
        self.mode = mode
        self.input_size = input_size
        self.hidden_size = hidden_size
        self.num_layers = num_layers
        self.bias = bias
        self.batch_first = batch_first
        self.dropout = float(dropout)
        self.bidirectional = bidirectional
        self.proj_size = proj_size
        #: The parameters' names, layer by layer and direction by direction.
        self._all_weights: list[list[str]] = []
        rows = _GATES[mode] * hidden_size
        out = proj_size or hidden_size
        for layer in range(num_layers):
            columns = input_size if layer == 0 else out * (2 if bidirectional else 1)
            shapes: dict[str, tuple[int, ...]] = {
                "weight_ih": (rows, columns), "weight_hh": (rows, out),
            }  # fmt: skip
            if bias:
                shapes |= {"bias_ih": (rows,), "bias_hh": (rows,)}
            if proj_size:
                shapes["weight_hr"] = (proj_size, hidden_size)
            for suffix in ("", "_reverse")[: 1 + bidirectional]:
                names = []
                for name, shape in shapes.items():
                    names.append(f"{name}_l{layer}{suffix}")
                    made = Parameter(creation.empty(shape, device=device, dtype=dtype))
                    setattr(self, names[-1], made)
                self._all_weights.append(names)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """All parameters uniform within ``1 / sqrt(hidden_size)``."""
        bound = 1.0 / math.sqrt(self.hidden_size)
        for weight in self.parameters():
            init.uniform_(weight, -bound, bound)

    def flatten_parameters(self) -> None:
        """Accepted, for programs written for cuDNN; there is nothing to do."""

    @property
    def _flat_weights_names(self) -> list[str]:
        return [name for names in self._all_weights for name in names]

    @property
    def _flat_weights(self) -> list[Any]:
        return [getattr(self, name) for name in self._flat_weights_names]

    @property
    def all_weights(self) -> list[list[Parameter]]:
        """The parameters, a list for each layer and direction."""
        return [[getattr(self, name) for name in names] for names in self._all_weights]

    # -- what PyTorch's subclasses may override ----------------------------------------------
    def check_input(self, input: Tensor, batch_sizes: Any) -> None:
        """Raise unless the input has the weights' dtype and the layer's width."""
        kind = getattr(self, self._all_weights[0][0]).dtype
        if input.dtype is not kind and not modes.current().modes:
            raise ValueError(
                f"RNN input dtype ({input.dtype}) does not match weight dtype ({kind}). "
                f"Convert input: input.to({kind}), or convert model: model.to({input.dtype})"
            )
        expected = 3 if batch_sizes is None else 2
        if input.ndim != expected:
            raise RuntimeError(f"input must have {expected} dimensions, got {input.ndim}")
        if input.shape[-1] != self.input_size:
            raise RuntimeError(
                "input.size(-1) must be equal to input_size. Expected "
                f"{self.input_size}, got {input.shape[-1]}"
            )

    def get_expected_hidden_size(self, input: Tensor, batch_sizes: Any) -> tuple[int, int, int]:
        """(layers * directions, N, H_out), the shape of h_0."""
        return self._expected(input, batch_sizes, self.proj_size or self.hidden_size)

    def _expected(self, input: Tensor, batch_sizes: Any, width: int) -> tuple[int, int, int]:
        if batch_sizes is None:
            count = input.shape[0 if self.batch_first else 1]
        else:
            count = int(batch_sizes[0])
        return len(self._all_weights), count, width

    def check_hidden_size(
        self,
        hx: Tensor,
        expected_hidden_size: tuple[int, int, int],
        msg: str = "Expected hidden size {}, got {}",
    ) -> None:
        """Raise unless a first state has that shape."""
        if tuple(hx.shape) != tuple(expected_hidden_size):
            raise RuntimeError(msg.format(tuple(expected_hidden_size), list(hx.shape)))

    def check_forward_args(self, input: Tensor, hidden: Any, batch_sizes: Any) -> None:
        """Raise for an input or first states that do not fit."""
        self.check_input(input, batch_sizes)
        if hidden is not None:
            self.check_hidden_size(hidden, self.get_expected_hidden_size(input, batch_sizes))

    # -- forward -----------------------------------------------------------------------------
    def _states(self, hx: Any) -> tuple[Tensor, ...]:
        return (hx,)

    def _given_back(self, states: tuple[Tensor, ...]) -> Any:
        return states[0]

    def _check_dims(self, hx: Any, ndim: int) -> None:
        if hx.ndim != ndim:
            batch = "unbatched 2-D" if ndim == 2 else "batched 3-D"
            raise RuntimeError(
                f"For {batch} input, hx should also be {ndim}-D but got {hx.ndim}-D tensor"
            )

    def forward(self, input: Any, hx: Any = None) -> Any:
        """The outputs of the last layer at every step, and the states after the last.

        ``input``: (T, N, input_size), (N, T, input_size) with ``batch_first``, (T, input_size), or
        a PackedSequence; the outputs are of the same kind. States: (layers * directions, N, H).
        """
        if isinstance(input, PackedSequence):
            return self._packed(input, hx)
        name = "RNN" if self.mode.startswith("RNN") else self.mode
        if input.ndim not in (2, 3):
            raise ValueError(
                f"{name}: Expected input to be 2D or 3D, got {input.ndim}D"
                + (" tensor instead" if name == "RNN" else " instead")
            )
        batched = input.ndim == 3
        if hx is not None:
            self._check_dims(hx, input.ndim)
        if not batched:
            input = input.unsqueeze(0 if self.batch_first else 1)
            if hx is not None:
                hx = self._given_back(tuple(x.unsqueeze(1) for x in self._states(hx)))
        self.check_forward_args(input, hx, None)
        if overrides(type(input)):
            out, *last = self._asked(input, hx)
            states = tuple(last)
        else:
            out, states = self._padded(input, hx)
        if not batched:
            out = out.squeeze(0 if self.batch_first else 1)
            states = tuple(x.squeeze(1) for x in states)
        return out, self._given_back(states)

    def _asked(self, input: Any, hx: Any) -> Any:
        """By the public function, of which the input's class says what it does."""
        if hx is None:
            sizes = [self.get_expected_hidden_size(input, None)]
            if self.mode == "LSTM":
                sizes.append(self._expected(input, None, self.hidden_size))
            hx = self._given_back(tuple(input.new_zeros(size) for size in sizes))
        function = getattr(_rnn_functions, self.mode.lower())
        return function(
            input, hx, self._flat_weights, self.bias, self.num_layers, self.dropout,
            self.training, self.bidirectional, self.batch_first,
        )  # fmt: skip

    def _padded(self, input: Any, hx: Any) -> Any:
        if self.batch_first:
            input = input.transpose(0, 1)
        length, count, width = input.shape
        if length == 0:
            raise RuntimeError("Expected sequence length to be larger than 0 in RNN")
        rows = input.reshape((length * count, width))
        out, states = self._run(rows, (count,) * length, hx)
        out = out.reshape((length, count, out.shape[-1]))
        return out.transpose(0, 1) if self.batch_first else out, states

    def _packed(self, input: PackedSequence, hx: Any) -> Any:
        rows, batch_sizes, order, back = input
        if hx is not None and order is not None:
            hx = self._given_back(tuple(x.index_select(1, order) for x in self._states(hx)))
        self.check_forward_args(rows, hx, batch_sizes)
        out, states = self._run(rows, tuple(batch_sizes.tolist()), hx)
        if back is not None:
            states = tuple(x.index_select(1, back) for x in states)
        return PackedSequence(out, batch_sizes, order, back), self._given_back(states)

    def _run(self, rows: Tensor, sizes: tuple[int, ...], hx: Any) -> Any:
        weights = [{n.split("_l")[0]: getattr(self, n) for n in ns} for ns in self._all_weights]
        return run(
            self.mode,
            rows,
            sizes,
            None if hx is None else self._states(hx),
            weights,
            directions=1 + self.bidirectional,
            drop=self.dropout if self.training else 0.0,
        )

    def extra_repr(self) -> str:
        out = f"{self.input_size}, {self.hidden_size}"
        for name, default in (
            ("proj_size", 0), ("num_layers", 1), ("bias", True), ("batch_first", False),
            ("dropout", 0), ("bidirectional", False),
        ):  # fmt: skip
            value = getattr(self, name)
            if value != default:
                out += f", {name}={value}"
        return out


class RNN(RNNBase):
    """``h' = tanh(W_ih x + b_ih + W_hh h + b_hh)`` over sequences (PyTorch: ``torch.nn.RNN``).

    ``nonlinearity``: "tanh" or "relu". Inputs, outputs and states: see ``forward``.

    >>> import anadrome as ad
    >>> out, h = ad.nn.RNN(3, 5)(ad.zeros(4, 2, 3))
    >>> out.shape, h.shape
    (anadrome.Size([4, 2, 5]), anadrome.Size([1, 2, 5]))
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        if "proj_size" in kwargs:
            raise ValueError("proj_size argument is only supported for LSTM, not RNN or GRU")
        if len(args) > 3:
            nonlinearity, args = args[3], args[:3] + args[4:]
        else:
            nonlinearity = kwargs.pop("nonlinearity", "tanh")
        if nonlinearity not in ("tanh", "relu"):
            raise ValueError(
                f"Unknown nonlinearity '{nonlinearity}'. Select from 'tanh' or 'relu'."
            )
        super().__init__(f"RNN_{nonlinearity.upper()}", *args, **kwargs)
        self.nonlinearity = nonlinearity


class LSTM(RNNBase):
    """Long short-term memory over sequences (PyTorch: ``torch.nn.LSTM``).

    States are pairs (h, c). ``proj_size``: outputs are projected to that width (arXiv:1402.1128).
    Paper: Hochreiter & Schmidhuber, Neural Computation 9(8), 1997.

    >>> import anadrome as ad
    >>> out, (h, c) = ad.nn.LSTM(3, 5, num_layers=2)(ad.zeros(4, 2, 3))
    >>> out.shape, h.shape, c.shape
    (anadrome.Size([4, 2, 5]), anadrome.Size([2, 2, 5]), anadrome.Size([2, 2, 5]))
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__("LSTM", *args, **kwargs)

    def get_expected_cell_size(self, input: Tensor, batch_sizes: Any) -> tuple[int, int, int]:
        """(layers * directions, N, hidden_size), the shape of c_0."""
        return self._expected(input, batch_sizes, self.hidden_size)

    def check_forward_args(self, input: Tensor, hidden: Any, batch_sizes: Any) -> None:
        """Raise for an input or first states that do not fit."""
        self.check_input(input, batch_sizes)
        if hidden is not None:
            expected = self.get_expected_hidden_size(input, batch_sizes)
            self.check_hidden_size(hidden[0], expected, "Expected hidden[0] size {}, got {}")
            expected = self.get_expected_cell_size(input, batch_sizes)
            self.check_hidden_size(hidden[1], expected, "Expected hidden[1] size {}, got {}")

    def _states(self, hx: Any) -> tuple[Tensor, ...]:
        h, c = hx
        return h, c

    def _given_back(self, states: tuple[Tensor, ...]) -> Any:
        return states

    def _check_dims(self, hx: Any, ndim: int) -> None:
        h, c = hx
        if h.ndim != ndim or c.ndim != ndim:
            batch = "unbatched 2-D" if ndim == 2 else "batched 3-D"
            raise RuntimeError(
                f"For {batch} input, hx and cx should also be {ndim}-D but got ({h.ndim}-D, "
                f"{c.ndim}-D) tensors"
            )


class GRU(RNNBase):
    """Gated recurrent units over sequences (PyTorch: ``torch.nn.GRU``).

    Paper: Cho et al., arXiv:1406.1078; the reset gate is applied after the product, as in PyTorch.

    >>> import anadrome as ad
    >>> out, h = ad.nn.GRU(3, 5, bidirectional=True)(ad.zeros(4, 2, 3))
    >>> out.shape, h.shape
    (anadrome.Size([4, 2, 10]), anadrome.Size([2, 2, 5]))
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        if "proj_size" in kwargs:
            raise ValueError("proj_size argument is only supported for LSTM, not RNN or GRU")
        super().__init__("GRU", *args, **kwargs)


#: Layers that a stack may have: what has more is a mistake, and would fill the memory.
MOST_LAYERS = 100_000


def _check_sizes(
    input_size: Any,
    hidden_size: Any,
    num_layers: Any,
    bias: Any,
    batch_first: Any,
    dropout: Any,
    proj_size: Any,
) -> None:
    if isinstance(dropout, bool) or not isinstance(dropout, (int, float)) or not 0 <= dropout <= 1:
        raise ValueError(
            "dropout should be a number in range [0, 1] representing the probability of an element "
            "being zeroed"
        )
    for name, value, kind in (
        ("bias", bias, bool), ("batch_first", batch_first, bool), ("input_size", input_size, int),
        ("hidden_size", hidden_size, int),
    ):  # fmt: skip
        if not isinstance(value, kind):
            raise TypeError(
                f"{name} should be of type {kind.__name__}, got: {type(value).__name__}"
            )
    for name, value in (
        ("input_size", input_size), ("hidden_size", hidden_size), ("num_layers", num_layers),
    ):  # fmt: skip
        if value <= 0:
            raise ValueError(f"{name} must be greater than zero")
    if num_layers > MOST_LAYERS:
        raise ValueError(f"num_layers is at most {MOST_LAYERS}, but it is {num_layers}")
    if proj_size < 0:
        raise ValueError("proj_size should be a positive integer or zero to disable projections")
    if proj_size >= hidden_size:
        raise ValueError("proj_size has to be smaller than hidden_size")


# PyTorch has these in this module too.
_, __getattr__, __dir__ = later(
    __name__,
    rnn_cell="GRUCell LSTMCell RNNCell RNNCellBase",
)
