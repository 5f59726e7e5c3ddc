"""piecewise: activations that are one thing below a corner and another above, without a branch."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from ..parallel import side_by_side
from .common import BLAS, declared, spans
from .masking import where

#: Below this many elements the declared forward is as fast.
_SMALL = 1024


def pieces_backward(
    grad: Any,
    x: Any,
    *,
    low: float = -math.inf,
    high: float = math.inf,
    inner: float = 0.0,
    outer: float = 1.0,
    open: bool = False,
) -> Any:
    """``grad * inner`` from ``low`` to ``high``, else ``grad * outer``."""
    alike = getattr(grad, "dtype", None) is x.dtype and grad.shape == x.shape
    if x.size < _SMALL or x.dtype not in BLAS or not alike:
        return declared("pieces_backward")(
            grad, x, low=low, high=high, inner=inner, outer=outer, open=open
        )
    below, above = (np.less, np.greater) if open else (np.less_equal, np.greater_equal)
    inside = above(x, low) if high == math.inf else below(x, high)
    if -math.inf < low and high < math.inf:
        inside &= above(x, low)
    return where(inside, _times(grad, inner), _times(grad, outer))


def _times(grad: Any, factor: float) -> Any:
    """Nothing times infinity is nothing here."""
    return 0.0 if factor == 0 else (grad if factor == 1 else grad * np.asarray(factor, grad.dtype))


def leaky_relu(x: Any, *, negative_slope: float = 0.01) -> Any:
    """``x``, or the slope times ``x`` where that is larger."""
    if x.size < _SMALL or x.dtype not in BLAS or not 0 < negative_slope <= 1:
        return declared("leaky_relu")(x, negative_slope=negative_slope)
    out = x * np.asarray(negative_slope, x.dtype)
    return np.maximum(out, x, out=out)


def elu(x: Any, *, alpha: float = 1.0, scale: float = 1.0, input_scale: float = 1.0) -> Any:
    """The part above zero, plus a function of the part below, which of zero is zero."""
    finite = math.isfinite(alpha * scale) and math.isfinite(input_scale)
    if x.size < _SMALL or x.dtype not in BLAS or not finite:
        return declared("elu")(x, alpha=alpha, scale=scale, input_scale=input_scale)
    out = np.empty(x.shape, x.dtype)
    source, target = x.reshape(-1), out.reshape(-1)

    def work(part: slice) -> None:
        for span in spans(part, target.size):
            here, below = source[span], target[span]
            np.minimum(here, 0, out=below)
            if input_scale != 1:
                below *= input_scale
            np.expm1(below, out=below)
            if alpha * scale != 1:
                below *= alpha * scale
            above = np.maximum(here, 0)
            if scale != 1:
                above *= scale
            below += above

    side_by_side(work, target.size, target.size)
    return out


KERNELS: dict[str, Callable[..., Any]] = {
    "pieces_backward": pieces_backward,
    "leaky_relu": leaky_relu,
    "elu": elu,
}
