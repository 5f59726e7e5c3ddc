"""init: starting values for parameters, in place (PyTorch: ``torch.nn.init``)."""

from __future__ import annotations

import math
from typing import Any

from .. import backend as backends
from .. import creation, modes, sites
from ..border import enclose_functions
from ..placement import at
from ..tensor import Tensor, wrap

__all__ = [
    "calculate_gain",
    "constant_",
    "dirac_",
    "eye_",
    "kaiming_normal_",
    "kaiming_uniform_",
    "normal_",
    "ones_",
    "orthogonal_",
    "sparse_",
    "trunc_normal_",
    "uniform_",
    "xavier_normal_",
    "xavier_uniform_",
    "zeros_",
]

_LINEAR = ("linear", "conv1d", "conv2d", "conv3d", "conv_transpose1d", "conv_transpose2d",
           "conv_transpose3d", "sigmoid")  # fmt: skip


def calculate_gain(nonlinearity: str, param: Any = None) -> float:
    """By how much to scale weights so that variance survives a non-linearity.

    ``param``: the negative slope of "leaky_relu". Raises ValueError for an unknown name.

    >>> import anadrome as ad
    >>> round(ad.nn.init.calculate_gain("relu"), 4)
    1.4142
    """
    if nonlinearity in _LINEAR:
        return 1
    if nonlinearity == "tanh":
        return 5.0 / 3
    if nonlinearity == "relu":
        return math.sqrt(2.0)
    if nonlinearity == "leaky_relu":
        slope = 0.01 if param is None else param
        if isinstance(slope, bool) or not isinstance(slope, (int, float)):
            raise ValueError(f"negative_slope {param} not a valid number")
        return math.sqrt(2.0 / (1 + slope**2))
    if nonlinearity == "selu":
        return 3.0 / 4
    raise ValueError(f"Unsupported nonlinearity {nonlinearity}")


def uniform_(tensor: Tensor, a: float = 0.0, b: float = 1.0, generator: Any = None) -> Tensor:
    """Fill with uniform values in [a, b)."""
    with modes.no_grad():
        return tensor.uniform_(a, b, generator=generator)


def normal_(tensor: Tensor, mean: float = 0.0, std: float = 1.0, generator: Any = None) -> Tensor:
    """Fill with normal values."""
    with modes.no_grad():
        return tensor.normal_(mean, std, generator=generator)


def trunc_normal_(
    tensor: Tensor,
    mean: float = 0.0,
    std: float = 1.0,
    a: float = -2.0,
    b: float = 2.0,
    generator: Any = None,
) -> Tensor:
    """Fill with normal values, of those in [a, b] only; bounds may be Tensors of one number."""
    a, b = (v.item() if isinstance(v, Tensor) and v.numel() == 1 else v for v in (a, b))
    if mean < a - 2 * std or mean > b + 2 * std:
        sites.warn(
            "mean is more than 2 std from [a, b] in nn.init.trunc_normal_. The distribution of "
            "values may be incorrect.",
        )
    if _normal_cdf((b - mean) / std) - _normal_cdf((a - mean) / std) > 0.3:

        def propose(like: Tensor) -> tuple[Tensor, Tensor]:
            drawn = creation.empty_like(like).normal_(mean, std, generator=generator)
            return drawn, (drawn < a) | (drawn > b)
    else:
        # Far from the middle almost every normal value would be refused: propose uniform ones,
        # and accept by the density. Where that is less than exp(-40) of the largest there is none.
        nearest = max(a, min(mean, b))
        away = abs(nearest - mean) / std
        reach = 80 / (math.hypot(away, math.sqrt(80)) + away) * std
        a, b = max(a, nearest - reach), min(b, nearest + reach)
        peak = away**2

        def propose(like: Tensor) -> tuple[Tensor, Tensor]:
            drawn = creation.empty_like(like).uniform_(a, b, generator=generator)
            level = creation.empty_like(like).uniform_(generator=generator).log()
            return drawn, level > (((drawn - mean) / std) ** 2 - peak) * -0.5

    with modes.no_grad():
        values, refused = propose(tensor)
        while bool(refused.any().item()):
            fresh, again = propose(tensor)
            values = fresh.where(refused, values)
            refused = refused & again
        return tensor.copy_(values)


def _normal_cdf(x: float) -> float:
    return (1.0 + math.erf(x / math.sqrt(2.0))) / 2.0


def constant_(tensor: Tensor, val: float) -> Tensor:
    """Fill with one value."""
    with modes.no_grad():
        return tensor.fill_(val)


def ones_(tensor: Tensor) -> Tensor:
    """Fill with ones."""
    return constant_(tensor, 1.0)


def zeros_(tensor: Tensor) -> Tensor:
    """Fill with zeros."""
    return constant_(tensor, 0.0)


def eye_(tensor: Tensor) -> Tensor:
    """The identity matrix; two dimensions only."""
    if tensor.ndim != 2:
        raise ValueError("Only tensors with 2 dimensions are supported")
    with modes.no_grad():
        return tensor.copy_(creation.eye(*tensor.shape, dtype=tensor.dtype, device=tensor.device))


def dirac_(tensor: Tensor, groups: int = 1) -> Tensor:
    """A convolution's weight that passes its input on, as far as there are channels for it."""
    if tensor.ndim not in (3, 4, 5):
        raise ValueError("Only tensors with 3, 4, or 5 dimensions are supported")
    rows, columns, *kernel = tensor.shape
    if rows % groups:
        raise ValueError("dim 0 must be divisible by groups")
    centre = [k // 2 for k in kernel]
    each = rows // groups
    with modes.no_grad():
        tensor.zero_()
        for group in range(groups):
            for channel in range(min(each, columns)):
                tensor[(group * each + channel, channel, *centre)] = 1
    return tensor


def _calculate_fan_in_and_fan_out(tensor: Tensor) -> tuple[int, int]:
    if tensor.ndim < 2:
        raise ValueError(
            "Fan in and fan out can not be computed for tensor with fewer than 2 dimensions"
        )
    rows, columns, *kernel = tensor.shape
    field = math.prod(kernel)
    return columns * field, rows * field


def _calculate_correct_fan(tensor: Tensor, mode: str) -> int:
    valid = ["fan_in", "fan_out"]
    if mode.lower() not in valid:
        raise ValueError(f"Mode {mode} not supported, please use one of {valid}")
    return _calculate_fan_in_and_fan_out(tensor)[valid.index(mode.lower())]


def xavier_uniform_(tensor: Tensor, gain: float = 1.0, generator: Any = None) -> Tensor:
    """Uniform, with the variance ``2 * gain**2 / (fan_in + fan_out)`` (Glorot & Bengio, 2010)."""
    std = _xavier(tensor, gain)
    return uniform_(tensor, -math.sqrt(3.0) * std, math.sqrt(3.0) * std, generator)


def xavier_normal_(tensor: Tensor, gain: float = 1.0, generator: Any = None) -> Tensor:
    """Normal, with the variance ``2 * gain**2 / (fan_in + fan_out)`` (Glorot & Bengio, 2010)."""
    return normal_(tensor, 0.0, _xavier(tensor, gain), generator)


def _xavier(tensor: Tensor, gain: float) -> float:
    return gain * math.sqrt(2.0 / sum(_calculate_fan_in_and_fan_out(tensor)))


def kaiming_uniform_(
    tensor: Tensor,
    a: float = 0,
    mode: str = "fan_in",
    nonlinearity: str = "leaky_relu",
    generator: Any = None,
) -> Tensor:
    """Uniform, with the variance ``gain**2 / fan`` (arXiv:1502.01852)."""
    std = _kaiming(tensor, a, mode, nonlinearity)
    if std is None:
        return tensor
    return uniform_(tensor, -math.sqrt(3.0) * std, math.sqrt(3.0) * std, generator)


def kaiming_normal_(
    tensor: Tensor,
    a: float = 0,
    mode: str = "fan_in",
    nonlinearity: str = "leaky_relu",
    generator: Any = None,
) -> Tensor:
    """Normal, with the variance ``gain**2 / fan`` (arXiv:1502.01852)."""
    std = _kaiming(tensor, a, mode, nonlinearity)
    return tensor if std is None else normal_(tensor, 0.0, std, generator)


def _kaiming(tensor: Tensor, a: float, mode: str, nonlinearity: str) -> float | None:
    if 0 in tensor.shape:
        sites.warn("Initializing zero-element tensors is a no-op")
        return None
    fan = _calculate_correct_fan(tensor, mode)
    return calculate_gain(nonlinearity, a) / math.sqrt(fan)


def orthogonal_(tensor: Tensor, gain: float = 1, generator: Any = None) -> Tensor:
    """Orthogonal rows or columns, whichever are fewer (arXiv:1312.6120)."""
    if tensor.ndim < 2:
        raise ValueError("Only tensors with 2 or more dimensions are supported")
    if tensor.numel() == 0:
        return tensor
    rows = tensor.shape[0]
    columns = tensor.numel() // rows
    shape = (max(rows, columns), min(rows, columns))
    drawn = creation.empty(shape, dtype=tensor.dtype, device=tensor.device)
    drawn.normal_(generator=generator)
    xp = backends.by_type[drawn._data.__class__].xp
    with at(drawn._data):
        q, r = xp.linalg.qr(drawn._data)
        # With the signs of R's diagonal Q is uniform over all orthogonal matrices
        # (math-ph/0609050).
        q = q * xp.sign(xp.linalg.diagonal(r))
    with modes.no_grad():
        made = wrap(q if rows >= columns else q.mT)
        return tensor.copy_(made.reshape(tuple(tensor.shape)) * gain)


def sparse_(tensor: Tensor, sparsity: float, std: float = 0.01, generator: Any = None) -> Tensor:
    """Normal values, of which in each column the fraction ``sparsity`` is zero (Martens, 2010)."""
    if tensor.ndim != 2:
        raise ValueError("Only tensors with 2 dimensions are supported")
    zeros = math.ceil(sparsity * tensor.shape[0])
    with modes.no_grad():
        tensor.normal_(0.0, std, generator=generator)
        drawn = creation.empty(tuple(tensor.shape), device=tensor.device)
        keys = drawn.uniform_(generator=generator)._data
        xp = backends.by_type[keys.__class__].xp
        # Each value's rank in its column: a random permutation.
        with at(keys):
            rank = xp.argsort(xp.argsort(keys, axis=0), axis=0)
            chosen = wrap(rank < zeros)
        return tensor.masked_fill_(chosen, 0.0)


_OLDER = (
    "constant", "dirac", "eye", "kaiming_normal", "kaiming_uniform", "normal", "orthogonal",
    "sparse", "uniform", "xavier_normal", "xavier_uniform",
)  # fmt: skip


def __getattr__(name: str) -> Any:
    """The names without an underscore, which PyTorch deprecates."""
    if name not in _OLDER:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    function = globals()[name + "_"]

    def older(*args: Any, **kwargs: Any) -> Tensor:
        sites.warn(
            f"`nn.init.{name}` is now deprecated in favor of `nn.init.{name}_`.",
            FutureWarning,
        )
        return function(*args, **kwargs)

    older.__name__ = name
    return older


enclose_functions(globals())
