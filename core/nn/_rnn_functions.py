"""_rnn_functions: recurrent networks as functions of their parameters (``torch.lstm`` and kin)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..errors import ShapeError
from ..refusals import refusing
from ..tensor import Tensor
from ._recurrent import run

_OPTIONS = ("has_biases", "num_layers", "dropout", "train", "bidirectional")
_PADDED = ("input", "hx", "params", *_OPTIONS, "batch_first")
_PACKED = ("data", "batch_sizes", "hx", "params", *_OPTIONS)


def _of_sequence(name: str, mode: str, paper: str) -> Callable[..., Any]:
    several = mode == "LSTM"

    def function(*args: Any, **keywords: Any) -> Any:
        packed = "batch_sizes" in keywords or _is_packed(args, several)
        names = _PACKED if packed else _PADDED
        given = dict(zip(names, args)) | keywords
        wrong = [n for n in names if n not in given] + [n for n in given if n not in names]
        if wrong or len(args) > len(names):
            raise TypeError(f"{name}() takes the arguments {', '.join(names)}")
        hx = tuple(given["hx"]) if several else (given["hx"],)
        directions = 1 + bool(given["bidirectional"])
        weights = _by_layer(name, list(given["params"]), given["has_biases"], hx[0], several)
        if len(weights) != given["num_layers"] * directions:
            raise ShapeError(
                f"{name}(): params are of {len(weights)} layers and directions, not of "
                f"{given['num_layers']} times {directions}"
            )
        rows = given["data"] if packed else given["input"]
        if packed:
            sizes = tuple(given["batch_sizes"].tolist())
        else:
            if rows.ndim != 3:
                raise ShapeError(f"{name}(): input must have 3 dimensions, got {rows.ndim}")
            rows = rows.transpose(0, 1) if given["batch_first"] else rows
            length, count, width = rows.shape
            sizes = (count,) * length
            rows = rows.reshape((length * count, width))
        drop = given["dropout"] if given["train"] else 0.0
        out, states = run(mode, rows, sizes, hx, weights, directions=directions, drop=drop)
        if not packed:
            out = out.reshape((length, count, out.shape[-1]))
            out = out.transpose(0, 1) if given["batch_first"] else out
        return (out, *states)

    function.__name__ = function.__qualname__ = name
    function.__doc__ = (
        f"``nn.{mode.partition('_')[0]}`` as a function (``torch.{name}``).\n\n"
        f"``{name}({', '.join(_PADDED)})``, or of a packed sequence\n"
        f"``{name}({', '.join(_PACKED)})``: ``params`` are in the order of the module's.\n"
        f"Returns the outputs and the last {'states h and c' if several else 'state'}.{paper}"
    )
    return refusing(function)


def _is_packed(args: tuple[Any, ...], several: bool) -> bool:
    if several:
        return len(args) > 1 and isinstance(args[1], Tensor)
    return len(args) > 2 and isinstance(args[2], Tensor)


def _by_layer(
    name: str, params: list[Any], biases: bool, h: Tensor, several: bool
) -> list[dict[str, Tensor | None]]:
    """The parameters of each layer and direction, by name."""
    names = ["weight_ih", "weight_hh", *(["bias_ih", "bias_hh"] if biases else [])]
    if several and len(params) % (len(names) + 1) == 0:
        hidden = params[1].shape[0] // 4
        if h.shape[-1] != hidden or len(params) % len(names):
            names.append("weight_hr")
    if not params or len(params) % len(names):
        raise ShapeError(f"{name}(): got {len(params)} params, not {len(names)} a layer")
    step = len(names)
    return [dict(zip(names, params[i : i + step])) for i in range(0, len(params), step)]


lstm = _of_sequence("lstm", "LSTM", " Paper: doi:10.1162/neco.1997.9.8.1735.")
gru = _of_sequence("gru", "GRU", " Paper: arXiv:1406.1078.")
rnn_tanh = _of_sequence("rnn_tanh", "RNN_TANH", "")
rnn_relu = _of_sequence("rnn_relu", "RNN_RELU", "")
