"""_dropouts: dropout of whole channels, and dropout that keeps mean and variance."""

from __future__ import annotations

import math
from typing import Any

from .. import sites
from ..errors import ShapeError
from ..inplace import inplace_form
from ..ops.dropping import dropout as _dropout
from ..random import default_generator, draw
from ..refusals import refusing
from ..tensor import Tensor, wrap
from ._layers import check_probability
from ._smooth import SELU_ALPHA, SELU_SCALE, in_place

_dropout_ = inplace_form(_dropout.op)
#: What SELU tends to for small inputs: the value that is put in place of those left out.
_LOWEST = SELU_ALPHA * SELU_SCALE


@refusing
def dropout1d(
    input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False
) -> Tensor:
    """Each channel of (N, C, L) or (C, L) zero with probability ``p`` (``dropout1d``).

    The others are divided by ``1 - p``; only while ``training``. Paper: arXiv:1411.4280.
    """
    check_probability(p)
    if input.ndim not in (2, 3):
        raise ShapeError(
            f"dropout1d: Expected 2D or 3D input, but received a {input.ndim}D input. Note that "
            "dropout1d exists to provide channel-wise dropout on inputs with 1 spatial dimension, "
            "a channel dimension, and an optional batch dimension (i.e. 2D or 3D inputs)."
        )
    return channels(input, p, training, inplace, lead=input.ndim - 1)


@refusing
def dropout2d(
    input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False
) -> Tensor:
    """Each channel of (N, C, H, W) zero with probability ``p`` (``dropout2d``).

    The others are divided by ``1 - p``; only while ``training``. As in PyTorch, a 3D input is
    (N, C, L). Paper: arXiv:1411.4280.

    >>> import anadrome as ad
    >>> ad.nn.functional.dropout2d(ad.ones(1, 3, 2, 2), p=1.0).sum()
    tensor(0.)
    """
    check_probability(p)
    if input.ndim not in (3, 4):
        _odd("dropout2d", input.ndim, "3-D or 4-D", 2)
    elif input.ndim == 3:
        sites.warn(
            "dropout2d: Received a 3D input to dropout2d and assuming that channel-wise 1D dropout "
            "behavior is desired - input is interpreted as shape (N, C, L), where C is the channel "
            "dim. Use dropout1d, or unsqueeze(0) for an input (C, H, W).",
        )
    return channels(input, p, training, inplace, lead=2)


@refusing
def dropout3d(
    input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False
) -> Tensor:
    """Each channel of (N, C, D, H, W) or (C, D, H, W) zero with probability ``p``.

    The others are divided by ``1 - p``; only while ``training``. PyTorch: ``dropout3d``.
    """
    check_probability(p)
    if input.ndim not in (4, 5):
        _odd("dropout3d", input.ndim, "4-D or 5-D", 3)
    return channels(input, p, training, inplace, lead=1 if input.ndim == 4 else 2)


def _odd(name: str, ndim: int, wanted: str, spatial: int) -> None:
    sites.warn(
        f"{name}: Received a {ndim}-D input to {name}, which is deprecated and will result in an "
        f"error in a future release. To retain the behavior and silence this warning, please use "
        f"dropout instead. Note that {name} exists to provide channel-wise dropout on inputs with "
        f"{spatial} spatial dimensions, a channel dimension, and an optional batch dimension (i.e. "
        f"{wanted} inputs).",
    )


def channels(input: Tensor, p: float, training: bool, inplace: bool, lead: int) -> Tensor:
    """One draw for all that lies behind the first ``lead`` dimensions."""
    if not isinstance(input, Tensor):
        raise TypeError(f"argument 'input' must be Tensor, not {type(input).__name__}")
    if not training or p == 0.0 or not input.numel():
        return input
    shape = tuple(input.shape)
    if len(shape) < 2:
        raise ShapeError("Feature dropout requires at least 2 dimensions in the input")
    mask = (*shape[:lead], *(1,) * (len(shape) - lead))
    function = _dropout_ if inplace else _dropout
    return function(input, p=p, key=default_generator.next_key(), shape=mask)


@refusing
def alpha_dropout(
    input: Tensor, p: float = 0.5, training: bool = False, inplace: bool = False
) -> Tensor:
    """Dropout beside ``selu``: mean 0 and variance 1 stay so (``alpha_dropout``).

    Values left out become SELU's lowest one, and all are scaled and shifted. Only while
    ``training``. Paper: arXiv:1706.02515.
    """
    return _keeping_variance("alpha_dropout_", input, p, training, inplace, tuple(input.shape))


@refusing
def feature_alpha_dropout(
    input: Tensor, p: float = 0.5, training: bool = False, inplace: bool = False
) -> Tensor:
    """``alpha_dropout`` of whole channels (dimension 1; ``feature_alpha_dropout``)."""
    shape = tuple(input.shape)
    if training and p and len(shape) < 2 and input.numel():
        raise ShapeError("Feature dropout requires at least 2 dimensions in the input")
    mask = (*shape[:2], *(1,) * (len(shape) - 2))
    return _keeping_variance("feature_alpha_dropout_", input, p, training, inplace, mask)


def _keeping_variance(
    name: str, input: Tensor, p: float, training: bool, inplace: bool, shape: Any
) -> Tensor:
    check_probability(p)
    if not training or p == 0.0 or not input.numel():
        return input
    if p == 1.0:
        return in_place(name, lambda x: x * 0.0, input) if inplace else input * 0.0
    scale = 1.0 / math.sqrt((_LOWEST * _LOWEST * p + 1.0) * (1.0 - p))
    drawn = wrap(draw("uniform", shape, input.dtype, input.device, None))
    kept = (drawn >= p).to(input.dtype)
    shift = (kept - (1.0 - p)) * (_LOWEST * scale)

    def scaled(x: Tensor) -> Tensor:
        return x * (kept * scale) + shift

    return in_place(name, scaled, input) if inplace else scaled(input)
